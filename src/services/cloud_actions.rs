//! The log of actions that a provider keeps, as the syncs read it. It names no user.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use entity::cloud_actions as actions;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Select,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::page::{self, Order, Page, PageRequest};
use crate::db::{Db, ROWS_PER_INSERT};
use crate::domain::validation::{MAX_TEXT_BYTES, check_text, check_time, storable};
use crate::error::Result;
use crate::provider::InventoryProvider;
use crate::provider::actions::{ActionLog, CloudAction};

/// An action that has not ended after this time is not read again.
const LONGEST: TimeDelta = TimeDelta::days(1);

/// What a sync read of the log of actions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ActionReport {
    /// Actions that are new or have changed.
    pub stored: u64,
    /// Whether older actions were left out, because there were too many.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Why the log could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_readable: Option<String>,
}

/// Reads what is new in the log of actions of a source and stores it. Returns None if the provider keeps no such log.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn read(
    db: &Db,
    source: &str,
    provider: &dyn InventoryProvider,
    provider_name: &str,
) -> Result<Option<ActionReport>> {
    let now = db.time(db.reader()).await?;
    let after = read_up_to(db, source, provider_name, now).await?;
    match provider.actions(after).await {
        ActionLog::None => Ok(None),
        ActionLog::NotReadable(why) => {
            tracing::info!(source, why, "actions.not_readable");
            Ok(Some(ActionReport {
                not_readable: Some(storable(&why)),
                ..ActionReport::default()
            }))
        }
        ActionLog::Read { actions, is_whole } => {
            let stored = store(db, source, provider_name, &actions).await?;
            Ok(Some(ActionReport {
                stored,
                truncated: !is_whole && after > 0,
                not_readable: None,
            }))
        }
    }
}

/// Returns the number up to which all actions are stored and have ended; 0 if there is none.
async fn read_up_to(db: &Db, source: &str, provider: &str, now: DateTime<Utc>) -> Result<i64> {
    let of_source = || {
        actions::Entity::find()
            .select_only()
            .column(actions::Column::Number)
            .filter(actions::Column::Source.eq(source))
            .filter(actions::Column::Provider.eq(provider))
    };
    let running = of_source()
        .filter(Expr::cust(r#"NOT "cloud_actions"."ended""#))
        .filter(actions::Column::StartedAt.gte(now - LONGEST))
        .order_by_asc(actions::Column::Number);
    let newest = of_source().order_by_desc(actions::Column::Number);
    let running: Option<i64> = running.into_tuple().one(db.reader()).await?;
    let newest: Option<i64> = newest.into_tuple().one(db.reader()).await?;
    Ok(running.map(|number| number - 1).or(newest).unwrap_or_default())
}

/// Stores actions: new ones, and those whose status has changed. Values that cannot be stored are left out.
async fn store(db: &Db, source: &str, provider: &str, read: &[CloudAction]) -> Result<u64> {
    let is_storable = |action: &&CloudAction| {
        let texts = [&action.action_type, &action.status, &action.provider_id];
        let region = action.region.as_deref().unwrap_or_default();
        let times = [Some(action.started_at), action.completed_at];
        texts
            .into_iter()
            .map(String::as_str)
            .chain([region])
            .all(|text| check_text("action", text, MAX_TEXT_BYTES).is_ok())
            && times
                .into_iter()
                .flatten()
                .all(|time| check_time("action", time).is_ok())
    };
    // An action that begins while pages are read moves others to the next page, so that they are read twice.
    let distinct: BTreeMap<i64, &CloudAction> = read
        .iter()
        .filter(is_storable)
        .map(|action| (action.number, action))
        .collect();
    let rows: Vec<actions::ActiveModel> = distinct
        .into_values()
        .map(|action| actions::ActiveModel {
            id: Set(Uuid::now_v7()),
            source: Set(source.to_owned()),
            provider: Set(provider.to_owned()),
            number: Set(action.number),
            action_type: Set(action.action_type.clone()),
            status: Set(action.status.clone()),
            ended: Set(action.ended),
            kind: Set(action.kind.clone()),
            provider_id: Set(action.provider_id.clone()),
            region: Set(action.region.clone()),
            started_at: Set(action.started_at),
            completed_at: Set(action.completed_at),
        })
        .collect();
    for chunk in rows.chunks(ROWS_PER_INSERT) {
        let key = [
            actions::Column::Source,
            actions::Column::Provider,
            actions::Column::Number,
        ];
        let state = [
            actions::Column::Status,
            actions::Column::Ended,
            actions::Column::CompletedAt,
        ];
        db.write_txn(|txn| async move {
            actions::Entity::insert_many(chunk.to_vec())
                .on_conflict(OnConflict::columns(key).update_columns(state).to_owned())
                .exec_without_returning(&*txn)
                .await?;
            Ok(())
        })
        .await?;
    }
    Ok(rows.len() as u64)
}

/// The actions of a resource, or only those that may have made a change between two times.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ActionsOf {
    /// Provider of the resource.
    pub(crate) provider: String,
    /// Its kind.
    pub(crate) kind: String,
    /// Its id at the provider.
    pub(crate) provider_id: String,
    /// Actions that began before the second time and did not end before the first one.
    pub(crate) between: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl ActionsOf {
    /// Selects the actions.
    fn select(&self) -> Select<actions::Entity> {
        let select = actions::Entity::find()
            .filter(actions::Column::Provider.eq(self.provider.as_str()))
            .filter(actions::Column::Kind.eq(self.kind.as_str()))
            .filter(actions::Column::ProviderId.eq(self.provider_id.as_str()));
        let Some((from, to)) = self.between else {
            return select;
        };
        let ended_later = Condition::any()
            .add(actions::Column::CompletedAt.is_null())
            .add(actions::Column::CompletedAt.gte(from));
        select
            .filter(actions::Column::StartedAt.lte(to))
            .filter(ended_later)
    }
}

/// Newest first.
pub(crate) const NEWEST_FIRST: Order<actions::Column> = Order {
    time: Some(actions::Column::StartedAt),
    id: actions::Column::Id,
    descending: true,
};

/// Returns one page of each of these lists of actions, newest first. One statement reads up to 200 pages.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn pages_of<C: ConnectionTrait>(
    connection: &C,
    requests: &[(ActionsOf, PageRequest)],
) -> Result<Vec<Page<actions::Model>>> {
    let selects = requests
        .iter()
        .map(|(of, request)| (of.select(), request.clone()));
    page::fetch_many(connection, selects.collect(), NEWEST_FIRST).await
}

/// Returns the number of these actions.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn count<C: ConnectionTrait>(connection: &C, of: &ActionsOf) -> Result<i64> {
    page::count(connection, of.select(), actions::Column::Id).await
}

/// Returns the action with this id.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn find<C: ConnectionTrait>(connection: &C, id: Uuid) -> Result<Option<actions::Model>> {
    page::find_one(connection, actions::Entity::find_by_id(id)).await
}

/// Selects the actions that began before a time, oldest first.
pub(super) fn before(time: DateTime<Utc>) -> Select<actions::Entity> {
    actions::Entity::find()
        .filter(actions::Column::StartedAt.lt(time))
        .order_by_asc(actions::Column::StartedAt)
}

//! Writes the changes that a listing makes.

use chrono::{DateTime, Utc};
use entity::cloud_resource_events::EventType;
use entity::cloud_resources as resources;
use sea_orm::sea_query::{Expr, ExprTrait, Func};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, UpdateMany,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::SyncCounts;
use crate::db::ROWS_PER_INSERT;
use crate::domain::inventory::{InventoryChange, ListedResource, WHOLE_ROW};
use crate::domain::traits::KindTraits;
use crate::error::Result;
use crate::provider::traits;
use crate::services::events::{self, NewEvent, SYSTEM};

/// Writes changes of a kind, with their events, and counts them.
pub(super) async fn write_in_txn(
    txn: &DatabaseTransaction,
    provider: &str,
    kind: &str,
    changes: Vec<InventoryChange>,
    now: DateTime<Utc>,
) -> Result<SyncCounts> {
    let traits = traits::rules(provider, kind);
    let mut counts = SyncCounts::default();
    let mut happened = Vec::with_capacity(changes.len());
    let mut new_rows = Vec::new();
    for change in changes {
        let (resource_id, event_type, data) = match change {
            InventoryChange::Insert(listed) => {
                let id = Uuid::now_v7();
                new_rows.push(new_row(id, provider, kind, listed, now));
                (id, EventType::ResourceDiscovered, json!({}))
            }
            InventoryChange::Discover(id, listed) => {
                let settling = settling_since(listed.settling, now);
                let mut row = content(&traits, listed);
                row.gone_at = Set(None);
                update(id, row)
                    .col_expr(resources::Column::SettlingSince, settling)
                    .col_expr(
                        resources::Column::FirstSeenAt,
                        first(resources::Column::FirstSeenAt, now),
                    )
                    .exec(txn)
                    .await?;
                (id, EventType::ResourceDiscovered, json!({}))
            }
            InventoryChange::Update { id, listed, fields } => {
                update_in_txn(txn, &traits, id, listed, fields == [WHOLE_ROW], now).await?;
                (id, EventType::ResourceChanged, json!({ "fields": fields }))
            }
            InventoryChange::Gone(id) => {
                let row = resources::ActiveModel {
                    gone_at: Set(Some(now)),
                    settling_since: Set(None),
                    ..Default::default()
                };
                update(id, row).exec(txn).await?;
                (id, EventType::ResourceGone, json!({}))
            }
        };
        counts.discovered += u64::from(event_type == EventType::ResourceDiscovered);
        counts.changed += u64::from(event_type == EventType::ResourceChanged);
        counts.gone += u64::from(event_type == EventType::ResourceGone);
        happened.push(NewEvent {
            resource_id,
            event_type,
            data,
        });
    }
    for chunk in new_rows.chunks(ROWS_PER_INSERT) {
        resources::Entity::insert_many(chunk.to_vec())
            .exec_without_returning(txn)
            .await?;
    }
    events::append_in_txn(txn, happened, SYSTEM, now).await?;
    Ok(counts)
}

fn new_row(
    id: Uuid,
    provider: &str,
    kind: &str,
    listed: ListedResource,
    now: DateTime<Utc>,
) -> resources::ActiveModel {
    let provider_id = listed.provider_id.clone();
    resources::ActiveModel {
        id: Set(id),
        provider: Set(provider.to_owned()),
        kind: Set(kind.to_owned()),
        provider_id: Set(provider_id),
        revision: Set(1),
        first_seen_at: Set(Some(now)),
        gone_at: Set(None),
        settling_since: Set(listed.settling.then_some(now)),
        ..content(&traits::rules(provider, kind), listed)
    }
}

/// Returns the columns that a listing sets.
fn content(traits: &KindTraits, listed: ListedResource) -> resources::ActiveModel {
    let owned = (traits.is_owned)(&listed);
    resources::ActiveModel {
        id: NotSet,
        urn: Set(listed.urn),
        name: Set(listed.name),
        region: Set(listed.region),
        size_slug: Set(listed.size_slug),
        status: Set(listed.status),
        tags: Set(Value::from(listed.tags)),
        ip: Set(listed.ip),
        vpc_uuid: Set(listed.vpc_uuid),
        project_id: Set(listed.project_id),
        attrs: Set(Value::Object(listed.attrs)),
        owned: Set(owned),
        ..Default::default()
    }
}

/// Writes listed content into a row. If the row does not decode (`whole_row`), its times are replaced too.
async fn update_in_txn(
    txn: &DatabaseTransaction,
    traits: &KindTraits,
    id: Uuid,
    listed: ListedResource,
    whole_row: bool,
    now: DateTime<Utc>,
) -> Result<()> {
    let settling = listed.settling;
    let mut row = content(traits, listed);
    let update = if whole_row {
        // The column that does not decode may be one that a listing does not set.
        row.first_seen_at = Set(Some(now));
        row.settling_since = Set(settling.then_some(now));
        update(id, row)
    } else {
        update(id, row).col_expr(resources::Column::SettlingSince, settling_since(settling, now))
    };
    update.exec(txn).await?;
    Ok(())
}

/// Returns the statement that changes a row and increments its revision.
fn update(id: Uuid, row: resources::ActiveModel) -> UpdateMany<resources::Entity> {
    resources::Entity::update_many()
        .set(row)
        .col_expr(
            resources::Column::Revision,
            Expr::col(resources::Column::Revision).add(1),
        )
        .filter(resources::Column::Id.eq(id))
}

/// Returns the value of the column, or `now` if it is null, so that the time of the first listing is kept.
fn first(column: resources::Column, now: DateTime<Utc>) -> Expr {
    Func::coalesce([Expr::col(column), Expr::val(now)]).into()
}

/// Returns the time of the first listing in which the resource was settling, or null if it is no longer settling.
fn settling_since(settling: bool, now: DateTime<Utc>) -> Expr {
    if settling {
        first(resources::Column::SettlingSince, now)
    } else {
        Expr::val(None::<DateTime<Utc>>)
    }
}

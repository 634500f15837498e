//! The freshness of the inventory: whether it is complete and recent enough for the results of a sweep.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use entity::cloud_resources as resources;
use entity::inventory_kinds::{self as kinds, ListingOutcome};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::detection::scope::Scope;
use super::job_runs;
use super::resources::{has_spec, spec_sets};
use super::totals;
use crate::db::{Db, column};
use crate::domain::freshness::{MaxAge, StaleReason, stale_reason};
use crate::error::Result;

/// Maximum number of kinds in an error text. The counts of the run contain the others.
const MAX_KINDS_IN_ERROR: usize = 10;
/// Maximum number of kinds in [`Freshness::stale`].
pub(crate) const MAX_STALE_KINDS: usize = 100;

/// A kind with a spec in force whose inventory may be out of date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StaleKind {
    pub provider: String,
    /// Kind within the provider.
    pub kind: String,
    /// The time at which its last complete listing was applied.
    pub completed_at: Option<DateTime<Utc>>,
    /// The reason why its inventory may be out of date.
    pub reason: StaleReason,
    /// The unread fields, if they are the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

impl StaleKind {
    fn problem(&self) -> String {
        let fields = match self.fields.as_slice() {
            [] => String::new(),
            fields => format!(": {}", fields.join(", ")),
        };
        let since = self.completed_at.map_or_else(String::new, |at| {
            format!(" (last complete listing: {})", at.to_rfc3339())
        });
        let reason = self.reason.text();
        format!("{} of {} {reason}{fields}{since}", self.kind, self.provider)
    }
}

/// The freshness of the inventory of all kinds with a spec in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Freshness {
    /// Whether no sync has ever completed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub never_synced: bool,
    /// Kinds whose inventory may be out of date, by provider and kind, at most [`MAX_STALE_KINDS`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stale: Vec<StaleKind>,
    /// The number of stale kinds, if it is greater than [`MAX_STALE_KINDS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_kinds: Option<u64>,
}

impl Freshness {
    /// Returns whether a sync has completed and no kind is stale.
    pub(crate) fn is_vouched(&self) -> bool {
        !self.never_synced && self.stale.is_empty()
    }

    /// Returns the stale kinds with their reasons as one sentence, or None if there are none.
    pub(crate) fn problem(&self) -> Option<String> {
        if self.never_synced {
            return Some("no sync has completed yet: run a sync first".to_owned());
        }
        let named: Vec<String> = self
            .stale
            .iter()
            .take(MAX_KINDS_IN_ERROR)
            .map(StaleKind::problem)
            .collect();
        let all = self.stale_kinds.unwrap_or(self.stale.len() as u64);
        let more = all.saturating_sub(named.len() as u64);
        let more = (more > 0).then(|| format!("; and {more} more kinds"));
        (!named.is_empty()).then(|| {
            format!(
                "the inventory may be out of date: {}{}",
                named.join("; "),
                more.unwrap_or_default()
            )
        })
    }
}

/// Returns the freshness of the inventory of the kinds with specs in scope, by the database's clock.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn of_scope(db: &Db, scope: &Scope, max_age: &MaxAge) -> Result<Freshness> {
    let reader = db.reader();
    let now = db.time(reader).await?;
    let known = listed_kinds(reader).await?;
    let mut stale = Vec::new();
    let nothing = KindRow::default();
    for (provider, kind) in kinds_with_specs(reader, scope).await? {
        let row = known.get(&(provider.clone(), kind.clone())).unwrap_or(&nothing);
        let completed_at = row.completed_at;
        let mut fields = Vec::new();
        let own = row.expected_interval.map(|interval| MaxAge::Fixed(interval * 2));
        let mut reason = stale_reason(completed_at, row.newest, own.as_ref().unwrap_or(max_age), now);
        if reason.is_none() {
            fields = set_fields(reader, scope, &provider, &kind, &row.unread_fields).await?;
            reason = (!fields.is_empty()).then_some(StaleReason::FieldsNotReadable);
        }
        if let Some(reason) = reason {
            stale.push(StaleKind {
                provider,
                kind,
                completed_at,
                reason,
                fields,
            });
        }
    }
    let never_synced = !was_synced(db, &known).await?;
    let all = stale.len();
    stale.truncate(MAX_STALE_KINDS);
    Ok(Freshness {
        never_synced,
        stale_kinds: (all > MAX_STALE_KINDS).then_some(all as u64),
        stale,
    })
}

/// Returns whether any sync has ever completed.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn was_ever_synced(db: &Db) -> Result<bool> {
    was_synced(db, &listed_kinds(db.reader()).await?).await
}

/// Returns whether any sync has ever completed. An empty account has no kinds, so the runs of syncs are checked too.
async fn was_synced(db: &Db, known: &BTreeMap<(String, String), KindRow>) -> Result<bool> {
    Ok(known.values().any(|kind| kind.completed_at.is_some()) || job_runs::any_sync(db).await?)
}

/// The values of the row of a kind.
#[derive(Default)]
struct KindRow {
    completed_at: Option<DateTime<Utc>>,
    newest: Option<ListingOutcome>,
    unread_fields: Vec<String>,
    /// Expected time between two listings, if no schedule of this server decides it.
    expected_interval: Option<TimeDelta>,
}

/// Returns the values of the row of each kind. A value that does not decode counts as unset.
async fn listed_kinds<C: ConnectionTrait>(connection: &C) -> Result<BTreeMap<(String, String), KindRow>> {
    let rows = connection
        .query_all_raw(kinds::Entity::find().build(connection.get_database_backend()))
        .await?;
    let text = |row, name| column::<String>(row, "", name).ok();
    Ok(rows
        .iter()
        .filter_map(|row| {
            let kind = (text(row, "provider")?, text(row, "kind")?);
            let unread: Option<Value> = column(row, "", "unread_fields").ok().flatten();
            let known = KindRow {
                completed_at: column(row, "", "completed_at").ok().flatten(),
                newest: column(row, "", "outcome").ok().flatten(),
                expected_interval: column::<Option<i64>>(row, "", "expected_interval")
                    .ok()
                    .flatten()
                    .and_then(TimeDelta::try_seconds),
                unread_fields: unread
                    .and_then(|names| serde_json::from_value(names).ok())
                    .unwrap_or_default(),
            };
            Some((kind, known))
        })
        .collect())
}

/// Returns those of `fields` that a spec in force of the kind sets.
async fn set_fields<C: ConnectionTrait>(
    connection: &C,
    scope: &Scope,
    provider: &str,
    kind: &str,
    fields: &[String],
) -> Result<Vec<String>> {
    let mut set = Vec::new();
    for field in fields {
        let select = with_specs(scope)
            .select_only()
            .column(resources::Column::Id)
            .filter(resources::Column::Provider.eq(provider))
            .filter(resources::Column::Kind.eq(kind))
            .filter(spec_sets(field, connection.get_database_backend()))
            .limit(1);
        if select.into_tuple::<Uuid>().one(connection).await?.is_some() {
            set.push(field.clone());
        }
    }
    Ok(set)
}

/// Returns the kinds in scope that have a spec in force.
async fn kinds_with_specs<C: ConnectionTrait>(
    connection: &C,
    scope: &Scope,
) -> Result<Vec<(String, String)>> {
    if let Scope::All = scope {
        return totals::kinds_with_specs(connection).await;
    }
    let select = with_specs(scope)
        .select_only()
        .columns([resources::Column::Provider, resources::Column::Kind])
        .distinct()
        .order_by_asc(resources::Column::Provider)
        .order_by_asc(resources::Column::Kind);
    Ok(select.into_tuple().all(connection).await?)
}

/// Selects the resources in scope with a spec in force.
fn with_specs(scope: &Scope) -> Select<resources::Entity> {
    let select = resources::Entity::find().filter(has_spec());
    match scope {
        Scope::Resources(ids) => select.filter(resources::Column::Id.is_in(ids.iter().copied())),
        Scope::All => select,
    }
}

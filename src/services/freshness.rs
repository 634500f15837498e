//! The freshness of the inventory: whether it is complete and recent enough for the results of a sweep.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::cloud_resources as resources;
use entity::inventory_kinds::{self as kinds, ListingOutcome};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::detection::scope::Scope;
use super::inventory::UNCLAIMED;
use super::job_runs;
use super::resources::{has_spec, spec_sets};
use super::sources::{self, StaleSource, shown};
use super::totals;
use crate::db::{Db, column};
use crate::domain::freshness::{MaxAge, StaleReason, stale_reason};
use crate::domain::sources::SourceState;
use crate::error::Result;

/// Maximum number of kinds in an error text. The counts of the run contain the others.
const MAX_KINDS_IN_ERROR: usize = 10;
/// Maximum number of kinds in [`Freshness::stale`].
pub(crate) const MAX_STALE_KINDS: usize = 100;

/// A kind with a spec in force whose inventory may be out of date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StaleKind {
    /// Name of the source; empty if no source lists the kind.
    #[serde(default)]
    pub source: String,
    pub provider: String,
    /// Kind within the provider.
    pub kind: String,
    /// The time at which the last complete listing by the source was applied.
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
        let source = Some(self.source.as_str()).filter(|name| !name.is_empty());
        let source = source.map(|name| format!("source {name}"));
        let since = self
            .completed_at
            .map(|at| format!("last complete listing: {}", shown(at)));
        let details: Vec<String> = source.into_iter().chain(since).collect();
        let since = match details.as_slice() {
            [] => String::new(),
            details => format!(" ({})", details.join(", ")),
        };
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
    /// Sources whose inventory may be out of date, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<StaleSource>,
}

impl Freshness {
    /// Returns whether a sync has completed and no kind and no source is stale.
    pub(crate) fn is_vouched(&self) -> bool {
        !self.never_synced && self.stale.is_empty() && self.sources.is_empty()
    }

    /// Returns the stale sources and kinds with their reasons as one sentence, or None if there are none. A kind is left
    /// out if its source is named with the same reason.
    pub(crate) fn problem(&self) -> Option<String> {
        if self.never_synced {
            let sources: Vec<String> = self
                .sources
                .iter()
                .map(|source| format!("; {}", source.problem()))
                .collect();
            return Some(format!(
                "no sync has completed yet: run a sync first{}",
                sources.concat()
            ));
        }
        let is_named = |kind: &&StaleKind| !self.is_of_refused_source(kind);
        let kinds: Vec<String> = self
            .stale
            .iter()
            .filter(is_named)
            .take(MAX_KINDS_IN_ERROR)
            .map(StaleKind::problem)
            .collect();
        let left_out = self.stale.iter().filter(|kind| !is_named(kind)).count() as u64;
        let all = self.stale_kinds.unwrap_or(self.stale.len() as u64);
        let more = all.saturating_sub(kinds.len() as u64 + left_out);
        let more = (more > 0).then(|| format!("; and {more} more kinds"));
        let mut named: Vec<String> = self
            .sources
            .iter()
            .filter(|source| !self.is_said_of_a_kind(source))
            .map(StaleSource::problem)
            .collect();
        named.extend(kinds);
        (!named.is_empty()).then(|| {
            format!(
                "the inventory may be out of date: {}{}",
                named.join("; "),
                more.unwrap_or_default()
            )
        })
    }
}

impl Freshness {
    /// Returns whether the newest plan of the kind's source was refused. The text then names the source only: no kind was
    /// looked at.
    fn is_of_refused_source(&self, kind: &StaleKind) -> bool {
        let mut refused = self
            .sources
            .iter()
            .filter(|source| source.state == SourceState::Refused);
        refused.any(|source| source.name == kind.source)
    }

    /// Returns whether the text names a kind of an overdue source, which says the same.
    fn is_said_of_a_kind(&self, source: &StaleSource) -> bool {
        let is_overdue = source.state == SourceState::Overdue;
        let of_source = |kind: &StaleKind| kind.source == source.name && kind.reason == StaleReason::Overdue;
        is_overdue && self.stale.iter().take(MAX_KINDS_IN_ERROR).any(of_source)
    }
}

/// Returns the freshness of the sources in scope, and of their inventory of the kinds with specs in scope, by the
/// database's clock.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn of_scope(db: &Db, scope: &Scope, max_age: &MaxAge) -> Result<Freshness> {
    let reader = db.reader();
    let now = db.time(reader).await?;
    let known = listed_kinds(reader).await?;
    let mut registered = sources::list(db, max_age).await?;
    let in_scope = sources_in(reader, scope).await?;
    registered.retain(|source| {
        in_scope
            .as_ref()
            .is_none_or(|names| names.contains(&source.row.name))
    });
    let mut stale = Vec::new();
    let nothing = [(String::new(), KindRow::default())];
    for kind in kinds_with_specs(reader, scope).await? {
        let rows = known.get(&kind).map(Vec::as_slice);
        let (provider, kind) = kind;
        for (source, row) in rows.unwrap_or(&nothing) {
            if in_scope.as_ref().is_some_and(|names| !names.contains(source)) {
                continue;
            }
            let completed_at = row.completed_at;
            let mut fields = Vec::new();
            let of_source = registered
                .iter()
                .find(|registered| registered.row.name == *source);
            let max_age = of_source.map_or_else(
                || max_age.clone(),
                |registered| sources::max_age_of(&registered.row, max_age, now),
            );
            let mut reason = stale_reason(completed_at, row.newest, &max_age, now);
            if reason.is_none() {
                let of_kind = (source.as_str(), provider.as_str(), kind.as_str());
                fields = set_fields(reader, scope, of_kind, &row.unread_fields).await?;
                reason = (!fields.is_empty()).then_some(StaleReason::FieldsNotReadable);
            }
            if let Some(reason) = reason {
                stale.push(StaleKind {
                    source: source.clone(),
                    provider: provider.clone(),
                    kind: kind.clone(),
                    completed_at,
                    reason,
                    fields,
                });
            }
        }
    }
    let never_synced = !was_synced(db, &known).await?;
    let all = stale.len();
    stale.truncate(MAX_STALE_KINDS);
    Ok(Freshness {
        never_synced,
        stale_kinds: (all > MAX_STALE_KINDS).then_some(all as u64),
        stale,
        sources: sources::stale(&registered),
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
async fn was_synced(db: &Db, known: &ListedKinds) -> Result<bool> {
    let mut listed = known.values().flatten();
    Ok(listed.any(|(_, kind)| kind.completed_at.is_some()) || job_runs::any_sync(db).await?)
}

/// The values of the row of a kind.
#[derive(Default)]
struct KindRow {
    completed_at: Option<DateTime<Utc>>,
    newest: Option<ListingOutcome>,
    unread_fields: Vec<String>,
}

/// The rows of each kind, by provider and kind, with the names of their sources.
type ListedKinds = BTreeMap<(String, String), Vec<(String, KindRow)>>;

/// Returns the values of the rows of each kind. A value that does not decode counts as unset.
async fn listed_kinds<C: ConnectionTrait>(connection: &C) -> Result<ListedKinds> {
    let rows = connection
        .query_all_raw(kinds::Entity::find().build(connection.get_database_backend()))
        .await?;
    let text = |row, name| column::<String>(row, "", name).ok();
    let mut listed = ListedKinds::new();
    for row in &rows {
        let (Some(source), Some(provider), Some(kind)) =
            (text(row, "source"), text(row, "provider"), text(row, "kind"))
        else {
            continue;
        };
        let unread: Option<Value> = column(row, "", "unread_fields").ok().flatten();
        let known = KindRow {
            completed_at: column(row, "", "completed_at").ok().flatten(),
            newest: column(row, "", "outcome").ok().flatten(),
            unread_fields: unread
                .and_then(|names| serde_json::from_value(names).ok())
                .unwrap_or_default(),
        };
        listed.entry((provider, kind)).or_default().push((source, known));
    }
    Ok(listed)
}

/// Returns the sources of the resources in scope, or None if all sources are in scope. An unclaimed resource may be of any
/// source.
async fn sources_in<C: ConnectionTrait>(connection: &C, scope: &Scope) -> Result<Option<BTreeSet<String>>> {
    let Scope::Resources(_) = scope else {
        return Ok(None);
    };
    let select = with_specs(scope)
        .select_only()
        .column(resources::Column::Source)
        .distinct();
    let names: Vec<String> = select.into_tuple().all(connection).await?;
    let names: BTreeSet<String> = names.into_iter().collect();
    Ok((!names.contains(UNCLAIMED)).then_some(names))
}

/// Returns those of `fields` that a spec in force of the kind sets.
async fn set_fields<C: ConnectionTrait>(
    connection: &C,
    scope: &Scope,
    (source, provider, kind): (&str, &str, &str),
    fields: &[String],
) -> Result<Vec<String>> {
    let mut set = Vec::new();
    for field in fields {
        let select = with_specs(scope)
            .select_only()
            .column(resources::Column::Id)
            .filter(resources::Column::Provider.eq(provider))
            .filter(resources::Column::Kind.eq(kind))
            .filter(resources::Column::Source.is_in([source, UNCLAIMED]))
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

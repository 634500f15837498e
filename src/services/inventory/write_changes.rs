//! Writes the changes of a listing: one statement with constant text for all rows of a chunk.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::cloud_resource_events::EventType;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use serde::Serialize;
use serde_json::{Map, json};
use uuid::Uuid;
use uuid::fmt::Simple;

use super::SyncCounts;
use super::read_stored::LISTED_DIGEST;
use super::seen::{Seen, Values};
use crate::db::DatabaseTransaction;
use crate::domain::digest::Digest;
use crate::domain::inventory::{InventoryChange, ListedResource, StoredResource, WHOLE_ROW};
use crate::domain::inventory_changes::{Before, field_changes};
use crate::domain::traits::KindTraits;
use crate::error::{Error, Result};
use crate::provider::traits;
use crate::services::events::{self, NewEvent, SYSTEM};
use crate::services::inventory_changes;

/// The changes that a chunk of a listing makes to the stored rows.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) changes: Vec<InventoryChange>,
    /// The changed values of the rows among them that were stored before.
    pub(super) values: BTreeMap<Uuid, Values>,
    /// Rows whose content equals the listed resource, with their ids at the provider.
    pub(super) same: Vec<(Uuid, String)>,
    /// The digests of the listed resources by their ids at the provider.
    pub(super) digests: BTreeMap<String, Digest>,
    /// Number of rows that cannot be written because their id does not decode.
    pub(super) nameless: u64,
}

/// Returns the changed values of the stored rows among these changes.
pub(super) fn values_of(
    stored: &[StoredResource],
    changes: &[InventoryChange],
    traits: &KindTraits,
) -> BTreeMap<Uuid, Values> {
    let rows: BTreeMap<Uuid, &StoredResource> = stored.iter().map(|known| (known.id, known)).collect();
    let of_change = |change: &InventoryChange| {
        let (id, listed) = match change {
            InventoryChange::Discover(id, listed) | InventoryChange::Update { id, listed, .. } => {
                (id, listed)
            }
            InventoryChange::Insert(_) | InventoryChange::Gone(_) => return None,
        };
        let known = rows.get(id)?;
        let values = Values {
            was_gone: known.gone && known.seen,
            fields: field_changes(known, listed, traits),
        };
        Some((*id, values))
    };
    changes.iter().filter_map(of_change).collect()
}

/// The columns whose values come from a listing, and their types in PostgreSQL.
const CONTENT: [(&str, &str); 12] = [
    ("urn", "text"),
    ("name", "text"),
    ("region", "text"),
    ("size_slug", "text"),
    ("status", "text"),
    ("tags", "jsonb"),
    ("ip", "text"),
    ("vpc_uuid", "text"),
    ("project_id", "text"),
    ("attrs", "jsonb"),
    ("owned", "boolean"),
    (LISTED_DIGEST, "text"),
];
const IDS: [(&str, &str); 2] = [("id", "uuid"), ("provider_id", "text")];
const FLAGS: [(&str, &str); 2] = [("settling", "boolean"), ("whole_row", "boolean")];

/// A row of a statement, as JSON.
#[derive(Serialize)]
struct Row<'a> {
    id: Simple,
    provider_id: &'a str,
    urn: &'a str,
    name: &'a str,
    region: Option<&'a str>,
    size_slug: Option<&'a str>,
    status: Option<&'a str>,
    tags: &'a [String],
    ip: Option<&'a str>,
    vpc_uuid: Option<&'a str>,
    project_id: Option<&'a str>,
    attrs: &'a Map<String, serde_json::Value>,
    owned: bool,
    listed_digest: Option<String>,
    settling: bool,
    /// Whether the row did not decode. Its columns that listings do not set are then replaced too.
    whole_row: bool,
}

/// A row whose content equals the listed resource, and its digest.
#[derive(Serialize)]
struct Same {
    id: Simple,
    listed_digest: Option<String>,
}

/// Writes the changes of a kind that a source lists, with their events, and counts them.
pub(super) async fn write_in_txn(
    txn: &DatabaseTransaction,
    (source, provider, kind): (&str, &str, &str),
    (plan, before): (Plan, Before),
    now: DateTime<Utc>,
) -> Result<SyncCounts> {
    let traits = traits::rules(provider, kind);
    let digest = |provider_id: &String| plan.digests.get(provider_id).map(Digest::to_string);
    let row = |id: Uuid, listed, whole_row| row(id, listed, &traits, digest, whole_row);
    let (mut inserted, mut updated, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    let mut happened = Vec::with_capacity(plan.changes.len());
    let mut seen = Seen::default();
    for change in &plan.changes {
        let (resource_id, event_type, data) = match change {
            InventoryChange::Insert(listed) => {
                let id = Uuid::now_v7();
                inserted.push(row(id, listed, false));
                seen.appeared(id, before.is_first);
                (id, EventType::ResourceDiscovered, json!({}))
            }
            InventoryChange::Discover(id, listed) => {
                updated.push(row(*id, listed, false));
                match plan.values.get(id).filter(|values| values.was_gone) {
                    Some(values) => seen.returned(*id, values),
                    None => seen.appeared(*id, before.is_first),
                }
                (*id, EventType::ResourceDiscovered, json!({}))
            }
            InventoryChange::Update { id, listed, fields } => {
                updated.push(row(*id, listed, *fields == [WHOLE_ROW]));
                seen.changed(*id, plan.values.get(id));
                (*id, EventType::ResourceChanged, json!({ "fields": fields }))
            }
            InventoryChange::Gone(id) => {
                gone.push(id.simple());
                seen.gone(*id);
                (*id, EventType::ResourceGone, json!({}))
            }
        };
        happened.push(NewEvent {
            resource_id,
            event_type,
            data,
        });
    }
    let same: Vec<Same> = plan
        .same
        .iter()
        .map(|(id, provider_id)| Same {
            id: id.simple(),
            listed_digest: digest(provider_id),
        })
        .collect();
    let backend = txn.get_database_backend();
    let now_value = || Value::from(now);
    let of_kind = [provider.into(), kind.into(), now_value(), source.into()];
    execute(txn, &insert(backend), &inserted, of_kind).await?;
    execute(txn, &update(backend), &updated, [now_value(), source.into()]).await?;
    execute(txn, &end(backend), &gone, [now_value()]).await?;
    execute(txn, &note(backend), &same, [source.into()]).await?;
    // Before the events: a trigger keeps the changes of events that have none.
    inventory_changes::write_in_txn(txn, seen.0, before.listed_at, now).await?;
    let counts = counts_of(&happened);
    events::append_in_txn(txn, happened, SYSTEM, now).await?;
    Ok(counts)
}

fn counts_of(happened: &[NewEvent]) -> SyncCounts {
    let of = |event_type| {
        happened
            .iter()
            .filter(|event| event.event_type == event_type)
            .count() as u64
    };
    SyncCounts {
        discovered: of(EventType::ResourceDiscovered),
        changed: of(EventType::ResourceChanged),
        gone: of(EventType::ResourceGone),
        ..SyncCounts::default()
    }
}

fn row<'l>(
    id: Uuid,
    listed: &'l ListedResource,
    traits: &KindTraits,
    digest: impl Fn(&String) -> Option<String>,
    whole_row: bool,
) -> Row<'l> {
    Row {
        id: id.simple(),
        provider_id: &listed.provider_id,
        urn: &listed.urn,
        name: &listed.name,
        region: listed.region.as_deref(),
        size_slug: listed.size_slug.as_deref(),
        status: listed.status.as_deref(),
        tags: &listed.tags,
        ip: listed.ip.as_deref(),
        vpc_uuid: listed.vpc_uuid.as_deref(),
        project_id: listed.project_id.as_deref(),
        attrs: &listed.attrs,
        owned: (traits.is_owned)(listed),
        listed_digest: digest(&listed.provider_id),
        settling: listed.settling,
        whole_row,
    }
}

/// Executes a statement with these rows as its first parameter. Does nothing if there are none.
async fn execute<R: Serialize, const N: usize>(
    txn: &DatabaseTransaction,
    sql: &str,
    rows: &[R],
    values: [Value; N],
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let rows = serde_json::to_string(rows).map_err(|why| Error::Internal(why.to_string()))?;
    let values = std::iter::once(Value::from(rows)).chain(values);
    let statement = Statement::from_sql_and_values(txn.get_database_backend(), sql, values);
    txn.execute_raw(statement).await?;
    Ok(())
}

/// Inserts new rows. $2 is their provider, $3 their kind, $4 the time, $5 the source.
fn insert(backend: DbBackend) -> String {
    let (names, listed) = (names(""), names(r#""listed"."#));
    let source = source(backend, [&IDS[..], &CONTENT, &FLAGS]);
    format!(
        r#"INSERT INTO "cloud_resources" ("id", "provider_id", {names}, "provider", "kind", "revision", "first_seen_at",
            "source", "settling_since") SELECT "listed"."id", "listed"."provider_id", {listed}, $2, $3, 1, $4, $5,
            CASE WHEN "listed"."settling" THEN $4 END FROM {source}"#
    )
}

/// Updates the content of existing rows and marks them as not gone. $2 is the time, $3 the source. Unless the whole row is replaced,
/// `first_seen_at` keeps its first value, and `settling_since` does as long as the resource is settling.
fn update(backend: DbBackend) -> String {
    let content: Vec<String> = CONTENT
        .iter()
        .map(|(name, _)| format!(r#""{name}" = "listed"."{name}""#))
        .collect();
    let content = content.join(", ");
    let source = source(backend, [&IDS[..], &CONTENT, &FLAGS]);
    format!(
        r#"UPDATE "cloud_resources" SET {content}, "gone_at" = NULL, "revision" = "cloud_resources"."revision" + 1,
            "source" = $3,
            "first_seen_at" = CASE WHEN "listed"."whole_row" THEN $2
                ELSE COALESCE("cloud_resources"."first_seen_at", $2) END,
            "settling_since" = CASE WHEN NOT "listed"."settling" THEN NULL WHEN "listed"."whole_row" THEN $2
                ELSE COALESCE("cloud_resources"."settling_since", $2) END
            FROM {source} WHERE "cloud_resources"."id" = "listed"."id""#
    )
}

/// Marks resources as gone since $2.
fn end(backend: DbBackend) -> String {
    let ids = match backend {
        DbBackend::Postgres => {
            r#"= ANY(ARRAY(SELECT CAST(jsonb_array_elements_text(CAST($1 AS jsonb)) AS uuid)))"#
        }
        _ => r#"IN (SELECT unhex(value) FROM json_each($1))"#,
    };
    format!(
        r#"UPDATE "cloud_resources" SET "gone_at" = $2, "settling_since" = NULL, "{LISTED_DIGEST}" = NULL,
            "revision" = "revision" + 1 WHERE "id" {ids}"#
    )
}

/// Stores the digests of rows whose content equals the listed resource, and the source, $2.
fn note(backend: DbBackend) -> String {
    let source = source(backend, [&[("id", "uuid"), (LISTED_DIGEST, "text")]]);
    format!(
        r#"UPDATE "cloud_resources" SET "{LISTED_DIGEST}" = "listed"."{LISTED_DIGEST}", "source" = $2
            FROM {source} WHERE "cloud_resources"."id" = "listed"."id""#
    )
}

fn names(prefix: &str) -> String {
    let names = CONTENT.iter().map(|(name, _)| format!(r#"{prefix}"{name}""#));
    names.collect::<Vec<_>>().join(", ")
}

/// Returns the SQL for the rows of parameter 1, a JSON list, as a table.
fn source<const N: usize>(backend: DbBackend, columns: [&[(&str, &str)]; N]) -> String {
    let columns = columns.into_iter().flatten();
    if backend == DbBackend::Postgres {
        let columns: Vec<String> = columns.map(|(name, ty)| format!(r#""{name}" {ty}"#)).collect();
        let columns = columns.join(", ");
        return format!(r#"jsonb_to_recordset(CAST($1 AS jsonb)) AS "listed"({columns})"#);
    }
    let columns: Vec<String> = columns
        .map(|(name, ty)| match *ty {
            "uuid" => format!(r#"unhex(value ->> '$.{name}') AS "{name}""#),
            "jsonb" => format!(r#"value -> '$.{name}' AS "{name}""#),
            _ => format!(r#"value ->> '$.{name}' AS "{name}""#),
        })
        .collect();
    let columns = columns.join(", ");
    format!(r#"(SELECT {columns} FROM json_each($1)) AS "listed""#)
}

//! Reads the stored rows of a kind. A scan streams them, so that it never holds all of them in memory.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use entity::cloud_resources as resources;
use futures_util::TryStreamExt as _;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QueryResult,
    QuerySelect, QueryTrait, Select, StreamTrait as _,
};
use uuid::Uuid;

use crate::db::{column, decode};
use crate::domain::inventory::{ListedResource, StoredResource};
use crate::domain::validation::is_comparable;
use crate::error::Result;

/// A stored resource that a complete listing lacks.
#[derive(Clone, Debug)]
pub(super) struct Missing {
    pub(super) id: Uuid,
    /// Whether an earlier listing contained it. The check for mass deletion ignores unsynced resources, so that an
    /// import may run before the first sync.
    pub(super) seen: bool,
}

/// The stored rows of a kind compared with a complete listing.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Number of resources that an earlier listing contained and that are not gone.
    pub(super) present: usize,
    /// Resources that are not gone and that the listing lacks.
    pub(super) missing: Vec<Missing>,
    /// Number of missing resources whose id does not decode, so that their rows cannot be written.
    pub(super) nameless: u64,
}

impl Scan {
    /// Returns the number of missing resources that an earlier listing contained.
    pub(super) fn missing_and_seen(&self) -> usize {
        self.missing.iter().filter(|missing| missing.seen).count()
    }
}

/// Compares the stored rows of a kind, one by one, with a complete listing.
pub(super) async fn scan(
    reader: &DatabaseConnection,
    provider: &str,
    kind: &str,
    listed: &[ListedResource],
) -> Result<Scan> {
    let listed: HashSet<&str> = listed
        .iter()
        .map(|resource| resource.provider_id.as_str())
        .collect();
    let select = of_kind(provider, kind)
        .select_only()
        .columns([
            resources::Column::Id,
            resources::Column::ProviderId,
            resources::Column::FirstSeenAt,
        ])
        .filter(resources::Column::GoneAt.is_null());
    let mut rows = reader
        .stream_raw(select.build(reader.get_database_backend()))
        .await?;
    let mut scan = Scan::default();
    while let Some(row) = rows.try_next().await? {
        let seen = is_set(&row, "first_seen_at");
        let provider_id: String = row.try_get("", "provider_id")?;
        let is_listed = listed.contains(provider_id.as_str());
        match column::<Uuid>(&row, "", "id") {
            Ok(id) => {
                scan.present += usize::from(seen);
                if !is_listed {
                    scan.missing.push(Missing { id, seen });
                }
            }
            Err(_) => scan.nameless += u64::from(!is_listed),
        }
    }
    Ok(scan)
}

/// Selects the rows of listed resources.
pub(super) fn of_listed(provider: &str, kind: &str, listed: &[ListedResource]) -> Select<resources::Entity> {
    let ids = listed.iter().map(|resource| resource.provider_id.as_str());
    of_kind(provider, kind).filter(resources::Column::ProviderId.is_in(ids))
}

/// Selects the rows with these ids.
pub(super) fn of_ids(ids: impl IntoIterator<Item = Uuid>) -> Select<resources::Entity> {
    resources::Entity::find().filter(resources::Column::Id.is_in(ids))
}

fn of_kind(provider: &str, kind: &str) -> Select<resources::Entity> {
    resources::Entity::find()
        .filter(resources::Column::Provider.eq(provider))
        .filter(resources::Column::Kind.eq(kind))
}

/// Reads rows in the order of ids. Returns the rows, and the provider ids of rows whose own id does not decode.
pub(super) async fn read<C: ConnectionTrait>(
    connection: &C,
    select: Select<resources::Entity>,
) -> Result<(Vec<StoredResource>, BTreeSet<String>)> {
    let select = select.order_by_asc(resources::Column::Id);
    let rows = connection
        .query_all_raw(select.build(connection.get_database_backend()))
        .await?;
    let (mut stored, mut nameless) = (Vec::with_capacity(rows.len()), BTreeSet::new());
    for row in &rows {
        let provider_id = row.try_get("", "provider_id")?;
        let whole = decode::<resources::Model>(row, "").filter(|row| is_comparable(&row.attrs));
        match column(row, "", "id") {
            Ok(id) => stored.push(StoredResource {
                id,
                provider_id,
                gone: is_set(row, "gone_at"),
                seen: is_set(row, "first_seen_at"),
                row: whole,
            }),
            Err(_) => _ = nameless.insert(provider_id),
        }
    }
    Ok((stored, nameless))
}

/// Returns whether the column is set. A time that does not decode counts as set.
fn is_set(row: &QueryResult, name: &str) -> bool {
    !matches!(column::<Option<DateTime<Utc>>>(row, "", name), Ok(None))
}

//! Reading what is stored of a kind, without holding all of it.

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
    /// Whether an earlier listing had it. What only an import knows of was never there, so that importing before
    /// the first sync is as good as after it.
    pub(super) seen: bool,
}

/// A kind as it is stored, compared with a complete listing of it.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Resources that an earlier listing had and that are not gone.
    pub(super) present: usize,
    /// Those that are not gone and that the listing lacks.
    pub(super) missing: Vec<Missing>,
    /// Those that are missing and whose id does not decode, so that nothing can be written to their rows.
    pub(super) nameless: u64,
}

impl Scan {
    /// How many of those that are missing an earlier listing had.
    pub(super) fn missing_and_seen(&self) -> usize {
        self.missing.iter().filter(|missing| missing.seen).count()
    }
}

/// Compares a kind, row by row, with what a complete listing has of it.
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

/// The rows of a chunk of a listing.
pub(super) fn of_listed(provider: &str, kind: &str, listed: &[ListedResource]) -> Select<resources::Entity> {
    let ids = listed.iter().map(|resource| resource.provider_id.as_str());
    of_kind(provider, kind).filter(resources::Column::ProviderId.is_in(ids))
}

/// The rows of these ids.
pub(super) fn of_ids(ids: impl IntoIterator<Item = Uuid>) -> Select<resources::Entity> {
    resources::Entity::find().filter(resources::Column::Id.is_in(ids))
}

fn of_kind(provider: &str, kind: &str) -> Select<resources::Entity> {
    resources::Entity::find()
        .filter(resources::Column::Provider.eq(provider))
        .filter(resources::Column::Kind.eq(kind))
}

/// Reads rows in the order of ids, and the provider's ids of those whose own id does not decode.
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

/// Whether the column holds anything, be it a time that does not decode.
fn is_set(row: &QueryResult, name: &str) -> bool {
    !matches!(column::<Option<DateTime<Utc>>>(row, "", name), Ok(None))
}

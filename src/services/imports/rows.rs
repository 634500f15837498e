//! The rows that an import reads and locks, and the new rows of unknown resources.

use std::collections::{BTreeMap, BTreeSet};

use entity::cloud_resources as resources;
use sea_orm::sea_query::{ExprTrait as _, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    QueryTrait,
};
use serde_json::json;
use uuid::Uuid;

use super::Import;
use crate::db::{DatabaseTransaction, ROWS_PER_INSERT, decodable};
use crate::error::Result;
use crate::provider::terraform::{Desired, PROVIDER};
use crate::services::inventory::UNCLAIMED;
use crate::services::locks::{self, Lock, locked};
use crate::services::stored_specs::{StoredSpec, stored_specs_in_txn};

/// Specs by resource.
pub(super) type Specs = BTreeMap<Uuid, StoredSpec>;

/// Identity of a resource: kind and the provider's id.
pub(super) type Key = (String, String);

/// Returns the key of a desired resource.
pub(super) fn key(desired: &Desired) -> Key {
    (desired.kind.to_owned(), desired.provider_id.clone())
}

/// Returns the rows of these resources. Unknown resources get a row, under the lock of their kind.
pub(super) async fn known_or_new_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    wanted: &[&Desired],
) -> Result<BTreeMap<(String, String), resources::Model>> {
    let keys: Vec<Key> = wanted.iter().map(|desired| key(desired)).collect();
    let known = rows_of(txn, &keys).await?;
    let new: Vec<&Desired> = wanted
        .iter()
        .copied()
        .filter(|desired| !known.contains_key(&key(desired)))
        .collect();
    if new.is_empty() || import.dry_run {
        return Ok(known);
    }
    let kinds: BTreeSet<&str> = new.iter().map(|desired| desired.kind).collect();
    for kind in kinds {
        locks::kind_in_txn(txn, PROVIDER, kind).await?;
    }
    let rows: Vec<resources::ActiveModel> = new.into_iter().map(unsynced_row).collect();
    for chunk in rows.chunks(ROWS_PER_INSERT) {
        resources::Entity::insert_many(chunk.to_vec())
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(txn)
            .await?;
    }
    rows_of(txn, &keys).await
}

/// Returns the row of a resource that no listing has contained yet.
fn unsynced_row(desired: &Desired) -> resources::ActiveModel {
    resources::ActiveModel {
        id: Set(Uuid::now_v7()),
        provider: Set(PROVIDER.to_owned()),
        kind: Set(desired.kind.to_owned()),
        provider_id: Set(desired.provider_id.clone()),
        urn: Set(desired.urn.clone()),
        name: Set(desired.name.clone()),
        region: Set(desired.region.clone()),
        size_slug: Set(None),
        status: Set(None),
        tags: Set(json!([])),
        ip: Set(None),
        vpc_uuid: Set(None),
        project_id: Set(None),
        attrs: Set(json!({})),
        revision: Set(1),
        first_seen_at: Set(None),
        gone_at: Set(None),
        settling_since: Set(None),
        owned: Set(false),
        source: Set(UNCLAIMED.to_owned()),
    }
}

/// Returns the rows of those resources that exist in the database.
pub(super) async fn rows_of<C: ConnectionTrait>(
    connection: &C,
    wanted: &[Key],
) -> Result<BTreeMap<Key, resources::Model>> {
    let mut by_kind: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (kind, id) in wanted {
        by_kind.entry(kind).or_default().push(id);
    }
    if by_kind.is_empty() {
        return Ok(BTreeMap::new());
    }
    let any = by_kind.into_iter().fold(Condition::any(), |any, (kind, ids)| {
        let of_kind = resources::Column::Kind.eq(kind);
        any.add(of_kind.and(resources::Column::ProviderId.is_in(ids)))
    });
    let select = resources::Entity::find()
        .filter(resources::Column::Provider.eq(PROVIDER))
        .filter(any);
    let (rows, _) = decodable(select, connection).await?;
    Ok(rows
        .into_iter()
        .map(|row| ((row.kind.clone(), row.provider_id.clone()), row))
        .collect())
}

/// Locks resources and their specs, each in the order of ids, and returns the current specs.
pub(super) async fn lock_in_txn(
    txn: &DatabaseTransaction,
    ids: impl Iterator<Item = Uuid> + Clone,
    lock: Lock,
) -> Result<Specs> {
    if ids.clone().next().is_none() {
        return Ok(Specs::new());
    }
    let rows = resources::Entity::find()
        .filter(resources::Column::Id.is_in(ids.clone()))
        .order_by_asc(resources::Column::Id);
    let rows = locked(rows, lock);
    txn.query_all_raw(rows.build(txn.get_database_backend())).await?;
    stored_specs_in_txn(txn, ids, Some(Lock::Update)).await
}

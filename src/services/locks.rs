//! Row locks. They hold on PostgreSQL; SQLite has one writer at a time and needs none.

use entity::{cloud_drift, cloud_provisioned, cloud_resources};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::db::decodable;
use crate::error::{Error, Result};

/// How a row is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Nobody may change it meanwhile.
    Share,
    /// Nobody else may even lock it: it will be changed.
    Update,
}

/// Adds the lock to a select.
pub fn locked<S: QuerySelect>(select: S, lock: Lock) -> S {
    match lock {
        Lock::Share => select.lock_shared(),
        Lock::Update => select.lock_exclusive(),
    }
}

/// Locks and reads one resource. NOT_FOUND if there is none.
pub async fn resource_in_txn(
    txn: &DatabaseTransaction,
    id: Uuid,
    lock: Lock,
) -> Result<cloud_resources::Model> {
    let select = locked(cloud_resources::Entity::find_by_id(id), lock);
    one(decodable(select, txn).await?, "resource")?.ok_or(Error::NotFound("resource"))
}

/// Locks and reads the spec of a resource, if it ever had one.
pub async fn spec_in_txn(
    txn: &DatabaseTransaction,
    resource_id: Uuid,
    lock: Lock,
) -> Result<Option<cloud_provisioned::Model>> {
    let select =
        cloud_provisioned::Entity::find().filter(cloud_provisioned::Column::ResourceId.eq(resource_id));
    one(decodable(locked(select, lock), txn).await?, "spec")
}

/// Locks and reads one drift, to change it. NOT_FOUND if there is none.
pub async fn drift_in_txn(txn: &DatabaseTransaction, id: Uuid) -> Result<cloud_drift::Model> {
    let select = locked(cloud_drift::Entity::find_by_id(id), Lock::Update);
    one(decodable(select, txn).await?, "drift")?.ok_or(Error::NotFound("drift"))
}

fn one<M>((rows, skipped): (Vec<M>, u64), noun: &str) -> Result<Option<M>> {
    if skipped > 0 {
        return Err(Error::Internal(format!("the row of this {noun} does not decode")));
    }
    Ok(rows.into_iter().next())
}

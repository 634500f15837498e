//! Row locks. They take effect on PostgreSQL only; SQLite allows one writer at a time and needs none.

use chrono::{DateTime, Utc};
use entity::inventory_kinds::ListingOutcome;
use entity::{cloud_drift, cloud_provisioned, cloud_resources, inventory_kinds};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryResult,
    QuerySelect, QueryTrait, Statement,
};
use serde_json::Value;
use uuid::Uuid;

use crate::db::{DatabaseTransaction, column, decodable};
use crate::domain::inventory::LastListing;
use crate::error::{Error, Result};

/// The mode of a row lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// No other transaction can change the row.
    Share,
    /// No other transaction can change or lock the row, because this one will change it.
    Update,
}

/// Adds the lock to a select.
pub(crate) fn locked<S: QuerySelect>(select: S, lock: Lock) -> S {
    match lock {
        Lock::Share => select.lock_shared(),
        Lock::Update => select.lock_exclusive(),
    }
}

/// First key of the advisory locks on kinds.
const KINDS: i32 = 0x6b69_6e64;

/// Locks a kind of the inventory for all sources. Inserting or deleting resources of the kind needs this lock.
pub(crate) async fn kind_in_txn(txn: &DatabaseTransaction, provider: &str, kind: &str) -> Result<()> {
    let backend = txn.get_database_backend();
    if backend == DbBackend::Postgres {
        // Kinds whose names have the same hash share a lock, which costs time and nothing else.
        let lock = format!("SELECT pg_advisory_xact_lock({KINDS}, hashtext($1))");
        let name = [format!("{provider}/{kind}").into()];
        txn.execute_raw(Statement::from_sql_and_values(backend, lock, name))
            .await?;
    }
    Ok(())
}

/// Locks a kind of the inventory and the last listing of it by a source, and returns that listing.
pub(crate) async fn listing_in_txn(
    txn: &DatabaseTransaction,
    source: &str,
    provider: &str,
    kind: &str,
) -> Result<LastListing> {
    kind_in_txn(txn, provider, kind).await?;
    let row = inventory_kinds::ActiveModel {
        source: Set(source.to_owned()),
        provider: Set(provider.to_owned()),
        kind: Set(kind.to_owned()),
        ..Default::default()
    };
    inventory_kinds::Entity::insert(row)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(txn)
        .await?;
    let last = inventory_kinds::Entity::find_by_id((source.to_owned(), provider.to_owned(), kind.to_owned()))
        .select_only()
        .columns(LAST_LISTING)
        .lock_exclusive()
        .build(txn.get_database_backend());
    let row = txn.query_one_raw(last).await?;
    Ok(row.as_ref().map(last_listing).unwrap_or_default())
}

/// The columns that [`last_listing`] reads.
pub(crate) const LAST_LISTING: [inventory_kinds::Column; 7] = [
    inventory_kinds::Column::ListingNumber,
    inventory_kinds::Column::NumberedAt,
    inventory_kinds::Column::ListingStartedAt,
    inventory_kinds::Column::Outcome,
    inventory_kinds::Column::Unconfirmed,
    inventory_kinds::Column::UnreadFields,
    inventory_kinds::Column::CompletedAt,
];

/// Decodes the last listing of a kind. A value that does not decode counts as unset, so that the next listing applies.
pub(crate) fn last_listing(row: &QueryResult) -> LastListing {
    let time = |name| column::<Option<DateTime<Utc>>>(row, "", name).ok().flatten();
    let unconfirmed: Option<i64> = column(row, "", "unconfirmed").ok().flatten();
    LastListing {
        number: column(row, "", "listing_number").ok().flatten(),
        numbered_at: time("numbered_at"),
        started_at: time("listing_started_at"),
        applied: column(row, "", "outcome").ok().flatten() == Some(ListingOutcome::Complete),
        unconfirmed: unconfirmed
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(0),
        has_unread_fields: column::<Option<Value>>(row, "", "unread_fields").ok() != Some(None),
        completed: time("completed_at").is_some(),
    }
}

/// Key of the advisory lock on declarations.
const DECLARATIONS: i64 = 0x6472_6966_7464_6563;

/// Locks the declarations of all states. Writing declarations needs an exclusive lock; deriving a spec from them needs
/// a shared one. In the order of locks, only the row of a state comes before this lock.
pub(crate) async fn declarations_in_txn(txn: &DatabaseTransaction, lock: Lock) -> Result<()> {
    if txn.get_database_backend() == DbBackend::Postgres {
        let shared = match lock {
            Lock::Share => "_shared",
            Lock::Update => "",
        };
        txn.execute_unprepared(&format!("SELECT pg_advisory_xact_lock{shared}({DECLARATIONS})"))
            .await?;
    }
    Ok(())
}

/// Locks and returns one resource. Fails with NOT_FOUND if it does not exist.
pub async fn resource_in_txn(
    txn: &DatabaseTransaction,
    id: Uuid,
    lock: Lock,
) -> Result<cloud_resources::Model> {
    let select = locked(cloud_resources::Entity::find_by_id(id), lock);
    one(decodable(select, txn).await?, "resource")?.ok_or(Error::NotFound("resource"))
}

/// Locks and returns the spec of a resource, in force or retired.
pub async fn spec_in_txn(
    txn: &DatabaseTransaction,
    resource_id: Uuid,
    lock: Lock,
) -> Result<Option<cloud_provisioned::Model>> {
    let select =
        cloud_provisioned::Entity::find().filter(cloud_provisioned::Column::ResourceId.eq(resource_id));
    one(decodable(locked(select, lock), txn).await?, "spec")
}

/// Locks and returns one drift, to change it. Fails with NOT_FOUND if it does not exist.
pub(crate) async fn drift_in_txn(txn: &DatabaseTransaction, id: Uuid) -> Result<cloud_drift::Model> {
    let select = locked(cloud_drift::Entity::find_by_id(id), Lock::Update);
    one(decodable(select, txn).await?, "drift")?.ok_or(Error::NotFound("drift"))
}

fn one<M>((rows, skipped): (Vec<M>, u64), noun: &str) -> Result<Option<M>> {
    if skipped > 0 {
        return Err(Error::Internal(format!("the row of this {noun} cannot be read")));
    }
    Ok(rows.into_iter().next())
}

//! The order of listings. The database numbers them, because the clocks of servers may differ.

use std::collections::BTreeMap;

use entity::inventory_kinds as kinds;
use entity::inventory_listings as counter;
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait as _, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait,
};

use super::UNCLAIMED;
use crate::db::{DatabaseTransaction, Db};
use crate::domain::inventory::{LastListing, Place};
use crate::error::Result;
use crate::services::locks::{LAST_LISTING, last_listing};

/// Id of the only row of the counter.
const COUNTER: i32 = 1;

/// Assigns the next place in the order to a listing that begins now.
///
/// # Errors
///
/// The database is unavailable.
pub async fn draw(db: &Db) -> Result<Place> {
    db.write_txn(|txn| async move {
        let began_at = db.time(&*txn).await?;
        let number = next_number_in_txn(&txn).await?;
        Ok(Place { number, began_at })
    })
    .await
}

/// Gives the listing of a kind of a release without sources to the source, unless it has one.
pub(super) async fn claim_listing_in_txn(
    txn: &DatabaseTransaction,
    source: &str,
    provider: &str,
    kind: &str,
) -> Result<()> {
    let of_kind = |source: &str| {
        Condition::all()
            .add(kinds::Column::Source.eq(source))
            .add(kinds::Column::Provider.eq(provider))
            .add(kinds::Column::Kind.eq(kind))
    };
    let own = kinds::Entity::find().filter(of_kind(source)).count(txn).await?;
    if own == 0 {
        kinds::Entity::update_many()
            .col_expr(kinds::Column::Source, Expr::val(source))
            .filter(of_kind(UNCLAIMED))
            .exec(txn)
            .await?;
    } else {
        // A server of the previous release has listed the kind again.
        kinds::Entity::delete_many()
            .filter(of_kind(UNCLAIMED))
            .exec(txn)
            .await?;
    }
    Ok(())
}

/// Returns a number higher than all numbers that were assigned or applied before, even if the counter was lost.
async fn next_number_in_txn(txn: &DatabaseTransaction) -> Result<i64> {
    let next = Expr::col((counter::Entity, counter::Column::LastNumber)).add(1);
    let drawn = counter::Entity::insert(counter::ActiveModel {
        id: Set(COUNTER),
        last_number: Set(1),
    })
    .on_conflict(
        OnConflict::column(counter::Column::Id)
            .value(counter::Column::LastNumber, next)
            .to_owned(),
    )
    .exec_with_returning(txn)
    .await?
    .last_number;
    let applied = kinds::Entity::find()
        .select_only()
        .column_as(kinds::Column::ListingNumber.max(), "applied")
        .into_tuple::<Option<i64>>()
        .one(txn)
        .await?
        .flatten();
    match applied {
        Some(applied) if applied >= drawn => {
            tracing::warn!(
                drawn,
                applied,
                "the counter of listings was behind and was corrected"
            );
            counter::Entity::update_many()
                .col_expr(counter::Column::LastNumber, Expr::val(applied + 1))
                .exec(txn)
                .await?;
            Ok(applied + 1)
        }
        _ => Ok(drawn),
    }
}

/// Returns the last listing of each kind of a provider that the source applied. A listing of a release without sources
/// counts if the source has none.
pub(super) async fn last_listings<C: ConnectionTrait>(
    connection: &C,
    source: &str,
    provider: &str,
) -> Result<BTreeMap<String, LastListing>> {
    let select = kinds::Entity::find()
        .select_only()
        .column(kinds::Column::Kind)
        .columns(LAST_LISTING)
        .filter(kinds::Column::Provider.eq(provider))
        .filter(kinds::Column::Source.is_in([source, UNCLAIMED]))
        // The rows of the source come last and replace the others.
        .order_by_asc(kinds::Column::Source);
    let rows = connection
        .query_all_raw(select.build(connection.get_database_backend()))
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", "kind")?, last_listing(row))))
        .collect()
}

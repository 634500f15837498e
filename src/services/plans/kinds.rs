//! Records how old the evidence for each kind of a state is.

use std::collections::BTreeSet;

use entity::cloud_resources as resources;
use entity::inventory_kinds::{self as kinds, ListingOutcome};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::Import;
use super::write::{Kind, rows_of};
use crate::db::DatabaseTransaction;
use crate::error::Result;

/// Records that the kinds of the state were listed completely by this plan. Kinds that the state no longer has are removed.
pub(super) async fn note_kinds_in_txn(txn: &DatabaseTransaction, import: &Import<'_>) -> Result<()> {
    kinds::Entity::delete_many()
        .filter(kinds::Column::Source.eq(import.state))
        .exec(txn)
        .await?;
    for (provider, kind) in kinds_of_in_txn(txn, import.state).await? {
        let row = kinds::ActiveModel {
            source: Set(import.state.to_owned()),
            provider: Set(provider),
            kind: Set(kind),
            completed_at: Set(Some(import.plan.outline().timestamp)),
            outcome: Set(Some(ListingOutcome::Complete)),
            expected_interval: Set(Some(import.interval.num_seconds())),
            ..Default::default()
        };
        kinds::Entity::insert(row)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}

/// Records that the kinds of the state are incomplete, because its newest plan was refused.
pub(super) async fn note_incomplete_in_txn(txn: &DatabaseTransaction, state: &str) -> Result<()> {
    kinds::Entity::update_many()
        .set(kinds::ActiveModel {
            outcome: Set(Some(ListingOutcome::Incomplete)),
            ..Default::default()
        })
        .filter(kinds::Column::Source.eq(state))
        .exec(txn)
        .await?;
    Ok(())
}

/// Returns the kinds of the instances of a state, in one order for all imports.
async fn kinds_of_in_txn(txn: &DatabaseTransaction, state: &str) -> Result<BTreeSet<Kind>> {
    let kinds: Vec<Kind> = resources::Entity::find()
        .select_only()
        .columns([resources::Column::Provider, resources::Column::Kind])
        .distinct()
        .filter(resources::Column::Id.in_subquery(rows_of(state)))
        .into_tuple()
        .all(txn)
        .await?;
    Ok(kinds.into_iter().collect())
}

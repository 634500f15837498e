//! Records how old the evidence for each kind of a state is.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::inventory_kinds::{self as kinds, ListingOutcome};
use entity::{cloud_resources as resources, plan_instances};
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict, Query};
use sea_orm::{ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect};

use super::Import;
use super::write::{Kind, rows_of};
use crate::error::Result;

/// Records that the kinds of the state were listed completely. A kind that several states contain is as old as the plan
/// that is overdue first.
pub(super) async fn note_kinds_in_txn(txn: &DatabaseTransaction, import: &Import<'_>) -> Result<()> {
    for (provider, kind) in kinds_of_in_txn(txn, import.state).await? {
        let oldest = first_overdue_in_txn(txn, &provider, &kind).await?;
        let row = kinds::ActiveModel {
            provider: Set(provider),
            kind: Set(kind),
            completed_at: Set(oldest.made_at),
            outcome: Set(Some(if oldest.is_refused {
                ListingOutcome::Incomplete
            } else {
                ListingOutcome::Complete
            })),
            expected_interval: Set(oldest.interval),
            ..Default::default()
        };
        let replaced = [
            kinds::Column::CompletedAt,
            kinds::Column::Outcome,
            kinds::Column::ExpectedInterval,
        ];
        upsert_kind_in_txn(txn, row, &replaced).await?;
    }
    Ok(())
}

/// Records that the kinds of the state are incomplete, because its newest plan was refused.
pub(super) async fn note_incomplete_in_txn(txn: &DatabaseTransaction, state: &str) -> Result<()> {
    for (provider, kind) in kinds_of_in_txn(txn, state).await? {
        let row = kinds::ActiveModel {
            provider: Set(provider),
            kind: Set(kind),
            outcome: Set(Some(ListingOutcome::Incomplete)),
            ..Default::default()
        };
        upsert_kind_in_txn(txn, row, &[kinds::Column::Outcome]).await?;
    }
    Ok(())
}

async fn upsert_kind_in_txn(
    txn: &DatabaseTransaction,
    row: kinds::ActiveModel,
    replaced: &[kinds::Column],
) -> Result<()> {
    kinds::Entity::insert(row)
        .on_conflict(
            OnConflict::columns([kinds::Column::Provider, kinds::Column::Kind])
                .update_columns(replaced.iter().copied())
                .to_owned(),
        )
        .exec_without_returning(txn)
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

/// The plan that is overdue first, of the states that contain a kind.
struct FirstOverdue {
    made_at: Option<DateTime<Utc>>,
    /// Expected time between two imports, in seconds.
    interval: Option<i64>,
    /// Whether the newest plan of one of the states was refused.
    is_refused: bool,
}

async fn first_overdue_in_txn(txn: &DatabaseTransaction, provider: &str, kind: &str) -> Result<FirstOverdue> {
    let of_kind = Query::select()
        .distinct()
        .column((plan_instances::Entity, plan_instances::Column::State))
        .from(plan_instances::Entity)
        .inner_join(
            resources::Entity,
            Expr::col((resources::Entity, resources::Column::Id))
                .equals((plan_instances::Entity, plan_instances::Column::ResourceId)),
        )
        .and_where(resources::Column::Provider.eq(provider))
        .and_where(resources::Column::Kind.eq(kind))
        .take();
    let states = entity::terraform_plans::Entity::find()
        .filter(entity::terraform_plans::Column::State.in_subquery(of_kind))
        .all(txn)
        .await?;
    let first = states
        .iter()
        .filter_map(|state| Some((state.made_at?, state.expected_interval?)))
        .min_by_key(|(made_at, interval)| made_at.timestamp().saturating_add(interval.saturating_mul(2)));
    Ok(FirstOverdue {
        made_at: first.map(|(made_at, _)| made_at),
        interval: first.map(|(_, interval)| interval),
        is_refused: states.iter().any(|state| state.refusal.is_some()),
    })
}

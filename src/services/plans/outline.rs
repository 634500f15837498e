//! The summary of an import.

use chrono::{DateTime, Utc};
use entity::cloud_drift as drift;
use entity::plan_instances;
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::write::Written;
use crate::db::Db;
use crate::error::Result;
use crate::provider::terraform_plan::Skipped;
use crate::services::detection::SweepCounts;
use crate::services::page;

/// The result of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanSummary {
    /// Name of the state.
    pub state: String,
    /// When the plan was made.
    pub made_at: DateTime<Utc>,
    /// Number of instances that were imported.
    pub instances: u64,
    /// Number of specs that were recorded for the first time, or again after they had been retired.
    pub recorded: u64,
    /// Number of specs that changed.
    pub changed: u64,
    /// Number of specs that did not change.
    pub unchanged: u64,
    /// Number of instances that the provider no longer has.
    pub gone: u64,
    /// Number of instances that left the state. Their specs are retired.
    pub left: u64,
    /// Instances that were not imported completely: the address, and why. The spec belongs to another source, or a value
    /// cannot be stored.
    pub refused: Vec<String>,
    /// Instances with attributes that the plan cannot decide. They are not compared as a whole.
    pub undecided: Vec<UndecidedInstance>,
    /// Instances with changes from outside of attributes that the configuration does not declare. They are not compared,
    /// but the next apply may undo them.
    pub undeclared: Vec<UndecidedInstance>,
    /// Missing instances that are no longer in the state, and of which the plan does not say whether the code still has
    /// them. Their drifts stay open.
    pub undecided_missing: Vec<String>,
    /// Numbers of what was skipped.
    pub skipped: Skipped,
    /// Fields whose live value `apply -refresh-only` has written into the state although no user accepted it, so that the
    /// plan shows no drift.
    pub swallowed: u64,
    /// Drifts that were opened.
    pub opened: u64,
    /// Open drifts whose values changed.
    pub updated: u64,
    /// Drifts that were closed.
    pub closed: u64,
    /// Open drifts of the state.
    pub open: u64,
}

/// An instance with attributes that are not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndecidedInstance {
    /// Address in the state.
    pub address: String,
    /// The attributes.
    pub attributes: Vec<String>,
}

/// Returns the summary of an import and of the sweep that followed.
pub(super) async fn summary(
    db: &Db,
    state: &str,
    written: Written,
    counts: SweepCounts,
) -> Result<PlanSummary> {
    let of_state = Query::select()
        .column(plan_instances::Column::ResourceId)
        .from(plan_instances::Entity)
        .and_where(plan_instances::Column::State.eq(state))
        .take();
    let open = drift::Entity::find()
        .filter(drift::Column::Status.eq(drift::DriftStatus::Open))
        .filter(drift::Column::ResourceId.in_subquery(of_state));
    let open = page::count(db.reader(), open, drift::Column::Id).await?;
    Ok(PlanSummary {
        state: state.to_owned(),
        opened: counts.opened,
        updated: counts.changed,
        closed: counts.staled,
        open: u64::try_from(open).unwrap_or_default(),
        left: written.left.len() as u64,
        ..written.summary
    })
}

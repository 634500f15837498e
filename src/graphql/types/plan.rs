//! Imports of refresh-only Terraform plans.

use async_graphql::{InputObject, SimpleObject};
use chrono::{DateTime, TimeDelta, Utc};

use super::{Json, MAX_SHOWN};
use crate::error::Error;
use crate::graphql::refusal::Refusal;
use crate::provider::terraform_plan::{Limits, Spool};
use crate::services::plans::{PlanOptions, PlanSummary, UndecidedInstance};

/// Input of `importTerraformPlan`.
#[derive(InputObject)]
pub(in crate::graphql) struct ImportTerraformPlanInput {
    /// The output of `terraform show -json` for a plan of `terraform plan -refresh-only`, as JSON or as a string that
    /// contains JSON. A request may have at most 1 MiB by default; larger plans are imported with `drift-inbox
    /// import-plan` or with `POST /api/v1/plans/NAME`.
    #[graphql(secret)]
    plan: Json,
    /// The name of the state. Use the same name for each import of the state.
    state: String,
    /// The output of `terraform show -json` for a normal plan of the same moment, which decides dynamic blocks, defaults
    /// and ignored changes.
    #[graphql(secret)]
    normal_plan: Option<Json>,
    /// Whether to import a plan that lacks more than half of the instances of the last import.
    #[graphql(default)]
    allow_mass_retire: bool,
    /// The expected time between two imports, in seconds. The state is overdue after twice this time.
    /// If absent, it stays as it is, at first one day.
    #[graphql(validator(minimum = 60))]
    every_seconds: Option<i32>,
}

impl ImportTerraformPlanInput {
    pub(in crate::graphql) fn parse(self) -> Result<(Spool, Option<Spool>, PlanOptions), Error> {
        let options = PlanOptions {
            state: self.state,
            allow_mass_retire: self.allow_mass_retire,
            interval: self
                .every_seconds
                .map(|seconds| TimeDelta::seconds(seconds.into())),
        };
        let normal = self.normal_plan.map(spooled).transpose()?;
        Ok((spooled(self.plan)?, normal, options))
    }
}

fn spooled(Json(plan): Json) -> Result<Spool, Error> {
    let text = match plan {
        serde_json::Value::String(text) => text,
        json => json.to_string(),
    };
    let mut spool = Spool::new(Limits::default());
    spool.push(text.as_bytes())?;
    Ok(spool)
}

/// Result of `importTerraformPlan`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ImportTerraformPlanPayload {
    /// The summary of the import; null if it was refused.
    pub(in crate::graphql) summary: Option<PlanImportSummary>,
    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    pub(in crate::graphql) refusal: Option<Refusal>,
}

/// The summary of an import of a plan, and of the sweep of its resources.
#[derive(SimpleObject)]
pub(in crate::graphql) struct PlanImportSummary {
    /// The name of the state. Its specs have the source `terraform:` and this name.
    state: String,
    /// When the plan was made.
    made_at: DateTime<Utc>,
    /// Number of instances that were imported.
    instances: i32,
    /// Number of specs recorded for the first time, or again after they were retired.
    recorded: i32,
    /// Number of specs that changed.
    changed: i32,
    /// Number of specs that did not change.
    unchanged: i32,
    /// Number of instances that the provider no longer has.
    gone: i32,
    /// Number of instances that left the state. Their specs are retired.
    left: i32,
    /// Instances that were not imported completely, at most 200: the address, and why. Their specs did not change.
    refused: Vec<String>,
    /// Instances with attributes that the plan cannot decide, at most 200.
    not_compared: Vec<PlanNotCompared>,
    /// Instances with changes from outside of attributes that the configuration does not declare, at most 200. They are
    /// not compared, but the next apply may undo them.
    undeclared_changes: Vec<PlanNotCompared>,
    /// Number of instances with attributes that the plan cannot decide.
    not_compared_count: i32,
    /// Missing instances that are no longer in the state, at most 200. The plan does not say whether the code still has
    /// them, so their drifts stay open: import the state with a normal plan, or accept the drifts.
    missing_not_decided: Vec<String>,
    /// Number of fields whose live value was taken over into the state without a decision.
    swallowed: i32,
    /// Number of drifts that this import opened.
    opened: i32,
    /// Number of open drifts whose values changed.
    updated: i32,
    /// Number of drifts that this import closed.
    closed: i32,
    /// Number of open drifts of the state.
    open: i32,
    /// Number of skipped resources.
    skipped: i32,
}

/// An instance with attributes that are not compared.
#[derive(SimpleObject)]
pub(in crate::graphql) struct PlanNotCompared {
    /// The address in the state.
    address: String,
    /// The attributes, at most as many as the provider has for the type.
    attributes: Vec<String>,
}

fn int(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

impl From<PlanSummary> for PlanImportSummary {
    fn from(summary: PlanSummary) -> Self {
        let skipped = summary.skipped;
        let skipped = skipped.data + skipped.deposed + skipped.without_configuration + skipped.unreadable;
        let not_compared_count = int(summary.undecided.len() as u64);
        let shown = |list: Vec<UndecidedInstance>| -> Vec<PlanNotCompared> {
            let entry = |one: UndecidedInstance| PlanNotCompared {
                address: one.address,
                attributes: one.attributes,
            };
            list.into_iter().take(MAX_SHOWN).map(entry).collect()
        };
        Self {
            state: summary.state,
            made_at: summary.made_at,
            instances: int(summary.instances),
            recorded: int(summary.recorded),
            changed: int(summary.changed),
            unchanged: int(summary.unchanged),
            gone: int(summary.gone),
            left: int(summary.left),
            refused: summary.refused.into_iter().take(MAX_SHOWN).collect(),
            not_compared: shown(summary.undecided),
            undeclared_changes: shown(summary.undeclared),
            not_compared_count,
            missing_not_decided: summary.undecided_missing.into_iter().take(MAX_SHOWN).collect(),
            swallowed: int(summary.swallowed),
            opened: int(summary.opened),
            updated: int(summary.updated),
            closed: int(summary.closed),
            open: int(summary.open),
            skipped: int(skipped as u64),
        }
    }
}

//! The query that plans how live values are put back.

use async_graphql::{Context, ID, Object};

use super::app;
use super::arguments::{not_empty, parse_id};
use super::error::ApiResult;
use super::guard::AtLeast;
use super::types::RevertPlan;
use crate::domain::actor::Role;
use crate::error::Error;
use crate::services::revert_plan::{self, Wanted};

/// Number of calls used to compute the complexity of a plan.
const PLANNED_CALLS: usize = 10;

/// The query that plans how live values are put back.
#[derive(Default)]
pub(super) struct RevertQuery;

/// The query that plans how live values are put back.
#[Object]
impl RevertQuery {
    /// Plans how live values are put back to the expected ones: the calls that you would send, and what each does to the
    /// resource. This server sends none of them: it only reads the cloud. Pass `driftId`, or `resourceId` with `fields`.
    /// Null if there is no such drift or resource. Fails with ALREADY_RESOLVED if the drift is not open.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "PLANNED_CALLS * child_complexity"
    )]
    async fn plan_revert(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of an open drift.")] drift_id: Option<ID>,
        #[graphql(desc = "The id of a resource.")] resource_id: Option<ID>,
        #[graphql(
            desc = "The fields of the resource, at most 100. Default: all fields with an open drift. They are put back \
                    together, so that a call which replaces the whole object has the expected values of all of them."
        )]
        fields: Option<Vec<String>>,
    ) -> ApiResult<Option<RevertPlan>> {
        let fields = not_empty("fields", fields)?;
        let wanted = match (drift_id, resource_id, fields) {
            (Some(id), None, None) => Wanted::Drift(parse_id(&id)?),
            (None, Some(id), fields) => Wanted::Fields(parse_id(&id)?, fields),
            _ => {
                let why = "pass driftId, or resourceId with or without fields".to_owned();
                return Err(Error::BadUserInput(why).into());
            }
        };
        let plan = revert_plan::plan(app(ctx)?.db(), &wanted).await?;
        Ok(plan.map(RevertPlan))
    }
}

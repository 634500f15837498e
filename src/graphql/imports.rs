//! The mutations of imports.

use async_graphql::{Context, Object};

use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::mutation::app_with_fresh_loaders;
use super::refusal::Outcome;
use super::types::{
    ImportTerraformPlanInput, ImportTerraformPlanPayload, ImportTerraformStateInput,
    ImportTerraformStatePayload,
};
use crate::domain::actor::Role;
use crate::services::imports::import_state;
use crate::services::plans::import_plan;
/// The mutations of imports.
#[derive(Default)]
pub(super) struct ImportMutation;

/// The mutations of imports.
#[Object]
impl ImportMutation {
    /// Imports a Terraform state: records the specs of its resources with the source `terraform:` and the name of
    /// the state, and retires the specs of resources that left it. Passwords, tokens and other secrets are not
    /// stored. A spec of another source does not change and its instance is refused, except that `takeOver` takes
    /// over specs of `api` and `baseline`. The import is refused with a `reason` if a newer serial was imported (OLDER), or if
    /// more than half of the resources left the state and `allowMassRetire` is false (MASS_RETIRE).
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn import_terraform_state(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The state to import.")] input: ImportTerraformStateInput,
    ) -> ApiResult<Option<ImportTerraformStatePayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let (state, options) = input.parse()?;
        let (actor, now) = (caller(ctx)?.name(), app.clock().now());
        let summary = import_state(app.db(), actor, &state, &options, now, |_, _| {}).await;
        let (summary, refusal) = Outcome::of(ctx, summary, None)?.into_parts();
        Ok(Some(ImportTerraformStatePayload {
            summary: summary.map(Into::into),
            refusal,
        }))
    }

    /// Imports a refresh-only Terraform plan of any provider: the live values of its instances become the inventory, the
    /// applied ones their specs, with the source `terraform:` and the name of the state. Then compares these resources.
    /// A plan that is no evidence changes nothing and fails with PLAN_REFUSED and a `reason`: NOT_JSON, NOT_A_PLAN,
    /// ERRORED, NOT_REFRESH_ONLY, INCOMPLETE, EMPTY, TOO_LARGE, NOT_A_NORMAL_PLAN, OLDER, IN_THE_FUTURE or MASS_RETIRE.
    /// Secrets are stored as digests only.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn import_terraform_plan(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The plan to import.")] input: ImportTerraformPlanInput,
    ) -> ApiResult<Option<ImportTerraformPlanPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let actor = caller(ctx)?.name();
        // A plan that is too large is refused while it is parsed.
        let summary = match input.parse() {
            Ok((plan, normal, options)) => {
                import_plan(app.db(), app.clock(), actor, plan, normal, &options, |_, _| {}).await
            }
            Err(error) => Err(error),
        };
        let (summary, refusal) = Outcome::of(ctx, summary, None)?.into_parts();
        Ok(Some(ImportTerraformPlanPayload {
            summary: summary.map(Into::into),
            refusal,
        }))
    }
}

//! The source of a spec.

use async_graphql::{Context, Enum, Object};
use chrono::{DateTime, Utc};
use entity::cloud_provisioned;

use crate::domain::imports::{SOURCE_BASELINE, state_name};
use crate::graphql::error::ApiResult;
use crate::graphql::loader::{IsInPlan, StateNamed};

/// What recorded a spec.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
pub(in crate::graphql) enum SpecSourceKind {
    /// The API, or another program.
    Api,
    /// A baseline.
    Baseline,
    /// An import of a Terraform state.
    TerraformState,
    /// An import of a refresh-only Terraform plan.
    TerraformPlan,
}

impl SpecSourceKind {
    /// Returns the kind of a source that is not a Terraform state.
    pub(super) fn without_state(source: &str) -> Self {
        match source {
            SOURCE_BASELINE => Self::Baseline,
            _ => Self::Api,
        }
    }
}

/// What owns a spec: the API, a baseline or a Terraform state.
pub(in crate::graphql) struct SpecSource(pub(in crate::graphql) cloud_provisioned::Model);

/// What owns a spec: the API, a baseline or a Terraform state.
#[Object]
impl SpecSource {
    /// What recorded the spec.
    async fn kind(&self, ctx: &Context<'_>) -> ApiResult<SpecSourceKind> {
        self.kind_of(ctx).await
    }

    /// The name of the Terraform state in this database; null if the API or a baseline owns the spec.
    async fn name(&self) -> Option<&str> {
        state_name(&self.0.source)
    }

    /// The lineage in the file of the Terraform state; null for other sources, and if it is not known.
    async fn lineage(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        Ok(self.state(ctx).await?.and_then(|state| state.file_lineage))
    }

    /// The Terraform address of the instance; null if no import recorded one.
    async fn address(&self) -> Option<&str> {
        self.0.address.as_deref()
    }

    /// The serial of the Terraform state that was imported last; null for other sources, and if it is not known.
    async fn serial(&self, ctx: &Context<'_>) -> ApiResult<Option<i64>> {
        Ok(self.state(ctx).await?.and_then(|state| state.serial))
    }

    /// When this version of the spec was recorded.
    async fn recorded_at(&self) -> DateTime<Utc> {
        self.0.recorded_at
    }
}

impl SpecSource {
    async fn kind_of(&self, ctx: &Context<'_>) -> ApiResult<SpecSourceKind> {
        let spec = &self.0;
        let Some(state) = state_name(&spec.source) else {
            return Ok(SpecSourceKind::without_state(&spec.source));
        };
        let instance = IsInPlan(spec.resource_id, state.to_owned());
        let is_in_plan = crate::graphql::loaders(ctx)?.load_one(instance).await?;
        Ok(match is_in_plan {
            Some(true) => SpecSourceKind::TerraformPlan,
            _ => SpecSourceKind::TerraformState,
        })
    }

    /// Returns the state that the spec was imported from; None for other sources.
    async fn state(&self, ctx: &Context<'_>) -> ApiResult<Option<entity::terraform_states::Model>> {
        if self.kind_of(ctx).await? != SpecSourceKind::TerraformState {
            return Ok(None);
        }
        let Some(name) = state_name(&self.0.source) else {
            return Ok(None);
        };
        let loaders = crate::graphql::loaders(ctx)?;
        Ok(loaders.load_one(StateNamed(name.to_owned())).await?.flatten())
    }
}

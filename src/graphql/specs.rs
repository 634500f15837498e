//! The queries and mutations of specs.

use async_graphql::{Context, ID, InputObject, Object};
use entity::cloud_provisioned;
use uuid::Uuid;

use super::app;
use super::arguments::parse_id;
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::loader::{ResourceById, SpecOf};
use super::mutation::app_with_fresh_loaders;
use super::refusal::{Outcome, Refusal};
use super::types::{
    Json, ProvisionedSpec, RecordBaselineInput, RecordBaselinePayload, Resource, SpecDifference,
};
use crate::domain::actor::Role;
use crate::error::Error;
use crate::provider::traits::MEMBER_NAMES;
use crate::services::baseline::record_baseline;
use crate::services::provisioning::{self, RecordSpec, SOURCE_API};
use crate::services::retirement::{RetireSpec, Retired, retire_spec};
use crate::services::spec_history;

/// Number of fields used to compute the complexity of `specDifference`.
const COMPARED_FIELDS: usize = 25;
/// Input of `recordSpec`.
#[derive(InputObject)]
struct RecordSpecInput {
    /// The id of the resource.
    resource_id: ID,
    /// The expected values: a JSON object that maps fields to values. Null means that the field must be unset.
    #[graphql(secret)]
    spec: Json,
    /// The version of the spec that you expect to replace; 0 if you expect no spec. If it differs, the call fails
    /// with SPEC_VERSION_CONFLICT.
    expected_spec_version: Option<i32>,
    /// Whether to take over a spec that a Terraform state owns. Later imports of that state then refuse the
    /// resource unless they use `takeOver`.
    #[graphql(default)]
    take_over: bool,
    /// The reason for the change, at most 4096 bytes. The history of the spec shows it.
    #[graphql(secret)]
    reason: Option<String>,
}

/// Result of `recordSpec`.
struct RecordSpecPayload {
    resource_id: Uuid,
    outcome: Outcome<cloud_provisioned::Model>,
}

/// Result of `recordSpec`.
#[Object]
impl RecordSpecPayload {
    /// The spec in force. If the mutation was refused and no spec is in force, this field fails with the error of the refusal:
    /// select `refusal` without it where that matters.
    async fn provisioned(&self, ctx: &Context<'_>) -> ApiResult<ProvisionedSpec> {
        if let Some(recorded) = self.outcome.done() {
            return Ok(ProvisionedSpec(recorded.clone()));
        }
        let spec = super::loaders(ctx)?.load_one(SpecOf(self.resource_id)).await?;
        spec.flatten()
            .map(ProvisionedSpec)
            .ok_or_else(|| self.outcome.error())
    }

    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    async fn refusal(&self) -> Option<&Refusal> {
        self.outcome.refusal()
    }
}

/// Input of `retireSpec`.
#[derive(InputObject)]
struct RetireSpecInput {
    /// The id of the resource.
    resource_id: ID,
    /// The version of the spec that you have seen. If it differs, the call fails with SPEC_VERSION_CONFLICT.
    expected_spec_version: i32,
}

/// Result of `retireSpec`.
struct RetireSpecPayload {
    resource_id: Uuid,
    outcome: Outcome<Retired>,
}

/// Result of `retireSpec`.
#[Object]
impl RetireSpecPayload {
    /// The resource, which has no spec in force any more; if the mutation was refused, as it is now.
    async fn resource(&self, ctx: &Context<'_>) -> ApiResult<Resource> {
        if let Some(retired) = self.outcome.done() {
            return Ok(Resource(retired.resource.clone()));
        }
        let found = super::loaders(ctx)?
            .load_one(ResourceById(self.resource_id))
            .await?;
        Ok(Resource(found.ok_or(Error::NotFound("resource"))?))
    }

    /// The version of the retired spec. A spec recorded later gets the next version. If the mutation was refused, the version
    /// in force, 0 if there is none.
    async fn spec_version(&self) -> i32 {
        match &self.outcome {
            Outcome::Done(retired) => retired.version,
            Outcome::Refused(refusal, _) => refusal.version_in_force(),
        }
    }

    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    async fn refusal(&self) -> Option<&Refusal> {
        self.outcome.refusal()
    }
}

/// The queries of specs.
#[derive(Default)]
pub(super) struct SpecQuery;

/// The queries of specs.
#[Object]
impl SpecQuery {
    /// Returns the difference between two versions of the spec of a resource; null if one of them is not kept.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "COMPARED_FIELDS * child_complexity"
    )]
    async fn spec_difference(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of a resource.")] resource_id: ID,
        #[graphql(desc = "The first version, usually the earlier one.")] from: i32,
        #[graphql(desc = "The second version.")] to: i32,
    ) -> ApiResult<Option<SpecDifference>> {
        let (db, resource) = (app(ctx)?.db().reader(), parse_id(&resource_id)?);
        let found = spec_history::difference(db, resource, [from, to], &MEMBER_NAMES).await?;
        Ok(found.map(Into::into))
    }
}

/// The mutations of specs.
#[derive(Default)]
pub(super) struct SpecMutation;

/// The mutations of specs.
#[Object]
impl SpecMutation {
    /// Records the spec of a resource. Fails with SPEC_VERSION_CONFLICT if the version in force is not the
    /// expected one, and with SPEC_OWNED_BY_STATE if a Terraform state owns the spec and `takeOver` is false.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn record_spec(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The spec to record.")] input: RecordSpecInput,
    ) -> ApiResult<Option<RecordSpecPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let record = RecordSpec {
            resource_id: parse_id(&input.resource_id)?,
            spec: input.spec.0,
            source: SOURCE_API.to_owned(),
            expected_version: input.expected_spec_version,
            take_over: input.take_over,
            reason: input.reason,
        };
        let actor = caller(ctx)?.name();
        let recorded = provisioning::record_provisioned(app.db(), actor, &record, app.clock().now()).await;
        Ok(Some(RecordSpecPayload {
            resource_id: record.resource_id,
            outcome: Outcome::of(ctx, recorded, None)?,
        }))
    }

    /// Retires a spec of any source. The open drifts of the resource become STALE, and the resource is no longer
    /// compared. Fails with SPEC_VERSION_CONFLICT if the version in force is not the expected one. If a Terraform
    /// state still contains the resource, its next import records the spec again.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn retire_spec(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The spec to retire.")] input: RetireSpecInput,
    ) -> ApiResult<Option<RetireSpecPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let retire = RetireSpec {
            resource_id: parse_id(&input.resource_id)?,
            expected_version: input.expected_spec_version,
        };
        let resource_id = retire.resource_id;
        let retired = retire_spec(app.db(), caller(ctx)?.name(), retire, app.clock().now()).await;
        Ok(Some(RetireSpecPayload {
            resource_id,
            outcome: Outcome::of(ctx, retired, None)?,
        }))
    }

    /// Records the live values of unmanaged resources as their specs, with the source `baseline`. A spec contains
    /// all schema fields that are set and all attributes, except values that change by themselves, such as
    /// `status` and `ip`. Settling resources are left out. Specs in force do not change. A resource of which no
    /// valid spec can be made, such as one that exceeds the limits of a spec, is skipped and returned in
    /// `skipped`.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn record_baseline(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The resources to record.")] input: RecordBaselineInput,
    ) -> ApiResult<Option<RecordBaselinePayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let (actor, now) = (caller(ctx)?.name(), app.clock().now());
        let done = record_baseline(app.db(), actor, &input.filter.parse()?, now).await?;
        Ok(Some(done.into()))
    }
}

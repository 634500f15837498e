//! The queries and mutations of specs.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::app;
use super::arguments::parse_id;
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::mutation::app_with_fresh_loaders;
use super::types::{
    Json, ProvisionedSpec, RecordBaselineInput, RecordBaselinePayload, Resource, SpecDifference,
};
use crate::domain::actor::Role;
use crate::provider::traits::MEMBER_NAMES;
use crate::services::baseline::record_baseline;
use crate::services::provisioning::{self, RecordSpec, SOURCE_API};
use crate::services::retirement::{RetireSpec, retire_spec};
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
#[derive(SimpleObject)]
struct RecordSpecPayload {
    /// The spec in force.
    provisioned: ProvisionedSpec,
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
#[derive(SimpleObject)]
struct RetireSpecPayload {
    /// The resource, which has no spec in force any more.
    resource: Resource,
    /// The version of the retired spec. A spec recorded later gets the next version.
    spec_version: i32,
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
        let recorded = provisioning::record_provisioned(app.db(), actor, &record, app.clock().now()).await?;
        Ok(Some(RecordSpecPayload {
            provisioned: ProvisionedSpec(recorded),
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
        let retired = retire_spec(app.db(), caller(ctx)?.name(), retire, app.clock().now()).await?;
        Ok(Some(RetireSpecPayload {
            resource: Resource(retired.resource),
            spec_version: retired.version,
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

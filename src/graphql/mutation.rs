//! What can be decided.

use std::time::Duration;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::input::{not_empty, parse_id};
use super::loader::forget;
use super::types::{
    Drift, ForgottenResource, ImportTerraformStateInput, ImportTerraformStatePayload, JobRun, Json,
    ProvisionedSpec, RecordBaselineInput, RecordBaselinePayload, Resource,
};
use crate::app::{App, JobRequest, Started};
use crate::domain::actor::Role;
use crate::error::{Error, Result};
use crate::services::baseline::record_baseline;
use crate::services::detection::Scope;
use crate::services::forgetting::{Forget, forget_resource};
use crate::services::imports::import_state;
use crate::services::inventory::SyncOptions;
use crate::services::job_runs::Trigger;
use crate::services::provisioning::{self, RecordSpec, SOURCE_API};
use crate::services::retirement::{RetireSpec, retire_spec};
use crate::services::triage::{self, AcceptDrift};

/// How long a mutation waits for the job that it started.
const WAIT_FOR_JOB: Duration = Duration::from_secs(25);
/// Most resources that one sweep by hand can be narrowed to.
const MAX_RESOURCE_IDS: usize = 500;

/// What to accept.
#[derive(InputObject)]
pub(super) struct AcceptDriftInput {
    /// The drift.
    drift_id: ID,
    /// The revision that you saw. The accept is refused if the drift says something else by now.
    revision: Option<i32>,
    /// Why, for those who come later; at most 4096 bytes.
    #[graphql(secret)]
    note: Option<String>,
}

/// What an accept made of the drift and of the spec.
#[derive(SimpleObject)]
pub(super) struct AcceptDriftPayload {
    /// The drift, accepted.
    drift: Drift,
    /// The spec from now on; null if the resource was missing and its spec is retired.
    provisioned: Option<ProvisionedSpec>,
    /// The Terraform state that owns the spec, as `terraform:` and the name of the state; null if no state owns it.
    owned_by: Option<String>,
    /// What will undo this accept, and how to keep it; null if nothing will.
    warning: Option<String>,
}

/// What to record.
#[derive(InputObject)]
pub(super) struct RecordSpecInput {
    /// The resource.
    resource_id: ID,
    /// A JSON object: the fields to watch and the values that they must have; null means unset.
    #[graphql(secret)]
    spec: Json,
    /// The version that you believe to replace, 0 for none. The record is refused if it is another.
    expected_spec_version: Option<i32>,
    /// Record over a spec that a Terraform state owns. The API owns it from then on, and the next import of that state
    /// refuses the resource by name.
    #[graphql(default)]
    take_over: bool,
}

/// What was recorded.
#[derive(SimpleObject)]
pub(super) struct RecordSpecPayload {
    /// The spec in force.
    provisioned: ProvisionedSpec,
}

/// What to retire.
#[derive(InputObject)]
pub(super) struct RetireSpecInput {
    /// The resource.
    resource_id: ID,
    /// The version that you saw. The spec is not retired if it is another by now.
    expected_spec_version: i32,
}

/// What was retired.
#[derive(SimpleObject)]
pub(super) struct RetireSpecPayload {
    /// The resource, of which nothing is wanted any more.
    resource: Resource,
    /// The version that says so; a spec that is recorded later goes on from it.
    spec_version: i32,
}

/// What to forget.
#[derive(InputObject)]
pub(super) struct ForgetResourceInput {
    /// The resource: one that is gone or was never listed, and that no spec in force is about.
    resource_id: ID,
    /// Reason, for later readers; at most 4096 bytes.
    #[graphql(secret)]
    note: Option<String>,
    /// Whether the decisions that people made about it are deleted too.
    #[graphql(default)]
    include_history: bool,
}

/// What remains.
#[derive(SimpleObject)]
pub(super) struct ForgetResourcePayload {
    /// What remains of the resource.
    forgotten: ForgottenResource,
}

/// What to compare.
#[derive(Default, InputObject)]
pub(super) struct DetectDriftInput {
    /// Only these resources, at most 500; all when absent.
    resource_ids: Option<Vec<ID>>,
}

/// The sweep.
#[derive(SimpleObject)]
pub(super) struct DetectDriftPayload {
    /// The run; its outcome is null if it goes on.
    run: JobRun,
}

/// What to sync.
#[derive(Default, InputObject)]
pub(super) struct SyncInventoryInput {
    /// Only these kinds; all when absent.
    kinds: Option<Vec<String>>,
}

/// The sync.
#[derive(SimpleObject)]
pub(super) struct SyncInventoryPayload {
    /// The run; its outcome is null if it goes on.
    run: JobRun,
}

/// What can be decided.
pub struct Mutation;

/// What can be decided. Needs the role platform_admin.
#[Object]
impl Mutation {
    /// Makes the live value of a drift the desired one. For a missing resource: nothing is wanted any more.
    /// Refused with ALREADY_RESOLVED, LIVE_VALUE_MOVED or SPEC_MOVED if it is not what you saw.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn accept_drift(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to accept.")] input: AcceptDriftInput,
    ) -> ApiResult<Option<AcceptDriftPayload>> {
        let app = app_anew(ctx)?;
        let accept = AcceptDrift {
            drift_id: parse_id(&input.drift_id)?,
            revision: input.revision,
            note: input.note,
        };
        let accepted =
            triage::accept_drift(app.db(), caller(ctx)?.name(), &accept, app.clock().now()).await?;
        let provisioned = accepted.provisioned.map(ProvisionedSpec);
        Ok(Some(AcceptDriftPayload {
            drift: Drift(accepted.drift),
            provisioned,
            warning: accepted.owned_by.as_deref().map(will_be_undone),
            owned_by: accepted.owned_by,
        }))
    }

    /// Records the desired state of a resource. Refused with SPEC_VERSION_CONFLICT if another version is in
    /// force than you expect, and with SPEC_OWNED_BY_STATE if a Terraform state owns the spec, unless `takeOver` is
    /// true.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn record_spec(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to record.")] input: RecordSpecInput,
    ) -> ApiResult<Option<RecordSpecPayload>> {
        let app = app_anew(ctx)?;
        let record = RecordSpec {
            resource_id: parse_id(&input.resource_id)?,
            spec: input.spec.0,
            source: SOURCE_API.to_owned(),
            expected_version: input.expected_spec_version,
            take_over: input.take_over,
        };
        let actor = caller(ctx)?.name();
        let recorded = provisioning::record_provisioned(app.db(), actor, &record, app.clock().now()).await?;
        Ok(Some(RecordSpecPayload {
            provisioned: ProvisionedSpec(recorded),
        }))
    }

    /// Retires a spec, whoever owns it: nothing is wanted of its resource any more, and its open drifts are stale from
    /// then on. Refused with SPEC_VERSION_CONFLICT if it is not the version that you saw. An import of a state that
    /// still has the resource records it again.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn retire_spec(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to retire.")] input: RetireSpecInput,
    ) -> ApiResult<Option<RetireSpecPayload>> {
        let app = app_anew(ctx)?;
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

    /// Deletes a resource from the inventory, with its retired spec, its drifts and its events. Refused with
    /// NOT_FORGETTABLE and a `reason`: STILL_THERE if the cloud has it, SPEC_IN_FORCE, or HAS_DECISIONS if people
    /// decided about it and `includeHistory` is false. If a later listing has the resource, it is discovered again.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn forget_resource(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to forget.")] input: ForgetResourceInput,
    ) -> ApiResult<Option<ForgetResourcePayload>> {
        let app = app_anew(ctx)?;
        let forget = Forget {
            resource_id: parse_id(&input.resource_id)?,
            note: input.note,
            include_history: input.include_history,
        };
        let forgotten = forget_resource(app.db(), caller(ctx)?.name(), &forget, app.clock().now()).await?;
        Ok(Some(ForgetResourcePayload {
            forgotten: ForgottenResource(forgotten),
        }))
    }

    /// Records what a Terraform state asks for, with the source `terraform:` and the lineage of the state, and
    /// retires the specs of resources that left it. Passwords, tokens and other secrets of the state are not kept.
    /// A spec of another source is not touched, unless it is the API's or a baseline's and `takeOver` says so; its
    /// instance is named in the summary.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn import_terraform_state(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to import.")] input: ImportTerraformStateInput,
    ) -> ApiResult<Option<ImportTerraformStatePayload>> {
        let app = app_anew(ctx)?;
        let (state, options) = input.parse()?;
        let (actor, now) = (caller(ctx)?.name(), app.clock().now());
        let summary = import_state(app.db(), actor, &state, &options, now, |_, _| {}).await?;
        Ok(Some(ImportTerraformStatePayload {
            summary: summary.into(),
        }))
    }

    /// Takes what is there as what is asked for: records, for resources that are there, unmanaged and in no passing
    /// state, a spec of all columns that are set and of all attributes, but for what changes by itself, such as
    /// status and ip. A spec that is in force is never touched. A resource that cannot be watched as it is, such as
    /// one beyond the limits of a spec, is skipped and named.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn record_baseline(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which resources.")] input: RecordBaselineInput,
    ) -> ApiResult<Option<RecordBaselinePayload>> {
        let app = app_anew(ctx)?;
        let (actor, now) = (caller(ctx)?.name(), app.clock().now());
        let done = record_baseline(app.db(), actor, &input.filter.into(), now).await?;
        Ok(Some(done.into()))
    }

    /// Compares specs with the inventory. Waits up to 25 seconds; then the run goes on by itself.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn detect_drift(
        &self,
        ctx: &Context<'_>,
        #[graphql(default, desc = "What to compare.")] input: DetectDriftInput,
    ) -> ApiResult<Option<DetectDriftPayload>> {
        let scope = match not_empty("resourceIds", input.resource_ids)? {
            None => Scope::All,
            Some(ids) if ids.len() > MAX_RESOURCE_IDS => {
                return Err(
                    Error::BadUserInput(format!("resourceIds names more than {MAX_RESOURCE_IDS}")).into(),
                );
            }
            Some(ids) => Scope::Resources(ids.iter().map(parse_id).collect::<Result<_, _>>()?),
        };
        let run = run(
            ctx,
            JobRequest::Detect {
                scope,
                progress: None,
            },
        )
        .await?;
        Ok(Some(DetectDriftPayload { run }))
    }

    /// Replaces the inventory by what the cloud answers. Waits up to 25 seconds; then the run goes on by
    /// itself. Refused with JOB_ALREADY_RUNNING beside another sync.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn sync_inventory(
        &self,
        ctx: &Context<'_>,
        #[graphql(default, desc = "What to sync.")] input: SyncInventoryInput,
    ) -> ApiResult<Option<SyncInventoryPayload>> {
        let kinds = not_empty("kinds", input.kinds)?.map(|kinds| kinds.into_iter().collect());
        let options = SyncOptions {
            kinds,
            ..SyncOptions::default()
        };
        Ok(Some(SyncInventoryPayload {
            run: run(ctx, JobRequest::Sync(options)).await?,
        }))
    }
}

fn will_be_undone(owner: &str) -> String {
    format!(
        "{owner} owns this spec: its next import undoes this accept unless the configuration is changed too"
    )
}

/// The server, for a mutation. The mutations of a document run one after the other: what is selected from the
/// answer of one must not be what was read before it.
fn app_anew<'c>(ctx: &Context<'c>) -> Result<&'c App> {
    forget(&*super::loaders(ctx)?);
    super::app(ctx)
}

async fn run(ctx: &Context<'_>, request: JobRequest) -> ApiResult<JobRun> {
    match app_anew(ctx)?.start(request, Trigger::Hand).await? {
        Started::Running(handle) => Ok(JobRun(handle.wait_at_most(WAIT_FOR_JOB).await?)),
        Started::Skipped | Started::Taken => {
            Err(Error::Internal("a run by hand was left out".to_owned()).into())
        }
    }
}

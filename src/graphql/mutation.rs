//! The mutations.

use std::time::Duration;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::arguments::{not_empty, parse_id};
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::loader::forget;
use super::types::{
    AcceptDriftsInput, AcceptDriftsPayload, BulkRun, CreateNotificationTargetInput,
    CreateNotificationTargetPayload, DeleteNotificationTargetInput, DeleteNotificationTargetPayload, Drift,
    ForgottenResource, ImportTerraformPlanInput, ImportTerraformPlanPayload, ImportTerraformStateInput,
    ImportTerraformStatePayload, JobRun, Json, PreviewAcceptDriftsInput, PreviewAcceptDriftsPayload,
    ProvisionedSpec, RecordBaselineInput, RecordBaselinePayload, ResendNotificationInput,
    ResendNotificationPayload, Resource, SendTestNotificationInput, SendTestNotificationPayload, SpecSource,
    UpdateNotificationTargetInput, UpdateNotificationTargetPayload, with_details,
};
use crate::app::App;
use crate::domain::actor::Role;
use crate::error::{Error, Result};
use crate::jobs::JobRequest;
use crate::services::acceptance::{self, AcceptDrift};
use crate::services::baseline::record_baseline;
use crate::services::bulks::{self, Decider};
use crate::services::detection::Scope;
use crate::services::forgetting::{Forget, forget_resource};
use crate::services::imports::import_state;
use crate::services::inventory::SyncOptions;
use crate::services::notifications;
use crate::services::plans::import_plan;
use crate::services::provisioning::{self, RecordSpec, SOURCE_API};
use crate::services::retirement::{RetireSpec, retire_spec};
use crate::services::reverting::note_revert;
use crate::services::sources;
use crate::services::undo::{self, UndoAccept};

/// How long a mutation waits for the run that it started.
pub(super) const WAIT_FOR_JOB: Duration = Duration::from_secs(25);
/// Maximum number of resources in the input of `detectDrift`.
const MAX_RESOURCE_IDS: usize = 500;

/// Input of `acceptDrift`.
#[derive(InputObject)]
pub(super) struct AcceptDriftInput {
    /// The id of the drift.
    drift_id: ID,
    /// The revision that you have seen. If the drift has another revision, the accept fails with
    /// LIVE_VALUE_MOVED.
    revision: Option<i32>,
    /// The reason for the decision, at most 4096 bytes.
    #[graphql(secret)]
    note: Option<String>,
}

/// Result of `acceptDrift`.
#[derive(SimpleObject)]
pub(super) struct AcceptDriftPayload {
    /// The accepted drift.
    drift: Drift,
    /// The new version of the spec; null if the resource was missing and its spec was retired.
    provisioned: Option<ProvisionedSpec>,
    /// The source of the spec if a Terraform state owns it. Otherwise null.
    owned_by: Option<SpecSource>,
    /// A warning that the next apply of Terraform will undo this accept unless the configuration follows, and what the
    /// next import of the state does; null if no state owns the spec.
    warning: Option<String>,
}

/// Input of `undoAccept`.
#[derive(InputObject)]
pub(super) struct UndoAcceptInput {
    /// The id of an accepted drift.
    drift_id: ID,
    /// The reason for the decision, at most 4096 bytes.
    #[graphql(secret)]
    reason: Option<String>,
}

/// Result of `undoAccept`.
#[derive(SimpleObject)]
pub(super) struct UndoAcceptPayload {
    /// The drift. Its status is still `ACCEPTED`, and `undoneAt` is set.
    drift: Drift,
    /// The spec in force; null if it was retired since an earlier undo.
    provisioned: Option<ProvisionedSpec>,
    /// The open drift of the same field; null if the restored value does not differ from the live one, or cannot be
    /// compared now. Then the next sweeps compare it.
    open_drift: Option<Drift>,
}

/// Input of `markReverting`.
#[derive(InputObject)]
pub(super) struct MarkRevertingInput {
    /// The id of an open drift.
    drift_id: ID,
    /// How or why the live value is put back, at most 4096 bytes.
    #[graphql(secret)]
    note: Option<String>,
}

/// Result of `markReverting`.
#[derive(SimpleObject)]
pub(super) struct MarkRevertingPayload {
    /// The drift, which is still open.
    drift: Drift,
}

/// Input of `unmarkReverting`.
#[derive(InputObject)]
pub(super) struct UnmarkRevertingInput {
    /// The id of an open drift.
    drift_id: ID,
    /// The reason, at most 4096 bytes.
    #[graphql(secret)]
    note: Option<String>,
}

/// Result of `unmarkReverting`.
#[derive(SimpleObject)]
pub(super) struct UnmarkRevertingPayload {
    /// The drift, which is still open.
    drift: Drift,
}

/// Input of `recordSpec`.
#[derive(InputObject)]
pub(super) struct RecordSpecInput {
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
pub(super) struct RecordSpecPayload {
    /// The spec in force.
    provisioned: ProvisionedSpec,
}

/// Input of `retireSpec`.
#[derive(InputObject)]
pub(super) struct RetireSpecInput {
    /// The id of the resource.
    resource_id: ID,
    /// The version of the spec that you have seen. If it differs, the call fails with SPEC_VERSION_CONFLICT.
    expected_spec_version: i32,
}

/// Result of `retireSpec`.
#[derive(SimpleObject)]
pub(super) struct RetireSpecPayload {
    /// The resource, which has no spec in force any more.
    resource: Resource,
    /// The version of the retired spec. A spec recorded later gets the next version.
    spec_version: i32,
}

/// Input of `forgetResource`.
#[derive(InputObject)]
pub(super) struct ForgetResourceInput {
    /// The id of a resource that is gone or unsynced and has no spec in force.
    resource_id: ID,
    /// The reason for the deletion, at most 4096 bytes.
    #[graphql(secret)]
    note: Option<String>,
    /// Whether to delete a resource that has decisions, together with these decisions.
    #[graphql(default)]
    include_history: bool,
}

/// Result of `forgetResource`.
#[derive(SimpleObject)]
pub(super) struct ForgetResourcePayload {
    /// The record of the deleted resource.
    forgotten: ForgottenResource,
}

/// Input of `detectDrift`.
#[derive(Default, InputObject)]
pub(super) struct DetectDriftInput {
    /// The ids of the resources to compare, at most 500; all resources if absent.
    resource_ids: Option<Vec<ID>>,
}

/// Result of `detectDrift`.
#[derive(SimpleObject)]
pub(super) struct DetectDriftPayload {
    /// The run. Its outcome is null if the run is still active.
    run: JobRun,
}

/// Input of `retireSource`.
#[derive(InputObject)]
pub(super) struct RetireSourceInput {
    /// The name of the source.
    name: String,
}

/// Result of `retireSource`.
#[derive(SimpleObject)]
pub(super) struct RetireSourcePayload {
    /// The number of its resources, which are gone now.
    resources: i32,
    /// The number of its specs, which are retired now.
    specs: i32,
}

/// Input of `renameSource`.
#[derive(InputObject)]
pub(super) struct RenameSourceInput {
    /// The name of the source.
    name: String,
    /// Its new name.
    new_name: String,
}

/// Result of `renameSource`.
#[derive(SimpleObject)]
pub(super) struct RenameSourcePayload {
    /// The number of its resources.
    resources: i32,
}

/// Input of `syncInventory`.
#[derive(Default, InputObject)]
pub(super) struct SyncInventoryInput {
    /// The name of the source to sync. Required if the server lists several sources.
    source: Option<String>,
    /// The kinds to sync; all kinds if absent.
    kinds: Option<Vec<String>>,
}

/// Result of `syncInventory`.
#[derive(SimpleObject)]
pub(super) struct SyncInventoryPayload {
    /// The run. Its outcome is null if the run is still active.
    run: JobRun,
}

/// The mutations that have no file of their own.
#[derive(Default)]
pub(super) struct CoreMutation;

/// Write operations. They require the role `platform_admin`.
#[Object]
impl CoreMutation {
    /// Accepts a drift: makes the live value the expected one. For a missing resource, retires the spec. Fails
    /// with ALREADY_RESOLVED if the drift is not open, with LIVE_VALUE_MOVED if the live value or the revision
    /// has changed, and with SPEC_MOVED if the spec has changed.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn accept_drift(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The drift to accept.")] input: AcceptDriftInput,
    ) -> ApiResult<Option<AcceptDriftPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let accept = AcceptDrift {
            drift_id: parse_id(&input.drift_id)?,
            revision: input.revision,
            note: input.note,
        };
        let accepted =
            acceptance::accept_drift(app.db(), caller(ctx)?.name(), &accept, app.clock().now()).await?;
        let provisioned = accepted.provisioned.map(ProvisionedSpec);
        Ok(Some(AcceptDriftPayload {
            drift: Drift(accepted.drift),
            provisioned,
            warning: accepted.warning,
            owned_by: accepted.owned_by.map(SpecSource),
        }))
    }

    /// Undoes the accept of a drift: the spec gets a new version in which only the accepted field has the value that it had
    /// before the accept. A spec that the accept retired is in force again. If the values differ, the difference is open
    /// again as a new drift. Fails with SPEC_MOVED and a `reason` if a later change stands in the way: VALUE_CHANGED (with
    /// `field` and the current `expected` value), TAKEN_OVER, RETIRED or RECORDED_AGAIN; with NOT_UNDOABLE if the drift was
    /// not accepted (NOT_ACCEPTED) or the earlier version of the spec is not kept (VERSION_NOT_KEPT). An accept that is
    /// undone already stays as it is.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn undo_accept(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The accept to undo.")] input: UndoAcceptInput,
    ) -> ApiResult<Option<UndoAcceptPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let undo = UndoAccept {
            drift_id: parse_id(&input.drift_id)?,
            reason: input.reason,
        };
        let undone = undo::undo_accept(app.db(), caller(ctx)?.name(), &undo, app.clock().now()).await?;
        let drift = undone.drifts.into_iter().next();
        let drift = drift.ok_or_else(|| Error::Internal("an undone drift was not found".to_owned()))?;
        Ok(Some(UndoAcceptPayload {
            open_drift: undone
                .open
                .into_iter()
                .find(|open| open.field == drift.field)
                .map(Drift),
            drift: Drift(drift),
            provisioned: undone.provisioned.map(ProvisionedSpec),
        }))
    }

    /// Notes that you put the live value of an open drift back. Nothing is sent to the cloud. If a later sweep finds the values
    /// equal, the drift becomes REVERTED instead of STALE, closed by you. Fails with ALREADY_RESOLVED if the drift is not
    /// open.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn mark_reverting(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The drift and a note.")] input: MarkRevertingInput,
    ) -> ApiResult<Option<MarkRevertingPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let by = (caller(ctx)?.name(), input.note.as_deref());
        let (id, now) = (parse_id(&input.drift_id)?, app.clock().now());
        let drift = note_revert(app.db(), by, id, true, now).await?;
        Ok(Some(MarkRevertingPayload { drift: Drift(drift) }))
    }

    /// Withdraws the intent that `markReverting` noted. Fails with ALREADY_RESOLVED if the drift is not open.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn unmark_reverting(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The drift and the reason.")] input: UnmarkRevertingInput,
    ) -> ApiResult<Option<UnmarkRevertingPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let by = (caller(ctx)?.name(), input.note.as_deref());
        let (id, now) = (parse_id(&input.drift_id)?, app.clock().now());
        let drift = note_revert(app.db(), by, id, false, now).await?;
        Ok(Some(UnmarkRevertingPayload { drift: Drift(drift) }))
    }

    /// Previews the accept of many drifts, and changes nothing: returns the drifts, what would change per resource, and a
    /// token for `acceptDrifts`. The token stands for these drifts with these revisions. It is valid for an hour, for the
    /// same user only.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn preview_accept_drifts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The drifts to accept.")] input: PreviewAcceptDriftsInput,
    ) -> ApiResult<Option<PreviewAcceptDriftsPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let selected = input.parse()?;
        let preview = bulks::preview_accept(app.db(), decider(ctx)?, &selected, app.clock().now()).await?;
        Ok(Some(preview.into()))
    }

    /// Accepts the drifts of a preview, with one new version of each spec. A drift that has another revision or value by
    /// now, or is closed, is left as it is, with the code of the error in `items`. Waits at most 25 seconds; after that, the
    /// bulk continues in the background: query `bulkRun`. The same token again returns the same bulk, and continues it if
    /// its server was stopped. Fails with NOT_FOUND if the caller has no such preview, and with PREVIEW_EXPIRED.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn accept_drifts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The preview to execute.")] input: AcceptDriftsInput,
    ) -> ApiResult<Option<AcceptDriftsPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let (token, note) = (parse_id(&input.token)?, input.note.as_deref());
        let bulk = bulks::begin_accept(app.db(), decider(ctx)?, token, note, app.clock().now()).await?;
        let work = app.jobs().execute_bulk(bulk);
        if let Ok(done) = tokio::time::timeout(WAIT_FOR_JOB, work).await {
            done.map_err(|error| Error::Internal(format!("a bulk ended: {error}")))??;
        }
        let run = bulks::find(app.db().reader(), token).await?;
        let run = run.ok_or(Error::NotFound("preview"))?;
        Ok(Some(AcceptDriftsPayload { run: BulkRun(run) }))
    }

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

    /// Deletes a resource from the inventory, with its retired spec, its drifts and its events. Fails with
    /// NOT_FORGETTABLE and a `reason`: STILL_THERE if the resource exists, SPEC_IN_FORCE if it has a spec in
    /// force, or HAS_DECISIONS if it has decisions and `includeHistory` is false. If a later listing contains the
    /// resource, it is stored as a new resource.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn forget_resource(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The resource to delete.")] input: ForgetResourceInput,
    ) -> ApiResult<Option<ForgetResourcePayload>> {
        let app = app_with_fresh_loaders(ctx)?;
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

    /// Imports a Terraform state: records the specs of its resources with the source `terraform:` and the name of
    /// the state, and retires the specs of resources that left it. Passwords, tokens and other secrets are not
    /// stored. A spec of another source does not change and its instance is refused, except that `takeOver` takes
    /// over specs of `api` and `baseline`.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn import_terraform_state(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The state to import.")] input: ImportTerraformStateInput,
    ) -> ApiResult<Option<ImportTerraformStatePayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let (state, options) = input.parse()?;
        let (actor, now) = (caller(ctx)?.name(), app.clock().now());
        let summary = import_state(app.db(), actor, &state, &options, now, |_, _| {}).await?;
        Ok(Some(ImportTerraformStatePayload {
            summary: summary.into(),
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
        let (plan, normal, options) = input.parse()?;
        let summary = import_plan(app.db(), app.clock(), actor, plan, normal, &options, |_, _| {}).await?;
        Ok(Some(ImportTerraformPlanPayload {
            summary: summary.into(),
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

    /// Starts a sweep: compares specs with the inventory and updates the drifts. Waits at most 25 seconds for the
    /// run to end; after that, the run continues in the background.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn detect_drift(
        &self,
        ctx: &Context<'_>,
        #[graphql(default, desc = "The resources to compare.")] input: DetectDriftInput,
    ) -> ApiResult<Option<DetectDriftPayload>> {
        let scope = match not_empty("resourceIds", input.resource_ids)? {
            None => Scope::All,
            Some(ids) if ids.len() > MAX_RESOURCE_IDS => {
                return Err(
                    Error::BadUserInput(format!("resourceIds has more than {MAX_RESOURCE_IDS} ids")).into(),
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

    /// Ends a source that no longer exists: retires its specs, so that their drifts close, marks its resources as gone, and
    /// removes it from `sources`. Fails with JOB_ALREADY_RUNNING if a sync of the source is active. A server whose
    /// settings name the source registers it again.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn retire_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The source to end.")] input: RetireSourceInput,
    ) -> ApiResult<Option<RetireSourcePayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let ended = sources::retire(app.db(), app.clock(), caller(ctx)?.name(), &input.name).await?;
        Ok(Some(RetireSourcePayload {
            resources: to_int(ended.resources),
            specs: to_int(ended.specs),
        }))
    }

    /// Gives a source a new name, for example after its setting was changed. Fails with JOB_ALREADY_RUNNING if a sync of the
    /// source is active. Terraform states keep their names.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn rename_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The source and its new name.")] input: RenameSourceInput,
    ) -> ApiResult<Option<RenameSourcePayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let resources = sources::rename(app.db(), caller(ctx)?.name(), &input.name, &input.new_name).await?;
        Ok(Some(RenameSourcePayload {
            resources: to_int(resources),
        }))
    }

    /// Starts a sync: lists a source of the inventory and stores the result. Waits at most 25 seconds for the
    /// run to end; after that, the run continues in the background. Fails with JOB_ALREADY_RUNNING if a sync of
    /// the same source is active.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn sync_inventory(
        &self,
        ctx: &Context<'_>,
        #[graphql(default, desc = "The source and the kinds to sync.")] input: SyncInventoryInput,
    ) -> ApiResult<Option<SyncInventoryPayload>> {
        let kinds = not_empty("kinds", input.kinds)?.map(|kinds| kinds.into_iter().collect());
        let source = super::app(ctx)?.jobs().source(input.source.as_deref())?.clone();
        let options = SyncOptions {
            kinds,
            ..SyncOptions::default()
        };
        Ok(Some(SyncInventoryPayload {
            run: run(ctx, JobRequest::SyncOf(Box::new(source), options)).await?,
        }))
    }

    /// Creates a target of notifications: a webhook, an incoming webhook of Slack, or a heartbeat. The address must begin
    /// with `https` and its host must be public, unless the setting DRIFT_NOTIFY_PRIVATE permits the host.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn create_notification_target(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The target to create.")] input: CreateNotificationTargetInput,
    ) -> ApiResult<Option<CreateNotificationTargetPayload>> {
        let app = super::app(ctx)?;
        let new = input.parse()?;
        let saved = notifications::create(app.db(), app.outgoing(), caller(ctx)?.name(), &new).await?;
        Ok(Some(saved.into()))
    }

    /// Changes a target of notifications, or rotates its secret.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn update_notification_target(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The target and its changes.")] input: UpdateNotificationTargetInput,
    ) -> ApiResult<Option<UpdateNotificationTargetPayload>> {
        let app = super::app(ctx)?;
        let (id, actor) = (parse_id(&input.target_id)?, caller(ctx)?.name());
        let change = input.parse()?;
        let saved = notifications::update(app.db(), app.outgoing(), actor, id, &change).await?;
        Ok(Some(saved.into()))
    }

    /// Deletes a target of notifications with all its messages. Messages that were not delivered yet are lost.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn delete_notification_target(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The target to delete.")] input: DeleteNotificationTargetInput,
    ) -> ApiResult<Option<DeleteNotificationTargetPayload>> {
        let id = parse_id(&input.target_id)?;
        notifications::delete(super::app(ctx)?.db(), id).await?;
        Ok(Some(DeleteNotificationTargetPayload { target_id: id.into() }))
    }

    /// Sends a test message to a target and waits for the answer, at most 10 seconds. The message is attempted once. For
    /// the program behind a heartbeat, a test is a good sweep.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn send_test_notification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The target.")] input: SendTestNotificationInput,
    ) -> ApiResult<Option<SendTestNotificationPayload>> {
        let app = super::app(ctx)?;
        let (id, actor) = (parse_id(&input.target_id)?, caller(ctx)?.name());
        let row = notifications::send_test(app.db(), app.outgoing(), actor, id).await?;
        let delivery = with_details(app.db().reader(), vec![row]).await?.pop();
        Ok(delivery.map(|delivery| SendTestNotificationPayload { delivery }))
    }

    /// Sends a message again, whatever became of it. It keeps its id, so that a receiver that knows it can ignore it.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn resend_notification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message to send again.")] input: ResendNotificationInput,
    ) -> ApiResult<Option<ResendNotificationPayload>> {
        let app = super::app(ctx)?;
        let row = notifications::resend(app.db(), parse_id(&input.delivery_id)?).await?;
        let delivery = with_details(app.db().reader(), vec![row]).await?.pop();
        Ok(delivery.map(|delivery| ResendNotificationPayload { delivery }))
    }
}

/// Returns the caller as the one who decides about a bulk.
pub(super) fn decider<'c>(ctx: &Context<'c>) -> Result<Decider<'c>> {
    let caller = caller(ctx)?;
    Ok(Decider {
        name: caller.name(),
        subject: caller.subject(),
    })
}

pub(super) fn to_int(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Returns the app and clears the loaders. The mutations of a document run one after the other, and the result of each
/// must not contain rows that were loaded before it.
pub(super) fn app_with_fresh_loaders<'c>(ctx: &Context<'c>) -> Result<&'c App> {
    forget(&*super::loaders(ctx)?);
    super::app(ctx)
}

async fn run(ctx: &Context<'_>, request: JobRequest) -> ApiResult<JobRun> {
    let handle = app_with_fresh_loaders(ctx)?.jobs().start(request).await?;
    Ok(JobRun(handle.wait_at_most(WAIT_FOR_JOB).await?))
}

//! The queries and mutations of jobs.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::job_runs::{Job as JobKind, Model as Run};

use super::app;
use super::arguments::{not_empty, parse_id};
use super::error::ApiResult;
use super::guard::AtLeast;
use super::mutation::{WAIT_FOR_JOB, app_with_fresh_loaders};
use super::refusal::{Outcome, Refusal};
use super::types::{Connection, Job, JobRun, JobSchedule, MAX_LISTED_SOURCES, PageArgs, Total, page_cost};
use crate::domain::actor::Role;
use crate::domain::schedule::Schedule;
use crate::error::{Error, Result};
use crate::jobs::JobRequest;
use crate::services::detection::Scope;
use crate::services::inventory::SyncOptions;
use crate::services::job_runs;

/// Maximum number of resources in the input of `detectDrift`.
const MAX_RESOURCE_IDS: usize = 500;
/// Input of `detectDrift`.
#[derive(Default, InputObject)]
struct DetectDriftInput {
    /// The ids of the resources to compare, at most 500; all resources if absent.
    resource_ids: Option<Vec<ID>>,
}

/// Result of `detectDrift`.
#[derive(SimpleObject)]
struct DetectDriftPayload {
    /// The run. Its outcome is null if the run is still active.
    run: JobRun,
}

/// Input of `syncInventory`.
#[derive(Default, InputObject)]
struct SyncInventoryInput {
    /// The name of the source to sync. Required if the server lists several sources.
    source: Option<String>,
    /// The kinds to sync; all kinds if absent.
    kinds: Option<Vec<String>>,
}

/// Result of `syncInventory`.
#[derive(SimpleObject)]
struct SyncInventoryPayload {
    /// The run. Its outcome is null if the run is still active. If the sync was refused, the run that is active instead.
    run: JobRun,
    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    refusal: Option<Refusal>,
}

/// The queries of jobs.
#[derive(Default)]
pub(super) struct JobQuery;

/// The queries of jobs.
#[Object]
impl JobQuery {
    /// Returns the schedules of the jobs, at most 1,000: one entry for the sync of each source that has a schedule, and one
    /// for the sweep. A job without a schedule has one entry.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn job_schedules(&self, ctx: &Context<'_>) -> ApiResult<Vec<JobSchedule>> {
        let app = app(ctx)?;
        let of = |job, source: Option<&str>, schedule: Option<Schedule>| JobSchedule {
            job,
            source: source.map(str::to_owned),
            schedule,
            now: app.clock().now(),
        };
        let mut timetable = app.timetable();
        timetable.truncate(MAX_LISTED_SOURCES);
        let mut schedules: Vec<JobSchedule> = Vec::with_capacity(timetable.len() + 2);
        for job in [JobKind::SyncInventory, JobKind::DetectDrift] {
            let listed = timetable.iter().filter(|(request, _)| request.job() == job);
            let before = schedules.len();
            schedules
                .extend(listed.map(|(request, schedule)| of(job, request.source(), Some(schedule.clone()))));
            if schedules.len() == before {
                schedules.push(of(job, None, None));
            }
        }
        Ok(schedules)
    }

    /// Lists runs of the jobs, newest first.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "page_cost(first, last, child_complexity)"
    )]
    async fn job_runs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns only runs of this job.")] job: Option<Job>,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<JobRun>> {
        let job = job.map(Into::into);
        let request = PageArgs::new(first, after, last, before).request(ctx, "j")?;
        let app = app(ctx)?;
        let page = job_runs::list(app.db(), job, &request).await?;
        Ok(Connection::new(page, "j", Total::JobRuns(job), JobRun))
    }
}

/// The mutations of jobs.
#[derive(Default)]
pub(super) struct JobMutation;

/// The mutations of jobs.
#[Object]
impl JobMutation {
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
        Ok(Some(DetectDriftPayload { run: JobRun(run) }))
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
        let source = app(ctx)?.jobs().source(input.source.as_deref())?.clone();
        let options = SyncOptions {
            kinds,
            ..SyncOptions::default()
        };
        let name = source.name.clone();
        let synced = run(ctx, JobRequest::SyncOf(Box::new(source), options)).await;
        let (run, refusal) = match Outcome::of(ctx, synced, None)? {
            Outcome::Done(run) => (run, None),
            Outcome::Refused(refusal, error) => {
                let active = job_runs::last_sync(app(ctx)?.db(), &name).await?;
                (active.ok_or(error)?, Some(*refusal))
            }
        };
        Ok(Some(SyncInventoryPayload {
            run: JobRun(run),
            refusal,
        }))
    }
}

async fn run(ctx: &Context<'_>, request: JobRequest) -> Result<Run> {
    let handle = app_with_fresh_loaders(ctx)?.jobs().start(request).await?;
    handle.wait_at_most(WAIT_FOR_JOB).await
}

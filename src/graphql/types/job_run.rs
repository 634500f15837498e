//! A run of a job.

use async_graphql::{Enum, ID, Object};
use chrono::{DateTime, Utc};
use entity::job_runs;

use super::Json;
use crate::domain::schedule::Schedule;

/// A job.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "job_runs::Job")]
pub(in crate::graphql) enum Job {
    /// The sync: lists the source of the inventory and stores the result.
    SyncInventory,
    /// The sweep: compares specs with the inventory and updates the drifts.
    DetectDrift,
}

/// The outcome of a run.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "job_runs::JobOutcome")]
pub(in crate::graphql) enum JobOutcome {
    /// The run completed.
    Succeeded,
    /// Part of the work could not be done. `counts` and `error` have details.
    Partial,
    /// The run failed. `error` has the reason.
    Failed,
    /// The run did not start, because another run was active.
    Skipped,
    /// The process of the run stopped sending heartbeats.
    Abandoned,
}

/// What started a run.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "job_runs::RunTrigger")]
pub(in crate::graphql) enum RunTrigger {
    /// A tick of the schedule.
    Tick,
    /// A server that started after a tick was missed.
    CatchUp,
    /// A user or program, through the API or the command line.
    Hand,
}

/// A run of a job.
pub(in crate::graphql) struct JobRun(pub(in crate::graphql) job_runs::Model);

/// A run of a job.
#[Object]
impl JobRun {
    /// The unique id of the run.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The job.
    async fn job(&self) -> Job {
        self.0.job.into()
    }

    /// Whether the run covers only some of the kinds (a sync) or only some of the resources (a sweep).
    async fn narrowed(&self) -> bool {
        self.0.narrowed
    }

    /// The name of the source that a sync listed; null for a sweep, and for runs older than this field.
    async fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }

    /// What started the run; null for a sweep of what a sync changed, and for runs older than this field.
    async fn trigger(&self) -> Option<RunTrigger> {
        self.0.trigger.map(Into::into)
    }

    /// The tick that started the run; null if no tick did.
    async fn scheduled_for(&self) -> Option<DateTime<Utc>> {
        self.0.scheduled_for
    }

    /// When the run started.
    async fn started_at(&self) -> DateTime<Utc> {
        self.0.started_at
    }

    /// When the run ended; null while it is active.
    async fn finished_at(&self) -> Option<DateTime<Utc>> {
        self.0.finished_at
    }

    /// The outcome; null while the run is active.
    async fn outcome(&self) -> Option<JobOutcome> {
        self.0.outcome.map(Into::into)
    }

    /// Counts of what the run did: a JSON object that maps names to numbers.
    async fn counts(&self) -> Json {
        Json(self.0.counts.clone())
    }

    /// Why the run failed, or what part of the work could not be done; null if it succeeded.
    async fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }
}

/// The schedule of a job.
pub(in crate::graphql) struct JobSchedule {
    /// A job.
    pub(in crate::graphql) job: job_runs::Job,
    /// The source of a sync.
    pub(in crate::graphql) source: Option<String>,
    /// The schedule; `None` if the job has none.
    pub(in crate::graphql) schedule: Option<Schedule>,
    /// The current time.
    pub(in crate::graphql) now: DateTime<Utc>,
}

/// The schedule of a job.
#[Object]
impl JobSchedule {
    /// A job.
    async fn job(&self) -> Job {
        self.job.into()
    }

    /// The source that the sync lists; null for a sweep, and if no source has a schedule.
    async fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// The cron expression in UTC: second, minute, hour, day of month, month, day of week. Null if the job has no
    /// schedule.
    async fn cron(&self) -> Option<&str> {
        self.schedule.as_ref().map(Schedule::text)
    }

    /// The next tick of the schedule; null if the job has no schedule. One of the servers that share the database
    /// runs it.
    async fn next_run_at(&self) -> Option<DateTime<Utc>> {
        self.schedule.as_ref()?.next_tick(self.now)
    }
}

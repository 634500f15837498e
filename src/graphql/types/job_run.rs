//! A run of a job.

use async_graphql::{Enum, ID, Object};
use chrono::{DateTime, Utc};
use entity::job_runs;

use super::Json;
use crate::domain::schedule::Schedule;

/// What runs.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "job_runs::Job")]
pub(in crate::graphql) enum Job {
    /// Replaces the inventory by what the cloud answers.
    SyncInventory,
    /// Compares every spec with the inventory.
    DetectDrift,
}

/// How a run ended.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "job_runs::JobOutcome")]
pub(in crate::graphql) enum JobOutcome {
    /// All of it was done.
    Succeeded,
    /// Some of it could not be done; the counts say what.
    Partial,
    /// It failed; the error says why.
    Failed,
    /// It did not start, because another run of the job was under way.
    Skipped,
    /// It stopped reporting.
    Abandoned,
}

/// Why a run began.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "job_runs::RunTrigger")]
pub(in crate::graphql) enum RunTrigger {
    /// A tick of the schedule.
    Tick,
    /// The start of a server, because a tick was missed.
    CatchUp,
    /// A user or a program, by the API or the command line.
    Hand,
}

/// One run of a job.
pub(in crate::graphql) struct JobRun(pub(in crate::graphql) job_runs::Model);

/// One run of a job.
#[Object]
impl JobRun {
    /// The id.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// What ran.
    async fn job(&self) -> Job {
        self.0.job.into()
    }

    /// Whether it was asked to look at a part only: a sync of some kinds, or a sweep of some resources.
    async fn narrowed(&self) -> bool {
        self.0.narrowed
    }

    /// Name of the source that a sync listed; null for a sweep, and for runs of before sources had names.
    async fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }

    /// Why it began; null for runs of before this was kept.
    async fn trigger(&self) -> Option<RunTrigger> {
        self.0.trigger.map(Into::into)
    }

    /// The tick that it ran for; null for a run that no tick started.
    async fn scheduled_for(&self) -> Option<DateTime<Utc>> {
        self.0.scheduled_for
    }

    /// When it began.
    async fn started_at(&self) -> DateTime<Utc> {
        self.0.started_at
    }

    /// When it ended; null while it runs.
    async fn finished_at(&self) -> Option<DateTime<Utc>> {
        self.0.finished_at
    }

    /// How it ended; null while it runs.
    async fn outcome(&self) -> Option<JobOutcome> {
        self.0.outcome.map(Into::into)
    }

    /// What it did, as numbers by name.
    async fn counts(&self) -> Json {
        Json(self.0.counts.clone())
    }

    /// Why it failed, or what it could not rely on.
    async fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }
}

/// When a job runs by itself.
pub(in crate::graphql) struct JobSchedule {
    /// What runs.
    pub(in crate::graphql) job: job_runs::Job,
    /// When, unless only by hand.
    pub(in crate::graphql) schedule: Option<Schedule>,
    /// What time it is.
    pub(in crate::graphql) now: DateTime<Utc>,
}

/// When a job runs by itself.
#[Object]
impl JobSchedule {
    /// What runs.
    async fn job(&self) -> Job {
        self.job.into()
    }

    /// Seconds, minutes, hours, day of the month, month and day of the week, in UTC; null if it runs by hand only.
    async fn cron(&self) -> Option<&str> {
        self.schedule.as_ref().map(Schedule::text)
    }

    /// When it runs next, on one of the servers that share the database; null if it runs by hand only.
    async fn next_run_at(&self) -> Option<DateTime<Utc>> {
        self.schedule.as_ref()?.next_tick(self.now)
    }
}

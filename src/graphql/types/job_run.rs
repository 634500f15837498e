//! A run of a job.

use async_graphql::{Enum, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::job_runs;
use serde::Deserialize as _;
use serde_json::Value;

use super::stored::{number, text, texts};
use super::{Json, MAX_SHOWN};
use crate::domain::schedule::Schedule;
use crate::services::inventory;

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
    #[graphql(
        deprecation = "Use `syncCounts` or `sweepCounts`, which have types. This field stays for earlier clients."
    )]
    async fn counts(&self) -> Json {
        Json(self.0.counts.clone())
    }

    /// What a sync did; null for a sweep, and until the run has ended.
    async fn sync_counts(&self) -> Option<SyncRunCounts> {
        let of_sync = self.0.job == job_runs::Job::SyncInventory;
        (of_sync && self.0.finished_at.is_some()).then(|| SyncRunCounts::of(&self.0.counts))
    }

    /// What a sweep did; null for a sync, and until the run has ended.
    async fn sweep_counts(&self) -> Option<SweepRunCounts> {
        let of_sweep = self.0.job == job_runs::Job::DetectDrift;
        (of_sweep && self.0.finished_at.is_some()).then(|| SweepRunCounts::of(&self.0.counts))
    }

    /// Why the run failed, or what part of the work could not be done; null if it succeeded.
    async fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }
}

/// What a sync did. A count is null if the run failed before it was known, or a release without this count ran it.
#[derive(SimpleObject)]
pub(in crate::graphql) struct SyncRunCounts {
    /// Resources in the listing, and missing resources that the provider confirmed to exist.
    resources: Option<i32>,
    /// Resources that were listed for the first time, or again after they were gone.
    discovered: Option<i32>,
    /// Resources whose content changed.
    changed: Option<i32>,
    /// Resources that are gone now.
    gone: Option<i32>,
    /// Kinds that were left unchanged because a newer listing of them is already stored.
    superseded: Option<i32>,
    /// Resources that were left unchanged because the id of their row does not decode.
    skipped: Option<i32>,
    /// The result for each kind, by name; at most 200.
    kinds: Vec<SyncKindCounts>,
}

/// What a sync did with one kind.
#[derive(SimpleObject)]
pub(in crate::graphql) struct SyncKindCounts {
    /// The kind.
    kind: String,
    /// The result; null if a later release wrote one that this server does not know.
    outcome: Option<SyncKindOutcome>,
    /// Resources that were listed, if the listing is complete.
    resources: Option<i32>,
    /// Missing resources whose absence the provider did not confirm. They stay as they were.
    unconfirmed: Option<i32>,
    /// Why the listing is not complete.
    reason: Option<String>,
    /// A remark about a complete listing.
    note: Option<String>,
    /// Fields that could not be read and that specs may set, at most 200.
    unread_fields: Vec<String>,
}

/// The result of a sync for one kind.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "inventory::KindOutcome")]
pub(in crate::graphql) enum SyncKindOutcome {
    /// The listing is complete and was written.
    Complete,
    /// The listing is incomplete, an error ended the run, or missing resources are unconfirmed.
    Incomplete,
    /// The token lacks a scope.
    NotReadable,
    /// A newer listing is already stored.
    Superseded,
}

impl SyncRunCounts {
    fn of(counts: &Value) -> Self {
        let kinds = counts["kinds"].as_object().into_iter().flatten();
        Self {
            resources: number(counts, "resources"),
            discovered: number(counts, "discovered"),
            changed: number(counts, "changed"),
            gone: number(counts, "gone"),
            superseded: number(counts, "superseded"),
            skipped: number(counts, "skipped"),
            kinds: kinds
                .take(MAX_SHOWN)
                .map(|(kind, report)| SyncKindCounts {
                    kind: kind.clone(),
                    outcome: inventory::KindOutcome::deserialize(&report["outcome"])
                        .ok()
                        .map(Into::into),
                    resources: number(report, "resources"),
                    unconfirmed: number(report, "unconfirmed"),
                    reason: text(report, "reason"),
                    note: text(report, "note"),
                    unread_fields: texts(report, "unreadFields"),
                })
                .collect(),
        }
    }
}

/// What a sweep did. A count is null if the run failed before it was known, or a release without this count ran it.
#[derive(SimpleObject)]
pub(in crate::graphql) struct SweepRunCounts {
    /// Resources whose comparison is up to date.
    resources: Option<i32>,
    /// Fields that this sweep compared.
    fields_compared: Option<i32>,
    /// Drifts that were opened.
    opened: Option<i32>,
    /// Open drifts whose expected or live value changed.
    changed: Option<i32>,
    /// Drifts that were closed without a decision.
    staled: Option<i32>,
    /// Differences that ignore rules keep out of the inbox since this sweep, or whose values changed.
    ignored: Option<i32>,
    /// Resources that were left out because one of their rows does not decode.
    skipped: Option<i32>,
    /// Resources that no listing has contained yet.
    unsynced: Option<i32>,
    /// Resources that are settling, whose drifts are left unchanged.
    settling: Option<i32>,
    /// Resources that are left to the next sweep because other writers kept changing them.
    moved: Option<i32>,
}

impl SweepRunCounts {
    fn of(counts: &Value) -> Self {
        Self {
            resources: number(counts, "resources"),
            fields_compared: number(counts, "fieldsCompared"),
            opened: number(counts, "opened"),
            changed: number(counts, "changed"),
            staled: number(counts, "staled"),
            ignored: number(counts, "ignored"),
            skipped: number(counts, "skipped"),
            unsynced: number(counts, "unsynced"),
            settling: number(counts, "settling"),
            moved: number(counts, "moved"),
        }
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

//! `job_runs`: one row for each sync or sweep. A unique index makes each tick run on one server only.

use sea_orm::entity::prelude::*;

/// Kind of job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(32))",
    rename_all = "snake_case"
)]
pub enum Job {
    /// A sync: stores a listing as the inventory.
    SyncInventory,
    /// A sweep: compares specs with the inventory.
    DetectDrift,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum JobOutcome {
    /// All work was done.
    Succeeded,
    /// Part of the work could not be done; the counts say what.
    Partial,
    /// It ended with an error; what it wrote before the error stays.
    Failed,
    /// It did not start, because another run of the job was active.
    Skipped,
    /// Its process stopped sending heartbeats.
    Abandoned,
}

/// Why a run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum RunTrigger {
    /// A tick of the schedule.
    Tick,
    /// The start of a server, because a tick was missed.
    CatchUp,
    /// A request through the API or the command line.
    Hand,
}

/// One run of a job.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "job_runs")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Whether it is a sync or a sweep.
    pub job: Job,
    /// Whether it covered a part only: a sync of some kinds, or a sweep of some resources.
    pub narrowed: bool,
    /// Source that a sync lists; null for a sweep, and for the runs of older servers.
    pub source: Option<String>,
    /// What started the run; null for a sweep of what a sync changed, and for the runs of older servers.
    pub trigger: Option<RunTrigger>,
    /// Tick that it ran for; null if no tick started it.
    pub scheduled_for: Option<DateTimeUtc>,
    /// When it began.
    pub started_at: DateTimeUtc,
    /// Time of its last heartbeat.
    pub heartbeat_at: DateTimeUtc,
    /// When it ended; null while it runs.
    pub finished_at: Option<DateTimeUtc>,
    /// How it ended; null while it runs.
    pub outcome: Option<JobOutcome>,
    /// JSON object of its counts.
    #[sea_orm(column_type = "JsonBinary")]
    pub counts: Json,
    /// Why it failed or is partial, for operators.
    pub error: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

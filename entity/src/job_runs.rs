//! `job_runs`: one row per sync or sweep; also what makes one tick run once across servers.

use sea_orm::entity::prelude::*;

/// What ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(32))",
    rename_all = "snake_case"
)]
pub enum Job {
    /// Replaces the inventory by what the cloud answers.
    SyncInventory,
    /// Compares every spec with the inventory.
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
    /// All of it was done.
    Succeeded,
    /// Some of it could not be done; the counts say what.
    Partial,
    /// Nothing was changed.
    Failed,
    /// It did not start, because another run of the job was under way.
    Skipped,
    /// It stopped reporting.
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
    /// A user or a program, by the API or the command line.
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
    /// What ran.
    pub job: Job,
    /// Whether it was asked to look at a part only: a sync of some kinds, a sweep of some resources.
    pub narrowed: bool,
    /// Source that a sync lists; null for a sweep, and for the runs of older servers.
    pub source: Option<String>,
    /// Why it began; null for the runs of older servers.
    pub trigger: Option<RunTrigger>,
    /// Tick that it ran for; null for a run by hand.
    pub scheduled_for: Option<DateTimeUtc>,
    /// When it began.
    pub started_at: DateTimeUtc,
    /// When it was last known to be alive.
    pub heartbeat_at: DateTimeUtc,
    /// When it ended; null while it runs.
    pub finished_at: Option<DateTimeUtc>,
    /// How it ended; null while it runs.
    pub outcome: Option<JobOutcome>,
    /// JSON object of what it did.
    #[sea_orm(column_type = "JsonBinary")]
    pub counts: Json,
    /// Why it failed, in words fit for an operator.
    pub error: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

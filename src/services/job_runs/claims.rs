//! Claims of runs: decide which server or command may run a job, and insert the row of the run.

use chrono::{DateTime, Utc};
use entity::job_runs::{self as runs, Job, JobOutcome, RunTrigger};
use sea_orm::sea_query::{ExprTrait as _, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::json;
use uuid::Uuid;

use super::{HEARTBEAT_LIMIT, HEARTBEAT_LIMIT_BY_HAND, abandon_in_txn};
use crate::db::{DatabaseTransaction, Db};
use crate::error::{Error, Result};
use crate::services::page;

/// A run to claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRequest {
    /// The id of the run.
    pub id: Uuid,
    /// The job to run.
    pub job: Job,
    /// Whether the run is narrowed: a sync of some kinds, or a sweep of some resources.
    pub narrowed: bool,
    /// The source that a sync lists. Syncs of different sources do not exclude each other.
    pub source: Option<String>,
}

impl From<Job> for RunRequest {
    fn from(job: Job) -> Self {
        Self {
            id: Uuid::now_v7(),
            job,
            narrowed: false,
            source: None,
        }
    }
}

/// The result of a claim of a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TickClaim {
    /// The tick is claimed. This is the row of its run.
    Run(runs::Model),
    /// The tick is skipped because another run of the job is active. This is the row that records it.
    Skipped(runs::Model),
    /// Another server has already claimed the tick.
    Taken,
}

/// What starts a run.
#[derive(Clone, Copy)]
enum Trigger {
    Hand,
    Tick(DateTime<Utc>),
    CatchUp,
    Sync,
}

/// The result of an attempt to insert the row of a run.
enum Attempt {
    Begun(runs::Model),
    Blocked {
        /// The row, which was not inserted.
        row: runs::Model,
        /// The start of the active run.
        since: DateTime<Utc>,
    },
}

/// Claims a run that a person started. A sweep may run at the same time as other sweeps.
///
/// # Errors
///
/// JOB_ALREADY_RUNNING for a sync while another sync of the same source is active.
pub async fn claim(db: &Db, request: impl Into<RunRequest>) -> Result<runs::Model> {
    let request = &request.into();
    db.write_txn(|txn| async move {
        match attempt_in_txn(db, &txn, request, Trigger::Hand).await? {
            Attempt::Begun(row) => Ok(row),
            Attempt::Blocked { since, .. } => Err(Error::JobAlreadyRunning { since }),
        }
    })
    .await
}

/// Claims a run that replaces a missed tick. Returns None if another run of the job is active.
///
/// # Errors
///
/// The database is unavailable.
pub async fn claim_catch_up(db: &Db, request: impl Into<RunRequest>) -> Result<Option<runs::Model>> {
    claim_alone(db, &request.into(), Trigger::CatchUp).await
}

/// Claims a sweep of what a sync changed. Returns None if another sweep is active.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn claim_after_sync(db: &Db, request: RunRequest) -> Result<Option<runs::Model>> {
    claim_alone(db, &request, Trigger::Sync).await
}

async fn claim_alone(db: &Db, request: &RunRequest, trigger: Trigger) -> Result<Option<runs::Model>> {
    db.write_txn(|txn| async move {
        match attempt_in_txn(db, &txn, request, trigger).await? {
            Attempt::Begun(row) => Ok(Some(row)),
            Attempt::Blocked { .. } => Ok(None),
        }
    })
    .await
}

/// Claims the run of a tick. A tick during another run of the job is recorded as skipped. A request that is repeated with
/// its id gets the run that it claimed, if the database committed the claim but the confirmation was lost.
///
/// # Errors
///
/// The database is unavailable.
pub async fn claim_tick(db: &Db, request: impl Into<RunRequest>, tick: DateTime<Utc>) -> Result<TickClaim> {
    let request = &request.into();
    db.write_txn(|txn| async move {
        if let Some(claimed) = page::find_one(&*txn, runs::Entity::find_by_id(request.id)).await? {
            return Ok(match claimed.outcome {
                None => TickClaim::Run(claimed),
                Some(_) => TickClaim::Skipped(claimed),
            });
        }
        let (row, since) = match attempt_in_txn(db, &txn, request, Trigger::Tick(tick)).await? {
            Attempt::Begun(row) => return Ok(TickClaim::Run(row)),
            Attempt::Blocked { row, since } => (row, since),
        };
        let row = runs::Model {
            finished_at: Some(row.started_at),
            outcome: Some(JobOutcome::Skipped),
            error: Some(format!(
                "another run has been active since {}",
                since.to_rfc3339()
            )),
            ..row
        };
        let inserted = insert_in_txn(&txn, &row).await?;
        Ok(if inserted {
            TickClaim::Skipped(row)
        } else {
            TickClaim::Taken
        })
    })
    .await
}

/// Inserts the row of a run unless another run excludes it. Abandons runs without recent heartbeats first.
async fn attempt_in_txn(
    db: &Db,
    txn: &DatabaseTransaction,
    request: &RunRequest,
    trigger: Trigger,
) -> Result<Attempt> {
    let now = db.time(txn).await?;
    abandon_in_txn(txn, runs::Column::Job.eq(request.job), HEARTBEAT_LIMIT, now).await?;
    if request.job == Job::SyncInventory && matches!(trigger, Trigger::Hand) {
        let same = runs::Column::Job
            .eq(request.job)
            .and(runs::Column::Source.eq(request.source.clone()));
        abandon_in_txn(txn, same, HEARTBEAT_LIMIT_BY_HAND, now).await?;
    }
    let running = running_in_txn(txn, request).await?;
    let alone = request.job == Job::SyncInventory || !matches!(trigger, Trigger::Hand);
    let row = new_run(request, trigger, now);
    if !(alone && running.is_some()) && insert_in_txn(txn, &row).await? {
        return Ok(Attempt::Begun(row));
    }
    // If no active run was found, another sync began after the query.
    let since = running.map_or(now, |run| run.started_at);
    Ok(Attempt::Blocked { row, since })
}

fn new_run(request: &RunRequest, trigger: Trigger, now: DateTime<Utc>) -> runs::Model {
    runs::Model {
        id: request.id,
        job: request.job,
        narrowed: request.narrowed,
        source: request.source.clone(),
        // For a sync, the column is null, because older servers do not decode a new trigger.
        trigger: match trigger {
            Trigger::Hand => Some(RunTrigger::Hand),
            Trigger::Tick(_) => Some(RunTrigger::Tick),
            Trigger::CatchUp => Some(RunTrigger::CatchUp),
            Trigger::Sync => None,
        },
        scheduled_for: match trigger {
            Trigger::Tick(tick) => Some(tick),
            Trigger::CatchUp | Trigger::Hand | Trigger::Sync => None,
        },
        started_at: now,
        heartbeat_at: now,
        finished_at: None,
        outcome: None,
        counts: json!({}),
        error: None,
    }
}

/// Inserts the row of a run. Returns false if the tick is already claimed or a sync of the source is active.
async fn insert_in_txn(txn: &DatabaseTransaction, row: &runs::Model) -> Result<bool> {
    let row = runs::ActiveModel {
        id: Set(row.id),
        job: Set(row.job),
        narrowed: Set(row.narrowed),
        source: Set(row.source.clone()),
        trigger: Set(row.trigger),
        scheduled_for: Set(row.scheduled_for),
        started_at: Set(row.started_at),
        heartbeat_at: Set(row.heartbeat_at),
        finished_at: Set(row.finished_at),
        outcome: Set(row.outcome),
        counts: Set(row.counts.clone()),
        error: Set(row.error.clone()),
    };
    let inserted = runs::Entity::insert(row)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(txn)
        .await?;
    Ok(inserted == 1)
}

/// Returns an active run of the job and source, if there is one. A run without a source was started by an older server
/// and may be of any source.
async fn running_in_txn(txn: &DatabaseTransaction, request: &RunRequest) -> Result<Option<runs::Model>> {
    let mut select = runs::Entity::find()
        .filter(runs::Column::Job.eq(request.job))
        .filter(runs::Column::FinishedAt.is_null())
        .order_by_asc(runs::Column::StartedAt)
        .limit(1);
    if let Some(source) = &request.source {
        let same = Condition::any()
            .add(runs::Column::Source.eq(source))
            .add(runs::Column::Source.is_null());
        select = select.filter(same);
    }
    page::find_one(txn, select).await
}

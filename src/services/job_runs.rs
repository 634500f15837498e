//! Runs of the jobs: who runs a tick, who is still alive, how it ended.
//!
//! A row with a tick in `scheduled_for` can exist once, so that of any number of servers one runs the tick.
//! Keeping runs apart saves work; nothing relies on it to be correct.

use chrono::{DateTime, TimeDelta, Utc};
use entity::job_runs::{self as runs, Job, JobOutcome};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::page::{self, Key, Order, Page, PageRequest};
use crate::db::{Db, decodable};
use crate::error::{Error, Result};

/// How long a run may be silent before it counts as dead.
pub const HEARTBEAT_LIMIT: TimeDelta = TimeDelta::seconds(30);

/// A job, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The job.
    pub job: Job,
    /// Whether a part is enough: a sync of some kinds, a sweep of some resources.
    pub narrowed: bool,
}

impl From<Job> for Wanted {
    fn from(job: Job) -> Self {
        let narrowed = false;
        Self { job, narrowed }
    }
}

/// What makes a job run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A tick of the schedule: runs once for all servers, and not beside another run.
    Tick(DateTime<Utc>),
    /// The server's start, because a tick was missed: not beside another run.
    CatchUp,
    /// An operator.
    Hand,
}

/// Answer to asking whether to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Run, and report to this row.
    Run(runs::Model),
    /// Another run of the job is under way; the row says so, if there is one.
    Skipped(Option<runs::Model>),
    /// Another server has this tick.
    Taken,
}

/// Asks whether to run a job. Runs that fell silent are written off first.
///
/// JOB_ALREADY_RUNNING for a sync by hand beside another sync.
pub async fn claim(
    db: &Db,
    wanted: impl Into<Wanted>,
    trigger: Trigger,
    now: DateTime<Utc>,
) -> Result<Claim> {
    let Wanted { job, narrowed } = wanted.into();
    db.write_txn(|txn| async move {
        write_off_silent_in_txn(&txn, job, now).await?;
        let running = running_in_txn(&txn, job).await?;
        let alone = job == Job::SyncInventory || trigger != Trigger::Hand;
        let scheduled_for = match trigger {
            Trigger::Tick(tick) => Some(tick),
            Trigger::CatchUp | Trigger::Hand => None,
        };
        let row = runs::Model {
            id: Uuid::now_v7(),
            job,
            narrowed,
            scheduled_for,
            started_at: now,
            heartbeat_at: now,
            finished_at: None,
            outcome: None,
            counts: json!({}),
            error: None,
        };
        if !(alone && running.is_some()) && insert_in_txn(&txn, &row).await? {
            return Ok(Claim::Run(row));
        }
        let since = running.map_or(now, |run| run.started_at);
        match trigger {
            // Lost against a sync that began this very moment, too.
            Trigger::Hand => Err(Error::JobAlreadyRunning { since }),
            Trigger::CatchUp => Ok(Claim::Skipped(None)),
            Trigger::Tick(_) => {
                let error = Some(format!("another run was under way since {}", since.to_rfc3339()));
                let row = runs::Model {
                    finished_at: Some(now),
                    outcome: Some(JobOutcome::Skipped),
                    error,
                    ..row
                };
                let inserted = insert_in_txn(&txn, &row).await?;
                Ok(if inserted {
                    Claim::Skipped(Some(row))
                } else {
                    Claim::Taken
                })
            }
        }
    })
    .await
}

/// False if the tick is taken, or a sync is under way.
async fn insert_in_txn(txn: &DatabaseTransaction, row: &runs::Model) -> Result<bool> {
    let row = runs::ActiveModel {
        id: Set(row.id),
        job: Set(row.job),
        narrowed: Set(row.narrowed),
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

async fn running_in_txn(txn: &DatabaseTransaction, job: Job) -> Result<Option<runs::Model>> {
    let select = runs::Entity::find()
        .filter(runs::Column::Job.eq(job))
        .filter(runs::Column::FinishedAt.is_null())
        .order_by_asc(runs::Column::StartedAt)
        .limit(1);
    Ok(decodable(select, txn).await?.0.into_iter().next())
}

async fn write_off_silent_in_txn(txn: &DatabaseTransaction, job: Job, now: DateTime<Utc>) -> Result<()> {
    runs::Entity::update_many()
        .set(abandoned(now))
        .filter(runs::Column::Job.eq(job))
        .filter(runs::Column::FinishedAt.is_null())
        .filter(runs::Column::HeartbeatAt.lt(now - HEARTBEAT_LIMIT))
        .exec(txn)
        .await?;
    Ok(())
}

fn abandoned(now: DateTime<Utc>) -> runs::ActiveModel {
    runs::ActiveModel {
        finished_at: Set(Some(now)),
        outcome: Set(Some(JobOutcome::Abandoned)),
        error: Set(Some("the run stopped reporting".to_owned())),
        ..Default::default()
    }
}

/// Says that these runs are alive.
pub async fn heartbeat(db: &Db, run: Uuid, now: DateTime<Utc>) -> Result<()> {
    db.write_txn(|txn| async move {
        runs::Entity::update_many()
            .set(runs::ActiveModel {
                heartbeat_at: Set(now),
                ..Default::default()
            })
            .filter(runs::Column::Id.eq(run))
            .filter(runs::Column::FinishedAt.is_null())
            .exec(&*txn)
            .await?;
        Ok(())
    })
    .await
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// How.
    pub outcome: JobOutcome,
    /// What it did.
    pub counts: Value,
    /// Why it failed.
    pub error: Option<String>,
}

/// Writes down how a run ended, and returns the row. A run that was written off stays so.
pub async fn finish(db: &Db, run: Uuid, report: &Report, now: DateTime<Utc>) -> Result<runs::Model> {
    db.write_txn(|txn| async move {
        let row = runs::ActiveModel {
            heartbeat_at: Set(now),
            finished_at: Set(Some(now)),
            outcome: Set(Some(report.outcome)),
            counts: Set(report.counts.clone()),
            error: Set(report.error.clone()),
            ..Default::default()
        };
        let update = runs::Entity::update_many()
            .set(row)
            .filter(runs::Column::Id.eq(run));
        update
            .filter(runs::Column::FinishedAt.is_null())
            .exec(&*txn)
            .await?;
        find(&*txn, run).await?.ok_or(Error::NotFound("job run"))
    })
    .await
}

/// Writes off runs that this process gives up.
pub async fn abandon(db: &Db, given_up: &[Uuid], now: DateTime<Utc>) -> Result<()> {
    db.write_txn(|txn| async move {
        let update = runs::Entity::update_many()
            .set(abandoned(now))
            .filter(runs::Column::FinishedAt.is_null());
        update
            .filter(runs::Column::Id.is_in(given_up.iter().copied()))
            .exec(&*txn)
            .await?;
        Ok(())
    })
    .await
}

/// When the newest run of `job` began that did its work, all of it.
pub async fn last_success(db: &Db, job: Job) -> Result<Option<DateTime<Utc>>> {
    let started = runs::Entity::find()
        .select_only()
        .column(runs::Column::StartedAt)
        .filter(runs::Column::Job.eq(job))
        .filter(runs::Column::Narrowed.eq(false))
        .filter(runs::Column::Outcome.is_in([JobOutcome::Succeeded, JobOutcome::Partial]))
        .order_by_desc(runs::Column::StartedAt)
        .limit(1)
        .into_tuple::<DateTime<Utc>>()
        .one(db.reader())
        .await?;
    Ok(started)
}

/// Newest first.
pub const NEWEST_FIRST: Order<runs::Column> = Order {
    time: Some(runs::Column::StartedAt),
    id: runs::Column::Id,
    descending: true,
};

/// One page of the runs.
pub async fn list(
    db: &Db,
    job: Option<Job>,
    request: &PageRequest,
    now: DateTime<Utc>,
) -> Result<Page<runs::Model>> {
    let mut page = page::fetch(db.reader(), of_job(job), NEWEST_FIRST, request).await?;
    page.rows.iter_mut().for_each(|(_, run)| present(run, now));
    Ok(page)
}

/// How many runs there are.
pub async fn count(db: &Db, job: Option<Job>) -> Result<i64> {
    page::count(db.reader(), of_job(job), runs::Column::Id).await
}

fn of_job(job: Option<Job>) -> sea_orm::Select<runs::Entity> {
    runs::Entity::find().filter(Condition::all().add_option(job.map(|job| runs::Column::Job.eq(job))))
}

/// The run of this id.
pub async fn find<C: ConnectionTrait>(connection: &C, id: Uuid) -> Result<Option<runs::Model>> {
    Ok(decodable(runs::Entity::find_by_id(id), connection)
        .await?
        .0
        .into_iter()
        .next())
}

/// Shows a silent run as what it is, although nobody has written it off yet.
pub fn present(run: &mut runs::Model, now: DateTime<Utc>) {
    if run.finished_at.is_none() && run.heartbeat_at < now - HEARTBEAT_LIMIT {
        run.outcome = Some(JobOutcome::Abandoned);
        run.error = Some("the run stopped reporting".to_owned());
    }
}

/// Where a run stands in the order of runs.
pub fn key(run: &runs::Model) -> Key {
    Key {
        time: Some(run.started_at),
        id: run.id,
    }
}

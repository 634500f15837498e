//! Runs of jobs: claims, heartbeats, outcomes and lists.
//!
//! A unique index allows one row per job, source and tick (`scheduled_for`), so that only one of several servers runs a
//! tick. This saves work, but correctness does not depend on it. All times are those of the database's clock, except
//! `scheduled_for`, which comes from the clock of the server that claims the tick.

mod claims;

use chrono::{DateTime, TimeDelta, Utc};
use entity::job_runs::{self as runs, Job, JobOutcome};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Select,
};
use serde_json::Value;
use uuid::Uuid;

pub(crate) use self::claims::claim_after_sync;
pub use self::claims::{RunRequest, TickClaim, claim, claim_catch_up, claim_tick};
use super::page::{self, Order, Page, PageRequest};
use super::totals;
use crate::db::{DatabaseTransaction, Db, decodable};
use crate::domain::freshness::CLOCK_TOLERANCE;
use crate::error::{Error, Result};

/// Maximum time between heartbeats before a run is abandoned.
pub(crate) const HEARTBEAT_LIMIT: TimeDelta = TimeDelta::seconds(30);
/// The same when a person starts a sync, who would have to wait otherwise. A heartbeat is sent every 5 s.
pub(super) const HEARTBEAT_LIMIT_BY_HAND: TimeDelta = TimeDelta::seconds(15);

const STOPPED: &str = "the run stopped sending heartbeats";
const AHEAD: &str = "the last heartbeat of the run is in the future: the clock of its server was wrong";
const STARTED_AHEAD: &str =
    "the start of this run is in the future, because the clock of its server was wrong: the run is ignored";

/// Abandons the active runs that match `which` and whose last heartbeat is older than `limit`, or too far in the future.
pub(super) async fn abandon_in_txn(
    txn: &DatabaseTransaction,
    which: Expr,
    limit: TimeDelta,
    now: DateTime<Utc>,
) -> Result<()> {
    let dead = [
        (runs::Column::HeartbeatAt.lt(now - limit), STOPPED),
        (runs::Column::HeartbeatAt.gt(now + HEARTBEAT_LIMIT), AHEAD),
    ];
    for (dead, why) in dead {
        let written = runs::Entity::update_many()
            .set(abandoned(now, why))
            .filter(which.clone())
            .filter(runs::Column::FinishedAt.is_null())
            .filter(dead)
            .exec(txn)
            .await?
            .rows_affected;
        if written > 0 {
            tracing::warn!(runs = written, why, "marking silent runs as abandoned");
        }
    }
    Ok(())
}

fn abandoned(now: DateTime<Utc>, why: &str) -> runs::ActiveModel {
    runs::ActiveModel {
        finished_at: Set(Some(now)),
        outcome: Set(Some(JobOutcome::Abandoned)),
        error: Set(Some(why.to_owned())),
        ..Default::default()
    }
}

/// Records a heartbeat of a run. Returns false if the run has ended, or if this call abandons it because its last
/// heartbeat is too old. Its work must then stop.
///
/// # Errors
///
/// The database is unavailable.
pub async fn heartbeat(db: &Db, run: Uuid) -> Result<bool> {
    db.write_txn(|txn| async move {
        let now = db.time(&*txn).await?;
        abandon_in_txn(&txn, runs::Column::Id.eq(run), HEARTBEAT_LIMIT, now).await?;
        let alive = runs::Entity::update_many()
            .set(runs::ActiveModel {
                heartbeat_at: Set(now),
                ..Default::default()
            })
            .filter(runs::Column::Id.eq(run))
            .filter(runs::Column::FinishedAt.is_null())
            .exec(&*txn)
            .await?;
        Ok(alive.rows_affected == 1)
    })
    .await
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// The outcome of the run.
    pub outcome: JobOutcome,
    /// The counts of the job, as a JSON object.
    pub counts: Value,
    /// The reason why it failed or is partial.
    pub error: Option<String>,
}

/// Records how a run ended, and returns the row. An abandoned run stays abandoned. A run whose last heartbeat is too
/// old is abandoned, because the API already shows it as abandoned.
///
/// # Errors
///
/// NOT_FOUND if the run does not exist.
pub async fn finish(db: &Db, run: Uuid, report: &Report) -> Result<runs::Model> {
    db.write_txn(|txn| async move {
        let now = db.time(&*txn).await?;
        abandon_in_txn(&txn, runs::Column::Id.eq(run), HEARTBEAT_LIMIT, now).await?;
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

/// Marks active runs of this process as abandoned.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn abandon(db: &Db, ids: &[Uuid]) -> Result<()> {
    db.write_txn(|txn| async move {
        let now = db.time(&*txn).await?;
        let update = runs::Entity::update_many()
            .set(abandoned(now, STOPPED))
            .filter(runs::Column::FinishedAt.is_null());
        update
            .filter(runs::Column::Id.is_in(ids.iter().copied()))
            .exec(&*txn)
            .await?;
        Ok(())
    })
    .await
}

/// Returns the start of the newest run of `job` that is not narrowed and ended as SUCCEEDED or PARTIAL, of one source
/// if `source` is set. A run that started in the future is ignored, with a warning.
///
/// # Errors
///
/// The database is unavailable.
pub async fn last_success(db: &Db, job: Job, source: Option<&str>) -> Result<Option<DateTime<Utc>>> {
    let limit = db.time(db.reader()).await? + CLOCK_TOLERANCE;
    let mut select = successes(job).order_by_desc(runs::Column::StartedAt);
    if let Some(source) = source {
        select = select.filter(runs::Column::Source.eq(source));
    }
    let ahead = select.clone().filter(runs::Column::StartedAt.gt(limit));
    if let Some(started) = newest_start(ahead, db).await? {
        tracing::warn!(?job, source, %started, "{STARTED_AHEAD}");
    }
    newest_start(select.filter(runs::Column::StartedAt.lte(limit)), db).await
}

/// Releases the claims of all ticks after `now`, so that they can be claimed again. Returns their number.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn release_ticks_after(db: &Db, now: DateTime<Utc>) -> Result<u64> {
    let later = runs::Column::ScheduledFor.gt(now);
    let exists = runs::Entity::find()
        .select_only()
        .column(runs::Column::Id)
        .filter(later.clone())
        .limit(1)
        .into_tuple::<Uuid>()
        .one(db.reader())
        .await?;
    if exists.is_none() {
        return Ok(0);
    }
    db.write_txn(|txn| {
        let update = runs::Entity::update_many()
            .set(runs::ActiveModel {
                scheduled_for: Set(None),
                ..Default::default()
            })
            .filter(later.clone());
        async move { Ok(update.exec(&*txn).await?.rows_affected) }
    })
    .await
}

async fn newest_start(select: Select<runs::Entity>, db: &Db) -> Result<Option<DateTime<Utc>>> {
    let started = select
        .select_only()
        .column(runs::Column::StartedAt)
        .limit(1)
        .into_tuple::<DateTime<Utc>>()
        .one(db.reader())
        .await?;
    Ok(started)
}

fn successes(job: Job) -> Select<runs::Entity> {
    runs::Entity::find()
        .filter(runs::Column::Job.eq(job))
        .filter(runs::Column::Narrowed.eq(false))
        .filter(runs::Column::Outcome.is_in([JobOutcome::Succeeded, JobOutcome::Partial]))
}

/// Returns whether any sync that is not narrowed ended as SUCCEEDED or PARTIAL.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn any_sync(db: &Db) -> Result<bool> {
    Ok(newest_start(successes(Job::SyncInventory), db).await?.is_some())
}

/// Returns whether a run of this job is active: it has not ended, and its process still sends heartbeats.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn is_active(db: &Db, job: Job) -> Result<bool> {
    let now = db.time(db.reader()).await?;
    let select = runs::Entity::find()
        .select_only()
        .column(runs::Column::Id)
        .filter(runs::Column::Job.eq(job))
        .filter(runs::Column::FinishedAt.is_null())
        .filter(runs::Column::HeartbeatAt.between(now - HEARTBEAT_LIMIT, now + HEARTBEAT_LIMIT))
        .limit(1);
    Ok(select.into_tuple::<Uuid>().one(db.reader()).await?.is_some())
}

/// Returns the newest sweep that is neither narrowed nor skipped. A sweep that started in the future is ignored.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn last_sweep(db: &Db) -> Result<Option<runs::Model>> {
    let now = db.time(db.reader()).await?;
    let select = runs::Entity::find()
        .filter(runs::Column::Job.eq(Job::DetectDrift))
        .filter(runs::Column::Narrowed.eq(false))
        .filter(runs::Column::StartedAt.lte(now + CLOCK_TOLERANCE))
        .filter(
            Condition::any()
                .add(runs::Column::Outcome.is_null())
                .add(runs::Column::Outcome.ne(JobOutcome::Skipped)),
        )
        .order_by_desc(runs::Column::StartedAt)
        .limit(1);
    let mut newest = decodable(select, db.reader()).await?.0;
    newest.iter_mut().for_each(|run| present(run, now));
    Ok(newest.pop())
}

/// Returns the newest sync of a source that was not skipped, with or without an end. A run without a source was started by
/// an older server and may be of any source.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn last_sync(db: &Db, source: &str) -> Result<Option<runs::Model>> {
    let of_source = Condition::any()
        .add(runs::Column::Source.eq(source))
        .add(runs::Column::Source.is_null());
    let not_skipped = Condition::any()
        .add(runs::Column::Outcome.is_null())
        .add(runs::Column::Outcome.ne(JobOutcome::Skipped));
    let select = runs::Entity::find()
        .filter(runs::Column::Job.eq(Job::SyncInventory))
        .filter(of_source)
        .filter(not_skipped)
        .order_by_desc(runs::Column::StartedAt)
        .limit(1);
    let mut newest = decodable(select, db.reader()).await?.0;
    let now = db.time(db.reader()).await?;
    newest.iter_mut().for_each(|run| present(run, now));
    Ok(newest.pop())
}

pub(crate) const NEWEST_FIRST: Order<runs::Column> = Order {
    time: Some(runs::Column::StartedAt),
    id: runs::Column::Id,
    descending: true,
};

/// Returns one page of the runs, newest first. Runs without recent heartbeats are shown as abandoned.
pub async fn list(db: &Db, job: Option<Job>, request: &PageRequest) -> Result<Page<runs::Model>> {
    let now = db.time(db.reader()).await?;
    let mut page = page::fetch(db.reader(), of_job(job), NEWEST_FIRST, request).await?;
    page.rows.iter_mut().for_each(|(_, run)| present(run, now));
    Ok(page)
}

/// Returns the number of runs, of one job or all.
pub(crate) async fn count(db: &Db, job: Option<Job>) -> Result<i64> {
    totals::count_job_runs(db.reader(), job).await
}

fn of_job(job: Option<Job>) -> Select<runs::Entity> {
    runs::Entity::find().filter(Condition::all().add_option(job.map(|job| runs::Column::Job.eq(job))))
}

/// Returns the run with this id, as it is stored.
pub async fn find<C: ConnectionTrait>(connection: &C, id: Uuid) -> Result<Option<runs::Model>> {
    page::find_one(connection, runs::Entity::find_by_id(id)).await
}

/// Returns the run with this id. A run without recent heartbeats is shown as abandoned.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn shown(db: &Db, id: Uuid) -> Result<Option<runs::Model>> {
    let Some(mut run) = find(db.reader(), id).await? else {
        return Ok(None);
    };
    present(&mut run, db.time(db.reader()).await?);
    Ok(Some(run))
}

/// Changes an active run without recent heartbeats to abandoned, because it can no longer finish, even if no server has
/// recorded that yet. Adds to the error of a run that started in the future that the run is ignored.
fn present(run: &mut runs::Model, now: DateTime<Utc>) {
    let dead = match run.heartbeat_at - now {
        ahead if ahead > HEARTBEAT_LIMIT => Some(AHEAD),
        ahead if ahead < -HEARTBEAT_LIMIT => Some(STOPPED),
        _ => None,
    };
    if let Some(why) = dead.filter(|_| run.finished_at.is_none()) {
        run.outcome = Some(JobOutcome::Abandoned);
        run.error = Some(why.to_owned());
    } else if run.started_at - now > CLOCK_TOLERANCE {
        let error = run.error.take();
        run.error = Some(error.map_or_else(
            || STARTED_AHEAD.to_owned(),
            |error| format!("{error}; {STARTED_AHEAD}"),
        ));
    }
}

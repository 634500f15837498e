//! Sources: what is registered, and whether the newest listing of each can be relied on.

mod ending;

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use entity::job_runs::{self as runs, Job, JobOutcome};
use entity::sources::{self, SourceKind};
use entity::terraform_plans as plans;
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict, Query, SelectStatement};
use sea_orm::{
    ActiveEnum as _, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::ending::{Ended, extent, rename, retire};
use super::inventory;
use crate::db::{DatabaseTransaction, Db, column, decodable};
use crate::domain::freshness::{CLOCK_TOLERANCE, MaxAge};
use crate::domain::schedule::Schedule;
use crate::domain::sources::{Attempt, SourceState, source_state};
use crate::domain::validation::check_text;
use crate::error::{Error, Result};

/// Maximum length of the name of a source, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 256;

/// A source to register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Name, unique among all kinds of sources.
    pub name: String,
    /// What it is.
    pub kind: SourceKind,
    /// Cron expression of its own schedule.
    pub schedule: Option<String>,
    /// Expected time between two listings, if no schedule decides it.
    pub interval: Option<TimeDelta>,
}

/// A registered source and its state.
#[derive(Clone, Debug)]
pub struct Source {
    /// The row.
    pub row: sources::Model,
    /// When its last listing was stored.
    pub last_success_at: Option<DateTime<Utc>>,
    /// When its newest listing was attempted.
    pub attempted_at: Option<DateTime<Utc>>,
    /// Whether the newest listing can be relied on.
    pub state: SourceState,
    /// Why not.
    pub reason: Option<String>,
}

impl Source {
    /// Returns what it is, as one word.
    pub(crate) fn kind_word(&self) -> String {
        self.row.kind.to_value()
    }
}

/// A source whose inventory may be out of date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StaleSource {
    /// Name of the source.
    pub name: String,
    /// Its state.
    pub state: SourceState,
    /// When its last listing was stored.
    pub last_success_at: Option<DateTime<Utc>>,
    /// Details of the state.
    pub reason: Option<String>,
}

impl StaleSource {
    /// Describes the problem as a part of a sentence.
    pub(crate) fn problem(&self) -> String {
        let reason = self.reason.as_deref().map(|why| format!(": {why}"));
        let since = self
            .last_success_at
            .map(|at| format!(" (last success: {})", shown(at)));
        format!(
            "source {} {}{}{}",
            self.name,
            self.state.text(),
            reason.unwrap_or_default(),
            since.unwrap_or_default()
        )
    }
}

/// Returns a time for a message, in whole seconds.
pub(super) fn shown(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Checks the name of a source.
///
/// # Errors
///
/// BAD_USER_INPUT if it is empty, too long, or has control characters.
pub fn check_name(name: &str) -> Result<()> {
    check_text("the name of a source", name, MAX_NAME_BYTES)?;
    if name.trim().is_empty() || name.chars().any(char::is_control) {
        return Err(Error::BadUserInput(
            "the name of a source must not be empty or contain control characters".to_owned(),
        ));
    }
    Ok(())
}

/// Registers sources. A source that is registered already gets the new schedule and interval.
///
/// # Errors
///
/// BAD_USER_INPUT if a name is not valid or belongs to a source of another kind.
pub async fn register(db: &Db, registrations: &[Registration]) -> Result<()> {
    db.write_txn(|txn| async move {
        let now = db.time(&*txn).await?;
        for registration in registrations {
            register_in_txn(&txn, registration, now).await?;
        }
        Ok(())
    })
    .await
}

/// Registers a source that is not registered yet.
///
/// # Errors
///
/// The errors of [`register`].
pub async fn ensure(db: &Db, registration: &Registration) -> Result<()> {
    if find(db.reader(), &registration.name)
        .await?
        .is_some_and(|stored| stored.kind == registration.kind)
    {
        return Ok(());
    }
    db.write_txn(|txn| async move {
        let now = db.time(&*txn).await?;
        ensure_in_txn(&txn, registration, now).await?;
        Ok(())
    })
    .await
}

/// Registers a source that is not registered yet. Returns its row if it was.
pub(super) async fn ensure_in_txn(
    txn: &DatabaseTransaction,
    registration: &Registration,
    now: DateTime<Utc>,
) -> Result<Option<sources::Model>> {
    check_name(&registration.name)?;
    let row = sources::ActiveModel {
        name: Set(registration.name.clone()),
        kind: Set(registration.kind),
        schedule: Set(registration.schedule.clone()),
        expected_interval: Set(registration.interval.map(|interval| interval.num_seconds())),
        registered_at: Set(now),
        ..Default::default()
    };
    let inserted = sources::Entity::insert(row)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(txn)
        .await?;
    if inserted == 1 {
        return Ok(None);
    }
    let stored = find(txn, &registration.name).await?;
    if stored
        .as_ref()
        .is_some_and(|stored| stored.kind != registration.kind)
    {
        return Err(Error::BadUserInput(format!(
            "{0:?} is the name of a source of another kind: choose another name, or end that source with: drift-inbox sources \
             retire {0:?} --yes",
            registration.name
        )));
    }
    Ok(stored)
}

/// Registers a source like [`register`].
pub(super) async fn register_in_txn(
    txn: &DatabaseTransaction,
    registration: &Registration,
    now: DateTime<Utc>,
) -> Result<()> {
    let stored = ensure_in_txn(txn, registration, now).await?;
    let interval = registration.interval.map(|interval| interval.num_seconds());
    let is_same = |stored: &sources::Model| {
        stored.schedule == registration.schedule && stored.expected_interval == interval
    };
    if stored.is_some_and(|stored| !is_same(&stored)) {
        sources::Entity::update_many()
            .set(sources::ActiveModel {
                schedule: Set(registration.schedule.clone()),
                expected_interval: Set(interval),
                ..Default::default()
            })
            .filter(sources::Column::Name.eq(&registration.name))
            .exec(txn)
            .await?;
    }
    Ok(())
}

/// Records the provider and the account that a source lists.
pub(super) async fn note_account_in_txn(
    txn: &DatabaseTransaction,
    name: &str,
    provider: &str,
    account: Option<&str>,
) -> Result<()> {
    let is_noted =
        |row: sources::Model| row.provider.as_deref() == Some(provider) && row.account.as_deref() == account;
    if find(txn, name).await?.is_none_or(is_noted) {
        return Ok(());
    }
    sources::Entity::update_many()
        .set(sources::ActiveModel {
            provider: Set(Some(provider.to_owned())),
            account: Set(account.map(str::to_owned)),
            ..Default::default()
        })
        .filter(sources::Column::Name.eq(name))
        .exec(txn)
        .await?;
    Ok(())
}

/// Returns the expected time between two listings of a source, if it is registered with one.
pub(super) async fn interval_of(db: &Db, name: &str) -> Result<Option<TimeDelta>> {
    let row = find(db.reader(), name).await?;
    Ok(row
        .and_then(|row| row.expected_interval)
        .and_then(TimeDelta::try_seconds))
}

async fn find<C: ConnectionTrait>(connection: &C, name: &str) -> Result<Option<sources::Model>> {
    let select = sources::Entity::find_by_id(name.to_owned());
    Ok(decodable(select, connection).await?.0.pop())
}

/// Returns the maximum age of the listings of a source: twice its own interval, or `default` if it has none.
pub(super) fn max_age_of(row: &sources::Model, default: &MaxAge, now: DateTime<Utc>) -> MaxAge {
    if let Some(interval) = row.expected_interval.and_then(TimeDelta::try_seconds) {
        return MaxAge::Fixed(interval.checked_mul(2).unwrap_or(TimeDelta::MAX));
    }
    let schedule = row.schedule.as_deref().map(|text| Schedule::parse(text, now));
    match schedule {
        Some(Ok(schedule)) => MaxAge::twice_the_interval(schedule),
        Some(Err(_)) | None => default.clone(),
    }
}

/// What is known of the listings of a source.
#[derive(Default)]
struct Listings {
    last_success_at: Option<DateTime<Utc>>,
    attempted_at: Option<DateTime<Utc>>,
    newest: Option<Attempt>,
    reason: Option<String>,
}

/// Returns all registered sources, by name. `max_age` is that of a source without an interval of its own.
///
/// # Errors
///
/// The database is unavailable.
pub async fn list(db: &Db, max_age: &MaxAge) -> Result<Vec<Source>> {
    let reader = db.reader();
    let now = db.time(reader).await?;
    let select = sources::Entity::find().order_by_asc(sources::Column::Name);
    let rows = decodable(select, reader).await?.0;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut listings = listings_of_syncs(db, now).await?;
    if rows.iter().any(|row| row.kind == SourceKind::TerraformPlan) {
        listings.extend(listings_of_plans(reader).await?);
    }
    let source = |row: sources::Model| {
        let known = listings.remove(&row.name).unwrap_or_default();
        let max_age = max_age_of(&row, max_age, now);
        let state = source_state(known.last_success_at, known.newest, &max_age, now);
        Source {
            last_success_at: known.last_success_at,
            attempted_at: known.attempted_at,
            state,
            reason: known.reason.filter(|_| state != SourceState::Ok),
            row,
        }
    };
    Ok(rows.into_iter().map(source).collect())
}

/// Selects one value of the newest run of a source that is not narrowed and has one of these outcomes.
fn of_newest(column: runs::Column, outcomes: &[JobOutcome], until: DateTime<Utc>) -> SelectStatement {
    let outcomes = outcomes.iter().map(|outcome| outcome.to_value());
    Query::select()
        .column((runs::Entity, column))
        .from(runs::Entity)
        .and_where(runs::Column::Job.eq(Job::SyncInventory))
        .and_where(
            Expr::col((runs::Entity, runs::Column::Source)).equals((sources::Entity, sources::Column::Name)),
        )
        .and_where(runs::Column::Narrowed.eq(false))
        .and_where(runs::Column::StartedAt.lte(until))
        .and_where(Expr::col((runs::Entity, runs::Column::Outcome)).is_in(outcomes))
        .order_by(
            (runs::Entity, runs::Column::StartedAt),
            sea_orm::sea_query::Order::Desc,
        )
        .limit(1)
        .to_owned()
}

/// Returns what the runs of syncs say about each source. Each look-up reads one entry of an index.
async fn listings_of_syncs(db: &Db, now: DateTime<Utc>) -> Result<BTreeMap<String, Listings>> {
    use JobOutcome::{Abandoned, Failed, Partial, Succeeded};
    let until = now + CLOCK_TOLERANCE;
    let select = Query::select()
        .column(sources::Column::Name)
        .expr_as(
            Expr::SubQuery(
                None,
                Box::new(of_newest(runs::Column::FinishedAt, &[Succeeded, Partial], until).into()),
            ),
            "succeeded_at",
        )
        .expr_as(
            Expr::SubQuery(
                None,
                Box::new(of_newest(runs::Column::Id, &[Succeeded, Partial, Failed, Abandoned], until).into()),
            ),
            "newest",
        )
        .from(sources::Entity)
        .to_owned();
    let rows = db.reader().query_all(&select).await?;
    let ids: Vec<Uuid> = rows
        .iter()
        .filter_map(|row| column::<Option<Uuid>>(row, "", "newest").ok().flatten())
        .collect();
    let newest = runs::Entity::find().filter(runs::Column::Id.is_in(ids));
    let newest: BTreeMap<Uuid, runs::Model> = decodable(newest, db.reader())
        .await?
        .0
        .into_iter()
        .map(|run| (run.id, run))
        .collect();
    Ok(rows
        .iter()
        .filter_map(|row| {
            let name = column(row, "", "name").ok()?;
            let run = column::<Option<Uuid>>(row, "", "newest").ok().flatten();
            let run = run.and_then(|id| newest.get(&id));
            let known = Listings {
                last_success_at: column(row, "", "succeeded_at").ok().flatten(),
                attempted_at: run.map(|run| run.started_at),
                newest: run.map(|run| match run.outcome {
                    Some(Succeeded) => Attempt::Complete,
                    Some(Partial) => Attempt::Partial,
                    _ => Attempt::Failed,
                }),
                reason: run.and_then(inventory::problem_of),
            };
            Some((name, known))
        })
        .collect())
}

async fn listings_of_plans<C: ConnectionTrait>(connection: &C) -> Result<BTreeMap<String, Listings>> {
    let states = decodable(plans::Entity::find(), connection).await?.0;
    Ok(states
        .into_iter()
        .map(|state| {
            let refused = state.refusal.map(|code| match state.refusal_reason {
                Some(why) => format!("{code}: {why}"),
                None => code,
            });
            let known = Listings {
                last_success_at: state.made_at,
                attempted_at: Some(state.attempted_at),
                newest: Some(match (&refused, state.made_at) {
                    (Some(_), _) => Attempt::Refused,
                    (None, Some(_)) => Attempt::Complete,
                    (None, None) => Attempt::Failed,
                }),
                reason: refused,
            };
            (state.state, known)
        })
        .collect())
}

/// Returns the sources in `sources` whose newest listing cannot be relied on.
pub(crate) fn stale(sources: &[Source]) -> Vec<StaleSource> {
    let stale = sources.iter().filter(|source| !source.state.is_recent());
    stale
        .map(|source| StaleSource {
            name: source.row.name.clone(),
            state: source.state,
            last_success_at: source.last_success_at,
            reason: source.reason.clone(),
        })
        .collect()
}

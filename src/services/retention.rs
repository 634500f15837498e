//! Purges old rows, so that no table grows without limit. Every transaction deletes a limited number of rows.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::cloud_drift::{self as drift, DriftStatus};
use entity::cloud_resource_events::{self as events, EventType};
use entity::{
    bulks, cloud_resources as resources, forgotten_resources as forgotten, job_runs as runs,
    notification_deliveries as deliveries, spec_versions as versions, upkeep,
};
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, OnConflict, Query, SelectStatement};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, Iterable as _, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, Select, Statement,
};
use serde::Serialize;
use uuid::Uuid;

use super::cloud_actions;
use super::forgetting::{deletion_facts_in_txn, remove_in_txn};
use super::inventory_changes;
use super::locks::{self, Lock, locked};
use super::notifications;
use super::page::{self, Key, Order, PageRequest};
use crate::clock::Clock;
use crate::db::{Db, column};
use crate::domain::retention::{EventClass, Retention, cutoff, event_class, is_due, is_expired};
use crate::error::Result;

/// Maximum number of rows of one table that one transaction deletes.
const BATCH: u64 = 500;

/// Maximum number of resources that one transaction deletes. It is lower because each resource has events of its own.
const RESOURCES: u64 = 50;

/// Name of the purge in the table `upkeep`.
const TASK: &str = "retention";

/// The number of deleted rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Purged {
    /// Resources that were gone, or unsynced without a spec in force.
    pub resources: u64,
    /// Retired specs.
    pub specs: u64,
    /// Closed drifts.
    pub drifts: u64,
    /// Events of any type.
    pub events: u64,
    /// Runs that had ended.
    pub job_runs: u64,
    /// Records of forgotten resources.
    pub forgotten: u64,
    /// Notifications that were delivered or given up.
    pub notifications: u64,
    /// Superseded versions of specs.
    pub spec_versions: u64,
    /// Bulks that were executed.
    pub bulks: u64,
    /// Changes that syncs saw.
    pub changes: u64,
    /// Actions of the logs that providers keep.
    pub actions: u64,
}

/// Purges old rows if the purge is due. Returns None if it is not due, another server runs it, or all rows are kept.
///
/// # Errors
///
/// The database is unavailable. The purge is due again an hour later.
pub async fn purge_if_due(db: &Db, keep: &Retention, clock: &Clock) -> Result<Option<Purged>> {
    if keep.keeps_everything() {
        return Ok(None);
    }
    let now = db.time(db.reader()).await?;
    if !claim(db, TASK, now).await? {
        return Ok(None);
    }
    let purged = purge(db, keep, clock).await?;
    finished(db, TASK, now).await?;
    Ok(Some(purged))
}

/// Records that a task of the upkeep that began at `now` has ended.
pub(super) async fn finished(db: &Db, task: &str, now: DateTime<Utc>) -> Result<()> {
    db.write_txn(|txn| async move {
        let done = upkeep::ActiveModel {
            finished_at: Set(Some(now)),
            ..Default::default()
        };
        let update = upkeep::Entity::update_many().set(done);
        update.filter(upkeep::Column::Task.eq(task)).exec(&*txn).await?;
        Ok(())
    })
    .await
}

/// Claims a task of the upkeep if it is due. Returns whether this server must run it.
pub(super) async fn claim(db: &Db, task: &str, now: DateTime<Utc>) -> Result<bool> {
    db.write_txn(|txn| async move {
        let row = upkeep::ActiveModel {
            task: Set(task.to_owned()),
            ..Default::default()
        };
        upkeep::Entity::insert(row)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(&*txn)
            .await?;
        let row = locked(upkeep::Entity::find_by_id(task.to_owned()), Lock::Update);
        let row = txn.query_one_raw(row.build(txn.get_database_backend())).await?;
        // A time that does not decode counts as unset, so that it does not block the purge.
        let time = |name| row.as_ref().and_then(|row| column(row, "", name).ok().flatten());
        if !is_due(time("started_at"), time("finished_at"), now) {
            return Ok(false);
        }
        let begun = upkeep::ActiveModel {
            started_at: Set(Some(now)),
            ..Default::default()
        };
        let update = upkeep::Entity::update_many().set(begun);
        update.filter(upkeep::Column::Task.eq(task)).exec(&*txn).await?;
        Ok(true)
    })
    .await
}

/// Deletes rows that are older than `keep` allows, in batches. Any other work, even another purge, may run meanwhile.
///
/// # Errors
///
/// The database is unavailable. The batches before the error stay deleted.
pub async fn purge(db: &Db, keep: &Retention, clock: &Clock) -> Result<Purged> {
    let mut purged = Purged::default();
    // The earlier of both clocks counts, so that a clock that is ahead does not make rows look old.
    let now = Ord::min(db.time(db.reader()).await?, clock.now());
    if let Some(before) = cutoff(keep.decisions, now) {
        purge_decisions(db, before, &mut purged).await?;
    }
    if let Some(before) = cutoff(keep.gone_resources, now) {
        for gone in [true, false] {
            purge_resources(db, gone, before, &mut purged).await?;
        }
    }
    if let Some(before) = cutoff(keep.events, now) {
        purged.drifts += purge_drifts(db, DriftStatus::Stale, before).await?;
        inventory_changes::begin_purge(db, before).await?;
        let old = inventory_changes::before(before);
        purged.changes += delete(db, entity::inventory_changes::Column::Id, &old).await?;
        let old = cloud_actions::before(before);
        purged.actions += delete(db, entity::cloud_actions::Column::Id, &old).await?;
        for event_type in EventType::iter() {
            purged.events += match event_class(event_type) {
                EventClass::Resource => purge_events(db, event_type, before).await?,
                EventClass::Drift => purge_events_of_drifts(db, event_type, before).await?,
                EventClass::Decision => 0,
            };
        }
    }
    if let Some(before) = cutoff(keep.job_runs, now) {
        purged.job_runs += purge_runs(db, before, now).await?;
        let ended = notifications::purge_before(before);
        purged.notifications += delete(db, deliveries::Column::Id, &ended).await?;
    }
    Ok(purged)
}

async fn purge_decisions(db: &Db, before: DateTime<Utc>, purged: &mut Purged) -> Result<()> {
    for status in [DriftStatus::Accepted, DriftStatus::Reverted] {
        purged.drifts += purge_drifts(db, status, before).await?;
    }
    for event_type in EventType::iter().filter(|event_type| event_class(*event_type) == EventClass::Decision)
    {
        purged.events += purge_events(db, event_type, before).await?;
    }
    let old = forgotten::Entity::find()
        .filter(forgotten::Column::ForgottenAt.lt(before))
        .order_by_asc(forgotten::Column::ForgottenAt);
    purged.forgotten += delete(db, forgotten::Column::Id, &old).await?;
    let old = versions::Entity::find()
        .filter(versions::Column::SupersededAt.lt(before))
        .order_by_asc(versions::Column::SupersededAt);
    purged.spec_versions += delete(db, versions::Column::Id, &old).await?;
    purge_reasons(db, before).await?;
    purged.bulks += purge_bulks(db, before).await?;
    Ok(())
}

/// Number of bulks that one transaction deletes. Each has up to 1,000 drifts, whose rows are deleted with it.
const BULKS: u64 = 5;

/// Deletes old bulks that have ended, or whose execution was never continued.
async fn purge_bulks(db: &Db, before: DateTime<Utc>) -> Result<u64> {
    let ended = Condition::any()
        .add(bulks::Column::FinishedAt.is_null())
        .add(bulks::Column::FinishedAt.lt(before));
    let old = bulks::Entity::find()
        .filter(bulks::Column::StartedAt.lt(before))
        .filter(ended)
        .order_by_asc(bulks::Column::StartedAt);
    delete_by(db, bulks::Column::Id, &old, BULKS).await
}

/// Deletes old reasons of versions that are not kept.
async fn purge_reasons(db: &Db, before: DateTime<Utc>) -> Result<()> {
    let sql = "DELETE FROM spec_reasons WHERE (resource_id, spec_version) IN \
         (SELECT r.resource_id, r.spec_version FROM spec_reasons AS r WHERE r.recorded_at < $1 \
         AND NOT EXISTS (SELECT 1 FROM spec_versions AS v WHERE v.resource_id = r.resource_id \
         AND v.spec_version = r.spec_version) \
         AND NOT EXISTS (SELECT 1 FROM cloud_provisioned AS p WHERE p.resource_id = r.resource_id \
         AND p.spec_version = r.spec_version) ORDER BY r.recorded_at LIMIT $2)";
    let at_most = i64::try_from(BATCH).unwrap_or(i64::MAX);
    loop {
        let deleted = db
            .write_txn(|txn| async move {
                let values = [before.into(), at_most.into()];
                let delete = Statement::from_sql_and_values(txn.get_database_backend(), sql, values);
                Ok(txn.execute_raw(delete).await?.rows_affected())
            })
            .await?;
        if deleted < BATCH {
            return Ok(());
        }
    }
}

/// Deletes the rows of a query, in batches.
async fn delete<E: EntityTrait>(db: &Db, id: E::Column, old: &Select<E>) -> Result<u64> {
    delete_by(db, id, old, BATCH).await
}

/// Deletes the rows of a query, in batches of this size.
async fn delete_by<E: EntityTrait>(db: &Db, id: E::Column, old: &Select<E>, size: u64) -> Result<u64> {
    let mut deleted = 0;
    loop {
        let batch = old.clone().select_only().column(id).limit(size).into_query();
        let rows = db
            .write_txn(|txn| {
                let batch = E::delete_many().filter(id.in_subquery(batch.clone()));
                async move { Ok(batch.exec(&*txn).await?.rows_affected) }
            })
            .await?;
        deleted += rows;
        if rows < size {
            return Ok(deleted);
        }
    }
}

async fn purge_drifts(db: &Db, status: DriftStatus, before: DateTime<Utc>) -> Result<u64> {
    let old = drift::Entity::find()
        .filter(drift::Column::Status.eq(status))
        .filter(drift::Column::ResolvedAt.lt(before))
        .order_by_asc(drift::Column::ResolvedAt);
    delete(db, drift::Column::Id, &old).await
}

fn events_before(event_type: EventType, before: DateTime<Utc>) -> Select<events::Entity> {
    events::Entity::find()
        .filter(events::Column::EventType.eq(event_type))
        .filter(events::Column::OccurredAt.lt(before))
}

async fn purge_events(db: &Db, event_type: EventType, before: DateTime<Utc>) -> Result<u64> {
    let old = events_before(event_type, before).order_by_asc(events::Column::OccurredAt);
    delete(db, events::Column::Id, &old).await
}

/// Deletes old events of drifts whose rows were deleted. Events of other drifts are kept as long as the drift.
async fn purge_events_of_drifts(db: &Db, event_type: EventType, before: DateTime<Utc>) -> Result<u64> {
    let oldest_first = Order {
        descending: false,
        ..super::events::NEWEST_FIRST
    };
    let mut deleted = 0;
    let mut request = PageRequest::first(BATCH);
    loop {
        let old = events_before(event_type, before);
        let page = page::fetch(db.reader(), old, oldest_first, &request).await?;
        let event_drifts: Vec<(Uuid, Option<Uuid>)> = page
            .rows
            .iter()
            .map(|(_, event)| (event.id, drift_of(event)))
            .collect();
        deleted += delete_events_without_drift(db, &event_drifts).await?;
        match page.end {
            Some(end) if page.has_next => request.after = Some(end),
            _ => return Ok(deleted),
        }
    }
}

fn drift_of(event: &events::Model) -> Option<Uuid> {
    Uuid::try_parse(event.data.get("driftId")?.as_str()?).ok()
}

async fn delete_events_without_drift(db: &Db, event_drifts: &[(Uuid, Option<Uuid>)]) -> Result<u64> {
    let drifts: BTreeSet<Uuid> = event_drifts.iter().filter_map(|(_, drift)| *drift).collect();
    let rows = drift::Entity::find()
        .select_only()
        .column(drift::Column::Id)
        .filter(drift::Column::Id.is_in(drifts));
    let kept: BTreeSet<Uuid> = rows
        .into_tuple::<Uuid>()
        .all(db.reader())
        .await?
        .into_iter()
        .collect();
    let old: Vec<Uuid> = event_drifts
        .iter()
        .filter(|(_, drift)| drift.is_none_or(|drift| !kept.contains(&drift)))
        .map(|(event, _)| *event)
        .collect();
    if old.is_empty() {
        return Ok(0);
    }
    let old = &old;
    db.write_txn(|txn| async move {
        let delete = events::Entity::delete_many().filter(events::Column::Id.is_in(old.iter().copied()));
        Ok(delete.exec(&*txn).await?.rows_affected)
    })
    .await
}

/// Deletes old runs that have ended. The newest run of each job, source, scope and outcome is kept, because the
/// schedule depends on it.
async fn purge_runs(db: &Db, before: DateTime<Utc>, now: DateTime<Utc>) -> Result<u64> {
    let old = runs::Entity::find()
        .filter(runs::Column::StartedAt.lt(before))
        .filter(runs::Column::FinishedAt.lt(before))
        .filter(runs::Column::Outcome.is_not_null())
        .filter(Expr::exists(newer_run(now)))
        .order_by_asc(runs::Column::StartedAt);
    delete(db, runs::Column::Id, &old).await
}

/// Selects newer runs of the same job, source and scope with the same outcome. Runs that start in the future, because
/// of a wrong clock, do not count: the schedule ignores them.
fn newer_run(now: DateTime<Utc>) -> SelectStatement {
    let newer = Alias::new("newer");
    let same = |column| Expr::col((newer.clone(), column)).equals((runs::Entity, column));
    let started = Expr::col((newer.clone(), runs::Column::StartedAt));
    Query::select()
        .expr(Expr::cust("1"))
        .from_as(runs::Entity, newer.clone())
        .and_where(same(runs::Column::Job))
        .cond_where(
            Condition::any().add(same(runs::Column::Source)).add(
                Condition::all()
                    .add(Expr::col((newer.clone(), runs::Column::Source)).is_null())
                    .add(Expr::col((runs::Entity, runs::Column::Source)).is_null()),
            ),
        )
        .and_where(same(runs::Column::Narrowed))
        .and_where(same(runs::Column::Outcome))
        .and_where(started.clone().lte(now))
        .and_where(started.gt(Expr::col((runs::Entity, runs::Column::StartedAt))))
        .take()
}

/// Deletes resources that have been gone for long enough if `gone` is true, otherwise unsynced resources whose spec was
/// retired long enough ago.
async fn purge_resources(db: &Db, gone: bool, before: DateTime<Utc>, purged: &mut Purged) -> Result<()> {
    let order = Order {
        time: gone.then_some(resources::Column::GoneAt),
        id: resources::Column::Id,
        descending: false,
    };
    let mut after = None;
    loop {
        let (kinds, end) = candidates(db, order, before, after).await?;
        for ((provider, kind), ids) in &kinds {
            purge_kind(db, (provider, kind), ids, before, purged).await?;
        }
        match end {
            Some(end) => after = Some(end),
            None => return Ok(()),
        }
    }
}

/// Ids of resources, by provider and kind.
type ByKind = BTreeMap<(String, String), Vec<Uuid>>;

/// Returns the next resources that may be old enough, and the position of the last one if more may follow.
async fn candidates(
    db: &Db,
    order: Order<resources::Column>,
    before: DateTime<Utc>,
    after: Option<Key>,
) -> Result<(ByKind, Option<Key>)> {
    let (old, columns) = match order.time {
        Some(gone_at) => (Condition::all().add(gone_at.lt(before)), vec![gone_at]),
        None => (
            Condition::all()
                .add(resources::Column::FirstSeenAt.is_null())
                .add(resources::Column::GoneAt.is_null()),
            Vec::new(),
        ),
    };
    let mut select = resources::Entity::find()
        .select_only()
        .columns([
            resources::Column::Id,
            resources::Column::Provider,
            resources::Column::Kind,
        ])
        .columns(columns)
        .filter(old)
        .limit(RESOURCES);
    if let Some(after) = &after {
        select = select.filter(page::beyond(order, after, true));
    }
    if let Some(time) = order.time {
        select = select.order_by_asc(time);
    }
    let select = select.order_by_asc(order.id).build(db.backend());
    let rows = db.reader().query_all_raw(select).await?;
    let (mut kinds, mut end) = (ByKind::new(), None);
    for row in &rows {
        // A row whose id does not decode cannot be addressed.
        let Ok(id) = column::<Uuid>(row, "", "id") else {
            continue;
        };
        let time = column(row, "", "gone_at").ok();
        if order.time.is_none() || time.is_some() {
            end = Some(Key { time, id });
        }
        let kind = (column(row, "", "provider")?, column(row, "", "kind")?);
        kinds.entry(kind).or_default().push(id);
    }
    let more = rows.len() as u64 == RESOURCES;
    Ok((kinds, end.filter(|_| more)))
}

/// Deletes the expired resources among `ids`, which are all of one kind, in one transaction.
async fn purge_kind(
    db: &Db,
    (provider, kind): (&str, &str),
    ids: &[Uuid],
    before: DateTime<Utc>,
    purged: &mut Purged,
) -> Result<()> {
    let removed = db
        .write_txn(|txn| async move {
            // The lock keeps a sync from reading a row of this kind while it is deleted.
            locks::kind_in_txn(&txn, provider, kind).await?;
            let facts = deletion_facts_in_txn(&txn, ids).await?;
            let expired = facts.iter().filter(|(_, facts)| is_expired(facts, before));
            let expired: Vec<Uuid> = expired.map(|(id, _)| *id).collect();
            remove_in_txn(&txn, &expired).await
        })
        .await?;
    purged.resources += removed.resources;
    purged.specs += removed.specs;
    purged.drifts += removed.drifts;
    purged.events += removed.events;
    Ok(())
}

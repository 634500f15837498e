//! A sweep: compare every spec with its resource and write down what changed.
//!
//! Batches in the order of resource ids: [`gather`] reads, [`crate::domain::sweep::plan`] decides,
//! [`write()`] locks, reads again what the decisions rest on, and drops every pair that moved meanwhile.
//! Memory does not grow with the fleet, and nothing is held between batches, so accepts, syncs, records and
//! other sweeps go on beside it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::cloud_drift::{self, DriftStatus};
use entity::cloud_resource_events::EventType;
use entity::{cloud_provisioned as provisioned, cloud_resources};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    QueryOrder, QueryResult, QuerySelect, QueryTrait,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::events::{self, NewEvent, SYSTEM};
use super::locks::{Lock, locked};
use crate::clock::Clock;
use crate::db::{Db, ROWS_PER_INSERT, column, decode};
use crate::domain::admission::is_comparable;
use crate::domain::sweep::{Change, Finding, Pair, WHOLE_RESOURCE, plan};
use crate::error::{Error, Result};

/// Pairs that one batch holds in memory and one transaction writes.
const BATCH: u64 = 200;

/// What a sweep looks at.
#[derive(Clone, Debug, Default)]
pub enum Scope {
    /// Every spec.
    #[default]
    All,
    /// The specs of these resources.
    Resources(Vec<Uuid>),
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SweepCounts {
    /// Resources that were compared with their specs.
    pub resources: u64,
    /// Fields that were compared.
    pub fields_compared: u64,
    /// Drift rows opened.
    pub opened: u64,
    /// Open drift rows that say something else now.
    pub changed: u64,
    /// Drift rows closed because nothing differs any more.
    pub staled: u64,
    /// Resources left out because a row of theirs does not decode.
    pub skipped: u64,
    /// Resources that no listing ever had.
    pub unsynced: u64,
    /// Resources in a passing state, whose rows are left as they are.
    pub settling: u64,
    /// Resources left to the next sweep, because somebody changed them while this one looked.
    pub moved: u64,
}

impl std::ops::AddAssign for SweepCounts {
    fn add_assign(&mut self, more: Self) {
        self.resources += more.resources;
        self.fields_compared += more.fields_compared;
        self.opened += more.opened;
        self.changed += more.changed;
        self.staled += more.staled;
        self.skipped += more.skipped;
        self.unsynced += more.unsynced;
        self.settling += more.settling;
        self.moved += more.moved;
    }
}

/// What one batch read.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Specs with their resources and open rows.
    pub pairs: Vec<Pair>,
    /// Pairs of which some row does not decode.
    pub skipped: u64,
    /// Resource id of the last pair that was read; None if nothing follows.
    pub last: Option<Uuid>,
}

/// Compares every spec in scope. `progress` hears the counts so far after every batch.
pub async fn detect_all(
    db: &Db,
    clock: &Clock,
    scope: &Scope,
    mut progress: impl FnMut(&SweepCounts),
) -> Result<SweepCounts> {
    let mut counts = SweepCounts::default();
    let mut after = None;
    while let Some(batch) = gather(db, scope, after).await? {
        after = batch.last;
        counts += write(db, &batch, clock.now()).await?;
        progress(&counts);
        if after.is_none() {
            break;
        }
    }
    Ok(counts)
}

/// Whether every resource in scope exists. NOT_FOUND if one does not.
pub async fn check_known(db: &Db, scope: &Scope) -> Result<()> {
    let Scope::Resources(ids) = scope else {
        return Ok(());
    };
    let known =
        cloud_resources::Entity::find().filter(cloud_resources::Column::Id.is_in(ids.iter().copied()));
    let known = super::page::count(db.reader(), known, cloud_resources::Column::Id).await?;
    let asked: BTreeSet<&Uuid> = ids.iter().collect();
    if usize::try_from(known).ok() == Some(asked.len()) {
        Ok(())
    } else {
        Err(Error::NotFound("resource"))
    }
}

/// Reads the next batch behind the resource `after`; None at the end.
pub async fn gather(db: &Db, scope: &Scope, after: Option<Uuid>) -> Result<Option<Batch>> {
    let reader = db.reader();
    let (rows, last) = read_batch(db, scope, after).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut skipped = 0;
    let mut pairs: BTreeMap<Uuid, Pair> = BTreeMap::new();
    for row in &rows {
        let spec = decode::<provisioned::Model>(row, "A_").filter(|spec| is_comparable(&spec.spec));
        let resource =
            decode::<cloud_resources::Model>(row, "B_").filter(|resource| is_comparable(&resource.attrs));
        match (spec, resource) {
            (Some(spec), Some(resource)) => {
                pairs.insert(
                    resource.id,
                    Pair {
                        spec,
                        resource,
                        open: Vec::new(),
                    },
                );
            }
            _ => skipped += 1,
        }
    }
    let open = cloud_drift::Entity::find()
        .filter(cloud_drift::Column::Status.eq(DriftStatus::Open))
        .filter(cloud_drift::Column::ResourceId.is_in(pairs.keys().copied()));
    for row in reader.query_all_raw(open.build(db.backend())).await? {
        let resource: Uuid = row.try_get("", "resource_id")?;
        match decode::<cloud_drift::Model>(&row, "") {
            Some(drift) => {
                if let Some(pair) = pairs.get_mut(&resource) {
                    pair.open.push(drift);
                }
            }
            None => skipped += u64::from(pairs.remove(&resource).is_some()),
        }
    }
    Ok(Some(Batch {
        pairs: pairs.into_values().collect(),
        skipped,
        last,
    }))
}

/// The rows of a batch, and where the next one begins. A row whose id does not decode has no place to go on
/// from: those at the end are left to the next batch, and if there is nothing else the batch grows.
async fn read_batch(db: &Db, scope: &Scope, after: Option<Uuid>) -> Result<(Vec<QueryResult>, Option<Uuid>)> {
    let mut limit = BATCH;
    loop {
        let select = batch_select(scope, after).limit(limit);
        let mut rows = db.reader().query_all_raw(select.build(db.backend())).await?;
        let place = |row: &QueryResult| column::<Uuid>(row, "A_", "resource_id").ok();
        if let Some(last) = rows.iter().rposition(|row| place(row).is_some()) {
            let id = place(&rows[last]);
            rows.truncate(last + 1);
            return Ok((rows, id));
        }
        if (rows.len() as u64) < limit {
            return Ok((rows, None));
        }
        limit *= 2;
    }
}

/// Specs in force with their resources, and retired ones that still have an open row.
fn batch_select(
    scope: &Scope,
    after: Option<Uuid>,
) -> sea_orm::SelectTwo<provisioned::Entity, cloud_resources::Entity> {
    let has_open_row = Expr::exists(
        Query::select()
            .expr(Expr::cust("1"))
            .from(cloud_drift::Entity)
            .and_where(
                Expr::col((cloud_drift::Entity, cloud_drift::Column::ResourceId))
                    .equals((provisioned::Entity, provisioned::Column::ResourceId)),
            )
            .and_where(cloud_drift::Column::Status.eq(DriftStatus::Open))
            .take(),
    );
    let mut select = provisioned::Entity::find()
        .find_also_related(cloud_resources::Entity)
        .filter(
            Condition::any()
                .add(provisioned::Column::RetiredAt.is_null())
                .add(has_open_row),
        )
        .order_by_asc(provisioned::Column::ResourceId);
    if let Some(after) = after {
        select = select.filter(provisioned::Column::ResourceId.gt(after));
    }
    if let Scope::Resources(ids) = scope {
        select = select.filter(provisioned::Column::ResourceId.is_in(ids.iter().copied()));
    }
    select
}

/// Plans a batch and carries the plans out in one transaction, as far as they still hold.
pub async fn write(db: &Db, batch: &Batch, now: DateTime<Utc>) -> Result<SweepCounts> {
    let mut counts = SweepCounts {
        skipped: batch.skipped,
        ..SweepCounts::default()
    };
    let mut planned: Vec<(&Pair, Vec<Change>)> = Vec::new();
    for pair in &batch.pairs {
        let plan = plan(pair, now);
        counts.unsynced += u64::from(plan.unsynced);
        counts.settling += u64::from(plan.settling);
        counts.resources += u64::from(!plan.unsynced && !plan.settling);
        counts.fields_compared += plan.fields_compared;
        if !plan.changes.is_empty() {
            planned.push((pair, plan.changes));
        }
    }
    if planned.is_empty() {
        return Ok(counts);
    }
    let planned = &planned;
    counts += db
        .write_txn(|txn| async move { write_in_txn(&txn, planned, now).await })
        .await?;
    Ok(counts)
}

async fn write_in_txn(
    txn: &DatabaseTransaction,
    planned: &[(&Pair, Vec<Change>)],
    now: DateTime<Utc>,
) -> Result<SweepCounts> {
    let standing = still_standing_in_txn(txn, planned).await?;
    let mut counts = SweepCounts {
        moved: (planned.len() - standing.len()) as u64,
        ..SweepCounts::default()
    };
    let mut happened = Vec::new();
    let mut found = Vec::new();
    for (pair, changes) in planned
        .iter()
        .filter(|(pair, _)| standing.contains(&pair.resource.id))
    {
        for change in changes {
            match change {
                Change::Open(finding) => found.push((pair.resource.id, finding)),
                other => apply_in_txn(txn, pair.resource.id, other, now, &mut happened).await?,
            }
        }
    }
    for event in &happened {
        counts.changed += u64::from(event.event_type == EventType::DriftChanged);
        counts.staled += u64::from(event.event_type == EventType::DriftStale);
    }
    let opened = open_in_txn(txn, &found, now).await?;
    counts.opened = opened.len() as u64;
    happened.extend(opened);
    events::append_in_txn(txn, happened, SYSTEM, now).await?;
    Ok(counts)
}

/// Locks what the plans rest on, in the order of ids, and says which resources are still as they were read.
async fn still_standing_in_txn(
    txn: &DatabaseTransaction,
    planned: &[(&Pair, Vec<Change>)],
) -> Result<BTreeSet<Uuid>> {
    let ids = || planned.iter().map(|(pair, _)| pair.resource.id);
    let resources = cloud_resources::Entity::find()
        .select_only()
        .columns([
            cloud_resources::Column::Id,
            cloud_resources::Column::Revision,
            cloud_resources::Column::GoneAt,
        ])
        .filter(cloud_resources::Column::Id.is_in(ids()))
        .order_by_asc(cloud_resources::Column::Id);
    let resources: BTreeMap<Uuid, (i32, bool)> = locked(resources, Lock::Share)
        .into_tuple::<(Uuid, i32, Option<DateTime<Utc>>)>()
        .all(txn)
        .await?
        .into_iter()
        .map(|(id, revision, gone_at)| (id, (revision, gone_at.is_some())))
        .collect();
    let specs = provisioned::Entity::find()
        .select_only()
        .columns([provisioned::Column::ResourceId, provisioned::Column::SpecVersion])
        .filter(provisioned::Column::ResourceId.is_in(ids()))
        .order_by_asc(provisioned::Column::ResourceId);
    let specs: BTreeMap<Uuid, i32> = locked(specs, Lock::Share)
        .into_tuple::<(Uuid, i32)>()
        .all(txn)
        .await?
        .into_iter()
        .collect();
    let open = cloud_drift::Entity::find()
        .select_only()
        .columns([
            cloud_drift::Column::ResourceId,
            cloud_drift::Column::Id,
            cloud_drift::Column::Revision,
        ])
        .filter(cloud_drift::Column::Status.eq(DriftStatus::Open))
        .filter(cloud_drift::Column::ResourceId.is_in(ids()))
        .order_by_asc(cloud_drift::Column::ResourceId)
        .order_by_asc(cloud_drift::Column::Field);
    let open: BTreeSet<(Uuid, Uuid, i32)> = locked(open, Lock::Update)
        .into_tuple()
        .all(txn)
        .await?
        .into_iter()
        .collect();
    Ok(planned
        .iter()
        .map(|(pair, _)| *pair)
        .filter(|pair| {
            let id = pair.resource.id;
            let read: BTreeSet<_> = pair.open.iter().map(|row| (id, row.id, row.revision)).collect();
            let now: BTreeSet<_> = open
                .range((id, Uuid::nil(), i32::MIN)..=(id, Uuid::max(), i32::MAX))
                .copied()
                .collect();
            resources.get(&id) == Some(&(pair.resource.revision, pair.resource.gone_at.is_some()))
                && specs.get(&id) == Some(&pair.spec.spec_version)
                && read == now
        })
        .map(|pair| pair.resource.id)
        .collect())
}

/// Inserts rows for what was found, and returns an event for each that went in. Another sweep may hold the
/// same share locks and be first; its row says the same, and is kept.
async fn open_in_txn(
    txn: &DatabaseTransaction,
    found: &[(Uuid, &Finding)],
    now: DateTime<Utc>,
) -> Result<Vec<NewEvent>> {
    let mut opened = Vec::with_capacity(found.len());
    for chunk in found.chunks(ROWS_PER_INSERT) {
        let rows: Vec<(Uuid, &(Uuid, &Finding))> = chunk.iter().map(|item| (Uuid::now_v7(), item)).collect();
        let models = rows
            .iter()
            .map(|(id, (resource_id, finding))| new_row(*id, *resource_id, finding, now));
        let inserted: BTreeSet<Uuid> = cloud_drift::Entity::insert_many(models)
            .on_conflict(one_open_row_per_field())
            .exec_with_returning_keys(txn)
            .await?
            .into_iter()
            .collect();
        opened.extend(rows.into_iter().filter(|(id, _)| inserted.contains(id)).map(
            |(id, (resource_id, finding))| NewEvent {
                resource_id: *resource_id,
                event_type: EventType::DriftDetected,
                data: finding_data(id, finding),
            },
        ));
    }
    Ok(opened)
}

/// The target of the partial unique index. The literal must be printed inline: PostgreSQL infers no index
/// from a bound parameter once a statement has its generic plan, SQLite never does.
pub fn one_open_row_per_field() -> OnConflict {
    OnConflict::columns([cloud_drift::Column::ResourceId, cloud_drift::Column::Field])
        .target_and_where(Expr::col(cloud_drift::Column::Status).eq(Expr::Constant("open".into())))
        .do_nothing()
        .to_owned()
}

fn new_row(id: Uuid, resource_id: Uuid, finding: &Finding, now: DateTime<Utc>) -> cloud_drift::ActiveModel {
    cloud_drift::ActiveModel {
        id: Set(id),
        resource_id: Set(resource_id),
        kind: Set(finding.kind),
        field: Set(finding.field.clone()),
        expected: Set(to_column(&finding.expected)),
        actual: Set(to_column(&finding.actual)),
        revision: Set(1),
        status: Set(DriftStatus::Open),
        detected_at: Set(now),
        resolved_at: Set(None),
        resolved_by: Set(None),
        resolution_note: Set(None),
    }
}

/// Carries out an update or a closing of an open row, and adds the event.
pub(crate) async fn apply_in_txn(
    txn: &DatabaseTransaction,
    resource_id: Uuid,
    change: &Change,
    now: DateTime<Utc>,
    happened: &mut Vec<NewEvent>,
) -> Result<()> {
    let update = cloud_drift::Entity::update_many().filter(cloud_drift::Column::Status.eq(DriftStatus::Open));
    let (row, drift, event_type, data) = match change {
        Change::Open(_) => return Ok(()),
        Change::Update {
            drift,
            revision,
            finding,
        } => {
            let row = cloud_drift::ActiveModel {
                expected: Set(to_column(&finding.expected)),
                actual: Set(to_column(&finding.actual)),
                revision: Set(*revision),
                ..Default::default()
            };
            (
                row,
                *drift,
                EventType::DriftChanged,
                finding_data(*drift, finding),
            )
        }
        Change::Close { drift, field } => {
            let row = cloud_drift::ActiveModel {
                status: Set(DriftStatus::Stale),
                resolved_at: Set(Some(now)),
                ..Default::default()
            };
            (
                row,
                *drift,
                EventType::DriftStale,
                json!({ "driftId": drift, "field": field }),
            )
        }
    };
    let updated = update
        .filter(cloud_drift::Column::Id.eq(drift))
        .set(row)
        .exec(txn)
        .await?;
    if updated.rows_affected == 1 {
        happened.push(NewEvent {
            resource_id,
            event_type,
            data,
        });
    }
    Ok(())
}

/// A missing resource's expectation is its whole spec, which stays out of the log.
fn finding_data(drift: Uuid, finding: &Finding) -> Value {
    if finding.field == WHOLE_RESOURCE {
        return json!({ "driftId": drift, "field": finding.field });
    }
    json!({ "driftId": drift, "field": finding.field, "expected": finding.expected, "actual": finding.actual })
}

/// Null is kept as an SQL null.
fn to_column(value: &Value) -> Option<Value> {
    (!value.is_null()).then(|| value.clone())
}

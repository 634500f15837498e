//! Carrying out what a sweep decided, as far as it still holds.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::cloud_drift::{self, DriftStatus};
use entity::cloud_resource_events::EventType;
use entity::{cloud_provisioned as provisioned, cloud_resources};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Batch, SweepCounts};
use crate::db::{Db, ROWS_PER_INSERT};
use crate::domain::sweep::{Change, Finding, Pair, Plan, WHOLE_RESOURCE, plan};
use crate::error::Result;
use crate::services::events::{self, NewEvent, SYSTEM};
use crate::services::locks::{Lock, locked};

/// What came of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// What was done; resources that moved are not in it.
    pub counts: SweepCounts,
    /// Resources of which nothing was written, because they are not what they were when the batch was gathered.
    pub moved: Vec<Uuid>,
}

/// Plans a batch and carries the plans out in one transaction, as far as they still hold.
pub async fn write(db: &Db, batch: &Batch, now: DateTime<Utc>) -> Result<Written> {
    let mut written = Written::default();
    written.counts.skipped = batch.skipped;
    let mut planned: Vec<(&Pair, Plan)> = Vec::new();
    for pair in &batch.pairs {
        let plan = plan(pair, now);
        if plan.changes.is_empty() {
            looked_at(&mut written.counts, &plan);
        } else {
            planned.push((pair, plan));
        }
    }
    if planned.is_empty() {
        return Ok(written);
    }
    let planned = &planned;
    let more = db
        .write_txn(|txn| async move { write_in_txn(&txn, planned, now).await })
        .await?;
    written.counts += more.counts;
    written.moved = more.moved;
    Ok(written)
}

fn looked_at(counts: &mut SweepCounts, plan: &Plan) {
    counts.unsynced += u64::from(plan.unsynced);
    counts.settling += u64::from(plan.settling);
    counts.resources += u64::from(!plan.unsynced && !plan.settling);
    counts.fields_compared += plan.fields_compared;
}

async fn write_in_txn(
    txn: &DatabaseTransaction,
    planned: &[(&Pair, Plan)],
    now: DateTime<Utc>,
) -> Result<Written> {
    let standing = still_standing_in_txn(txn, planned).await?;
    let mut counts = SweepCounts::default();
    let mut moved = Vec::new();
    let mut happened = Vec::new();
    let mut found = Vec::new();
    for (pair, plan) in planned {
        if !standing.contains(&pair.resource.id) {
            moved.push(pair.resource.id);
            continue;
        }
        looked_at(&mut counts, plan);
        for change in &plan.changes {
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
    Ok(Written { counts, moved })
}

/// Locks what the plans rest on, in the order of ids, and says which resources are still as they were read.
async fn still_standing_in_txn(
    txn: &DatabaseTransaction,
    planned: &[(&Pair, Plan)],
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

//! Rows of drifts. Only this module opens, updates and closes them, and it writes an event for each change.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::cloud_drift::{self as drift, DriftKind, DriftStatus};
use entity::cloud_resource_events::EventType;
use sea_orm::sea_query::{Expr, ExprTrait, IntoColumnRef, OnConflict, Query};
use sea_orm::{
    ActiveEnum, ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait,
    DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, Select,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::events::{self, NewEvent, SYSTEM};
use super::locks::{Lock, locked};
use crate::db::{ROWS_PER_INSERT, decodable};
use crate::domain::detection::{Change, Finding, WHOLE_RESOURCE};
use crate::error::Result;

/// The number of drifts that were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Drifts that were opened.
    pub(crate) opened: u64,
    /// Open drifts whose expected or live value changed.
    pub(crate) changed: u64,
    /// Drifts that became stale.
    pub(crate) staled: u64,
}

/// Selects the open drifts of resources.
pub(crate) fn select_open_of(resources: impl IntoIterator<Item = Uuid>) -> Select<drift::Entity> {
    drift::Entity::find()
        .filter(drift::Column::Status.eq(DriftStatus::Open))
        .filter(drift::Column::ResourceId.is_in(resources))
}

/// Returns the condition that the resource with the id in `resource_id` has an open drift, of one kind if `kind` is
/// set.
pub(crate) fn exists_open_of(resource_id: impl IntoColumnRef, kind: Option<DriftKind>) -> Expr {
    let of_kind = Condition::all().add_option(kind.map(|kind| drift::Column::Kind.eq(kind)));
    Expr::exists(
        Query::select()
            .expr(Expr::cust("1"))
            .from(drift::Entity)
            .and_where(Expr::col((drift::Entity, drift::Column::ResourceId)).eq(Expr::col(resource_id)))
            .and_where(drift::Column::Status.eq(DriftStatus::Open))
            .cond_where(of_kind)
            .take(),
    )
}

/// Returns the open drifts of the resources, in the order of ids. Rows that do not decode are left out.
pub(crate) async fn open_of<C: ConnectionTrait>(
    connection: &C,
    resources: &[Uuid],
) -> Result<Vec<drift::Model>> {
    let select = select_open_of(resources.iter().copied()).order_by_asc(drift::Column::Id);
    Ok(decodable(select, connection).await?.0)
}

/// Locks and returns the open drifts of one resource. Rows that do not decode are left out.
pub(crate) async fn lock_open_of_in_txn(
    txn: &DatabaseTransaction,
    resource: Uuid,
) -> Result<Vec<drift::Model>> {
    let select = select_open_of([resource]).order_by_asc(drift::Column::Field);
    Ok(decodable(locked(select, Lock::Update), txn).await?.0)
}

/// Writes changes of drifts, each with the id of its resource, and their events. Skips drifts that are no longer open.
pub(crate) async fn write_in_txn(
    txn: &DatabaseTransaction,
    changes: &[(Uuid, &Change)],
    now: DateTime<Utc>,
) -> Result<Written> {
    let mut written = Written::default();
    let mut events = Vec::with_capacity(changes.len());
    let mut findings = Vec::new();
    for (resource_id, change) in changes {
        match change {
            Change::Open(finding) => findings.push((*resource_id, finding)),
            Change::Update {
                drift,
                revision,
                finding,
            } => {
                if update_in_txn(txn, *drift, *revision, finding).await? {
                    written.changed += 1;
                    let data = finding_data(*drift, finding);
                    events.push(event(*resource_id, EventType::DriftChanged, data));
                }
            }
            Change::Close { drift, field } => {
                if close_in_txn(txn, *drift, now).await? {
                    written.staled += 1;
                    let data = drift_data(*drift, field);
                    events.push(event(*resource_id, EventType::DriftStale, data));
                }
            }
        }
    }
    let opened = open_in_txn(txn, &findings, now).await?;
    written.opened = opened.len() as u64;
    events.extend(opened);
    events::append_in_txn(txn, events, SYSTEM, now).await?;
    Ok(written)
}

/// A decision to accept a drift.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accepting<'a> {
    /// The person who decided.
    pub(crate) actor: &'a str,
    /// The reason for the decision.
    pub(crate) note: Option<&'a str>,
    /// The version of the spec that has the accepted value; None if the spec was retired.
    pub(crate) spec_version: Option<i32>,
}

/// Closes a locked drift as accepted, with its event.
pub(crate) async fn accept_in_txn(
    txn: &DatabaseTransaction,
    drift: drift::Model,
    accepting: Accepting<'_>,
    now: DateTime<Utc>,
) -> Result<drift::Model> {
    let mut data = drift_data(drift.id, &drift.field);
    if let (Some(data), Some(version)) = (data.as_object_mut(), accepting.spec_version) {
        data.insert("expected".to_owned(), drift.expected.clone().unwrap_or_default());
        data.insert("actual".to_owned(), drift.actual.clone().unwrap_or_default());
        data.insert("specVersion".to_owned(), version.into());
    }
    let accepted = event(drift.resource_id, EventType::DriftAccepted, data);
    let mut row = drift.into_active_model();
    row.status = Set(DriftStatus::Accepted);
    row.resolved_at = Set(Some(now));
    row.resolved_by = Set(Some(accepting.actor.to_owned()));
    row.resolution_note = Set(accepting.note.map(str::to_owned));
    let drift = row.update(txn).await?;
    events::append_in_txn(txn, vec![accepted], accepting.actor, now).await?;
    Ok(drift)
}

/// Inserts a row for each finding, and returns the events of the inserted rows. A concurrent sweep with the same shared
/// locks may have inserted an equal row before; that row is kept.
async fn open_in_txn(
    txn: &DatabaseTransaction,
    findings: &[(Uuid, &Finding)],
    now: DateTime<Utc>,
) -> Result<Vec<NewEvent>> {
    let mut opened = Vec::with_capacity(findings.len());
    for chunk in findings.chunks(ROWS_PER_INSERT) {
        let rows: Vec<(Uuid, Uuid, &Finding)> = chunk
            .iter()
            .map(|(resource_id, finding)| (Uuid::now_v7(), *resource_id, *finding))
            .collect();
        let models = rows
            .iter()
            .map(|(id, resource_id, finding)| new_row(*id, *resource_id, finding, now));
        let inserted: BTreeSet<Uuid> = drift::Entity::insert_many(models)
            .on_conflict(one_open_row_per_field())
            .exec_with_returning_keys(txn)
            .await?
            .into_iter()
            .collect();
        let inserted = rows.into_iter().filter(|(id, ..)| inserted.contains(id));
        opened.extend(inserted.map(|(id, resource_id, finding)| {
            event(resource_id, EventType::DriftDetected, finding_data(id, finding))
        }));
    }
    Ok(opened)
}

/// Writes new values into an open drift. Returns false if it is no longer open.
async fn update_in_txn(
    txn: &DatabaseTransaction,
    drift: Uuid,
    revision: i32,
    finding: &Finding,
) -> Result<bool> {
    let row = drift::ActiveModel {
        expected: Set(to_column(&finding.expected)),
        actual: Set(to_column(&finding.actual)),
        revision: Set(revision),
        ..Default::default()
    };
    set_if_open_in_txn(txn, drift, row).await
}

/// Closes an open drift as stale. Returns false if it is no longer open.
async fn close_in_txn(txn: &DatabaseTransaction, drift: Uuid, now: DateTime<Utc>) -> Result<bool> {
    let row = drift::ActiveModel {
        status: Set(DriftStatus::Stale),
        resolved_at: Set(Some(now)),
        ..Default::default()
    };
    set_if_open_in_txn(txn, drift, row).await
}

async fn set_if_open_in_txn(txn: &DatabaseTransaction, id: Uuid, row: drift::ActiveModel) -> Result<bool> {
    let updated = drift::Entity::update_many()
        .filter(drift::Column::Status.eq(DriftStatus::Open))
        .filter(drift::Column::Id.eq(id))
        .set(row)
        .exec(txn)
        .await?;
    Ok(updated.rows_affected == 1)
}

fn event(resource_id: Uuid, event_type: EventType, data: Value) -> NewEvent {
    NewEvent {
        resource_id,
        event_type,
        data,
    }
}

fn drift_data(drift: Uuid, field: &str) -> Value {
    json!({ "driftId": drift, "field": field })
}

/// Returns the conflict clause that skips a second open drift of one field, by the partial unique index. The status
/// must be a literal in the statement: with a bound parameter, SQLite never infers the index, and PostgreSQL does not
/// infer it once the plan is generic.
pub fn one_open_row_per_field() -> OnConflict {
    OnConflict::columns([drift::Column::ResourceId, drift::Column::Field])
        .target_and_where(
            Expr::col(drift::Column::Status).eq(Expr::Constant(DriftStatus::Open.to_value().into())),
        )
        .do_nothing()
        .to_owned()
}

fn new_row(id: Uuid, resource_id: Uuid, finding: &Finding, now: DateTime<Utc>) -> drift::ActiveModel {
    drift::ActiveModel {
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

/// Returns the data of an event. The expected value of a missing resource is its whole spec, which is not logged.
fn finding_data(drift: Uuid, finding: &Finding) -> Value {
    if finding.field == WHOLE_RESOURCE {
        return drift_data(drift, &finding.field);
    }
    json!({ "driftId": drift, "field": finding.field, "expected": finding.expected, "actual": finding.actual })
}

/// Stores JSON null as SQL null.
fn to_column(value: &Value) -> Option<Value> {
    (!value.is_null()).then(|| value.clone())
}

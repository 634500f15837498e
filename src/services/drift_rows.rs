//! Rows of drifts. Only this module opens, updates and closes them, and it writes an event for each change.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::cloud_drift::{self as drift, CloseReason, DriftKind, DriftStatus};
use entity::cloud_provisioned as provisioned;
use entity::cloud_resource_events::EventType;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, IntoColumnRef, Query};
use sea_orm::{
    ActiveEnum, ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DbBackend,
    DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, Select, Statement,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::events::{self, NewEvent, SYSTEM};
use super::ignored;
use super::locks::{Lock, locked};
use super::snoozes;
use super::windows::{self, Opening};
use crate::db::lists::{self, Type};
use crate::db::{DatabaseTransaction, Db, column, decodable};
use crate::domain::causes::Cause;
use crate::domain::detection::{Change, Finding, WHOLE_RESOURCE};
use crate::domain::severity::Rating;
use crate::domain::windows::Window;
use crate::error::Result;

/// The detail of an event about an open drift that names the drift whose decision has caused it.
pub(crate) const DECIDED: &str = "decidedDriftId";

/// The number of drifts that were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Drifts that were opened.
    pub(crate) opened: u64,
    /// Open drifts whose expected or live value changed.
    pub(crate) changed: u64,
    /// Drifts that became stale.
    pub(crate) staled: u64,
    /// Ignored differences that were recorded.
    pub(crate) ignored: u64,
}

/// The condition that a drift is open. The status is a literal, so that every plan can use the partial index.
pub(super) fn is_open() -> Expr {
    Expr::col((drift::Entity, drift::Column::Status)).eq(Expr::Constant(DriftStatus::Open.to_value().into()))
}

/// Selects the open drifts of resources. The text of the statement does not depend on their number.
pub(crate) fn select_open_of(
    backend: DbBackend,
    resources: impl IntoIterator<Item = Uuid>,
) -> Select<drift::Entity> {
    drift::Entity::find().filter(is_open()).filter(lists::among(
        backend,
        r#""cloud_drift"."resource_id""#,
        resources,
    ))
}

/// Selects the open drifts of the resources from one id to another.
pub(crate) fn select_open_between(first: Uuid, last: Uuid) -> Select<drift::Entity> {
    drift::Entity::find()
        .filter(is_open())
        .filter(drift::Column::ResourceId.gte(first))
        .filter(drift::Column::ResourceId.lte(last))
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
    let backend = connection.get_database_backend();
    let select = select_open_of(backend, resources.iter().copied()).order_by_asc(drift::Column::Id);
    Ok(decodable(select, connection).await?.0)
}

/// Locks and returns the open drifts of one resource. Rows that do not decode are left out.
pub(crate) async fn lock_open_of_in_txn(
    txn: &DatabaseTransaction,
    resource: Uuid,
) -> Result<Vec<drift::Model>> {
    let select = select_open_of(txn.get_database_backend(), [resource]).order_by_asc(drift::Column::Field);
    Ok(decodable(locked(select, Lock::Update), txn).await?.0)
}

/// Writes changes of drifts of the named resources, with their events. Drifts that are no longer open stay unchanged.
/// Each kind of change is one statement.
pub(crate) async fn write_in_txn(
    txn: &DatabaseTransaction,
    changes: &[(Uuid, &Change)],
    now: DateTime<Utc>,
) -> Result<Written> {
    let (mut opening, mut updating, mut closing) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ignoring, mut no_longer_ignored, mut rating) = (Vec::new(), Vec::new(), Vec::new());
    let mut counting = Vec::new();
    for (resource_id, change) in changes {
        match change {
            Change::Open(finding) => opening.push((Uuid::now_v7(), *resource_id, finding)),
            Change::Update {
                drift,
                revision,
                finding,
            } => updating.push((*drift, *revision, finding)),
            Change::Close {
                drift, reason, rule, ..
            } => closing.push((*drift, *reason, *rule)),
            Change::Rate { drift, rating: rated } => rating.push((*drift, *rated)),
            Change::Ignore(difference) => ignoring.push((*resource_id, difference)),
            Change::Count { field, sweeps } => counting.push((*resource_id, field.as_str(), *sweeps)),
            Change::Unignore { field } => no_longer_ignored.push((*resource_id, field.as_str())),
        }
    }
    // Drifts that a user put back on purpose are closed first. Those are no longer open for the statement after it.
    let reverted = revert_in_txn(txn, &closing, now).await?;
    let closed = close_in_txn(txn, &closing, now).await?;
    let updated = update_in_txn(txn, &updating).await?;
    rate_in_txn(txn, &rating).await?;
    let windows = windows::of_in_txn(txn, &opening, now).await?;
    let opened = open_in_txn(txn, &opening, &windows, now).await?;
    let mut events = Vec::with_capacity(changes.len());
    for (resource_id, change) in changes {
        match change {
            Change::Update { drift, finding, .. } => {
                events.extend(updated.get(drift).map(|address| {
                    let data = with_address(finding_data(*drift, finding), address.as_deref());
                    event(*resource_id, EventType::DriftChanged, data)
                }));
            }
            Change::Close {
                drift,
                field,
                reason,
                rule,
            } => {
                events.extend(closed.get(drift).map(|address| {
                    let mut data = json!({ "driftId": drift, "field": field, "reason": reason.to_value() });
                    if let (Some(data), Some(rule)) = (data.as_object_mut(), rule) {
                        data.insert("ruleId".to_owned(), json!(rule));
                    }
                    let data = with_address(data, address.as_deref());
                    event(*resource_id, EventType::DriftStale, data)
                }));
                events.extend(reverted.get(drift).map(|address| {
                    let data = with_address(drift_data(*drift, field), address.as_deref());
                    event(*resource_id, EventType::DriftReverted, data)
                }));
            }
            Change::Open(_)
            | Change::Rate { .. }
            | Change::Ignore(_)
            | Change::Count { .. }
            | Change::Unignore { .. } => {}
        }
    }
    ignored::count_sweeps_in_txn(txn, &counting).await?;
    let ignored = ignored::write_in_txn(txn, &ignoring, &no_longer_ignored, now).await?;
    events.extend(ignored.events);
    events.extend(opening.iter().filter_map(|(id, resource_id, finding)| {
        let data = with_address(finding_data(*id, finding), opened.get(id)?.as_deref());
        Some(event(*resource_id, EventType::DriftDetected, data))
    }));
    events::append_in_txn(txn, events, SYSTEM, now).await?;
    let moved: Vec<Uuid> = updated
        .keys()
        .chain(closed.keys())
        .chain(reverted.keys())
        .copied()
        .collect();
    snoozes::log_ended_in_txn(txn, &moved, now).await?;
    Ok(Written {
        opened: opened.len() as u64,
        changed: updated.len() as u64,
        ignored: ignored.recorded,
        staled: (closed.len() + reverted.len()) as u64,
    })
}

/// The update of an open drift that follows from a decision of a user about a part of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Following<'a> {
    /// The open drift.
    pub(crate) open: &'a drift::Model,
    /// Its new revision.
    pub(crate) revision: i32,
    /// Its new values. The live one has not changed.
    pub(crate) finding: &'a Finding,
    /// The closed drift that records the decision.
    pub(crate) decided: Uuid,
}

/// Writes updates of locked open drifts of one resource that follow from a decision of `actor`, with their events. Each event
/// names the drift that records the decision, which has its own event and its own message. A snooze until a change stays,
/// because no live value has changed.
pub(crate) async fn follow_in_txn(
    txn: &DatabaseTransaction,
    resource_id: Uuid,
    updates: &[Following<'_>],
    actor: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let rows: Vec<_> = updates
        .iter()
        .map(|update| (update.open.id, update.revision, update.finding))
        .collect();
    let written = update_in_txn(txn, &rows).await?;
    let snoozed = updates.iter().filter(|update| update.open.snoozed);
    let snoozed: Vec<Uuid> = snoozed.map(|update| update.open.id).collect();
    if !snoozed.is_empty() {
        // A trigger has ended them with the new revision.
        drift::Entity::update_many()
            .col_expr(drift::Column::Snoozed, Expr::val(true))
            .filter(drift::Column::Id.is_in(snoozed))
            .exec(txn)
            .await?;
    }
    let events = updates.iter().filter_map(|update| {
        let mut data = finding_data(update.open.id, update.finding);
        if let Some(data) = data.as_object_mut() {
            data.insert(DECIDED.to_owned(), json!(update.decided));
        }
        let data = with_address(data, written.get(&update.open.id)?.as_deref());
        Some(event(resource_id, EventType::DriftChanged, data))
    });
    events::append_in_txn(txn, events.collect(), actor, now).await
}

/// A decision to accept a drift.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accepting<'a> {
    /// The person who decided.
    pub(crate) actor: &'a str,
    /// The reason for the decision.
    pub(crate) note: Option<&'a str>,
    /// Whether the accept retired the spec.
    pub(crate) is_retired: bool,
    /// The version of the spec that the accept made.
    pub(crate) spec_version: i32,
    /// The Terraform address of the resource.
    pub(crate) address: Option<&'a str>,
    /// The bulk that the decision is part of.
    pub(crate) bulk: Option<Uuid>,
}

/// Closes a locked drift as accepted, with its event.
pub(crate) async fn accept_in_txn(
    txn: &DatabaseTransaction,
    drift: drift::Model,
    accepting: Accepting<'_>,
    now: DateTime<Utc>,
) -> Result<drift::Model> {
    let mut events = vec![accepted_event(&drift, accepting)];
    events.extend(snoozes::closed_event(&drift));
    let drift = accepted_row(drift, accepting, now).update(txn).await?;
    if let Some(bulk) = accepting.bulk {
        drift::Entity::update_many()
            .col_expr(Alias::new("bulk_id"), Expr::val(bulk))
            .filter(drift::Column::Id.eq(drift.id))
            .exec(txn)
            .await?;
    }
    events::append_in_txn(txn, events, accepting.actor, now).await?;
    Ok(drift)
}

/// Inserts a closed drift that records the accept of a part of a locked drift, with its event. The drift itself stays as
/// it is. `accepted` is the expected value with that part.
pub(crate) async fn accept_part_in_txn(
    txn: &DatabaseTransaction,
    drift: &drift::Model,
    accepted: Value,
    accepting: Accepting<'_>,
    now: DateTime<Utc>,
) -> Result<drift::Model> {
    let part = drift::Model {
        id: Uuid::now_v7(),
        actual: Some(accepted),
        ..drift.clone()
    };
    let event = accepted_event(&part, accepting);
    let row = accepted_row(part, accepting, now).reset_all().insert(txn).await?;
    drift::Entity::update_many()
        .col_expr(Alias::new("split_from"), Expr::val(drift.id))
        .filter(drift::Column::Id.eq(row.id))
        .exec(txn)
        .await?;
    events::append_in_txn(txn, vec![event], accepting.actor, now).await?;
    Ok(row)
}

fn accepted_event(drift: &drift::Model, accepting: Accepting<'_>) -> NewEvent {
    let mut data = drift_data(drift.id, &drift.field);
    if let Some(data) = data.as_object_mut().filter(|_| !accepting.is_retired) {
        data.insert("expected".to_owned(), drift.expected.clone().unwrap_or_default());
        data.insert("actual".to_owned(), drift.actual.clone().unwrap_or_default());
        data.insert("specVersion".to_owned(), accepting.spec_version.into());
    }
    if let (Some(data), Some(bulk)) = (data.as_object_mut(), accepting.bulk) {
        data.insert("bulkId".to_owned(), bulk.to_string().into());
    }
    let data = with_address(data, accepting.address);
    event(drift.resource_id, EventType::DriftAccepted, data)
}

fn accepted_row(drift: drift::Model, accepting: Accepting<'_>, now: DateTime<Utc>) -> drift::ActiveModel {
    let mut row = drift.into_active_model();
    row.status = Set(DriftStatus::Accepted);
    row.resolved_at = Set(Some(now));
    row.resolved_by = Set(Some(accepting.actor.to_owned()));
    row.resolution_note = Set(accepting.note.map(str::to_owned));
    row.close_reason = Set(Some(CloseReason::Accepted));
    row.spec_version = Set(Some(accepting.spec_version));
    snoozes::clear(&mut row);
    row
}

/// A decision to undo accepts of one resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Undoing<'a> {
    /// The person who decided.
    pub(crate) actor: &'a str,
    /// The reason for the decision.
    pub(crate) reason: Option<&'a str>,
    /// The version of the spec without the accepted values.
    pub(crate) spec: &'a provisioned::Model,
}

/// Marks locked drifts as accepts that were undone, with their events.
pub(crate) async fn undo_in_txn(
    txn: &DatabaseTransaction,
    drifts: Vec<drift::Model>,
    undoing: Undoing<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<drift::Model>> {
    let mut events = Vec::with_capacity(drifts.len());
    let mut undone = Vec::with_capacity(drifts.len());
    for drift in drifts {
        let mut data = drift_data(drift.id, &drift.field);
        if let Some(data) = data.as_object_mut() {
            if drift.kind == DriftKind::Changed {
                let restored = undoing.spec.spec.get(&drift.field).cloned();
                data.insert("expected".to_owned(), restored.unwrap_or_default());
                data.insert("actual".to_owned(), drift.actual.clone().unwrap_or_default());
            }
            data.insert("specVersion".to_owned(), undoing.spec.spec_version.into());
            if let Some(reason) = undoing.reason {
                data.insert("reason".to_owned(), reason.into());
            }
        }
        let data = with_address(data, undoing.spec.address.as_deref());
        events.push(event(drift.resource_id, EventType::AcceptUndone, data));
        let mut row = drift.into_active_model();
        row.undone_at = Set(Some(now));
        row.undone_by = Set(Some(undoing.actor.to_owned()));
        row.undone_version = Set(Some(undoing.spec.spec_version));
        undone.push(row.update(txn).await?);
    }
    events::append_in_txn(txn, events, undoing.actor, now).await?;
    Ok(undone)
}

/// The ids of written drifts, with the Terraform addresses of their resources.
type WrittenIds = BTreeMap<Uuid, Option<String>>;

/// The columns that a statement returns of each drift that it writes.
const RETURNED: &str = "cloud_drift.id, (SELECT p.address FROM cloud_provisioned AS p \
     WHERE p.resource_id = cloud_drift.resource_id) AS address";

/// Inserts a row for each finding, and returns the ids of the rows that were inserted. A concurrent sweep with the same
/// shared locks may have inserted an equal row before; that row is kept.
async fn open_in_txn(
    txn: &DatabaseTransaction,
    findings: &[(Uuid, Uuid, &Finding)],
    windows: &[Opening],
    now: DateTime<Utc>,
) -> Result<WrittenIds> {
    let backend = txn.get_database_backend();
    let rows = findings
        .iter()
        .zip(windows)
        .map(|((id, resource_id, finding), opening)| {
            let Window {
                last_seen_equal_at,
                first_seen_different_at,
                basis,
            } = opening.window;
            json!({
                "last_seen_equal_at": last_seen_equal_at.map(lists::time),
                "first_seen_different_at": first_seen_different_at.map(lists::time),
                "window_basis": basis.to_value(),
                "flapping": i32::from(opening.flapping),
                "id": lists::uuid(*id),
                "resource_id": lists::uuid(*resource_id),
                "kind": finding.kind.to_value(),
                "field": finding.field,
                "expected": lists::json(backend, &finding.expected),
                "actual": lists::json(backend, &finding.actual),
                "severity": finding.rating.severity.to_value(),
                "severity_rule": finding.rating.rule,
                "cause": Cause::stored(finding.kind, &finding.expected, &finding.actual),
            })
        });
    written_in_txn(txn, insert_open(backend), rows.collect(), Some(now)).await
}

/// Returns the statement that inserts open rows of parameter 1, opened at the time of parameter 2, unless a row of the
/// same field is open. The status must be a literal: from a bound parameter, SQLite never infers the partial index and
/// PostgreSQL not once it has a generic plan. The resources must be locked: their kind and region are copied.
pub fn insert_open(backend: DbBackend) -> String {
    let list = lists::rows(
        backend,
        &[
            ("id", Type::Uuid),
            ("resource_id", Type::Uuid),
            ("kind", Type::Text),
            ("field", Type::Text),
            ("expected", Type::Json),
            ("actual", Type::Json),
            ("severity", Type::Text),
            ("severity_rule", Type::Text),
            ("cause", Type::Text),
            ("last_seen_equal_at", Type::Time),
            ("first_seen_different_at", Type::Time),
            ("window_basis", Type::Text),
            ("flapping", Type::Integer),
        ],
    );
    format!(
        "INSERT INTO \"cloud_drift\" \
         (id, resource_id, kind, field, expected, actual, severity, severity_rule, revision, status, detected_at, \
         resource_kind, resource_region, cause, cause_revision, last_seen_equal_at, first_seen_different_at, \
         window_basis, flapping) \
         SELECT v.id, v.resource_id, v.kind, v.field, v.expected, v.actual, v.severity, v.severity_rule, 1, 'open', $2, \
         r.kind, r.region, v.cause, CASE WHEN v.cause IS NULL THEN 0 ELSE 1 END, v.last_seen_equal_at, \
         v.first_seen_different_at, v.window_basis, coalesce(v.flapping, 0) = 1 \
         FROM {list} LEFT JOIN cloud_resources AS r ON r.id = v.resource_id WHERE true \
         ON CONFLICT (resource_id, field) WHERE status = 'open' DO NOTHING RETURNING {RETURNED}"
    )
}

/// Writes new values into open drifts. Returns those that were still open.
async fn update_in_txn(txn: &DatabaseTransaction, findings: &[(Uuid, i32, &Finding)]) -> Result<WrittenIds> {
    let backend = txn.get_database_backend();
    let rows = findings.iter().map(|(id, revision, finding)| {
        json!({
            "id": lists::uuid(*id),
            "revision": revision,
            "expected": lists::json(backend, &finding.expected),
            "actual": lists::json(backend, &finding.actual),
            "severity": finding.rating.severity.to_value(),
            "severity_rule": finding.rating.rule,
            "cause": Cause::stored(finding.kind, &finding.expected, &finding.actual),
        })
    });
    let list = lists::rows(
        backend,
        &[
            ("id", Type::Uuid),
            ("revision", Type::Integer),
            ("expected", Type::Json),
            ("actual", Type::Json),
            ("severity", Type::Text),
            ("severity_rule", Type::Text),
            ("cause", Type::Text),
        ],
    );
    let is_open = open_in_list(txn.get_database_backend());
    let sql = format!(
        "UPDATE \"cloud_drift\" SET expected = v.expected, actual = v.actual, revision = v.revision, \
         severity = v.severity, severity_rule = v.severity_rule, cause = v.cause, cause_revision = v.revision \
         FROM {list} WHERE cloud_drift.id = v.id AND {is_open} RETURNING {RETURNED}"
    );
    written_in_txn(txn, sql, rows.collect(), None).await
}

/// Writes severities into open drifts, without events: neither value has changed.
async fn rate_in_txn(txn: &DatabaseTransaction, ratings: &[(Uuid, Rating)]) -> Result<WrittenIds> {
    let rows = ratings.iter().map(|(id, rating)| {
        json!({
            "id": lists::uuid(*id),
            "severity": rating.severity.to_value(),
            "severity_rule": rating.rule,
        })
    });
    let list = lists::rows(
        txn.get_database_backend(),
        &[
            ("id", Type::Uuid),
            ("severity", Type::Text),
            ("severity_rule", Type::Text),
        ],
    );
    let is_open = open_in_list(txn.get_database_backend());
    let sql = format!(
        "UPDATE \"cloud_drift\" SET severity = v.severity, severity_rule = v.severity_rule FROM {list} \
         WHERE cloud_drift.id = v.id AND {is_open} RETURNING {RETURNED}"
    );
    written_in_txn(txn, sql, rows.collect(), None).await
}

/// Closes open drifts as stale. Returns those that were still open.
async fn close_in_txn(
    txn: &DatabaseTransaction,
    drifts: &[(Uuid, CloseReason, Option<Uuid>)],
    now: DateTime<Utc>,
) -> Result<WrittenIds> {
    let list = lists::rows(
        txn.get_database_backend(),
        &[("id", Type::Uuid), ("reason", Type::Text), ("rule", Type::Uuid)],
    );
    let is_open = open_in_list(txn.get_database_backend());
    let sql = format!(
        "UPDATE \"cloud_drift\" SET status = 'stale', resolved_at = $2, close_reason = v.reason, \
         closed_by_rule = v.rule FROM {list} \
         WHERE cloud_drift.id = v.id AND {is_open} RETURNING {RETURNED}"
    );
    let rows = drifts.iter().map(|(id, reason, rule)| {
        json!({ "id": lists::uuid(*id), "reason": reason.to_value(), "rule": rule.map(lists::uuid) })
    });
    written_in_txn(txn, sql, rows.collect(), Some(now)).await
}

/// Closes open drifts as reverted whose live value equals the expected one again, if a user noted the intent. Returns
/// those.
async fn revert_in_txn(
    txn: &DatabaseTransaction,
    drifts: &[(Uuid, CloseReason, Option<Uuid>)],
    now: DateTime<Utc>,
) -> Result<WrittenIds> {
    let list = lists::rows(txn.get_database_backend(), &[("id", Type::Uuid)]);
    let is_open = open_in_list(txn.get_database_backend());
    let sql = format!(
        "UPDATE \"cloud_drift\" SET status = 'reverted', resolved_at = $2, close_reason = 'reverted', \
         resolved_by = reverting_by, resolution_note = reverting_note FROM {list} \
         WHERE cloud_drift.id = v.id AND {is_open} AND cloud_drift.reverting_by IS NOT NULL \
         RETURNING {RETURNED}"
    );
    let put_back = |reason| matches!(reason, CloseReason::Healed | CloseReason::ResourceReturned);
    let rows = drifts.iter().filter(|(_, reason, _)| put_back(*reason));
    let rows = rows.map(|(id, ..)| json!({ "id": lists::uuid(*id) }));
    written_in_txn(txn, sql, rows.collect(), Some(now)).await
}

/// Notes or withdraws the intent to put the live value of a locked open drift back, with its event.
pub(crate) async fn note_revert_in_txn(
    txn: &DatabaseTransaction,
    drift: drift::Model,
    (actor, note): (&str, Option<&str>),
    is_reverting: bool,
    now: DateTime<Utc>,
) -> Result<drift::Model> {
    let mut data = drift_data(drift.id, &drift.field);
    if let (Some(data), Some(note)) = (data.as_object_mut(), note) {
        data.insert("reason".to_owned(), note.into());
    }
    let event_type = match is_reverting {
        true => EventType::RevertMarked,
        false => EventType::RevertUnmarked,
    };
    let noted = event(drift.resource_id, event_type, data);
    let mut row = drift.into_active_model();
    row.reverting_at = Set(is_reverting.then_some(now));
    row.reverting_by = Set(is_reverting.then(|| actor.to_owned()));
    row.reverting_note = Set(note.filter(|_| is_reverting).map(str::to_owned));
    let drift = row.update(txn).await?;
    events::append_in_txn(txn, vec![noted], actor, now).await?;
    Ok(drift)
}

/// Returns the condition that a drift, which a statement joins to a list by its id, is open. The sign keeps SQLite from walking
/// the index of all open drifts, and reading the whole list for each of them.
fn open_in_list(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Sqlite => "+cloud_drift.status = 'open'",
        _ => "cloud_drift.status = 'open'",
    }
}

/// Runs a statement that writes a list of rows, and returns those that it wrote.
pub(super) async fn written_in_txn(
    txn: &DatabaseTransaction,
    sql: String,
    rows: Vec<Value>,
    now: Option<DateTime<Utc>>,
) -> Result<WrittenIds> {
    if rows.is_empty() {
        return Ok(WrittenIds::new());
    }
    let rows = Value::Array(rows).to_string();
    let values = std::iter::once(rows.into()).chain(now.map(Into::into));
    let statement = Statement::from_sql_and_values(txn.get_database_backend(), sql, values);
    let written = txn.query_all_raw(statement).await?;
    Ok(written
        .iter()
        // An address that does not decode, which another program may have written, is none.
        .map(|row| {
            Ok((
                row.try_get_by_index(0)?,
                column(row, "", "address").unwrap_or_default(),
            ))
        })
        .collect::<std::result::Result<_, DbErr>>()?)
}

/// Makes PostgreSQL count the drifts. Sessions keep the plans of their statements until then: plans from when the table was
/// empty sort all open drifts for each page. The automatic analysis of PostgreSQL comes a minute later, if it is on.
///
/// A failure is logged, because it only leaves pages slow.
pub(crate) async fn analyze(db: &Db) {
    if db.backend() != DbBackend::Postgres {
        return;
    }
    let analyze = |txn: Arc<DatabaseTransaction>| async move {
        txn.execute_unprepared("ANALYZE cloud_drift").await?;
        Ok(())
    };
    if let Err(error) = db.write_txn(analyze).await {
        tracing::warn!(%error, "the table of drifts is not analyzed: pages may be slow");
    }
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

/// Adds the Terraform address of the resource to the data of an event.
fn with_address(mut data: Value, address: Option<&str>) -> Value {
    if let (Some(data), Some(address)) = (data.as_object_mut(), address) {
        data.insert("address".to_owned(), address.into());
    }
    data
}

/// Returns the data of an event. The expected value of a missing resource is its whole spec, which is not logged.
fn finding_data(drift: Uuid, finding: &Finding) -> Value {
    if finding.field == WHOLE_RESOURCE {
        return drift_data(drift, &finding.field);
    }
    json!({ "driftId": drift, "field": finding.field, "expected": finding.expected, "actual": finding.actual })
}

//! Snoozes: they leave open drifts out of the inbox for a while. Whether a drift is snoozed is a column, so that no answer
//! depends on the time at which it is read: [`end_due`] writes the end of a snooze whose time has passed. A change of a
//! value, or the closing of the drift, ends a snooze in the transaction of that change, by a trigger of the database;
//! `log_ended_in_txn` then writes the event.

use chrono::{DateTime, Utc};
use entity::cloud_drift as drift;
use entity::cloud_resource_events::{self as log, EventType};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, ConnectionTrait as _, EntityTrait as _,
    IntoActiveModel as _, QueryFilter as _, QueryOrder as _, QueryResult, Statement,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::events::{self, NewEvent, SYSTEM};
use super::locks;
use crate::db::{DatabaseTransaction, Db, column, decodable, lists};
use crate::domain::snooze::{Outdated, Snooze, SnoozeEnd, check_seen};
use crate::domain::validation::{MAX_TEXT_BYTES, check_text};
use crate::error::{Error, Result};

/// Maximum number of snoozes that one transaction ends.
const BATCH: u64 = 500;

/// The detail of an event that names the bulk whose undo has caused it.
const UNDONE: &str = "undoneBulkId";

/// The columns of a snooze, emptied.
const CLEARED: &str = "snoozed = false, snoozed_at = NULL, snoozed_by = NULL, snoozed_until = NULL, \
     snoozed_until_change = false, snooze_reason = NULL, snooze_bulk_id = NULL";

impl From<Outdated> for Error {
    fn from(outdated: Outdated) -> Self {
        match outdated {
            Outdated::Closed(status) => Self::AlreadyResolved(status),
            Outdated::Moved { actual, revision } => Self::LiveValueMoved {
                actual,
                revision,
                status: drift::DriftStatus::Open,
            },
        }
    }
}

/// A decision to snooze a drift.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snoozing<'a> {
    /// The person who decides.
    pub(super) actor: &'a str,
    /// The reason.
    pub(super) reason: Option<&'a str>,
    /// When the snooze ends.
    pub(super) snooze: Snooze,
    /// The bulk that the decision is part of.
    pub(super) bulk: Option<Uuid>,
    /// The bulk whose undo restores this snooze.
    pub(super) undone: Option<Uuid>,
}

/// Snoozes an open drift as a decision of `actor`. It stays open. The snooze replaces an earlier one.
///
/// # Errors
///
/// NOT_FOUND if the drift does not exist; ALREADY_RESOLVED if it is not open; LIVE_VALUE_MOVED if it has another revision
/// than the one that the caller saw; BAD_USER_INPUT if the end or the reason is not valid.
pub async fn snooze_drift(
    db: &Db,
    (actor, reason): (&str, Option<&str>),
    (id, revision): (Uuid, Option<i32>),
    snooze: Snooze,
    now: DateTime<Utc>,
) -> Result<drift::Model> {
    check_text("reason", reason.unwrap_or_default(), MAX_TEXT_BYTES)?;
    snooze.check(now)?;
    let snoozing = Snoozing {
        actor,
        reason,
        snooze,
        bulk: None,
        undone: None,
    };
    db.write_txn(|txn| async move {
        let drift = locks::drift_in_txn(&txn, id).await?;
        check_seen(&drift, revision)?;
        snooze_in_txn(&txn, drift, snoozing, now).await
    })
    .await
}

/// Ends the snooze of a drift as a decision of `actor`. A drift that is not snoozed stays as it is.
///
/// # Errors
///
/// NOT_FOUND if the drift does not exist; BAD_USER_INPUT if the reason is not valid.
pub async fn unsnooze_drift(
    db: &Db,
    (actor, reason): (&str, Option<&str>),
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<drift::Model> {
    check_text("reason", reason.unwrap_or_default(), MAX_TEXT_BYTES)?;
    db.write_txn(|txn| async move {
        let drift = locks::drift_in_txn(&txn, id).await?;
        match drift.snoozed {
            true => unsnooze_in_txn(&txn, drift, (actor, reason), None, now).await,
            false => Ok(drift),
        }
    })
    .await
}

/// Snoozes a locked open drift, with its event.
pub(super) async fn snooze_in_txn(
    txn: &DatabaseTransaction,
    drift: drift::Model,
    snoozing: Snoozing<'_>,
    now: DateTime<Utc>,
) -> Result<drift::Model> {
    let Snoozing {
        actor,
        reason,
        snooze: Snooze { until, until_change },
        bulk,
        undone,
    } = snoozing;
    let mut data = Map::new();
    data.insert("untilChange".to_owned(), until_change.into());
    if let Some(until) = until {
        data.insert("until".to_owned(), json!(until));
    }
    if let Some(bulk) = bulk {
        data.insert("bulkId".to_owned(), bulk.to_string().into());
    }
    if let Some(undone) = undone {
        data.insert(UNDONE.to_owned(), undone.to_string().into());
    }
    let event = event_of(&drift, EventType::DriftSnoozed, data, reason);
    let mut row = drift.into_active_model();
    row.snoozed = Set(true);
    row.snoozed_at = Set(Some(now));
    row.snoozed_by = Set(Some(actor.to_owned()));
    row.snoozed_until = Set(until);
    row.snoozed_until_change = Set(until_change);
    row.snooze_reason = Set(reason.map(str::to_owned));
    row.snooze_bulk_id = Set(bulk);
    let drift = row.update(txn).await?;
    events::append_in_txn(txn, vec![event], actor, now).await?;
    Ok(drift)
}

/// Ends the snooze of a locked drift as a decision, with its event: that of a user, or the undo of the bulk `undone`.
pub(super) async fn unsnooze_in_txn(
    txn: &DatabaseTransaction,
    drift: drift::Model,
    (actor, reason): (&str, Option<&str>),
    undone: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<drift::Model> {
    let mut data = Map::new();
    data.insert("end".to_owned(), SnoozeEnd::User.word().into());
    if let Some(undone) = undone {
        data.insert(UNDONE.to_owned(), undone.to_string().into());
    }
    let event = event_of(&drift, EventType::SnoozeEnded, data, reason);
    let mut row = drift.into_active_model();
    clear(&mut row);
    let drift = row.update(txn).await?;
    events::append_in_txn(txn, vec![event], actor, now).await?;
    Ok(drift)
}

/// What became of the snooze of a bulk that a drift no longer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// It ended by itself.
    Ended,
    /// The bulk was undone.
    Undone,
    /// Someone ended it, or made another snooze.
    DecidedAgain,
}

/// Reads from the log what became of the snooze of a bulk, which began at `from`, of a drift that is not snoozed.
pub(super) async fn since_bulk_in_txn(
    txn: &DatabaseTransaction,
    drift: &drift::Model,
    bulk: Uuid,
    from: DateTime<Utc>,
) -> Result<Since> {
    let select = log::Entity::find()
        .filter(log::Column::ResourceId.eq(drift.resource_id))
        .filter(log::Column::EventType.is_in([EventType::DriftSnoozed, EventType::SnoozeEnded]))
        .filter(log::Column::OccurredAt.gte(from))
        .order_by_desc(log::Column::OccurredAt)
        .order_by_desc(log::Column::Id);
    for event in decodable(select, txn).await?.0 {
        let id = |name: &str| {
            event
                .data
                .get(name)
                .and_then(|id| Uuid::try_parse(id.as_str()?).ok())
        };
        let is_user = || event.data.get("end") == Some(&SnoozeEnd::User.word().into());
        if id("driftId") != Some(drift.id) {
            continue;
        }
        match (event.event_type, id(UNDONE)) {
            (_, Some(undone)) if undone == bulk => return Ok(Since::Undone),
            // The undo of another bulk.
            (_, Some(_)) => {}
            (EventType::DriftSnoozed, None) if id("bulkId") == Some(bulk) => break,
            (EventType::DriftSnoozed, None) => return Ok(Since::DecidedAgain),
            (_, None) if is_user() => return Ok(Since::DecidedAgain),
            _ => {}
        }
    }
    Ok(Since::Ended)
}

/// Returns the event of the end of the snooze of a drift that is being closed, if it is snoozed.
pub(super) fn closed_event(drift: &drift::Model) -> Option<NewEvent> {
    drift.snoozed_at?;
    let mut data = Map::new();
    data.insert("end".to_owned(), SnoozeEnd::Closed.word().into());
    Some(event_of(drift, EventType::SnoozeEnded, data, None))
}

/// Empties the columns of a snooze.
pub(super) fn clear(row: &mut drift::ActiveModel) {
    row.snoozed = Set(false);
    row.snoozed_at = Set(None);
    row.snoozed_by = Set(None);
    row.snoozed_until = Set(None);
    row.snoozed_until_change = Set(false);
    row.snooze_reason = Set(None);
    row.snooze_bulk_id = Set(None);
}

/// Returns an event about a drift, with the reason of a user.
pub(super) fn event_of(
    drift: &drift::Model,
    event_type: EventType,
    mut data: Map<String, Value>,
    reason: Option<&str>,
) -> NewEvent {
    data.insert("driftId".to_owned(), json!(drift.id));
    data.insert("field".to_owned(), drift.field.as_str().into());
    if let Some(reason) = reason {
        data.insert("reason".to_owned(), reason.into());
    }
    NewEvent {
        resource_id: drift.resource_id,
        event_type,
        data: Value::Object(data),
    }
}

/// Ends the snoozes whose time has passed, in batches, and logs those that a server of another release ended. Returns
/// their number. Without such snoozes, one statement looks them up in two small indexes.
///
/// # Errors
///
/// The database is unavailable.
pub async fn end_due(db: &Db, now: DateTime<Utc>) -> Result<u64> {
    let sql = "SELECT 1 WHERE EXISTS (SELECT 1 FROM cloud_drift WHERE snoozed AND snoozed_until <= $1) \
         OR EXISTS (SELECT 1 FROM cloud_drift WHERE snoozed_at IS NOT NULL AND NOT snoozed)";
    let any = Statement::from_sql_and_values(db.backend(), sql, [now.into()]);
    if db.reader().query_one_raw(any).await?.is_none() {
        return Ok(0);
    }
    let mut ended = 0;
    loop {
        let batch = db
            .write_txn(|txn| async move { end_due_in_txn(&txn, now).await })
            .await?;
        ended += batch;
        if batch < BATCH {
            return Ok(ended);
        }
    }
}

/// Ends one batch of snoozes. Another server may do so at the same time, or a user may snooze a drift again: the condition is
/// read again under the lock of each row. PostgreSQL then reads only that of the update again, not that of the selection.
async fn end_due_in_txn(txn: &DatabaseTransaction, now: DateTime<Utc>) -> Result<u64> {
    let end = format!(
        "UPDATE cloud_drift SET {CLEARED} WHERE snoozed AND snoozed_until <= $1 AND id IN (SELECT d.id FROM cloud_drift AS d \
         WHERE d.snoozed AND d.snoozed_until <= $1 ORDER BY d.snoozed_until LIMIT {BATCH}) \
         RETURNING id, resource_id, field, status"
    );
    let end = Statement::from_sql_and_values(txn.get_database_backend(), end, [now.into()]);
    let ended = txn.query_all_raw(end).await?;
    let mut events = ended_events(&ended, Some(SnoozeEnd::Time));
    let unlogged = format!(
        "UPDATE cloud_drift SET {CLEARED} WHERE snoozed_at IS NOT NULL AND NOT snoozed AND id IN \
         (SELECT d.id FROM cloud_drift AS d WHERE d.snoozed_at IS NOT NULL AND NOT d.snoozed LIMIT {BATCH}) \
         RETURNING id, resource_id, field, status"
    );
    let unlogged = Statement::from_string(txn.get_database_backend(), unlogged);
    let unlogged = txn.query_all_raw(unlogged).await?;
    events.extend(ended_events(&unlogged, None));
    events::append_in_txn(txn, events, SYSTEM, now).await?;
    Ok(ended.len().max(unlogged.len()) as u64)
}

/// Writes an event for each of these drifts whose snooze was ended in this transaction, by a change or because the drift
/// was closed.
pub(super) async fn log_ended_in_txn(
    txn: &DatabaseTransaction,
    drifts: &[Uuid],
    now: DateTime<Utc>,
) -> Result<()> {
    if drifts.is_empty() {
        return Ok(());
    }
    let backend = txn.get_database_backend();
    let sql = format!(
        "UPDATE cloud_drift SET {CLEARED} WHERE snoozed_at IS NOT NULL AND NOT snoozed AND id {} \
         RETURNING id, resource_id, field, status",
        lists::in_list(backend)
    );
    let statement =
        Statement::from_sql_and_values(backend, sql, [lists::ids(backend, drifts.iter().copied())]);
    let ended = txn.query_all_raw(statement).await?;
    events::append_in_txn(txn, ended_events(&ended, None), SYSTEM, now).await
}

/// Returns the events of ended snoozes. Without `end`, the status says whether the drift was closed or has changed. A row
/// that does not decode, which another program may have written, has no event.
fn ended_events(rows: &[QueryResult], end: Option<SnoozeEnd>) -> Vec<NewEvent> {
    let event = |row: &QueryResult| {
        let is_open = column::<String>(row, "", "status").ok()? == "open";
        let end = end.unwrap_or(match is_open {
            true => SnoozeEnd::Change,
            false => SnoozeEnd::Closed,
        });
        let id: Uuid = column(row, "", "id").ok()?;
        let field: String = column(row, "", "field").ok()?;
        Some(NewEvent {
            resource_id: column(row, "", "resource_id").ok()?,
            event_type: EventType::SnoozeEnded,
            data: json!({ "driftId": id, "field": field, "end": end.word() }),
        })
    };
    rows.iter().filter_map(event).collect()
}

//! Snoozes and assigns the drifts of a bulk, and restores what was before.

use chrono::{DateTime, Utc};
use entity::bulk_items as items;
use entity::bulks;
use entity::cloud_drift::{self as drift, DriftStatus};
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use super::Action;
use super::items::refused;
use crate::db::{DatabaseTransaction, lists};
use crate::domain::snooze::{Snooze, check_seen};
use crate::domain::undo::UndoRefusal;
use crate::error::{Error, Result};
use crate::services::snoozes::{Since, Snoozing, since_bulk_in_txn, snooze_in_txn, unsnooze_in_txn};
use crate::services::{assignments, locks};

/// Snoozes or assigns a drift as it is in the preview, and returns what became of it for [`super::items::record_in_txn`].
pub(super) async fn decide_in_txn(
    txn: &DatabaseTransaction,
    bulk: &bulks::Model,
    action: &Action,
    item: &items::Model,
    now: DateTime<Utc>,
) -> Result<Value> {
    let drift = match locks::drift_in_txn(txn, item.drift_id).await {
        Err(error @ (Error::NotFound(_) | Error::Internal(_))) => return Ok(refused(item.drift_id, &error)),
        drift => drift?,
    };
    if let Err(outdated) = check_seen(&drift, Some(item.revision)) {
        return Ok(refused(item.drift_id, &outdated.into()));
    }
    let before = match action {
        Action::Snooze(snooze) if !snooze.lasts(now) => {
            let passed = Error::BadUserInput("the end of the snooze has passed".to_owned());
            return Ok(refused(item.drift_id, &passed));
        }
        Action::Snooze(snooze) => {
            let before = json!({ "snooze": Snooze::of(&drift), "reason": drift.snooze_reason });
            let snoozing = Snoozing {
                actor: &bulk.actor,
                reason: bulk.note.as_deref(),
                snooze: *snooze,
                bulk: Some(bulk.id),
                undone: None,
            };
            snooze_in_txn(txn, drift, snoozing, now).await?;
            before
        }
        Action::Assign(assignee) => {
            let before = json!({ "assignee": drift.assignee });
            let by = (bulk.actor.as_str(), bulk.note.as_deref());
            assignments::assign_in_txn(txn, drift, by, assignee.as_deref(), now).await?;
            before
        }
        Action::Accept | Action::Ignore(_) => {
            return Err(Error::Internal(
                "this action is not done drift by drift".to_owned(),
            ));
        }
    };
    Ok(json!({
        "drift_id": lists::uuid(item.drift_id),
        "outcome": "done",
        "before": lists::json(txn.get_database_backend(), &before),
    }))
}

/// Restores the snooze or the assignee that a drift had before a bulk. A drift that is as before stays as it is.
///
/// # Errors
///
/// NOT_FOUND if the drift does not exist; ALREADY_RESOLVED if it is closed; NOT_UNDOABLE if another decision was made since.
pub(in crate::services) async fn restore_in_txn(
    txn: &DatabaseTransaction,
    (bulk, action): (&bulks::Model, &Action),
    item: &items::Model,
    by: (&str, Option<&str>),
    now: DateTime<Utc>,
) -> Result<()> {
    let drift = locks::drift_in_txn(txn, item.drift_id).await?;
    if drift.status != DriftStatus::Open {
        return Err(Error::AlreadyResolved(drift.status));
    }
    let before = item.before.clone().unwrap_or_default();
    match action {
        Action::Snooze(_) => restore_snooze_in_txn(txn, bulk, drift, (item.revision, &before), by, now).await,
        Action::Assign(assignee) => {
            let assigned = drift.assignee.as_deref();
            let restored = before.get("assignee").and_then(Value::as_str);
            if assigned != assignee.as_deref() && assigned != restored {
                return Err(Error::NotUndoable(UndoRefusal::DecidedAgain));
            }
            assignments::assign_in_txn(txn, drift, by, restored, now).await?;
            Ok(())
        }
        Action::Accept | Action::Ignore(_) => Err(Error::Internal(
            "this action is not undone drift by drift".to_owned(),
        )),
    }
}

/// Restores the snooze before, if it would still last, also if that of the bulk has ended by itself. Otherwise the drift is not
/// snoozed any more.
async fn restore_snooze_in_txn(
    txn: &DatabaseTransaction,
    bulk: &bulks::Model,
    drift: drift::Model,
    (revision, before): (i32, &Value),
    by: (&str, Option<&str>),
    now: DateTime<Utc>,
) -> Result<()> {
    let snooze: Option<Snooze> = before
        .get("snooze")
        .and_then(|snooze| serde_json::from_value(snooze.clone()).ok());
    if !drift.snoozed {
        let from = bulk.started_at.unwrap_or(bulk.created_at);
        match since_bulk_in_txn(txn, &drift, bulk.id, from).await? {
            Since::Ended => {}
            Since::Undone => return Ok(()),
            Since::DecidedAgain => return Err(Error::NotUndoable(UndoRefusal::DecidedAgain)),
        }
    } else if drift.snooze_bulk_id != Some(bulk.id) {
        // Undone before.
        return match Snooze::of(&drift) == snooze {
            true => Ok(()),
            false => Err(Error::NotUndoable(UndoRefusal::DecidedAgain)),
        };
    }
    let has_moved = drift.revision != revision;
    let lasting = snooze.filter(|snooze| snooze.lasts(now) && !(snooze.until_change && has_moved));
    match lasting {
        Some(snooze) => {
            let snoozing = Snoozing {
                actor: by.0,
                reason: before.get("reason").and_then(Value::as_str),
                snooze,
                bulk: None,
                undone: Some(bulk.id),
            };
            snooze_in_txn(txn, drift, snoozing, now).await?;
        }
        None if drift.snoozed => {
            unsnooze_in_txn(txn, drift, by, Some(bulk.id), now).await?;
        }
        None => {}
    }
    Ok(())
}

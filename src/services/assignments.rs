//! Assignees: the user who takes care of an open drift.

use chrono::{DateTime, Utc};
use entity::cloud_drift as drift;
use entity::cloud_resource_events::EventType;
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, IntoActiveModel as _};
use serde_json::Map;
use uuid::Uuid;

use super::{events, locks, snoozes};
use crate::db::{DatabaseTransaction, Db};
use crate::domain::snooze::check_seen;
use crate::domain::validation::check_text;
use crate::error::{Error, Result};

/// Maximum length of an assignee in bytes: that of an email address.
const LONGEST: usize = 254;

/// Checks the name or email address of an assignee.
///
/// # Errors
///
/// BAD_USER_INPUT if it is empty or too long, or cannot be stored.
pub(super) fn check(assignee: &str) -> Result<()> {
    check_text("assignee", assignee, LONGEST)?;
    match assignee.trim() == assignee && !assignee.is_empty() {
        true => Ok(()),
        false => Err(Error::BadUserInput(
            "assignee must not be empty, nor begin or end with a space".to_owned(),
        )),
    }
}

/// Assigns an open drift to a user, or to no user, as a decision of `actor`.
///
/// # Errors
///
/// NOT_FOUND if the drift does not exist; ALREADY_RESOLVED if it is not open; BAD_USER_INPUT if the assignee is not valid.
pub async fn assign_drift(
    db: &Db,
    actor: &str,
    id: Uuid,
    assignee: Option<&str>,
    now: DateTime<Utc>,
) -> Result<drift::Model> {
    assignee.map_or(Ok(()), check)?;
    db.write_txn(|txn| async move {
        let drift = locks::drift_in_txn(&txn, id).await?;
        check_seen(&drift, None)?;
        assign_in_txn(&txn, drift, (actor, None), assignee, now).await
    })
    .await
}

/// Assigns a locked drift, with its event. Nothing is written if it has this assignee already. `by` is the person who
/// decides, with the reason.
pub(super) async fn assign_in_txn(
    txn: &DatabaseTransaction,
    drift: drift::Model,
    by: (&str, Option<&str>),
    assignee: Option<&str>,
    now: DateTime<Utc>,
) -> Result<drift::Model> {
    if drift.assignee.as_deref() == assignee {
        return Ok(drift);
    }
    let mut data = Map::new();
    let event_type = match assignee {
        Some(_) => EventType::DriftAssigned,
        None => EventType::DriftUnassigned,
    };
    if let Some(named) = assignee.or(drift.assignee.as_deref()) {
        data.insert("assignee".to_owned(), named.into());
    }
    let event = snoozes::event_of(&drift, event_type, data, by.1);
    let mut row = drift.into_active_model();
    row.assignee = Set(assignee.map(str::to_owned));
    let drift = row.update(txn).await?;
    events::append_in_txn(txn, vec![event], by.0, now).await?;
    Ok(drift)
}

//! The intent to put live values back. This program changes nothing in the cloud: a person does, and a later sweep closes
//! the drift as reverted.

use chrono::{DateTime, Utc};
use entity::cloud_drift::{self as drift, DriftStatus};
use uuid::Uuid;

use super::drift_rows;
use super::locks;
use crate::db::Db;
use crate::domain::actor::Actor;
use crate::domain::validation::{MAX_TEXT_BYTES, check_text};
use crate::error::{Error, Result};

/// The result of noting or withdrawing an intent.
#[derive(Clone, Debug)]
pub struct Noted {
    /// The drift, which is open.
    pub drift: drift::Model,
    /// Whether an earlier, equal call has done it, and nothing has changed now.
    pub replayed: bool,
}

/// Notes, as a decision of `actor`, that the live value of an open drift is being put back; or withdraws the intent if
/// `is_reverting` is false. A call that repeats an earlier one of the same actor with the same note changes nothing, and
/// neither does the withdrawal of an intent that was not noted. Callers without an email cannot be told apart, so each of
/// their calls notes the intent again.
///
/// # Errors
///
/// NOT_FOUND if the drift does not exist; ALREADY_RESOLVED if it is not open; BAD_USER_INPUT if the note is not valid.
pub async fn note_revert(
    db: &Db,
    (actor, note): (&str, Option<&str>),
    id: Uuid,
    is_reverting: bool,
    now: DateTime<Utc>,
) -> Result<Noted> {
    if let Some(note) = note {
        check_text("note", note, MAX_TEXT_BYTES)?;
    }
    db.write_txn(|txn| async move {
        let drift = locks::drift_in_txn(&txn, id).await?;
        if drift.status != DriftStatus::Open {
            return Err(Error::AlreadyResolved(drift.status));
        }
        let replayed = match is_reverting {
            true => {
                drift.reverting_by.as_deref() == Some(actor)
                    && drift.reverting_note.as_deref() == note
                    && !Actor::is_shared_name(actor)
            }
            false => drift.reverting_by.is_none(),
        };
        let drift = match replayed {
            true => drift,
            false => drift_rows::note_revert_in_txn(&txn, drift, (actor, note), is_reverting, now).await?,
        };
        Ok(Noted { drift, replayed })
    })
    .await
}

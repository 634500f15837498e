//! Accepts of some members of a list: the others still differ.

use chrono::{DateTime, Utc};
use entity::cloud_drift::{self, DriftKind, DriftStatus};
use serde_json::Value;
use uuid::Uuid;

use super::warning_in_txn;
use super::{
    Accepted, Decision, accept_of_resource_in_txn, locked_pair_in_txn, refused_in_txn, resource_of_in_txn,
};
use crate::db::{DatabaseTransaction, Db};
use crate::domain::acceptance::{Acceptance, decide_accept};
use crate::domain::compare::live_value;
use crate::domain::imports::owning_state;
use crate::domain::members::{MembersRefusal, accept_members};
use crate::domain::not_compared::NotCompared;
use crate::domain::redaction;
use crate::domain::validation::{MAX_TEXT_BYTES, check_text};
use crate::error::{Error, Result};
use crate::services::detection::compare_locked_in_txn;
use crate::services::drift_rows::{self, Accepting};
use crate::services::locks;
use crate::services::provisioning;

/// Maximum number of members that one request accepts.
pub const MAX_MEMBERS: usize = 1_000;

/// A request to accept some members of a list.
#[derive(Clone, Debug)]
pub struct AcceptMembers {
    /// Id of the drift.
    pub drift_id: Uuid,
    /// The revision that the caller saw.
    pub revision: i32,
    /// The members, each of which only one of both lists has.
    pub members: Vec<Value>,
    /// The reason for the decision.
    pub note: Option<String>,
}

/// What became of the drift.
#[derive(Clone, Debug)]
pub struct MembersAccepted {
    /// The accept, which can be undone. Its drift is the record of the accepted members, or the drift itself if no member is
    /// left.
    pub accepted: Accepted,
    /// The drift with the members that are left; None if it is closed.
    pub open: Option<cloud_drift::Model>,
}

/// Accepts members of a list as a decision of `actor`. The drift stays open with the others, and a closed drift records
/// the accepted ones. If no other member is left, the drift itself is accepted.
///
/// # Errors
///
/// BAD_USER_INPUT if the values are not lists, if a member is in both of them or in none, or if the note is not valid; and
/// the errors of an accept.
pub async fn accept_members_of(
    db: &Db,
    actor: &str,
    accept: &AcceptMembers,
    now: DateTime<Utc>,
) -> Result<MembersAccepted> {
    if let Some(note) = &accept.note {
        check_text("note", note, MAX_TEXT_BYTES)?;
    }
    if accept.members.is_empty() || accept.members.len() > MAX_MEMBERS {
        return Err(Error::BadUserInput(format!(
            "members must have 1 to {MAX_MEMBERS} values"
        )));
    }
    // The transaction returns LIVE_VALUE_MOVED as a value, because the updated drift must be committed nevertheless.
    db.write_txn(|txn| async move { accept_in_txn(&txn, actor, accept, now).await })
        .await?
}

async fn accept_in_txn(
    txn: &DatabaseTransaction,
    actor: &str,
    accept: &AcceptMembers,
    now: DateTime<Utc>,
) -> Result<Result<MembersAccepted>> {
    let decision = Decision {
        actor,
        note: accept.note.as_deref(),
        bulk: None,
        now,
    };
    let resource_id = resource_of_in_txn(txn, accept.drift_id).await?;
    let Some(mut pair) = locked_pair_in_txn(txn, resource_id).await? else {
        return Ok(Err(Error::SpecMoved));
    };
    let drift = locks::drift_in_txn(txn, accept.drift_id).await?;
    pair.open = vec![drift.clone()];
    match decide_accept(&drift, &pair, Some(accept.revision), now) {
        Ok(Acceptance::Adopt(_)) => {}
        Ok(Acceptance::Retire) => return Err(not_lists()),
        Err(refusal) => return Ok(Err(refused_in_txn(txn, drift, refusal, now).await?)),
    }
    if drift.kind == DriftKind::Missing || redaction::hides(drift.expected.as_ref(), drift.actual.as_ref()) {
        return Err(not_lists());
    }
    let live = live_value(&pair.resource, &drift.field).map_or(Value::Null, |value| value.into_owned());
    let expected = pair.spec.spec.get(&drift.field).cloned().unwrap_or_default();
    let not_compared = NotCompared::of(&pair.spec);
    let made =
        accept_members(&drift.field, [&expected, &live], &not_compared, &accept.members).map_err(refused)?;
    if made.is_all {
        let seen = [(drift.id, Some(accept.revision))];
        let done = accept_of_resource_in_txn(txn, decision, resource_id, &seen).await?;
        return Ok(done
            .only()?
            .map(|accepted| MembersAccepted { accepted, open: None }));
    }
    let before = pair.spec.clone();
    let mut desired = before.spec.clone();
    if let Some(spec) = desired.as_object_mut() {
        spec.insert(drift.field.clone(), made.expected.clone());
    }
    let owner = owning_state(&before).is_some().then(|| before.clone());
    let warning = match &owner {
        Some(spec) => Some(warning_in_txn(txn, spec, drift.kind).await?),
        None => None,
    };
    let next = (desired, Some(drift.field.as_str()));
    let by = (decision.actor, decision.note);
    let spec = provisioning::replace_in_txn(txn, before, next, by, now).await?;
    let accepting = Accepting {
        actor: decision.actor,
        note: decision.note,
        is_retired: false,
        spec_version: spec.spec_version,
        address: spec.address.as_deref(),
        bulk: None,
    };
    let record = drift_rows::accept_part_in_txn(txn, &drift, made.expected, accepting, now).await?;
    let decided = (actor, std::slice::from_ref(&record));
    compare_locked_in_txn(txn, pair.resource, &spec, decided, now).await?;
    let left = locks::drift_in_txn(txn, drift.id).await?;
    Ok(Ok(MembersAccepted {
        accepted: Accepted {
            drift: record,
            owned_by: owner.map(|_| spec.clone()),
            provisioned: Some(spec),
            warning,
            replayed: false,
        },
        // An ignore rule may cover all that is left.
        open: Some(left).filter(|left| left.status == DriftStatus::Open),
    }))
}

fn not_lists() -> Error {
    Error::BadUserInput("the values of this drift are not lists: accept it as a whole".to_owned())
}

fn refused(refusal: MembersRefusal) -> Error {
    match refusal {
        MembersRefusal::NotLists => not_lists(),
        MembersRefusal::NotDifferent(place) => Error::BadUserInput(format!(
            "members[{place}] is in both lists or in none: reload the drift"
        )),
    }
}

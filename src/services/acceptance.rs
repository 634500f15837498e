//! Accepts: they make the live value of a drift the expected one.

mod members;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::cloud_drift::{self, DriftKind, DriftStatus};
use entity::cloud_provisioned as provisioned;
use sea_orm::{EntityTrait, QuerySelect};
use serde_json::Value;
use uuid::Uuid;

pub use self::members::{AcceptMembers, MAX_MEMBERS, MembersAccepted, accept_members_of};
use super::drift_rows;
use super::ignore_rules;
use super::inventory;
use super::locks::{self, Lock};
use super::provisioning;
use super::retirement::retire_one_in_txn;
use super::spec_sources;
use crate::db::{DatabaseTransaction, Db};
use crate::domain::acceptance::{AcceptRefusal, Acceptance, decide_accept, is_repetition};
use crate::domain::detection::{Change, Pair};
use crate::domain::imports::{owning_state, state_name, will_be_undone};
use crate::domain::validation::{MAX_TEXT_BYTES, check_text};
use crate::error::{Error, Result};
use crate::provider::traits;

/// A request to accept a drift.
#[derive(Clone, Debug)]
pub struct AcceptDrift {
    /// Id of the drift.
    pub drift_id: Uuid,
    /// The revision that the caller saw; None accepts any revision.
    pub revision: Option<i32>,
    /// The reason for the decision.
    pub note: Option<String>,
}

/// The drift and the spec after an accept.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The accepted drift.
    pub drift: cloud_drift::Model,
    /// The new spec; None if it was retired.
    pub provisioned: Option<provisioned::Model>,
    /// The spec with its source, if a Terraform state owns it; the last version if it was retired.
    pub owned_by: Option<provisioned::Model>,
    /// What will undo the accept, if a Terraform state owns the spec.
    pub warning: Option<String>,
    /// Whether this is the answer to an earlier, equal accept.
    pub replayed: bool,
}

/// Accepts a drift as a decision of `actor`.
///
/// # Errors
///
/// NOT_FOUND if the drift does not exist; ALREADY_RESOLVED if it is not open; SPEC_MOVED if the spec no longer has its
/// expected value; LIVE_VALUE_MOVED if its revision or the live value has changed (the row of the drift is updated
/// nevertheless); BAD_USER_INPUT if the note or the new spec is not valid.
pub async fn accept_drift(
    db: &Db,
    actor: &str,
    accept: &AcceptDrift,
    now: DateTime<Utc>,
) -> Result<Accepted> {
    check_note(accept)?;
    // The transaction returns LIVE_VALUE_MOVED as a value, because the updated drift must be committed nevertheless.
    db.write_txn(|txn| async move { accept_in_txn(&txn, actor, accept, now).await })
        .await?
}

/// Accepts a drift like [`accept_drift`]. If the same actor has accepted it with the same revision, and the result of that
/// accept still stands, returns it again instead of ALREADY_RESOLVED, and changes nothing. So a caller that lost the first
/// answer can repeat the call. The first note stays.
///
/// # Errors
///
/// The same as those of [`accept_drift`].
pub async fn accept_drift_once(
    db: &Db,
    actor: &str,
    accept: &AcceptDrift,
    now: DateTime<Utc>,
) -> Result<Accepted> {
    check_note(accept)?;
    db.write_txn(|txn| async move {
        match repeated_in_txn(&txn, actor, accept).await? {
            Some(first) => Ok(Ok(first)),
            None => accept_in_txn(&txn, actor, accept, now).await,
        }
    })
    .await?
}

fn check_note(accept: &AcceptDrift) -> Result<()> {
    match &accept.note {
        Some(note) => Ok(check_text("note", note, MAX_TEXT_BYTES)?),
        None => Ok(()),
    }
}

/// Returns the result of an earlier accept that this one repeats, if it still stands. The locks make concurrent
/// repetitions wait for the first one.
async fn repeated_in_txn(
    txn: &DatabaseTransaction,
    actor: &str,
    accept: &AcceptDrift,
) -> Result<Option<Accepted>> {
    let resource_id = resource_of_in_txn(txn, accept.drift_id).await?;
    locks::resource_in_txn(txn, resource_id, Lock::Share).await?;
    let Some(spec) = locks::spec_in_txn(txn, resource_id, Lock::Update).await? else {
        return Ok(None);
    };
    let drift = locks::drift_in_txn(txn, accept.drift_id).await?;
    if !is_repetition(&drift, &spec, actor, accept.revision) {
        return Ok(None);
    }
    let is_owned = owning_state(&spec).is_some();
    let warning = match is_owned {
        true => Some(warning_in_txn(txn, &spec, drift.kind).await?),
        false => None,
    };
    Ok(Some(Accepted {
        drift,
        owned_by: is_owned.then(|| spec.clone()),
        provisioned: Some(spec).filter(|spec| spec.retired_at.is_none()),
        warning,
        replayed: true,
    }))
}

async fn accept_in_txn(
    txn: &DatabaseTransaction,
    actor: &str,
    accept: &AcceptDrift,
    now: DateTime<Utc>,
) -> Result<Result<Accepted>> {
    let resource_id = resource_of_in_txn(txn, accept.drift_id).await?;
    let decision = Decision {
        actor,
        note: accept.note.as_deref(),
        bulk: None,
        now,
    };
    let seen = [(accept.drift_id, accept.revision)];
    let done = accept_of_resource_in_txn(txn, decision, resource_id, &seen).await?;
    done.only()
}

/// Returns the id of the resource of a drift.
async fn resource_of_in_txn(txn: &DatabaseTransaction, drift: Uuid) -> Result<Uuid> {
    cloud_drift::Entity::find_by_id(drift)
        .select_only()
        .column(cloud_drift::Column::ResourceId)
        .into_tuple::<Uuid>()
        .one(txn)
        .await?
        .ok_or(Error::NotFound("drift"))
}

/// A decision to accept drifts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decision<'a> {
    /// The person who decides.
    pub(super) actor: &'a str,
    /// The reason.
    pub(super) note: Option<&'a str>,
    /// The bulk that the decision is part of.
    pub(super) bulk: Option<Uuid>,
    pub(super) now: DateTime<Utc>,
}

/// What became of the drifts of one resource.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    /// The drifts in the order of the request: accepted, or why not.
    pub(super) outcomes: Vec<(Uuid, Result<cloud_drift::Model>)>,
    /// The new spec; None if it was retired or nothing was accepted.
    pub(super) provisioned: Option<provisioned::Model>,
    /// The version that the accept made; 0 if nothing was accepted.
    version: i32,
    owned_by: Option<provisioned::Model>,
    warning: Option<String>,
}

impl Outcomes {
    /// Returns the outcome of the only drift of the request.
    fn only(self) -> Result<Result<Accepted>> {
        let none = || Error::Internal("an accept has no outcome".to_owned());
        let (_, outcome) = self.outcomes.into_iter().next().ok_or_else(none)?;
        Ok(outcome.map(|drift| Accepted {
            drift,
            provisioned: self.provisioned,
            owned_by: self.owned_by,
            warning: self.warning,
            replayed: false,
        }))
    }
}

/// Accepts those drifts of one resource that are as the caller saw them, with one new version of its spec. `seen` has
/// their ids in the order of their fields, with the revisions that the caller saw. A drift that has moved is brought up
/// to date, and no reason to leave the others.
///
/// # Errors
///
/// NOT_FOUND if the resource does not exist; BAD_USER_INPUT if the new spec is not valid.
pub(super) async fn accept_of_resource_in_txn(
    txn: &DatabaseTransaction,
    decision: Decision<'_>,
    resource_id: Uuid,
    seen: &[(Uuid, Option<i32>)],
) -> Result<Outcomes> {
    let mut done = Outcomes::default();
    let Some(mut pair) = locked_pair_in_txn(txn, resource_id).await? else {
        done.outcomes = seen.iter().map(|(id, _)| (*id, Err(Error::SpecMoved))).collect();
        return Ok(done);
    };
    let before = pair.spec.clone();
    let (mut accepted, mut retires) = (Vec::new(), false);
    for (id, revision) in seen {
        let drift = match locks::drift_in_txn(txn, *id).await {
            // Neither keeps the others from being accepted.
            Err(error @ (Error::NotFound(_) | Error::Internal(_))) => {
                done.outcomes.push((*id, Err(error)));
                continue;
            }
            drift => drift?,
        };
        pair.open = vec![drift.clone()];
        let refusal = match decide_accept(&drift, &pair, *revision, decision.now) {
            Ok(Acceptance::Adopt(desired)) => {
                pair.spec.spec = desired;
                None
            }
            Ok(Acceptance::Retire) => {
                retires = true;
                None
            }
            Err(refusal) => Some(refused_in_txn(txn, drift.clone(), refusal, decision.now).await?),
        };
        match refusal {
            // The row is replaced by the accepted one below.
            None => {
                accepted.push(drift.clone());
                done.outcomes.push((*id, Ok(drift)));
            }
            Some(error) => done.outcomes.push((*id, Err(error))),
        }
    }
    if let Some(first) = accepted.first() {
        let kind = first.kind;
        let owner = owning_state(&before).is_some().then(|| before.clone());
        if let Some(spec) = &owner {
            done.warning = Some(warning_in_txn(txn, spec, kind).await?);
        }
        let (provisioned, version) = write_in_txn(txn, decision, before, pair.spec.spec, retires).await?;
        (done.provisioned, done.version) = (provisioned, version);
        done.owned_by = owner.map(|before| done.provisioned.clone().unwrap_or(before));
    }
    close_in_txn(txn, decision, &mut done, accepted, pair.spec.address.as_deref()).await?;
    Ok(done)
}

/// Locks a resource and its spec, and returns them as a pair without drifts. Returns None if there is no spec.
async fn locked_pair_in_txn(txn: &DatabaseTransaction, resource_id: Uuid) -> Result<Option<Pair>> {
    let resource = locks::resource_in_txn(txn, resource_id, Lock::Share).await?;
    let Some(spec) = locks::spec_in_txn(txn, resource_id, Lock::Update).await? else {
        return Ok(None);
    };
    Ok(Some(Pair {
        traits: traits::rules(&resource.provider, &resource.kind),
        listed_at: inventory::listed_at(txn, &resource).await?,
        spec,
        resource,
        open: Vec::new(),
        rules: Arc::new(ignore_rules::in_force(txn).await?),
        ignored: Vec::new(),
    }))
}

/// Returns the error of a refused accept. A drift that has moved is brought up to date.
async fn refused_in_txn(
    txn: &DatabaseTransaction,
    drift: cloud_drift::Model,
    refusal: AcceptRefusal,
    now: DateTime<Utc>,
) -> Result<Error> {
    match refusal {
        AcceptRefusal::AlreadyResolved(status) => Ok(Error::AlreadyResolved(status)),
        AcceptRefusal::SpecMoved => Ok(Error::SpecMoved),
        AcceptRefusal::LiveValueMoved { actual, refresh } => {
            refresh_in_txn(txn, drift, refresh, actual, now).await
        }
    }
}

/// Writes the next version of a locked spec, or retires it. Returns the spec in force and the version that was made.
async fn write_in_txn(
    txn: &DatabaseTransaction,
    decision: Decision<'_>,
    before: provisioned::Model,
    desired: Value,
    retires: bool,
) -> Result<(Option<provisioned::Model>, i32)> {
    let (by, now) = ((decision.actor, decision.note), decision.now);
    if retires {
        return Ok((None, retire_one_in_txn(txn, before, by, now).await?));
    }
    let next = provisioning::replace_in_txn(txn, before, (desired, None), by, now).await?;
    let version = next.spec_version;
    Ok((Some(next), version))
}

/// Closes the accepted drifts, each with its event.
async fn close_in_txn(
    txn: &DatabaseTransaction,
    decision: Decision<'_>,
    done: &mut Outcomes,
    accepted: Vec<cloud_drift::Model>,
    address: Option<&str>,
) -> Result<()> {
    let accepting = drift_rows::Accepting {
        actor: decision.actor,
        note: decision.note,
        is_retired: done.provisioned.is_none(),
        spec_version: done.version,
        address,
        bulk: decision.bulk,
    };
    for drift in accepted {
        let drift = drift_rows::accept_in_txn(txn, drift, accepting, decision.now).await?;
        let place = done.outcomes.iter_mut().find(|(id, _)| *id == drift.id);
        if let Some((_, outcome)) = place {
            *outcome = Ok(drift);
        }
    }
    Ok(())
}

/// Returns what will undo the accept of a drift of a spec that a Terraform state owns.
async fn warning_in_txn(
    txn: &DatabaseTransaction,
    spec: &provisioned::Model,
    kind: DriftKind,
) -> Result<String> {
    let state = state_name(&spec.source).unwrap_or_default().to_owned();
    let instance = [(spec.resource_id, state.clone())];
    let is_of_plan = spec_sources::in_plans(txn, &instance)
        .await?
        .contains(&instance[0]);
    Ok(will_be_undone(&state, kind, is_of_plan))
}

/// Updates the row of the drift, and returns LIVE_VALUE_MOVED with its current values.
async fn refresh_in_txn(
    txn: &DatabaseTransaction,
    drift: cloud_drift::Model,
    refresh: Option<Change>,
    actual: Value,
    now: DateTime<Utc>,
) -> Result<Error> {
    let (revision, status) = match &refresh {
        Some(Change::Update { revision, .. }) => (*revision, DriftStatus::Open),
        Some(Change::Close { .. }) => (drift.revision, DriftStatus::Stale),
        // The other changes are not about this drift, or do not change its values.
        Some(_) | None => (drift.revision, drift.status),
    };
    if let Some(change) = refresh {
        drift_rows::write_in_txn(txn, &[(drift.resource_id, &change)], now).await?;
    }
    Ok(Error::LiveValueMoved {
        actual,
        revision,
        status,
    })
}

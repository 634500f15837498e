//! Decides whether a drift may be accepted, and how that changes the spec.
//!
//! A value is accepted only if the caller has seen it: the drift must match the current live value and the current
//! spec, and its revision must be the one that the caller saw.

use chrono::{DateTime, Utc};
use entity::cloud_drift::{self, DriftKind, DriftStatus};
use entity::cloud_provisioned;
use serde_json::Value;

use super::actor::Actor;
use super::compare::live_value;
use super::detection::{Change, Pair, plan, value_or_null};
use super::equality::loosely_equal;

/// The effect of an accept on the spec.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Acceptance {
    /// The live value becomes the expected one. Contains the new spec.
    Adopt(Value),
    /// The resource is missing, so its spec is retired.
    Retire,
}

/// The reason why an accept is refused.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AcceptRefusal {
    /// The drift is no longer open.
    AlreadyResolved(DriftStatus),
    /// The live value or the revision of the drift is not the one that the caller saw.
    LiveValueMoved {
        /// The current live value.
        actual: Value,
        /// The change that brings the drift up to date, if it is not.
        refresh: Option<Change>,
    },
    /// The expected value of the drift is no longer the one in the spec.
    SpecMoved,
}

/// Decides whether `drift` may be accepted, given its spec and resource. `seen_revision` is the revision that the
/// caller saw, if given.
///
/// # Errors
///
/// The reason why the accept is refused.
#[expect(
    clippy::result_large_err,
    reason = "there is at most one error per request, and the caller handles it immediately"
)]
pub(crate) fn decide_accept(
    drift: &cloud_drift::Model,
    pair: &Pair,
    seen_revision: Option<i32>,
    now: DateTime<Utc>,
) -> Result<Acceptance, AcceptRefusal> {
    if drift.status != DriftStatus::Open {
        return Err(AcceptRefusal::AlreadyResolved(drift.status));
    }
    let live = live_now(drift, pair);
    let is_other_revision = seen_revision.is_some_and(|seen| seen != drift.revision);
    if is_other_revision || is_outdated(drift, pair, &live) {
        return Err(AcceptRefusal::LiveValueMoved {
            actual: live,
            refresh: refresh(drift, pair, now),
        });
    }
    let desired = desired_now(drift, pair).ok_or(AcceptRefusal::SpecMoved)?;
    if !loosely_equal(desired, value_or_null(&drift.expected)) {
        return Err(AcceptRefusal::SpecMoved);
    }
    match (drift.kind, pair.spec.spec.as_object()) {
        (DriftKind::Missing, _) => Ok(Acceptance::Retire),
        (DriftKind::Changed, Some(spec)) => {
            let mut spec = spec.clone();
            // An unset live value becomes null, so that the field is still compared and must stay unset.
            spec.insert(drift.field.clone(), live);
            Ok(Acceptance::Adopt(Value::Object(spec)))
        }
        (DriftKind::Changed, None) => Err(AcceptRefusal::SpecMoved),
    }
}

/// Returns whether an accept by `actor` repeats the one that closed `drift`, and the result of that one still stands: the
/// spec is the version that it made. Then the caller, who may have lost the first answer, gets it again. An accept without
/// the revision that the caller saw is never a repetition, because it does not say which value it means. Nor is one by a caller
/// without an email: all of them have one name, so another one may have made the first decision.
pub(crate) fn is_repetition(
    drift: &cloud_drift::Model,
    spec: &cloud_provisioned::Model,
    actor: &str,
    seen_revision: Option<i32>,
) -> bool {
    let is_same_decision = drift.status == DriftStatus::Accepted
        && drift.resolved_by.as_deref() == Some(actor)
        && !Actor::is_shared_name(actor)
        && seen_revision == Some(drift.revision)
        && drift.undone_at.is_none();
    let still_stands = match drift.kind {
        DriftKind::Missing => spec.retired_at.is_some(),
        DriftKind::Changed => {
            let expected = spec.spec.get(&drift.field);
            spec.retired_at.is_none()
                && expected.is_some_and(|expected| loosely_equal(expected, value_or_null(&drift.actual)))
        }
    };
    is_same_decision && still_stands && drift.spec_version == Some(spec.spec_version)
}

fn live_now(drift: &cloud_drift::Model, pair: &Pair) -> Value {
    if drift.kind == DriftKind::Missing || pair.resource.gone_at.is_some() {
        return Value::Null;
    }
    live_value(&pair.resource, &drift.field).map_or(Value::Null, |value| value.into_owned())
}

fn is_outdated(drift: &cloud_drift::Model, pair: &Pair, live: &Value) -> bool {
    let gone = pair.resource.gone_at.is_some();
    match drift.kind {
        DriftKind::Missing => !gone,
        // A gone resource has no live value. It does not match a drift whose live value is unset.
        DriftKind::Changed => gone || !loosely_equal(value_or_null(&drift.actual), live),
    }
}

/// Returns the current expected value of the drift. Returns None if the spec is retired or lacks the field.
fn desired_now<'p>(drift: &cloud_drift::Model, pair: &'p Pair) -> Option<&'p Value> {
    if pair.spec.retired_at.is_some() {
        return None;
    }
    match drift.kind {
        DriftKind::Missing => Some(&pair.spec.spec),
        DriftKind::Changed => pair.spec.spec.get(&drift.field),
    }
}

/// Returns the change that a sweep would make to this drift now.
fn refresh(drift: &cloud_drift::Model, pair: &Pair, now: DateTime<Utc>) -> Option<Change> {
    plan(pair, now).changes.into_iter().find(|change| match change {
        Change::Update { drift: id, .. } | Change::Close { drift: id, .. } => *id == drift.id,
        Change::Open(_)
        | Change::Rate { .. }
        | Change::Ignore(_)
        | Change::Count { .. }
        | Change::Unignore { .. } => false,
    })
}

#[cfg(test)]
mod tests;

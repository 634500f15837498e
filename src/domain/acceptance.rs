//! Whether a drift may be accepted, and what that makes of the spec.
//!
//! A value is accepted only if the caller has seen it: the row must match the live value and the spec at this moment,
//! and have the revision that the caller saw.

use chrono::{DateTime, Utc};
use entity::cloud_drift::{self, DriftKind, DriftStatus};
use serde_json::Value;

use super::compare::live_value;
use super::detection::{Change, Pair, plan, value_or_null};
use super::equality::loosely_equal;

/// What an accept does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Acceptance {
    /// The live value becomes the desired one: this is the spec from now on.
    Adopt(Value),
    /// The resource is gone for good: nothing is wanted any more.
    Retire,
}

/// Why an accept is refused.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AcceptRefusal {
    /// The row left the inbox before.
    AlreadyResolved(DriftStatus),
    /// The cloud, or the row, has moved on from what the caller saw.
    LiveValueMoved {
        /// The live value now.
        actual: Value,
        /// What makes the row say so, if it does not already.
        refresh: Option<Change>,
    },
    /// The spec no longer says what the row expects.
    SpecMoved,
}

/// Decides about accepting `drift`, whose spec and resource are `pair`.
///
/// `seen_revision` is the revision of the row that the caller saw, if given.
#[expect(
    clippy::result_large_err,
    reason = "one refusal per request, and it is looked at at once"
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
    let unseen = seen_revision.is_some_and(|seen| seen != drift.revision);
    if unseen || has_moved(drift, pair, &live) {
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
            // Null where the cloud has nothing: the field stays watched, and must stay unset.
            spec.insert(drift.field.clone(), live);
            Ok(Acceptance::Adopt(Value::Object(spec)))
        }
        (DriftKind::Changed, None) => Err(AcceptRefusal::SpecMoved),
    }
}

fn live_now(drift: &cloud_drift::Model, pair: &Pair) -> Value {
    if drift.kind == DriftKind::Missing || pair.resource.gone_at.is_some() {
        return Value::Null;
    }
    live_value(&pair.resource, &drift.field).map_or(Value::Null, |value| value.into_owned())
}

fn has_moved(drift: &cloud_drift::Model, pair: &Pair, live: &Value) -> bool {
    let gone = pair.resource.gone_at.is_some();
    match drift.kind {
        DriftKind::Missing => !gone,
        // The field of a resource that is gone has no live value, not an unset one.
        DriftKind::Changed => gone || !loosely_equal(value_or_null(&drift.actual), live),
    }
}

/// What the spec says now about the drift's field; None where it says nothing.
fn desired_now<'p>(drift: &cloud_drift::Model, pair: &'p Pair) -> Option<&'p Value> {
    if pair.spec.retired_at.is_some() {
        return None;
    }
    match drift.kind {
        DriftKind::Missing => Some(&pair.spec.spec),
        DriftKind::Changed => pair.spec.spec.get(&drift.field),
    }
}

/// What a sweep would do about this row now.
fn refresh(drift: &cloud_drift::Model, pair: &Pair, now: DateTime<Utc>) -> Option<Change> {
    plan(pair, now).changes.into_iter().find(|change| match change {
        Change::Update { drift: id, .. } | Change::Close { drift: id, .. } => *id == drift.id,
        Change::Open(_) => false,
    })
}

#[cfg(test)]
mod tests;

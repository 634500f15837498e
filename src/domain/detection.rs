//! Decides which changes a sweep writes for one resource. The detection service writes them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use entity::cloud_drift::{self, CloseReason, DriftKind};
use entity::{cloud_provisioned, cloud_resources};
use serde_json::Value;
use uuid::Uuid;

use super::compare::{differences, is_known, live_value};
use super::equality::loosely_equal;
use super::not_compared::NotCompared;
use super::traits::KindTraits;

/// The field name of a drift of a missing resource.
pub(crate) const WHOLE_RESOURCE: &str = "*";

/// Maximum time for which a resource counts as settling.
pub(crate) const SETTLING_LIMIT: TimeDelta = TimeDelta::minutes(30);

/// A spec, its resource, and the open drifts of the resource.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The desired state.
    pub spec: cloud_provisioned::Model,
    /// The live state.
    pub resource: cloud_resources::Model,
    /// Open drifts of the resource.
    pub open: Vec<cloud_drift::Model>,
    /// Time of the last complete listing of the kind. Needed only if the resource is settling.
    pub listed_at: Option<DateTime<Utc>>,
    /// Properties of the resource's kind.
    pub traits: KindTraits,
}

/// One change of the drifts of a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Opens a drift.
    Open(Finding),
    /// Updates an open drift whose expected or live value changed.
    Update {
        /// Id of the drift.
        drift: Uuid,
        /// New revision.
        revision: i32,
        /// New values.
        finding: Finding,
    },
    /// Closes an open drift that the sweep did not find again.
    Close {
        /// Id of the drift.
        drift: Uuid,
        /// Field of the drift.
        field: String,
        /// Why it is closed.
        reason: CloseReason,
    },
}

/// A difference that a sweep found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Whether a field changed or the resource is missing.
    pub kind: DriftKind,
    /// Name of the field; `*` for a missing resource.
    pub field: String,
    /// Expected value; the whole spec for a missing resource.
    pub expected: Value,
    /// Live value; null if it is unset or the resource is missing.
    pub actual: Value,
}

/// The result of a sweep for one pair.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Number of compared fields.
    pub fields_compared: u64,
    /// Whether the resource is unsynced, so that nothing was compared.
    pub unsynced: bool,
    /// Whether the resource is settling, so that its drifts are neither opened nor closed.
    pub settling: bool,
    /// Changes to write: closed drifts first, then the others. Both are sorted by field.
    pub changes: Vec<Change>,
}

/// Decides which changes to write for one pair. A sweep over unchanged data yields no change.
pub fn plan(pair: &Pair, now: DateTime<Utc>) -> Plan {
    let resource = &pair.resource;
    if is_unsynced(resource.first_seen_at, resource.gone_at) && pair.spec.retired_at.is_none() {
        return Plan {
            unsynced: true,
            ..Plan::default()
        };
    }
    if is_settling(pair, now) && pair.spec.retired_at.is_none() {
        return Plan {
            settling: true,
            ..Plan::default()
        };
    }
    plan_of(compared(pair), &pair.open, |row| close_reason(pair, row))
}

/// The result of comparing a spec with its resource, before open drifts are considered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compared {
    /// Fields that were compared.
    pub fields_compared: u64,
    /// No listing ever had the resource.
    pub unsynced: bool,
    /// Everything that differs, by field.
    pub findings: Vec<Finding>,
}

/// Plans the changes for the result of a comparison; `open` are the open drifts of the resource. `reason` returns why a
/// drift without a finding is closed.
pub(crate) fn plan_of(
    compared: Compared,
    open: &[cloud_drift::Model],
    reason: impl Fn(&cloud_drift::Model) -> CloseReason,
) -> Plan {
    let mut plan = Plan {
        fields_compared: compared.fields_compared,
        unsynced: compared.unsynced,
        ..Plan::default()
    };
    if plan.unsynced {
        return plan;
    }
    let mut open: BTreeMap<&str, &cloud_drift::Model> =
        open.iter().map(|row| (row.field.as_str(), row)).collect();
    let changes: Vec<Change> = compared
        .findings
        .into_iter()
        .filter_map(|finding| change_for(open.remove(finding.field.as_str()), finding))
        .collect();
    // The remaining rows have no finding any more.
    plan.changes = open
        .values()
        .map(|row| Change::Close {
            drift: row.id,
            field: row.field.clone(),
            reason: reason(row),
        })
        .collect();
    plan.changes.extend(changes);
    plan
}

/// Returns why an open drift without a finding is closed.
fn close_reason(pair: &Pair, row: &cloud_drift::Model) -> CloseReason {
    if pair.spec.retired_at.is_some() {
        return CloseReason::SpecRetired;
    }
    if row.kind == DriftKind::Missing {
        return CloseReason::ResourceReturned;
    }
    if pair.resource.gone_at.is_some() {
        return CloseReason::ResourceGone;
    }
    let Some(expected) = pair.spec.spec.get(&row.field) else {
        return CloseReason::FieldRemoved;
    };
    if !is_known(&pair.resource, &row.field, &pair.traits) {
        return CloseReason::NotCompared;
    }
    if !loosely_equal(expected, value_or_null(&row.expected)) {
        return CloseReason::SpecChanged;
    }
    let live = live_value(&pair.resource, &row.field).unwrap_or(Cow::Owned(Value::Null));
    if loosely_equal(&live, value_or_null(&row.actual)) {
        // Neither value has changed, so it is the comparison that has.
        CloseReason::NotCompared
    } else {
        CloseReason::Healed
    }
}

/// Returns whether a drift is open that a comparison did not find again, so that it is to be closed.
pub(crate) fn closes_any(compared: &Compared, open: &[cloud_drift::Model]) -> bool {
    let found = |row: &cloud_drift::Model| compared.findings.iter().any(|finding| finding.field == row.field);
    !compared.unsynced && !open.iter().all(found)
}

/// Returns whether the resource is settling and has been for less than [`SETTLING_LIMIT`].
///
/// The duration ends at the last complete listing, because no later status is known.
pub(super) fn is_settling(pair: &Pair, now: DateTime<Utc>) -> bool {
    let resource = &pair.resource;
    let Some(since) = resource.settling_since.filter(|_| resource.gone_at.is_none()) else {
        return false;
    };
    let last_seen = pair.listed_at.map_or(since, |listed| listed.min(now));
    pair.traits.settles && last_seen - since < SETTLING_LIMIT
}

/// Returns whether a resource is unsynced: no listing has contained it, and it is not gone.
pub(crate) fn is_unsynced(first_seen_at: Option<DateTime<Utc>>, gone_at: Option<DateTime<Utc>>) -> bool {
    is_unsynced_by(first_seen_at.is_some(), gone_at.is_some())
}

/// The same for a resource of which only `is_seen` and `is_gone` are known.
pub(super) fn is_unsynced_by(is_seen: bool, is_gone: bool) -> bool {
    !is_seen && !is_gone
}

/// Returns all differences, and sets the number of compared fields.
fn compared(pair: &Pair) -> Compared {
    if pair.spec.retired_at.is_some() {
        return Compared::default();
    }
    if pair.resource.gone_at.is_some() {
        return Compared::missing(pair.spec.spec.clone());
    }
    let Some(spec) = pair.spec.spec.as_object() else {
        return Compared::default();
    };
    let known = spec
        .keys()
        .filter(|field| is_known(&pair.resource, field, &pair.traits));
    Compared {
        fields_compared: known.count() as u64,
        findings: differences(spec, &NotCompared::of(&pair.spec), &pair.resource, &pair.traits)
            .into_iter()
            .map(|d| Finding {
                kind: DriftKind::Changed,
                field: d.field,
                expected: d.expected,
                actual: d.actual,
            })
            .collect(),
        ..Compared::default()
    }
}

impl Compared {
    /// The whole resource is missing.
    pub(super) fn missing(spec: Value) -> Self {
        Self {
            findings: vec![Finding {
                kind: DriftKind::Missing,
                field: WHOLE_RESOURCE.to_owned(),
                expected: spec,
                actual: Value::Null,
            }],
            ..Self::default()
        }
    }
}

/// Returns the change that records a finding. Returns None if the open row of the field has the same values.
fn change_for(open: Option<&cloud_drift::Model>, finding: Finding) -> Option<Change> {
    let Some(row) = open else {
        return Some(Change::Open(finding));
    };
    let says_so = loosely_equal(value_or_null(&row.expected), &finding.expected)
        && loosely_equal(value_or_null(&row.actual), &finding.actual);
    (!says_so).then(|| Change::Update {
        drift: row.id,
        revision: row.revision.saturating_add(1),
        finding,
    })
}

/// Returns a stored value, or JSON null if the column is null.
pub(crate) fn value_or_null(value: &Option<Value>) -> &Value {
    value.as_ref().unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests;

//! What a sweep shall do about one resource: decided here, carried out by the detection service.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use entity::cloud_drift::{self, DriftKind};
use entity::{cloud_provisioned, cloud_resources};
use serde_json::Value;
use uuid::Uuid;

use super::compare::{differences, is_known};
use super::equality::loosely_equal;
use super::not_compared::NotCompared;
use super::traits::KindTraits;

/// Name of the field in a drift that is about the whole resource.
pub(crate) const WHOLE_RESOURCE: &str = "*";

/// Longest time for which a settling resource is left alone.
pub(crate) const SETTLING_LIMIT: TimeDelta = TimeDelta::minutes(30);

/// A spec, the resource that it is about, and the rows that are open for it.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The desired state.
    pub spec: cloud_provisioned::Model,
    /// The live state.
    pub resource: cloud_resources::Model,
    /// Open drift rows of the resource.
    pub open: Vec<cloud_drift::Model>,
    /// When a complete listing of the kind was last applied, if that matters and is known.
    pub listed_at: Option<DateTime<Utc>>,
    /// The traits of the resource's kind.
    pub traits: KindTraits,
}

/// One thing to write.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Open a row.
    Open(Finding),
    /// The row is still open but says something else now.
    Update {
        /// Row to update.
        drift: Uuid,
        /// Its revision from now on.
        revision: i32,
        /// What it has to say.
        finding: Finding,
    },
    /// The row closes: nothing differs any more, or the field or the spec is no longer in force.
    Close {
        /// Row to close.
        drift: Uuid,
        /// Its field.
        field: String,
    },
}

/// What differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// A changed field or a missing resource.
    pub kind: DriftKind,
    /// Name of the field, `WHOLE_RESOURCE` for a missing resource.
    pub field: String,
    /// What the spec says.
    pub expected: Value,
    /// What the cloud has, null where it has nothing.
    pub actual: Value,
}

/// The plan for one pair.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Fields that were compared.
    pub fields_compared: u64,
    /// No listing ever had the resource, so there is nothing to compare with yet.
    pub unsynced: bool,
    /// The resource is settling: its rows are neither opened nor closed.
    pub settling: bool,
    /// What to write, closing rows first, then by field.
    pub changes: Vec<Change>,
}

/// Decides what to do about one pair. A pair whose rows already say what is true yields no change, so a
/// sweep over unchanged data writes nothing.
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
    plan_of(compared(pair), &pair.open)
}

/// What a comparison of one spec with its resource found, whatever is open for the resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Compared {
    /// Fields that were compared.
    pub(crate) fields_compared: u64,
    /// No listing ever had the resource.
    pub(crate) unsynced: bool,
    /// Everything that differs, by field.
    pub(crate) findings: Vec<Finding>,
}

/// Decides what to do about what was found, where these rows are open for the resource.
pub(crate) fn plan_of(compared: Compared, open: &[cloud_drift::Model]) -> Plan {
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
    // Rows that no finding spoke for.
    plan.changes = open
        .values()
        .map(|row| Change::Close {
            drift: row.id,
            field: row.field.clone(),
        })
        .collect();
    plan.changes.extend(changes);
    plan
}

/// Whether the resource is settling, and has been for less than [`SETTLING_LIMIT`].
///
/// Time counts only up to the last listing: an hour without a listing does not mean that the status lasted for an
/// hour.
fn is_settling(pair: &Pair, now: DateTime<Utc>) -> bool {
    let resource = &pair.resource;
    let Some(since) = resource.settling_since.filter(|_| resource.gone_at.is_none()) else {
        return false;
    };
    let last_seen = pair.listed_at.map_or(since, |listed| listed.min(now));
    pair.traits.settles && last_seen - since < SETTLING_LIMIT
}

/// A resource that only an import knows of: no listing had it, and no complete listing lacked it.
pub(crate) fn is_unsynced(first_seen_at: Option<DateTime<Utc>>, gone_at: Option<DateTime<Utc>>) -> bool {
    is_unsynced_by(first_seen_at.is_some(), gone_at.is_some())
}

/// The same, of whether a listing had the resource and whether it is gone.
pub(super) fn is_unsynced_by(is_seen: bool, is_gone: bool) -> bool {
    !is_seen && !is_gone
}

/// Everything that differs now.
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

/// What a finding changes in the row that is open for its field, if anything.
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

/// A stored value, null where the column is null.
pub(crate) fn value_or_null(value: &Option<Value>) -> &Value {
    value.as_ref().unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests;

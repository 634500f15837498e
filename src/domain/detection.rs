//! Decides which changes a sweep writes for one resource. The detection service writes them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use entity::cloud_drift::{self, CloseReason, DriftKind};
use entity::{cloud_provisioned, cloud_resources, ignored_differences};
use serde_json::Value;
use uuid::Uuid;

use super::compare::{differences, is_known, live_value};
use super::equality::loosely_equal;
use super::ignore_rules::{FieldDifference, IgnoreRules};
use super::not_compared::NotCompared;
use super::severity::{self, Rated, Rating};
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
    /// The ignore rules in force.
    pub rules: Arc<IgnoreRules>,
    /// The differences of the resource that are ignored according to the database.
    pub ignored: Vec<ignored_differences::Model>,
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
    /// Gives an open drift another severity. Its values are the same.
    Rate {
        /// Id of the drift.
        drift: Uuid,
        /// The severity.
        rating: Rating,
    },
    /// Closes an open drift that the sweep did not find again.
    Close {
        /// Id of the drift.
        drift: Uuid,
        /// Field of the drift.
        field: String,
        /// Why it is closed.
        reason: CloseReason,
        /// The ignore rule that covers the difference.
        rule: Option<Uuid>,
    },
    /// Records an ignored difference, or its new values or rule.
    Ignore(Ignored),
    /// Counts another sweep that saw a difference that waits.
    Count {
        /// Name of the field.
        field: String,
        /// How many sweeps in a row have seen it.
        sweeps: i32,
    },
    /// Removes the record of a difference that is no longer ignored, or no longer differs.
    Unignore {
        /// Name of the field.
        field: String,
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
    /// How urgent it is.
    pub rating: Rating,
}

/// A difference that an ignore rule covers.
#[derive(Clone, Debug, PartialEq)]
pub struct Ignored {
    /// The rule.
    pub rule: Uuid,
    /// The difference.
    pub finding: Finding,
    /// How many sweeps in a row have seen the difference, if it only waits; None if it is ignored.
    pub sweeps: Option<i32>,
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
    /// Whether a difference waits until more sweeps have seen it, so that the next sweep must compare the resource again.
    pub waiting: bool,
    /// Changes to write: closed drifts first, then the other changes of drifts, then those of ignored differences. Each
    /// are sorted by field.
    pub changes: Vec<Change>,
}

/// Who compares a pair.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Occasion<'f> {
    /// A sweep: it counts for the differences that wait until several sweeps have seen them.
    Sweep,
    /// A decision about these fields, or about all. Their differences open at once. The others that wait keep waiting, and it
    /// counts for none of them.
    Decision(Decided<'f>),
}

impl Occasion<'static> {
    /// An ignore rule has begun or ended, which decides about no field.
    pub(crate) const RULES: Self = Self::Decision(Decided::Fields(&[]));
}

/// The fields that a decision is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Decided<'f> {
    /// All fields, because the whole spec was decided.
    All,
    /// The fields with these names.
    Fields(&'f [String]),
}

impl Occasion<'_> {
    fn opens_at_once(self, name: &str) -> bool {
        match self {
            Self::Sweep => false,
            Self::Decision(Decided::All) => true,
            Self::Decision(Decided::Fields(fields)) => fields.iter().any(|field| field == name),
        }
    }

    const fn is_sweep(self) -> bool {
        matches!(self, Self::Sweep)
    }
}

/// Decides which changes to write for one pair. A sweep over unchanged data yields no change.
pub fn plan(pair: &Pair, now: DateTime<Utc>) -> Plan {
    plan_on(pair, Occasion::Sweep, now)
}

/// Decides which changes to write for one pair on this occasion.
pub(crate) fn plan_on(pair: &Pair, occasion: Occasion<'_>, now: DateTime<Utc>) -> Plan {
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
    let mut compared = compared(pair);
    let ignored = ignored(pair, occasion, &mut compared);
    let rule_of = |row: &cloud_drift::Model| {
        let covering = ignored.iter().find(|ignored| ignored.finding.field == row.field);
        covering.map(|ignored| ignored.rule)
    };
    let mut plan = plan_of(compared, &pair.open, |row| match rule_of(row) {
        Some(rule) => (CloseReason::Ignored, Some(rule)),
        None => (close_reason(pair, row), None),
    });
    plan.waiting = ignored.iter().any(|ignored| ignored.sweeps.is_some());
    plan.changes
        .extend(changes_of_ignored(ignored, &pair.ignored, occasion));
    plan
}

/// Returns how many sweeps in a row have seen a difference that a rule makes wait, with this one if it is a sweep. None if
/// that is enough, or if a drift of the field is open: it does not close in order to wait.
fn waits(pair: &Pair, occasion: Occasion<'_>, field: &str, open_after: i32) -> Option<i32> {
    let stored = pair.ignored.iter().find(|row| row.field == field);
    let before = stored.and_then(|row| row.sweeps).unwrap_or_default();
    let is_open = pair.open.iter().any(|drift| drift.field == field);
    let sweeps = before.saturating_add(i32::from(occasion.is_sweep()));
    (!is_open && sweeps < open_after).then_some(sweeps)
}

/// Moves the findings that ignore rules cover out of the result of a comparison, and returns them.
fn ignored(pair: &Pair, occasion: Occasion<'_>, compared: &mut Compared) -> Vec<Ignored> {
    let open = NotCompared::of(&pair.spec);
    let without_delays = (!occasion.is_sweep()).then(|| pair.rules.as_ref().clone().without_delays());
    let mut ignored = Vec::new();
    compared.findings.retain(|finding| {
        let difference = FieldDifference {
            field: &finding.field,
            expected: &finding.expected,
            actual: &finding.actual,
        };
        let rules = match &without_delays {
            Some(rules) if occasion.opens_at_once(&finding.field) => rules,
            _ => pair.rules.as_ref(),
        };
        let Some(covered) = rules.covering(&pair.resource, &open, difference) else {
            return true;
        };
        let sweeps = match covered.open_after_sweeps {
            Some(open_after) => match waits(pair, occasion, &finding.field, open_after) {
                None => return true,
                sweeps => sweeps,
            },
            None => None,
        };
        ignored.push(Ignored {
            rule: covered.rule,
            finding: finding.clone(),
            sweeps,
        });
        false
    });
    ignored
}

/// Returns the changes that bring the records of ignored differences up to date. Only a sweep counts what waits, and only a
/// sweep records that a difference waits which was not recorded before.
fn changes_of_ignored(
    ignored: Vec<Ignored>,
    stored: &[ignored_differences::Model],
    occasion: Occasion<'_>,
) -> Vec<Change> {
    let mut stored: BTreeMap<&str, &ignored_differences::Model> =
        stored.iter().map(|row| (row.field.as_str(), row)).collect();
    let is_new = |now: &Ignored, row: Option<&ignored_differences::Model>| {
        row.is_none_or(|row| {
            row.rule_id != now.rule
                || row.sweeps.is_some() != now.sweeps.is_some()
                || !loosely_equal(value_or_null(&row.expected), &now.finding.expected)
                || !loosely_equal(value_or_null(&row.actual), &now.finding.actual)
        })
    };
    let recorded: Vec<Change> = ignored
        .into_iter()
        .filter_map(|now| {
            let row = stored.remove(now.finding.field.as_str());
            if now.sweeps.is_some() && row.is_none() && !occasion.is_sweep() {
                return None;
            }
            if is_new(&now, row) {
                return Some(Change::Ignore(now));
            }
            Some(Change::Count {
                sweeps: now.sweeps.filter(|_| occasion.is_sweep())?,
                field: now.finding.field,
            })
        })
        .collect();
    let ended = stored.into_keys().map(|field| Change::Unignore {
        field: field.to_owned(),
    });
    ended.chain(recorded).collect()
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

/// Plans the changes of drifts for the result of a comparison; `open` are the open drifts of the resource. `reason` returns
/// why a drift without a finding is closed, and the ignore rule that closes it.
pub(crate) fn plan_of(
    compared: Compared,
    open: &[cloud_drift::Model],
    reason: impl Fn(&cloud_drift::Model) -> (CloseReason, Option<Uuid>),
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
        .map(|row| {
            let (reason, rule) = reason(row);
            Change::Close {
                drift: row.id,
                field: row.field.clone(),
                reason,
                rule,
            }
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
        let live = |field: &str| live_value(&pair.resource, field).map(Cow::into_owned);
        return Compared::missing(pair.spec.spec.clone(), &pair.traits, &live);
    }
    let Some(spec) = pair.spec.spec.as_object() else {
        return Compared::default();
    };
    let live = |field: &str| live_value(&pair.resource, field).map(Cow::into_owned);
    let known = spec
        .keys()
        .filter(|field| is_known(&pair.resource, field, &pair.traits));
    Compared {
        fields_compared: known.count() as u64,
        findings: differences(spec, &NotCompared::of(&pair.spec), &pair.resource, &pair.traits)
            .into_iter()
            .map(|d| Finding::changed(d.field, d.expected, d.actual, &pair.traits, &live))
            .collect(),
        ..Compared::default()
    }
}

/// Returns the live value of a field of a resource.
pub(super) type LiveValues<'f> = &'f dyn Fn(&str) -> Option<Value>;

impl Finding {
    /// A field has changed.
    pub(super) fn changed(
        field: String,
        expected: Value,
        actual: Value,
        traits: &KindTraits,
        live: LiveValues<'_>,
    ) -> Self {
        Self::rated(DriftKind::Changed, field, (expected, actual), traits, live)
    }

    fn rated(
        kind: DriftKind,
        field: String,
        (expected, actual): (Value, Value),
        traits: &KindTraits,
        live: LiveValues<'_>,
    ) -> Self {
        let rated = Rated {
            kind,
            field: &field,
            expected: &expected,
            actual: &actual,
            live,
        };
        let rating = severity::rate(traits, &rated);
        Self {
            kind,
            field,
            expected,
            actual,
            rating,
        }
    }
}

impl Compared {
    /// The whole resource is missing.
    pub(super) fn missing(spec: Value, traits: &KindTraits, live: LiveValues<'_>) -> Self {
        let field = WHOLE_RESOURCE.to_owned();
        Self {
            findings: vec![Finding::rated(
                DriftKind::Missing,
                field,
                (spec, Value::Null),
                traits,
                live,
            )],
            ..Self::default()
        }
    }
}

/// Returns the change that records a finding. Returns None if the open row of the field has the
/// same values and severity.
fn change_for(open: Option<&cloud_drift::Model>, finding: Finding) -> Option<Change> {
    let Some(row) = open else {
        return Some(Change::Open(finding));
    };
    let says_so = loosely_equal(value_or_null(&row.expected), &finding.expected)
        && loosely_equal(value_or_null(&row.actual), &finding.actual);
    if !says_so {
        return Some(Change::Update {
            drift: row.id,
            revision: row.revision.saturating_add(1),
            finding,
        });
    }
    let Rating { severity, rule } = finding.rating;
    let is_rated_so = row.severity == severity && row.severity_rule.as_deref() == rule;
    (!is_rated_so).then_some(Change::Rate {
        drift: row.id,
        rating: finding.rating,
    })
}

/// Returns a stored value, or JSON null if the column is null.
pub(crate) fn value_or_null(value: &Option<Value>) -> &Value {
    value.as_ref().unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests;

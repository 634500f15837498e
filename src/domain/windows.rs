//! The window of a drift: between which two times the difference came into being, as far as that is recorded.
//!
//! Nothing here is estimated. A listing reads a value some time after it began, and the sync that saw a change wrote it
//! some time after it was read. So the change lies between the start of the listing before and the time at which the sync
//! wrote what it saw.

use chrono::{DateTime, TimeDelta, Utc};
use entity::cloud_drift::WindowBasis;
use entity::inventory_changes::ChangeType;
use serde_json::Value;

/// Maximum number of changes of a field that are searched for the one that made it differ.
pub(crate) const MAX_CHANGES: usize = 10;

/// A field flaps if it drifted this many times within [`FLAPPING_TIME`].
pub(crate) const FLAPPING_TIMES: u64 = 3;

/// The time before a drift in which its earlier drifts count.
pub(crate) const FLAPPING_TIME: TimeDelta = TimeDelta::days(7);

/// Returns whether a field flaps whose drift opens. `healed` is the number of its earlier drifts that were detected within
/// [`FLAPPING_TIME`] and ended without a decision.
pub(crate) fn is_flapping(healed: u64) -> bool {
    healed + 1 >= FLAPPING_TIMES
}

/// A recorded change of the field.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// What happened.
    pub change_type: ChangeType,
    /// The value before; None if it is not recorded.
    pub before: Option<Value>,
    /// Start of the listing before.
    pub last_listed_at: Option<DateTime<Utc>>,
    /// When it was seen.
    pub seen_at: DateTime<Utc>,
}

/// Since when a spec has the expected value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExpectedSince {
    /// Since this time.
    Known(DateTime<Utc>),
    /// Since this time or an earlier one.
    AtMost(DateTime<Utc>),
}

/// A superseded version of a spec.
#[derive(Clone, Debug)]
pub(crate) struct EarlierVersion {
    /// Its number.
    pub version: i32,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// The value of the field; None if the version did not name it.
    pub value: Option<Value>,
}

/// Returns since when the spec has the expected value. `earlier` are the newest superseded versions, in any order.
pub(crate) fn expected_since(
    recorded_at: DateTime<Utc>,
    version: i32,
    earlier: &[EarlierVersion],
    is_expected: impl Fn(&Value) -> bool,
) -> ExpectedSince {
    let mut earlier: Vec<&EarlierVersion> = earlier.iter().collect();
    earlier.sort_by_key(|earlier| std::cmp::Reverse(earlier.version));
    let (mut since, mut first) = (recorded_at, version);
    for earlier in earlier {
        // Versions between are not kept.
        if earlier.version < first - 1 {
            break;
        }
        if !earlier.value.as_ref().is_some_and(&is_expected) {
            return ExpectedSince::Known(since);
        }
        (since, first) = (earlier.recorded_at, earlier.version);
    }
    match first {
        ..=1 => ExpectedSince::Known(since),
        _ => ExpectedSince::AtMost(since),
    }
}

/// What is recorded of a field that differs.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// The newest changes of the field, newest first, at most [`MAX_CHANGES`].
    pub changes: Vec<Change>,
    /// Since when the value is the expected one.
    pub expected_since: ExpectedSince,
    /// When a listing first had the resource.
    pub first_seen_at: Option<DateTime<Utc>>,
    /// Since when each change is recorded; None if that is not known.
    pub recorded_since: Option<DateTime<Utc>>,
}

/// The window of a drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Start of the last listing that showed the expected value.
    pub last_seen_equal_at: Option<DateTime<Utc>>,
    /// Since when the difference is known to exist.
    pub first_seen_different_at: Option<DateTime<Utc>>,
    /// What both are known from.
    pub basis: WindowBasis,
}

impl Window {
    /// Nothing is known.
    pub(crate) const NONE: Self = Self {
        last_seen_equal_at: None,
        first_seen_different_at: None,
        basis: WindowBasis::NotRecorded,
    };

    fn since(time: DateTime<Utc>, basis: WindowBasis) -> Self {
        Self {
            last_seen_equal_at: None,
            first_seen_different_at: Some(time),
            basis,
        }
    }
}

/// Returns the window of a drift of a field. `is_expected` is whether a live value equals the expected one.
pub(crate) fn window(is_expected: impl Fn(&Value) -> bool, facts: &Facts) -> Window {
    let made_different = |change: &&Change| {
        let before = change.before.as_ref();
        change.change_type == ChangeType::Changed && before.is_none_or(&is_expected)
    };
    decide(facts, facts.changes.iter().find(made_different), |change| {
        change.before.is_some()
    })
}

/// Returns the window of a drift of a missing resource.
pub(crate) fn window_of_missing(facts: &Facts) -> Window {
    let newest = facts.changes.first();
    let gone = newest.filter(|change| change.change_type == ChangeType::Gone);
    decide(facts, gone, |_| true)
}

/// `cause` is the change that made the difference, unless `is_certain` denies that. Returns the later of this change and the
/// time since which the value is expected.
fn decide(facts: &Facts, cause: Option<&Change>, is_certain: impl Fn(&Change) -> bool) -> Window {
    let (latest, is_known) = match facts.expected_since {
        ExpectedSince::Known(time) => (time, true),
        ExpectedSince::AtMost(time) => (time, false),
    };
    if let Some(change) = cause.filter(|change| change.seen_at >= latest) {
        return match is_certain(change) {
            true => Window {
                last_seen_equal_at: change.last_listed_at,
                first_seen_different_at: Some(change.seen_at),
                basis: WindowBasis::LiveChanged,
            },
            false => Window::NONE,
        };
    }
    // No change since the value is expected made the difference. That says something only if all changes since then were
    // recorded and read.
    let first_seen = facts.first_seen_at.unwrap_or(latest);
    let since = latest.max(first_seen);
    let is_recorded = facts.recorded_since.is_some_and(|recorded| recorded <= since);
    let oldest = facts
        .changes
        .last()
        .filter(|_| facts.changes.len() >= MAX_CHANGES);
    let is_read = oldest.is_none_or(|change| change.seen_at < since);
    if !is_known || !is_recorded || !is_read {
        return Window::NONE;
    }
    match first_seen > latest {
        true => Window::since(first_seen, WindowBasis::FirstListing),
        false => Window::since(latest, WindowBasis::SpecRecorded),
    }
}

#[cfg(test)]
mod tests;

//! Decides whether the inventory of a kind is complete and recent enough.

use chrono::{DateTime, TimeDelta, Utc};
use entity::inventory_kinds::ListingOutcome;
use serde::{Deserialize, Serialize};

use super::schedule::Schedule;

/// Maximum time by which a stored time may be ahead of the database's clock. Older servers store times of their own
/// clocks.
pub(crate) const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(30);

/// Maximum age of the last complete listing of a kind.
#[derive(Clone, Debug)]
pub enum MaxAge {
    /// A fixed duration.
    Fixed(TimeDelta),
    /// Twice the interval between the syncs of this schedule.
    TwiceTheInterval(Box<Schedule>),
}

impl Default for MaxAge {
    /// Two hours, twice the default interval of syncs.
    fn default() -> Self {
        Self::Fixed(TimeDelta::hours(2))
    }
}

impl MaxAge {
    /// Creates a maximum age of twice the interval between the syncs of a schedule.
    pub(crate) fn twice_the_interval(schedule: Schedule) -> Self {
        Self::TwiceTheInterval(Box::new(schedule))
    }

    /// Returns whether a listing or run of the time `at` is too old.
    pub(crate) fn is_exceeded(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        let limit = match self {
            Self::Fixed(age) => at.checked_add_signed(*age),
            Self::TwiceTheInterval(schedule) => two_intervals_after(schedule, at),
        };
        limit.is_some_and(|limit| now > limit)
    }
}

/// Returns the second tick after `at`, or `at` plus twice the time between the next two ticks if that is later. The
/// time between ticks varies if a schedule pauses, for example at night.
fn two_intervals_after(schedule: &Schedule, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let first = schedule.next_tick(at)?;
    let second = schedule.next_tick(first)?;
    at.checked_add_signed((second - first) * 2)
        .map(|twice| twice.max(second))
}

/// The reason why the inventory of a kind may be out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StaleReason {
    /// No listing of the kind was ever complete.
    NeverListed,
    /// The newest listing is incomplete.
    Incomplete,
    /// The newest listing could not read the kind.
    NotReadable,
    /// The last complete listing is too old.
    Overdue,
    /// The time of the last complete listing is in the future, so its age is unknown.
    InTheFuture,
    /// The newest listing could not read a field that specs set.
    FieldsNotReadable,
}

impl StaleReason {
    /// Returns the reason as the end of a sentence about the kind.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NeverListed => "has never been listed",
            Self::Incomplete => "was not listed completely by the newest sync",
            Self::NotReadable => "could not be read by the newest sync",
            Self::Overdue => "is overdue",
            Self::InTheFuture => "has a listing time in the future",
            Self::FieldsNotReadable => "has fields that the newest sync could not read",
        }
    }
}

/// Returns why the inventory of a kind may be out of date. Returns None if it is up to date.
pub(crate) fn stale_reason(
    completed_at: Option<DateTime<Utc>>,
    newest: Option<ListingOutcome>,
    max_age: &MaxAge,
    now: DateTime<Utc>,
) -> Option<StaleReason> {
    match (newest, completed_at) {
        (Some(ListingOutcome::NotReadable), _) => Some(StaleReason::NotReadable),
        (Some(ListingOutcome::Incomplete), _) => Some(StaleReason::Incomplete),
        (_, None) => Some(StaleReason::NeverListed),
        (_, Some(at)) if is_in_the_future(at, now) => Some(StaleReason::InTheFuture),
        (_, Some(at)) => max_age.is_exceeded(at, now).then_some(StaleReason::Overdue),
    }
}

/// Returns whether a stored time is ahead of `now` by more than [`CLOCK_TOLERANCE`].
pub(crate) fn is_in_the_future(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    at - now > CLOCK_TOLERANCE
}

#[cfg(test)]
mod tests;

//! Whether what is known of a kind of resource is complete and recent enough to rely on.

use chrono::{DateTime, TimeDelta, Utc};
use entity::inventory_kinds::ListingOutcome;
use serde::{Deserialize, Serialize};

use super::schedule::Schedule;

/// How far a stored time may be ahead of the database's clock. Older servers store the time of their own clocks.
pub(crate) const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(30);

/// How old the last complete listing of a kind may be.
#[derive(Clone, Debug)]
pub enum MaxAge {
    /// As old as this.
    Fixed(TimeDelta),
    /// Twice the interval of the syncs: until two of them were due.
    TwiceTheInterval(Box<Schedule>),
}

impl Default for MaxAge {
    /// Two hours, twice the default interval of syncs.
    fn default() -> Self {
        Self::Fixed(TimeDelta::hours(2))
    }
}

impl MaxAge {
    /// Twice the interval of the syncs of this schedule.
    pub(crate) fn twice_the_interval(schedule: Schedule) -> Self {
        Self::TwiceTheInterval(Box::new(schedule))
    }

    /// Whether something of the time `at` is too old now.
    pub(crate) fn is_exceeded(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        let limit = match self {
            Self::Fixed(age) => at.checked_add_signed(*age),
            Self::TwiceTheInterval(schedule) => two_intervals_after(schedule, at),
        };
        limit.is_some_and(|limit| now > limit)
    }
}

/// The second tick after `at`, and at least twice the time between two ticks: a schedule may rest at night.
fn two_intervals_after(schedule: &Schedule, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let first = schedule.next_tick(at)?;
    let second = schedule.next_tick(first)?;
    at.checked_add_signed((second - first) * 2)
        .map(|twice| twice.max(second))
}

/// Why a kind cannot be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StaleReason {
    /// No listing of it was ever complete.
    NeverListed,
    /// The newest listing of it is incomplete.
    Incomplete,
    /// The newest listing could not read it.
    NotReadable,
    /// Its last complete listing is too old.
    Overdue,
    /// The time of its last complete listing is in the future, so that its age is not known.
    InTheFuture,
    /// A field that specs set could not be read by the newest listing.
    FieldsNotReadable,
}

impl StaleReason {
    /// The reason as the end of a sentence about the kind.
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

/// Why the inventory of a kind may be out of date, from its row; None if it is up to date.
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

/// Whether a stored time is ahead of the clock, by more than the clocks of servers may differ.
pub(crate) fn is_in_the_future(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    at - now > CLOCK_TOLERANCE
}

#[cfg(test)]
mod tests;

//! Finds the new events of a poll.
//!
//! Neither the id nor the time of an event shows when it was committed: the writer sets both before a transaction
//! that may have to wait, and its clock may be wrong by some seconds. Therefore each poll reads all events that are not
//! older than [`OVERLAP`] and drops those that were read before.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// Maximum delay between the time of an event and its commit; later events are not published. It covers the longest
/// write with its retries and the difference between two clocks.
pub(super) const OVERLAP: TimeDelta = TimeDelta::minutes(2);

/// The time range of a poll, and the events in it that were already read.
#[derive(Debug)]
pub(super) struct Window {
    from: DateTime<Utc>,
    /// The time of the last complete poll.
    last_poll: DateTime<Utc>,
    /// Events within the window that were published, or that existed before the first subscriber.
    seen: HashSet<Uuid>,
}

impl Window {
    /// Creates a window that starts now, with `past` as the events already seen.
    pub(super) fn after(now: DateTime<Utc>, past: impl IntoIterator<Item = Uuid>) -> Self {
        Self {
            from: start(now),
            last_poll: now,
            seen: past.into_iter().collect(),
        }
    }

    /// Returns the time from which the first poll reads events.
    pub(super) fn first(now: DateTime<Utc>) -> DateTime<Utc> {
        start(now)
    }

    /// Returns the time from which the next poll reads events: [`OVERLAP`] before the last complete poll, so that no
    /// event is lost while the database or the machine is unavailable. It never moves back, even if the clock does,
    /// because `seen` no longer contains the events that left the window.
    pub(super) fn next(&self) -> DateTime<Utc> {
        self.from.max(start(self.last_poll))
    }

    /// Returns the new events among those since `from`, ordered by id.
    pub(super) fn new_events(&mut self, from: DateTime<Utc>, events: Vec<Uuid>) -> Vec<Uuid> {
        self.from = from;
        let events: HashSet<Uuid> = events.into_iter().collect();
        self.seen.retain(|id| events.contains(id));
        let mut new: Vec<Uuid> = events.difference(&self.seen).copied().collect();
        new.sort_unstable();
        new
    }

    /// Marks events as published.
    pub(super) fn mark_published(&mut self, events: &[Uuid]) {
        self.seen.extend(events);
    }

    /// Records a complete poll at this time.
    pub(super) fn complete_poll(&mut self, now: DateTime<Utc>) {
        self.last_poll = now;
    }
}

fn start(now: DateTime<Utc>) -> DateTime<Utc> {
    now.checked_sub_signed(OVERLAP).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn earlier_and_published_events_are_not_new() {
        let [old, first, second] = [1, 2, 3].map(Uuid::from_u128);
        let mut window = Window::after(at(0), [old]);
        let from = window.next();
        assert_eq!(window.new_events(from, vec![second, old, first]), [first, second]);
        window.mark_published(&[first]);
        window.complete_poll(at(1));
        // The second event was not published, so it is still new.
        let from = window.next();
        assert_eq!(window.new_events(from, vec![second, old, first]), [second]);
        window.mark_published(&[second]);
        assert!(window.new_events(from, vec![second, old, first]).is_empty());
    }

    #[test]
    fn events_outside_the_window_are_forgotten() {
        let mut window = Window::after(at(0), (0..1_000).map(Uuid::from_u128));
        let from = window.next();
        assert!(window.new_events(from, vec![Uuid::from_u128(7)]).is_empty());
        assert_eq!(window.seen.len(), 1);
    }

    #[test]
    fn the_window_moves_only_after_a_successful_poll_and_never_back() {
        let mut window = Window::after(at(0), []);
        assert_eq!(window.next(), at(-120));
        // After ten minutes without a response, no event is skipped.
        assert_eq!(window.next(), at(-120));
        let from = window.next();
        window.new_events(from, vec![]);
        window.complete_poll(at(600));
        assert_eq!(window.next(), at(480));
        let from = window.next();
        window.new_events(from, vec![]);
        // The clock was set back by a minute.
        window.complete_poll(at(540));
        assert_eq!(window.next(), at(480));
    }
}

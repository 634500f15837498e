//! Which events are new.
//!
//! Neither the id nor the time of an event says when it was committed: both are made by the writer, by a clock
//! that may be some seconds off, before a transaction that may have to wait. So everything that is not older
//! than [`OVERLAP`] is looked at again and again, and what was seen before is dropped.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// How much later than its time an event may become visible and still be told. It holds the longest write
/// that is tried again and again, and the difference of two clocks.
pub(super) const OVERLAP: TimeDelta = TimeDelta::minutes(2);

/// What was seen.
#[derive(Debug)]
pub(super) struct Window {
    from: DateTime<Utc>,
    /// When everything was seen that could be.
    looked_at: DateTime<Utc>,
    /// What was told, or was there before anybody listened. Nothing that has left the window.
    seen: HashSet<Uuid>,
}

impl Window {
    /// What begins now, with these events as its past.
    pub(super) fn after(now: DateTime<Utc>, past: impl IntoIterator<Item = Uuid>) -> Self {
        Self {
            from: start(now),
            looked_at: now,
            seen: past.into_iter().collect(),
        }
    }

    /// Where the first look begins.
    pub(super) fn first(now: DateTime<Utc>) -> DateTime<Utc> {
        start(now)
    }

    /// Where the next look begins: as far back from the last one that succeeded, so that nothing is lost while
    /// the database or the machine is away, and never earlier than before, whatever a clock does: what has left
    /// the window is forgotten.
    pub(super) fn next(&self) -> DateTime<Utc> {
        self.from.max(start(self.looked_at))
    }

    /// What is new among all that there is since `from`, in the order of ids.
    pub(super) fn unseen(&mut self, from: DateTime<Utc>, there: Vec<Uuid>) -> Vec<Uuid> {
        self.from = from;
        let there: HashSet<Uuid> = there.into_iter().collect();
        self.seen.retain(|id| there.contains(id));
        let mut unseen: Vec<Uuid> = there.difference(&self.seen).copied().collect();
        unseen.sort_unstable();
        unseen
    }

    /// These need not be told again.
    pub(super) fn told(&mut self, events: &[Uuid]) {
        self.seen.extend(events);
    }

    /// All that was there at this time is told.
    pub(super) fn done(&mut self, now: DateTime<Utc>) {
        self.looked_at = now;
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
    fn what_was_there_before_and_what_was_told_is_not_new() {
        let [old, first, second] = [1, 2, 3].map(Uuid::from_u128);
        let mut window = Window::after(at(0), [old]);
        let from = window.next();
        assert_eq!(window.unseen(from, vec![second, old, first]), [first, second]);
        window.told(&[first]);
        window.done(at(1));
        // It could not be told, so it is new again.
        let from = window.next();
        assert_eq!(window.unseen(from, vec![second, old, first]), [second]);
        window.told(&[second]);
        assert!(window.unseen(from, vec![second, old, first]).is_empty());
    }

    #[test]
    fn nothing_is_remembered_of_what_has_left_the_window() {
        let mut window = Window::after(at(0), (0..1_000).map(Uuid::from_u128));
        let from = window.next();
        assert!(window.unseen(from, vec![Uuid::from_u128(7)]).is_empty());
        assert_eq!(window.seen.len(), 1);
    }

    #[test]
    fn the_window_waits_for_a_look_that_succeeds_and_never_goes_back() {
        let mut window = Window::after(at(0), []);
        assert_eq!(window.next(), at(-120));
        // Ten minutes without an answer: none of them is skipped.
        assert_eq!(window.next(), at(-120));
        let from = window.next();
        window.unseen(from, vec![]);
        window.done(at(600));
        assert_eq!(window.next(), at(480));
        let from = window.next();
        window.unseen(from, vec![]);
        // The clock was put back by a minute.
        window.done(at(540));
        assert_eq!(window.next(), at(480));
    }
}

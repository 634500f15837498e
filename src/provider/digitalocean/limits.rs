//! How much is asked of the API, and how long it is waited for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Why a request has failed that took too long.
pub(super) const NO_ANSWER: &str = "no response in time";

/// A bound on everything. The default is for the real API.
///
/// DigitalOcean's API reference, "Rate Limit": 5,000 requests an hour and 250 a minute for each token.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Requests at the same time.
    pub in_flight: usize,
    /// Requests a minute, in the long run.
    pub per_minute: u32,
    /// Requests at once after a pause; together with `per_minute` below 250.
    pub burst: u32,
    /// Longest single request, its body included.
    pub request_timeout: Duration,
    /// Longest that one request is tried, pauses included, if its first try takes no longer. Waiting for its
    /// turn or because of 429 does not count.
    pub retry_for: Duration,
    /// Longest that the first request of a run is tried as long as a gateway answers that the API is not there (502,
    /// 503, 504): without an answer to it the whole run fails, and its time would be lost.
    pub first_request: Duration,
    /// Pause before the second try; every further one is about twice as long.
    pub first_pause: Duration,
    /// Longest pause between two tries.
    pub longest_pause: Duration,
    /// Wait after a 429 that does not say how long.
    pub blind_wait: Duration,
    /// Longest that one request waits because of 429, in all.
    pub wait_out: Duration,
    /// Longest listing, the first request of the run included.
    pub listing: Duration,
    /// Longest time for confirming all resources that a listing lacks.
    pub confirming: Duration,
    /// Most pages of one list.
    pub pages: u64,
    /// Largest body, in bytes, unpacked.
    pub body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 4,
            per_minute: 200,
            burst: 40,
            request_timeout: Duration::from_secs(20),
            retry_for: Duration::from_secs(60),
            first_request: Duration::from_secs(30 * 60),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(10),
            blind_wait: Duration::from_secs(10),
            wait_out: Duration::from_secs(15 * 60),
            listing: Duration::from_secs(50 * 60),
            confirming: Duration::from_secs(15 * 60),
            pages: 1000,
            body_bytes: 32 * 1024 * 1024,
        }
    }
}

/// What is left of the time for one request.
#[derive(Debug)]
pub(super) struct RetryBudget {
    request_timeout: Duration,
    retry_for: Duration,
    /// How long it is tried once a gateway has answered.
    behind_a_gateway: Duration,
    a_gateway_answered: AtomicBool,
    spent: Mutex<Duration>,
    /// The failure of the last try that did not run out of time.
    heard: Mutex<Option<String>>,
}

impl RetryBudget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            request_timeout: limits.request_timeout,
            retry_for: limits.retry_for,
            behind_a_gateway: limits.retry_for,
            a_gateway_answered: AtomicBool::new(false),
            spent: Mutex::default(),
            heard: Mutex::default(),
        }
    }

    /// For the first request of a run.
    pub(super) fn of_first_request(limits: &Limits) -> Self {
        Self {
            behind_a_gateway: limits.first_request.max(limits.retry_for),
            ..Self::new(limits)
        }
    }

    /// A gateway answered: the host is the right one, and comes back.
    pub(super) fn note_gateway_error(&self) {
        self.a_gateway_answered.store(true, Ordering::Relaxed);
    }

    fn retry_for(&self) -> Duration {
        if self.a_gateway_answered.load(Ordering::Relaxed) {
            self.behind_a_gateway
        } else {
            self.retry_for
        }
    }

    /// How long the next try may take. The first one may take its time.
    pub(super) fn try_timeout(&self) -> Duration {
        let spent = self.spent();
        if spent.is_zero() {
            self.request_timeout
        } else {
            self.request_timeout.min(self.retry_for().saturating_sub(*spent))
        }
    }

    /// Takes a pause from what is left; None if nothing would be left after it.
    pub(super) fn pause(&self, pause: Duration) -> Option<Duration> {
        let mut spent = self.spent();
        *spent = spent.saturating_add(pause);
        (*spent < self.retry_for()).then_some(pause)
    }

    pub(super) fn spend(&self, time: Duration) {
        let mut spent = self.spent();
        *spent = spent.saturating_add(time);
    }

    /// Keeps why a try failed.
    pub(super) fn note_failure(&self, why: &str) {
        *self.heard() = Some(why.to_owned());
    }

    /// Why there is no answer after a try of this length. One that had less than a request may take says nothing
    /// new: it was cut off because those before it had failed.
    pub(super) fn timeout_reason(&self, tried_for: Duration) -> String {
        let heard = self.heard().clone().filter(|_| tried_for < self.request_timeout);
        heard.unwrap_or_else(|| NO_ANSWER.to_owned())
    }

    fn heard(&self) -> MutexGuard<'_, Option<String>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spent(&self) -> MutexGuard<'_, Duration> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets requests through, one by one, for everybody who holds the token here.
#[derive(Debug)]
pub(super) struct Pace {
    slots: Semaphore,
    interval: Duration,
    burst: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the next request may go, had none been saved up.
    next: Instant,
    /// Nothing goes before this: the API said so.
    held_until: Instant,
}

impl Pace {
    pub(super) fn new(limits: &Limits) -> Self {
        let interval = Duration::from_secs(60) / limits.per_minute.max(1);
        let now = Instant::now();
        let burst = interval * limits.burst;
        Self {
            slots: Semaphore::new(limits.in_flight),
            interval,
            burst,
            state: Mutex::new(State {
                next: now.checked_sub(burst).unwrap_or(now),
                held_until: now,
            }),
        }
    }

    /// Waits for a slot and a share of the budget. None if the runtime is going down.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let slot = self.slots.acquire().await.ok()?;
        let at = self.next(Instant::now());
        tokio::time::sleep_until(at).await;
        Some(slot)
    }

    /// When the request that comes now may go. What was not used is saved up, but no more than a burst.
    fn next(&self, now: Instant) -> Instant {
        let mut state = self.state();
        let saved_up = now.checked_sub(self.burst).unwrap_or(now);
        let share = state.next.max(saved_up);
        state.next = share + self.interval;
        share.max(now)
    }

    /// Sends no request for this long.
    pub(super) fn hold(&self, wait: Duration) {
        self.hold_at(wait, Instant::now());
    }

    fn hold_at(&self, wait: Duration, now: Instant) {
        let mut state = self.state();
        state.held_until = state.held_until.max(now + wait);
    }

    /// How much longer no request is sent, if so.
    pub(super) fn held(&self) -> Option<Duration> {
        self.held_at(Instant::now())
    }

    fn held_at(&self, now: Instant) -> Option<Duration> {
        let left = self.state().held_until.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_minute_sees_250_requests() {
        let limits = Limits::default();
        assert!(limits.per_minute + limits.burst < 250);
        let pace = Pace::new(&limits);
        let start = Instant::now() + Duration::from_secs(3600);
        let (mut now, mut within_a_minute) = (start, 0);
        while now < start + Duration::from_secs(60) {
            within_a_minute += 1;
            now = pace.next(now);
        }
        assert!((200..250).contains(&within_a_minute), "{within_a_minute}");
    }

    #[test]
    fn no_try_ends_after_the_time_for_its_request() {
        let budget = RetryBudget::new(&Limits::default());
        let seconds = Duration::from_secs;
        assert_eq!(budget.try_timeout(), seconds(20));
        budget.spend(seconds(20));
        assert_eq!(budget.pause(seconds(10)), Some(seconds(10)));
        assert_eq!(budget.try_timeout(), seconds(20));
        budget.spend(seconds(12));
        assert_eq!(budget.pause(seconds(10)), Some(seconds(10)));
        assert_eq!(budget.try_timeout(), seconds(8), "not 20");
        budget.spend(seconds(1));
        assert_eq!(budget.pause(seconds(7)), None);
    }

    #[test]
    fn the_first_request_is_tried_for_long_only_behind_a_gateway() {
        let (limits, seconds) = (Limits::default(), Duration::from_secs);
        let budget = RetryBudget::of_first_request(&limits);
        assert_eq!(budget.pause(seconds(59)), Some(seconds(59)));
        assert_eq!(budget.pause(seconds(1)), None, "nothing has answered yet");
        budget.note_gateway_error();
        assert_eq!(budget.pause(seconds(10)), Some(seconds(10)));
        assert_eq!(budget.try_timeout(), seconds(20));
        assert_eq!(budget.pause(limits.first_request), None, "and not for ever");
        assert!(
            limits.first_request < limits.listing,
            "there is time left for the listing"
        );
        let other = RetryBudget::new(&limits);
        other.note_gateway_error();
        assert_eq!(other.pause(seconds(60)), None);
    }

    #[test]
    fn a_try_that_was_cut_short_leaves_the_reason_of_the_one_before() {
        let budget = RetryBudget::new(&Limits::default());
        let seconds = Duration::from_secs;
        assert_eq!(budget.timeout_reason(seconds(8)), NO_ANSWER);
        budget.note_failure("the response status is 500");
        assert_eq!(budget.timeout_reason(seconds(8)), "the response status is 500");
        assert_eq!(budget.timeout_reason(seconds(20)), NO_ANSWER);
    }

    #[test]
    fn a_hold_is_for_everybody_and_ends() {
        let pace = Pace::new(&Limits::default());
        let now = Instant::now() + Duration::from_secs(1);
        assert_eq!(pace.held_at(now), None);
        pace.hold_at(Duration::from_secs(5), now);
        pace.hold_at(Duration::from_secs(2), now);
        assert_eq!(pace.held_at(now), Some(Duration::from_secs(5)));
        assert_eq!(pace.held_at(now + Duration::from_secs(5)), None);
    }
}

//! Limits for requests to the API: rate, concurrency, retries and time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Reason for the failure of a request that timed out.
pub(super) const NO_ANSWER: &str = "no response in time";

/// Limits for requests to the API. The defaults are for the real API.
///
/// DigitalOcean's API reference, "Rate Limit": 5,000 requests per hour and 250 per minute for each token.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Maximum number of concurrent requests.
    pub in_flight: usize,
    /// Maximum number of requests per minute, on average.
    pub per_minute: u32,
    /// Maximum number of requests at once after a pause. `burst` plus `per_minute` must be below 250.
    pub burst: u32,
    /// Maximum time of one attempt, including the body of the response.
    pub request_timeout: Duration,
    /// Maximum time of all attempts of one request, including pauses, unless the first attempt alone takes longer.
    /// Waiting for a turn or because of a 429 does not count.
    pub retry_for: Duration,
    /// Replaces `retry_for` for the first request of a run, once a gateway has responded that it cannot reach the API
    /// (502, 503, 504). It is longer, because the whole run fails if this request fails.
    pub first_request: Duration,
    /// Pause before the second attempt. Each further pause is about twice as long.
    pub first_pause: Duration,
    /// Maximum pause between two attempts.
    pub longest_pause: Duration,
    /// Wait after a 429 whose headers do not set a time.
    pub default_rate_limit_wait: Duration,
    /// Maximum total time that one request waits because of 429.
    pub max_rate_limit_wait: Duration,
    /// Maximum time for listing the account, including the first request of the run.
    pub listing: Duration,
    /// Maximum time for confirming all resources that a listing lacks.
    pub confirming: Duration,
    /// Maximum time for reading the log of actions.
    pub actions: Duration,
    /// Maximum number of pages of one list.
    pub pages: u64,
    /// Maximum size of a decompressed body, in bytes.
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
            default_rate_limit_wait: Duration::from_secs(10),
            max_rate_limit_wait: Duration::from_secs(15 * 60),
            listing: Duration::from_secs(50 * 60),
            confirming: Duration::from_secs(15 * 60),
            actions: Duration::from_secs(2 * 60),
            pages: 1000,
            body_bytes: 32 * 1024 * 1024,
        }
    }
}

/// The time that is left for the attempts of one request.
#[derive(Debug)]
pub(super) struct RetryBudget {
    request_timeout: Duration,
    retry_for: Duration,
    /// `retry_for` after a gateway error (502, 503, 504).
    retry_for_gateway: Duration,
    had_gateway_error: AtomicBool,
    spent: Mutex<Duration>,
    /// Reason of the last failed attempt that the budget did not cut off.
    last_failure: Mutex<Option<String>>,
}

impl RetryBudget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            request_timeout: limits.request_timeout,
            retry_for: limits.retry_for,
            retry_for_gateway: limits.retry_for,
            had_gateway_error: AtomicBool::new(false),
            spent: Mutex::default(),
            last_failure: Mutex::default(),
        }
    }

    /// Creates the budget for the first request of a run.
    pub(super) fn of_first_request(limits: &Limits) -> Self {
        Self {
            retry_for_gateway: limits.first_request.max(limits.retry_for),
            ..Self::new(limits)
        }
    }

    /// Records a gateway error. It shows that the host is correct and that only the API behind it is down.
    pub(super) fn note_gateway_error(&self) {
        self.had_gateway_error.store(true, Ordering::Relaxed);
    }

    fn retry_for(&self) -> Duration {
        if self.had_gateway_error.load(Ordering::Relaxed) {
            self.retry_for_gateway
        } else {
            self.retry_for
        }
    }

    /// Returns the timeout of the next attempt. The first attempt always has the full `request_timeout`.
    pub(super) fn attempt_timeout(&self) -> Duration {
        let spent = self.spent();
        if spent.is_zero() {
            self.request_timeout
        } else {
            self.request_timeout.min(self.retry_for().saturating_sub(*spent))
        }
    }

    /// Subtracts a pause from the time that is left. Returns None if no time would be left after the pause.
    pub(super) fn pause(&self, pause: Duration) -> Option<Duration> {
        let mut spent = self.spent();
        *spent = spent.saturating_add(pause);
        (*spent < self.retry_for()).then_some(pause)
    }

    pub(super) fn spend(&self, time: Duration) {
        let mut spent = self.spent();
        *spent = spent.saturating_add(time);
    }

    /// Stores the reason of a failed attempt.
    pub(super) fn note_failure(&self, why: &str) {
        *self.last_failure() = Some(why.to_owned());
    }

    /// Returns the reason for an attempt that timed out after `tried_for`. If that is less than `request_timeout`, the
    /// budget cut the attempt off, and the reason of the previous failure is returned.
    pub(super) fn timeout_reason(&self, tried_for: Duration) -> String {
        let last_failure = self
            .last_failure()
            .clone()
            .filter(|_| tried_for < self.request_timeout);
        last_failure.unwrap_or_else(|| NO_ANSWER.to_owned())
    }

    fn last_failure(&self) -> MutexGuard<'_, Option<String>> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spent(&self) -> MutexGuard<'_, Duration> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rate and concurrency limiter that all requests of a client share.
#[derive(Debug)]
pub(super) struct Pace {
    slots: Semaphore,
    interval: Duration,
    burst: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the next request is due at the average rate. If it is in the past, several requests may be sent at once.
    next: Instant,
    /// No request is sent before this time, because of a 429.
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

    /// Waits for a free slot and for the rate limit. Returns None if the runtime is shutting down.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let slot = self.slots.acquire().await.ok()?;
        let at = self.next(Instant::now());
        tokio::time::sleep_until(at).await;
        Some(slot)
    }

    /// Returns when a request that arrives now may be sent. After a pause, requests may be sent at once, up to the size
    /// of a burst.
    fn next(&self, now: Instant) -> Instant {
        let mut state = self.state();
        let saved_up = now.checked_sub(self.burst).unwrap_or(now);
        let share = state.next.max(saved_up);
        state.next = share + self.interval;
        share.max(now)
    }

    /// Stops all requests for this long.
    pub(super) fn hold(&self, wait: Duration) {
        self.hold_at(wait, Instant::now());
    }

    fn hold_at(&self, wait: Duration, now: Instant) {
        let mut state = self.state();
        state.held_until = state.held_until.max(now + wait);
    }

    /// Returns how much longer requests are stopped, or None if they are not.
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
    fn fewer_than_250_requests_are_sent_per_minute() {
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
    fn pauses_and_attempts_stay_within_the_retry_budget() {
        let budget = RetryBudget::new(&Limits::default());
        let seconds = Duration::from_secs;
        assert_eq!(budget.attempt_timeout(), seconds(20));
        budget.spend(seconds(20));
        assert_eq!(budget.pause(seconds(10)), Some(seconds(10)));
        assert_eq!(budget.attempt_timeout(), seconds(20));
        budget.spend(seconds(12));
        assert_eq!(budget.pause(seconds(10)), Some(seconds(10)));
        assert_eq!(budget.attempt_timeout(), seconds(8), "not 20");
        budget.spend(seconds(1));
        assert_eq!(budget.pause(seconds(7)), None);
    }

    #[test]
    fn the_first_request_is_retried_longer_only_after_a_gateway_error() {
        let (limits, seconds) = (Limits::default(), Duration::from_secs);
        let budget = RetryBudget::of_first_request(&limits);
        assert_eq!(budget.pause(seconds(59)), Some(seconds(59)));
        assert_eq!(budget.pause(seconds(1)), None, "nothing has answered yet");
        budget.note_gateway_error();
        assert_eq!(budget.pause(seconds(10)), Some(seconds(10)));
        assert_eq!(budget.attempt_timeout(), seconds(20));
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
    fn an_attempt_cut_off_by_the_budget_reports_the_previous_failure() {
        let budget = RetryBudget::new(&Limits::default());
        let seconds = Duration::from_secs;
        assert_eq!(budget.timeout_reason(seconds(8)), NO_ANSWER);
        budget.note_failure("the response status is 500");
        assert_eq!(budget.timeout_reason(seconds(8)), "the response status is 500");
        assert_eq!(budget.timeout_reason(seconds(20)), NO_ANSWER);
    }

    #[test]
    fn the_longest_rate_limit_wait_applies_until_it_ends() {
        let pace = Pace::new(&Limits::default());
        let now = Instant::now() + Duration::from_secs(1);
        assert_eq!(pace.held_at(now), None);
        pace.hold_at(Duration::from_secs(5), now);
        pace.hold_at(Duration::from_secs(2), now);
        assert_eq!(pace.held_at(now), Some(Duration::from_secs(5)));
        assert_eq!(pace.held_at(now + Duration::from_secs(5)), None);
    }
}

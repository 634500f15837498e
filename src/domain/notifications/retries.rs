//! When a failed delivery is tried again.

use chrono::TimeDelta;

/// How long a delivery is retried.
pub(crate) const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(3);
/// Delay after the first failure, in seconds.
const FIRST_DELAY: i64 = 5;
/// Maximum delay, in seconds: four hours.
const LONGEST_DELAY: i64 = 4 * 3_600;

/// Returns the delay after the failure of an attempt, which is numbered from 1. It doubles with each attempt, up to four
/// hours. `random` spreads the retries of several messages: it takes off up to a half.
pub(crate) fn retry_delay(attempt: i32, random: u32) -> TimeDelta {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(16);
    let whole = (FIRST_DELAY << doublings).min(LONGEST_DELAY) * 1_000;
    let spread = whole / 2 * i64::from(random) / i64::from(u32::MAX);
    TimeDelta::milliseconds(whole - spread)
}

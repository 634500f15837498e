//! Tests of this provider with a small HTTP server on loopback that takes the place of the API.

mod account;
mod client;
mod confirm;
mod fetch_owners;
mod paging;
mod run;
mod server;

use std::time::Duration;

use super::*;

/// Returns a deadline that no test reaches unless it hangs.
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// Returns limits under which no pause takes longer than a few milliseconds.
fn quick() -> Limits {
    Limits {
        per_minute: 6_000_000,
        burst: 1_000_000,
        request_timeout: Duration::from_secs(10),
        retry_for: Duration::from_millis(5),
        first_request: Duration::from_millis(5),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(2),
        default_rate_limit_wait: Duration::from_millis(1),
        max_rate_limit_wait: Duration::from_millis(5),
        ..Limits::default()
    }
}

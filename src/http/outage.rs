//! Requests that fail for a reason that the server knows, such as a database that is away. There may be hundreds of them
//! in a second, so the log has a line when they begin, a line now and then, and a line when they have ended.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Interval of the lines while requests fail.
const LOGGED_EVERY: Duration = Duration::from_secs(30);
/// The failures have ended when requests work, and none has failed for so long.
const QUIET: Duration = Duration::from_secs(5);

/// The failures of the requests of this server.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<Option<Failures>>);

/// Failures that have not ended.
#[derive(Debug)]
struct Failures {
    began: Instant,
    newest: Instant,
    logged: Instant,
    requests: u64,
}

impl Outage {
    /// Notes that a request failed. `why` is its code.
    pub(super) fn failed(&self, why: &str, now: Instant) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(failures) = failures.as_mut() else {
            tracing::warn!(why, "requests fail: more lines follow every {LOGGED_EVERY:?}");
            *failures = Some(Failures {
                began: now,
                newest: now,
                logged: now,
                requests: 1,
            });
            return;
        };
        failures.newest = now;
        failures.requests += 1;
        if now.saturating_duration_since(failures.logged) >= LOGGED_EVERY {
            failures.logged = now;
            let (requests, since) = (failures.requests, failures.began);
            let lasts = now.saturating_duration_since(since);
            tracing::warn!(why, requests, ?lasts, "requests still fail");
        }
    }

    /// Notes that a request worked.
    pub(super) fn worked(&self, now: Instant) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = failures.take_if(|failures| now.saturating_duration_since(failures.newest) >= QUIET);
        if let Some(ended) = ended {
            let lasted = ended.newest.saturating_duration_since(ended.began);
            tracing::warn!(requests = ended.requests, ?lasted, "requests work again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::tests::Log;

    #[tokio::test]
    async fn an_outage_has_a_line_at_its_begin_now_and_then_and_at_its_end() {
        let (log, guard) = Log::start();
        let (outage, begin) = (Outage::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        outage.worked(begin);
        assert_eq!(log.lines(), "");
        for number in 0..2_000 {
            outage.failed("DATABASE_BUSY", at(number / 50));
            // Requests that need no database work meanwhile.
            outage.worked(at(number / 50));
        }
        outage.worked(at(39));
        outage.worked(at(45));
        outage.worked(at(46));
        outage.failed("DATABASE_READ_ONLY", at(50));
        drop(guard);
        let lines = log.lines();
        let expected = [
            ["requests fail", "DATABASE_BUSY"],
            ["requests still fail", "requests=1501"],
            ["requests work again", "requests=2000 lasted=39s"],
            ["requests fail", "DATABASE_READ_ONLY"],
        ];
        assert_eq!(lines.lines().count(), expected.len(), "{lines}");
        for (line, parts) in lines.lines().zip(expected) {
            assert!(
                line.contains("WARN") && parts.iter().all(|part| line.contains(part)),
                "{line}"
            );
        }
    }
}

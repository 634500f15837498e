//! The clock. No other module reads the time of day.
//!
//! Other code takes `now` as an argument, or a [`Clock`] if it has to wait, so that tests control the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// Interval at which a waiting task checks the clock.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A clock in UTC with microsecond precision, which is the precision of PostgreSQL: a time read from either database
/// equals the time that was written.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system clock.
    System,
    /// A clock that changes only when a test advances it.
    Manual(ManualClock),
}

impl Clock {
    /// Returns the current time.
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Self::System => {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "only this function reads the system clock"
                )]
                let now = Utc::now();
                now.trunc_subsecs(6)
            }
            Self::Manual(clock) => clock.now(),
        }
    }

    /// Waits until `time`. Checks repeatedly, because the clock may be changed and the machine may sleep.
    pub async fn wait_until(&self, time: DateTime<Utc>) {
        while let Ok(left @ 1..) = u64::try_from((time - self.now()).num_milliseconds()) {
            tokio::time::sleep(Duration::from_millis(left).min(CHECK_INTERVAL)).await;
        }
    }
}

/// A clock for tests. Clones share one time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// Creates a clock that is set to `start`.
    pub fn at(start: DateTime<Utc>) -> Self {
        Self(Arc::new(AtomicI64::new(start.timestamp_micros())))
    }

    /// Returns the current time of this clock.
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.load(Ordering::SeqCst)).unwrap_or_default()
    }

    /// Advances the clock.
    pub fn advance(&self, by: TimeDelta) {
        self.0
            .fetch_add(by.num_microseconds().unwrap_or_default(), Ordering::SeqCst);
    }
}

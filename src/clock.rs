//! The only place that reads the time of day.
//!
//! Everything else takes `now` as an argument, or a [`Clock`] where it has to wait, so that a test decides
//! what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// How long nobody looks at the clock who waits for a time.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Tells the time, in UTC, cut to microseconds: what PostgreSQL keeps, so that a time read back from either
/// database equals the time that was written.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that moves only when told to.
    Manual(ManualClock),
}

impl Clock {
    /// The time now.
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Self::System => {
                #[expect(clippy::disallowed_methods, reason = "the one place that may ask")]
                let now = Utc::now();
                now.trunc_subsecs(6)
            }
            Self::Manual(clock) => clock.now(),
        }
    }

    /// Waits until it is `time`. It looks again and again: a clock may be set, and a machine may sleep.
    pub async fn reaches(&self, time: DateTime<Utc>) {
        while let Ok(left @ 1..) = u64::try_from((time - self.now()).num_milliseconds()) {
            tokio::time::sleep(Duration::from_millis(left).min(LOOK_AGAIN)).await;
        }
    }
}

/// A clock for tests. Clones share one time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn at(start: DateTime<Utc>) -> Self {
        Self(Arc::new(AtomicI64::new(start.timestamp_micros())))
    }

    /// The time that it stands at.
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.load(Ordering::SeqCst)).unwrap_or_default()
    }

    /// Moves it forward.
    pub fn advance(&self, by: TimeDelta) {
        self.0
            .fetch_add(by.num_microseconds().unwrap_or_default(), Ordering::SeqCst);
    }
}

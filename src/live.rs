//! Publishes committed changes of drifts to subscribers, regardless of which process committed them.
//!
//! Servers do not exchange messages. While a server has subscribers, one task polls the log of events every second
//! and shares the results with all of them. Polling also finds the changes of other servers and commands, and works on
//! both databases and through any connection pooler.

mod event_window;
mod feed;
mod runs;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use entity::cloud_drift;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use self::feed::Feed;
use self::runs::RunFeed;
pub use self::runs::RunSubscription;
use crate::clock::Clock;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::services::inbox::DriftFilter;

/// Maximum number of batches queued for a subscriber. Each batch has at most [`feed::BATCH`] drifts, which all queues
/// share. The limit is high enough for a sweep that opens ten thousand drifts.
const BACKLOG: usize = 128;

/// Maximum time of one read of a feed. A read that takes longer is given up, and repeated.
const READ_LIMIT: Duration = Duration::from_secs(5);
/// Time without a complete poll after which the next failure ends the subscriptions with an error, because their readers
/// believe to be up to date. With the limit of a read and the pauses between polls, they learn of it within 15 s.
const SILENCE: Duration = Duration::from_secs(6);
/// Maximum pause before a failed poll is repeated.
const MAX_PAUSE: Duration = Duration::from_secs(4);

/// Runs a read of a feed within [`READ_LIMIT`].
async fn within_limit<T>(read: impl Future<Output = Result<T>>) -> Result<T> {
    let read = tokio::time::timeout(READ_LIMIT, read).await;
    read.unwrap_or_else(|_| Err(Error::Busy("a read of the live feed took too long".to_owned())))
}

/// Returns the pause before the next poll after this number of consecutive failures.
fn pause_after(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.min(5)).min(MAX_PAUSE)
}

/// Why a feed ends subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The subscriber reads too slowly.
    Lagged,
    /// The database cannot be read.
    Unread,
}

impl From<End> for Error {
    fn from(end: End) -> Self {
        match end {
            End::Lagged => Self::Lagged,
            End::Unread => Self::Busy("the live feed cannot be read".to_owned()),
        }
    }
}

/// A batch of changes for one subscriber.
#[derive(Clone, Debug)]
pub struct ChangeBatch {
    /// Number of the batch; the same for all subscribers.
    pub number: u64,
    /// All resources of the batch, including those that the filter excludes.
    pub resources: Arc<[Uuid]>,
    /// The drifts that match the filter, in the order of their changes.
    pub drifts: Vec<Arc<cloud_drift::Model>>,
}

/// The feed of drift changes of a server. It polls only while there are subscribers.
#[derive(Debug)]
pub struct Live {
    db: Db,
    clock: Clock,
    feed: Mutex<Option<mpsc::UnboundedSender<SubscribeRequest>>>,
    runs: Arc<RunFeed>,
}

/// A request to subscribe.
struct SubscribeRequest {
    filter: DriftFilter,
    answer: oneshot::Sender<Result<Subscription>>,
}

impl Live {
    /// Creates the feed of this database.
    pub fn new(db: Db, clock: Clock) -> Self {
        Self {
            runs: RunFeed::new(db.clone()),
            db,
            clock,
            feed: Mutex::default(),
        }
    }

    /// Subscribes to the drifts that match the filter. The subscription delivers the changes that are committed after
    /// this returns, and none that an earlier poll has read.
    ///
    /// # Errors
    ///
    /// BAD_USER_INPUT if the filter is invalid; SUBSCRIPTION_LAGGED if there are too many new events; DATABASE_BUSY if the
    /// database does not answer.
    pub async fn subscribe(&self, filter: DriftFilter) -> Result<Subscription> {
        filter.check()?;
        let gone = |_| Error::Internal("the feed of drifts ended".to_owned());
        let (answer, answered) = oneshot::channel();
        self.feed()
            .send(SubscribeRequest { filter, answer })
            .map_err(|_| Error::Internal("the feed of drifts ended".to_owned()))?;
        answered.await.map_err(gone)?
    }

    /// Subscribes to the runs of jobs that begin or end. The subscription delivers the changes that are committed after this
    /// returns.
    ///
    /// # Errors
    ///
    /// The database is unavailable.
    pub async fn subscribe_runs(&self) -> Result<RunSubscription> {
        self.runs.subscribe().await
    }

    /// Returns the sender of requests to the task that polls. Starts the task if it is not running; it ends when this
    /// value is dropped.
    fn feed(&self) -> mpsc::UnboundedSender<SubscribeRequest> {
        let mut feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
        match &*feed {
            Some(requests) if !requests.is_closed() => requests.clone(),
            _ => {
                let (requests, receiver) = mpsc::unbounded_channel();
                tokio::spawn(Feed::new(self.db.clone(), self.clock.clone()).run(receiver));
                feed.insert(requests).clone()
            }
        }
    }
}

/// The receiving end of one subscriber.
#[derive(Debug)]
pub struct Subscription {
    batches: mpsc::Receiver<ChangeBatch>,
    end: Arc<Mutex<Option<End>>>,
}

impl Subscription {
    /// Returns the next batch; `None` if the feed has ended.
    ///
    /// # Errors
    ///
    /// SUBSCRIPTION_LAGGED if the subscriber was disconnected; DATABASE_BUSY if new changes cannot be read. No batch
    /// follows.
    pub async fn next(&mut self) -> Option<Result<ChangeBatch>> {
        match self.batches.recv().await {
            Some(batch) => Some(Ok(batch)),
            None => {
                let end = self.end.lock().unwrap_or_else(PoisonError::into_inner).take();
                end.map(|end| Err(end.into()))
            }
        }
    }
}

/// The sending end of a [`Subscription`].
struct Subscriber {
    filter: DriftFilter,
    batches: mpsc::Sender<ChangeBatch>,
    end: Arc<Mutex<Option<End>>>,
}

impl Subscriber {
    fn new(filter: DriftFilter) -> (Self, Subscription) {
        let (sender, batches) = mpsc::channel(BACKLOG);
        let end = Arc::default();
        let subscription = Subscription {
            batches,
            end: Arc::clone(&end),
        };
        let subscriber = Self {
            filter,
            batches: sender,
            end,
        };
        (subscriber, subscription)
    }

    fn is_connected(&self) -> bool {
        !self.batches.is_closed()
    }

    /// Sends a batch. Returns false if the subscriber is gone, or is disconnected because its queue is full.
    fn send(&self, batch: ChangeBatch) -> bool {
        match self.batches.try_send(batch) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.disconnect(End::Lagged);
                false
            }
        }
    }

    /// Disconnects the subscriber. It receives the reason after the batches that are already queued.
    fn disconnect(&self, why: End) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscribers_learn_within_15_seconds_that_nothing_can_be_read() {
        // A poll completes just before, and each later one takes as long as it may.
        let (mut passed, mut failures) = (Duration::from_secs(2), 0);
        loop {
            passed += READ_LIMIT;
            failures += 1;
            if passed >= SILENCE {
                break;
            }
            passed += pause_after(failures);
        }
        assert!(passed < Duration::from_secs(15), "{passed:?}");
    }

    fn batch(number: u64) -> ChangeBatch {
        ChangeBatch {
            number,
            resources: Arc::default(),
            drifts: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_slow_reader_is_disconnected_after_a_bounded_backlog() {
        let (subscriber, mut subscription) = Subscriber::new(DriftFilter::default());
        let backlog = BACKLOG as u64;
        assert!((0..backlog).all(|number| subscriber.send(batch(number))));
        assert!(!subscriber.send(batch(backlog)));
        drop(subscriber);
        for number in 0..backlog {
            let received = subscription.next().await.unwrap().unwrap();
            assert_eq!(received.number, number);
        }
        assert!(matches!(subscription.next().await, Some(Err(Error::Lagged))));
        assert!(subscription.next().await.is_none());
    }

    #[tokio::test]
    async fn a_subscription_ends_without_an_error_when_the_feed_ends() {
        let (subscriber, mut subscription) = Subscriber::new(DriftFilter::default());
        drop(subscriber);
        assert!(subscription.next().await.is_none());
    }
}

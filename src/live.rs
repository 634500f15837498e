//! Publishes committed changes of drifts to subscribers, regardless of which process committed them.
//!
//! Servers do not exchange messages. While a server has subscribers, one task polls the log of events every second
//! and shares the results with all of them. Polling also finds the changes of other servers and commands, and works on
//! both databases and through any connection pooler.

mod event_window;
mod feed;
mod runs;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
    /// BAD_USER_INPUT if the filter is invalid; SUBSCRIPTION_LAGGED if there are too many new events.
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
    lagged: Arc<AtomicBool>,
}

impl Subscription {
    /// Returns the next batch; `None` if the feed has ended.
    ///
    /// # Errors
    ///
    /// SUBSCRIPTION_LAGGED if the subscriber was disconnected. No batch follows.
    pub async fn next(&mut self) -> Option<Result<ChangeBatch>> {
        match self.batches.recv().await {
            Some(batch) => Some(Ok(batch)),
            None => self
                .lagged
                .swap(false, Ordering::SeqCst)
                .then_some(Err(Error::Lagged)),
        }
    }
}

/// The sending end of a [`Subscription`].
struct Subscriber {
    filter: DriftFilter,
    batches: mpsc::Sender<ChangeBatch>,
    lagged: Arc<AtomicBool>,
}

impl Subscriber {
    fn new(filter: DriftFilter) -> (Self, Subscription) {
        let (sender, batches) = mpsc::channel(BACKLOG);
        let lagged = Arc::new(AtomicBool::new(false));
        let subscription = Subscription {
            batches,
            lagged: Arc::clone(&lagged),
        };
        let subscriber = Self {
            filter,
            batches: sender,
            lagged,
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
                self.disconnect();
                false
            }
        }
    }

    /// Disconnects the subscriber. It receives the reason after the batches that are already queued.
    fn disconnect(&self) {
        self.lagged.store(true, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

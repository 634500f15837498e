//! Tells whoever listens what becomes of drifts, whichever process committed it.
//!
//! There is no message between servers: one task a server looks at the log of events every second, as long as
//! somebody listens, and shares what it finds among all of them. It finds what other servers and commands
//! commit as well as what this one does, on both databases, and through whatever stands before them.

mod feed;
mod window;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use entity::cloud_drift;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use self::feed::Feed;
use crate::clock::Clock;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::services::inbox::DriftFilter;

/// News that may wait for a subscriber. Each has at most [`feed::BATCH`] drifts, and all who are as late share
/// them, so that a sweep which opens ten thousand drifts reaches everybody who reads at all.
const BACKLOG: usize = 128;

/// What is told at once.
#[derive(Clone, Debug)]
pub struct News {
    /// The same for all who hear of what was read together.
    pub batch: u64,
    /// The resources of everything that was read together, whoever wants to hear of it.
    pub resources: Arc<[Uuid]>,
    /// The drifts that this subscriber wants to hear of, in the order of what happened to them.
    pub drifts: Vec<Arc<cloud_drift::Model>>,
}

/// A server's feed. It reads nothing while nobody listens.
#[derive(Debug)]
pub struct Live {
    db: Db,
    clock: Clock,
    feed: Mutex<Option<mpsc::UnboundedSender<Ask>>>,
}

/// Somebody wants to listen.
struct Ask {
    filter: DriftFilter,
    answer: oneshot::Sender<Result<Subscription>>,
}

impl Live {
    /// Of this database.
    pub fn new(db: Db, clock: Clock) -> Self {
        Self {
            db,
            clock,
            feed: Mutex::default(),
        }
    }

    /// Listens. What is committed after this returns is told, and what was seen to be committed before is not.
    pub async fn subscribe(&self, filter: DriftFilter) -> Result<Subscription> {
        filter.check()?;
        let gone = |_| Error::Internal("the feed of drifts ended".to_owned());
        let (answer, answered) = oneshot::channel();
        self.feed()
            .send(Ask { filter, answer })
            .map_err(|_| Error::Internal("the feed of drifts ended".to_owned()))?;
        answered.await.map_err(gone)?
    }

    /// The task that reads. It ends with this value.
    fn feed(&self) -> mpsc::UnboundedSender<Ask> {
        let mut feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
        match &*feed {
            Some(asks) if !asks.is_closed() => asks.clone(),
            _ => {
                let (asks, asked) = mpsc::unbounded_channel();
                tokio::spawn(Feed::new(self.db.clone(), self.clock.clone()).run(asked));
                feed.insert(asks).clone()
            }
        }
    }
}

/// What one subscriber hears.
#[derive(Debug)]
pub struct Subscription {
    news: mpsc::Receiver<News>,
    lagged: Arc<AtomicBool>,
}

impl Subscription {
    /// The next news. An error is the last: the subscriber was cut off. None when the server stops.
    pub async fn next(&mut self) -> Option<Result<News>> {
        match self.news.recv().await {
            Some(news) => Some(Ok(news)),
            None => self
                .lagged
                .swap(false, Ordering::SeqCst)
                .then_some(Err(Error::Lagged)),
        }
    }
}

/// The other end of a [`Subscription`].
struct Subscriber {
    filter: DriftFilter,
    news: mpsc::Sender<News>,
    lagged: Arc<AtomicBool>,
}

impl Subscriber {
    fn new(filter: DriftFilter) -> (Self, Subscription) {
        let (sender, news) = mpsc::channel(BACKLOG);
        let lagged = Arc::new(AtomicBool::new(false));
        let subscription = Subscription {
            news,
            lagged: Arc::clone(&lagged),
        };
        let subscriber = Self {
            filter,
            news: sender,
            lagged,
        };
        (subscriber, subscription)
    }

    fn listens(&self) -> bool {
        !self.news.is_closed()
    }

    /// False if it is gone or cut off. Nobody waits for a slow one.
    fn tell(&self, news: News) -> bool {
        match self.news.try_send(news) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.cut_off();
                false
            }
        }
    }

    /// It hears why, once it has read what it was told before.
    fn cut_off(&self) {
        self.lagged.store(true, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(batch: u64) -> News {
        News {
            batch,
            resources: Arc::default(),
            drifts: Vec::new(),
        }
    }

    #[tokio::test]
    async fn who_does_not_read_is_cut_off_behind_a_bounded_backlog() {
        let (subscriber, mut subscription) = Subscriber::new(DriftFilter::default());
        let backlog = BACKLOG as u64;
        assert!((0..backlog).all(|batch| subscriber.tell(news(batch))));
        assert!(!subscriber.tell(news(backlog)));
        drop(subscriber);
        for batch in 0..backlog {
            let told = subscription.next().await.unwrap().unwrap();
            assert_eq!(told.batch, batch);
        }
        assert!(matches!(subscription.next().await, Some(Err(Error::Lagged))));
        assert!(subscription.next().await.is_none());
    }

    #[tokio::test]
    async fn a_subscription_ends_without_an_error_when_the_feed_does() {
        let (subscriber, mut subscription) = Subscriber::new(DriftFilter::default());
        drop(subscriber);
        assert!(subscription.next().await.is_none());
    }
}

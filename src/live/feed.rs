//! The task that polls the log of events.

use std::sync::Arc;
use std::time::Duration;

use entity::cloud_drift;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::window::Window;
use super::{Ask, News, Subscriber};
use crate::clock::Clock;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::services::transitions::{Changed, drifts_of, transitions_since};

/// Number of events whose drifts are read at once.
pub(super) const BATCH: usize = 100;
/// Maximum number of events per poll. If there are more, all subscribers are disconnected.
const MOST_EVENTS: usize = 200_000;
/// Interval between polls.
const PAUSE: Duration = Duration::from_secs(1);
/// Minimum interval between polls, used while this process commits writes.
const SHORT_PAUSE: Duration = Duration::from_millis(50);
/// Minimum delay before the next poll, as a multiple of the last poll's duration. It limits the load of polling after
/// many changes, because each event is read again until it has left the window.
const REST: u32 = 20;
/// Maximum interval between polls while the database is unavailable.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(super) struct Feed {
    db: Db,
    clock: Clock,
    subscribers: Vec<Subscriber>,
    /// The events already read; `None` without subscribers.
    window: Option<Window>,
    batches: u64,
    /// Number of consecutive failed polls.
    failed: u32,
    took: Duration,
}

impl Feed {
    pub(super) fn new(db: Db, clock: Clock) -> Self {
        Self {
            db,
            clock,
            subscribers: Vec::new(),
            window: None,
            batches: 0,
            failed: 0,
            took: Duration::ZERO,
        }
    }

    /// Runs until all senders of requests are dropped.
    pub(super) async fn run(mut self, mut asks: mpsc::UnboundedReceiver<Ask>) {
        loop {
            let mut new = Vec::new();
            if self.subscribers.is_empty() {
                self.window = None;
                self.failed = 0;
                match asks.recv().await {
                    Some(ask) => new.push(ask),
                    None => return,
                }
            } else {
                tokio::select! {
                    ask = asks.recv() => match ask {
                        Some(ask) => new.push(ask),
                        None => return,
                    },
                    () = self.pause() => {}
                }
            }
            // All requests that arrive together share one poll.
            while let Ok(ask) = asks.try_recv() {
                new.push(ask);
            }
            self.subscribers.retain(Subscriber::listens);
            if !self.subscribers.is_empty() || !new.is_empty() {
                self.serve(new).await;
            }
        }
    }

    async fn pause(&self) {
        let rest = self.took.saturating_mul(REST);
        if self.failed > 0 {
            let patience = PAUSE.saturating_mul(1 << self.failed.min(5));
            return sleep(patience.min(LONGEST_PAUSE)).await;
        }
        let woken = async {
            sleep(SHORT_PAUSE.max(rest)).await;
            self.db.committed().await;
        };
        tokio::select! {
            () = sleep(PAUSE.max(rest)) => {}
            () = woken => {}
        }
    }

    /// Publishes new changes to existing subscribers, then adds the new ones.
    async fn serve(&mut self, new: Vec<Ask>) {
        let began = Instant::now();
        let looked = self.look().await;
        self.took = began.elapsed();
        match &looked {
            Ok(()) => {
                if self.failed > 0 {
                    tracing::info!("the feed of drifts continues");
                }
                self.failed = 0;
            }
            Err(error) => {
                if self.failed == 0 {
                    tracing::warn!(%error, "reading the feed of drifts failed: retrying");
                }
                self.failed = self.failed.saturating_add(1);
            }
        }
        for ask in new {
            match &looked {
                Ok(()) => self.admit(ask),
                // The send fails if the subscriber has left, which needs no handling.
                Err(Error::Lagged) => _ = ask.answer.send(Err(Error::Lagged)),
                Err(error) => _ = ask.answer.send(Err(Error::Internal(error.to_string()))),
            }
        }
    }

    fn admit(&mut self, ask: Ask) {
        let (subscriber, subscription) = Subscriber::new(ask.filter);
        if ask.answer.send(Ok(subscription)).is_ok() {
            self.subscribers.push(subscriber);
        }
    }

    /// Publishes all new events. Events that could not be read are published by a later poll.
    async fn look(&mut self) -> Result<()> {
        let now = self.clock.now();
        let from = self
            .window
            .as_ref()
            .map_or_else(|| Window::first(now), Window::next);
        let there = transitions_since(self.db.reader(), from, MOST_EVENTS as u64 + 1).await?;
        if there.len() > MOST_EVENTS {
            for subscriber in self.subscribers.drain(..) {
                subscriber.cut_off();
            }
            self.window = None;
            return Err(Error::Lagged);
        }
        let Some(window) = &mut self.window else {
            self.window = Some(Window::after(now, there));
            return Ok(());
        };
        let unseen = window.unseen(from, there);
        for events in unseen.chunks(BATCH) {
            let changed = drifts_of(self.db.reader(), events).await?;
            self.batches += 1;
            tell(&mut self.subscribers, self.batches, changed);
            window.told(events);
        }
        window.done(now);
        Ok(())
    }
}

/// Sends the drifts of one batch to each subscriber whose filter they match.
fn tell(subscribers: &mut Vec<Subscriber>, batch: u64, changed: Vec<Changed>) {
    let changed: Vec<_> = changed
        .into_iter()
        .map(|changed| (Arc::new(changed.drift), changed.resource))
        .collect();
    let mut resources: Vec<Uuid> = changed.iter().map(|(_, resource)| resource.id).collect();
    resources.sort_unstable();
    resources.dedup();
    let resources: Arc<[Uuid]> = resources.into();
    subscribers.retain(|subscriber| {
        let wanted = changed
            .iter()
            .filter(|(drift, resource)| subscriber.filter.matches(drift, resource));
        let drifts: Vec<Arc<cloud_drift::Model>> = wanted.map(|(drift, _)| Arc::clone(drift)).collect();
        let news = News {
            batch,
            resources: Arc::clone(&resources),
            drifts,
        };
        news.drifts.is_empty() || subscriber.tell(news)
    });
}

//! The task that polls the log of events.

use std::sync::Arc;
use std::time::Duration;

use entity::cloud_drift;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::event_window::Window;
use super::{ChangeBatch, End, SILENCE, SubscribeRequest, Subscriber, pause_after, within_limit};
use crate::clock::Clock;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::services::drift_events::{Changed, drifts_of, transitions_since};

/// Number of events whose drifts are read at once.
pub(super) const BATCH: usize = 100;
/// Maximum number of events per poll. If there are more, all subscribers are disconnected.
const MAX_EVENTS_PER_POLL: usize = 200_000;
/// Interval between polls.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Minimum interval between polls, used while this process commits writes.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Minimum delay before the next poll, as a multiple of the last poll's duration. It limits the load of polling after
/// many changes, because each event is read again until it has left the window.
const REST_FACTOR: u32 = 20;
/// Maximum of that delay: one slow poll, as on a busy machine, must not make subscribers wait much longer.
const MAX_REST: Duration = Duration::from_millis(1_500);

pub(super) struct Feed {
    db: Db,
    clock: Clock,
    subscribers: Vec<Subscriber>,
    /// The events already read; `None` without subscribers.
    window: Option<Window>,
    batches: u64,
    /// Number of consecutive failed polls.
    failed: u32,
    /// When the last complete poll ended.
    completed: Instant,
    last_duration: Duration,
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
            completed: Instant::now(),
            last_duration: Duration::ZERO,
        }
    }

    /// Runs until all senders of requests are dropped.
    pub(super) async fn run(mut self, mut requests: mpsc::UnboundedReceiver<SubscribeRequest>) {
        loop {
            let mut new = Vec::new();
            if self.subscribers.is_empty() {
                self.window = None;
                self.failed = 0;
                match requests.recv().await {
                    Some(request) => new.push(request),
                    None => return,
                }
            } else {
                tokio::select! {
                    request = requests.recv() => match request {
                        Some(request) => new.push(request),
                        None => return,
                    },
                    () = self.pause() => {}
                }
            }
            // All requests that arrive together share one poll.
            while let Ok(request) = requests.try_recv() {
                new.push(request);
            }
            self.subscribers.retain(Subscriber::is_connected);
            if !self.subscribers.is_empty() || !new.is_empty() {
                self.serve(new).await;
            }
        }
    }

    async fn pause(&self) {
        let rest = rest_after(self.last_duration);
        if self.failed > 0 {
            return sleep(pause_after(self.failed)).await;
        }
        let woken = async {
            sleep(MIN_POLL_INTERVAL.max(rest)).await;
            self.db.committed().await;
        };
        tokio::select! {
            () = sleep(POLL_INTERVAL.max(rest)) => {}
            () = woken => {}
        }
    }

    /// Publishes new changes to existing subscribers, then adds the new ones.
    async fn serve(&mut self, new: Vec<SubscribeRequest>) {
        let began = Instant::now();
        let polled = self.poll().await;
        self.last_duration = began.elapsed();
        match &polled {
            Ok(()) => {
                if self.failed > 0 {
                    tracing::info!("the feed of drifts continues");
                }
                self.failed = 0;
                self.completed = Instant::now();
            }
            Err(error) => {
                if self.failed == 0 {
                    tracing::warn!(%error, "reading the feed of drifts failed: retrying");
                }
                self.failed = self.failed.saturating_add(1);
                if self.completed.elapsed() >= SILENCE {
                    self.disconnect_all(End::Unread);
                }
            }
        }
        for request in new {
            match &polled {
                Ok(()) => self.add_subscriber(request),
                // The send fails if the subscriber has left, which needs no handling.
                Err(Error::Lagged) => _ = request.answer.send(Err(Error::Lagged)),
                Err(error) => _ = request.answer.send(Err(Error::Busy(error.to_string()))),
            }
        }
    }

    fn add_subscriber(&mut self, request: SubscribeRequest) {
        let (subscriber, subscription) = Subscriber::new(request.filter);
        if request.answer.send(Ok(subscription)).is_ok() {
            self.subscribers.push(subscriber);
        }
    }

    /// Ends all subscriptions. Their readers subscribe again, and load what they have missed.
    fn disconnect_all(&mut self, why: End) {
        if !self.subscribers.is_empty() {
            tracing::warn!(
                subscribers = self.subscribers.len(),
                ?why,
                "ending the subscriptions to drifts"
            );
        }
        for subscriber in self.subscribers.drain(..) {
            subscriber.disconnect(why);
        }
        self.window = None;
    }

    /// Publishes all new events. Events that could not be read are published by a later poll.
    async fn poll(&mut self) -> Result<()> {
        let now = self.clock.now();
        let from = self
            .window
            .as_ref()
            .map_or_else(|| Window::first(now), Window::next);
        let events = transitions_since(self.db.reader(), from, MAX_EVENTS_PER_POLL as u64 + 1);
        let events = within_limit(events).await?;
        if events.len() > MAX_EVENTS_PER_POLL {
            self.disconnect_all(End::Lagged);
            return Err(Error::Lagged);
        }
        let Some(window) = &mut self.window else {
            self.window = Some(Window::after(now, events));
            return Ok(());
        };
        let new_events = window.new_events(from, events);
        for batch in new_events.chunks(BATCH) {
            let changed = within_limit(drifts_of(self.db.reader(), batch)).await?;
            self.batches += 1;
            publish(&mut self.subscribers, self.batches, changed);
            window.mark_published(batch);
            // Many changes take longer, but the readers receive them.
            self.completed = Instant::now();
        }
        window.complete_poll(now);
        Ok(())
    }
}

/// Returns the minimum delay before the next poll after one of this duration.
fn rest_after(poll: Duration) -> Duration {
    poll.saturating_mul(REST_FACTOR).min(MAX_REST)
}

/// Sends the drifts of one batch to each subscriber whose filter they match.
fn publish(subscribers: &mut Vec<Subscriber>, number: u64, changed: Vec<Changed>) {
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
        let batch = ChangeBatch {
            number,
            resources: Arc::clone(&resources),
            drifts,
        };
        batch.drifts.is_empty() || subscriber.send(batch)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_poll_does_not_delay_the_next_one_by_more_than_two_seconds() {
        assert_eq!(rest_after(Duration::from_millis(5)), Duration::from_millis(100));
        for slow in [Duration::from_secs(1), Duration::from_secs(30), Duration::MAX] {
            assert!(rest_after(slow) < Duration::from_secs(2));
        }
    }
}

//! Publishes the changes of runs of jobs to subscribers, regardless of which process runs them.
//!
//! While a server has subscribers, one task reads the newest runs every second, and those that were active before, and
//! shares what has changed. A reader that is too slow is disconnected, because the queue of changes is bounded.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use entity::job_runs;
use tokio::sync::{Mutex, broadcast};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{End, SILENCE, pause_after, within_limit};
use crate::db::Db;
use crate::error::{Error, Result};
use crate::services::job_runs as runs;
use crate::services::page::PageRequest;

/// Number of changes that are queued for the slowest subscriber.
const BACKLOG: usize = 256;
/// Number of the newest runs that a poll reads.
const NEWEST: u64 = 100;
/// Maximum number of older runs that a poll reads because they were active.
const MAX_ACTIVE: usize = 100;
/// Interval between polls.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Minimum interval between polls, used while this process commits writes.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// A change of a run, or the end of the feed.
type Change = Result<Arc<job_runs::Model>, End>;

/// The feed of runs of a server. It polls only while there are subscribers.
#[derive(Debug)]
pub(super) struct RunFeed {
    db: Db,
    /// The sender of the task that polls; `None` if there is no task.
    sender: Mutex<Option<broadcast::Sender<Change>>>,
}

/// The receiving end of one subscriber.
#[derive(Debug)]
pub struct RunSubscription(broadcast::Receiver<Change>);

impl RunSubscription {
    /// Returns the next run that has begun or ended; `None` if the feed has ended.
    ///
    /// # Errors
    ///
    /// SUBSCRIPTION_LAGGED if the subscriber read too slowly; DATABASE_BUSY if new changes cannot be read. It must not read
    /// on.
    pub async fn next(&mut self) -> Option<Result<Arc<job_runs::Model>>> {
        match self.0.recv().await {
            Ok(change) => Some(change.map_err(Into::into)),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Err(Error::Lagged)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// What is known about a run: it has changed if one of these has. `true` if it is active.
type Known = HashMap<Uuid, (bool, Option<job_runs::JobOutcome>)>;

impl RunFeed {
    pub(super) fn new(db: Db) -> Arc<Self> {
        Arc::new(Self {
            db,
            sender: Mutex::default(),
        })
    }

    /// Subscribes to runs. The subscription delivers the changes that are committed after this returns.
    ///
    /// # Errors
    ///
    /// The database is unavailable.
    pub(super) async fn subscribe(self: &Arc<Self>) -> Result<RunSubscription> {
        let mut sender = self.sender.lock().await;
        if let Some(sender) = &*sender {
            return Ok(RunSubscription(sender.subscribe()));
        }
        let known = state_of(&within_limit(read(&self.db, &Known::new())).await?);
        let (new, receiver) = broadcast::channel(BACKLOG);
        *sender = Some(new.clone());
        tokio::spawn(Arc::clone(self).run(new, known));
        Ok(RunSubscription(receiver))
    }

    /// Polls until the last subscriber has left.
    async fn run(self: Arc<Self>, sender: broadcast::Sender<Change>, mut known: Known) {
        let (mut failed, mut completed): (u32, _) = (0, Instant::now());
        loop {
            self.pause(failed).await;
            {
                // Under the lock, so that no subscriber arrives between the count and the end of this task.
                let mut current = self.sender.lock().await;
                if sender.receiver_count() == 0 {
                    *current = None;
                    return;
                }
            }
            match within_limit(read(&self.db, &known)).await {
                Ok(found) => {
                    let now = state_of(&found);
                    for run in found {
                        if known.get(&run.id) != now.get(&run.id) {
                            // It fails if the last subscriber has just left.
                            _ = sender.send(Ok(Arc::new(run)));
                        }
                    }
                    known = now;
                    (failed, completed) = (0, Instant::now());
                }
                Err(error) => {
                    if failed == 0 {
                        tracing::warn!(%error, "reading the feed of runs failed: retrying");
                    }
                    failed = failed.saturating_add(1);
                    if completed.elapsed() >= SILENCE {
                        // Their readers subscribe again, and load what they have missed.
                        *self.sender.lock().await = None;
                        _ = sender.send(Err(End::Unread));
                        return;
                    }
                }
            }
        }
    }

    async fn pause(&self, failed: u32) {
        if failed > 0 {
            return sleep(pause_after(failed)).await;
        }
        let woken = async {
            sleep(MIN_POLL_INTERVAL).await;
            self.db.committed().await;
        };
        tokio::select! {
            () = sleep(POLL_INTERVAL) => {}
            () = woken => {}
        }
    }
}

fn state_of(found: &[job_runs::Model]) -> Known {
    let state = |run: &job_runs::Model| (run.finished_at.is_none(), run.outcome);
    found.iter().map(|run| (run.id, state(run))).collect()
}

/// Reads the newest runs, and the older ones that were active, oldest first.
async fn read(db: &Db, known: &Known) -> Result<Vec<job_runs::Model>> {
    let page = runs::list(db, None, &PageRequest::first(NEWEST)).await?;
    let mut found: Vec<job_runs::Model> = page.rows.into_iter().map(|(_, run)| run).collect();
    let older = known
        .iter()
        .filter(|(id, (is_active, _))| *is_active && found.iter().all(|run| run.id != **id))
        .map(|(id, _)| *id)
        .take(MAX_ACTIVE);
    for id in older.collect::<Vec<_>>() {
        found.extend(runs::shown(db, id).await?);
    }
    found.sort_by_key(|run| (run.started_at, run.id));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_reader_is_disconnected_after_a_bounded_backlog() {
        let (sender, receiver) = broadcast::channel(2);
        let mut slow = RunSubscription(receiver);
        for _ in 0..3 {
            sender.send(Ok(Arc::new(run()))).unwrap();
        }
        assert!(matches!(slow.next().await, Some(Err(Error::Lagged))));
    }

    fn run() -> job_runs::Model {
        let now = chrono::DateTime::UNIX_EPOCH;
        job_runs::Model {
            id: Uuid::nil(),
            job: job_runs::Job::DetectDrift,
            source: None,
            trigger: None,
            scheduled_for: None,
            started_at: now,
            heartbeat_at: now,
            finished_at: None,
            outcome: None,
            counts: serde_json::Value::Null,
            error: None,
            narrowed: false,
        }
    }
}

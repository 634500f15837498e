//! Makes and sends notifications while a server runs. Several servers share the work through the database.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::app::App;
use crate::error::Result;
use crate::services::notifications as service;

/// Interval at which the outbox and the due messages are looked up, with one or two statements.
const POLL: Duration = Duration::from_secs(1);
/// Interval at which the states of sources and the digests are looked up.
const CHECK: Duration = Duration::from_secs(15);
/// Maximum time to finish active requests when the server stops. A request that is stopped is repeated by another server.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

/// The running task.
pub(super) struct Notifier {
    stopping: CancellationToken,
    task: JoinHandle<()>,
}

impl Notifier {
    /// Starts the task.
    pub(super) fn start(app: &App) -> Self {
        let stopping = CancellationToken::new();
        let (work, stopped) = (Sender::new(app.clone()), stopping.clone());
        let task = tokio::spawn(async move {
            tokio::select! {
                () = work.run() => {}
                () = stopped.cancelled() => {}
            }
            work.tasks.close();
            // Tasks that are still active end with the process.
            _ = tokio::time::timeout(LAST_REQUESTS, work.tasks.wait()).await;
        });
        Self { stopping, task }
    }

    /// Stops the task.
    pub(super) async fn stop(self) {
        self.stopping.cancel();
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the sender of notifications did not stop");
        }
    }
}

/// Does all that is due once: notes the states of sources, makes digests and messages, and sends those that are due.
///
/// # Errors
///
/// The database is unavailable.
pub async fn notify(app: &App) -> Result<()> {
    let sender = Sender::new(app.clone());
    sender.check().await?;
    sender.round().await?;
    sender.tasks.close();
    sender.tasks.wait().await;
    Ok(())
}

/// Sends messages. Each target has a task of its own, so that a slow one does not hold up the others.
struct Sender {
    app: App,
    tasks: TaskTracker,
    /// Targets with an active task.
    busy: Arc<Mutex<BTreeSet<Uuid>>>,
}

impl Sender {
    fn new(app: App) -> Self {
        Self {
            app,
            tasks: TaskTracker::new(),
            busy: Arc::default(),
        }
    }

    async fn run(&self) {
        let mut checked: Option<Instant> = None;
        loop {
            if checked.is_none_or(|at| at.elapsed() >= CHECK) {
                checked = Some(Instant::now());
                logged("looking up the states of sources", self.check().await);
            }
            logged("making notifications", self.round().await);
            tokio::time::sleep(POLL).await;
        }
    }

    /// Notes the states of sources and makes the digests that are due.
    async fn check(&self) -> Result<()> {
        let (db, max_age) = (self.app.db(), self.app.max_age());
        if !service::pending(db).await?.has_targets {
            return Ok(());
        }
        service::note_states(db, max_age).await?;
        service::make_due_digests(db, max_age, self.app.outgoing().public_url()).await
    }

    /// Makes messages, and starts to send those that are due.
    async fn round(&self) -> Result<()> {
        let db = self.app.db();
        let pending = service::pending(db).await?;
        if pending.has_rows {
            while service::collect(db, self.app.outgoing().public_url()).await? {}
        }
        if !pending.has_targets {
            return Ok(());
        }
        for target in service::due_targets(db).await? {
            if busy(&self.busy).insert(target) {
                self.send(target);
            }
        }
        Ok(())
    }

    fn send(&self, target: Uuid) {
        let (app, all) = (self.app.clone(), Arc::clone(&self.busy));
        self.tasks.spawn(async move {
            let mark = Busy { all, target };
            let sent = service::send_due_of(app.db(), app.outgoing(), target).await;
            drop(mark);
            logged("sending notifications", sent.map(|_| ()));
        });
    }
}

/// Marks a target as busy until it is dropped, also by a panic.
struct Busy {
    all: Arc<Mutex<BTreeSet<Uuid>>>,
    target: Uuid,
}

impl Drop for Busy {
    fn drop(&mut self) {
        busy(&self.all).remove(&self.target);
    }
}

fn busy(all: &Mutex<BTreeSet<Uuid>>) -> MutexGuard<'_, BTreeSet<Uuid>> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

fn logged(what: &str, result: Result<()>) {
    if let Err(error) = result {
        tracing::warn!(%error, "{what} failed, and is tried again");
    }
}

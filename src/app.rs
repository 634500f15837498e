//! The shared state of a server or command, and the execution of jobs.
//!
//! Schedules, the command line and mutations all call [`App::start`], so each job has one code path.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use entity::job_runs::{self, Job, JobOutcome};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::clock::Clock;
use crate::db::{Db, WaitLimits};
use crate::domain::freshness::MaxAge;
use crate::domain::schedule::Schedules;
use crate::domain::validation::storable;
use crate::error::{Error, Result};
use crate::live::Live;
use crate::provider::InventoryProvider;
use crate::services::detection::{self, Scope, SweepCounts, SweepReport};
use crate::services::freshness::{self, Freshness};
use crate::services::inventory::{self, FailedSync, SyncCounts, SyncOptions};
use crate::services::job_runs::{Claim, Report, Trigger, Wanted, abandon, claim, finish, heartbeat};
use crate::services::retention;

/// Interval between the heartbeats of a run.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Maximum time to record abandoned runs when the process ends.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// Receives the counts of a sweep as it progresses.
pub type Progress = Arc<dyn Fn(&SweepCounts) + Send + Sync>;

/// A job to run, with its options.
#[derive(Clone)]
pub enum JobRequest {
    /// A sync of the inventory.
    Sync(SyncOptions),
    /// A sweep.
    Detect {
        /// The resources to compare.
        scope: Scope,
        /// Receives the progress.
        progress: Option<Progress>,
    },
}

impl JobRequest {
    /// Returns a sweep of all specs.
    pub fn detect_all() -> Self {
        Self::Detect {
            scope: Scope::All,
            progress: None,
        }
    }

    /// Returns the request that a tick of the schedule starts.
    pub fn of_tick(job: Job) -> Self {
        match job {
            Job::SyncInventory => Self::Sync(SyncOptions::default()),
            Job::DetectDrift => Self::detect_all(),
        }
    }

    fn job(&self) -> Job {
        match self {
            Self::Sync(_) => Job::SyncInventory,
            Self::Detect { .. } => Job::DetectDrift,
        }
    }

    /// Returns whether the run is narrowed.
    fn is_narrowed(&self) -> bool {
        match self {
            Self::Sync(options) => options.kinds.is_some(),
            Self::Detect { scope, .. } => !matches!(scope, Scope::All),
        }
    }
}

/// The result of a request to start a run.
#[derive(Debug)]
pub enum Started {
    /// The run has started.
    Running(RunHandle),
    /// The run was skipped because another run of the job is active.
    Skipped,
    /// Another server runs this tick.
    Taken,
}

/// A run in progress. Dropping the handle does not stop the run.
#[derive(Debug)]
pub struct RunHandle {
    run: job_runs::Model,
    end: JoinHandle<Result<job_runs::Model>>,
}

impl RunHandle {
    /// Returns the row of the run as it was at the start.
    pub fn run(&self) -> &job_runs::Model {
        &self.run
    }

    /// Waits until the run ends.
    pub async fn wait(self) -> Result<job_runs::Model> {
        self.end
            .await
            .map_err(|error| Error::Internal(format!("job: {error}")))?
    }

    /// Waits until the run ends or `limit` has passed. On timeout, returns the row as it was at the start, without an
    /// outcome.
    pub async fn wait_at_most(self, limit: Duration) -> Result<job_runs::Model> {
        let run = self.run.clone();
        tokio::time::timeout(limit, self.wait()).await.unwrap_or(Ok(run))
    }
}

/// Settings of the source of the inventory.
#[derive(Clone, Debug, Default)]
pub struct SourceSettings {
    /// Name of the source; by default the name of the provider.
    pub source: Option<String>,
    /// Maximum age of a kind's last complete listing.
    pub max_age: MaxAge,
}

/// A server or command. Clones share their state.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    clock: Clock,
    inventory: Option<Arc<dyn InventoryProvider>>,
    source: Option<String>,
    max_age: MaxAge,
    schedules: Schedules,
    jobs: TaskTracker,
    active: Mutex<BTreeSet<Uuid>>,
    live: Live,
}

impl App {
    /// Creates an app without schedules. `inventory` is the source of syncs, if there is one.
    pub fn new(db: Db, clock: Clock, inventory: Option<Arc<dyn InventoryProvider>>) -> Self {
        Self::scheduled(db, clock, inventory, Schedules::default())
    }

    /// Creates an app with schedules.
    pub fn scheduled(
        db: Db,
        clock: Clock,
        inventory: Option<Arc<dyn InventoryProvider>>,
        schedules: Schedules,
    ) -> Self {
        let settings = SourceSettings {
            max_age: schedules
                .sync
                .clone()
                .map(MaxAge::twice_the_interval)
                .unwrap_or_default(),
            ..SourceSettings::default()
        };
        Self::with_settings(db, clock, inventory, schedules, settings)
    }

    /// Creates an app with schedules and settings of the source.
    pub fn with_settings(
        db: Db,
        clock: Clock,
        inventory: Option<Arc<dyn InventoryProvider>>,
        schedules: Schedules,
        settings: SourceSettings,
    ) -> Self {
        let own_name = inventory.as_ref().map(|inventory| inventory.source());
        let inner = Inner {
            live: Live::new(db.clone(), clock.clone()),
            db,
            clock,
            source: settings.source.or(own_name),
            max_age: settings.max_age,
            inventory,
            schedules,
            jobs: TaskTracker::new(),
            active: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Returns the database.
    pub fn db(&self) -> &Db {
        &self.inner.db
    }

    /// Returns the database with the wait limits of jobs.
    fn job_db(&self) -> Db {
        self.db().with_wait_limits(WaitLimits::JOB)
    }

    /// Returns the clock.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Returns the schedules of the jobs.
    pub fn schedules(&self) -> &Schedules {
        &self.inner.schedules
    }

    /// Returns the name of the source that this server or command syncs, if it has one.
    pub fn source(&self) -> Option<&str> {
        self.inner.source.as_deref()
    }

    /// Returns the freshness of the inventory for all specs.
    ///
    /// # Errors
    ///
    /// The database is unavailable.
    pub async fn freshness(&self) -> Result<Freshness> {
        freshness::of_scope(self.db(), &Scope::All, &self.inner.max_age).await
    }

    /// Returns the maximum age of a kind's last complete listing.
    pub fn max_age(&self) -> &MaxAge {
        &self.inner.max_age
    }

    /// Returns the feed of committed drift changes.
    pub fn live(&self) -> &Live {
        &self.inner.live
    }

    /// Starts a job. The run continues in a task of its own.
    ///
    /// # Errors
    ///
    /// JOB_ALREADY_RUNNING if another sync is active when a sync is started by hand; UPSTREAM_UNAVAILABLE if there is
    /// no source to sync from; NOT_FOUND if the sweep names a resource that does not exist.
    pub async fn start(&self, request: JobRequest, trigger: Trigger) -> Result<Started> {
        if let JobRequest::Detect { scope, .. } = &request {
            detection::check_known(self.db(), scope).await?;
        }
        // Runs in a task of its own: if the caller were dropped between the claim and the work, the claimed row would
        // block other runs until it is abandoned.
        let app = self.clone();
        let begun = self
            .inner
            .jobs
            .spawn(async move { app.begin(request, trigger).await });
        begun
            .await
            .map_err(|error| Error::Internal(format!("job: {error}")))?
    }

    async fn begin(&self, request: JobRequest, trigger: Trigger) -> Result<Started> {
        if matches!(request, JobRequest::Sync(_)) {
            self.inventory()?;
        }
        let run = match claim(self.db(), self.wanted(&request), trigger).await? {
            Claim::Run(run) => run,
            Claim::Skipped(run) => {
                tracing::info!(job = ?request.job(), run = ?run.map(|run| run.id), "job.skipped: another run is active");
                return Ok(Started::Skipped);
            }
            Claim::Taken => return Ok(Started::Taken),
        };
        self.active().insert(run.id);
        let (app, id) = (self.clone(), run.id);
        let end = self.inner.jobs.spawn(async move {
            let whole_sweep = request.job() == Job::DetectDrift && !request.is_narrowed();
            let end = app.execute(id, request).await;
            app.active().remove(&id);
            if whole_sweep {
                app.purge_beside();
            }
            end
        });
        Ok(Started::Running(RunHandle { run, end }))
    }

    fn wanted(&self, request: &JobRequest) -> Wanted {
        let is_sync = matches!(request, JobRequest::Sync(_));
        Wanted {
            job: request.job(),
            narrowed: request.is_narrowed(),
            source: self.inner.source.clone().filter(|_| is_sync),
        }
    }

    /// Starts a job by hand and waits until it ends.
    pub async fn run(&self, request: JobRequest) -> Result<job_runs::Model> {
        match self.start(request, Trigger::Hand).await? {
            Started::Running(handle) => handle.wait().await,
            Started::Skipped | Started::Taken => Err(Error::Internal("a manual run was skipped".to_owned())),
        }
    }

    /// Waits at most `limit` for active runs, then abandons those that are still active.
    pub async fn drain(&self, limit: Duration) -> Result<()> {
        self.inner.jobs.close();
        if tokio::time::timeout(limit, self.inner.jobs.wait()).await.is_ok() {
            return Ok(());
        }
        let given_up: Vec<Uuid> = self.active().iter().copied().collect();
        tracing::warn!(?given_up, "jobs did not end in time and are aborted");
        // If this write fails, other servers abandon the runs once their heartbeats are missing.
        let written = tokio::time::timeout(LAST_WRITE, abandon(self.db(), &given_up));
        match written.await {
            Ok(written) => written,
            Err(_) => {
                tracing::warn!("the final write to the database failed");
                Ok(())
            }
        }
    }

    fn inventory(&self) -> Result<Arc<dyn InventoryProvider>> {
        self.inner.inventory.clone().ok_or_else(|| {
            Error::Upstream(
                "no source is configured: set DIGITALOCEAN_TOKEN or DRIFT_INVENTORY_FILE".to_owned(),
            )
        })
    }

    /// Purges old rows in the background when a purge is due.
    fn purge_beside(&self) {
        let Some(keep) = self.inner.schedules.retention else {
            return;
        };
        if self.inner.jobs.is_closed() {
            return;
        }
        let app = self.clone();
        self.inner.jobs.spawn(async move {
            match retention::purge_if_due(&app.job_db(), &keep, app.clock()).await {
                Ok(Some(purged)) => tracing::info!(?purged, "retention.purged"),
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "deleting old rows failed"),
            }
        });
    }

    fn active(&self) -> MutexGuard<'_, BTreeSet<Uuid>> {
        self.inner.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn execute(&self, run: Uuid, request: JobRequest) -> Result<job_runs::Model> {
        let job = request.job();
        tracing::info!(?job, %run, "job.started");
        // Runs in a task of its own, so that work that blocks a thread does not stop the heartbeats.
        let stop = CancellationToken::new();
        let mut beating = tokio::spawn(beat(self.db().clone(), run, stop.clone()));
        let work = AssertUnwindSafe(self.work(request)).catch_unwind();
        let report = tokio::select! {
            worked = work => match worked {
                Ok(Ok(report)) => report,
                Ok(Err(error)) => failed(&error),
                Err(_panic) => failed(&Error::Internal("the job panicked".to_owned())),
            },
            _ = &mut beating => {
                tracing::error!(?job, %run, "the run was marked as abandoned and is stopped");
                written_off()
            }
        };
        stop.cancel();
        let row = finish(&self.job_db(), run, &report).await?;
        tracing::info!(?job, %run, outcome = ?row.outcome, counts = %row.counts, error = row.error, "job.finished");
        Ok(row)
    }

    async fn work(&self, request: JobRequest) -> Result<Report> {
        match request {
            JobRequest::Sync(options) => {
                let inventory = self.inventory()?;
                let synced = inventory::sync(&self.job_db(), &*inventory, &options).await;
                let counts = match synced {
                    Ok(counts) => counts,
                    Err(failure) => return failed_sync(failure),
                };
                Ok(Report {
                    outcome: counts.outcome(),
                    counts: to_json(&counts)?,
                    error: counts.failure(),
                })
            }
            JobRequest::Detect { scope, progress } => {
                let told = |counts: &SweepCounts| {
                    if let Some(progress) = &progress {
                        progress(counts);
                    }
                };
                // Read before the sweep: a listing that completes during the sweep may not be included in it.
                let freshness = freshness::of_scope(self.db(), &scope, &self.inner.max_age).await?;
                let counts = detection::detect_all(&self.job_db(), self.clock(), &scope, told).await?;
                swept(counts, freshness)
            }
        }
    }
}

/// Sends heartbeats of a run until it is stopped or the run is abandoned.
async fn beat(db: Db, run: Uuid, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(HEARTBEAT) => {}
        }
        match heartbeat(&db, run).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(%run, %error, "writing the heartbeat of a run failed"),
        }
    }
}

/// Builds the report of a sweep. It is PARTIAL if the inventory that it used is not up to date.
fn swept(counts: SweepCounts, freshness: Freshness) -> Result<Report> {
    let mut outcome = counts.outcome();
    if !freshness.is_vouched() {
        outcome = JobOutcome::Partial;
    }
    Ok(Report {
        outcome,
        error: freshness.problem().as_deref().map(storable),
        counts: to_json(&SweepReport { counts, freshness })?,
    })
}

fn to_json(counts: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(counts).map_err(|error| Error::Internal(error.to_string()))
}

/// Builds the report of a failed sync, which includes the results of each kind.
fn failed_sync(failure: FailedSync) -> Result<Report> {
    let mut report = failed(&failure.error);
    if !failure.kinds.is_empty() {
        report.counts = to_json(&SyncCounts {
            kinds: failure.kinds,
            ..SyncCounts::default()
        })?;
    }
    Ok(report)
}

/// Returns the report of an abandoned run. Its row already has the reason, and keeps it.
fn written_off() -> Report {
    Report {
        outcome: JobOutcome::Abandoned,
        counts: json!({}),
        error: Some("the run was marked as abandoned".to_owned()),
    }
}

fn failed(error: &Error) -> Report {
    if error.is_internal() {
        tracing::error!(%error, "job.failed");
    }
    Report {
        outcome: JobOutcome::Failed,
        counts: json!({}),
        error: Some(storable(&error.public_message())),
    }
}

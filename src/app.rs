//! What a running server or command holds, and how it runs the jobs.
//!
//! Cron ticks, the command line and the mutations all call [`App::start`], so a job has one code path.

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

/// How often a run says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long a process that ends waits to say so.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// Hears what a sweep has done so far.
pub type Progress = Arc<dyn Fn(&SweepCounts) + Send + Sync>;

/// Something to run.
#[derive(Clone)]
pub enum JobRequest {
    /// Replace the inventory.
    Sync(SyncOptions),
    /// Compare.
    Detect {
        /// What to look at.
        scope: Scope,
        /// Hears how far it got.
        progress: Option<Progress>,
    },
}

impl JobRequest {
    /// A sweep over every spec.
    pub fn detect_all() -> Self {
        Self::Detect {
            scope: Scope::All,
            progress: None,
        }
    }

    /// What a tick of the schedule runs.
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

    /// Whether it is about a part only.
    fn is_narrowed(&self) -> bool {
        match self {
            Self::Sync(options) => options.kinds.is_some(),
            Self::Detect { scope, .. } => !matches!(scope, Scope::All),
        }
    }
}

/// What became of asking for a run.
#[derive(Debug)]
pub enum Started {
    /// It is under way.
    Running(RunHandle),
    /// It is left out, because another run of the job is under way.
    Skipped,
    /// Another server runs this tick.
    Taken,
}

/// A run that is under way. Dropping the handle does not stop it.
#[derive(Debug)]
pub struct RunHandle {
    run: job_runs::Model,
    end: JoinHandle<Result<job_runs::Model>>,
}

impl RunHandle {
    /// The row as it was at the start.
    pub fn run(&self) -> &job_runs::Model {
        &self.run
    }

    /// Waits for the end.
    pub async fn wait(self) -> Result<job_runs::Model> {
        self.end
            .await
            .map_err(|error| Error::Internal(format!("job: {error}")))?
    }

    /// Waits for the end, but no longer than this; then the row is that of the start, with no outcome.
    pub async fn wait_at_most(self, limit: Duration) -> Result<job_runs::Model> {
        let run = self.run.clone();
        tokio::time::timeout(limit, self.wait()).await.unwrap_or(Ok(run))
    }
}

/// What the settings say about the inventory.
#[derive(Clone, Debug, Default)]
pub struct SourceSettings {
    /// Name of the source, unless it has the provider's own.
    pub source: Option<String>,
    /// How old the last complete listing of a kind may be for a sweep to rely on it.
    pub max_age: MaxAge,
}

/// A server, or a command. Clones share everything.
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
    /// On this database, with this inventory to sync from, if any. No job runs by itself.
    pub fn new(db: Db, clock: Clock, inventory: Option<Arc<dyn InventoryProvider>>) -> Self {
        Self::scheduled(db, clock, inventory, Schedules::default())
    }

    /// The same, with jobs that run by themselves.
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

    /// The same, with a name of the source and a maximum age of the inventory.
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

    /// The database.
    pub fn db(&self) -> &Db {
        &self.inner.db
    }

    /// The database for jobs: no caller waits for their transactions.
    fn job_db(&self) -> Db {
        self.db().with_wait_limits(WaitLimits::JOB)
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// When jobs run by themselves.
    pub fn schedules(&self) -> &Schedules {
        &self.inner.schedules
    }

    /// Name of the source that this server or command syncs from, if it has one.
    pub fn source(&self) -> Option<&str> {
        self.inner.source.as_deref()
    }

    /// How far the inventory can be relied on, for every spec.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn freshness(&self) -> Result<Freshness> {
        freshness::of_scope(self.db(), &Scope::All, &self.inner.max_age).await
    }

    /// How old the last complete listing of a kind may be for a sweep to rely on it.
    pub fn max_age(&self) -> &MaxAge {
        &self.inner.max_age
    }

    /// What becomes of drifts, for those who listen.
    pub fn live(&self) -> &Live {
        &self.inner.live
    }

    /// Starts a job, unless the trigger leaves it to others. The run goes on by itself.
    ///
    /// JOB_ALREADY_RUNNING for a sync by hand beside another, UPSTREAM_UNAVAILABLE for a sync where there is
    /// nothing to sync from, NOT_FOUND for a sweep over a resource that does not exist.
    pub async fn start(&self, request: JobRequest, trigger: Trigger) -> Result<Started> {
        if let JobRequest::Detect { scope, .. } = &request {
            detection::check_known(self.db(), scope).await?;
        }
        // In a task of its own: a caller that is dropped between the claim and the work would leave a row
        // that nobody carries out and that keeps others from running.
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

    /// Starts a job by hand and waits for its end.
    pub async fn run(&self, request: JobRequest) -> Result<job_runs::Model> {
        match self.start(request, Trigger::Hand).await? {
            Started::Running(handle) => handle.wait().await,
            Started::Skipped | Started::Taken => Err(Error::Internal("a manual run was skipped".to_owned())),
        }
    }

    /// Waits at most `limit` for the jobs that run, then writes off those that still do.
    pub async fn drain(&self, limit: Duration) -> Result<()> {
        self.inner.jobs.close();
        if tokio::time::timeout(limit, self.inner.jobs.wait()).await.is_ok() {
            return Ok(());
        }
        let given_up: Vec<Uuid> = self.active().iter().copied().collect();
        tracing::warn!(?given_up, "jobs did not end in time and are aborted");
        // Others write them off after a while if this does not get through in time.
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

    /// Deletes old rows if it is time to, beside whatever else runs.
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
        // In a task of its own, so that work that keeps a thread busy does not silence it.
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
                // Before the sweep: what is listed while it runs may come too late for it.
                let freshness = freshness::of_scope(self.db(), &scope, &self.inner.max_age).await?;
                let counts = detection::detect_all(&self.job_db(), self.clock(), &scope, told).await?;
                swept(counts, freshness)
            }
        }
    }
}

/// Says that a run is alive until it is stopped, or the run is written off.
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

/// A sweep is as good as what it rests on: PARTIAL if that cannot be relied on.
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

/// What had come of each kind is as good to know as why the run failed.
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

/// The row of such a run says why, and keeps what it says.
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

//! Runs of jobs: starts them, supervises them and waits for them when the process ends.
//!
//! The API, the command line and the schedules all start runs here, so each job has one code path.

mod report;
mod request;
mod source;

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use entity::bulks::Model as Bulk;
use entity::job_runs::{Job, JobOutcome, Model as Run};
use futures_util::FutureExt as _;
use sea_orm::ActiveEnum as _;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use uuid::Uuid;

use self::report::FailedWork;
pub(crate) use self::request::Scheduled;
pub use self::request::{JobRequest, Progress};
pub use self::source::Source;
use crate::clock::Clock;
use crate::db::{Db, WaitLimits};
use crate::domain::freshness::MaxAge;
use crate::domain::inventory::Place;
use crate::domain::retention::Retention;
use crate::domain::schedule::Schedules;
use crate::error::{Error, Result};
use crate::metrics::Metrics;
pub use crate::provider::lines::LineReader;
use crate::services::detection::{self, Scope, SweepCounts};
use crate::services::inventory::{self, SyncOptions};
use crate::services::job_runs::{self, Report, RunRequest, TickClaim};
use crate::services::{bulks, causes, freshness, leftovers, recount, retention, sources};
use crate::traces;

/// Interval between the heartbeats of a run.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How often a sweep after a sync tries to begin while another sweep is active: for five minutes.
const SWEEP_ATTEMPTS: u32 = 300;
/// Delay before it tries again.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// Pauses in seconds before the work of a run is repeated whose database did not answer. The run is abandoned if its
/// heartbeats are missing for longer.
const OUTAGE_PAUSES: [u64; 5] = [1, 2, 4, 8, 8];

/// Maximum time to record abandoned runs when the process ends.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// A run in progress. Dropping the handle does not stop the run.
#[derive(Debug)]
pub struct RunHandle {
    run: Run,
    end: JoinHandle<Result<Run>>,
}

impl RunHandle {
    /// Returns the row of the run as it was at the start.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Waits until the run ends.
    ///
    /// # Errors
    ///
    /// The end of the run could not be recorded.
    pub async fn wait(self) -> Result<Run> {
        joined(self.end).await
    }

    /// Waits until the run ends or `limit` has passed. On timeout, returns the row as it was at the start, without an
    /// outcome.
    ///
    /// # Errors
    ///
    /// The end of the run could not be recorded.
    pub async fn wait_at_most(self, limit: Duration) -> Result<Run> {
        let run = self.run.clone();
        tokio::time::timeout(limit, self.wait()).await.unwrap_or(Ok(run))
    }
}

/// The work of a claimed run. A sync always has a source.
enum Work {
    Sync(Box<Source>, SyncOptions),
    Detect(Scope, Option<Progress>),
}

impl Work {
    /// Returns the request that claims this run.
    fn run_request(&self) -> RunRequest {
        match self {
            Self::Sync(source, options) => RunRequest {
                narrowed: options.kinds.is_some(),
                source: Some(source.name.clone()),
                ..Job::SyncInventory.into()
            },
            Self::Detect(scope, _) => RunRequest {
                narrowed: !matches!(scope, Scope::All),
                ..Job::DetectDrift.into()
            },
        }
    }

    /// Returns whether the work can be done again: not if its listing began before the run, as lines that were sent do.
    fn can_be_repeated(&self) -> bool {
        match self {
            Self::Sync(_, options) => options.place.is_none(),
            Self::Detect(..) => true,
        }
    }

    fn is_whole_sweep(&self) -> bool {
        matches!(self, Self::Detect(Scope::All, _))
    }
}

/// The job runner of a server or command. Clones share their state.
#[derive(Clone)]
pub struct Jobs {
    inner: Arc<Inner>,
    metrics: Metrics,
}

struct Inner {
    db: Db,
    clock: Clock,
    sources: Vec<Source>,
    max_age: MaxAge,
    retention: Option<Retention>,
    sweeps_after_syncs: bool,
    tasks: TaskTracker,
    active: Mutex<BTreeSet<Uuid>>,
}

impl Jobs {
    /// Creates a runner. Syncs list from `sources`. If `schedules` has a retention, whole sweeps purge old rows; if they
    /// have a schedule of sweeps, each sync is followed by a sweep of what it changed.
    pub(crate) fn new(
        db: Db,
        clock: Clock,
        sources: Vec<Source>,
        max_age: MaxAge,
        schedules: &Schedules,
    ) -> Self {
        let inner = Inner {
            db,
            clock,
            sources,
            max_age,
            retention: schedules.retention,
            sweeps_after_syncs: schedules.detect.is_some(),
            tasks: TaskTracker::new(),
            active: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
            metrics: Metrics::new(),
        }
    }

    /// Returns the same runner, which counts its runs in `metrics`.
    #[must_use]
    pub(crate) fn counted_by(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// Returns the sources that this process can list.
    pub(crate) fn sources(&self) -> &[Source] {
        &self.inner.sources
    }

    /// Returns the source with this name, or the only source.
    ///
    /// # Errors
    ///
    /// UPSTREAM_UNAVAILABLE if no source is configured; BAD_USER_INPUT if no source has the name, or several are configured
    /// and none is named.
    pub(crate) fn source(&self, name: Option<&str>) -> Result<&Source> {
        let sources = self.sources();
        let names = || {
            let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
            names.join(", ")
        };
        match (name, sources) {
            (_, []) => Err(Error::Upstream(
                "no source is configured: set DIGITALOCEAN_TOKEN, DRIFT_INVENTORY_FILE or DRIFT_SOURCES"
                    .to_owned(),
            )),
            (None, [only]) => Ok(only),
            (None, _) => Err(Error::BadUserInput(format!(
                "name one of the sources: {}",
                names()
            ))),
            (Some(name), _) => {
                let found = sources.iter().find(|source| source.name == name);
                found.ok_or_else(|| {
                    Error::BadUserInput(format!(
                        "no source {name:?} can be listed here: name one of {}",
                        names()
                    ))
                })
            }
        }
    }

    /// Starts a run that was requested through the API or the command line. It continues in a separate task.
    ///
    /// # Errors
    ///
    /// For a sync: JOB_ALREADY_RUNNING if another sync of the source is active, UPSTREAM_UNAVAILABLE if no source is
    /// configured. For a sweep: NOT_FOUND if `request` contains a resource that does not exist.
    pub async fn start(&self, request: JobRequest) -> Result<RunHandle> {
        if let JobRequest::Detect { scope, .. } = &request {
            detection::check_known(self.db(), scope).await?;
        }
        let work = self.work(request)?;
        self.register(&work).await?;
        let jobs = self.clone();
        self.in_own_task(async move {
            let run = job_runs::claim(jobs.db(), work.run_request()).await?;
            Ok(jobs.begin(run, work))
        })
        .await
    }

    /// Starts a run like [`start`](Self::start), and waits until it ends.
    ///
    /// # Errors
    ///
    /// The errors of [`start`](Self::start), or the end of the run could not be recorded.
    pub async fn run(&self, request: JobRequest) -> Result<Run> {
        self.start(request).await?.wait().await
    }

    /// Returns the place in the order of listings of one that begins now. Lines get it before the first of them is read,
    /// because they may arrive after a later listing.
    ///
    /// # Errors
    ///
    /// The database is unavailable.
    pub async fn place_of_listing(&self) -> Result<Place> {
        inventory::draw(self.db()).await
    }

    /// Stores lines that were sent as the inventory of a source, and waits until the run ends. `every` is the expected time
    /// between two listings; if not set, it stays as it is, at first one day.
    ///
    /// # Errors
    ///
    /// The errors of [`run`](Self::run); BAD_USER_INPUT if the name belongs to a source of another kind.
    pub async fn run_lines(
        &self,
        name: &str,
        lines: LineReader,
        options: SyncOptions,
        every: Option<TimeDelta>,
    ) -> Result<Run> {
        // Sorting many resources takes seconds.
        let lines = tokio::task::spawn_blocking(move || lines.finish()).await;
        let lines = lines.map_err(|error| Error::Internal(format!("inventory lines: {error}")))?;
        let source = Source {
            interval: Some(every.unwrap_or(TimeDelta::days(1))),
            ..Source::new(Arc::new(lines)).named(name)
        };
        if every.is_some() {
            sources::register(self.db(), &[source.registration()]).await?;
        }
        self.run(JobRequest::SyncOf(Box::new(source), options)).await
    }

    /// Starts a requested run for the scheduler. Returns `None` if another run of the job
    /// is active, or if another server has claimed the tick.
    ///
    /// # Errors
    ///
    /// UPSTREAM_UNAVAILABLE if the job is a sync and no source is configured.
    pub(crate) async fn start_scheduled(
        &self,
        request: JobRequest,
        scheduled: Scheduled,
    ) -> Result<Option<RunHandle>> {
        let work = self.work(request)?;
        self.register(&work).await?;
        let jobs = self.clone();
        self.in_own_task(async move {
            let run = jobs.claim_scheduled(work.run_request(), scheduled).await?;
            Ok(run.map(|run| jobs.begin(run, work)))
        })
        .await
    }

    async fn claim_scheduled(&self, request: RunRequest, scheduled: Scheduled) -> Result<Option<Run>> {
        let job = request.job;
        match scheduled {
            Scheduled::CatchUp => {
                let run = job_runs::claim_catch_up(self.db(), request).await?;
                if run.is_none() {
                    tracing::info!(?job, "job.skipped: another run is active");
                }
                Ok(run)
            }
            Scheduled::Tick { at, run } => {
                match job_runs::claim_tick(self.db(), RunRequest { id: run, ..request }, at).await? {
                    TickClaim::Run(run) => Ok(Some(run)),
                    TickClaim::Skipped(run) => {
                        tracing::info!(?job, run = %run.id, "job.skipped: another run is active");
                        Ok(None)
                    }
                    TickClaim::Taken => Ok(None),
                }
            }
        }
    }

    /// Waits at most `limit` for active runs, then abandons those that are still active.
    ///
    /// # Errors
    ///
    /// The runs could not be recorded as abandoned.
    pub async fn drain(&self, limit: Duration) -> Result<()> {
        self.inner.tasks.close();
        if tokio::time::timeout(limit, self.inner.tasks.wait()).await.is_ok() {
            return Ok(());
        }
        let abandoned: Vec<Uuid> = self.active().iter().copied().collect();
        tracing::warn!(?abandoned, "jobs did not end in time and are aborted");
        // If this write fails, other servers abandon the runs once their heartbeats are missing.
        let written = tokio::time::timeout(LAST_WRITE, job_runs::abandon(self.db(), &abandoned));
        match written.await {
            Ok(written) => written,
            Err(_) => {
                tracing::warn!("the final write to the database failed");
                Ok(())
            }
        }
    }

    fn db(&self) -> &Db {
        &self.inner.db
    }

    /// Returns the database with the wait limits of jobs.
    fn job_db(&self) -> Db {
        self.db().with_wait_limits(WaitLimits::JOB)
    }

    fn active(&self) -> MutexGuard<'_, BTreeSet<Uuid>> {
        self.inner.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, request: JobRequest) -> Result<Work> {
        match request {
            JobRequest::Detect { scope, progress } => Ok(Work::Detect(scope, progress)),
            JobRequest::Sync(options) => Ok(Work::Sync(Box::new(self.source(None)?.clone()), options)),
            JobRequest::SyncOf(source, options) => Ok(Work::Sync(source, options)),
        }
    }

    /// Registers the source of a sync, so that other processes know that it is expected.
    async fn register(&self, work: &Work) -> Result<()> {
        match work {
            Work::Sync(source, _) => sources::ensure(self.db(), &source.registration()).await,
            Work::Detect(..) => Ok(()),
        }
    }

    /// Runs `start` in a separate task, which ends even if the caller is dropped. Otherwise a run that was claimed but
    /// not begun would block other runs until it is abandoned.
    async fn in_own_task<T: Send + 'static>(
        &self,
        start: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        joined(self.inner.tasks.spawn(start)).await
    }

    /// Does a bulk that has begun, in a task that goes on if the caller is dropped.
    pub(crate) fn execute_bulk(&self, bulk: Bulk) -> JoinHandle<Result<()>> {
        let (db, clock) = (self.job_db(), self.inner.clock.clone());
        self.inner
            .tasks
            .spawn(async move { bulks::execute(&db, &clock, &bulk).await })
    }

    /// Begins the work of a claimed run.
    fn begin(&self, run: Run, work: Work) -> RunHandle {
        self.active().insert(run.id);
        let (jobs, id, job) = (self.clone(), run.id, run.job);
        let end = self.inner.tasks.spawn(async move {
            let purges = work.is_whole_sweep();
            let span = traces::of_run(&job.to_value(), id);
            let end = jobs.supervise(id, job, work).instrument(span.clone()).await;
            if let Ok(Run {
                outcome: Some(outcome),
                ..
            }) = &end
            {
                traces::ended(&span, &outcome.to_value(), *outcome == JobOutcome::Failed);
            }
            jobs.active().remove(&id);
            if purges {
                jobs.spawn_purge();
            }
            if job == Job::SyncInventory && jobs.inner.sweeps_after_syncs {
                jobs.sweep_changes_beside();
            }
            end
        });
        RunHandle { run, end }
    }

    /// Does the work while heartbeats are sent, and records the outcome of the run.
    async fn supervise(&self, run: Uuid, job: Job, work: Work) -> Result<Run> {
        tracing::info!(?job, %run, "job.started");
        let began = Instant::now();
        // The heartbeats have a separate task, so that work that blocks a thread does not stop them.
        let stop = CancellationToken::new();
        let mut heartbeats = tokio::spawn(send_heartbeats(self.db().clone(), run, stop.clone()));
        let work = AssertUnwindSafe(through_outages(
            "the work of a run",
            work.can_be_repeated(),
            || self.execute(&work),
        ))
        .catch_unwind();
        let report = tokio::select! {
            worked = work => match worked {
                Ok(Ok(report)) => report,
                Ok(Err(failed)) => report::of_failed(failed),
                Err(_panic) => report::of_failure(&Error::Internal("the job panicked".to_owned())),
            },
            _ = &mut heartbeats => {
                tracing::error!(?job, %run, "the run was marked as abandoned and is stopped");
                report::of_abandoned()
            }
        };
        stop.cancel();
        let db = self.job_db();
        let finish = || job_runs::finish(&db, run, &report);
        let row = through_outages("recording the end of a run", true, finish).await?;
        if let Some(outcome) = &row.outcome {
            self.metrics
                .ran(&job.to_value(), &outcome.to_value(), began.elapsed());
        }
        tracing::info!(?job, %run, outcome = ?row.outcome, counts = %row.counts, error = row.error, "job.finished");
        Ok(row)
    }

    async fn execute(&self, work: &Work) -> std::result::Result<Report, FailedWork> {
        match work {
            Work::Sync(source, options) => {
                let options = SyncOptions {
                    account: source.account.clone(),
                    ..options.clone()
                };
                let db = self.job_db();
                let synced = inventory::sync(&db, &source.name, &*source.provider, &options).await;
                // A sync that failed may have written kinds, too. The next sync repeats a check that failed.
                if let Err(error) = leftovers::check_if_due(&db).await {
                    tracing::error!(%error, "checking for leftovers failed");
                }
                Ok(report::of_sync(synced?)?)
            }
            Work::Detect(scope, progress) => {
                let progress = |counts: &SweepCounts| {
                    if let Some(progress) = &progress {
                        progress(counts);
                    }
                };
                // The freshness is read before the sweep, because the sweep may not see a listing that completes
                // meanwhile.
                let freshness = freshness::of_scope(self.db(), scope, &self.inner.max_age).await?;
                let counts =
                    detection::detect_all(&self.job_db(), &self.inner.clock, scope, progress).await?;
                causes::fill(&self.job_db()).await?;
                Ok(report::of_sweep(counts, freshness)?)
            }
        }
    }

    /// Sweeps what a sync changed, in the background, so that it reaches the inbox before the next tick. If another sweep
    /// is active, this one follows it; if everything has to be compared, the changes are left to the next sweep.
    fn sweep_changes_beside(&self) {
        if self.inner.tasks.is_closed() {
            return;
        }
        let jobs = self.clone();
        self.inner.tasks.spawn(async move {
            if let Err(error) = jobs.sweep_changes().await {
                tracing::error!(%error, "starting a sweep after a sync failed");
            }
        });
    }

    async fn sweep_changes(&self) -> Result<()> {
        for _ in 0..SWEEP_ATTEMPTS {
            if self.inner.tasks.is_closed() || !detection::has_marked_changes(self.db()).await? {
                return Ok(());
            }
            let work = self.work(JobRequest::detect_all())?;
            if let Some(run) = job_runs::claim_after_sync(self.db(), work.run_request()).await? {
                self.begin(run, work);
                return Ok(());
            }
            tokio::time::sleep(SWEEP_PAUSE).await;
        }
        Ok(())
    }

    /// Recounts the kept totals and purges old rows in the background, each when it is due.
    fn spawn_purge(&self) {
        let Some(keep) = self.inner.retention else {
            return;
        };
        if self.inner.tasks.is_closed() {
            return;
        }
        let jobs = self.clone();
        self.inner.tasks.spawn(async move {
            if let Err(error) = recount::recount_if_due(&jobs.job_db()).await {
                tracing::error!(%error, "recounting the totals failed");
            }
            match retention::purge_if_due(&jobs.job_db(), &keep, &jobs.inner.clock).await {
                Ok(Some(purged)) => tracing::info!(?purged, "retention.purged"),
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "deleting old rows failed"),
            }
        });
    }
}

/// Returns the word for an outcome.
pub(crate) fn outcome_word(outcome: JobOutcome) -> String {
    outcome.to_value()
}

/// Waits for a task.
async fn joined<T>(task: JoinHandle<Result<T>>) -> Result<T> {
    task.await
        .map_err(|error| Error::Internal(format!("job: {error}")))?
}

/// Repeats `work` a few times while the database does not answer, such as after a restart of the database, if
/// `can_be_repeated`. Otherwise a run that lost its connection would wait for the next tick of its schedule.
pub(crate) async fn through_outages<T, E, F, Fut>(
    what: &str,
    can_be_repeated: bool,
    work: F,
) -> std::result::Result<T, E>
where
    E: Borrow<Error>,
    F: Fn() -> Fut,
    Fut: Future<Output = std::result::Result<T, E>>,
{
    let pauses: &[u64] = if can_be_repeated { &OUTAGE_PAUSES } else { &[] };
    for pause in pauses {
        match work().await {
            Err(failed) if failed.borrow().is_outage() => {
                let error = failed.borrow();
                tracing::warn!(%error, pause, "{what} failed because of the database: repeating it");
                tokio::time::sleep(Duration::from_secs(*pause)).await;
            }
            outcome => return outcome,
        }
    }
    work().await
}

/// Sends heartbeats of a run until it is stopped or the run is abandoned.
async fn send_heartbeats(db: Db, run: Uuid, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(HEARTBEAT) => {}
        }
        match job_runs::heartbeat(&db, run).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(%run, %error, "writing the heartbeat of a run failed"),
        }
    }
}

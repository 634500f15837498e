//! Starts jobs on their schedules.
//!
//! tokio-cron-scheduler only provides the timer. It would let runs overlap, start them on every server and not wait for
//! them at shutdown; [`crate::jobs`] prevents all of this.

mod notifier;
mod snoozes;
mod timer;

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_cron_scheduler::JobSchedulerError;
use uuid::Uuid;

use self::notifier::Notifier;
pub use self::notifier::notify;
use self::timer::{Timer, release_later_ticks, watch};
use crate::app::App;
use crate::domain::schedule::Schedule;
use crate::error::Result;
use crate::jobs::{JobRequest, Scheduled, through_outages};
use crate::services::job_runs::{HEARTBEAT_LIMIT, last_success};

/// The running scheduler.
pub struct Scheduler {
    timer: Arc<Timer>,
    watching: JoinHandle<()>,
    catching_up: JoinHandle<()>,
    notifier: Notifier,
    snoozes: JoinHandle<()>,
}

impl Scheduler {
    /// Starts the schedules, the sender of notifications, the end of snoozes and, in the background, the overdue jobs: the
    /// sync before the sweep.
    pub async fn start(app: &App) -> Result<Self, JobSchedulerError> {
        let timer = Arc::new(Timer::start(app).await?);
        let watching = tokio::spawn(watch(Arc::clone(&timer), app.clone()));
        let notifier = Notifier::start(app);
        let snoozes = tokio::spawn(snoozes::end_forever(app.clone()));
        let app = app.clone();
        let catching_up = tokio::spawn(async move {
            release_later_ticks(&app).await;
            if catch_up(&app).await {
                // The active run may belong to a process that has crashed. It is abandoned after this time.
                tokio::time::sleep(HEARTBEAT_LIMIT.to_std().unwrap_or_default()).await;
                catch_up(&app).await;
            }
        });
        Ok(Self {
            timer,
            watching,
            catching_up,
            notifier,
            snoozes,
        })
    }

    /// Stops the schedules and the sender of notifications. Active runs continue.
    pub async fn stop(self) -> Result<(), JobSchedulerError> {
        self.watching.abort();
        self.catching_up.abort();
        self.snoozes.abort();
        self.notifier.stop().await;
        self.timer.stop().await
    }
}

/// Runs one tick of a job, unless another server has claimed it or another run is active. The time of the tick is
/// computed from this server's clock, as the timer does: a database clock that is slightly behind would result in the
/// previous tick.
pub async fn tick(app: &App, request: JobRequest, schedule: &Schedule) {
    let job = request.job();
    let Some(tick) = schedule.newest_tick(app.clock().now()) else {
        return;
    };
    let scheduled = Scheduled::Tick {
        at: tick,
        run: Uuid::now_v7(),
    };
    let start = || app.jobs().start_scheduled(request.clone(), scheduled);
    match through_outages("starting a job at its tick", true, start).await {
        Ok(started) => tracing::debug!(?job, %tick, ?started, "tick"),
        Err(error) => tracing::error!(?job, %tick, %error, "starting a job at its tick failed"),
    }
}

/// Runs each overdue job once, in order. Returns true if one was skipped because another run of it was active.
pub async fn catch_up(app: &App) -> bool {
    let mut left_out = false;
    for (request, schedule) in app.timetable() {
        let job = request.job();
        match catch_up_job(app, request, &schedule).await {
            Ok(done) => left_out |= !done,
            Err(error) => tracing::error!(?job, %error, "running a missed job failed"),
        }
    }
    left_out
}

/// Runs the job if it is overdue. Returns false if another run of it was active.
async fn catch_up_job(app: &App, request: JobRequest, schedule: &Schedule) -> Result<bool> {
    let last = last_success(app.db(), request.job(), request.source()).await?;
    if !schedule.is_overdue(last, app.db().time(app.db().reader()).await?) {
        return Ok(true);
    }
    match app.jobs().start_scheduled(request, Scheduled::CatchUp).await? {
        Some(run) => run.wait().await.map(|_| true),
        None => Ok(false),
    }
}

//! Crons start jobs.
//!
//! tokio-cron-scheduler is the clock and nothing more: it would overlap runs, run them on every server and
//! not wait for them at shutdown, so the runs of the jobs decide all that.

use entity::job_runs::Job;
use tokio::task::JoinHandle;
use tokio_cron_scheduler::{JobScheduler, JobSchedulerError};

use crate::app::{App, JobRequest, Started};
use crate::domain::schedule::Schedule;
use crate::error::Result;
use crate::services::job_runs::{HEARTBEAT_LIMIT, Trigger, last_success};

/// The running clock.
pub struct Scheduler {
    clock: JobScheduler,
    catching_up: JoinHandle<()>,
}

impl Scheduler {
    /// Runs what was missed, sync before sweep, and starts the clock.
    pub async fn start(app: &App) -> Result<Self, JobSchedulerError> {
        let clock = JobScheduler::new().await?;
        for (job, schedule) in app.schedules().in_order() {
            let app = app.clone();
            let ticked = schedule.clone();
            // Nothing outside the async block: a panic there would stop the job's clock for good.
            let tick = tokio_cron_scheduler::Job::new_async(schedule.text(), move |_, _| {
                let (app, schedule) = (app.clone(), ticked.clone());
                Box::pin(async move { tick(&app, job, &schedule).await })
            })?;
            clock.add(tick).await?;
        }
        clock.start().await?;
        let app = app.clone();
        let catching_up = tokio::spawn(async move {
            if catch_up(&app).await {
                // The run in the way may be of a process that died a moment ago.
                tokio::time::sleep(HEARTBEAT_LIMIT.to_std().unwrap_or_default()).await;
                catch_up(&app).await;
            }
        });
        Ok(Self { clock, catching_up })
    }

    /// Stops the clock. Runs that are under way go on.
    pub async fn stop(mut self) -> Result<(), JobSchedulerError> {
        self.catching_up.abort();
        self.clock.shutdown().await
    }
}

/// Runs one tick of a job, if no other server has it and no other run is under way. The tick is named by the clock of
/// this server, on which it fired: by the database's clock, one that is a moment behind, it would be the tick before.
pub async fn tick(app: &App, job: Job, schedule: &Schedule) {
    let Some(tick) = schedule.newest_tick(app.clock().now()) else {
        return;
    };
    match app.start(JobRequest::of_tick(job), Trigger::Tick(tick)).await {
        Ok(started) => tracing::debug!(?job, %tick, ?started, "tick"),
        Err(error) => tracing::error!(?job, %tick, %error, "starting a job at its tick failed"),
    }
}

/// Runs each job once that is overdue, one after the other. True if one was left out, because another run of
/// it was in the way.
pub async fn catch_up(app: &App) -> bool {
    let mut left_out = false;
    for (job, schedule) in app.schedules().in_order() {
        match catch_up_job(app, job, schedule).await {
            Ok(done) => left_out |= !done,
            Err(error) => tracing::error!(?job, %error, "running a missed job failed"),
        }
    }
    left_out
}

/// False if the job is overdue and another run of it was in the way.
async fn catch_up_job(app: &App, job: Job, schedule: &Schedule) -> Result<bool> {
    let source = app.source().filter(|_| job == Job::SyncInventory);
    let last = last_success(app.db(), job, source).await?;
    if !schedule.is_overdue(last, app.db().time(app.db().reader()).await?) {
        return Ok(true);
    }
    match app.start(JobRequest::of_tick(job), Trigger::CatchUp).await? {
        Started::Running(run) => run.wait().await.map(|_| true),
        Started::Skipped | Started::Taken => Ok(false),
    }
}

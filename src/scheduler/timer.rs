//! The timer of the schedules, and what happens when the clock of the machine is set.
//!
//! tokio-cron-scheduler keeps the time of the next tick of each job. After the clock was set back by a day, it would wait
//! for a day. Therefore a task compares the clock with the time that has passed, and starts the timer anew after a jump.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use super::{catch_up, tick};
use crate::app::App;
use crate::services::job_runs;

/// Interval at which the clock is compared with the time that has passed.
const CHECK: Duration = Duration::from_secs(1);
/// Maximum difference of the two that is no jump. Services that keep the clock right change it by less.
const TOLERANCE: TimeDelta = TimeDelta::seconds(3);

/// The timer of the schedules.
pub(super) struct Timer(Mutex<JobScheduler>);

impl Timer {
    pub(super) async fn start(app: &App) -> Result<Self, JobSchedulerError> {
        Ok(Self(Mutex::new(started(app).await?)))
    }

    async fn restart(&self, app: &App) -> Result<(), JobSchedulerError> {
        let mut clock = self.0.lock().await;
        clock.shutdown().await?;
        *clock = started(app).await?;
        Ok(())
    }

    pub(super) async fn stop(&self) -> Result<(), JobSchedulerError> {
        self.0.lock().await.shutdown().await
    }
}

async fn started(app: &App) -> Result<JobScheduler, JobSchedulerError> {
    let clock = JobScheduler::new().await?;
    for (request, schedule) in app.timetable() {
        let app = app.clone();
        let ticked = schedule.clone();
        // All code is inside the async block: a panic outside of it would stop the job's schedule permanently.
        let tick = Job::new_async(schedule.text(), move |_, _| {
            let (app, request, schedule) = (app.clone(), request.clone(), ticked.clone());
            Box::pin(async move { tick(&app, request, &schedule).await })
        })?;
        clock.add(tick).await?;
    }
    clock.start().await?;
    Ok(clock)
}

/// Releases the ticks that were claimed but that the clock has not reached yet, because it was wrong when they were
/// claimed. Otherwise they would not run when they are due.
pub(super) async fn release_later_ticks(app: &App) {
    match job_runs::release_ticks_after(app.db(), app.clock().now() + TOLERANCE).await {
        Ok(0) => {}
        Ok(ticks) => tracing::warn!(ticks, "ticks after the present time had run: they run again"),
        Err(error) => tracing::error!(%error, "ticks after the present time cannot be released"),
    }
}

/// Watches for jumps of the clock. After one, starts the timer anew. If time was left out, runs what is overdue.
pub(super) async fn watch(timer: Arc<Timer>, app: App) {
    let (mut shown, mut at) = (app.clock().now(), Instant::now());
    loop {
        tokio::time::sleep(CHECK).await;
        let (now, here) = (app.clock().now(), Instant::now());
        let passed = TimeDelta::from_std(here - at).unwrap_or(TimeDelta::MAX);
        let jump = (now - shown) - passed;
        if jump.abs() > TOLERANCE {
            let seconds = jump.num_seconds();
            tracing::warn!(
                seconds,
                "the clock of this machine was set: starting the schedules anew"
            );
            if let Err(error) = timer.restart(&app).await {
                // The next comparison sees the jump again.
                tracing::error!(%error, "the schedules cannot be started anew");
                continue;
            }
            if jump < TimeDelta::zero() {
                release_later_ticks(&app).await;
            } else {
                catch_up(&app).await;
            }
        }
        (shown, at) = (now, here);
    }
}

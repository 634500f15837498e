//! Crons start jobs.
//!
//! tokio-cron-scheduler is the clock and nothing more: it would overlap runs, run them on every server and
//! not wait for them at shutdown, so the runs of the jobs decide all that.

use chrono::{DateTime, SubsecRound as _, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use entity::job_runs::Job;
use tokio::task::JoinHandle;
use tokio_cron_scheduler::{JobScheduler, JobSchedulerError};

use crate::app::{App, JobRequest, Started};
use crate::error::Result;
use crate::services::job_runs::{HEARTBEAT_LIMIT, Trigger, last_success};

/// When a job runs, in UTC.
#[derive(Clone, Debug)]
pub struct Schedule {
    text: String,
    cron: Cron,
}

impl Schedule {
    /// Reads a cron of six fields, seconds first, or of five. The error is fit for whoever wrote it.
    pub fn parse(text: &str, now: DateTime<Utc>) -> Result<Self, String> {
        let text = match text.split_whitespace().count() {
            5 => format!("0 {text}"),
            _ => text.to_owned(),
        };
        let parser = CronParser::builder()
            .seconds(Seconds::Required)
            .dom_and_dow(true)
            .build();
        let cron = parser
            .parse(&text)
            .map_err(|error| format!("{text:?} is no cron: {error}"))?;
        // 31 February parses, and would wait for ever.
        cron.find_next_occurrence(&now, false)
            .map_err(|_| format!("{text:?} never comes"))?;
        Ok(Self { text, cron })
    }

    /// The newest tick at or before `now`. Whole seconds, so that every server names it alike.
    pub fn newest_tick(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.cron
            .find_previous_occurrence(&now.trunc_subsecs(0), true)
            .ok()
    }

    /// Whether a job that last began its work at `last` has missed a tick: it is older than the schedule's
    /// interval.
    pub fn is_overdue(&self, last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        let Some(last) = last else { return true };
        let next = self.cron.find_next_occurrence(&now, false).ok();
        let Some((newest, next)) = self.newest_tick(now).zip(next) else {
            return false;
        };
        last < now - (next - newest)
    }
}

/// The schedule of each job; a job without one does not run by itself.
#[derive(Clone, Debug, Default)]
pub struct Schedules {
    /// Of the sync.
    pub sync: Option<Schedule>,
    /// Of the sweep.
    pub detect: Option<Schedule>,
}

/// The running clock.
pub struct Scheduler {
    clock: JobScheduler,
    catching_up: JoinHandle<()>,
}

impl Scheduler {
    /// Runs what was missed, sync before sweep, and starts the clock.
    pub async fn start(app: &App, schedules: &Schedules) -> Result<Self, JobSchedulerError> {
        let clock = JobScheduler::new().await?;
        for (job, schedule) in in_order(schedules) {
            let app = app.clone();
            let ticked = schedule.clone();
            // Nothing outside the async block: a panic there would stop the job's clock for good.
            let tick = tokio_cron_scheduler::Job::new_async(schedule.text.as_str(), move |_, _| {
                let (app, schedule) = (app.clone(), ticked.clone());
                Box::pin(async move { tick(&app, job, &schedule).await })
            })?;
            clock.add(tick).await?;
        }
        clock.start().await?;
        let (app, schedules) = (app.clone(), schedules.clone());
        let catching_up = tokio::spawn(async move {
            if catch_up(&app, &schedules).await {
                // The run in the way may be of a process that died a moment ago.
                tokio::time::sleep(HEARTBEAT_LIMIT.to_std().unwrap_or_default()).await;
                catch_up(&app, &schedules).await;
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

fn in_order(schedules: &Schedules) -> impl Iterator<Item = (Job, &Schedule)> {
    let sync = schedules
        .sync
        .as_ref()
        .map(|schedule| (Job::SyncInventory, schedule));
    let detect = schedules
        .detect
        .as_ref()
        .map(|schedule| (Job::DetectDrift, schedule));
    sync.into_iter().chain(detect)
}

/// Runs one tick of a job, if no other server has it and no other run is under way.
pub async fn tick(app: &App, job: Job, schedule: &Schedule) {
    let Some(tick) = schedule.newest_tick(app.clock().now()) else {
        return;
    };
    match app.start(JobRequest::of_tick(job), Trigger::Tick(tick)).await {
        Ok(started) => tracing::debug!(?job, %tick, ?started, "tick"),
        Err(error) => tracing::error!(?job, %tick, %error, "a tick could not start its job"),
    }
}

/// Runs each job once that is overdue, one after the other. True if one was left out, because another run of
/// it was in the way.
pub async fn catch_up(app: &App, schedules: &Schedules) -> bool {
    let mut left_out = false;
    for (job, schedule) in in_order(schedules) {
        match catch_up_job(app, job, schedule).await {
            Ok(done) => left_out |= !done,
            Err(error) => tracing::error!(?job, %error, "a missed job could not be run"),
        }
    }
    left_out
}

/// False if the job is overdue and another run of it was in the way.
async fn catch_up_job(app: &App, job: Job, schedule: &Schedule) -> Result<bool> {
    let last = last_success(app.db(), job).await?;
    if !schedule.is_overdue(last, app.clock().now()) {
        return Ok(true);
    }
    match app.start(JobRequest::of_tick(job), Trigger::CatchUp).await? {
        Started::Running(run) => run.wait().await.map(|_| true),
        Started::Skipped | Started::Taken => Ok(false),
    }
}

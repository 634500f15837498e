//! When jobs run by themselves.

use chrono::{DateTime, SubsecRound as _, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use entity::job_runs::Job;

use super::retention::Retention;

/// When a job runs, in UTC.
#[derive(Clone, Debug)]
pub struct Schedule {
    text: String,
    cron: Cron,
}

impl Schedule {
    /// Reads a cron of six fields, seconds first, or of five. The error is in words for the operator.
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
            .map_err(|error| format!("{text:?} is not a cron expression: {error}"))?;
        // 31 February parses, and would wait for ever.
        cron.find_next_occurrence(&now, false)
            .map_err(|_| format!("{text:?} never matches a time"))?;
        Ok(Self { text, cron })
    }

    /// The cron as it was given, with seconds.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The next tick after `now`. Whole seconds: the parser would carry the fraction of `now` into it.
    pub(crate) fn next_tick(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.cron.find_next_occurrence(&now.trunc_subsecs(0), false).ok()
    }

    /// The newest tick at or before `now`. Whole seconds, so that every server names it alike.
    pub(crate) fn newest_tick(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.cron
            .find_previous_occurrence(&now.trunc_subsecs(0), true)
            .ok()
    }

    /// Whether a job that last began its work at `last` has missed a tick: it is older than the schedule's
    /// interval.
    pub(crate) fn is_overdue(&self, last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        let Some(last) = last else { return true };
        let Some((newest, next)) = self.newest_tick(now).zip(self.next_tick(now)) else {
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
    /// How long rows are kept: a server deletes older ones once a day, after a sweep. None deletes nothing.
    pub retention: Option<Retention>,
}

impl Schedules {
    /// Of this job; none if it does not run by itself.
    pub fn of(&self, job: Job) -> Option<&Schedule> {
        match job {
            Job::SyncInventory => self.sync.as_ref(),
            Job::DetectDrift => self.detect.as_ref(),
        }
    }

    /// Those that there are, sync before sweep.
    pub fn in_order(&self) -> impl Iterator<Item = (Job, &Schedule)> {
        let jobs = [Job::SyncInventory, Job::DetectDrift];
        jobs.into_iter()
            .filter_map(|job| self.of(job).map(|schedule| (job, schedule)))
    }
}

#[cfg(test)]
mod tests;

//! Schedules of the jobs.

use chrono::{DateTime, SubsecRound as _, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use entity::job_runs::Job;

use super::retention::Retention;

/// The ticks of a job: a cron expression in UTC.
#[derive(Clone, Debug)]
pub struct Schedule {
    text: String,
    cron: Cron,
}

impl Schedule {
    /// Parses a cron expression of five fields, or of six fields with seconds first.
    ///
    /// # Errors
    ///
    /// A message for the operator, if the expression is invalid or never matches a time.
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
        // A date such as 31 February is valid for the parser, but never occurs.
        cron.find_next_occurrence(&now, false)
            .map_err(|_| format!("{text:?} never matches a time"))?;
        Ok(Self { text, cron })
    }

    /// Returns the cron expression with six fields.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the next tick after `now`. Fractions of a second are cut off, because `croner` would add them to the
    /// tick.
    pub(crate) fn next_tick(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.cron.find_next_occurrence(&now.trunc_subsecs(0), false).ok()
    }

    /// Returns the newest tick at or before `now`, in whole seconds, so that all servers compute the same time.
    pub(crate) fn newest_tick(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.cron
            .find_previous_occurrence(&now.trunc_subsecs(0), true)
            .ok()
    }

    /// Returns whether a job whose last run began at `last` has missed a tick: the run is older than the interval
    /// between the newest and the next tick.
    pub(crate) fn is_overdue(&self, last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        let Some(last) = last else { return true };
        let Some((newest, next)) = self.newest_tick(now).zip(self.next_tick(now)) else {
            return false;
        };
        last < now - (next - newest)
    }
}

/// The schedule of each job. A job without a schedule does not start automatically.
#[derive(Clone, Debug, Default)]
pub struct Schedules {
    /// Schedule of the sync.
    pub sync: Option<Schedule>,
    /// Schedule of the sweep.
    pub detect: Option<Schedule>,
    /// How long rows are kept: a server deletes older ones once a day, after a sweep. None deletes nothing.
    pub retention: Option<Retention>,
}

impl Schedules {
    /// Returns the schedule of a job, if it has one.
    pub fn of(&self, job: Job) -> Option<&Schedule> {
        match job {
            Job::SyncInventory => self.sync.as_ref(),
            Job::DetectDrift => self.detect.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests;

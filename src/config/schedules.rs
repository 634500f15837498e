//! Settings of the schedules and of the maximum age of the inventory.

use std::time::Duration;

use chrono::TimeDelta;
use clap::Args;

use super::parsers::{OFF, time_of_at_least};
use crate::clock::Clock;
use crate::domain::freshness::MaxAge;
use crate::domain::retention::Retention;
use crate::domain::schedule::{Schedule, Schedules};

/// A schedule; `None` if it is off. Without the alias, clap would treat it as an optional argument.
type Cron = Option<Schedule>;

/// Schedule of the syncs.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Schedules")]
pub(crate) struct SyncCronArgs {
    /// Schedule of syncs: cron expression in UTC, seconds first, or off
    #[arg(long, env = "DRIFT_SYNC_CRON", value_name = "CRON", default_value = "0 15 * * * *", value_parser = cron)]
    pub(super) sync_cron: Cron,
}

/// Schedules of the jobs.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Schedules")]
pub(crate) struct ScheduleArgs {
    #[command(flatten)]
    pub(crate) sync: SyncCronArgs,
    /// Schedule of sweeps: cron expression in UTC, seconds first, or off
    #[arg(
        long,
        env = "DRIFT_DETECT_CRON",
        value_name = "CRON",
        default_value = "0 20 * * * *"
    )]
    #[arg(value_parser = cron)]
    detect_cron: Cron,
}

/// Maximum age of the inventory.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Schedules")]
pub(crate) struct MaxAgeArgs {
    /// Maximum age of the last complete listing of a kind, such as 90m; a sweep over an older one is partial
    /// [default: twice the interval of syncs]
    #[arg(long, env = "DRIFT_MAX_AGE", value_name = "TIME", value_parser = time_of_at_least(Duration::ZERO))]
    max_age: Option<Duration>,
}

impl ScheduleArgs {
    /// Returns the schedules of the jobs, with the retention of rows.
    pub(crate) fn schedules(&self, retention: Retention) -> Schedules {
        Schedules {
            sync: self.sync.sync_cron.clone(),
            detect: self.detect_cron.clone(),
            retention: Some(retention),
        }
    }
}

impl MaxAgeArgs {
    /// Returns the maximum age. The default is twice the interval of syncs, or two hours without a schedule.
    pub(crate) fn max_age(&self, sync: &SyncCronArgs) -> MaxAge {
        match (self.max_age, &sync.sync_cron) {
            (Some(age), _) => MaxAge::Fixed(TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX)),
            (None, Some(sync)) => MaxAge::twice_the_interval(sync.clone()),
            (None, None) => MaxAge::default(),
        }
    }
}

fn cron(text: &str) -> Result<Cron, String> {
    match text {
        OFF => Ok(None),
        cron => Schedule::parse(cron, Clock::System.now()).map(Some),
    }
}

//! Settings of the retention of rows.

use std::time::Duration;

use chrono::TimeDelta;
use clap::Args;

use super::parsers::{OFF, shown, time_of_at_least};
use crate::domain::retention::Retention;

/// Minimum of each setting.
const SHORTEST: Duration = Duration::from_secs(86_400);

/// How long rows are kept; `None` for ever. Without the alias, clap would treat it as an optional argument.
type Keep = Option<TimeDelta>;

/// Retention of rows: a time of at least one day, or off to keep them forever.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Retention")]
pub(crate) struct RetentionArgs {
    /// How long to keep resources that are gone and have no spec in force
    #[arg(long, env = "DRIFT_KEEP_GONE_RESOURCES", value_name = "TIME|off", value_parser = keep)]
    #[arg(default_value = text(Retention::default().gone_resources))]
    keep_gone_resources: Keep,
    /// How long to keep events and changes of resources, actions on them, and stale drifts with their events
    #[arg(long, env = "DRIFT_KEEP_EVENTS", value_name = "TIME|off", value_parser = keep)]
    #[arg(default_value = text(Retention::default().events))]
    keep_events: Keep,
    /// How long to keep runs of syncs and sweeps, and ended notifications; the newest run with each outcome is always kept
    #[arg(long, env = "DRIFT_KEEP_JOB_RUNS", value_name = "TIME|off", value_parser = keep)]
    #[arg(default_value = text(Retention::default().job_runs))]
    keep_job_runs: Keep,
    /// How long to keep accepted drifts, recorded and retired specs, earlier versions of specs, and records of forgotten
    /// resources
    #[arg(long, env = "DRIFT_KEEP_DECISIONS", value_name = "TIME|off", value_parser = keep)]
    #[arg(default_value = text(Retention::default().decisions))]
    keep_decisions: Keep,
}

impl RetentionArgs {
    /// Returns how long rows are kept.
    pub(crate) fn retention(&self) -> Retention {
        Retention {
            gone_resources: self.keep_gone_resources,
            events: self.keep_events,
            job_runs: self.keep_job_runs,
            decisions: self.keep_decisions,
        }
    }
}

fn keep(text: &str) -> Result<Keep, String> {
    if text == OFF {
        return Ok(None);
    }
    let time = time_of_at_least(SHORTEST)(text)?;
    TimeDelta::from_std(time).map(Some).map_err(|why| why.to_string())
}

/// Formats a time as [`keep`] parses it.
fn text(keep: Keep) -> String {
    keep.and_then(|time| time.to_std().ok())
        .map_or_else(|| OFF.to_owned(), shown)
}

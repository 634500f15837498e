//! Settings of the retention of rows.

use chrono::TimeDelta;
use clap::Args;

use super::{BadSetting, OFF, Result, duration, set};
use crate::domain::retention::Retention;

/// The shortest time that may be set.
const SHORTEST: TimeDelta = TimeDelta::days(1);

/// Retention of rows: a time of at least one day, or off to keep them forever.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Retention")]
pub struct RetentionArgs {
    /// How long to keep resources that are gone and have no spec in force [default: 90d]
    #[arg(
        long,
        env = "DRIFT_KEEP_GONE_RESOURCES",
        hide_env_values = true,
        value_name = "TIME|off"
    )]
    pub keep_gone_resources: Option<String>,
    /// How long to keep events of resources, and stale drifts with their events [default: 400d]
    #[arg(
        long,
        env = "DRIFT_KEEP_EVENTS",
        hide_env_values = true,
        value_name = "TIME|off"
    )]
    pub keep_events: Option<String>,
    /// How long to keep runs of syncs and sweeps; the newest run with each outcome is always kept [default: 90d]
    #[arg(
        long,
        env = "DRIFT_KEEP_JOB_RUNS",
        hide_env_values = true,
        value_name = "TIME|off"
    )]
    pub keep_job_runs: Option<String>,
    /// How long to keep accepted drifts, recorded and retired specs, and records of forgotten resources [default: off]
    #[arg(
        long,
        env = "DRIFT_KEEP_DECISIONS",
        hide_env_values = true,
        value_name = "TIME|off"
    )]
    pub keep_decisions: Option<String>,
}

impl RetentionArgs {
    /// Reads and checks.
    ///
    /// # Errors
    /// Names the setting that is no time, or shorter than a day.
    pub fn resolve(&self) -> Result<Retention> {
        let default = Retention::default();
        let keep = |name, value: &Option<String>, default| keep(name, value.as_deref(), default);
        Ok(Retention {
            gone_resources: keep(
                "DRIFT_KEEP_GONE_RESOURCES",
                &self.keep_gone_resources,
                default.gone_resources,
            )?,
            events: keep("DRIFT_KEEP_EVENTS", &self.keep_events, default.events)?,
            job_runs: keep("DRIFT_KEEP_JOB_RUNS", &self.keep_job_runs, default.job_runs)?,
            decisions: keep("DRIFT_KEEP_DECISIONS", &self.keep_decisions, default.decisions)?,
        })
    }
}

fn keep(name: &'static str, value: Option<&str>, default: Option<TimeDelta>) -> Result<Option<TimeDelta>> {
    let text = match set(value) {
        None => return Ok(default),
        Some(OFF) => return Ok(None),
        Some(text) => text,
    };
    match TimeDelta::from_std(duration(name, text)?) {
        Ok(time) if time >= SHORTEST => Ok(Some(time)),
        Ok(_) => Err(BadSetting::new(
            name,
            format!("{text:?} is shorter than the minimum of 1d"),
        )),
        Err(_) => Err(BadSetting::new(
            name,
            format!("{text:?} is too long: use off to keep the rows forever"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(events: &str) -> Result<Retention> {
        RetentionArgs {
            keep_events: Some(events.to_owned()),
            ..RetentionArgs::default()
        }
        .resolve()
    }

    #[test]
    fn what_is_not_set_is_kept_as_long_as_the_defaults_say() {
        assert_eq!(RetentionArgs::default().resolve(), Ok(Retention::default()));
        assert_eq!(with(""), Ok(Retention::default()));
    }

    #[test]
    fn off_keeps_for_ever_and_a_time_is_kept() {
        assert_eq!(with("off").unwrap().events, None);
        assert_eq!(with("30d").unwrap().events, Some(TimeDelta::days(30)));
        assert_eq!(with("1d").unwrap().events, Some(TimeDelta::days(1)));
    }

    #[test]
    fn a_time_that_would_delete_what_is_in_use_is_refused_by_name() {
        for bad in ["0s", "23h", "soon", "OFF", "-1d", "600000000000y"] {
            let error = with(bad).unwrap_err().to_string();
            assert!(error.starts_with("DRIFT_KEEP_EVENTS: "), "{error}");
        }
    }
}

//! The reports that are recorded when runs end.

use std::borrow::Borrow;

use entity::job_runs::JobOutcome;
use serde_json::{Value, json};

use crate::domain::validation::storable;
use crate::error::{Error, Result};
use crate::services::detection::{SweepCounts, SweepReport};
use crate::services::freshness::Freshness;
use crate::services::inventory::{FailedSync, SyncCounts};
use crate::services::job_runs::Report;

/// The failure of a run, with the counts of what was done before.
#[derive(Debug)]
pub(super) struct FailedWork {
    error: Error,
    counts: Value,
}

impl From<Error> for FailedWork {
    fn from(error: Error) -> Self {
        Self {
            error,
            counts: json!({}),
        }
    }
}

impl From<FailedSync> for FailedWork {
    /// Keeps the results of the kinds that were listed before the failure.
    fn from(failure: FailedSync) -> Self {
        let listed = SyncCounts {
            kinds: failure.kinds,
            ..SyncCounts::default()
        };
        match to_json(&listed) {
            Ok(counts) if !listed.kinds.is_empty() => Self {
                error: failure.error,
                counts,
            },
            Ok(_) => failure.error.into(),
            Err(error) => error.into(),
        }
    }
}

impl Borrow<Error> for FailedWork {
    fn borrow(&self) -> &Error {
        &self.error
    }
}

/// Builds the report of a sync that listed something.
pub(super) fn of_sync(counts: SyncCounts) -> Result<Report> {
    Ok(Report {
        outcome: counts.outcome(),
        counts: to_json(&counts)?,
        error: counts.failure(),
    })
}

/// Builds the report of a sweep. It is PARTIAL if the inventory that the sweep used is not up to date.
pub(super) fn of_sweep(counts: SweepCounts, freshness: Freshness) -> Result<Report> {
    let mut outcome = counts.outcome();
    if !freshness.is_vouched() {
        outcome = JobOutcome::Partial;
    }
    Ok(Report {
        outcome,
        error: freshness.problem().as_deref().map(storable),
        counts: to_json(&SweepReport { counts, freshness })?,
    })
}

/// Builds the report of a run that failed after it did a part of its work.
pub(super) fn of_failed(failed: FailedWork) -> Report {
    Report {
        counts: failed.counts,
        ..of_failure(&failed.error)
    }
}

/// Builds the report of a run that failed with an error.
pub(super) fn of_failure(error: &Error) -> Report {
    if error.is_internal() {
        tracing::error!(%error, "job.failed");
    }
    Report {
        outcome: JobOutcome::Failed,
        counts: json!({}),
        error: Some(storable(&error.public_message())),
    }
}

/// Builds the report of an abandoned run. It does not replace the reason that the row of the run already has.
pub(super) fn of_abandoned() -> Report {
    Report {
        outcome: JobOutcome::Abandoned,
        counts: json!({}),
        error: Some("the run was marked as abandoned".to_owned()),
    }
}

fn to_json(counts: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(counts).map_err(|error| Error::Internal(error.to_string()))
}

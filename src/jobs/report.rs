//! The reports that are recorded when runs end.

use entity::job_runs::JobOutcome;
use serde_json::{Value, json};

use crate::domain::validation::storable;
use crate::error::{Error, Result};
use crate::services::detection::{SweepCounts, SweepReport};
use crate::services::freshness::Freshness;
use crate::services::inventory::{FailedSync, SyncCounts};
use crate::services::job_runs::Report;

/// Builds the report of a sync. It includes the result of each kind, even if the sync failed.
pub(super) fn of_sync(synced: std::result::Result<SyncCounts, FailedSync>) -> Result<Report> {
    match synced {
        Ok(counts) => Ok(Report {
            outcome: counts.outcome(),
            counts: to_json(&counts)?,
            error: counts.failure(),
        }),
        Err(failure) => {
            let mut report = of_failure(&failure.error);
            if !failure.kinds.is_empty() {
                report.counts = to_json(&SyncCounts {
                    kinds: failure.kinds,
                    ..SyncCounts::default()
                })?;
            }
            Ok(report)
        }
    }
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

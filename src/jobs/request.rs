//! Requests for runs.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::job_runs::Job;
use uuid::Uuid;

use super::Source;
use crate::services::detection::{Scope, SweepCounts};
use crate::services::inventory::SyncOptions;

/// Receives the counts of a sweep as it progresses.
pub type Progress = Arc<dyn Fn(&SweepCounts) + Send + Sync>;

/// A job to run, with its options.
#[derive(Clone)]
pub enum JobRequest {
    /// A sync of the only source.
    Sync(SyncOptions),
    /// A sync of this source.
    SyncOf(Box<Source>, SyncOptions),
    /// A sweep.
    Detect {
        /// The resources to compare.
        scope: Scope,
        /// Receives the progress.
        progress: Option<Progress>,
    },
}

impl JobRequest {
    /// Returns a request for a run that is not narrowed: a sync of all kinds, or a sweep of all specs.
    pub fn whole(job: Job) -> Self {
        match job {
            Job::SyncInventory => Self::Sync(SyncOptions::default()),
            Job::DetectDrift => Self::detect_all(),
        }
    }

    /// Returns a request for a sync of all kinds of a source.
    pub(crate) fn sync_of(source: Source) -> Self {
        Self::SyncOf(Box::new(source), SyncOptions::default())
    }

    /// Returns the job.
    pub(crate) fn job(&self) -> Job {
        match self {
            Self::Sync(_) | Self::SyncOf(..) => Job::SyncInventory,
            Self::Detect { .. } => Job::DetectDrift,
        }
    }

    /// Returns the name of the source, if the request is a sync of one.
    pub(crate) fn source(&self) -> Option<&str> {
        match self {
            Self::SyncOf(source, _) => Some(&source.name),
            Self::Sync(_) | Self::Detect { .. } => None,
        }
    }

    /// Returns a request for a sweep of all specs.
    pub fn detect_all() -> Self {
        Self::Detect {
            scope: Scope::All,
            progress: None,
        }
    }
}

/// The reason why the scheduler starts a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheduled {
    /// A tick of the schedule. Each tick runs on one server only.
    Tick {
        /// The time of the tick.
        at: DateTime<Utc>,
        /// The id of its run. It stays the same if the claim is repeated, so that a claim whose confirmation was lost is
        /// found again.
        run: Uuid,
    },
    /// A tick that was missed before the server started.
    CatchUp,
}

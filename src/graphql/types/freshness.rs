//! How far an empty inbox can be relied on.

use async_graphql::{Enum, Object};
use chrono::{DateTime, Utc};
use entity::job_runs::{self, JobOutcome};

use super::JobRun;
use crate::domain::freshness::{self as rules, MaxAge};
use crate::services::detection::SweepCounts;
use crate::services::freshness;

/// Fields of a kind that an answer lists at most.
const MOST_FIELDS: usize = 100;

/// Why the inventory of a kind cannot be relied on.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "rules::StaleReason")]
pub(in crate::graphql) enum StaleReason {
    /// No listing of it was ever complete.
    NeverListed,
    /// The newest listing of it is incomplete.
    Incomplete,
    /// The newest sync could not read it.
    NotReadable,
    /// Its last complete listing is older than the maximum age.
    Overdue,
    /// Its last complete listing has a time in the future, so that its age is not known.
    InTheFuture,
    /// The newest sync could not read a field that specs set, so that its stored value may be old.
    FieldsNotReadable,
}

/// A kind with a spec in force whose inventory cannot be relied on.
pub(in crate::graphql) struct StaleKind(freshness::StaleKind);

/// A kind with a spec in force whose inventory cannot be relied on.
#[Object]
impl StaleKind {
    /// Cloud that answers for it.
    async fn provider(&self) -> &str {
        &self.0.provider
    }

    /// Kind within the provider, such as `droplet`.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// When its last complete listing was applied; null if none ever was.
    async fn completed_at(&self) -> Option<DateTime<Utc>> {
        self.0.completed_at
    }

    /// Why it cannot be relied on.
    async fn reason(&self) -> StaleReason {
        self.0.reason.into()
    }

    /// Fields that specs set and that the newest sync could not read, at most 100. Empty if that is not the reason.
    async fn fields(&self) -> &[String] {
        self.0.fields.get(..MOST_FIELDS).unwrap_or(&self.0.fields)
    }
}

/// How far an empty inbox can be relied on.
pub(in crate::graphql) struct Freshness {
    /// What of the inventory cannot be relied on.
    pub(in crate::graphql) inventory: freshness::Freshness,
    /// The newest sweep over everything.
    pub(in crate::graphql) sweep: Option<job_runs::Model>,
    /// Resources with a spec that no listing ever had.
    pub(in crate::graphql) never_listed: i64,
    /// How old a sweep may be.
    pub(in crate::graphql) max_age: MaxAge,
    /// What time it is.
    pub(in crate::graphql) now: DateTime<Utc>,
}

impl Freshness {
    fn is_sweep_overdue(&self) -> bool {
        self.sweep
            .as_ref()
            .is_none_or(|sweep| self.max_age.is_exceeded(sweep.started_at, self.now))
    }

    /// What the newest sweep did.
    fn counts(&self) -> SweepCounts {
        let counts = self.sweep.as_ref().map(|sweep| sweep.counts.clone());
        counts
            .and_then(|counts| serde_json::from_value(counts).ok())
            .unwrap_or_default()
    }
}

/// How far an empty inbox can be relied on.
#[Object]
impl Freshness {
    /// Whether everything below is well, and the newest sweep compared every resource with a spec, of which there is
    /// at least one: only then does an empty inbox mean that nothing differs.
    async fn vouched(&self) -> bool {
        let succeeded = |sweep: &job_runs::Model| sweep.outcome == Some(JobOutcome::Succeeded);
        self.inventory.is_vouched()
            && self.never_listed == 0
            && !self.is_sweep_overdue()
            && self.sweep.as_ref().is_some_and(succeeded)
            && self.counts().compared_everything()
    }

    /// Whether no sync ever completed, so that there is nothing to compare with.
    async fn never_synced(&self) -> bool {
        self.inventory.never_synced
    }

    /// Kinds with a spec in force whose inventory cannot be relied on, by provider and kind: at most 100.
    async fn stale(&self) -> Vec<StaleKind> {
        self.inventory.stale.iter().cloned().map(StaleKind).collect()
    }

    /// Resources with a spec in force that no listing ever had, so that they are not compared.
    async fn never_listed(&self) -> i64 {
        self.never_listed
    }

    /// Resources with a spec in force that the newest sweep did not compare, because they are settling.
    async fn settling(&self) -> u64 {
        self.counts().settling
    }

    /// The newest sweep over everything that was not skipped; null if there was none.
    async fn last_sweep(&self) -> Option<JobRun> {
        self.sweep.clone().map(JobRun)
    }

    /// Whether the newest sweep is older than the inventory may be, or there was none.
    async fn sweep_overdue(&self) -> bool {
        self.is_sweep_overdue()
    }
}

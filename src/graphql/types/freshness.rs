//! Whether the inbox is up to date, and if not, why.

use async_graphql::{Enum, Object};
use chrono::{DateTime, Utc};
use entity::job_runs::{self, JobOutcome};

use super::JobRun;
use crate::domain::freshness::{self as rules, MaxAge};
use crate::services::detection::SweepCounts;
use crate::services::freshness;

/// Maximum number of fields listed for one kind.
const MOST_FIELDS: usize = 100;

/// Why the inventory of a kind is not up to date.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "rules::StaleReason")]
pub(in crate::graphql) enum StaleReason {
    /// No listing of the kind was ever complete.
    NeverListed,
    /// The newest listing of the kind is incomplete.
    Incomplete,
    /// The newest sync could not read the kind, because the token lacks a scope.
    NotReadable,
    /// The last complete listing of the kind is older than the maximum age.
    Overdue,
    /// The time of the last complete listing is in the future, so its age is unknown.
    InTheFuture,
    /// The newest sync could not read a field that specs contain, so its stored value may be outdated.
    FieldsNotReadable,
}

/// A kind with a spec in force whose inventory is not up to date.
pub(in crate::graphql) struct StaleKind(freshness::StaleKind);

/// A kind with a spec in force whose inventory is not up to date.
#[Object]
impl StaleKind {
    /// The source that lists the kind; null if none does.
    async fn source(&self) -> Option<&str> {
        Some(self.0.source.as_str()).filter(|name| !name.is_empty())
    }

    /// The cloud provider, such as `digitalocean`.
    async fn provider(&self) -> &str {
        &self.0.provider
    }

    /// The kind within the provider, such as `droplet`.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// When the last complete listing of the kind was applied; null if there was none.
    async fn completed_at(&self) -> Option<DateTime<Utc>> {
        self.0.completed_at
    }

    /// Why the inventory of the kind is not up to date.
    async fn reason(&self) -> StaleReason {
        self.0.reason.into()
    }

    /// Fields that specs contain and that the newest sync could not read, at most 100. Empty unless the reason is
    /// FIELDS_NOT_READABLE.
    async fn fields(&self) -> &[String] {
        self.0.fields.get(..MOST_FIELDS).unwrap_or(&self.0.fields)
    }
}

/// Whether the inbox is up to date, and if not, why.
pub(in crate::graphql) struct Freshness {
    /// The kinds whose inventory is not up to date.
    pub(in crate::graphql) inventory: freshness::Freshness,
    /// The newest sweep that was not narrowed or skipped.
    pub(in crate::graphql) sweep: Option<job_runs::Model>,
    /// Number of unsynced resources with a spec in force.
    pub(in crate::graphql) never_listed: i64,
    /// The maximum age of a sweep.
    pub(in crate::graphql) max_age: MaxAge,
    /// The current time.
    pub(in crate::graphql) now: DateTime<Utc>,
}

impl Freshness {
    fn is_sweep_overdue(&self) -> bool {
        self.sweep
            .as_ref()
            .is_none_or(|sweep| self.max_age.is_exceeded(sweep.started_at, self.now))
    }

    /// Returns the counts of the newest sweep.
    fn counts(&self) -> SweepCounts {
        let counts = self.sweep.as_ref().map(|sweep| sweep.counts.clone());
        counts
            .and_then(|counts| serde_json::from_value(counts).ok())
            .unwrap_or_default()
    }
}

/// Whether the inbox is up to date, and if not, why.
#[Object]
impl Freshness {
    /// Whether the inbox is up to date: the newest sweep succeeded, is recent and compared every resource with a
    /// spec in force, and the inventory of every kind with a spec in force is complete and not overdue. False if
    /// no spec is in force. Only if true does an empty inbox mean that nothing differs.
    async fn vouched(&self) -> bool {
        let succeeded = |sweep: &job_runs::Model| sweep.outcome == Some(JobOutcome::Succeeded);
        self.inventory.is_vouched()
            && self.never_listed == 0
            && !self.is_sweep_overdue()
            && self.sweep.as_ref().is_some_and(succeeded)
            && self.counts().compared_everything()
    }

    /// Whether no sync has completed yet. Without an inventory nothing can be compared.
    async fn never_synced(&self) -> bool {
        self.inventory.never_synced
    }

    /// Kinds with a spec in force whose inventory is not up to date, ordered by provider and kind; at most 100.
    async fn stale(&self) -> Vec<StaleKind> {
        self.inventory.stale.iter().cloned().map(StaleKind).collect()
    }

    /// Number of unsynced resources with a spec in force: no listing has contained them yet, so they are not
    /// compared.
    async fn never_listed(&self) -> i64 {
        self.never_listed
    }

    /// Number of resources with a spec in force that the newest sweep did not compare because they are settling.
    async fn settling(&self) -> u64 {
        self.counts().settling
    }

    /// The newest sweep that was neither narrowed nor skipped; null if there was none.
    async fn last_sweep(&self) -> Option<JobRun> {
        self.sweep.clone().map(JobRun)
    }

    /// Whether the newest sweep is older than the maximum age, or no sweep has run.
    async fn sweep_overdue(&self) -> bool {
        self.is_sweep_overdue()
    }
}

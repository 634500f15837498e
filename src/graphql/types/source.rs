//! Sources and their states.

use async_graphql::{Enum, Object};
use chrono::{DateTime, Utc};
use entity::sources;

use crate::domain::sources as rules;
use crate::services::sources::Source as Row;

/// What a source is.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "sources::SourceKind")]
pub(in crate::graphql) enum SourceKind {
    /// An account of a cloud, which a server lists through the API of the cloud.
    Account,
    /// An inventory file, which a server reads.
    File,
    /// JSON lines, which are sent to the server.
    Lines,
    /// Refresh-only plans of a Terraform state, which are sent to the server.
    TerraformPlan,
}

/// Whether the newest listing of a source can be relied on.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "rules::SourceState")]
pub(in crate::graphql) enum SourceState {
    /// The newest listing was stored completely and is recent.
    Ok,
    /// The newest listing is recent, but parts of it could not be read.
    Partial,
    /// The newest attempt to list the source failed.
    Failed,
    /// The newest plan was refused.
    Refused,
    /// The last success is older than twice the expected interval, or its time is in the future.
    Overdue,
    /// The source has never been listed.
    Never,
}

/// A source of the inventory: an account, a file, JSON lines or the plans of a Terraform state.
pub(in crate::graphql) struct Source(pub(in crate::graphql) Row);

/// A source of the inventory: an account, a file, JSON lines or the plans of a Terraform state.
#[Object]
impl Source {
    /// The name, unique among all kinds of sources.
    async fn name(&self) -> &str {
        &self.0.row.name
    }

    /// What the source is.
    async fn kind(&self) -> SourceKind {
        self.0.row.kind.into()
    }

    /// The provider of its resources; null until a listing names it, and for Terraform plans.
    async fn provider(&self) -> Option<&str> {
        self.0.row.provider.as_deref()
    }

    /// The account that was listed last; null if the provider has no accounts.
    async fn account(&self) -> Option<&str> {
        self.0.row.account.as_deref()
    }

    /// The cron expression of its own schedule in UTC; null if it has none.
    async fn schedule(&self) -> Option<&str> {
        self.0.row.schedule.as_deref()
    }

    /// The expected time between two listings, in seconds; null if a schedule decides it.
    async fn expected_interval(&self) -> Option<i64> {
        self.0.row.expected_interval
    }

    /// When the newest listing that was stored had ended, for a Terraform state: when its plan was made. Null if there was
    /// none.
    async fn last_success_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_success_at
    }

    /// When the newest listing was attempted; null if there was none.
    async fn attempted_at(&self) -> Option<DateTime<Utc>> {
        self.0.attempted_at
    }

    /// Whether the newest listing can be relied on.
    async fn state(&self) -> SourceState {
        self.0.state.into()
    }

    /// Why it cannot; null if it can, or if the state says it all.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }
}

//! How much of the inventory is asked for.

use async_graphql::Object;

use crate::services::coverage;

/// How much of one kind is asked for.
pub(in crate::graphql) struct KindCoverage(pub(in crate::graphql) coverage::KindCoverage);

/// How much of one kind is asked for.
#[Object]
impl KindCoverage {
    /// Cloud that answers for it.
    async fn provider(&self) -> &str {
        &self.0.provider
    }

    /// Kind within the provider, such as `droplet`.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// Resources with a spec in force, there or missing.
    async fn managed(&self) -> i64 {
        self.0.managed
    }

    /// Resources that are there and that nobody asked for.
    async fn unmanaged(&self) -> i64 {
        self.0.unmanaged
    }

    /// Resources without a spec that something else of the cloud made and looks after.
    async fn owned(&self) -> i64 {
        self.0.owned
    }

    /// Managed resources with an open drift of a field.
    async fn drifted(&self) -> i64 {
        self.0.drifted
    }

    /// Managed resources with an open drift of the kind MISSING.
    async fn missing(&self) -> i64 {
        self.0.missing
    }
}

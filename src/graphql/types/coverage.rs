//! Coverage: how many resources of each kind are managed.

use async_graphql::Object;

use crate::services::coverage;

/// How many resources of one kind are managed.
pub(in crate::graphql) struct KindCoverage(pub(in crate::graphql) coverage::KindCoverage);

/// How many resources of one kind are managed.
#[Object]
impl KindCoverage {
    /// The cloud provider, such as `digitalocean`.
    async fn provider(&self) -> &str {
        &self.0.provider
    }

    /// The kind within the provider, such as `droplet`.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// Number of resources with a spec in force, including missing resources.
    async fn managed(&self) -> i64 {
        self.0.managed
    }

    /// Number of resources that exist, have no spec in force and are not owned.
    async fn unmanaged(&self) -> i64 {
        self.0.unmanaged
    }

    /// Number of owned resources without a spec in force.
    async fn owned(&self) -> i64 {
        self.0.owned
    }

    /// Number of managed resources with an open drift of kind CHANGED.
    async fn drifted(&self) -> i64 {
        self.0.drifted
    }

    /// Number of managed resources with an open drift of kind MISSING.
    async fn missing(&self) -> i64 {
        self.0.missing
    }

    /// Number of differences that a rule makes wait until more sweeps have seen them (`ignoredDifferences(waiting: true)`).
    async fn waiting(&self) -> i64 {
        self.0.waiting
    }
}

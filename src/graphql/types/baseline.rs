//! Baselines.

use async_graphql::{ComplexObject, ID, InputObject, SimpleObject};

use super::{MAX_SHOWN, ProvisionedSpec, ResourceFilterInput};
use crate::services::baseline::{Baseline, SkippedResource};

/// Input of `recordBaseline`.
#[derive(InputObject)]
pub(in crate::graphql) struct RecordBaselineInput {
    /// Selects among the unmanaged resources; `{}` selects all of them. One call records at most 1000 specs.
    pub(in crate::graphql) filter: ResourceFilterInput,
}

/// Result of `recordBaseline`.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(in crate::graphql) struct RecordBaselinePayload {
    /// Number of specs recorded.
    count: i32,
    /// Number of resources skipped because no valid spec can be made of their live values.
    skipped_count: i32,
    /// Whether further resources remain. Repeat the call to record them.
    more: bool,
    #[graphql(skip)]
    done: Baseline,
}

/// Result of `recordBaseline`.
#[ComplexObject]
impl RecordBaselinePayload {
    /// The recorded specs, at most 200.
    #[graphql(complexity = "MAX_SHOWN * child_complexity")]
    async fn nodes(&self) -> Vec<ProvisionedSpec> {
        let shown = self.done.recorded.iter().take(MAX_SHOWN).cloned();
        shown.map(ProvisionedSpec).collect()
    }

    /// The skipped resources, at most 200.
    #[graphql(complexity = "MAX_SHOWN * child_complexity")]
    async fn skipped(&self) -> Vec<BaselineSkipped> {
        let shown = self.done.skipped.iter().take(MAX_SHOWN).cloned();
        shown.map(BaselineSkipped::from).collect()
    }
}

impl From<Baseline> for RecordBaselinePayload {
    fn from(done: Baseline) -> Self {
        let int = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        Self {
            count: int(done.recorded.len()),
            skipped_count: int(done.skipped.len()),
            more: done.more,
            done,
        }
    }
}

/// A resource that `recordBaseline` skipped.
#[derive(SimpleObject)]
pub(in crate::graphql) struct BaselineSkipped {
    /// The id of the resource.
    resource_id: ID,
    /// The kind of the resource; null if the stored value cannot be read.
    kind: Option<String>,
    /// The name of the resource; null if the stored value cannot be read.
    name: Option<String>,
    /// Why the resource was skipped.
    reason: String,
}

impl From<SkippedResource> for BaselineSkipped {
    fn from(skipped: SkippedResource) -> Self {
        Self {
            resource_id: skipped.resource_id.into(),
            kind: skipped.kind,
            name: skipped.name,
            reason: skipped.reason,
        }
    }
}

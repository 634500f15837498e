//! What is there, taken as what is asked for.

use async_graphql::{ComplexObject, ID, InputObject, SimpleObject};

use super::{MAX_SHOWN, ProvisionedSpec, ResourceFilterInput};
use crate::services::baseline::{Baseline, Skipped};

/// Of what to take a baseline.
#[derive(InputObject)]
pub(in crate::graphql) struct RecordBaselineInput {
    /// Which resources, of those that are there and unmanaged; `{}` for all of them. One call records 1000 specs at
    /// most.
    pub(in crate::graphql) filter: ResourceFilterInput,
}

/// What was recorded.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(in crate::graphql) struct RecordBaselinePayload {
    /// How many specs were recorded.
    count: i32,
    /// How many resources were skipped, because they cannot be watched as they are.
    skipped_count: i32,
    /// Whether more resources remain: the same call again goes on with them.
    more: bool,
    #[graphql(skip)]
    done: Baseline,
}

/// What was recorded.
#[ComplexObject]
impl RecordBaselinePayload {
    /// The specs, at most 200 of them.
    #[graphql(complexity = "MAX_SHOWN * child_complexity")]
    async fn nodes(&self) -> Vec<ProvisionedSpec> {
        let shown = self.done.recorded.iter().take(MAX_SHOWN).cloned();
        shown.map(ProvisionedSpec).collect()
    }

    /// The resources that were skipped, at most 200 of them.
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

/// A resource of which no spec was recorded.
#[derive(SimpleObject)]
pub(in crate::graphql) struct BaselineSkipped {
    /// Id of the resource.
    resource_id: ID,
    /// Its kind; null if that cannot be read.
    kind: Option<String>,
    /// Its name; null if that cannot be read.
    name: Option<String>,
    /// Why.
    reason: String,
}

impl From<Skipped> for BaselineSkipped {
    fn from(skipped: Skipped) -> Self {
        Self {
            resource_id: skipped.resource_id.into(),
            kind: skipped.kind,
            name: skipped.name,
            reason: skipped.reason,
        }
    }
}

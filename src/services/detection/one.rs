//! The comparison of one locked resource after a decision.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::{cloud_provisioned as provisioned, cloud_resources as resources};
use sea_orm::DatabaseTransaction;

use crate::domain::detection::{Decided, Occasion, Pair, plan_on};
use crate::error::Result;
use crate::provider::traits;
use crate::services::{drift_rows, ignore_rules, ignored, inventory};

/// Compares a locked resource, so that its drifts are up to date when the transaction ends. `spec` is its locked spec. The
/// differences of the decided fields open at once; the others that a rule makes wait keep waiting.
///
/// # Errors
///
/// The database is unavailable.
pub(in crate::services) async fn compare_locked_in_txn(
    txn: &DatabaseTransaction,
    resource: resources::Model,
    spec: &provisioned::Model,
    decided: Decided<'_>,
    now: DateTime<Utc>,
) -> Result<()> {
    let pair = Pair {
        traits: traits::rules(&resource.provider, &resource.kind),
        listed_at: inventory::listed_at(txn, &resource).await?,
        open: drift_rows::lock_open_of_in_txn(txn, resource.id).await?,
        spec: spec.clone(),
        rules: Arc::new(ignore_rules::in_force(txn).await?),
        ignored: ignored::of(txn, resource.id).await?,
        resource,
    };
    let plan = plan_on(&pair, Occasion::Decision(decided), now);
    let id = spec.resource_id;
    let changes: Vec<_> = plan.changes.iter().map(|change| (id, change)).collect();
    drift_rows::write_in_txn(txn, &changes, now).await?;
    Ok(())
}

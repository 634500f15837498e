//! The comparison of one locked resource after a decision.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::cloud_drift::{self as drift, DriftKind};
use entity::{cloud_provisioned as provisioned, cloud_resources as resources};

use crate::db::DatabaseTransaction;
use crate::domain::detection::{Change, Decided, Occasion, Pair, plan_on, value_or_null};
use crate::domain::equality::loosely_equal;
use crate::error::Result;
use crate::provider::traits;
use crate::services::drift_rows::{self, Following};
use crate::services::{ignore_rules, ignored, inventory};

/// Compares a locked resource, so that its drifts are up to date when the transaction ends. `spec` is its locked spec.
/// `decided` are the drifts of which a user, the actor, has just accepted a part or undone the accept: the differences of their
/// fields open at once, and of all fields if the spec had been retired. The others that a rule makes wait keep waiting.
///
/// # Errors
///
/// The database is unavailable.
pub(in crate::services) async fn compare_locked_in_txn(
    txn: &DatabaseTransaction,
    resource: resources::Model,
    spec: &provisioned::Model,
    (actor, decided): (&str, &[drift::Model]),
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
    let fields: Vec<String> = decided.iter().map(|drift| drift.field.clone()).collect();
    let of_decision = match decided.iter().any(|drift| drift.kind == DriftKind::Missing) {
        true => Decided::All,
        false => Decided::Fields(&fields),
    };
    let plan = plan_on(&pair, Occasion::Decision(of_decision), now);
    let id = spec.resource_id;
    let (mut following, mut changes) = (Vec::new(), Vec::new());
    for change in &plan.changes {
        match follows(&pair, decided, change) {
            Some(update) => following.push(update),
            None => changes.push((id, change)),
        }
    }
    drift_rows::follow_in_txn(txn, id, &following, actor, now).await?;
    drift_rows::write_in_txn(txn, &changes, now).await?;
    Ok(())
}

/// Returns the update of an open drift that only follows from the decision about its field: the live value is the same.
fn follows<'c>(pair: &'c Pair, decided: &[drift::Model], change: &'c Change) -> Option<Following<'c>> {
    let Change::Update {
        drift: id,
        revision,
        finding,
    } = change
    else {
        return None;
    };
    let open = pair.open.iter().find(|drift| drift.id == *id)?;
    let decided = decided.iter().find(|drift| drift.field == finding.field)?;
    loosely_equal(value_or_null(&open.actual), &finding.actual).then_some(Following {
        open,
        revision: *revision,
        finding,
        decided: decided.id,
    })
}

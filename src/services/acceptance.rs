//! Accepts: they make the live value of a drift the expected one.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::cloud_drift::{self, DriftKind, DriftStatus};
use entity::cloud_provisioned as provisioned;
use sea_orm::{DatabaseTransaction, EntityTrait, QuerySelect};
use serde_json::Value;
use uuid::Uuid;

use super::drift_rows;
use super::ignore_rules;
use super::inventory;
use super::locks::{self, Lock};
use super::provisioning;
use super::retirement::retire_one_in_txn;
use super::spec_sources;
use crate::db::Db;
use crate::domain::acceptance::{AcceptRefusal, Acceptance, decide_accept};
use crate::domain::detection::{Change, Pair};
use crate::domain::imports::{owning_state, state_name, will_be_undone};
use crate::domain::validation::{MAX_TEXT_BYTES, check_text};
use crate::error::{Error, Result};
use crate::provider::traits;

/// A request to accept a drift.
#[derive(Clone, Debug)]
pub struct AcceptDrift {
    /// Id of the drift.
    pub drift_id: Uuid,
    /// The revision that the caller saw; None accepts any revision.
    pub revision: Option<i32>,
    /// The reason for the decision.
    pub note: Option<String>,
}

/// The drift and the spec after an accept.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The accepted drift.
    pub drift: cloud_drift::Model,
    /// The new spec; None if it was retired.
    pub provisioned: Option<provisioned::Model>,
    /// The spec with its source, if a Terraform state owns it; the last version if it was retired.
    pub owned_by: Option<provisioned::Model>,
    /// What will undo the accept, if a Terraform state owns the spec.
    pub warning: Option<String>,
}

/// Accepts a drift as a decision of `actor`.
///
/// # Errors
///
/// NOT_FOUND if the drift does not exist; ALREADY_RESOLVED if it is not open; SPEC_MOVED if the spec no longer has its
/// expected value; LIVE_VALUE_MOVED if its revision or the live value has changed (the row of the drift is updated
/// nevertheless); BAD_USER_INPUT if the note or the new spec is not valid.
pub async fn accept_drift(
    db: &Db,
    actor: &str,
    accept: &AcceptDrift,
    now: DateTime<Utc>,
) -> Result<Accepted> {
    if let Some(note) = &accept.note {
        check_text("note", note, MAX_TEXT_BYTES)?;
    }
    // The transaction returns LIVE_VALUE_MOVED as a value, because the updated drift must be committed nevertheless.
    db.write_txn(|txn| async move { accept_in_txn(&txn, actor, accept, now).await })
        .await?
}

async fn accept_in_txn(
    txn: &DatabaseTransaction,
    actor: &str,
    accept: &AcceptDrift,
    now: DateTime<Utc>,
) -> Result<Result<Accepted>> {
    let resource_id = cloud_drift::Entity::find_by_id(accept.drift_id)
        .select_only()
        .column(cloud_drift::Column::ResourceId)
        .into_tuple::<Uuid>()
        .one(txn)
        .await?
        .ok_or(Error::NotFound("drift"))?;
    let resource = locks::resource_in_txn(txn, resource_id, Lock::Share).await?;
    let spec = locks::spec_in_txn(txn, resource_id, Lock::Update).await?;
    let drift = locks::drift_in_txn(txn, accept.drift_id).await?;
    let Some(spec) = spec else {
        return Err(Error::SpecMoved);
    };
    let listed_at = inventory::listed_at(txn, &resource).await?;
    let pair = Pair {
        traits: traits::rules(&resource.provider, &resource.kind),
        spec,
        resource,
        open: vec![drift.clone()],
        listed_at,
        rules: Arc::new(ignore_rules::in_force(txn).await?),
        ignored: Vec::new(),
    };
    let acceptance = match decide_accept(&drift, &pair, accept.revision, now) {
        Ok(acceptance) => acceptance,
        Err(AcceptRefusal::AlreadyResolved(status)) => return Err(Error::AlreadyResolved(status)),
        Err(AcceptRefusal::SpecMoved) => return Err(Error::SpecMoved),
        Err(AcceptRefusal::LiveValueMoved { actual, refresh }) => {
            return Ok(Err(refresh_in_txn(txn, drift, refresh, actual, now).await?));
        }
    };
    let owner = owning_state(&pair.spec).is_some().then(|| pair.spec.clone());
    let warning = match &owner {
        Some(spec) => Some(warning_in_txn(txn, spec, drift.kind).await?),
        None => None,
    };
    let address = pair.spec.address.clone();
    let by = (actor, accept.note.as_deref());
    let (provisioned, version) = match acceptance {
        Acceptance::Adopt(desired) => {
            let spec = provisioning::replace_in_txn(txn, pair.spec, desired, by, now).await?;
            let version = spec.spec_version;
            (Some(spec), version)
        }
        Acceptance::Retire => (None, retire_one_in_txn(txn, pair.spec, by, now).await?),
    };
    let accepting = drift_rows::Accepting {
        actor,
        note: accept.note.as_deref(),
        is_retired: provisioned.is_none(),
        spec_version: version,
        address: address.as_deref(),
    };
    let drift = drift_rows::accept_in_txn(txn, drift, accepting, now).await?;
    Ok(Ok(Accepted {
        drift,
        owned_by: owner.map(|before| provisioned.clone().unwrap_or(before)),
        provisioned,
        warning,
    }))
}

/// Returns what will undo the accept of a drift of a spec that a Terraform state owns.
async fn warning_in_txn(
    txn: &DatabaseTransaction,
    spec: &provisioned::Model,
    kind: DriftKind,
) -> Result<String> {
    let state = state_name(&spec.source).unwrap_or_default().to_owned();
    let instance = [(spec.resource_id, state.clone())];
    let is_of_plan = spec_sources::in_plans(txn, &instance)
        .await?
        .contains(&instance[0]);
    Ok(will_be_undone(&state, kind, is_of_plan))
}

/// Updates the row of the drift, and returns LIVE_VALUE_MOVED with its current values.
async fn refresh_in_txn(
    txn: &DatabaseTransaction,
    drift: cloud_drift::Model,
    refresh: Option<Change>,
    actual: Value,
    now: DateTime<Utc>,
) -> Result<Error> {
    let (revision, status) = match &refresh {
        Some(Change::Update { revision, .. }) => (*revision, DriftStatus::Open),
        Some(Change::Close { .. }) => (drift.revision, DriftStatus::Stale),
        // The other changes are not about this drift, or do not change its values.
        Some(_) | None => (drift.revision, drift.status),
    };
    if let Some(change) = refresh {
        drift_rows::write_in_txn(txn, &[(drift.resource_id, &change)], now).await?;
    }
    Ok(Error::LiveValueMoved {
        actual,
        revision,
        status,
    })
}

//! Resolving a drift: the live value becomes the desired one.

use chrono::{DateTime, Utc};
use entity::cloud_drift::{self, DriftStatus};
use entity::cloud_provisioned as provisioned;
use entity::cloud_resource_events::EventType;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, DatabaseTransaction, EntityTrait, IntoActiveModel, QuerySelect,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::detection::apply_in_txn;
use super::events::{self, NewEvent, SYSTEM};
use super::inventory;
use super::locks::{self, Lock};
use super::provisioning;
use super::retirement::retire_in_txn;
use crate::db::Db;
use crate::domain::acceptance::{Acceptance, Refusal, decide_accept};
use crate::domain::imports::owning_state;
use crate::domain::sweep::{Change, Pair};
use crate::domain::validation::{MAX_TEXT_BYTES, check_text};
use crate::error::{Error, Result};

/// What to accept.
#[derive(Clone, Debug)]
pub struct AcceptDrift {
    /// The row.
    pub drift_id: Uuid,
    /// Revision of the row that the caller saw; None does not ask.
    pub revision: Option<i32>,
    /// Why, for those who come later.
    pub note: Option<String>,
}

/// What an accept made of the row and of the spec.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The row, no longer open.
    pub drift: cloud_drift::Model,
    /// The spec from now on; None if it was retired.
    pub provisioned: Option<provisioned::Model>,
    /// The Terraform state that owns the spec, as the spec's source names it: its next import undoes the accept.
    pub owned_by: Option<String>,
}

/// Accepts a drift in the name of `actor`.
///
/// NOT_FOUND, ALREADY_RESOLVED, LIVE_VALUE_MOVED (the row is refreshed all the same, so that whoever looks
/// again sees what is true) and SPEC_MOVED as [`decide_accept`] finds; BAD_USER_INPUT if the note, or the
/// spec that would come of it, may not enter.
pub async fn accept_drift(
    db: &Db,
    actor: &str,
    accept: &AcceptDrift,
    now: DateTime<Utc>,
) -> Result<Accepted> {
    if let Some(note) = &accept.note {
        check_text("note", note, MAX_TEXT_BYTES)?;
    }
    // The refusal that refreshes the row has to commit, so it is an outcome here and an error outside.
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
        spec,
        resource,
        open: vec![drift.clone()],
        listed_at,
    };
    let acceptance = match decide_accept(&drift, &pair, accept.revision, now) {
        Ok(acceptance) => acceptance,
        Err(Refusal::AlreadyResolved(status)) => return Err(Error::AlreadyResolved(status)),
        Err(Refusal::SpecMoved) => return Err(Error::SpecMoved),
        Err(Refusal::LiveValueMoved { actual, refresh }) => {
            return Ok(Err(refresh_in_txn(txn, drift, refresh, actual, now).await?));
        }
    };
    let owned_by = owning_state(&pair.spec).map(str::to_owned);
    let provisioned = match acceptance {
        Acceptance::Adopt(desired) => {
            Some(provisioning::replace_in_txn(txn, pair.spec, desired, actor, now).await?)
        }
        Acceptance::Retire => {
            retire_in_txn(txn, &[pair.spec], actor, now).await?;
            None
        }
    };
    let drift = close_in_txn(txn, drift, actor, accept, provisioned.as_ref(), now).await?;
    Ok(Ok(Accepted {
        drift,
        provisioned,
        owned_by,
    }))
}

async fn close_in_txn(
    txn: &DatabaseTransaction,
    drift: cloud_drift::Model,
    actor: &str,
    accept: &AcceptDrift,
    provisioned: Option<&provisioned::Model>,
    now: DateTime<Utc>,
) -> Result<cloud_drift::Model> {
    let mut data = json!({ "driftId": drift.id, "field": drift.field });
    if let (Some(data), Some(spec)) = (data.as_object_mut(), provisioned) {
        data.insert("expected".to_owned(), drift.expected.clone().unwrap_or_default());
        data.insert("actual".to_owned(), drift.actual.clone().unwrap_or_default());
        data.insert("specVersion".to_owned(), spec.spec_version.into());
    }
    let event = NewEvent {
        resource_id: drift.resource_id,
        event_type: EventType::DriftAccepted,
        data,
    };
    let mut row = drift.into_active_model();
    row.status = Set(DriftStatus::Accepted);
    row.resolved_at = Set(Some(now));
    row.resolved_by = Set(Some(actor.to_owned()));
    row.resolution_note = Set(accept.note.clone());
    let drift = row.update(txn).await?;
    events::append_in_txn(txn, vec![event], actor, now).await?;
    Ok(drift)
}

/// Makes the row say what is true now, and returns the refusal that says so too.
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
        Some(Change::Open(_)) | None => (drift.revision, drift.status),
    };
    if let Some(change) = refresh {
        let mut happened = Vec::new();
        apply_in_txn(txn, drift.resource_id, &change, now, &mut happened).await?;
        events::append_in_txn(txn, happened, SYSTEM, now).await?;
    }
    Ok(Error::LiveValueMoved {
        actual,
        revision,
        status,
    })
}

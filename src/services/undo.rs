//! Undo of accepts: gives the accepted fields of a spec back the values that they had before.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::bulk_items::ItemOutcome;
use entity::cloud_drift::{self as drift, DriftKind};
use entity::{cloud_provisioned as provisioned, cloud_resources as resources};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::bulks;
use super::detection::compare_locked_in_txn;
use super::drift_rows::{self, Undoing};
use super::locks::{self, Lock, locked};
use super::provisioning;
use super::spec_history::{self, first_from, only, up_to};
use crate::clock::Clock;
use crate::db::{Db, decodable};
use crate::domain::spec_history::SpecVersion;
use crate::domain::undo::{Accepted, UndoRefusal, decide_undo};
use crate::domain::validation::{MAX_TEXT_BYTES, check_text};
use crate::error::{Error, Result};

/// A request to undo the accept of a drift.
#[derive(Clone, Debug)]
pub struct UndoAccept {
    /// Id of the accepted drift.
    pub drift_id: Uuid,
    /// The reason for the undo.
    pub reason: Option<String>,
}

/// The result of an undo.
#[derive(Clone, Debug)]
pub struct Undone {
    /// The drifts whose accepts are undone, ordered by field.
    pub drifts: Vec<drift::Model>,
    /// The spec, if it is in force.
    pub provisioned: Option<provisioned::Model>,
    /// The open drifts of the same fields, ordered by field. Empty if the values do not differ.
    pub open: Vec<drift::Model>,
}

/// Undoes the accept of a drift as a decision of `actor`. An accept that is undone already stays as it is.
///
/// # Errors
///
/// NOT_FOUND if the drift does not exist; SPEC_MOVED or NOT_UNDOABLE with the reason if the accept cannot be undone;
/// BAD_USER_INPUT if the reason is not valid.
pub async fn undo_accept(db: &Db, actor: &str, undo: &UndoAccept, now: DateTime<Utc>) -> Result<Undone> {
    if let Some(reason) = &undo.reason {
        check_text("reason", reason, MAX_TEXT_BYTES)?;
    }
    db.write_txn(|txn| async move {
        let resource = drift::Entity::find_by_id(undo.drift_id)
            .select_only()
            .column(drift::Column::ResourceId)
            .into_tuple::<Uuid>()
            .one(&*txn)
            .await?
            .ok_or(Error::NotFound("drift"))?;
        let by = (actor, undo.reason.as_deref());
        undo_in_txn(&txn, resource, &[undo.drift_id], by, now).await
    })
    .await
}

/// The result of undoing a bulk.
#[derive(Debug, Default)]
pub struct BulkUndone {
    /// Number of drifts whose accepts are undone, those undone before included.
    pub undone: u64,
    /// The drifts whose accepts stand, each with the reason.
    pub refused: Vec<(Uuid, Error)>,
}

/// Undoes the accepts of a bulk as a decision of `actor`: those of one resource together, with one new version of its spec.
/// If a later change stands in the way of one, those of its resource stand. What of the bulk has not been done yet is not done
/// any more. Accepts that are undone already stay as they are,
/// so that a call that was interrupted can be repeated.
///
/// # Errors
///
/// NOT_FOUND if there is no such bulk; BAD_USER_INPUT if the reason is not valid; an error of the database, after which some
/// resources may be undone.
pub async fn undo_bulk(
    db: &Db,
    actor: &str,
    bulk: Uuid,
    reason: Option<&str>,
    clock: &Clock,
) -> Result<BulkUndone> {
    check_text("reason", reason.unwrap_or_default(), MAX_TEXT_BYTES)?;
    if bulks::find(db.reader(), bulk).await?.is_none() {
        return Err(Error::NotFound("bulk"));
    }
    let mut by_resource: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    // What still waits is never done: the bulk may be running, or be continued later with its token.
    let done = db
        .write_txn(|txn| async move {
            bulks::cancel_in_txn(&txn, bulk).await?;
            bulks::items_of(&*txn, bulk, Some(ItemOutcome::Done)).await
        })
        .await?;
    for item in done {
        by_resource
            .entry(item.resource_id)
            .or_default()
            .push(item.drift_id);
    }
    let mut done = BulkUndone::default();
    for (resource, ids) in &by_resource {
        let undone = db
            .write_txn(
                |txn| async move { undo_in_txn(&txn, *resource, ids, (actor, reason), clock.now()).await },
            )
            .await;
        match undone {
            Ok(undone) => done.undone += undone.drifts.len() as u64,
            Err(Error::NotUndoable(why)) => {
                let refused = ids.iter().map(|id| (*id, Error::NotUndoable(why.clone())));
                done.refused.extend(refused);
            }
            Err(Error::BadUserInput(why)) => {
                let refused = ids.iter().map(|id| (*id, Error::BadUserInput(why.clone())));
                done.refused.extend(refused);
            }
            Err(Error::Internal(why)) => {
                tracing::warn!(%resource, why, "a resource of a bulk cannot be undone");
                done.refused
                    .extend(ids.iter().map(|id| (*id, Error::Internal(why.clone()))));
            }
            // The resource was forgotten, with its drifts.
            Err(Error::NotFound(what)) => {
                done.refused
                    .extend(ids.iter().map(|id| (*id, Error::NotFound(what))));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Undoes accepts of one resource together: the spec gets one new version, or none of them is undone. Accepts that are
/// undone already stay as they are.
pub(crate) async fn undo_in_txn(
    txn: &DatabaseTransaction,
    resource: Uuid,
    ids: &[Uuid],
    by: (&str, Option<&str>),
    now: DateTime<Utc>,
) -> Result<Undone> {
    let resource = locks::resource_in_txn(txn, resource, Lock::Share).await?;
    let spec = locks::spec_in_txn(txn, resource.id, Lock::Update).await?;
    let drifts = lock_drifts_in_txn(txn, resource.id, ids).await?;
    let fields: Vec<String> = drifts.iter().map(|drift| drift.field.clone()).collect();
    let kinds: Vec<DriftKind> = drifts.iter().map(|drift| drift.kind).collect();
    let (mut done, to_undo): (Vec<_>, Vec<_>) =
        drifts.into_iter().partition(|drift| drift.undone_at.is_some());
    let (id, mut current) = (resource.id, spec);
    if !to_undo.is_empty() {
        let before = current.ok_or(Error::NotUndoable(UndoRefusal::NotKept))?;
        let (spec, undone) = write_in_txn(txn, resource, before, to_undo, by, now).await?;
        done.extend(undone);
        done.sort_by(|a, b| a.field.cmp(&b.field));
        current = Some(spec);
    }
    let mut open = drift_rows::lock_open_of_in_txn(txn, id).await?;
    // The undo of a missing resource may find its fields different, if the resource has returned.
    open.retain(|drift| kinds.contains(&DriftKind::Missing) || fields.contains(&drift.field));
    Ok(Undone {
        drifts: done,
        provisioned: current.filter(|spec| spec.retired_at.is_none()),
        open,
    })
}

/// Locks drifts of one resource, in the order of their fields.
async fn lock_drifts_in_txn(
    txn: &DatabaseTransaction,
    resource: Uuid,
    ids: &[Uuid],
) -> Result<Vec<drift::Model>> {
    let select = drift::Entity::find()
        .filter(drift::Column::ResourceId.eq(resource))
        .filter(drift::Column::Id.is_in(ids.iter().copied()))
        .order_by_asc(drift::Column::Field)
        .order_by_asc(drift::Column::Id);
    let (drifts, _) = decodable(locked(select, Lock::Update), txn).await?;
    match drifts.len() == ids.len() {
        true => Ok(drifts),
        false => Err(Error::NotFound("drift")),
    }
}

/// Writes the next version of the spec and marks the drifts. Then does what a sweep of the resource would do, so that the
/// differences are open again when the transaction ends.
async fn write_in_txn(
    txn: &DatabaseTransaction,
    resource: resources::Model,
    before: provisioned::Model,
    drifts: Vec<drift::Model>,
    by: (&str, Option<&str>),
    now: DateTime<Utc>,
) -> Result<(provisioned::Model, Vec<drift::Model>)> {
    let restored = {
        let mut accepted = Vec::with_capacity(drifts.len());
        for drift in &drifts {
            accepted.push(with_versions_in_txn(txn, drift).await?);
        }
        decide_undo(&before, &accepted).map_err(Error::NotUndoable)?
    };
    let spec = provisioning::restore_in_txn(txn, before, restored, by, now).await?;
    let undoing = Undoing {
        actor: by.0,
        reason: by.1,
        spec: &spec,
    };
    let drifts = drift_rows::undo_in_txn(txn, drifts, undoing, now).await?;
    compare_locked_in_txn(txn, resource, &spec, now).await?;
    Ok((spec, drifts))
}

/// Reads the version of the spec that an accept made, and the one before it.
async fn with_versions_in_txn<'d>(
    txn: &DatabaseTransaction,
    drift: &'d drift::Model,
) -> Result<Accepted<'d>> {
    let (mut before, mut made): (Option<SpecVersion>, Option<SpecVersion>) = (None, None);
    if let Some(version) = drift.spec_version {
        let requests = [up_to(version - 1), first_from(version)].map(|request| (drift.resource_id, request));
        let mut pages = spec_history::pages_of(txn, &requests).await?;
        before = pages
            .remove(&requests[0])
            .and_then(|page| only(page, version - 1));
        made = pages.remove(&requests[1]).and_then(|page| only(page, version));
    }
    Ok(Accepted { drift, before, made })
}

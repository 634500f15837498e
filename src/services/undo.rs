//! Undo of accepts: gives the accepted fields of a spec back the values that they had before.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::bulk_items::{self, ItemOutcome};
use entity::cloud_drift::{self as drift, DriftKind};
use entity::{cloud_provisioned as provisioned, cloud_resources as resources};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::bulks::{self, Action};
use super::detection::compare_locked_in_txn;
use super::drift_rows::{self, Undoing};
use super::ignore_rules;
use super::locks::{self, Lock, locked};
use super::provisioning;
use super::spec_history::{self, first_from, only, up_to};
use crate::clock::Clock;
use crate::db::{DatabaseTransaction, Db, decodable};
use crate::domain::spec_history::SpecVersion;
use crate::domain::undo::{Accepted, LaterVersion, Since, UndoRefusal, UndoneAccept, decide_undo};
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
    /// Whether everything was undone before, and nothing has changed now.
    pub replayed: bool,
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
    /// Number of drifts for which the action is undone, those undone before included.
    pub undone: u64,
    /// The drifts for which it stands, each with the reason.
    pub refused: Vec<(Uuid, Error)>,
}

/// Undoes a bulk as a decision of `actor`. The accepts of one resource are undone together, with one new version of its
/// spec: if a later change stands in the way of one, those of its resource stand. A snooze or an assignee gives way to the
/// one before, and ignore rules end. What of the bulk has not been done yet is not done any more. What is undone already
/// stays as it is, so that a call that was interrupted can be repeated.
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
    let found = bulks::find(db.reader(), bulk).await?;
    let row = found.ok_or(Error::NotFound("bulk"))?.bulk;
    let action = Action::of(&row)?;
    // What still waits is never done: the bulk may be running, or be continued later with its token.
    let done = db
        .write_txn(|txn| async move {
            bulks::cancel_in_txn(&txn, bulk).await?;
            bulks::items_of(&*txn, bulk, Some(ItemOutcome::Done)).await
        })
        .await?;
    let by = (actor, reason);
    let mut undone = BulkUndone::default();
    if matches!(action, Action::Ignore(_)) {
        ignore_rules::end_of_bulk(db, clock, by, bulk).await?;
        undone.undone = done.len() as u64;
        return Ok(undone);
    }
    let mut by_resource: BTreeMap<Uuid, Vec<bulk_items::Model>> = BTreeMap::new();
    for item in done {
        by_resource.entry(item.resource_id).or_default().push(item);
    }
    for (resource, items) in by_resource {
        if action == Action::Accept {
            undo_accepts(db, resource, &items, by, clock.now(), &mut undone).await?;
        } else {
            restore(db, (&row, &action), &items, by, clock.now(), &mut undone).await?;
        }
    }
    Ok(undone)
}

/// Undoes the accepts of a bulk in one resource.
async fn undo_accepts(
    db: &Db,
    resource: Uuid,
    items: &[bulk_items::Model],
    by: (&str, Option<&str>),
    now: DateTime<Utc>,
    undone: &mut BulkUndone,
) -> Result<()> {
    let ids: Vec<Uuid> = items.iter().map(|item| item.drift_id).collect();
    let ids = &ids;
    let result = db
        .write_txn(|txn| async move { undo_in_txn(&txn, resource, ids, by, now).await })
        .await;
    match result {
        Ok(done) => undone.undone += done.drifts.len() as u64,
        Err(error) => {
            for id in ids {
                match refusal(&error) {
                    Some(why) => undone.refused.push((*id, why)),
                    None => return Err(error),
                }
            }
        }
    }
    Ok(())
}

/// Restores the snoozes or assignees of the drifts of a bulk in one resource, each on its own.
async fn restore(
    db: &Db,
    what: (&entity::bulks::Model, &Action),
    items: &[bulk_items::Model],
    by: (&str, Option<&str>),
    now: DateTime<Utc>,
    undone: &mut BulkUndone,
) -> Result<()> {
    for item in items {
        let restored = db
            .write_txn(|txn| async move { bulks::restore_in_txn(&txn, what, item, by, now).await })
            .await;
        match restored {
            Ok(()) => undone.undone += 1,
            Err(error) => match refusal(&error) {
                Some(why) => undone.refused.push((item.drift_id, why)),
                None => return Err(error),
            },
        }
    }
    Ok(())
}

/// Returns why a drift of a bulk stays as it is; None if the error is one of the database, so that the undo cannot go on.
fn refusal(error: &Error) -> Option<Error> {
    match error {
        Error::NotUndoable(why) => Some(Error::NotUndoable(why.clone())),
        Error::BadUserInput(why) => Some(Error::BadUserInput(why.clone())),
        Error::AlreadyResolved(status) => Some(Error::AlreadyResolved(*status)),
        // The resource was forgotten, with its drifts.
        Error::NotFound(what) => Some(Error::NotFound(what)),
        Error::Internal(why) => {
            tracing::warn!(why, "a drift of a bulk cannot be undone");
            Some(Error::Internal(why.clone()))
        }
        _ => None,
    }
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
    let replayed = to_undo.is_empty();
    if !replayed {
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
        replayed,
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

/// Writes the next version of the spec and marks the drifts. Then compares the resource, so that the differences of the undone
/// fields are open again when the transaction ends: all of them, if a retirement is undone.
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
        let since = since_in_txn(txn, &accepted).await?;
        decide_undo(&before, &accepted, since).map_err(Error::NotUndoable)?
    };
    let spec = provisioning::restore_in_txn(txn, before, restored, by, now).await?;
    let undoing = Undoing {
        actor: by.0,
        reason: by.1,
        spec: &spec,
    };
    let drifts = drift_rows::undo_in_txn(txn, drifts, undoing, now).await?;
    compare_locked_in_txn(txn, resource, &spec, (by.0, &drifts), now).await?;
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

/// Maximum number of versions since an accept that are read.
const MAX_VERSIONS: usize = 1_000;
/// Number of versions that one statement reads, of at most 256 KiB each.
const VERSIONS: u64 = 50;

/// Reads what happened to the accepted fields of a spec since the first of these accepts: the later versions, and which
/// later accepts were undone.
async fn since_in_txn(txn: &DatabaseTransaction, accepted: &[Accepted<'_>]) -> Result<Since> {
    let fields: Vec<&str> = accepted
        .iter()
        .filter(|accepted| accepted.drift.kind == DriftKind::Changed)
        .map(|accepted| accepted.drift.field.as_str())
        .collect();
    let first = accepted
        .iter()
        .filter_map(|accepted| accepted.drift.spec_version)
        .min();
    let (Some(first), Some(one)) = (first, accepted.first()) else {
        return Ok(Since::default());
    };
    if fields.is_empty() {
        return Ok(Since::default());
    }
    let resource = one.drift.resource_id;
    let mut since = Since::default();
    let mut request = first_from(first.saturating_add(1));
    request.limit = VERSIONS;
    loop {
        let mut pages = spec_history::pages_of(txn, &[(resource, request.clone())]).await?;
        let Some(page) = pages.remove(&(resource, request.clone())) else {
            break;
        };
        // A page that is read backward has the newest version first.
        let (next, has_more) = (page.start, page.has_previous);
        for (_, row) in page.rows.into_iter().rev() {
            since.versions.push(later(row, &fields));
        }
        if since.versions.len() > MAX_VERSIONS {
            return Err(Error::NotUndoable(UndoRefusal::TooManySince));
        }
        match next.filter(|_| has_more) {
            Some(next) => request.before = Some(next),
            None => break,
        }
    }
    since.undone = undone_since_in_txn(txn, resource, first).await?;
    Ok(since)
}

/// Keeps of a version what an undo needs.
fn later(row: SpecVersion, fields: &[&str]) -> LaterVersion {
    let mut values = match (row.retired_at, row.spec) {
        (None, Value::Object(values)) => values,
        _ => Map::new(),
    };
    values.retain(|field, _| fields.contains(&field.as_str()));
    LaterVersion {
        version: row.version,
        recorded_by: row.recorded_by,
        values,
    }
}

/// Returns the accepts after a version of a spec that were undone.
async fn undone_since_in_txn(
    txn: &DatabaseTransaction,
    resource: Uuid,
    version: i32,
) -> Result<Vec<UndoneAccept>> {
    let rows: Vec<(String, i32, i32)> = drift::Entity::find()
        .select_only()
        .columns([
            drift::Column::Field,
            drift::Column::SpecVersion,
            drift::Column::UndoneVersion,
        ])
        .filter(drift::Column::ResourceId.eq(resource))
        .filter(drift::Column::SpecVersion.gt(version))
        .filter(drift::Column::UndoneVersion.is_not_null())
        .limit(MAX_VERSIONS as u64)
        .into_tuple()
        .all(txn)
        .await?;
    let undone = rows
        .into_iter()
        .map(|(field, from, to)| UndoneAccept { field, from, to });
    Ok(undone.collect())
}

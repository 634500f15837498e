//! Executes a preview, resource by resource.

use chrono::{DateTime, Utc};
use entity::bulks;
use entity::cloud_drift as drift;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::items::{pending_in_txn, pending_resources, record_in_txn, refused};
use super::{Action, Decider, decide, ignoring};
use crate::clock::Clock;
use crate::db::{DatabaseTransaction, Db, decodable, lists};
use crate::domain::validation::{MAX_TEXT_BYTES, check_text};
use crate::error::{Error, Result};
use crate::services::acceptance::{Decision, accept_of_resource_in_txn};
use crate::services::locks::{self, Lock, locked};

/// Begins the execution of a preview, and returns the bulk. If it has begun before, nothing changes: the first reason
/// stays, and the execution may go on where it ended.
///
/// # Errors
///
/// NOT_FOUND if the decider has no such preview; PREVIEW_EXPIRED if it is too old; BAD_USER_INPUT if the note is not
/// valid, or if it is missing and the bulk makes ignore rules.
pub async fn begin(
    db: &Db,
    decider: Decider<'_>,
    token: Uuid,
    note: Option<&str>,
    now: DateTime<Utc>,
) -> Result<bulks::Model> {
    begin_if(db, decider, (token, |_| true), note, now).await
}

/// Begins the execution of a preview of accepting drifts, as [`begin`] does.
///
/// # Errors
///
/// The same as of [`begin`]; NOT_FOUND also for a preview of something else.
pub async fn begin_accept(
    db: &Db,
    decider: Decider<'_>,
    token: Uuid,
    note: Option<&str>,
    now: DateTime<Utc>,
) -> Result<bulks::Model> {
    let accepts = |action: &Action| *action == Action::Accept;
    begin_if(db, decider, (token, accepts), note, now).await
}

async fn begin_if(
    db: &Db,
    decider: Decider<'_>,
    (token, is_wanted): (Uuid, fn(&Action) -> bool),
    note: Option<&str>,
    now: DateTime<Utc>,
) -> Result<bulks::Model> {
    if let Some(note) = note {
        check_text("note", note, MAX_TEXT_BYTES)?;
    }
    db.write_txn(|txn| async move {
        let select = locked(bulks::Entity::find_by_id(token), Lock::Update);
        let found = decodable(select, &*txn).await?.0.into_iter().next();
        let bulk = found
            .filter(|bulk| bulk.actor == decider.name && bulk.subject == decider.subject)
            .ok_or(Error::NotFound("preview"))?;
        let action = Action::of(&bulk)?;
        if !is_wanted(&action) {
            return Err(Error::NotFound("preview"));
        }
        if bulk.started_at.is_some() {
            return Ok(bulk);
        }
        if bulk.expires_at <= now {
            return Err(Error::PreviewExpired);
        }
        if matches!(action, Action::Ignore(_)) && note.is_none_or(|note| note.trim().is_empty()) {
            return Err(Error::BadUserInput(
                "note must not be empty: it is the reason of the ignore rules".to_owned(),
            ));
        }
        let mut row = bulk.into_active_model();
        row.started_at = Set(Some(now));
        row.note = Set(note.map(str::to_owned));
        Ok(row.update(&*txn).await?)
    })
    .await
}

/// Does the rest of a bulk that has begun. Several servers may do so at the same time: the locks of the rows decide who
/// does a resource.
///
/// # Errors
///
/// The database is unavailable. Then the rest waits for the next execution.
pub async fn execute(db: &Db, clock: &Clock, bulk: &bulks::Model) -> Result<()> {
    let action = Action::of(bulk)?;
    if let (Action::Ignore(terms), None) = (&action, bulk.finished_at) {
        ignoring::execute(db, clock, bulk, terms).await?;
    }
    while bulk.finished_at.is_none() {
        let resources = pending_resources(db, bulk.id).await?;
        if resources.is_empty() {
            return finish(db, bulk.id, clock.now()).await;
        }
        for resource in resources {
            do_resource(db, bulk, &action, resource, clock.now()).await?;
        }
    }
    Ok(())
}

async fn finish(db: &Db, bulk: Uuid, now: DateTime<Utc>) -> Result<()> {
    db.write_txn(|txn| async move {
        bulks::Entity::update_many()
            .col_expr(bulks::Column::FinishedAt, Expr::val(now))
            .filter(bulks::Column::Id.eq(bulk))
            .filter(bulks::Column::FinishedAt.is_null())
            .exec(&*txn)
            .await?;
        Ok(())
    })
    .await
}

/// Does the waiting drifts of one resource, and records what became of them.
async fn do_resource(
    db: &Db,
    bulk: &bulks::Model,
    action: &Action,
    resource: Uuid,
    now: DateTime<Utc>,
) -> Result<()> {
    let done = db
        .write_txn(|txn| async move { do_in_txn(&txn, bulk, action, resource, now).await })
        .await;
    let error = match done {
        Err(error @ (Error::BadUserInput(_) | Error::NotFound(_) | Error::Internal(_))) => error,
        done => return done,
    };
    // The resource cannot have the new spec, or a row of it cannot be read. Its transaction changed nothing.
    tracing::warn!(%resource, %error, "a resource of a bulk is left as it is");
    let error = &error;
    db.write_txn(|txn| async move {
        let waiting = pending_in_txn(&txn, bulk.id, Some(resource)).await?;
        let rows = waiting.iter().map(|item| refused(item.drift_id, error));
        record_in_txn(&txn, bulk.id, rows.collect()).await
    })
    .await
}

async fn do_in_txn(
    txn: &DatabaseTransaction,
    bulk: &bulks::Model,
    action: &Action,
    resource: Uuid,
    now: DateTime<Utc>,
) -> Result<()> {
    let rows = match action {
        Action::Accept => accept_in_txn(txn, bulk, resource, now).await?,
        action => {
            let waiting = pending_in_txn(txn, bulk.id, Some(resource)).await?;
            let mut rows = Vec::with_capacity(waiting.len());
            for item in &waiting {
                rows.push(decide::decide_in_txn(txn, bulk, action, item, now).await?);
            }
            rows
        }
    };
    record_in_txn(txn, bulk.id, rows).await
}

/// Accepts the waiting drifts of a resource, and returns what became of them.
async fn accept_in_txn(
    txn: &DatabaseTransaction,
    bulk: &bulks::Model,
    resource: Uuid,
    now: DateTime<Utc>,
) -> Result<Vec<Value>> {
    // No other transaction changes the resource while this one has these locks, so the drifts that wait are read after that.
    locks::resource_in_txn(txn, resource, Lock::Share).await?;
    locks::spec_in_txn(txn, resource, Lock::Update).await?;
    let waiting = pending_in_txn(txn, bulk.id, Some(resource)).await?;
    let seen: Vec<(Uuid, Option<i32>)> = waiting
        .iter()
        .map(|item| (item.drift_id, Some(item.revision)))
        .collect();
    let decision = Decision {
        actor: &bulk.actor,
        note: bulk.note.as_deref(),
        bulk: Some(bulk.id),
        now,
    };
    let done = accept_of_resource_in_txn(txn, decision, resource, &seen).await?;
    let version = done.provisioned.as_ref().map(|spec| spec.spec_version);
    let rows = done.outcomes.iter().map(|(id, outcome)| match outcome {
        Ok(drift::Model { .. }) => {
            json!({ "drift_id": lists::uuid(*id), "outcome": "done", "spec_version": version })
        }
        Err(error) => refused(*id, error),
    });
    Ok(rows.collect())
}

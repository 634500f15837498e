//! Executes a preview, resource by resource.

use chrono::{DateTime, Utc};
use entity::bulk_items::{self as items, ItemOutcome};
use entity::bulks;
use entity::cloud_drift as drift;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveEnum as _, ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, ConnectionTrait as _,
    DatabaseTransaction, EntityTrait as _, IntoActiveModel as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Statement,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Decider;
use crate::clock::Clock;
use crate::db::lists::{self, Type};
use crate::db::{Db, decodable};
use crate::domain::validation::{MAX_TEXT_BYTES, check_text};
use crate::error::{Error, Result};
use crate::services::acceptance::{Decision, accept_of_resource_in_txn};
use crate::services::locks::{self, Lock, locked};

/// Number of resources whose ids are read at a time.
const RESOURCES: u64 = 200;

/// Begins the execution of a preview, and returns the bulk. If it has begun before, nothing changes: the first reason
/// stays, and the execution may go on where it ended.
///
/// # Errors
///
/// NOT_FOUND if the decider has no such preview; PREVIEW_EXPIRED if it is too old; BAD_USER_INPUT if the note is not
/// valid.
pub async fn begin(
    db: &Db,
    decider: Decider<'_>,
    token: Uuid,
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
        if bulk.started_at.is_some() {
            return Ok(bulk);
        }
        if bulk.expires_at <= now {
            return Err(Error::PreviewExpired);
        }
        let mut row = bulk.into_active_model();
        row.started_at = Set(Some(now));
        row.note = Set(note.map(str::to_owned));
        Ok(row.update(&*txn).await?)
    })
    .await
}

/// Does the rest of a bulk that has begun. Several servers may do so at the same time: the lock of each spec decides who
/// does a resource.
///
/// # Errors
///
/// The database is unavailable. Then the rest waits for the next execution.
pub async fn execute(db: &Db, clock: &Clock, bulk: &bulks::Model) -> Result<()> {
    while bulk.finished_at.is_none() {
        let resources = pending_resources(db, bulk.id).await?;
        if resources.is_empty() {
            return finish(db, bulk.id, clock.now()).await;
        }
        for resource in resources {
            do_resource(db, bulk, resource, clock.now()).await?;
        }
    }
    Ok(())
}

/// Returns the first resources of a bulk of which a drift waits. They are read from the database that is written to,
/// because a reader may lag behind.
async fn pending_resources(db: &Db, bulk: Uuid) -> Result<Vec<Uuid>> {
    db.write_txn(|txn| async move {
        let resources = items::Entity::find()
            .select_only()
            .column(items::Column::ResourceId)
            .distinct()
            .filter(items::Column::BulkId.eq(bulk))
            .filter(items::Column::Outcome.is_null())
            .order_by_asc(items::Column::ResourceId)
            .limit(RESOURCES)
            .into_tuple()
            .all(&*txn)
            .await?;
        Ok(resources)
    })
    .await
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
async fn do_resource(db: &Db, bulk: &bulks::Model, resource: Uuid, now: DateTime<Utc>) -> Result<()> {
    let done = db
        .write_txn(|txn| async move { do_in_txn(&txn, bulk, resource, now).await })
        .await;
    let error = match done {
        Err(error @ (Error::BadUserInput(_) | Error::NotFound(_) | Error::Internal(_))) => error,
        done => return done,
    };
    // The resource cannot have the new spec, or a row of it cannot be read. Its transaction changed nothing.
    tracing::warn!(%resource, %error, "a resource of a bulk is left as it is");
    let error = &error;
    db.write_txn(|txn| async move {
        let waiting = pending_in_txn(&txn, bulk.id, resource).await?;
        let rows = waiting.iter().map(|item| refused(item.drift_id, error));
        record_in_txn(&txn, bulk.id, rows.collect()).await
    })
    .await
}

async fn do_in_txn(
    txn: &DatabaseTransaction,
    bulk: &bulks::Model,
    resource: Uuid,
    now: DateTime<Utc>,
) -> Result<()> {
    // Who has these locks is alone with the resource: the drifts that wait are read after that.
    locks::resource_in_txn(txn, resource, Lock::Share).await?;
    locks::spec_in_txn(txn, resource, Lock::Update).await?;
    let waiting = pending_in_txn(txn, bulk.id, resource).await?;
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
    record_in_txn(txn, bulk.id, rows.collect()).await
}

/// Returns the waiting drifts of a resource, in the order of their fields.
async fn pending_in_txn(txn: &DatabaseTransaction, bulk: Uuid, resource: Uuid) -> Result<Vec<items::Model>> {
    let select = items::Entity::find()
        .filter(items::Column::BulkId.eq(bulk))
        .filter(items::Column::ResourceId.eq(resource))
        .filter(items::Column::Outcome.is_null())
        .order_by_asc(items::Column::Field);
    let (waiting, skipped) = decodable(locked(select, Lock::Update), txn).await?;
    match skipped {
        0 => Ok(waiting),
        _ => Err(Error::Internal("a row of a bulk cannot be read".to_owned())),
    }
}

fn refused(drift: Uuid, error: &Error) -> Value {
    json!({
        "drift_id": lists::uuid(drift),
        "outcome": "refused",
        "code": error.code(),
        "message": error.public_message(),
    })
}

/// Records what became of drifts. An outcome never changes.
async fn record_in_txn(txn: &DatabaseTransaction, bulk: Uuid, rows: Vec<Value>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let backend = txn.get_database_backend();
    let columns = [
        ("drift_id", Type::Uuid),
        ("outcome", Type::Text),
        ("code", Type::Text),
        ("message", Type::Text),
        ("spec_version", Type::Integer),
    ];
    let sql = format!(
        "UPDATE bulk_items SET outcome = v.outcome, code = v.code, message = v.message, \
         spec_version = v.spec_version FROM {} \
         WHERE bulk_items.bulk_id = $2 AND bulk_items.drift_id = v.drift_id AND bulk_items.outcome IS NULL",
        lists::rows(backend, &columns)
    );
    let rows = Value::Array(rows).to_string();
    let statement = Statement::from_sql_and_values(backend, sql, [rows.into(), bulk.into()]);
    txn.execute_raw(statement).await?;
    Ok(())
}

/// Leaves what waits as it is, for good. A resource that is being done is waited for.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn cancel_in_txn(txn: &DatabaseTransaction, bulk: Uuid) -> Result<()> {
    items::Entity::update_many()
        .col_expr(items::Column::Outcome, Expr::val(ItemOutcome::Refused.to_value()))
        .col_expr(items::Column::Code, Expr::val(CANCELLED))
        .col_expr(
            items::Column::Message,
            Expr::val("the bulk was undone before this drift was accepted"),
        )
        .filter(items::Column::BulkId.eq(bulk))
        .filter(items::Column::Outcome.is_null())
        .exec(txn)
        .await?;
    Ok(())
}

/// The code of a drift of a bulk that was undone before the drift was accepted.
const CANCELLED: &str = "BULK_UNDONE";

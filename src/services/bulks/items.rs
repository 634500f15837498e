//! The drifts of a bulk that wait, and what became of them.

use entity::bulk_items::{self as items, ItemOutcome};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveEnum as _, ColumnTrait as _, Condition, ConnectionTrait as _, DbBackend, EntityTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _, Statement,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::db::lists::{self, Type};
use crate::db::{DatabaseTransaction, Db, column, decodable};
use crate::error::{Error, Result};
use crate::services::locks::{Lock, locked};

/// Number of resources whose ids are read at a time.
const RESOURCES: u64 = 200;

/// The code of a drift of a bulk that was undone before anything was done to the drift.
const CANCELLED: &str = "BULK_UNDONE";

/// Returns the first resources of a bulk of which a drift waits. They are read from the database that is written to,
/// because a reader may lag behind.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn pending_resources(db: &Db, bulk: Uuid) -> Result<Vec<Uuid>> {
    db.write_txn(|txn| async move {
        let resources = items::Entity::find()
            .select_only()
            .column(items::Column::ResourceId)
            .distinct()
            .filter(items::Column::BulkId.eq(bulk))
            .filter(items::Column::Outcome.is_null())
            .order_by_asc(items::Column::ResourceId)
            .limit(RESOURCES)
            .build(txn.get_database_backend());
        let rows = txn.query_all_raw(resources).await?;
        let readable: Vec<Uuid> = rows
            .iter()
            .filter_map(|row| column(row, "", "resource_id").ok())
            .collect();
        if readable.len() < rows.len() && txn.get_database_backend() == DbBackend::Sqlite {
            // Another program wrote something else than a UUID, which only SQLite stores.
            let no_uuid = "(typeof(resource_id) <> 'blob' OR length(resource_id) <> 16)";
            refuse_in_txn(
                &txn,
                bulk,
                Condition::all().add(Expr::cust(no_uuid)),
                &unreadable(),
            )
            .await?;
        }
        Ok(readable)
    })
    .await
}

/// Returns the waiting drifts of a resource, or of all, in the order of their fields. Those whose rows cannot be read are
/// refused.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn pending_in_txn(
    txn: &DatabaseTransaction,
    bulk: Uuid,
    resource: Option<Uuid>,
) -> Result<Vec<items::Model>> {
    let of_resource = || Condition::all().add_option(resource.map(|id| items::Column::ResourceId.eq(id)));
    let select = items::Entity::find()
        .filter(items::Column::BulkId.eq(bulk))
        .filter(of_resource())
        .filter(items::Column::Outcome.is_null())
        .order_by_asc(items::Column::ResourceId)
        .order_by_asc(items::Column::Field);
    let (waiting, skipped) = decodable(locked(select, Lock::Update), txn).await?;
    if skipped > 0 {
        let readable = waiting.iter().map(|item| item.drift_id);
        let others = lists::among(txn.get_database_backend(), r#""bulk_items"."drift_id""#, readable).not();
        refuse_in_txn(txn, bulk, of_resource().add(others), &unreadable()).await?;
    }
    Ok(waiting)
}

fn unreadable() -> Error {
    Error::Internal("a row of a bulk cannot be read".to_owned())
}

/// Leaves those drifts that wait and meet a condition as they are, for good.
async fn refuse_in_txn(txn: &DatabaseTransaction, bulk: Uuid, which: Condition, error: &Error) -> Result<()> {
    tracing::warn!(%bulk, %error, "drifts of a bulk are left as they are");
    let refused = ItemOutcome::Refused.to_value();
    items::Entity::update_many()
        .col_expr(items::Column::Outcome, Expr::val(refused))
        .col_expr(items::Column::Code, Expr::val(error.code()))
        .col_expr(items::Column::Message, Expr::val(error.public_message()))
        .filter(items::Column::BulkId.eq(bulk))
        .filter(items::Column::Outcome.is_null())
        .filter(which)
        .exec(txn)
        .await?;
    Ok(())
}

/// Returns what became of a drift that was left as it is, for [`record_in_txn`].
pub(super) fn refused(drift: Uuid, error: &Error) -> Value {
    json!({
        "drift_id": lists::uuid(drift),
        "outcome": ItemOutcome::Refused.to_value(),
        "code": error.code(),
        "message": error.public_message(),
    })
}

/// Records what became of drifts. An outcome never changes.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn record_in_txn(txn: &DatabaseTransaction, bulk: Uuid, rows: Vec<Value>) -> Result<()> {
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
        ("before", Type::Json),
    ];
    let sql = format!(
        "UPDATE bulk_items SET outcome = v.outcome, code = v.code, message = v.message, \
         spec_version = v.spec_version, before = v.before FROM {} \
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
pub(in crate::services) async fn cancel_in_txn(txn: &DatabaseTransaction, bulk: Uuid) -> Result<()> {
    items::Entity::update_many()
        .col_expr(items::Column::Outcome, Expr::val(ItemOutcome::Refused.to_value()))
        .col_expr(items::Column::Code, Expr::val(CANCELLED))
        .col_expr(
            items::Column::Message,
            Expr::val("the bulk was undone before its action was done to this drift"),
        )
        .filter(items::Column::BulkId.eq(bulk))
        .filter(items::Column::Outcome.is_null())
        .exec(txn)
        .await?;
    Ok(())
}

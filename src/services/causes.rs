//! Records the causes of open drifts that a server of an earlier release wrote.

use entity::cloud_drift as drift;
use sea_orm::{ConnectionTrait as _, DbBackend, EntityTrait as _, QueryFilter as _, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::db::lists::{self, Type};
use crate::db::{Db, ROWS_PER_INSERT, column_at, decodable};
use crate::domain::causes::Cause;
use crate::domain::detection::value_or_null;
use crate::error::Result;

/// Records the causes of open drifts without one of their current values. A partial index finds these.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn fill(db: &Db) -> Result<()> {
    let mut after = Uuid::nil();
    loop {
        let ids = without_cause(db, after).await?;
        let Some(last) = ids.last() else {
            return Ok(());
        };
        after = *last;
        let drifts = drift::Entity::find().filter(lists::among(db.backend(), r#""cloud_drift"."id""#, ids));
        write(db, &decodable(drifts, db.reader()).await?.0).await?;
    }
}

/// Returns the ids of open drifts without a cause that follow an id. SQLite does not choose the partial index by itself, and
/// would sort all open drifts.
async fn without_cause(db: &Db, after: Uuid) -> Result<Vec<Uuid>> {
    let index = match db.backend() {
        DbBackend::Sqlite => " INDEXED BY ix_cloud_drift_without_cause",
        _ => "",
    };
    let sql = format!(
        "SELECT id FROM cloud_drift{index} WHERE status = 'open' AND cause_revision <> revision AND id > $1 \
         ORDER BY id LIMIT {ROWS_PER_INSERT}"
    );
    let statement = Statement::from_sql_and_values(db.backend(), sql, [after.into()]);
    let rows = db.reader().query_all_raw(statement).await?;
    // Only another program can have written an id that does not decode.
    Ok(rows.iter().filter_map(|row| column_at(row, 0)).collect())
}

async fn write(db: &Db, drifts: &[drift::Model]) -> Result<()> {
    let rows: Vec<Value> = drifts
        .iter()
        .map(|row| {
            let (expected, actual) = (value_or_null(&row.expected), value_or_null(&row.actual));
            json!({
                "id": lists::uuid(row.id),
                "revision": row.revision,
                "cause": Cause::stored(row.kind, expected, actual),
            })
        })
        .collect();
    let rows = &Value::Array(rows).to_string();
    db.write_txn(|txn| async move {
        let columns = [
            ("id", Type::Uuid),
            ("revision", Type::Integer),
            ("cause", Type::Text),
        ];
        let list = lists::rows(txn.get_database_backend(), &columns);
        // Rows that changed meanwhile keep their state: their revision differs.
        let sql = format!(
            "UPDATE \"cloud_drift\" SET cause = v.cause, cause_revision = v.revision FROM {list} \
             WHERE cloud_drift.id = v.id AND cloud_drift.revision = v.revision"
        );
        let statement =
            Statement::from_sql_and_values(txn.get_database_backend(), sql, [rows.as_str().into()]);
        txn.execute_raw(statement).await?;
        Ok(())
    })
    .await
}

//! Records the causes of open drifts that a server of an earlier release wrote.

use entity::cloud_drift::{self as drift, DriftStatus};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveEnum as _, ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Statement,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::db::lists::{self, Type};
use crate::db::{Db, ROWS_PER_INSERT, decodable};
use crate::domain::causes::Cause;
use crate::domain::detection::value_or_null;
use crate::error::Result;

/// Records the causes of open drifts without one of their current values. A partial index finds these.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn fill(db: &Db) -> Result<()> {
    let mut after = None;
    loop {
        let drifts = without_cause(db, after).await?;
        let Some(last) = drifts.last() else {
            return Ok(());
        };
        after = Some(last.id);
        write(db, &drifts).await?;
    }
}

async fn without_cause(db: &Db, after: Option<Uuid>) -> Result<Vec<drift::Model>> {
    // The text must be that of the index.
    let mut select = drift::Entity::find()
        .filter(
            Expr::col((drift::Entity, drift::Column::Status))
                .eq(Expr::Constant(DriftStatus::Open.to_value().into())),
        )
        .filter(Expr::cust("cause_revision <> revision"))
        .order_by_asc(drift::Column::Id)
        .limit(ROWS_PER_INSERT as u64);
    if let Some(after) = after {
        select = select.filter(drift::Column::Id.gt(after));
    }
    Ok(decodable(select, db.reader()).await?.0)
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

//! Lists of ids and of rows as one parameter, so that the text of a statement does not depend on their length. Each
//! database prepares and plans such a statement once.

use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, Value};
use uuid::Uuid;

use super::DatabaseTransaction;

/// The type of a column of a list of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// A UUID, from [`uuid`].
    Uuid,
    /// Text.
    Text,
    /// A 32-bit integer.
    Integer,
    /// JSON, from [`json`]; null is SQL null.
    Json,
    /// A time, from [`time`].
    Time,
}

/// Makes PostgreSQL find the rows of the transaction by index. It keeps the plan of a statement, which it may have made
/// when the table was empty, and a scan of the whole table for each chunk would take quadratic time.
pub(crate) async fn plan_by_index_in_txn(txn: &DatabaseTransaction) -> Result<(), DbErr> {
    if txn.get_database_backend() == DbBackend::Postgres {
        let settings = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; \
             SET LOCAL enable_mergejoin = off";
        txn.execute_unprepared(settings).await?;
    }
    Ok(())
}

/// Returns the condition that a column is one of these ids. `column` is SQL.
pub(crate) fn among(backend: DbBackend, column: &str, ids: impl IntoIterator<Item = Uuid>) -> Expr {
    let (condition, list) = match backend {
        DbBackend::Postgres => (format!("{column} {}", in_list(backend)), "{}"),
        _ => (
            format!("{column} IN (SELECT unhex(value) FROM json_each(?))"),
            "[]",
        ),
    };
    Expr::cust_with_values(condition, [list_of(list, ids)])
}

/// Returns the condition that a column, or another expression, is one of these texts, or with `is_in` false, that it is
/// none of them or null. The databases find no rows by it, but test each row that they read.
pub(crate) fn text_among(backend: DbBackend, column: Expr, texts: &[String], is_in: bool) -> Expr {
    let condition = match (backend, is_in) {
        (DbBackend::Postgres, true) => {
            "($1 = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST($2 AS jsonb))))) IS TRUE"
        }
        (DbBackend::Postgres, false) => {
            "($1 = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST($2 AS jsonb))))) IS NOT TRUE"
        }
        (_, true) => "(+? IN (SELECT value FROM json_each(?))) IS TRUE",
        (_, false) => "(+? IN (SELECT value FROM json_each(?))) IS NOT TRUE",
    };
    let list = serde_json::Value::from(texts).to_string();
    Expr::cust_with_exprs(condition, [column, Expr::val(list)])
}

/// Returns the SQL after a column for the condition that it is one of the ids of parameter 1. `= ANY` is not used,
/// because PostgreSQL may compare each row with each id.
pub(crate) fn in_list(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => "IN (SELECT unnest(CAST($1 AS uuid[])))",
        _ => "IN (SELECT unhex(value) FROM json_each($1))",
    }
}

/// Returns the parameter of [`in_list`].
pub(crate) fn ids(backend: DbBackend, ids: impl IntoIterator<Item = Uuid>) -> Value {
    let brackets = if backend == DbBackend::Postgres {
        "{}"
    } else {
        "[]"
    };
    list_of(brackets, ids)
}

/// Returns SQL for the ids of parameter 1, as a table with the name `p` and the columns `id` and `n`, which is the
/// position in the list: from 1 on PostgreSQL, from 0 on SQLite.
pub(crate) fn numbered_ids(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => "unnest(CAST($1 AS uuid[])) WITH ORDINALITY AS p (id, n)",
        _ => "(SELECT key AS n, unhex(value) AS id FROM json_each($1)) AS p",
    }
}

fn list_of(brackets: &str, ids: impl IntoIterator<Item = Uuid>) -> Value {
    let (open, close) = brackets.split_at(1);
    let ids: Vec<String> = ids.into_iter().map(|id| format!("\"{}\"", id.simple())).collect();
    format!("{open}{}{close}", ids.join(",")).into()
}

/// Returns SQL for the rows of parameter 1, a JSON list of objects, as a table with the name `v`.
pub(crate) fn rows(backend: DbBackend, columns: &[(&str, Type)]) -> String {
    if backend == DbBackend::Postgres {
        let columns: Vec<String> = columns
            .iter()
            .map(|(name, column)| {
                let kind = match column {
                    Type::Uuid => "uuid",
                    Type::Text => "text",
                    Type::Integer => "integer",
                    Type::Json => "jsonb",
                    Type::Time => "timestamptz",
                };
                format!("{name} {kind}")
            })
            .collect();
        return format!(
            "jsonb_to_recordset(CAST($1 AS jsonb)) AS v ({})",
            columns.join(", ")
        );
    }
    let columns: Vec<String> = columns
        .iter()
        .map(|(name, column)| match column {
            Type::Uuid => format!("unhex(value ->> '{name}') AS {name}"),
            _ => format!("value ->> '{name}' AS {name}"),
        })
        .collect();
    format!("(SELECT {} FROM json_each($1)) AS v", columns.join(", "))
}

/// Returns a UUID as a cell of a list of rows.
pub(crate) fn uuid(id: Uuid) -> serde_json::Value {
    id.simple().to_string().into()
}

/// Returns a time as a cell of a list of rows, with the text that SQLite stores for it as a parameter.
pub(crate) fn time(time: DateTime<Utc>) -> serde_json::Value {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, false).into()
}

/// Returns JSON as a cell of a list of rows. SQLite stores its text.
pub(crate) fn json(backend: DbBackend, value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Null => serde_json::Value::Null,
        value if backend == DbBackend::Postgres => value.clone(),
        value => value.to_string().into(),
    }
}

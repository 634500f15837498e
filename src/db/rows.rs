//! Rows that other programs may have written.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sea_orm::sqlx::postgres::PgRow;
use sea_orm::sqlx::{self, Row as _, ValueRef as _};
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryResult, QueryTrait, Select, TryGetable,
};

use crate::error::Result;

/// Returns the rows of a query that can be decoded, and the number of those that cannot. Other programs may write to
/// the tables, and one invalid row must not fail a page or a sweep.
pub(crate) async fn decodable<E, C>(select: Select<E>, connection: &C) -> Result<(Vec<E::Model>, u64)>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    let rows = connection
        .query_all_raw(select.build(connection.get_database_backend()))
        .await?;
    let mut models = Vec::with_capacity(rows.len());
    let mut skipped = 0;
    for row in &rows {
        match decode::<E::Model>(row, "") {
            Some(model) => models.push(model),
            None => skipped += 1,
        }
    }
    Ok((models, skipped))
}

/// Decodes one row. Logs the error and returns `None` if that fails.
pub(crate) fn decode<M: FromQueryResult>(row: &QueryResult, prefix: &str) -> Option<M> {
    caught(|| M::from_query_result(row, prefix))
        .inspect_err(|error| {
            let id = column::<uuid::Uuid>(row, prefix, "id").ok();
            tracing::warn!(table = std::any::type_name::<M>(), ?id, %error, "skipping a row that cannot be read");
        })
        .ok()
}

/// Decodes one column of a row.
pub(crate) fn column<T: TryGetable>(row: &QueryResult, prefix: &str, name: &str) -> Result<T, DbErr> {
    caught(|| row.try_get(prefix, name))
}

/// Decodes the column at a position, which starts at 0.
pub(crate) fn column_at<T: TryGetable>(row: &QueryResult, position: usize) -> Option<T> {
    caught(|| row.try_get_by_index(position)).ok()
}

/// Returns the text at a position without copying it. The outer None means that the value is not text, the inner None
/// that it is null.
pub(crate) fn text_at(row: &QueryResult, position: usize) -> Option<Option<&str>> {
    stored_text(row, position, false)
}

/// Returns the text of the JSON at a position without copying or parsing it. The outer None means that the value is not
/// text, the inner None that it is null.
pub(crate) fn json_at(row: &QueryResult, position: usize) -> Option<Option<&str>> {
    stored_text(row, position, true)
}

/// Returns the bytes that PostgreSQL sent for the column at a position. None means that the value is null.
pub(crate) fn bytes_at(row: &QueryResult, position: usize) -> Option<&[u8]> {
    row.try_as_pg_row()?.try_get_raw(position).ok()?.as_bytes().ok()
}

fn stored_text(row: &QueryResult, position: usize, is_json: bool) -> Option<Option<&str>> {
    if let Some(row) = row.try_as_sqlite_row() {
        return row.try_get(position).ok();
    }
    text_of_postgres(row.try_as_pg_row()?, position, is_json).ok()
}

/// Returns the JSON text at a position of a row of PostgreSQL. The driver has no type that borrows it without parsing.
///
/// # Errors
///
/// The value is not `jsonb`.
pub(crate) fn json_of_postgres(row: &PgRow, position: usize) -> Result<Option<&str>, sqlx::Error> {
    text_of_postgres(row, position, true)
}

fn text_of_postgres(row: &PgRow, position: usize, is_json: bool) -> Result<Option<&str>, sqlx::Error> {
    let value = row.try_get_raw(position)?;
    if value.is_null() {
        return Ok(None);
    }
    let bytes = value.as_bytes().map_err(sqlx::Error::Decode)?;
    // The first byte that PostgreSQL sends is the version of the binary format of JSON.
    let text = if is_json {
        let unknown = || sqlx::Error::Decode("an unknown version of the format of JSON".into());
        bytes.strip_prefix(b"\x01").ok_or_else(unknown)?
    } else {
        bytes
    };
    let text = std::str::from_utf8(text).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(Some(text))
}

/// Runs `decoding` and turns a panic into an error: the driver panics on times such as `infinity`, which Rust cannot
/// represent.
pub(crate) fn caught<T, E: From<DbErr>>(decoding: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(decoding))
        .unwrap_or_else(|_| Err(DbErr::Type("value out of range".to_owned()).into()))
}

//! Earlier drifts of the same field of the same resource.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use uuid::Uuid;

use crate::db::{column_at, lists};
use crate::error::Result;

/// What came before a drift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recurrence {
    /// The drift of the same field that was detected last before this one.
    pub(crate) previous: Option<Uuid>,
    /// How many drifts of the field were detected in the 30 days up to the detection of this one, itself included.
    pub(crate) occurrences: i64,
    /// The drift of which this one records the accept of some members.
    pub(crate) split_from: Option<Uuid>,
}

/// Returns what came before each of these drifts, with one statement. Drifts that do not exist are left out.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn recurrences_of<C: ConnectionTrait>(
    connection: &C,
    drifts: &[Uuid],
) -> Result<HashMap<Uuid, Recurrence>> {
    let backend = connection.get_database_backend();
    let ids = lists::ids(backend, drifts.iter().copied());
    let statement = Statement::from_sql_and_values(backend, select(backend), [ids]);
    let rows = connection.query_all_raw(statement).await?;
    let found = rows.iter().filter_map(|row| {
        let recurrence = Recurrence {
            previous: column_at::<Option<Uuid>>(row, 1).flatten(),
            occurrences: column_at(row, 2)?,
            split_from: column_at::<Option<Uuid>>(row, 3).flatten(),
        };
        Some((column_at(row, 0)?, recurrence))
    });
    Ok(found.collect())
}

/// Returns of which drifts these accepted ones record the accept of some members. Those that record the accept of a whole drift
/// are left out.
pub(super) async fn split_from_of<C: ConnectionTrait>(
    connection: &C,
    accepted: Vec<Uuid>,
) -> Result<HashMap<Uuid, Uuid>> {
    if accepted.is_empty() {
        return Ok(HashMap::new());
    }
    let backend = connection.get_database_backend();
    let sql = format!(
        "SELECT c.id, c.split_from FROM cloud_drift c WHERE c.split_from IS NOT NULL AND c.id {}",
        lists::in_list(backend)
    );
    let ids = lists::ids(backend, accepted);
    let rows = connection
        .query_all_raw(Statement::from_sql_and_values(backend, sql, [ids]))
        .await?;
    Ok(rows
        .iter()
        .filter_map(|row| Some((column_at(row, 0)?, column_at(row, 1)?)))
        .collect())
}

/// Both subqueries read the index by resource and time of detection.
fn select(backend: DbBackend) -> String {
    let month_before = match backend {
        DbBackend::Postgres => "c.detected_at - interval '30 days'",
        // A text without fractions of seconds sorts before those with them.
        _ => "strftime('%Y-%m-%dT%H:%M:%S', c.detected_at, '-30 days')",
    };
    format!(
        "SELECT c.id, (SELECT d.id FROM cloud_drift d WHERE d.resource_id = c.resource_id AND d.field = c.field \
         AND d.split_from IS NULL AND (d.detected_at, d.id) < (c.detected_at, c.id) ORDER BY d.detected_at DESC, d.id DESC LIMIT 1), \
         (SELECT count(*) FROM cloud_drift d WHERE d.resource_id = c.resource_id AND d.field = c.field \
         AND d.split_from IS NULL AND d.detected_at >= {month_before} \
         AND (d.detected_at, d.id) <= (c.detected_at, c.id)), c.split_from \
         FROM cloud_drift c WHERE c.id {}",
        lists::in_list(backend)
    )
}

//! The event log of resources.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::cloud_resource_events::{self as events, EventType};
use sea_orm::{ActiveEnum, ConnectionTrait, DbBackend, EntityName as _, EntityTrait, Iden as _, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use super::cells::{Cells, Reader, is_known};
use super::page::{self, Key, KeyColumns, Order, Page, PageRequest};
use crate::db::lists::{self, Type};
use crate::db::{DatabaseTransaction, ROWS_PER_INSERT, untested_first};
use crate::error::Result;

/// The actor of events that the server itself caused.
pub const SYSTEM: &str = "system";

/// An event to append to the log.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Id of the resource.
    pub resource_id: Uuid,
    /// Type of the event.
    pub event_type: EventType,
    /// Details, such as the id of the drift. Never contains a whole spec.
    pub data: Value,
}

/// Appends events to the log, all by `actor` at `now`.
pub async fn append_in_txn(
    txn: &DatabaseTransaction,
    happened: Vec<NewEvent>,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let backend = txn.get_database_backend();
    let list = lists::rows(
        backend,
        &[
            ("id", Type::Uuid),
            ("resource_id", Type::Uuid),
            ("type", Type::Text),
            ("data", Type::Json),
        ],
    );
    let sql = format!(
        "INSERT INTO \"cloud_resource_events\" (id, resource_id, type, actor, data, occurred_at) \
         SELECT v.id, v.resource_id, v.type, $2, v.data, $3 FROM {list}"
    );
    for chunk in happened.chunks(ROWS_PER_INSERT) {
        let rows: Vec<Value> = chunk
            .iter()
            .map(|event| {
                json!({
                    "id": lists::uuid(Uuid::now_v7()),
                    "resource_id": lists::uuid(event.resource_id),
                    "type": event.event_type.to_value(),
                    "data": lists::json(backend, &event.data),
                })
            })
            .collect();
        let values = [Value::Array(rows).to_string().into(), actor.into(), now.into()];
        txn.execute_raw(Statement::from_sql_and_values(backend, &sql, values))
            .await?;
    }
    Ok(())
}

pub(crate) const NEWEST_FIRST: Order<events::Column> = Order {
    time: Some(events::Column::OccurredAt),
    id: events::Column::Id,
    descending: true,
};

/// Returns one page of events for each resource, newest first. One statement reads up to 200 pages.
pub(crate) async fn pages_of<C: ConnectionTrait>(
    connection: &C,
    requests: &[(Uuid, PageRequest)],
) -> Result<Vec<Page<events::Model>>> {
    let selects = requests.iter().map(|(resource, request)| {
        (
            page::of_parent::<events::Entity>(events::Column::ResourceId, *resource),
            request.clone(),
        )
    });
    page::fetch_many(connection, selects.collect(), NEWEST_FIRST).await
}

/// Returns the newest `limit` events of each of these resources, as cells of the given columns, the first two of which
/// must be the time and the id. Reads them with one statement, whose text depends on the columns only. Returns None if
/// rows that do not decode used up the limit.
pub(crate) async fn newest_cells_of<C: ConnectionTrait>(
    connection: &C,
    resources: &[Uuid],
    limit: u64,
    columns: &[events::Column],
) -> Result<Option<HashMap<Uuid, Page<Cells>>>> {
    let reader =
        Reader::of::<events::Entity>(events::Column::Id, 1).with(columns.iter().copied(), |column| {
            match column {
                events::Column::EventType => Some(is_known::<EventType>),
                _ => None,
            }
        });
    let backend = connection.get_database_backend();
    let at_most = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let values = [lists::ids(backend, resources.iter().copied()), at_most.into()];
    let statement = Statement::from_sql_and_values(backend, select_newest(backend, columns), values);
    let mut by_resource: Vec<Vec<(Option<Key>, Option<Cells>)>> = vec![Vec::new(); resources.len()];
    let rows = untested_first(|| async { Ok(connection.query_all_raw(statement.clone()).await?) }).await?;
    for row in rows {
        let number: i64 = row.try_get_by_index(0)?;
        let cells = reader.read(&row, 1);
        let key = KeyColumns { time: 1, id: 2 }.key(&row, cells.as_ref(), 1);
        let place = usize::try_from(number).ok();
        if let Some(rows) = place.and_then(|place| by_resource.get_mut(place)) {
            rows.push((key, cells));
        }
    }
    let pages = resources.iter().zip(by_resource).map(|(resource, rows)| {
        let page = page::first_of(rows, limit)?;
        Some((*resource, page))
    });
    Ok(pages.collect())
}

/// Returns the SQL that selects columns of the newest events of each listed resource, after the position of the
/// resource in the list (from 0).
fn select_newest(backend: DbBackend, columns: &[events::Column]) -> String {
    let [resource, time, id] = [
        events::Column::ResourceId,
        events::Column::OccurredAt,
        events::Column::Id,
    ]
    .map(|column| column.to_string());
    let table = events::Entity.table_name();
    let list = |prefix: &str| {
        let columns = columns
            .iter()
            .map(|column| format!(", {prefix}\"{}\"", column.to_string()));
        columns.collect::<String>()
    };
    match backend {
        DbBackend::Postgres => format!(
            "SELECT p.n - 1{} FROM {} CROSS JOIN LATERAL \
             (SELECT {} FROM \"{table}\" WHERE \"{resource}\" = p.id \
             ORDER BY \"{time}\" DESC, \"{id}\" DESC LIMIT $2) AS e",
            list("e."),
            lists::numbered_ids(backend),
            list("").trim_start_matches(", "),
        ),
        _ => format!(
            "SELECT p.n{} FROM {} CROSS JOIN \"{table}\" AS e WHERE e.rowid IN \
             (SELECT i.rowid FROM \"{table}\" AS i WHERE i.\"{resource}\" = p.id \
             ORDER BY i.\"{time}\" DESC, i.\"{id}\" DESC LIMIT $2)",
            list("e."),
            lists::numbered_ids(backend),
        ),
    }
}

/// Returns the number of events of each resource. Resources without events are left out.
pub(crate) async fn counts_of<C: ConnectionTrait>(
    connection: &C,
    resources: &[Uuid],
) -> Result<Vec<(Uuid, i64)>> {
    page::count_by_parent(
        connection,
        page::of_parents::<events::Entity>(events::Column::ResourceId, resources),
        events::Column::ResourceId,
    )
    .await
}

/// Returns the event with this id.
pub(crate) async fn find<C: ConnectionTrait>(connection: &C, id: Uuid) -> Result<Option<events::Model>> {
    page::find_one(connection, events::Entity::find_by_id(id)).await
}

//! The event log of resources.

use chrono::{DateTime, Utc};
use entity::cloud_resource_events::{self as events, EventType};
use sea_orm::{ActiveEnum, ConnectionTrait, DatabaseTransaction, EntityTrait, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use super::page::{self, Order, Page, PageRequest};
use crate::db::ROWS_PER_INSERT;
use crate::db::lists::{self, Cell};
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
            ("id", Cell::Uuid),
            ("resource_id", Cell::Uuid),
            ("type", Cell::Text),
            ("data", Cell::Json),
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

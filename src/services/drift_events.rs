//! Recent changes of drifts by any process, read from the log of events.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::cloud_drift as drift;
use entity::cloud_resource_events::{self as events, EventType};
use entity::{cloud_provisioned as provisioned, cloud_resources as resources};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait};
use uuid::Uuid;

use super::inbox::{self, FilteredResource};
use crate::db::{column, decodable, decode};
use crate::error::Result;

/// The types of events about drifts. Their data has the id of the drift as `driftId`.
pub(crate) const TRANSITIONS: [EventType; 13] = [
    EventType::DriftDetected,
    EventType::DriftChanged,
    EventType::DriftAccepted,
    EventType::AcceptUndone,
    EventType::RevertMarked,
    EventType::RevertUnmarked,
    EventType::DriftReverted,
    EventType::DriftSnoozed,
    EventType::SnoozeEnded,
    EventType::DriftAssigned,
    EventType::DriftUnassigned,
    EventType::DriftCommented,
    EventType::DriftStale,
];

/// The current state of a drift that an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    pub drift: drift::Model,
    /// The fields of its resource that a [`inbox::DriftFilter`] tests.
    pub resource: FilteredResource,
}

/// Returns the ids of at most `limit` events about drifts since `from`, in any order. The query reads only an index.
pub(crate) async fn transitions_since<C: ConnectionTrait>(
    connection: &C,
    from: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Uuid>> {
    let select = events::Entity::find()
        .select_only()
        .column(events::Column::Id)
        .filter(events::Column::EventType.is_in(TRANSITIONS))
        .filter(events::Column::OccurredAt.gte(from))
        .limit(limit)
        .build(connection.get_database_backend());
    let rows = connection.query_all_raw(select).await?;
    // Only another program can have written an id that does not decode. Such an event is ignored.
    Ok(rows.iter().filter_map(|row| column(row, "", "id").ok()).collect())
}

/// Returns the drifts that the events are about, without duplicates, in the order of their last events. A drift is left
/// out if its row or that of its resource does not decode. Runs three statements.
pub(crate) async fn drifts_of<C: ConnectionTrait>(connection: &C, happened: &[Uuid]) -> Result<Vec<Changed>> {
    let rows = events::Entity::find().filter(events::Column::Id.is_in(happened.iter().copied()));
    let mut rows = decodable(rows, connection).await?.0;
    rows.sort_unstable_by_key(|event| (event.occurred_at, event.id));
    let mut last: HashMap<Uuid, usize> = HashMap::new();
    for (position, event) in rows.iter().enumerate() {
        let id = event.data.get("driftId").and_then(|id| id.as_str());
        if let Some(id) = id.and_then(|id| Uuid::try_parse(id).ok()) {
            last.insert(id, position);
        }
    }
    let mut drifts = inbox::by_ids(connection, last.keys().copied()).await?;
    drifts.sort_unstable_by_key(|drift| last.get(&drift.id).copied());
    let resources = resources_of(connection, &drifts).await?;
    Ok(drifts
        .into_iter()
        .filter_map(|drift| {
            let resource = resources.get(&drift.resource_id)?.clone();
            Some(Changed { drift, resource })
        })
        .collect())
}

async fn resources_of<C: ConnectionTrait>(
    connection: &C,
    drifts: &[drift::Model],
) -> Result<HashMap<Uuid, FilteredResource>> {
    let select = resources::Entity::find()
        .select_only()
        .columns([
            resources::Column::Id,
            resources::Column::Provider,
            resources::Column::Kind,
            resources::Column::ProviderId,
            resources::Column::Name,
            resources::Column::Region,
            resources::Column::Source,
        ])
        .column_as(provisioned::Column::Address, "address")
        .left_join(provisioned::Entity)
        .filter(resources::Column::Id.is_in(drifts.iter().map(|drift| drift.resource_id)))
        .build(connection.get_database_backend());
    let rows = connection.query_all_raw(select).await?;
    let decoded = rows.iter().filter_map(|row| decode::<FilteredResource>(row, ""));
    Ok(decoded.map(|resource| (resource.id, resource)).collect())
}

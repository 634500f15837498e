//! Something that happened to a resource.

use async_graphql::{Enum, ID, Object};
use chrono::{DateTime, Utc};
use entity::cloud_resource_events;

use super::Json;

/// What happened to a resource.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "cloud_resource_events::EventType")]
pub(in crate::graphql) enum ResourceEventType {
    /// A sweep opened a drift.
    DriftDetected,
    /// An open drift has another expected or actual value.
    DriftChanged,
    /// A drift was accepted.
    DriftAccepted,
    /// A drift closed because nothing differs any more.
    DriftStale,
    /// A spec was recorded.
    SpecRecorded,
    /// A spec was retired: nothing is wanted any more.
    SpecRetired,
    /// A listing had the resource for the first time, or again.
    ResourceDiscovered,
    /// A listing had other content.
    ResourceChanged,
    /// A complete listing lacked the resource.
    ResourceGone,
}

/// Something that happened to a resource.
pub(in crate::graphql) struct ResourceEvent(pub(in crate::graphql) cloud_resource_events::Model);

/// Something that happened to a resource.
#[Object]
impl ResourceEvent {
    /// The id.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// What happened.
    #[graphql(name = "type")]
    async fn event_type(&self) -> ResourceEventType {
        self.0.event_type.into()
    }

    /// Who did it; `system` is the server itself.
    async fn actor(&self) -> &str {
        &self.0.actor
    }

    /// Names driftId, field, expected, actual, specVersion as they apply.
    async fn data(&self) -> Json {
        Json(self.0.data.clone())
    }

    /// When it happened.
    async fn occurred_at(&self) -> DateTime<Utc> {
        self.0.occurred_at
    }
}

//! An entry in the log of a resource.

use async_graphql::{Enum, ID, Object};
use chrono::{DateTime, Utc};
use entity::cloud_resource_events;

use super::Json;

/// The type of an event.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "cloud_resource_events::EventType")]
pub(in crate::graphql) enum ResourceEventType {
    /// A sweep detected a drift.
    DriftDetected,
    /// The expected or the live value of an open drift changed.
    DriftChanged,
    /// A drift was accepted.
    DriftAccepted,
    /// The accept of a drift was undone.
    AcceptUndone,
    /// A user noted the intent to put the live value of a drift back.
    RevertMarked,
    /// The intent to put the live value of a drift back was withdrawn.
    RevertUnmarked,
    /// The live value of a drift was put back on purpose.
    DriftReverted,
    /// A drift was snoozed. `data` has `until` or `untilChange`.
    DriftSnoozed,
    /// The snooze of a drift has ended: `end` in `data` is `time`, `change`, `closed` or `user`.
    SnoozeEnded,
    /// A drift was assigned to the user `assignee` in `data`.
    DriftAssigned,
    /// A drift is no longer assigned to the user `assignee` in `data`.
    DriftUnassigned,
    /// A user wrote about a drift: `body` in `data`.
    DriftCommented,
    /// A drift was closed without a decision.
    DriftStale,
    /// An ignore rule covers a difference, or new values of one.
    DifferenceIgnored,
    /// A new version of the spec was recorded.
    SpecRecorded,
    /// The spec was retired.
    SpecRetired,
    /// A listing contained the resource for the first time, or again after it was gone.
    ResourceDiscovered,
    /// A listing contained other values than the previous one.
    ResourceChanged,
    /// A complete listing lacked the resource, and the provider confirmed its absence.
    ResourceGone,
}

/// An entry in the log of a resource.
pub(in crate::graphql) struct ResourceEvent(pub(in crate::graphql) cloud_resource_events::Model);

/// An entry in the log of a resource.
#[Object]
impl ResourceEvent {
    /// The unique id of the event.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// What happened.
    #[graphql(name = "type")]
    async fn event_type(&self) -> ResourceEventType {
        self.0.event_type.into()
    }

    /// The user or program that caused the event; `system` for the server itself.
    async fn actor(&self) -> &str {
        &self.0.actor
    }

    /// Details of the event: a JSON object with `driftId`, `field`, `expected`, `actual`, `specVersion`, `source`,
    /// `address`, `reason` (of a closed drift) and `ruleId` where they apply. The types name what else they have.
    async fn data(&self) -> Json {
        Json(self.0.data.clone())
    }

    /// When the event occurred.
    async fn occurred_at(&self) -> DateTime<Utc> {
        self.0.occurred_at
    }
}

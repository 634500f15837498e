//! An entry in the log of a resource.

use async_graphql::{Enum, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::cloud_resource_events;

use super::Json;
use super::stored::{number, text, texts};
use crate::domain::redaction::shown;

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
    #[graphql(deprecation = "Use `details`, which has types. This field stays for earlier clients.")]
    async fn data(&self) -> Json {
        Json(self.0.data.clone())
    }

    /// Details of the event.
    async fn details(&self) -> EventDetails {
        let data = &self.0.data;
        let value = |name: &str| data.get(name).map(|value| Json(shown(value).into_owned()));
        EventDetails {
            drift_id: text(data, "driftId").map(ID),
            field: text(data, "field"),
            fields: texts(data, "fields"),
            expected: value("expected"),
            actual: value("actual"),
            spec_version: number(data, "specVersion"),
            source: text(data, "source"),
            address: text(data, "address"),
            reason: text(data, "reason"),
            rule_id: text(data, "ruleId").map(ID),
            bulk_id: text(data, "bulkId").map(ID),
        }
    }

    /// When the event occurred.
    async fn occurred_at(&self) -> DateTime<Utc> {
        self.0.occurred_at
    }
}

/// Details of an event. Which fields are set depends on the type of the event; all others are null.
#[derive(SimpleObject)]
pub(in crate::graphql) struct EventDetails {
    /// The id of the drift, for events about a drift.
    drift_id: Option<ID>,
    /// The name of the field, for events about a difference; `*` for a missing resource.
    field: Option<String>,
    /// The names of the fields that changed, for RESOURCE_CHANGED; at most 200.
    fields: Vec<String>,
    /// The expected value after the event, for events about a difference of one field.
    expected: Option<Json>,
    /// The live value, for events about a difference of one field.
    actual: Option<Json>,
    /// The version of the spec that the event made, for events about a spec, and for accepts and their undo.
    spec_version: Option<i32>,
    /// The source of the spec, for SPEC_RECORDED, and for SPEC_RETIRED if an import retired it.
    source: Option<String>,
    /// The Terraform address of the resource when the event occurred.
    address: Option<String>,
    /// Why: for a closed drift a close reason such as `healed`, for a decision the reason of the user.
    reason: Option<String>,
    /// The id of the ignore rule, for DIFFERENCE_IGNORED and for drifts that a rule closed.
    rule_id: Option<ID>,
    /// The id of the bulk, for accepts that are part of one.
    bulk_id: Option<ID>,
}

//! Notifications: targets, messages and attempts.

mod delivery;
mod target;

use async_graphql::{Enum, InputObject, SimpleObject};
use entity::notification_deliveries as deliveries;
use entity::notification_targets as targets;

pub(in crate::graphql) use self::delivery::{
    NotificationDelivery, ResendNotificationInput, ResendNotificationPayload, SendTestNotificationInput,
    SendTestNotificationPayload, with_all_details, with_details,
};
pub(in crate::graphql) use self::target::{
    CreateNotificationTargetInput, CreateNotificationTargetPayload, DeleteNotificationTargetInput,
    DeleteNotificationTargetPayload, NotificationTarget, UpdateNotificationTargetInput,
    UpdateNotificationTargetPayload,
};
use super::Severity;
use crate::domain::notifications::{self as rules, Filter};
use crate::error::{Error, Result};
use crate::graphql::arguments::not_empty;

/// What a target of notifications is.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "targets::TargetKind")]
pub(in crate::graphql) enum NotificationTargetKind {
    /// Receives signed JSON, as Standard Webhooks defines it.
    Webhook,
    /// An incoming webhook of Slack, or of a program with the same format.
    Slack,
    /// An address that is called after each good sweep: one that compared everything with an inventory that is
    /// complete and recent.
    Heartbeat,
}

/// The method of the requests to a target.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "targets::TargetMethod")]
pub(in crate::graphql) enum NotificationMethod {
    /// GET without a body, for heartbeats only.
    Get,
    /// POST with a JSON body.
    Post,
}

/// What a message is about.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "deliveries::DeliveryKind")]
pub(in crate::graphql) enum NotificationKind {
    /// Transitions of drifts, grouped by their cause.
    Drifts,
    /// Sources that failed, became overdue or are up to date again.
    Sources,
    /// The daily digest.
    Digest,
    /// A good sweep.
    Heartbeat,
    /// A test.
    Test,
}

/// The state of a message.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "deliveries::DeliveryState")]
pub(in crate::graphql) enum NotificationState {
    /// The message will be attempted, for the first time or again.
    Pending,
    /// The receiver has confirmed the message.
    Delivered,
    /// The message was given up.
    Failed,
}

/// What a target can be notified of.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "rules::Transition")]
pub(in crate::graphql) enum NotificationTransition {
    /// A drift was opened.
    DriftDetected,
    /// The expected or live value of an open drift changed.
    DriftChanged,
    /// A drift was accepted.
    DriftAccepted,
    /// A drift was closed: the values no longer differ, or an ignore rule covers the difference.
    DriftStale,
    /// A drift was closed because its live value was put back on purpose.
    DriftReverted,
    /// The accept of a drift was undone.
    AcceptUndone,
    /// A source could not be listed, or its plan was refused.
    SourceFailed,
    /// A source is overdue.
    SourceOverdue,
    /// A source that had failed or was overdue is up to date again.
    SourceRecovered,
}

/// Which transitions a target is notified of.
#[derive(SimpleObject)]
pub(in crate::graphql) struct NotificationFilter {
    /// The transitions, at most 9; empty for all.
    transitions: Vec<NotificationTransition>,
    /// The kinds of resources, at most 100; empty for all.
    resource_kinds: Vec<String>,
    /// The fields of drifts, at most 100; empty for all.
    fields: Vec<String>,
    /// The regions of resources, at most 100; empty for all.
    regions: Vec<String>,
    /// The names of sources, at most 100; empty for all.
    sources: Vec<String>,
    /// The least severity of drifts; null for all.
    min_severity: Option<Severity>,
}

impl From<Filter> for NotificationFilter {
    fn from(filter: Filter) -> Self {
        Self {
            transitions: filter.transitions.into_iter().map(Into::into).collect(),
            resource_kinds: filter.resource_kinds,
            fields: filter.fields,
            regions: filter.regions,
            sources: filter.sources,
            min_severity: filter.min_severity.map(Into::into),
        }
    }
}

/// Selects the transitions that a target is notified of. All conditions must be met.
#[derive(Default, InputObject)]
pub(in crate::graphql) struct NotificationFilterInput {
    /// One of these transitions; all if absent.
    transitions: Option<Vec<NotificationTransition>>,
    /// A resource of one of these kinds, at most 100; all if absent.
    resource_kinds: Option<Vec<String>>,
    /// One of these fields, at most 100; all if absent. `*` is a missing resource.
    fields: Option<Vec<String>>,
    /// A resource in one of these regions, at most 100; all if absent. An empty text stands for resources without region.
    regions: Option<Vec<String>>,
    /// A resource of one of these sources, or one of these sources itself, at most 100; all if absent.
    sources: Option<Vec<String>>,
    /// A drift that is at least this severe; all if absent. Transitions of sources have no severity and pass.
    min_severity: Option<Severity>,
}

impl NotificationFilterInput {
    pub(super) fn parse(self) -> Result<Filter> {
        let transitions = not_empty("transitions", self.transitions)?.unwrap_or_default();
        let list = |name, list| Ok::<_, Error>(not_empty(name, list)?.unwrap_or_default());
        Ok(Filter {
            transitions: transitions.into_iter().map(Into::into).collect(),
            resource_kinds: list("resourceKinds", self.resource_kinds)?,
            fields: list("fields", self.fields)?,
            regions: list("regions", self.regions)?,
            sources: list("sources", self.sources)?,
            min_severity: self.min_severity.map(Into::into),
        })
    }
}

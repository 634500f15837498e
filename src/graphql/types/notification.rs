//! Notifications: targets, messages and attempts.

use std::collections::HashMap;

use async_graphql::{Enum, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::notification_attempts as attempts;
use entity::notification_deliveries as deliveries;
use entity::notification_targets as targets;
use sea_orm::DatabaseConnection;
use uuid::Uuid;

use super::Json;
use crate::domain::notifications::{self as rules, Filter};
use crate::error::{Error, Result};
use crate::graphql::arguments::not_empty;
use crate::graphql::error::ApiResult;
use crate::outgoing::message_id;
use crate::services::notifications::{self as service, NewTarget, Saved, TargetChange};
use crate::services::page::{Key, Page};

/// Complexity of the contents of a message, which may be large.
const BODY_COST: usize = 200;

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

/// What can be told to a target.
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

/// Which transitions a target is told about.
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
}

impl From<Filter> for NotificationFilter {
    fn from(filter: Filter) -> Self {
        Self {
            transitions: filter.transitions.into_iter().map(Into::into).collect(),
            resource_kinds: filter.resource_kinds,
            fields: filter.fields,
            regions: filter.regions,
            sources: filter.sources,
        }
    }
}

/// Selects the transitions that a target is told about. All conditions must be met.
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
}

impl NotificationFilterInput {
    fn parse(self) -> Result<Filter> {
        let transitions = not_empty("transitions", self.transitions)?.unwrap_or_default();
        let list = |name, list| Ok::<_, Error>(not_empty(name, list)?.unwrap_or_default());
        Ok(Filter {
            transitions: transitions.into_iter().map(Into::into).collect(),
            resource_kinds: list("resourceKinds", self.resource_kinds)?,
            fields: list("fields", self.fields)?,
            regions: list("regions", self.regions)?,
            sources: list("sources", self.sources)?,
        })
    }
}

/// A target of notifications. Its address and its secret are never shown.
pub(in crate::graphql) struct NotificationTarget(pub(in crate::graphql) targets::Model);

/// A target of notifications. Its address and its secret are never shown.
#[Object]
impl NotificationTarget {
    /// The unique id of the target.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The name, unique among all targets.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What the target is.
    async fn kind(&self) -> NotificationTargetKind {
        self.0.kind.into()
    }

    /// The host of the address. The rest of the address is secret.
    async fn host(&self) -> String {
        service::host_of(&self.0)
    }

    /// The method of the requests.
    async fn method(&self) -> NotificationMethod {
        self.0.method.into()
    }

    /// Whether the target receives anything. What happens while it is switched off is never told.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }

    /// Which transitions the target is told about. Digests and heartbeats are not filtered.
    async fn filter(&self) -> NotificationFilter {
        service::filter_of(&self.0).into()
    }

    /// The time of the daily digest in UTC, such as `08:00`; null if there is none.
    async fn digest_at(&self) -> Option<String> {
        self.0.digest_minute.map(rules::time_of_day)
    }

    /// When the next digest is due; null if there is none.
    async fn next_digest_at(&self) -> Option<DateTime<Utc>> {
        self.0.digest_due_at
    }

    /// Until when messages are also signed with the previous secret; null if the secret was never rotated.
    async fn previous_secret_until(&self) -> Option<DateTime<Utc>> {
        self.0.previous_until
    }

    /// When the target was created.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// The user who created the target.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When the target was changed last.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }

    /// The user who changed the target last.
    async fn updated_by(&self) -> &str {
        &self.0.updated_by
    }
}

/// One attempt to deliver a message.
pub(in crate::graphql) struct NotificationAttempt(attempts::Model);

/// One attempt to deliver a message.
#[Object]
impl NotificationAttempt {
    /// The number of the attempt, from 1.
    async fn number(&self) -> i32 {
        self.0.number
    }

    /// When the attempt began.
    async fn started_at(&self) -> DateTime<Utc> {
        self.0.started_at
    }

    /// When the attempt ended; null while it is active, and if its server stopped before the end.
    async fn ended_at(&self) -> Option<DateTime<Utc>> {
        self.0.ended_at
    }

    /// The status code of the response; null without a response.
    async fn status_code(&self) -> Option<i32> {
        self.0.status_code
    }

    /// Why the attempt failed; null if it succeeded.
    async fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }
}

/// A message to a target, and what became of it.
pub(in crate::graphql) struct NotificationDelivery {
    pub(in crate::graphql) row: deliveries::Model,
    pub(in crate::graphql) target: targets::Model,
    pub(in crate::graphql) attempts: Vec<attempts::Model>,
}

/// A message to a target, and what became of it.
#[Object]
impl NotificationDelivery {
    /// The unique id of the message.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.row.id.into()
    }

    /// The value of the header `webhook-id`, the same in each attempt. A receiver ignores a message whose id it knows.
    async fn message_id(&self) -> String {
        message_id(self.row.id)
    }

    /// The target.
    async fn target(&self) -> NotificationTarget {
        NotificationTarget(self.target.clone())
    }

    /// What the message is about.
    async fn kind(&self) -> NotificationKind {
        self.row.kind.into()
    }

    /// The state of the message.
    async fn state(&self) -> NotificationState {
        self.row.state.into()
    }

    /// The number of attempts that have begun.
    async fn attempt_count(&self) -> i32 {
        self.row.attempts
    }

    /// The attempts, newest first; at most 50.
    async fn attempts(&self) -> Vec<NotificationAttempt> {
        self.attempts.iter().cloned().map(NotificationAttempt).collect()
    }

    /// When the message was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// When the message is attempted next, while an attempt is active: when it counts as lost. Null after the end.
    async fn next_attempt_at(&self) -> Option<DateTime<Utc>> {
        self.row.next_attempt_at
    }

    /// When the message was confirmed or given up; null while it is pending.
    async fn ended_at(&self) -> Option<DateTime<Utc>> {
        self.row.ended_at
    }

    /// The status code of the last response; null if there was none.
    async fn status_code(&self) -> Option<i32> {
        self.row.status_code
    }

    /// Why the last attempt failed; null if it succeeded, or if there was none.
    async fn error(&self) -> Option<&str> {
        self.row.error.as_deref()
    }

    /// The contents of the message: the JSON that a webhook gets.
    #[graphql(complexity = "BODY_COST")]
    async fn body(&self) -> Json {
        Json(serde_json::from_str(&self.row.body).unwrap_or_default())
    }
}

/// Input of `createNotificationTarget`.
#[derive(InputObject)]
pub(in crate::graphql) struct CreateNotificationTargetInput {
    /// The name, unique among all targets, at most 200 bytes.
    name: String,
    /// What the target is.
    kind: NotificationTargetKind,
    /// The address, which must begin with `https`. It is not shown again.
    #[graphql(secret)]
    url: String,
    /// The method of the requests. Default: `POST`.
    method: Option<NotificationMethod>,
    /// The secret of the signatures of a webhook: `whsec_` and 24 to 64 bytes in base64. Default: a new one.
    #[graphql(secret)]
    secret: Option<String>,
    /// Selects the transitions. Default: all.
    filter: Option<NotificationFilterInput>,
    /// The time of the daily digest in UTC, such as `08:00`. Default: no digest.
    digest_at: Option<String>,
    /// Whether the target receives anything.
    #[graphql(default = true)]
    enabled: bool,
}

impl CreateNotificationTargetInput {
    /// Converts the input.
    pub(in crate::graphql) fn parse(self) -> Result<NewTarget> {
        Ok(NewTarget {
            name: self.name,
            kind: self.kind.into(),
            url: self.url,
            method: self.method.map(Into::into),
            secret: self.secret,
            filter: self.filter.unwrap_or_default().parse()?,
            digest_minute: self.digest_at.as_deref().map(minute_of_day).transpose()?,
            enabled: self.enabled,
        })
    }
}

/// Input of `updateNotificationTarget`. What is absent stays as it is.
#[derive(InputObject)]
pub(in crate::graphql) struct UpdateNotificationTargetInput {
    /// The id of the target.
    pub(in crate::graphql) target_id: ID,
    /// The new name.
    name: Option<String>,
    /// The new address. It is not shown again.
    #[graphql(secret)]
    url: Option<String>,
    /// The new method of the requests.
    method: Option<NotificationMethod>,
    /// The new filter, which replaces the old one.
    filter: Option<NotificationFilterInput>,
    /// The new time of the daily digest in UTC, such as `08:00`; null ends the digest.
    digest_at: MaybeUndefined<String>,
    /// Whether the target receives anything.
    enabled: Option<bool>,
    /// Whether to make a new secret. Messages are also signed with the previous one for 24 hours.
    #[graphql(default)]
    rotate_secret: bool,
}

impl UpdateNotificationTargetInput {
    /// Converts the input.
    pub(in crate::graphql) fn parse(self) -> Result<TargetChange> {
        let digest_minute = match self.digest_at {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(text) => Some(Some(minute_of_day(&text)?)),
        };
        Ok(TargetChange {
            name: self.name,
            url: self.url,
            method: self.method.map(Into::into),
            filter: self.filter.map(NotificationFilterInput::parse).transpose()?,
            digest_minute,
            enabled: self.enabled,
            rotate_secret: self.rotate_secret,
        })
    }
}

fn minute_of_day(text: &str) -> Result<i32> {
    let minute = rules::minute_of_day(text);
    minute.ok_or_else(|| Error::BadUserInput("digestAt must be a time such as 08:00".to_owned()))
}

/// Result of `createNotificationTarget`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct CreateNotificationTargetPayload {
    /// The target.
    target: NotificationTarget,
    /// The secret of the signatures, which is not shown again; null if the target is not a webhook.
    secret: Option<String>,
}

impl From<Saved> for CreateNotificationTargetPayload {
    fn from(saved: Saved) -> Self {
        Self {
            target: NotificationTarget(saved.target),
            secret: saved.secret.map(|secret| secret.exposed()),
        }
    }
}

/// Result of `updateNotificationTarget`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct UpdateNotificationTargetPayload {
    /// The target.
    target: NotificationTarget,
    /// The new secret of the signatures, which is not shown again; null if the secret was not rotated.
    secret: Option<String>,
}

impl From<Saved> for UpdateNotificationTargetPayload {
    fn from(saved: Saved) -> Self {
        Self {
            target: NotificationTarget(saved.target),
            secret: saved.secret.map(|secret| secret.exposed()),
        }
    }
}

/// Input of `deleteNotificationTarget`.
#[derive(InputObject)]
pub(in crate::graphql) struct DeleteNotificationTargetInput {
    /// The id of the target.
    pub(in crate::graphql) target_id: ID,
}

/// Result of `deleteNotificationTarget`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct DeleteNotificationTargetPayload {
    /// The id of the deleted target.
    pub(in crate::graphql) target_id: ID,
}

/// Input of `sendTestNotification`.
#[derive(InputObject)]
pub(in crate::graphql) struct SendTestNotificationInput {
    /// The id of the target.
    pub(in crate::graphql) target_id: ID,
}

/// Result of `sendTestNotification`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct SendTestNotificationPayload {
    /// The message, with the result of its only attempt.
    pub(in crate::graphql) delivery: NotificationDelivery,
}

/// Input of `resendNotification`.
#[derive(InputObject)]
pub(in crate::graphql) struct ResendNotificationInput {
    /// The id of the message.
    pub(in crate::graphql) delivery_id: ID,
}

/// Result of `resendNotification`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ResendNotificationPayload {
    /// The message, which is pending again.
    pub(in crate::graphql) delivery: NotificationDelivery,
}

/// Adds the targets and the attempts to messages. Runs two statements. A message whose target was deleted meanwhile is
/// left out.
pub(in crate::graphql) async fn with_details(
    db: &DatabaseConnection,
    rows: Vec<deliveries::Model>,
) -> ApiResult<Vec<NotificationDelivery>> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut attempts = service::attempts_of(db, &ids).await?;
    let targets = service::by_ids(db).await?;
    let delivery = |row: deliveries::Model| {
        let target = targets.get(&row.target_id)?.clone();
        let attempts = attempts.remove(&row.id).unwrap_or_default();
        Some(NotificationDelivery {
            row,
            target,
            attempts,
        })
    };
    Ok(rows.into_iter().filter_map(delivery).collect())
}

/// Adds the targets and the attempts to a page of messages.
pub(in crate::graphql) async fn with_all_details(
    db: &DatabaseConnection,
    page: Page<deliveries::Model>,
) -> ApiResult<Page<NotificationDelivery>> {
    let keys: HashMap<Uuid, Key> = page.rows.iter().map(|(key, row)| (row.id, *key)).collect();
    let rows = page.rows.into_iter().map(|(_, row)| row).collect();
    let rows = with_details(db, rows).await?.into_iter();
    Ok(Page {
        rows: rows
            .filter_map(|delivery| Some((*keys.get(&delivery.row.id)?, delivery)))
            .collect(),
        start: page.start,
        end: page.end,
        has_next: page.has_next,
        has_previous: page.has_previous,
    })
}

//! Messages to targets of notifications, and the attempts to deliver them.

use std::collections::HashMap;

use async_graphql::{ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::notification_attempts as attempts;
use entity::notification_deliveries as deliveries;
use entity::notification_targets as targets;
use uuid::Uuid;

use super::{NotificationKind, NotificationState, NotificationTarget};
use crate::graphql::error::ApiResult;
use crate::graphql::refusal::Refusal;
use crate::graphql::types::Json;
use crate::outgoing::message_id;
use crate::services::Reader;
use crate::services::notifications as service;
use crate::services::page::{Key, Page};

/// Complexity of the contents of a message, which may be large.
const BODY_COST: usize = 200;

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
    /// The message, which is pending again; null if the mutation was refused.
    pub(in crate::graphql) delivery: Option<NotificationDelivery>,
    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    pub(in crate::graphql) refusal: Option<Refusal>,
}

/// Adds the targets and the attempts to messages. Runs two statements. A message whose target was deleted meanwhile is
/// left out.
pub(in crate::graphql) async fn with_details(
    db: &Reader,
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
    db: &Reader,
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

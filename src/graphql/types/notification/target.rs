//! Targets of notifications.

use async_graphql::{ID, InputObject, MaybeUndefined, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::notification_targets as targets;

use super::{NotificationFilter, NotificationFilterInput, NotificationMethod, NotificationTargetKind};
use crate::domain::notifications as rules;
use crate::error::{Error, Result};
use crate::graphql::refusal::{Outcome, Refusal};
use crate::outgoing::SigningSecret;
use crate::services::notifications::{self as service, NewTarget, Saved, TargetChange};

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

    /// Whether the target receives anything. It is never notified of what happens while it is switched off.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }

    /// Which transitions the target is notified of. Digests and heartbeats are not filtered.
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
    /// The target; null if it was refused.
    target: Option<NotificationTarget>,
    /// The secret of the signatures, which is not shown again; null if the target is not a webhook.
    secret: Option<String>,
    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    refusal: Option<Refusal>,
}

impl From<Outcome<Saved>> for CreateNotificationTargetPayload {
    fn from(outcome: Outcome<Saved>) -> Self {
        let (saved, refusal) = outcome.into_parts();
        let secret = saved.as_ref().and_then(|saved| saved.secret.as_ref());
        Self {
            secret: secret.map(SigningSecret::exposed),
            target: saved.map(|saved| NotificationTarget(saved.target)),
            refusal,
        }
    }
}

/// Result of `updateNotificationTarget`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct UpdateNotificationTargetPayload {
    /// The target; null if the change was refused.
    target: Option<NotificationTarget>,
    /// The new secret of the signatures, which is not shown again; null if the secret was not rotated.
    secret: Option<String>,
    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    refusal: Option<Refusal>,
}

impl From<Outcome<Saved>> for UpdateNotificationTargetPayload {
    fn from(outcome: Outcome<Saved>) -> Self {
        let (saved, refusal) = outcome.into_parts();
        let secret = saved.as_ref().and_then(|saved| saved.secret.as_ref());
        Self {
            secret: secret.map(SigningSecret::exposed),
            target: saved.map(|saved| NotificationTarget(saved.target)),
            refusal,
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

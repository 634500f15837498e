//! Sends messages to their targets.

use entity::notification_deliveries::{self as deliveries, DeliveryKind};
use entity::notification_targets::{TargetKind, TargetMethod};
use serde_json::{Value, json};
use uuid::Uuid;

use super::body;
use super::deliveries::{Claimed, add_in_txn, begin_in_txn, claim, find as find_delivery, record};
use super::targets::{find as find_target, secrets_of};
use crate::db::Db;
use crate::domain::notifications::slack;
use crate::error::{Error, Result};
use crate::outgoing::{Answer, Outgoing, Request, TargetUrl};

/// Maximum number of messages that one call sends to a target.
const AT_ONCE: usize = 20;

/// Sends the messages of a target that are due, one after the other, until one fails. Returns how many were delivered.
///
/// # Errors
///
/// The database is unavailable. A message whose result could not be recorded is sent again.
pub(crate) async fn send_due_of(db: &Db, outgoing: &Outgoing, target: Uuid) -> Result<usize> {
    for delivered in 0..AT_ONCE {
        let Some(claimed) = claim(db, target).await? else {
            return Ok(delivered);
        };
        if !attempt(db, outgoing, &claimed).await? {
            return Ok(delivered);
        }
    }
    Ok(AT_ONCE)
}

/// Sends a test message to a target at once, and returns its row with the result. A test is not attempted again.
///
/// # Errors
///
/// NOT_FOUND if the target does not exist.
pub(crate) async fn send_test(
    db: &Db,
    outgoing: &Outgoing,
    actor: &str,
    target: Uuid,
) -> Result<deliveries::Model> {
    let claimed = db
        .write_txn(|txn| async move {
            let now = db.time(&*txn).await?;
            let target = find_target(&*txn, target).await?;
            let target = target.ok_or(Error::NotFound("notification target"))?;
            let data = json!({ "target": target.name, "requestedBy": actor });
            let body = body(DeliveryKind::Test, now, &data)?;
            let delivery = add_in_txn(&txn, target.id, DeliveryKind::Test, body, now).await?;
            begin_in_txn(&txn, delivery, target, now).await
        })
        .await?;
    attempt(db, outgoing, &claimed).await?;
    let row = find_delivery(db.reader(), claimed.delivery.id).await?;
    row.ok_or(Error::NotFound("notification delivery"))
}

/// Sends one message and records the result. Returns whether it was delivered.
async fn attempt(db: &Db, outgoing: &Outgoing, claimed: &Claimed) -> Result<bool> {
    let answer = match TargetUrl::parse(&claimed.target.url.0) {
        Ok(url) => outgoing.send(request(claimed, &url)).await,
        Err(why) => Answer {
            problem: Some(why),
            ..Answer::default()
        },
    };
    record(db, claimed, &answer).await?;
    let Claimed { delivery, target, .. } = claimed;
    match &answer.problem {
        None => {
            tracing::info!(to = target.name, message = %delivery.id, kind = ?delivery.kind, "notification.delivered")
        }
        Some(problem) => tracing::warn!(
            to = target.name, message = %delivery.id, attempt = delivery.attempts, problem, "notification.failed"
        ),
    }
    Ok(answer.problem.is_none())
}

fn request<'a>(claimed: &Claimed, url: &'a TargetUrl) -> Request<'a> {
    let Claimed { delivery, target, .. } = claimed;
    let body = match (target.kind, target.method) {
        (TargetKind::Heartbeat, TargetMethod::Get) => None,
        (TargetKind::Slack, _) => {
            let body = serde_json::from_str::<Value>(&delivery.body).unwrap_or_default();
            Some(slack::message(&body).to_string())
        }
        _ => Some(delivery.body.clone()),
    };
    Request {
        id: delivery.id,
        url,
        body,
        secrets: secrets_of(target, claimed.now),
        now: claimed.now,
    }
}

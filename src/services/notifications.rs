//! Notifications: targets are notified of transitions, at least once each.
//!
//! Triggers of the database write each transition to the outbox, in the transaction of the transition. One transaction
//! turns the outbox into messages, at most one for each target and kind; a message is attempted under a lease until its
//! receiver confirms it. So a process that is killed at any point loses nothing, and may only repeat a message, whose id
//! stays the same.

mod deliveries;
mod digests;
mod outbox;
mod sending;
mod source_states;
mod targets;

use entity::notification_deliveries::DeliveryKind;
use serde::Serialize;
use serde_json::{Value, json};

use chrono::{DateTime, SecondsFormat, Utc};

pub(crate) use self::deliveries::{
    attempts_of, count, due_targets, find as find_delivery, list as list_deliveries, purge_before, resend,
};
pub(crate) use self::digests::make_due_digests;
pub(crate) use self::outbox::{collect, pending};
pub(crate) use self::sending::{send_due_of, send_test};
pub(crate) use self::source_states::note_states;
pub use self::targets::{NewTarget, Saved, TargetChange};
pub(crate) use self::targets::{
    by_ids, count as count_targets, create, delete, filter_of, find, find_by_name, host_of, list,
    page as page_of_targets, problem_of, update,
};
use crate::error::{Error, Result};

/// Maximum number of targets.
pub(crate) const MAX_TARGETS: u64 = 100;

/// Returns the JSON text of a message.
fn body(kind: DeliveryKind, at: DateTime<Utc>, data: &impl Serialize) -> Result<String> {
    let data = serde_json::to_value(data).map_err(|error| Error::Internal(error.to_string()))?;
    let body = json!({
        "type": type_of(kind),
        "timestamp": at.to_rfc3339_opts(SecondsFormat::Micros, true),
        "data": data,
    });
    Ok(Value::to_string(&body))
}

/// Returns the type of a message in its JSON.
fn type_of(kind: DeliveryKind) -> &'static str {
    match kind {
        DeliveryKind::Drifts => "drift.transitions",
        DeliveryKind::Sources => "source.transitions",
        DeliveryKind::Digest => crate::domain::notifications::DIGEST_OF,
        DeliveryKind::Heartbeat => "sweep.succeeded",
        DeliveryKind::Test => "test",
    }
}

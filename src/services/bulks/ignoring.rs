//! Makes the ignore rules of a bulk: one for each field of its drifts, which covers it on their resources.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::bulks;
use sea_orm::EntityTrait as _;
use serde_json::json;
use uuid::Uuid;

use super::RuleTerms;
use super::items::{pending_in_txn, record_in_txn, refused};
use crate::clock::Clock;
use crate::db::{DatabaseTransaction, Db, decodable, lists};
use crate::domain::ignore_rules::Definition;
use crate::domain::snooze::check_seen;
use crate::error::{Error, Result};
use crate::services::ignore_rules::{self, NewRule, Origin};
use crate::services::locks::{self, Lock, locked};

/// Makes the rules of a bulk in one transaction, and compares the resources. A drift that has moved since the preview is left
/// out of the rules.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn execute(db: &Db, clock: &Clock, bulk: &bulks::Model, terms: &RuleTerms) -> Result<()> {
    let now = clock.now();
    let affected = db
        .write_txn(|txn| async move { execute_in_txn(&txn, bulk, terms, now).await })
        .await?;
    ignore_rules::compare(db, clock, affected).await;
    Ok(())
}

/// Makes the rules, and returns the resources of their drifts.
async fn execute_in_txn(
    txn: &DatabaseTransaction,
    bulk: &bulks::Model,
    terms: &RuleTerms,
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>> {
    // No other transaction works on the bulk while this one has its lock.
    decodable(locked(bulks::Entity::find_by_id(bulk.id), Lock::Update), txn).await?;
    // In the order of locks, the revision of the rules comes before the drifts.
    ignore_rules::raise_revision_in_txn(txn).await?;
    let waiting = pending_in_txn(txn, bulk.id, None).await?;
    let mut outcomes = Vec::with_capacity(waiting.len());
    let mut by_field: BTreeMap<String, Vec<Uuid>> = BTreeMap::new();
    for item in &waiting {
        let seen = match locks::drift_in_txn(txn, item.drift_id).await {
            Ok(drift) => check_seen(&drift, Some(item.revision)).map_err(Error::from),
            Err(error @ (Error::NotFound(_) | Error::Internal(_))) => Err(error),
            Err(error) => return Err(error),
        };
        outcomes.push(match seen {
            Ok(()) => {
                by_field
                    .entry(item.field.clone())
                    .or_default()
                    .push(item.resource_id);
                json!({ "drift_id": lists::uuid(item.drift_id), "outcome": "done" })
            }
            Err(error) => refused(item.drift_id, &error),
        });
    }
    let mut affected = Vec::new();
    for (field, resource_ids) in by_field {
        let rule = NewRule {
            name: None,
            definition: Definition {
                field,
                resource_ids,
                ..Definition::default()
            },
            reason: bulk.note.clone().unwrap_or_default(),
            owner: terms.owner.clone(),
            expires_at: terms.expires_at,
            origin: Origin::Api,
            bulk: Some(bulk.id),
        };
        affected.extend(ignore_rules::create_in_txn(txn, &bulk.actor, &rule, now).await?.1);
    }
    affected.sort_unstable();
    affected.dedup();
    record_in_txn(txn, bulk.id, outcomes).await?;
    Ok(affected)
}

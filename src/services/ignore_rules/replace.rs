//! Replaces a rule by a changed one, so that the history of each rule stays true.

use chrono::{DateTime, Utc};
use entity::ignore_rules as rules;
use sea_orm::EntityTrait;
use uuid::Uuid;

use super::{NewRule, compare, create_in_txn, end_in_txn};
use crate::clock::Clock;
use crate::db::{DatabaseTransaction, Db, decodable};
use crate::error::{Conflict, Error, Result};
use crate::services::locks::{Lock, locked};

/// The reason of a rule that ended because another one replaced it.
const REPLACED: &str = "replaced";

/// A rule that replaced another one, and what became of the inbox.
#[derive(Clone, Debug)]
pub struct Replaced {
    /// The new rule.
    pub rule: rules::Model,
    /// Drifts that closed, and drifts that opened; None if the next sweep has to find out.
    pub drifts: Option<(u64, u64)>,
}

/// Ends a rule and begins a changed one in the same transaction, as a decision of `actor`. A difference that both cover stays
/// ignored.
///
/// # Errors
///
/// NOT_FOUND if there is no rule with this id; BAD_USER_INPUT if the new rule is not valid; a conflict if the old one has
/// ended, or if another one in force has the name of the new one.
pub async fn replace(db: &Db, clock: &Clock, actor: &str, id: Uuid, new: &NewRule) -> Result<Replaced> {
    let now = clock.now();
    new.check(now)?;
    let (rule, affected) = db
        .write_txn(|txn| async move { replace_in_txn(&txn, actor, id, new, now).await })
        .await?;
    let counts = compare(db, clock, affected).await;
    Ok(Replaced {
        rule,
        drifts: counts.map(|counts| (counts.staled, counts.opened)),
    })
}

async fn replace_in_txn(
    txn: &DatabaseTransaction,
    actor: &str,
    id: Uuid,
    new: &NewRule,
    now: DateTime<Utc>,
) -> Result<(rules::Model, Vec<Uuid>)> {
    // The rules are changed under the lock of their revision, which is taken before that of a rule.
    super::raise_revision_in_txn(txn).await?;
    let select = locked(rules::Entity::find_by_id(id), Lock::Update);
    let old = decodable(select, txn).await?.0.pop();
    let old = old.ok_or(Error::NotFound("ignore rule"))?;
    if old.ended_at.is_some() {
        return Err(Conflict::RuleEnded.because("the rule has ended: make a new one"));
    }
    let (_, mut affected) = end_in_txn(txn, actor, id, Some(REPLACED), now).await?;
    let (rule, more) = create_in_txn(txn, actor, new, now).await?;
    affected.extend(more);
    affected.sort_unstable();
    affected.dedup();
    Ok((rule, affected))
}

//! Makes the rules in force that came from a file equal to those of the file.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::ignore_rules as rules;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::{NewRule, Origin, compare, create_in_txn, end_in_txn};
use crate::clock::Clock;
use crate::db::{DatabaseTransaction, Db, decodable};
use crate::domain::ignore_rules::FileRule;
use crate::error::{Error, Result};

/// What happens to a rule of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAction {
    /// The rule begins.
    Begin,
    /// The rule in force ends, and the one of the file begins.
    Replace,
    /// The rule is no longer in the file, so it ends.
    End,
    /// The rule is in force as it is in the file.
    Keep,
    /// The time in the file has passed, so the rule does not begin.
    Expired,
}

/// The result of applying a file.
#[derive(Clone, Debug)]
pub struct AppliedFile {
    /// What happens to each rule, by title.
    pub rules: Vec<(String, FileAction)>,
    /// Drifts that closed, and drifts that opened; None if nothing was changed or the next sweep has to find out.
    pub drifts: Option<(u64, u64)>,
}

/// Makes the rules in force that came from a file equal to those of `file`, as a decision of `actor`. Rules made through the
/// API stay. With `is_trial`, nothing is changed.
///
/// # Errors
///
/// BAD_USER_INPUT if a rule is not valid, or if a rule that did not come from a file has the title of one.
pub async fn apply_file(
    db: &Db,
    clock: &Clock,
    actor: &str,
    file: &[FileRule],
    is_trial: bool,
) -> Result<AppliedFile> {
    let now = clock.now();
    // A rule whose time has come is like one that the file lacks: it must not keep the others from being applied.
    let is_past = |rule: &&FileRule| rule.expires_at.is_some_and(|time| time <= now);
    let expired: Vec<_> = file
        .iter()
        .filter(is_past)
        .map(|rule| (rule.title.clone(), FileAction::Expired))
        .collect();
    let wanted: Vec<NewRule> = file.iter().filter(|rule| !is_past(rule)).map(new_rule).collect();
    wanted.iter().try_for_each(|rule| rule.check(now))?;
    let wanted = &wanted;
    if is_trial {
        let plan = db
            .write_txn(|txn| async move { plan_in_txn(&txn, wanted).await })
            .await?;
        return Ok(AppliedFile {
            rules: plan
                .into_iter()
                .map(|(title, action, _)| (title, action))
                .chain(expired)
                .collect(),
            drifts: None,
        });
    }
    let (done, affected) = db
        .write_txn(|txn| async move { apply_in_txn(&txn, actor, wanted, now).await })
        .await?;
    let counts = compare(db, clock, affected).await;
    Ok(AppliedFile {
        rules: done.into_iter().chain(expired).collect(),
        drifts: counts.map(|counts| (counts.staled, counts.opened)),
    })
}

fn new_rule(rule: &FileRule) -> NewRule {
    NewRule {
        name: Some(rule.title.clone()),
        definition: rule.definition.clone(),
        reason: rule.reason.clone(),
        owner: rule.owner.clone(),
        expires_at: rule.expires_at,
        origin: Origin::File,
        bulk: None,
    }
}

/// What to do with each rule, by title, with the id of the one in force.
type Plan = Vec<(String, FileAction, Option<Uuid>)>;

async fn plan_in_txn(txn: &DatabaseTransaction, wanted: &[NewRule]) -> Result<Plan> {
    let select = rules::Entity::find()
        .filter(rules::Column::EndedAt.is_null())
        .filter(rules::Column::Name.is_not_null());
    let (rows, _) = decodable(select, txn).await?;
    let mut in_force: BTreeMap<String, rules::Model> = rows
        .into_iter()
        .filter_map(|row| Some((row.name.clone()?, row)))
        .collect();
    let mut plan = Plan::new();
    for rule in wanted {
        let Some(title) = rule.name.clone() else { continue };
        plan.push(match in_force.remove(&title) {
            None => (title, FileAction::Begin, None),
            Some(row) if row.origin != Origin::File.as_str() => {
                return Err(Error::BadUserInput(format!(
                    "a rule with the name {title:?} is in force that did not come from a file: end it first"
                )));
            }
            Some(row) if is_same(&row, rule) => (title, FileAction::Keep, Some(row.id)),
            Some(row) => (title, FileAction::Replace, Some(row.id)),
        });
    }
    let left = in_force
        .into_iter()
        .filter(|(_, row)| row.origin == Origin::File.as_str());
    plan.extend(left.map(|(title, row)| (title, FileAction::End, Some(row.id))));
    Ok(plan)
}

fn is_same(row: &rules::Model, rule: &NewRule) -> bool {
    let definition = serde_json::from_value(row.definition.clone());
    definition.is_ok_and(|stored: crate::domain::ignore_rules::Definition| stored == rule.definition)
        && row.reason == rule.reason
        && row.owner == rule.owner
        && row.expires_at == rule.expires_at
}

async fn apply_in_txn(
    txn: &DatabaseTransaction,
    actor: &str,
    wanted: &[NewRule],
    now: DateTime<Utc>,
) -> Result<(Vec<(String, FileAction)>, Vec<Uuid>)> {
    let plan = plan_in_txn(txn, wanted).await?;
    let mut affected = Vec::new();
    let ending = plan.iter().filter_map(|(_, action, id)| match action {
        FileAction::End => Some((*id, "it is no longer in the file")),
        FileAction::Replace => Some((*id, "it has changed in the file")),
        FileAction::Begin | FileAction::Keep | FileAction::Expired => None,
    });
    for (id, reason) in ending {
        if let Some(id) = id {
            affected.extend(end_in_txn(txn, actor, id, Some(reason), now).await?.1);
        }
    }
    let begins = |title: &Option<String>| {
        plan.iter().any(|(planned, action, _)| {
            Some(planned) == title.as_ref() && matches!(action, FileAction::Begin | FileAction::Replace)
        })
    };
    for rule in wanted.iter().filter(|rule| begins(&rule.name)) {
        affected.extend(create_in_txn(txn, actor, rule, now).await?.1);
    }
    affected.sort_unstable();
    affected.dedup();
    let done = plan
        .into_iter()
        .map(|(title, action, _)| (title, action))
        .collect();
    Ok((done, affected))
}

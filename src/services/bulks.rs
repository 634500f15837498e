//! Decisions about many drifts, in two steps: a preview stores what the user saw, and its execution does just that.
//!
//! The state is in the database, so any server can execute a preview, or go on after a crash. Each resource is one
//! transaction, which also records what became of its drifts. Only the ignore rules of a bulk are made in one transaction.

mod decide;
mod ignoring;
mod items;
mod preview;
mod run;

use chrono::{DateTime, TimeDelta, Utc};
use entity::bulk_items::{self, ItemOutcome};
use entity::bulks;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

pub(super) use self::decide::restore_in_txn;
pub(super) use self::items::cancel_in_txn;
pub use self::preview::{Preview, PreviewedResource, Selected, preview, preview_accept};
pub use self::run::{begin, begin_accept, execute};
use super::assignments;
use crate::db::decodable;
use crate::domain::snooze::Snooze;
use crate::domain::validation::{MAX_TEXT_BYTES, check_text, check_time};
use crate::error::{Error, Result};

/// Maximum number of drifts of a bulk.
pub const MAX_DRIFTS: usize = 1_000;

/// How long after a preview its execution may begin.
pub const LIFETIME: TimeDelta = TimeDelta::hours(1);

/// What a bulk does to its drifts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Makes the live values the expected ones.
    Accept,
    /// Snoozes the drifts.
    Snooze(Snooze),
    /// Assigns the drifts to a user, or to no user.
    Assign(Option<String>),
    /// Makes ignore rules: one for each field, which covers it on the resources of the drifts.
    Ignore(RuleTerms),
}

/// The owner and the end of the ignore rules that a bulk makes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleTerms {
    /// Person or team that answers for them.
    #[serde(default)]
    pub owner: Option<String>,
    /// When they end by themselves.
    #[serde(default)]
    pub expires_at: Option<DateTime<Utc>>,
}

impl Action {
    /// Returns the name in the database.
    fn name(&self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Snooze(_) => "snooze",
            Self::Assign(_) => "assign",
            Self::Ignore(_) => "ignore",
        }
    }

    /// Returns what is stored beside the name.
    fn parameters(&self) -> Option<Value> {
        match self {
            Self::Accept => None,
            Self::Snooze(snooze) => Some(json!(snooze)),
            Self::Assign(assignee) => Some(json!({ "assignee": assignee })),
            Self::Ignore(terms) => Some(json!(terms)),
        }
    }

    /// Returns the action of a stored bulk.
    ///
    /// # Errors
    ///
    /// INTERNAL_SERVER_ERROR if this release does not know the action.
    pub(crate) fn of(bulk: &bulks::Model) -> Result<Self> {
        #[derive(Deserialize)]
        struct Assigned {
            assignee: Option<String>,
        }
        let unknown = |error: serde_json::Error| Error::Internal(format!("the action of a bulk: {error}"));
        let stored = || bulk.parameters.clone().unwrap_or_default();
        match bulk.action.as_str() {
            "accept" => Ok(Self::Accept),
            "snooze" => Ok(Self::Snooze(serde_json::from_value(stored()).map_err(unknown)?)),
            "assign" => {
                let Assigned { assignee } = serde_json::from_value(stored()).map_err(unknown)?;
                Ok(Self::Assign(assignee))
            }
            "ignore" => Ok(Self::Ignore(serde_json::from_value(stored()).map_err(unknown)?)),
            other => Err(Error::Internal(format!("a bulk with the unknown action {other}"))),
        }
    }

    /// Checks what the user has set.
    fn check(&self, now: DateTime<Utc>) -> Result<()> {
        match self {
            Self::Accept | Self::Assign(None) => Ok(()),
            Self::Snooze(snooze) => Ok(snooze.check(now)?),
            Self::Assign(Some(assignee)) => assignments::check(assignee),
            Self::Ignore(RuleTerms { owner, expires_at }) => {
                let owner = owner.as_deref();
                check_text("owner", owner.unwrap_or_default(), MAX_TEXT_BYTES)?;
                if owner.is_some_and(|owner| owner.trim().is_empty()) {
                    return Err(Error::BadUserInput("owner must not be empty".to_owned()));
                }
                let Some(time) = *expires_at else { return Ok(()) };
                check_time("expiresAt", time)?;
                match time > now {
                    true => Ok(()),
                    false => Err(Error::BadUserInput("expiresAt must be in the future".to_owned())),
                }
            }
        }
    }
}

/// The user who makes a preview. Only the same user can execute it.
#[derive(Clone, Copy, Debug)]
pub struct Decider<'a> {
    /// The name that is recorded with decisions.
    pub name: &'a str,
    /// Subject of the token.
    pub subject: &'a str,
}

/// A bulk whose execution has begun, with the number of its drifts by outcome.
#[derive(Clone, Debug)]
pub struct BulkRun {
    /// The bulk.
    pub bulk: bulks::Model,
    /// Drifts for which the action was done.
    pub done: i64,
    /// Drifts that were left as they are.
    pub refused: i64,
    /// Drifts that wait.
    pub pending: i64,
}

/// Returns the bulk with this id, if its execution has begun.
///
/// # Errors
///
/// The database is unavailable.
pub async fn find<C: ConnectionTrait>(connection: &C, id: Uuid) -> Result<Option<BulkRun>> {
    let select = bulks::Entity::find_by_id(id).filter(bulks::Column::StartedAt.is_not_null());
    let Some(bulk) = super::page::find_one(connection, select).await? else {
        return Ok(None);
    };
    let counts: Vec<(Option<String>, i64)> = bulk_items::Entity::find()
        .select_only()
        .column(bulk_items::Column::Outcome)
        .column_as(Expr::col(bulk_items::Column::DriftId).count(), "n")
        .filter(bulk_items::Column::BulkId.eq(id))
        .group_by(bulk_items::Column::Outcome)
        .into_tuple()
        .all(connection)
        .await?;
    let of = |outcome: Option<&str>| {
        let found = counts.iter().find(|(other, _)| other.as_deref() == outcome);
        found.map_or(0, |(_, n)| *n)
    };
    Ok(Some(BulkRun {
        bulk,
        done: of(Some("done")),
        refused: of(Some("refused")),
        pending: of(None),
    }))
}

/// Returns the drifts of a bulk by resource and field: all, or those with an outcome.
///
/// # Errors
///
/// The database is unavailable.
pub async fn items_of<C: ConnectionTrait>(
    connection: &C,
    bulk: Uuid,
    outcome: Option<ItemOutcome>,
) -> Result<Vec<bulk_items::Model>> {
    let mut select = bulk_items::Entity::find()
        .filter(bulk_items::Column::BulkId.eq(bulk))
        .order_by_asc(bulk_items::Column::ResourceId)
        .order_by_asc(bulk_items::Column::Field);
    if let Some(outcome) = outcome {
        select = select.filter(bulk_items::Column::Outcome.eq(outcome));
    }
    Ok(decodable(select, connection).await?.0)
}

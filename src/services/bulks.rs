//! Decisions about many drifts, in two steps: a preview stores what the user saw, and its execution does just that.
//!
//! The state is in the database, so any server can execute a preview, or go on after a crash. Each resource is one
//! transaction, which also records what became of its drifts.

mod preview;
mod run;

use chrono::TimeDelta;
use entity::bulk_items::{self as items, ItemOutcome};
use entity::bulks;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

pub use self::preview::{Preview, PreviewedResource, Selected, preview_accept};
pub(crate) use self::run::cancel_in_txn;
pub use self::run::{begin, execute};
use crate::db::decodable;
use crate::error::Result;

/// Maximum number of drifts of a bulk.
pub const MAX_DRIFTS: usize = 1_000;

/// How long after a preview its execution may begin.
pub const LIFETIME: TimeDelta = TimeDelta::hours(1);

/// The action of a bulk that accepts drifts.
pub(crate) const ACCEPT: &str = "accept";

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
    let counts: Vec<(Option<String>, i64)> = items::Entity::find()
        .select_only()
        .column(items::Column::Outcome)
        .column_as(Expr::col(items::Column::DriftId).count(), "n")
        .filter(items::Column::BulkId.eq(id))
        .group_by(items::Column::Outcome)
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
) -> Result<Vec<items::Model>> {
    let mut select = items::Entity::find()
        .filter(items::Column::BulkId.eq(bulk))
        .order_by_asc(items::Column::ResourceId)
        .order_by_asc(items::Column::Field);
    if let Some(outcome) = outcome {
        select = select.filter(items::Column::Outcome.eq(outcome));
    }
    Ok(decodable(select, connection).await?.0)
}

//! Sweeps: they compare all specs with their resources and update the drifts.
//!
//! A sweep handles batches in the order of resource ids. [`gather()`] reads and compares a batch without locks, [`plan()`]
//! decides what to change, and [`apply()`] locks the rows, reads their versions again and drops the pairs that have
//! changed. Dropped pairs are gathered again, for a few rounds. The next batch is read while one is compared and written.
//! No lock is held between batches, so accepts, syncs and other sweeps can run at the same time, and memory does not grow
//! with the number of resources.

mod apply;
mod counts;
mod gather;
mod plan;
mod read;
pub(crate) mod scope;

use std::collections::BTreeSet;

use entity::cloud_resources;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tokio::task::JoinHandle;
use uuid::Uuid;

pub use self::apply::{Applied, apply};
pub use self::counts::SweepCounts;
pub(crate) use self::counts::SweepReport;
pub use self::gather::{Gathered, gather};
pub use self::plan::{Planned, plan};
use self::read::{Batch, Size};
pub use self::scope::Scope;
use crate::clock::Clock;
use crate::db::Db;
use crate::error::{Error, Result};

/// Maximum number of times that a pair is gathered if other writers keep changing it.
const ROUNDS: u32 = 3;

/// Compares every spec in scope. `progress` receives the counts so far after each batch.
///
/// # Errors
///
/// The database is unavailable.
pub async fn detect_all(
    db: &Db,
    clock: &Clock,
    scope: &Scope,
    mut progress: impl FnMut(&SweepCounts),
) -> Result<SweepCounts> {
    let mut counts = SweepCounts::default();
    let mut next = read::batch(db, scope, None, Size::default()).await?;
    while let Some(batch) = next {
        let following = batch.last.map(|after| read_ahead(db, scope, after, batch.next));
        let gathered = gather::compare(db, batch).await?;
        counts += compare(db, clock, gathered).await?;
        progress(&counts);
        next = match following {
            Some(following) => following
                .await
                .map_err(|error| Error::Internal(format!("sweep: {error}")))??,
            None => None,
        };
    }
    Ok(counts)
}

/// Reads the batch after `after` in a task of its own.
fn read_ahead(db: &Db, scope: &Scope, after: Uuid, size: Size) -> JoinHandle<Result<Option<Batch>>> {
    let (db, scope) = (db.clone(), scope.clone());
    tokio::spawn(async move { read::batch(&db, &scope, Some(after), size).await })
}

/// Compares one batch. Pairs that other writers changed meanwhile are gathered again; those that keep changing are
/// left to the next sweep.
async fn compare(db: &Db, clock: &Clock, mut gathered: Gathered) -> Result<SweepCounts> {
    let mut counts = SweepCounts::default();
    for round in 1.. {
        let now = clock.now();
        let planned = plan(&gathered, now);
        let applied = apply(db, &planned, now).await?;
        counts += applied.counts;
        if applied.moved.is_empty() {
            break;
        }
        if round == ROUNDS {
            counts.moved = applied.moved.len() as u64;
            break;
        }
        match gather(db, &Scope::Resources(applied.moved), None).await? {
            Some(again) => gathered = again,
            None => break,
        }
    }
    Ok(counts)
}

/// Checks that every resource in scope exists.
///
/// # Errors
///
/// NOT_FOUND if a resource does not exist.
pub(crate) async fn check_known(db: &Db, scope: &Scope) -> Result<()> {
    let Scope::Resources(ids) = scope else {
        return Ok(());
    };
    let known =
        cloud_resources::Entity::find().filter(cloud_resources::Column::Id.is_in(ids.iter().copied()));
    let known = super::page::count(db.reader(), known, cloud_resources::Column::Id).await?;
    let wanted: BTreeSet<&Uuid> = ids.iter().collect();
    if usize::try_from(known).ok() == Some(wanted.len()) {
        Ok(())
    } else {
        Err(Error::NotFound("resource"))
    }
}

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
mod marks;
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
pub(crate) use self::marks::{count_in_force, has_marked_changes};
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
/// If every spec was compared within a day, only the resources are compared that have changed since, and those that the
/// last sweep left over. The counts are those of the whole scope nevertheless.
///
/// # Errors
///
/// The database is unavailable.
pub async fn detect_all(
    db: &Db,
    clock: &Clock,
    scope: &Scope,
    mut progress: impl FnMut(&SweepCounts) + Send,
) -> Result<SweepCounts> {
    let mut sweep = Sweep::over(db, clock, &mut progress);
    match scope {
        Scope::Resources(_) => sweep.compare_scope(scope, false).await?,
        Scope::All => {
            if !marks::are_complete(db).await? || !sweep.compare_marked().await? {
                sweep = Sweep::over(db, clock, &mut progress);
                sweep.compare_everything().await?;
            }
        }
    }
    Ok(sweep.counts)
}

/// A sweep in progress.
struct Sweep<'a> {
    db: &'a Db,
    clock: &'a Clock,
    progress: &'a mut (dyn FnMut(&SweepCounts) + Send),
    counts: SweepCounts,
    /// Specs whose resource has an id that does not decode.
    nameless: u64,
    /// Resources of the last scope that could not be compared now.
    left: BTreeSet<Uuid>,
}

impl<'a> Sweep<'a> {
    fn over(db: &'a Db, clock: &'a Clock, progress: &'a mut (dyn FnMut(&SweepCounts) + Send)) -> Self {
        Self {
            db,
            clock,
            progress,
            counts: SweepCounts::default(),
            nameless: 0,
            left: BTreeSet::new(),
        }
    }

    /// Compares every spec. Marks the resources that could not be compared, so that the next sweep compares them.
    async fn compare_everything(&mut self) -> Result<()> {
        let began = marks::begin(self.db).await?;
        self.compare_scope(&Scope::All, true).await?;
        // A resource whose id does not decode cannot be marked.
        if self.nameless == 0 {
            marks::end(self.db, began).await?;
        }
        Ok(())
    }

    /// Compares the marked resources. Returns false if that is not enough, because everything has to be compared.
    async fn compare_marked(&mut self) -> Result<bool> {
        let mut after = 0;
        let mut left = BTreeSet::new();
        loop {
            let marked = marks::read(self.db, after).await?;
            // This is checked after the marks were read, because another sweep may have deleted marks to compare
            // everything itself.
            if !marks::are_complete(self.db).await? {
                return Ok(false);
            }
            let Some(marked) = marked else {
                break;
            };
            if marked.is_damaged {
                return Ok(false);
            }
            after = marked.last;
            let resources = marked.by_resource.keys().filter(|id| !left.contains(*id));
            let scope = Scope::Resources(resources.copied().collect());
            self.compare_scope(&scope, false).await?;
            left.append(&mut self.left);
            marked.delete(self.db, &left).await?;
        }
        let SweepCounts {
            skipped,
            unsynced,
            settling,
            moved,
            ..
        } = self.counts;
        let in_force = marks::count_in_force(self.db).await?;
        self.counts.resources = in_force.saturating_sub(skipped + unsynced + settling + moved);
        Ok(true)
    }

    /// Compares the specs in scope, batch by batch.
    async fn compare_scope(&mut self, scope: &Scope, marks_left: bool) -> Result<()> {
        let mut next = read::batch(self.db, scope, None, Size::default()).await?;
        while let Some(batch) = next {
            let following = batch
                .last
                .map(|after| read_ahead(self.db, scope, after, batch.next));
            let gathered = gather::compare(self.db, batch).await?;
            self.compare_batch(gathered).await?;
            if marks_left {
                let left: Vec<Uuid> = std::mem::take(&mut self.left).into_iter().collect();
                marks::add(self.db, &left).await?;
            }
            (self.progress)(&self.counts);
            next = match following {
                Some(following) => following
                    .await
                    .map_err(|error| Error::Internal(format!("sweep: {error}")))??,
                None => None,
            };
        }
        Ok(())
    }

    /// Compares one batch. Pairs that other writers changed meanwhile are gathered again; those that keep changing are
    /// left to the next sweep.
    async fn compare_batch(&mut self, mut gathered: Gathered) -> Result<()> {
        for round in 1.. {
            let now = self.clock.now();
            let planned = plan(&gathered, now);
            self.nameless += gathered.nameless;
            self.left.extend(&planned.left);
            let applied = apply(self.db, &planned, now).await?;
            self.counts += applied.counts;
            if applied.moved.is_empty() {
                break;
            }
            if round == ROUNDS {
                self.counts.moved += applied.moved.len() as u64;
                self.left.extend(applied.moved);
                break;
            }
            match gather(self.db, &Scope::Resources(applied.moved), None).await? {
                Some(again) => gathered = again,
                None => break,
            }
        }
        Ok(())
    }
}

/// Reads the batch after `after` in a task of its own.
fn read_ahead(db: &Db, scope: &Scope, after: Uuid, size: Size) -> JoinHandle<Result<Option<Batch>>> {
    let (db, scope) = (db.clone(), scope.clone());
    tokio::spawn(async move { read::batch(&db, &scope, Some(after), size).await })
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

//! Sweeps: they compare all specs with their resources and update the drifts.
//!
//! A sweep handles batches in the order of resource ids. [`gather()`] reads and compares a batch without locks, [`plan()`]
//! decides what to change, and [`apply()`] locks the rows, reads their versions again and drops the pairs that have
//! changed. Dropped pairs are gathered again, for a few rounds. Two batches are gathered at the same time, while the
//! changes of earlier ones are written. No lock is held between transactions, so accepts, syncs and other sweeps can run
//! at the same time, and memory does not grow with the number of resources.

mod apply;
mod counts;
mod gather;
mod marks;
mod one;
mod parts;
mod plan;
mod read;
pub(crate) mod scope;
mod task;
mod write;

use std::collections::{BTreeSet, VecDeque};

use entity::cloud_resources;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

pub use self::apply::{Applied, apply};
pub use self::counts::SweepCounts;
pub(crate) use self::counts::SweepReport;
pub use self::gather::{Gathered, gather};
pub(crate) use self::marks::{add_in_txn as mark_in_txn, count_in_force, has_marked_changes};
pub(super) use self::one::compare_locked_in_txn;
use self::parts::{Part, Parts};
use self::plan::plan_on;
pub use self::plan::{Planned, plan};
use self::read::Size;
pub use self::scope::Scope;
use self::task::Task;
use self::write::Written;
use crate::clock::Clock;
use crate::db::Db;
use crate::domain::detection::Occasion;
use crate::error::{Error, Result};
use crate::services::{drift_rows, ignore_rules, snoozes};

/// Number of opened drifts after which the table of drifts is analyzed for the first time.
const MANY_OPENED: u64 = 1_000;
/// Number of batches that are read and compared at the same time. One connection cannot keep two cores busy.
const AT_ONCE: usize = 2;

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
    ignore_rules::end_expired(db, clock.now()).await?;
    snoozes::end_due(db, clock.now()).await?;
    let mut sweep = Sweep::over(db, clock, &mut progress);
    match scope {
        Scope::Resources(_) => sweep.compare_scope(scope, false).await?,
        Scope::All => {
            if !sweep.compare_marked().await? {
                let written = sweep.counts.written();
                sweep = Sweep::over(db, clock, &mut progress);
                sweep.counts = written;
                sweep.compare_everything().await?;
            }
        }
    }
    Ok(sweep.counts)
}

/// Compares the specs of resources, because an ignore rule has begun or ended. It does not count as a sweep for the
/// differences that wait until several sweeps have seen them.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn compare_with_new_rules(
    db: &Db,
    clock: &Clock,
    resources: Vec<Uuid>,
) -> Result<SweepCounts> {
    ignore_rules::end_expired(db, clock.now()).await?;
    snoozes::end_due(db, clock.now()).await?;
    let mut progress = |_: &SweepCounts| {};
    let mut sweep = Sweep::over(db, clock, &mut progress);
    sweep.occasion = Occasion::RULES;
    sweep.compare_scope(&Scope::Resources(resources), false).await?;
    Ok(sweep.counts)
}

/// A sweep in progress.
struct Sweep<'a> {
    db: &'a Db,
    clock: &'a Clock,
    progress: &'a mut (dyn FnMut(&SweepCounts) + Send),
    occasion: Occasion<'static>,
    counts: SweepCounts,
    /// Specs whose resource has an id that does not decode.
    nameless: u64,
    /// Resources of the last scope that could not be compared now.
    left: BTreeSet<Uuid>,
    /// Plans that are not written yet.
    planned: Planned,
    /// The task that writes earlier plans.
    writing: Option<Task<Written>>,
    /// Number of opened drifts after which the table of drifts is analyzed.
    analyze_at: u64,
}

impl<'a> Sweep<'a> {
    fn over(db: &'a Db, clock: &'a Clock, progress: &'a mut (dyn FnMut(&SweepCounts) + Send)) -> Self {
        Self {
            db,
            clock,
            progress,
            occasion: Occasion::Sweep,
            counts: SweepCounts::default(),
            nameless: 0,
            left: BTreeSet::new(),
            planned: Planned::default(),
            writing: None,
            analyze_at: MANY_OPENED,
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

    /// Compares the marked resources. Returns false if everything has to be compared instead.
    async fn compare_marked(&mut self) -> Result<bool> {
        let mut left = BTreeSet::new();
        let mut next = marks::read(self.db, 0, i64::MAX).await?;
        let mut end = None;
        loop {
            // This is checked after the marks were read, because another sweep may have deleted marks to compare
            // everything itself.
            if !marks::are_complete(self.db).await? {
                return Ok(false);
            }
            let Some(marked) = next.take() else {
                break;
            };
            if marked.is_damaged {
                return Ok(false);
            }
            // Marks of changes during the sweep are left to the next one, so that the sweep ends.
            let end = match end {
                Some(end) => end,
                None if marked.is_last => marked.last,
                None => match marks::last_of_few(self.db).await? {
                    Some(last) => *end.insert(last),
                    None => return Ok(false),
                },
            };
            let (last, is_last) = (marked.last, marked.is_last);
            let resources = marked.by_resource.keys().filter(|id| !left.contains(*id));
            let scope = Scope::Resources(resources.copied().collect());
            self.compare_scope(&scope, false).await?;
            left.append(&mut self.left);
            marked.delete(self.db, &left).await?;
            if is_last {
                break;
            }
            next = marks::read(self.db, last, end).await?;
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
        let compared = self.compare_batches(scope, marks_left).await;
        // Nothing is written after the sweep has ended, also if it failed.
        let written = self.finish_writing().await;
        compared.and(written)
    }

    async fn compare_batches(&mut self, scope: &Scope, marks_left: bool) -> Result<()> {
        let mut parts = Parts::of(scope);
        let mut size = Size::default();
        let mut comparing = VecDeque::new();
        loop {
            while comparing.len() < AT_ONCE {
                match parts.next(self.db, size).await? {
                    Some(part) => comparing.push_back(compare(self.db, part, size)),
                    None => break,
                }
            }
            let Some(compared) = comparing.pop_front() else {
                break;
            };
            let mut gathered = compared.done().await?;
            size = gathered.next;
            self.nameless += gathered.nameless;
            self.planned += plan_on(&gathered, self.occasion, self.clock.now());
            if let Some(rest) = gathered.rest.take() {
                parts.put_back(rest, size);
            }
            drop(gathered);
            if self.planned.is_huge() || (self.planned.is_large() && self.can_write()) {
                self.begin_writing(marks_left).await?;
            }
            (self.progress)(&self.counts);
        }
        // Not in the loop: the last part may have no row.
        self.begin_writing(marks_left).await?;
        self.finish_writing().await?;
        (self.progress)(&self.counts);
        Ok(())
    }

    /// Returns whether no earlier plans are being written.
    fn can_write(&self) -> bool {
        self.writing.as_ref().is_none_or(Task::is_done)
    }

    /// Writes the plans in a task, once earlier ones are written.
    async fn begin_writing(&mut self, marks_left: bool) -> Result<()> {
        self.finish_writing().await?;
        let planned = std::mem::take(&mut self.planned);
        let writing = write::write(
            self.db.clone(),
            self.clock.clone(),
            planned,
            self.occasion,
            marks_left,
        );
        self.writing = Some(Task::spawn(writing));
        Ok(())
    }

    /// Waits until earlier plans are written, and adds their counts.
    async fn finish_writing(&mut self) -> Result<()> {
        if let Some(writing) = self.writing.take() {
            let written = writing.done().await?;
            self.counts += written.counts;
            self.left.extend(written.left);
            self.nameless += written.nameless;
            if self.counts.opened >= self.analyze_at {
                self.analyze_at = self.counts.opened * 10;
                drift_rows::analyze(self.db).await;
            }
        }
        Ok(())
    }
}

/// Reads and compares a part in a task of its own.
fn compare(db: &Db, part: Part, size: Size) -> Task<Gathered> {
    let db = db.clone();
    Task::spawn(async move { gather::compare(&db, &part, size).await })
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

//! The second step of a sweep: decides what to change, without the database.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::read::Seen;
use super::{Gathered, SweepCounts};
use crate::domain::detection::{self, Occasion, Plan};
use entity::cloud_drift::{self, CloseReason};

/// Number of planned changes above which they are written.
const LARGE: usize = 500;
/// Number of planned changes above which they are written before others are planned.
const HUGE: usize = 1_500;
/// Bytes of the changed pairs above which they are written.
pub(super) const LARGE_BYTES: usize = 4 * 1024 * 1024;

/// The plans of some batches.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// Pairs whose plan changes a drift.
    pub(super) changing: Vec<Changing>,
    /// Counts of all other pairs, for which nothing has to be written.
    pub(super) done: SweepCounts,
    /// Resources that could not be compared now.
    pub(super) left: Vec<Uuid>,
}

/// A pair whose plan changes a drift, with the versions of the rows that its plan was made from.
#[derive(Clone, Debug)]
pub(super) struct Changing {
    pub(super) resource_id: Uuid,
    /// What is kept of its row; None if its version is not known, so that the pair counts as changed.
    pub(super) seen: Option<Seen>,
    /// Ids and revisions of the open drifts, sorted.
    pub(super) open: Vec<(Uuid, i32)>,
    pub(super) plan: Plan,
    /// Revision of the ignore rules that it was planned with.
    pub(super) rules: i64,
}

impl Changing {
    /// Returns the bytes of its texts.
    pub(super) fn bytes(&self) -> usize {
        self.seen.map_or(0, |seen| seen.bytes)
    }
}

/// Decides what a sweep changes for each pair of a batch.
pub fn plan(gathered: &Gathered, now: DateTime<Utc>) -> Planned {
    plan_on(gathered, Occasion::Sweep, now)
}

/// Decides what to change for each pair of a batch on this occasion.
pub(super) fn plan_on(gathered: &Gathered, occasion: Occasion<'_>, now: DateTime<Utc>) -> Planned {
    let mut planned = Planned {
        changing: Vec::new(),
        done: SweepCounts {
            skipped: gathered.skipped.len() as u64 + gathered.nameless,
            ..SweepCounts::default()
        },
        left: gathered.skipped.clone(),
    };
    for pair in &gathered.compared {
        // A pair of which a drift closes was read as values, because the reason depends on them.
        let plan = detection::plan_of(pair.compared.clone(), &pair.open, |_| {
            (CloseReason::NotCompared, None)
        });
        planned.add(pair.resource_id, plan, |plan| Changing {
            resource_id: pair.resource_id,
            seen: pair.seen,
            open: versions(&pair.open),
            plan,
            rules: gathered.rules.revision,
        });
    }
    for (seen, pair) in &gathered.pairs {
        let plan = detection::plan_on(pair, occasion, now);
        planned.add(pair.resource.id, plan, |plan| Changing {
            resource_id: pair.resource.id,
            seen: Some(*seen),
            open: versions(&pair.open),
            plan,
            rules: gathered.rules.revision,
        });
    }
    planned
        .changing
        .sort_unstable_by_key(|changing| changing.resource_id);
    planned
}

impl std::ops::AddAssign for Planned {
    fn add_assign(&mut self, more: Self) {
        self.changing.extend(more.changing);
        self.done += more.done;
        self.left.extend(more.left);
    }
}

impl Planned {
    /// Returns whether there are enough changes for a transaction.
    pub(super) fn is_large(&self) -> bool {
        self.changes() > LARGE || self.bytes() > LARGE_BYTES
    }

    /// Returns whether there are so many changes that no further batch should be planned before they are written.
    pub(super) fn is_huge(&self) -> bool {
        self.changes() > HUGE || self.bytes() > LARGE_BYTES
    }

    fn changes(&self) -> usize {
        let changes = self.changing.iter().map(|changing| changing.plan.changes.len());
        changes.sum()
    }

    fn bytes(&self) -> usize {
        self.changing.iter().map(Changing::bytes).sum()
    }

    fn add(&mut self, resource: Uuid, plan: Plan, changing: impl FnOnce(Plan) -> Changing) {
        if plan.unsynced || plan.settling || plan.waiting {
            self.left.push(resource);
        }
        if plan.changes.is_empty() {
            self.done += counts_of(&plan);
        } else {
            self.changing.push(changing(plan));
        }
    }
}

fn versions(open: &[cloud_drift::Model]) -> Vec<(Uuid, i32)> {
    let mut versions: Vec<_> = open.iter().map(|drift| (drift.id, drift.revision)).collect();
    versions.sort_unstable();
    versions
}

/// Returns the counts of one compared pair, without its changes.
pub(super) fn counts_of(plan: &Plan) -> SweepCounts {
    SweepCounts {
        unsynced: u64::from(plan.unsynced),
        settling: u64::from(plan.settling),
        resources: u64::from(!plan.unsynced && !plan.settling),
        fields_compared: plan.fields_compared,
        ..SweepCounts::default()
    }
}

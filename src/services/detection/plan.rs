//! The second step of a sweep: decides what to change, without the database.

use chrono::{DateTime, Utc};

use super::{Gathered, SweepCounts};
use crate::domain::detection::{self, Pair, Plan};

/// The plans of one batch.
#[derive(Clone, Debug)]
pub struct Planned<'g> {
    /// Pairs whose plan changes a drift.
    pub changing: Vec<(&'g Pair, Plan)>,
    /// Counts of all other pairs, for which nothing has to be written.
    pub done: SweepCounts,
}

/// Decides what to change for each pair of a batch.
pub fn plan(gathered: &Gathered, now: DateTime<Utc>) -> Planned<'_> {
    let mut done = SweepCounts {
        skipped: gathered.skipped,
        ..SweepCounts::default()
    };
    let mut changing = Vec::new();
    for pair in &gathered.pairs {
        let plan = detection::plan(pair, now);
        if plan.changes.is_empty() {
            done += counts_of(&plan);
        } else {
            changing.push((pair, plan));
        }
    }
    Planned { changing, done }
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

//! The counts of a sweep.

use entity::job_runs::JobOutcome;
use serde::{Deserialize, Serialize};

use crate::services::freshness::Freshness;

/// Counts of what a sweep compared and changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SweepCounts {
    /// Resources whose comparison is up to date: this sweep compared them, or nothing of theirs has changed since an
    /// earlier sweep did.
    pub resources: u64,
    /// Fields that this sweep compared.
    pub fields_compared: u64,
    /// Drifts that were opened.
    pub opened: u64,
    /// Open drifts whose expected or live value changed.
    pub changed: u64,
    /// Drifts that became stale.
    pub staled: u64,
    /// Differences that ignore rules keep out of the inbox since this sweep, or whose values changed.
    pub ignored: u64,
    /// Resources that were left out because one of their rows does not decode.
    pub skipped: u64,
    /// Resources that are unsynced.
    pub unsynced: u64,
    /// Resources that are settling, whose drifts are left unchanged.
    pub settling: u64,
    /// Resources that are left to the next sweep because other writers kept changing them.
    pub moved: u64,
}

/// The counts of a sweep as the row of its run stores them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SweepReport {
    /// Counts of what the sweep compared and changed.
    #[serde(flatten)]
    pub counts: SweepCounts,
    /// The freshness of the inventory that the sweep used.
    #[serde(flatten)]
    pub freshness: Freshness,
}

impl SweepCounts {
    /// Returns SUCCEEDED if everything in scope was compared, otherwise PARTIAL: a row that could not be read, a pair
    /// that kept changing or an unsynced resource may hide a drift.
    pub fn outcome(&self) -> JobOutcome {
        if self.skipped + self.moved + self.unsynced == 0 {
            JobOutcome::Succeeded
        } else {
            JobOutcome::Partial
        }
    }

    /// Returns only what was written.
    pub(super) fn written(&self) -> Self {
        Self {
            opened: self.opened,
            changed: self.changed,
            staled: self.staled,
            ignored: self.ignored,
            ..Self::default()
        }
    }

    /// Returns the number of resources with a spec in scope.
    pub fn looked_at(&self) -> u64 {
        self.resources + self.skipped + self.unsynced + self.settling + self.moved
    }

    /// Returns whether the sweep compared every resource in scope, and at least one. Only then does an empty inbox mean
    /// that nothing differs. A sweep that left out settling resources has SUCCEEDED nevertheless.
    pub(crate) fn compared_everything(&self) -> bool {
        self.resources > 0 && self.looked_at() == self.resources
    }
}

impl std::ops::AddAssign for SweepCounts {
    fn add_assign(&mut self, more: Self) {
        self.resources += more.resources;
        self.fields_compared += more.fields_compared;
        self.opened += more.opened;
        self.changed += more.changed;
        self.staled += more.staled;
        self.ignored += more.ignored;
        self.skipped += more.skipped;
        self.unsynced += more.unsynced;
        self.settling += more.settling;
        self.moved += more.moved;
    }
}

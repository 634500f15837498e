//! When the model vouches for the inbox.

use chrono::TimeDelta;

use super::operations::{KINDS, RESOURCES, Reading, kind_of};
use super::state::{Kind, Model, Time};
use super::values::{MODE, Spec};

/// The number of minutes after which a listing or a sweep is too old.
const MAX_AGE_MINUTES: i64 = 120;

impl Model {
    /// Returns whether the inventory is complete and recent, so far as specs in force need it.
    pub(super) fn inventory_is_vouched(&self) -> bool {
        let is_old = |at: Time| self.now - at > TimeDelta::minutes(MAX_AGE_MINUTES);
        let is_good = |kind: &usize| {
            let Kind {
                outcome,
                completed_at,
                mode_is_unread,
            } = &self.kinds[*kind];
            let names = |field: &usize| self.specs_of_kind(*kind).any(|spec| spec.contains_key(field));
            *outcome == Some(Reading::Complete)
                && completed_at.is_some_and(|at| !is_old(at))
                && !(*mode_is_unread && names(&MODE))
        };
        let with_specs = (0..KINDS.len()).filter(|kind| self.specs_of_kind(*kind).next().is_some());
        self.synced_at.is_some_and(|at| !is_old(at))
            && !self.last_sync_failed
            && with_specs.into_iter().all(|kind| is_good(&kind))
    }

    fn specs_of_kind(&self, kind: usize) -> impl Iterator<Item = &Spec> {
        let of_kind = (0..RESOURCES.len()).filter(move |resource| kind_of(*resource) == kind);
        of_kind.filter_map(|resource| self.in_force(resource))
    }

    /// Returns whether an empty inbox would mean that nothing differs; None if that is not known.
    pub(super) fn is_vouched(&self) -> Option<bool> {
        if self.sync_is_unknown || self.sweep_is_unknown {
            return None;
        }
        Some(
            self.inventory_is_vouched()
                && self.last_sweep.as_ref().is_some_and(|sweep| {
                    let is_recent = self.now - sweep.at <= TimeDelta::minutes(MAX_AGE_MINUTES);
                    sweep.succeeded && sweep.compared > 0 && sweep.settling == 0 && is_recent
                }),
        )
    }
}

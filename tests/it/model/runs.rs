//! What syncs and sweeps do to the model.

use super::comparison::Occasion;
use super::operations::{KINDS, RESOURCES, Reading, Visible, kind_of};
use super::state::{LastSweep, Live, Model, Stored, Time};
use super::steps::{Answer, Ended};
use super::values::{MODE, V};

impl Model {
    /// Ends what is due, and compares the resources.
    pub(super) fn compare_all(&mut self, resources: &[usize], occasion: &Occasion) {
        let now = self.now;
        let is_due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        for rule in 0..self.rules.len() {
            if !self.rules[rule].ended && is_due(self.rules[rule].expires_at) {
                self.rules[rule].ended = true;
                self.commit();
            }
        }
        for drift in 0..self.drifts.len() {
            if self.drifts[drift]
                .snooze
                .is_some_and(|snooze| is_due(snooze.until))
            {
                self.end_snooze(drift);
            }
        }
        self.commit();
        for resource in resources {
            self.compare(*resource, occasion);
        }
        self.commit();
    }

    pub(super) fn sweep(&mut self, only: Option<usize>) -> Answer {
        let is_vouched = self.inventory_is_vouched();
        if let Some(resource) = only {
            self.compare_all(&[resource], &Occasion::Sweep);
            return Answer::Run(Ended::Unknown);
        }
        self.compare_all(&(0..RESOURCES.len()).collect::<Vec<_>>(), &Occasion::Sweep);
        let in_force: Vec<usize> = (0..RESOURCES.len())
            .filter(|one| self.in_force(*one).is_some())
            .collect();
        let settling = in_force.iter().filter(|one| self.is_settling(**one)).count();
        self.last_sweep = Some(LastSweep {
            at: self.now,
            succeeded: is_vouched,
            compared: in_force.len() - settling,
            settling,
        });
        self.sweep_is_unknown = self.sync_is_unknown;
        self.commit();
        Answer::Run(match (self.sync_is_unknown, is_vouched) {
            (true, _) => Ended::Unknown,
            (false, true) => Ended::Succeeded,
            (false, false) => Ended::Partial,
        })
    }

    pub(super) fn sync(&mut self, fails: bool) -> Answer {
        self.sync_is_unknown = false;
        self.last_sync_failed = fails;
        if fails {
            self.commit();
            return Answer::Run(Ended::Failed);
        }
        self.listed = self.cloud.clone();
        let known: Vec<usize> = (0..KINDS.len()).filter(|kind| self.is_known(*kind)).collect();
        for kind in &known {
            self.kinds[*kind].outcome = Some(match self.reading[*kind] {
                Reading::NotReadable => Reading::NotReadable,
                _ => Reading::Incomplete,
            });
        }
        self.commit();
        let complete = known
            .iter()
            .copied()
            .filter(|kind| self.reading[*kind] == Reading::Complete);
        let complete: Vec<usize> = complete.collect();
        for kind in &complete {
            for resource in of_kind(*kind) {
                self.write(resource, Visible::Listed);
            }
            self.commit();
        }
        let mut missing: Vec<(usize, usize)> =
            complete.iter().map(|kind| (self.missing(*kind), *kind)).collect();
        missing.sort_by_key(|(missing, _)| *missing);
        let mut all = complete.len() == known.len();
        for (_, kind) in missing {
            all &= self.confirm(kind);
            all &= !self.mode_is_unread[kind];
        }
        let ended = match (all, complete.is_empty()) {
            (true, _) => Ended::Succeeded,
            (false, false) => Ended::Partial,
            (false, true) => Ended::Failed,
        };
        match ended {
            Ended::Failed => self.last_sync_failed = true,
            _ => self.synced_at = Some(self.now),
        }
        self.commit();
        Answer::Run(ended)
    }

    /// Returns whether a listing is about the kind.
    fn is_known(&self, kind: usize) -> bool {
        let is_listed = |one: usize| {
            self.cloud[one]
                .as_ref()
                .is_some_and(|one| one.visible == Visible::Listed)
        };
        self.reading[kind] != Reading::Complete
            || of_kind(kind).any(|resource| self.stored[resource].is_some() || is_listed(resource))
    }

    /// Returns how many resources a listing of the kind lacks.
    fn missing(&self, kind: usize) -> usize {
        of_kind(kind)
            .filter(|resource| self.is_missing(*resource))
            .count()
    }

    fn is_missing(&self, resource: usize) -> bool {
        let is_listed = self.cloud[resource]
            .as_ref()
            .is_some_and(|one| one.visible == Visible::Listed);
        self.stored[resource].as_ref().is_some_and(|stored| !stored.gone) && !is_listed
    }

    /// Asks for the missing resources of a kind, and completes it. Returns whether each was answered.
    fn confirm(&mut self, kind: usize) -> bool {
        let missing: Vec<usize> = of_kind(kind)
            .filter(|resource| self.is_missing(*resource))
            .collect();
        for resource in &missing {
            self.write(*resource, Visible::Confirmed);
        }
        self.commit();
        for resource in &missing {
            if self.cloud[*resource].is_none() {
                let stored = self.stored[*resource]
                    .as_mut()
                    .expect("a missing resource is stored");
                (stored.gone, stored.settling_since) = (true, None);
                self.note((*resource, "resource_gone", None, None));
            }
        }
        self.commit();
        let is_unclear = |one: &usize| {
            self.cloud[*one]
                .as_ref()
                .is_some_and(|one| one.visible == Visible::Unclear)
        };
        let all = !missing.iter().any(is_unclear);
        let row = &mut self.kinds[kind];
        row.outcome = Some(if all {
            Reading::Complete
        } else {
            Reading::Incomplete
        });
        row.completed_at = Some(self.now);
        row.mode_is_unread = self.mode_is_unread[kind];
        self.commit();
        all
    }

    /// Writes a resource into the inventory, if it is in the cloud and shown so.
    fn write(&mut self, resource: usize, visible: Visible) {
        let Some(one) = self.cloud[resource].clone().filter(|one| one.visible == visible) else {
            return;
        };
        let before = self.stored[resource].clone();
        let mut live = one.live;
        if self.mode_is_unread[kind_of(resource)] {
            live.fields[MODE] = before.as_ref().and_then(|before| before.live.fields[MODE]);
        }
        let what = match &before {
            Some(before) if !before.gone => {
                if is_same(&before.live, &live) && before.settling_since.is_some() == live.settling {
                    return;
                }
                "resource_changed"
            }
            _ => "resource_discovered",
        };
        let since = before.and_then(|before| before.settling_since);
        self.stored[resource] = Some(Stored {
            settling_since: live.settling.then(|| since.unwrap_or(self.now)),
            live,
            gone: false,
        });
        self.note((resource, what, None, None));
    }
}

fn of_kind(kind: usize) -> impl Iterator<Item = usize> {
    (0..RESOURCES.len()).filter(move |resource| kind_of(*resource) == kind)
}

fn is_same(a: &Live, b: &Live) -> bool {
    let meanings = |live: &Live| live.fields.map(|value| value.unwrap_or(V::NULL).meaning());
    meanings(a) == meanings(b)
}

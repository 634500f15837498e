//! How the model compares a resource with its spec.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::operations::kind_of;
use super::state::{Drift, Ignored, Model, Status};
use super::values::{Shown, V, WHOLE};

/// The number of minutes for which a resource may be settling.
const SETTLING_MINUTES: i64 = 30;

/// Something that differs.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) field: usize,
    pub(super) expected: Shown,
    pub(super) actual: V,
}

/// Why a resource is compared.
#[derive(Clone, Debug)]
pub(super) enum Occasion {
    Sweep,
    /// The accepts of these drifts were undone.
    Undo(usize),
    /// A rule has begun or ended.
    Rules,
}

impl Model {
    pub(super) fn is_settling(&self, resource: usize) -> bool {
        let Some(since) = self.stored[resource]
            .as_ref()
            .and_then(|stored| stored.settling_since)
        else {
            return false;
        };
        let listed = self.kinds[kind_of(resource)].completed_at;
        let last_seen = listed.map_or(since, |listed| listed.min(self.now));
        last_seen - since < TimeDelta::minutes(SETTLING_MINUTES)
    }

    /// Returns what differs from the spec in force.
    pub(super) fn findings(&self, resource: usize) -> Vec<Finding> {
        let Some(spec) = self.in_force(resource) else {
            return Vec::new();
        };
        if self.is_gone(resource) {
            return vec![Finding {
                field: WHOLE,
                expected: Shown::Spec(spec.clone()),
                actual: V::NULL,
            }];
        }
        let finding = |(field, expected): (&usize, &V)| {
            let actual = self.live(resource, *field);
            (expected.meaning() != actual.meaning()).then_some(Finding {
                field: *field,
                expected: Shown::Value(*expected),
                actual,
            })
        };
        spec.iter().filter_map(finding).collect()
    }

    /// Compares a resource with its spec.
    pub(super) fn compare(&mut self, resource: usize, occasion: &Occasion) {
        let settles = self.in_force(resource).is_some() && self.is_settling(resource);
        if self.specs[resource].is_empty() || settles {
            return;
        }
        let (mut ignored, mut differing) = (BTreeMap::new(), Vec::new());
        for finding in self.findings(resource) {
            match self.covered(resource, &finding, occasion) {
                Some(by) => _ = ignored.insert(finding.field, by),
                None => differing.push(finding),
            }
        }
        for drift in self.open() {
            let (of, field) = (self.drifts[drift].resource, self.drifts[drift].field);
            if of == resource && !differing.iter().any(|finding| finding.field == field) {
                match ignored.get(&field) {
                    Some(by) => self.close(drift, "ignored", Some(by.rule)),
                    None => self.close(drift, self.why_closed(drift), None),
                }
            }
        }
        for finding in differing {
            self.show(resource, finding, occasion);
        }
        self.ignore(resource, ignored, occasion);
    }

    fn why_closed(&self, drift: usize) -> &'static str {
        let Drift { resource, field, .. } = self.drifts[drift];
        let Some(spec) = self.in_force(resource) else {
            return "spec_retired";
        };
        if field == WHOLE {
            return "resource_returned";
        }
        if self.is_gone(resource) {
            return "resource_gone";
        }
        match spec.get(&field) {
            None => "field_removed",
            Some(expected) if !Shown::Value(*expected).means(&self.drifts[drift].expected) => "spec_changed",
            Some(_) => "healed",
        }
    }

    fn close(&mut self, drift: usize, reason: &'static str, rule: Option<usize>) {
        self.end_snooze(drift);
        let row = &mut self.drifts[drift];
        let was_put_back = ["healed", "resource_returned"].contains(&reason);
        match row.reverting.filter(|_| was_put_back) {
            Some(user) => {
                row.status = Status::Reverted;
                row.reason = Some("reverted");
                row.by = Some(user);
                self.note_drift(drift, "drift_reverted");
            }
            None => {
                row.status = Status::Stale;
                row.reason = Some(reason);
                row.closed_by_rule = rule;
                self.note_drift(drift, "drift_stale");
            }
        }
    }

    pub(super) fn end_snooze(&mut self, drift: usize) {
        if self.drifts[drift].snooze.take().is_some() {
            self.note_drift(drift, "snooze_ended");
        }
    }

    /// Opens a drift or updates the open one.
    fn show(&mut self, resource: usize, finding: Finding, occasion: &Occasion) {
        let Finding {
            field,
            expected,
            actual,
        } = finding;
        let Some(open) = self.open_of(resource, field) else {
            let before = self
                .drifts
                .iter()
                .filter(|drift| (drift.resource, drift.field) == (resource, field));
            let nth = before.count();
            self.drifts.push(Drift {
                resource,
                field,
                nth,
                expected,
                actual,
                revision: 1,
                status: Status::Open,
                reason: None,
                closed_by_rule: None,
                by: None,
                version: None,
                undone: None,
                snooze: None,
                reverting: None,
            });
            self.note_drift(self.drifts.len() - 1, "drift_detected");
            return;
        };
        let row = &mut self.drifts[open];
        let is_same_live = row.actual.meaning() == actual.meaning();
        if is_same_live && row.expected.means(&expected) {
            return;
        }
        (row.expected, row.actual) = (expected, actual);
        row.revision += 1;
        let ends = row.snooze.is_some_and(|snooze| snooze.until_change);
        // A decision of a user about the field does not end a snooze until the live value changes.
        let follows = match occasion {
            Occasion::Undo(undone) => self.drifts[*undone].field == field && is_same_live,
            Occasion::Sweep | Occasion::Rules => false,
        };
        if ends && !follows {
            self.end_snooze(open);
        }
        self.note_drift(open, "drift_changed");
    }

    /// Returns the rule that covers a difference.
    fn covered(&self, resource: usize, finding: &Finding, occasion: &Occasion) -> Option<Ignored> {
        let applying = self.rules.iter().enumerate().filter(|(_, rule)| {
            !rule.ended
                && rule.field == finding.field
                && rule.kind.is_none_or(|kind| kind == kind_of(resource))
                && rule.resource.is_none_or(|only| only == resource)
                && rule
                    .live
                    .is_none_or(|live| live.meaning() == finding.actual.meaning())
        });
        let (waiting, ignoring): (Vec<_>, Vec<_>) = applying.partition(|(_, rule)| rule.open_after.is_some());
        let by = |rule: usize, sweeps| Ignored {
            rule,
            expected: finding.expected.clone(),
            actual: finding.actual,
            sweeps,
        };
        if let Some((first, _)) = ignoring.first() {
            return Some(by(*first, None));
        }
        let (longest, rule) = waiting.into_iter().max_by_key(|(_, rule)| rule.open_after)?;
        if self.open_of(resource, finding.field).is_some() {
            return None;
        }
        let before = self
            .ignored
            .get(&(resource, finding.field))
            .and_then(|row| row.sweeps)
            .unwrap_or(0);
        // Only sweeps count.
        let sweeps = before + i32::from(matches!(occasion, Occasion::Sweep));
        let is_decided = match occasion {
            Occasion::Sweep | Occasion::Rules => false,
            Occasion::Undo(undone) => [WHOLE, finding.field].contains(&self.drifts[*undone].field),
        };
        // What is decided does not wait.
        (!is_decided && sweeps < rule.open_after?).then(|| by(longest, Some(sweeps)))
    }

    /// Brings the ignored differences of a resource up to date.
    fn ignore(&mut self, resource: usize, now: BTreeMap<usize, Ignored>, occasion: &Occasion) {
        self.ignored
            .retain(|(of, field), _| *of != resource || now.contains_key(field));
        for (field, by) in now {
            let row = self.ignored.get_mut(&(resource, field));
            if by.sweeps.is_some() && row.is_none() && !matches!(occasion, Occasion::Sweep) {
                continue;
            }
            match row.filter(|row| {
                row.rule == by.rule
                    && row.sweeps.is_some() == by.sweeps.is_some()
                    && row.expected.means(&by.expected)
                    && row.actual.meaning() == by.actual.meaning()
            }) {
                Some(row) => row.sweeps = by.sweeps,
                None => {
                    self.ignored.insert((resource, field), by);
                    self.note((resource, "difference_ignored", None, Some(field)));
                }
            }
        }
    }
}

//! What decisions do to the model.

use super::comparison::Occasion;
use super::operations::kind_of;
use super::state::{Model, Rule, Snooze, Status, Version};
use super::steps::Answer::{self, Done, Refused};
use super::values::{Shown, Spec, WHOLE};

impl Model {
    pub(super) fn accept(&mut self, user: usize, drift: usize, revision: Option<i32>, once: bool) -> Answer {
        if once && self.is_repeated(user, drift, revision) {
            return Done;
        }
        let row = self.drifts[drift].clone();
        if row.status != Status::Open {
            return Refused("ALREADY_RESOLVED");
        }
        let gone = self.is_gone(row.resource);
        let is_as_shown = match row.field {
            WHOLE => gone,
            field => !gone && self.live(row.resource, field).meaning() == row.actual.meaning(),
        };
        if !is_as_shown || revision.is_some_and(|seen| seen != row.revision) {
            self.refresh(drift);
            return Refused("LIVE_VALUE_MOVED");
        }
        let expected = self.in_force(row.resource).and_then(|spec| match row.field {
            WHOLE => Some(Shown::Spec(spec.clone())),
            field => spec.get(&field).copied().map(Shown::Value),
        });
        if expected.is_none_or(|expected| !expected.means(&row.expected)) {
            return Refused("SPEC_MOVED");
        }
        let mut next = self.specs[row.resource].last().expect("a spec in force").clone();
        next.by = user;
        if row.field == WHOLE {
            next.retired = true;
            self.ignored.retain(|(of, _), _| *of != row.resource);
            self.note((row.resource, "spec_retired", None, None));
        } else {
            next.spec.insert(row.field, self.live(row.resource, row.field));
        }
        self.specs[row.resource].push(next);
        self.end_snooze(drift);
        let version = self.version(row.resource);
        let row = &mut self.drifts[drift];
        row.status = Status::Accepted;
        row.reason = Some("accepted");
        row.by = Some(user);
        row.version = Some(version);
        self.note_drift(drift, "drift_accepted");
        Done
    }

    /// Returns whether an accept repeats one whose result still stands.
    fn is_repeated(&self, user: usize, drift: usize, revision: Option<i32>) -> bool {
        let row = &self.drifts[drift];
        let stands = match row.field {
            WHOLE => self.in_force(row.resource).is_none(),
            field => {
                let spec = self.in_force(row.resource);
                let expected = spec.and_then(|spec| spec.get(&field));
                expected.is_some_and(|expected| expected.meaning() == row.actual.meaning())
            }
        };
        row.status == Status::Accepted
            && row.by == Some(user)
            && revision == Some(row.revision)
            && row.undone.is_none()
            && row.version == Some(self.version(row.resource))
            && stands
    }

    /// Brings one drift up to date.
    fn refresh(&mut self, drift: usize) {
        let mut all = self.clone();
        all.compare(self.drifts[drift].resource, &Occasion::Sweep);
        self.drifts[drift] = all.drifts.swap_remove(drift);
        let of_drift = all
            .events
            .into_iter()
            .filter(|((_, _, of, _), _)| *of == Some(drift));
        self.events.extend(of_drift);
    }

    pub(super) fn undo(&mut self, user: usize, drift: usize) -> Answer {
        let row = self.drifts[drift].clone();
        if row.undone.is_some() {
            return Done;
        }
        let (Status::Accepted, Some(made)) = (row.status, row.version) else {
            return Refused("NOT_UNDOABLE");
        };
        let current = self.specs[row.resource]
            .last()
            .expect("the version that the accept made")
            .clone();
        let mut next = Version {
            by: user,
            ..current.clone()
        };
        if row.field == WHOLE {
            if !current.retired || self.version(row.resource) != made {
                return Refused("SPEC_MOVED");
            }
            next.retired = false;
            self.note((row.resource, "spec_recorded", None, None));
        } else {
            if current.retired || !self.still_accepted(drift, made) {
                return Refused("SPEC_MOVED");
            }
            match self.specs[row.resource][made as usize - 2].spec.get(&row.field) {
                Some(before) => _ = next.spec.insert(row.field, *before),
                None => _ = next.spec.remove(&row.field),
            }
        }
        self.specs[row.resource].push(next);
        self.drifts[drift].undone = Some(self.version(row.resource));
        self.note_drift(drift, "accept_undone");
        self.compare(row.resource, &Occasion::Undo(drift));
        Done
    }

    /// Returns whether each version since the accept has the accepted value, but for decisions that were undone.
    fn still_accepted(&self, drift: usize, made: i32) -> bool {
        let row = &self.drifts[drift];
        let versions = &self.specs[row.resource];
        let accepted = versions[made as usize - 1]
            .spec
            .get(&row.field)
            .map(|value| value.meaning());
        let has_it = |version: i32| {
            let Version { spec, retired, .. } = &versions[version as usize - 1];
            !retired && spec.get(&row.field).map(|value| value.meaning()) == accepted
        };
        let was_undone = |version: i32| {
            self.drifts.iter().any(|other| {
                let is_about_it = other.resource == row.resource && [row.field, WHOLE].contains(&other.field);
                let (Some(from), Some(to)) = (other.version, other.undone) else {
                    return false;
                };
                is_about_it && from > made && (from..to).contains(&version)
            })
        };
        let last = self.version(row.resource);
        has_it(last) && (made + 1..=last).all(|version| has_it(version) || was_undone(version))
    }

    pub(super) fn record(
        &mut self,
        user: usize,
        resource: usize,
        spec: &Spec,
        expected: Option<i32>,
    ) -> Answer {
        let current = self.in_force(resource).map_or(0, |_| self.version(resource));
        if expected.is_some_and(|expected| expected != current) {
            return Refused("SPEC_VERSION_CONFLICT");
        }
        self.specs[resource].push(Version {
            spec: spec.clone(),
            retired: false,
            by: user,
        });
        self.note((resource, "spec_recorded", None, None));
        Done
    }

    pub(super) fn retire(&mut self, user: usize, resource: usize, expected: i32) -> Answer {
        if expected < 1 {
            return Refused("BAD_USER_INPUT");
        }
        let Some(spec) = self
            .in_force(resource)
            .filter(|_| self.version(resource) == expected)
            .cloned()
        else {
            return Refused("SPEC_VERSION_CONFLICT");
        };
        self.specs[resource].push(Version {
            spec,
            retired: true,
            by: user,
        });
        self.note((resource, "spec_retired", None, None));
        self.compare(resource, &Occasion::Sweep);
        Done
    }

    pub(super) fn snooze(&mut self, drift: usize, revision: Option<i32>, snooze: Snooze) -> Answer {
        if snooze.until.is_none() && !snooze.until_change {
            return Refused("BAD_USER_INPUT");
        }
        let row = &mut self.drifts[drift];
        if row.status != Status::Open {
            return Refused("ALREADY_RESOLVED");
        }
        if revision.is_some_and(|seen| seen != row.revision) {
            return Refused("LIVE_VALUE_MOVED");
        }
        row.snooze = Some(snooze);
        self.note_drift(drift, "drift_snoozed");
        Done
    }

    pub(super) fn revert(&mut self, user: usize, drift: usize, is_reverting: bool) -> Answer {
        let row = &mut self.drifts[drift];
        if row.status != Status::Open {
            return Refused("ALREADY_RESOLVED");
        }
        let wanted = is_reverting.then_some(user);
        if row.reverting == wanted {
            return Done;
        }
        row.reverting = wanted;
        self.note_drift(
            drift,
            if is_reverting {
                "revert_marked"
            } else {
                "revert_unmarked"
            },
        );
        Done
    }

    /// Ends a rule and begins another one, and compares the resources that this may change.
    pub(super) fn change_rules(&mut self, end: Option<usize>, begin: Option<&Rule>) -> Answer {
        let mut affected = Vec::new();
        if let Some(rule) = end {
            if self.rules[rule].ended {
                self.commit();
                return if begin.is_some() {
                    Refused("BAD_USER_INPUT")
                } else {
                    Done
                };
            }
            self.rules[rule].ended = true;
            let field = self.rules[rule].field;
            affected.extend(
                self.ignored
                    .keys()
                    .filter(|(_, of)| *of == field)
                    .map(|(resource, _)| *resource),
            );
        }
        if let Some(rule) = begin {
            self.rules.push(rule.clone());
            let of_rule = |drift: &&usize| {
                let row = &self.drifts[**drift];
                row.field == rule.field
                    && rule.kind.is_none_or(|kind| kind == kind_of(row.resource))
                    && rule.resource.is_none_or(|only| only == row.resource)
            };
            affected.extend(
                self.open()
                    .iter()
                    .filter(of_rule)
                    .map(|drift| self.drifts[*drift].resource),
            );
        }
        self.commit();
        affected.sort_unstable();
        affected.dedup();
        if !affected.is_empty() {
            self.compare_all(&affected, &Occasion::Rules);
        }
        Done
    }
}

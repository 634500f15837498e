//! Finds what an operation names.

use chrono::TimeDelta;

use super::World;
use crate::model::operations::{Decision, NewRule, Op, Pick, Seen, Version};
use crate::model::state::{Rule, Snooze, Status};
use crate::model::steps::Step;

impl World {
    /// Returns the step of an operation on the server; None if it is another one, or names nothing.
    pub(super) fn step(&self, op: &Op) -> Option<Step> {
        match op {
            Op::Sync { fails } => Some(Step::Sync { fails: *fails }),
            Op::Sweep => Some(Step::Sweep(None)),
            Op::SweepOf(resource) => self.model.stored[*resource]
                .as_ref()
                .map(|_| Step::Sweep(Some(*resource))),
            Op::Decide(decision) => self.step_of(decision),
            _ => None,
        }
    }

    pub(super) fn step_of(&self, decision: &Decision) -> Option<Step> {
        let model = &self.model;
        Some(match decision {
            Decision::Accept {
                user,
                drift,
                seen,
                once,
            } => {
                let drift = self.pick(*drift)?;
                let revision = self.revision(drift, *seen)?;
                Step::Accept {
                    user: *user,
                    drift,
                    revision,
                    once: *once,
                }
            }
            Decision::Undo { user, drift } => {
                let accepted = |drift: &usize| model.drifts[*drift].status == Status::Accepted;
                let accepted: Vec<usize> = (0..model.drifts.len()).filter(accepted).collect();
                Step::Undo {
                    user: *user,
                    drift: nth(&accepted, *drift)?,
                }
            }
            Decision::Record {
                user,
                resource,
                spec,
                version,
            } => {
                model.stored[*resource].as_ref()?;
                let current = model.in_force(*resource).map_or(0, |_| model.version(*resource));
                let version = match version {
                    Version::Current => Some(current),
                    Version::Wrong => Some(current + 1),
                    Version::Unnamed => None,
                };
                Step::Record {
                    user: *user,
                    resource: *resource,
                    spec: spec.clone(),
                    version,
                }
            }
            Decision::Retire {
                user,
                resource,
                version,
            } => {
                model.stored[*resource].as_ref()?;
                let current = model.in_force(*resource).map_or(0, |_| model.version(*resource));
                let version = current + i32::from(matches!(version, Version::Wrong));
                Step::Retire {
                    user: *user,
                    resource: *resource,
                    version,
                }
            }
            Decision::Snooze {
                user,
                drift,
                seen,
                minutes,
                until_change,
            } => {
                let drift = self.pick(*drift)?;
                let revision = self.revision(drift, *seen)?;
                let until = minutes.map(|minutes| model.now + TimeDelta::minutes(minutes));
                let snooze = Snooze {
                    until,
                    until_change: *until_change,
                };
                Step::Snooze {
                    user: *user,
                    drift,
                    revision,
                    snooze,
                }
            }
            Decision::Unsnooze { user, drift } => Step::Unsnooze {
                user: *user,
                drift: self.pick(*drift)?,
            },
            Decision::Revert {
                user,
                drift,
                is_reverting,
            } => Step::Revert {
                user: *user,
                drift: self.pick(*drift)?,
                is_reverting: *is_reverting,
            },
            Decision::Ignore(rule) => Step::Ignore {
                user: 0,
                rule: self.rule(rule)?,
            },
            Decision::Replace { rule, by } => {
                let all: Vec<usize> = (0..model.rules.len()).collect();
                Step::Replace {
                    user: 1,
                    rule: nth(&all, *rule)?,
                    by: self.rule(by)?,
                }
            }
            Decision::EndRule { rule } => {
                let all: Vec<usize> = (0..model.rules.len()).collect();
                Step::EndRule {
                    user: 1,
                    rule: nth(&all, *rule)?,
                }
            }
        })
    }

    fn pick(&self, drift: Pick) -> Option<usize> {
        match drift {
            Pick::Open(place) => nth(&self.model.open(), place),
            Pick::Any(place) => nth(&(0..self.model.drifts.len()).collect::<Vec<_>>(), place),
        }
    }

    /// Returns the revision that a user names; None if the user has not read the drift.
    fn revision(&self, drift: usize, seen: Seen) -> Option<Option<i32>> {
        let current = self.model.drifts[drift].revision;
        Some(match seen {
            Seen::Current => Some(current),
            Seen::Read => Some(self.read.get(&drift)?.revision),
            Seen::Wrong => Some(current + 1),
            Seen::Unnamed => None,
        })
    }

    fn rule(&self, rule: &NewRule) -> Option<Rule> {
        if let Some(resource) = rule.resource {
            self.model.stored[resource].as_ref()?;
        }
        Some(Rule {
            field: rule.field,
            kind: rule.kind,
            resource: rule.resource,
            live: rule.live,
            open_after: rule.open_after,
            expires_at: rule
                .minutes
                .map(|minutes| self.model.now + TimeDelta::minutes(minutes)),
            ended: false,
        })
    }
}

fn nth(places: &[usize], place: usize) -> Option<usize> {
    places.get(place.checked_rem(places.len())?).copied()
}

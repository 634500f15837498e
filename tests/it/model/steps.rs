//! The operations on the server, and their answers.

use super::state::{Model, Rule, Snooze};
use super::values::Spec;

/// An operation on the server, with what it names resolved.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Sync {
        fails: bool,
    },
    /// Compares one resource, or everything.
    Sweep(Option<usize>),
    Accept {
        user: usize,
        drift: usize,
        revision: Option<i32>,
        once: bool,
    },
    Undo {
        user: usize,
        drift: usize,
    },
    Record {
        user: usize,
        resource: usize,
        spec: Spec,
        version: Option<i32>,
    },
    Retire {
        user: usize,
        resource: usize,
        version: i32,
    },
    Snooze {
        user: usize,
        drift: usize,
        revision: Option<i32>,
        snooze: Snooze,
    },
    Unsnooze {
        user: usize,
        drift: usize,
    },
    Revert {
        user: usize,
        drift: usize,
        is_reverting: bool,
    },
    Ignore {
        user: usize,
        rule: Rule,
    },
    Replace {
        user: usize,
        rule: usize,
        by: Rule,
    },
    EndRule {
        user: usize,
        rule: usize,
    },
}

/// The answer to an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    /// It is refused with this code.
    Refused(&'static str),
    /// The run ended so.
    Run(Ended),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Succeeded,
    Partial,
    Failed,
    /// It was killed before, so its outcome is not known.
    Unknown,
}

use Answer::Done;

impl Model {
    /// Does an operation.
    pub(super) fn run(&mut self, step: &Step) -> Answer {
        let answer = match step {
            Step::Sync { fails } => return self.sync(*fails),
            Step::Sweep(only) => return self.sweep(*only),
            Step::Accept {
                user,
                drift,
                revision,
                once,
            } => self.accept(*user, *drift, *revision, *once),
            Step::Undo { user, drift } => self.undo(*user, *drift),
            Step::Record {
                user,
                resource,
                spec,
                version,
            } => self.record(*user, *resource, spec, *version),
            Step::Retire {
                user,
                resource,
                version,
            } => self.retire(*user, *resource, *version),
            Step::Snooze {
                drift,
                revision,
                snooze,
                ..
            } => self.snooze(*drift, *revision, *snooze),
            Step::Unsnooze { drift, .. } => {
                self.end_snooze(*drift);
                Done
            }
            Step::Revert {
                user,
                drift,
                is_reverting,
            } => self.revert(*user, *drift, *is_reverting),
            Step::Ignore { rule, .. } => return self.change_rules(None, Some(rule)),
            Step::Replace { rule, by, .. } => return self.change_rules(Some(*rule), Some(by)),
            Step::EndRule { rule, .. } => return self.change_rules(Some(*rule), None),
        };
        self.commit();
        answer
    }
}

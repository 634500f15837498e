//! Ignore rules: they decide which differences open no drift.
//!
//! A rule covers one field of the resources in its scope, wholly or only the part below a JSON Pointer, and optionally
//! only for some values. Several rules may cover one difference together, each a part of it. What remains after all
//! covered parts are left out of both values is compared as always.

mod definition;
mod file;
mod pointer;

use entity::cloud_resources;
use serde_json::Value;
use uuid::Uuid;

pub use self::definition::{Between, Definition, FieldValue, MAX_LIVE_VALUES};
pub use self::file::{FileRule, parse as parse_file};
pub(crate) use self::pointer::removed;
use self::pointer::{part, path};
use super::not_compared::NotCompared;

/// A rule in force.
#[derive(Clone, Debug, PartialEq)]
pub struct IgnoreRule {
    /// Its id.
    pub id: Uuid,
    /// What it covers.
    pub definition: Definition,
}

/// The rules in force at one revision, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IgnoreRules {
    /// Number that rises whenever a rule begins or ends; 0 if there never was a rule.
    pub revision: i64,
    /// The rules.
    pub rules: Vec<IgnoreRule>,
}

/// A difference of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldDifference<'v> {
    pub(crate) field: &'v str,
    pub(crate) expected: &'v Value,
    pub(crate) actual: &'v Value,
}

impl IgnoreRules {
    /// Returns whether a rule may cover a difference of this field of a resource of this kind.
    pub(crate) fn may_cover(&self, kind: &str, field: &str) -> bool {
        let may_cover = |rule: &IgnoreRule| rule.definition.may_cover(kind, field);
        self.rules.iter().any(may_cover)
    }

    /// Returns the rules without those that only make differences wait.
    pub(crate) fn without_delays(mut self) -> Self {
        self.rules
            .retain(|rule| rule.definition.open_after_sweeps.is_none());
        self
    }

    /// Returns the rule that covers a difference; None if it opens a drift. If several rules cover it together, the last
    /// one that was needed is returned. Rules that only make a difference wait count if the others do not cover it; of
    /// several such rules of a whole field, the longest wait counts. `open` are the parts that the spec leaves open.
    pub(crate) fn covering(
        &self,
        resource: &cloud_resources::Model,
        open: &NotCompared,
        difference: FieldDifference<'_>,
    ) -> Option<Covered> {
        let applying = self.rules.iter();
        let applying = applying.filter(|rule| rule.definition.applies(resource, difference));
        let (delaying, ignoring): (Vec<&IgnoreRule>, Vec<&IgnoreRule>) =
            applying.partition(|rule| rule.definition.open_after_sweeps.is_some());
        let is_of_whole = |rule: &&&IgnoreRule| rule.definition.pointer.is_none();
        let longest = || {
            delaying
                .iter()
                .filter(is_of_whole)
                .max_by_key(|rule| rule.definition.open_after_sweeps)
        };
        if let Some(rule) = ignoring.iter().find(is_of_whole) {
            return Some(Covered::by(rule));
        }
        let FieldDifference {
            field,
            expected,
            actual,
        } = difference;
        let mut left_out = open.clone();
        let mut needed = |rule: &&IgnoreRule| {
            left_out.add(field, path(rule.definition.pointer.as_deref()?));
            left_out
                .are_equal(field, expected, actual)
                .then(|| Covered::by(rule))
        };
        let by_ignoring = ignoring.iter().find_map(&mut needed);
        by_ignoring
            .or_else(|| longest().map(|rule| Covered::by(rule)))
            .or_else(|| delaying.iter().find_map(needed))
    }
}

/// The rule that covers a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Covered {
    /// Its id.
    pub(crate) rule: Uuid,
    /// The number of sweeps in a row after which the difference opens a drift nevertheless; None if it is ignored.
    pub(crate) open_after_sweeps: Option<i32>,
}

impl Covered {
    fn by(rule: &IgnoreRule) -> Self {
        Self {
            rule: rule.id,
            open_after_sweeps: rule.definition.open_after_sweeps,
        }
    }
}

/// Returns the part of a value that a rule is about; None if it is members of a list.
fn part_of<'v>(definition: &Definition, value: &'v Value) -> Option<&'v Value> {
    definition
        .pointer
        .as_deref()
        .map_or(Some(value), |pointer| part(value, pointer))
}

#[cfg(test)]
mod tests;

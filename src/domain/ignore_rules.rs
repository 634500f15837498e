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

    /// Returns the rule that covers a difference; None if it opens a drift. If several rules cover it together, the last
    /// one that was needed is returned. `open` are the parts that the spec leaves open.
    pub(crate) fn covering(
        &self,
        resource: &cloud_resources::Model,
        open: &NotCompared,
        difference: FieldDifference<'_>,
    ) -> Option<Uuid> {
        let applying: Vec<&IgnoreRule> = self
            .rules
            .iter()
            .filter(|rule| rule.definition.applies(resource, difference))
            .collect();
        let of_whole = applying.iter().find(|rule| rule.definition.pointer.is_none());
        if let Some(rule) = of_whole {
            return Some(rule.id);
        }
        let FieldDifference {
            field,
            expected,
            actual,
        } = difference;
        let mut left_out = open.clone();
        applying.iter().find_map(|rule| {
            left_out.add(field, path(rule.definition.pointer.as_deref()?));
            left_out.are_equal(field, expected, actual).then_some(rule.id)
        })
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

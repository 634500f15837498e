//! The changes inside a drifted field: the values that were added, removed or changed.
//!
//! [`changes`] returns no change if and only if the two values are loosely equal: a list is compared as a set, and
//! unset keys do not count. List members with the same name on both sides, such as the services of an app, are
//! compared with each other. Long texts are compared line by line.

use std::collections::{BTreeMap, BTreeSet};

use entity::cloud_drift::{self, DriftKind, DriftStatus};
use entity::cloud_provisioned;
use serde_json::{Map, Value};
use similar::{Algorithm, DiffTag, capture_diff_slices};

use super::detection::value_or_null;
use super::equality::{Canonical, canonical, is_unset, loosely_equal};
use super::not_compared::NotCompared;
use super::redaction;

/// Maximum number of changes of one field.
pub(crate) const MAX_CHANGES: usize = 200;

/// Texts longer than this many characters, or with more than one line, are compared line by line.
const LONG_TEXT: usize = 120;

/// Maximum effort of a comparison line by line: the number of lines of one text times that of the other. Above it,
/// the shortest edit is not computed: all lines between the common start and the common end count as removed and added.
const MAX_LINE_PAIRS: usize = 4_000_000;

const NULL: &Value = &Value::Null;

/// Keys that identify a list member in any cloud, in order of preference.
const NAMES: [&str; 5] = ["name", "id", "uuid", "key", "slug"];

/// Additional keys of a provider that identify a list member. The keys for any cloud are tried first.
#[derive(Clone, Copy, Debug)]
pub struct MemberNames {
    /// Keys that identify a member alone, in order of preference.
    pub single: &'static [&'static str],
    /// Pairs of keys that identify a member together.
    pub pairs: &'static [[&'static str; 2]],
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Set in the live value only.
    Added,
    /// Set in the expected value only.
    Removed,
    /// Set in both, with different values.
    Changed,
}

/// One value inside a field that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueChange {
    /// Path inside the field, such as `services[web].instance_count`. A path that ends in `[]` means a member of
    /// the list. Empty if the field itself differs.
    pub path: String,
    /// Line number, from 1, if the change is one line of a text. It counts lines of the expected text for a removed
    /// line, and of the live text for an added line.
    pub line: Option<usize>,
    /// Whether it was added, removed or changed.
    pub kind: ChangeKind,
    /// The expected value; null if it was added.
    pub before: Value,
    /// The live value; null if it was removed.
    pub after: Value,
}

/// The changes of one field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// The first `MAX_CHANGES` changes.
    pub list: Vec<ValueChange>,
    /// Whether there are more changes.
    pub truncated: bool,
}

/// Returns the changes inside a drifted field; none for a missing resource. If the drift is open, parts that are not
/// compared are left out.
pub fn changes_of(
    drift: &cloud_drift::Model,
    spec: Option<&cloud_provisioned::Model>,
    names: &MemberNames,
) -> Changes {
    if drift.kind == DriftKind::Missing {
        return Changes::default();
    }
    if redaction::hides(drift.expected.as_ref(), drift.actual.as_ref()) {
        return Changes::default();
    }
    let spec = spec.filter(|_| drift.status == DriftStatus::Open);
    let not_compared = spec.map(NotCompared::of).unwrap_or_default();
    let values = [value_or_null(&drift.expected), value_or_null(&drift.actual)];
    compared_changes(&drift.field, values, &not_compared, names)
}

/// Compares the expected and the live value of a field without the parts that are not compared.
pub(crate) fn compared_changes(
    field: &str,
    [expected, actual]: [&Value; 2],
    not_compared: &NotCompared,
    names: &MemberNames,
) -> Changes {
    changes(
        &not_compared.compared_part(field, expected),
        &not_compared.compared_part(field, actual),
        names,
    )
}

/// Compares the expected and the live value of a field.
pub fn changes(expected: &Value, actual: &Value, names: &MemberNames) -> Changes {
    let mut comparison = Comparison {
        found: Changes::default(),
        names,
    };
    comparison.compare("", expected, actual);
    comparison.found
}

/// The state of a comparison.
struct Comparison<'n> {
    found: Changes,
    names: &'n MemberNames,
}

impl Comparison<'_> {
    fn push(&mut self, path: &str, kind: ChangeKind, before: &Value, after: &Value) {
        if self.found.list.len() == MAX_CHANGES {
            self.found.truncated = true;
            return;
        }
        self.found.list.push(ValueChange {
            path: path.to_owned(),
            line: None,
            kind,
            before: before.clone(),
            after: after.clone(),
        });
    }

    fn compare(&mut self, path: &str, before: &Value, after: &Value) {
        if self.found.truncated || loosely_equal(before, after) {
            return;
        }
        let (no_map, no_list) = (Map::new(), Vec::new());
        match (before, after) {
            (Value::Object(before), Value::Object(after)) => self.compare_maps(path, before, after),
            (Value::Object(before), after) if is_unset(after) => self.compare_maps(path, before, &no_map),
            (before, Value::Object(after)) if is_unset(before) => self.compare_maps(path, &no_map, after),
            (Value::Array(before), Value::Array(after)) => self.compare_lists(path, before, after),
            (Value::Array(before), after) if is_unset(after) => self.compare_lists(path, before, &no_list),
            (before, Value::Array(after)) if is_unset(before) => self.compare_lists(path, &no_list, after),
            (before, after) if is_unset(before) => self.push(path, ChangeKind::Added, NULL, after),
            (before, after) if is_unset(after) => self.push(path, ChangeKind::Removed, before, NULL),
            (Value::String(before), Value::String(after)) if is_long(before) || is_long(after) => {
                self.compare_texts(path, before, after);
            }
            (before, after) => self.push(path, ChangeKind::Changed, before, after),
        }
    }

    fn compare_maps(&mut self, path: &str, before: &Map<String, Value>, after: &Map<String, Value>) {
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            let (before, after) = (before.get(key).unwrap_or(NULL), after.get(key).unwrap_or(NULL));
            self.compare(&path, before, after);
        }
    }

    fn compare_lists(&mut self, path: &str, before: &[Value], after: &[Value]) {
        let names = self.names;
        let (removed, added) = unshared_members(before, after);
        let (names_before, names_after) = (names.by_name(&removed), names.by_name(&added));
        let mut paired = BTreeSet::new();
        for (name, before) in names_before {
            if let Some(after) = names_after.get(&name) {
                self.compare(&format!("{path}[{name}]"), before, after);
                paired.insert(name);
            }
        }
        let unpaired = |member: &&&Value| names.name_of(member).is_none_or(|name| !paired.contains(&name));
        let path = format!("{path}[]");
        for member in removed.iter().filter(unpaired) {
            self.push(&path, ChangeKind::Removed, member, NULL);
        }
        for member in added.iter().filter(unpaired) {
            self.push(&path, ChangeKind::Added, NULL, member);
        }
    }

    fn compare_texts(&mut self, path: &str, before: &str, after: &str) {
        let (old, new): (Vec<&str>, Vec<&str>) = (before.split('\n').collect(), after.split('\n').collect());
        for (of_old, of_new) in edits(&old, &new) {
            for (number, line) in numbered(&old, of_old) {
                self.push(path, ChangeKind::Removed, &line.into(), NULL);
                self.set_line(number);
            }
            for (number, line) in numbered(&new, of_new) {
                self.push(path, ChangeKind::Added, NULL, &line.into());
                self.set_line(number);
            }
        }
    }

    /// Sets the line number of the change that was pushed last.
    fn set_line(&mut self, number: usize) {
        if let Some(last) = self.found.list.last_mut().filter(|_| !self.found.truncated) {
            last.line = Some(number);
        }
    }
}

fn is_long(text: &str) -> bool {
    text.contains('\n') || text.chars().nth(LONG_TEXT).is_some()
}

/// Returns the members that only the first list has and those that only the second has, without duplicates.
fn unshared_members<'v>(before: &'v [Value], after: &'v [Value]) -> (Vec<&'v Value>, Vec<&'v Value>) {
    let forms = |list: &[Value]| -> BTreeSet<Canonical> { list.iter().map(canonical).collect() };
    let (forms_before, forms_after) = (forms(before), forms(after));
    let only_in = |list: &'v [Value], others: &BTreeSet<Canonical>| -> Vec<&'v Value> {
        let mut seen = BTreeSet::new();
        list.iter()
            .filter(|member| {
                let form = canonical(member);
                !others.contains(&form) && seen.insert(form)
            })
            .collect()
    };
    (only_in(before, &forms_after), only_in(after, &forms_before))
}

impl MemberNames {
    /// Returns the members with a unique name, by name.
    fn by_name<'v>(&self, members: &[&'v Value]) -> BTreeMap<String, &'v Value> {
        let mut found = BTreeMap::new();
        let mut ambiguous = BTreeSet::new();
        for &member in members {
            let Some(name) = self.name_of(member) else {
                continue;
            };
            if found.insert(name.clone(), member).is_some() {
                ambiguous.insert(name);
            }
        }
        found.retain(|name, _| !ambiguous.contains(name));
        found
    }

    /// Returns the name of a list member: the values of the keys that identify it.
    fn name_of(&self, member: &Value) -> Option<String> {
        let member = member.as_object()?;
        let text = |key: &&str| match member.get(*key)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let pair = |[first, second]: &[&str; 2]| Some(format!("{} {}", text(first)?, text(second)?));
        let single = NAMES.iter().chain(self.single).find_map(text);
        single.or_else(|| self.pairs.iter().find_map(pair))
    }
}

type Lines = std::ops::Range<usize>;

/// Returns the ranges of lines that differ, in the old and in the new text.
fn edits(old: &[&str], new: &[&str]) -> Vec<(Lines, Lines)> {
    let start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old_rest, new_rest) = (old.len() - start, new.len() - start);
    if old_rest.saturating_mul(new_rest) > MAX_LINE_PAIRS {
        let ends = old.iter().rev().zip(new.iter().rev());
        let end = ends.take_while(|(old, new)| old == new).count();
        let end = end.min(old_rest).min(new_rest);
        return vec![(start..old.len() - end, start..new.len() - end)];
    }
    // The library may return a wrong start for an empty range, so the starts are computed from the lengths.
    let (mut at_old, mut at_new) = (0, 0);
    let mut found = Vec::new();
    for edit in capture_diff_slices(Algorithm::Myers, old, new) {
        let ranges = (
            at_old..at_old + edit.old_range().len(),
            at_new..at_new + edit.new_range().len(),
        );
        (at_old, at_new) = (ranges.0.end, ranges.1.end);
        if edit.tag() != DiffTag::Equal {
            found.push(ranges);
        }
    }
    found
}

fn numbered<'t>(lines: &[&'t str], range: Lines) -> impl Iterator<Item = (usize, &'t str)> {
    let of_range = lines.get(range.clone()).unwrap_or_default();
    (range.start + 1..).zip(of_range.to_vec())
}

#[cfg(test)]
mod tests;

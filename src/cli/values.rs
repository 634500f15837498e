//! Formats the expected and the live value of a drift for two columns of a table.

use std::collections::BTreeMap;

use entity::cloud_drift::{self, DriftKind};
use serde_json::{Map, Value};

use crate::domain::changes::{ChangeKind, Changes, ValueChange};
use crate::domain::compare::SCHEMA_FIELDS;
use crate::domain::detection::value_or_null;
use crate::domain::equality::is_unset;
use crate::domain::redaction::{hides, shown};

/// Text for an unset value.
const UNSET: &str = "(unset)";
/// Text for a secret value.
const REDACTED: &str = "(secret)";
/// Text for the live value of a missing resource.
const MISSING: &str = "missing";

/// Returns the expected and the live value of a drift, reduced to their differences.
pub(super) fn columns(drift: &cloud_drift::Model, changes: &Changes) -> (String, String) {
    if hides(drift.expected.as_ref(), drift.actual.as_ref()) {
        return (REDACTED.to_owned(), REDACTED.to_owned());
    }
    let expected = &*shown(value_or_null(&drift.expected));
    if drift.kind == DriftKind::Missing {
        return (schema_fields_first(expected), MISSING.to_owned());
    }
    let (before, after): (Vec<_>, Vec<_>) = changes.list.iter().map(cells).unzip();
    let before: Vec<String> = before.into_iter().flatten().collect();
    // If members were only added, no part of the expected value differs: the whole value is shown.
    let before = if before.is_empty() {
        text(expected)
    } else {
        before.join(", ")
    };
    let more = if changes.truncated { ", ..." } else { "" };
    (before, after.join(", ") + more)
}

/// Returns the expected and the live part of one change. The expected part is `None` for an added member.
fn cells(change: &ValueChange) -> (Option<String>, String) {
    let (before, after) = (text(&change.before), text(&change.after));
    let place = match (change.line, change.path.strip_suffix("[]")) {
        (Some(line), _) => format!("{}:{line}", change.path),
        (None, Some(list)) => list.to_owned(),
        (None, None) if change.path.is_empty() => return (Some(before), after),
        (None, None) => {
            let path = &change.path;
            return (Some(format!("{path}={before}")), format!("{path}={after}"));
        }
    };
    let of_place = |sign: &str, value: &str| {
        let words = [place.as_str(), sign, value];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        words.join(" ")
    };
    match change.kind {
        ChangeKind::Removed => (Some(of_place("", &before)), of_place("-", &before)),
        _ => (None, of_place("+", &after)),
    }
}

/// Formats a spec with the schema fields first, because they are the most informative and the end may be truncated.
fn schema_fields_first(spec: &Value) -> String {
    let Some(spec) = spec.as_object() else {
        return text(spec);
    };
    let mut fields: Vec<(&String, &Value)> = spec.iter().filter(|(_, value)| !is_unset(value)).collect();
    let rank = |name: &str| SCHEMA_FIELDS.iter().position(|field| *field == name);
    fields.sort_by_key(|(name, _)| rank(name).unwrap_or(SCHEMA_FIELDS.len()));
    let fields: Vec<String> = fields
        .into_iter()
        .map(|(name, value)| format!("{name}={}", text(value)))
        .collect();
    fields.join(" ")
}

/// Formats a value on one line.
fn text(value: &Value) -> String {
    match value {
        value if is_unset(value) => UNSET.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(members) => members.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Object(map) => pairs(map),
        scalar => scalar.to_string(),
    }
}

/// Formats every value in a map with its path, except unset ones.
fn pairs(map: &Map<String, Value>) -> String {
    let mut found = BTreeMap::new();
    collect(map, "", &mut found);
    let pairs: Vec<String> = found
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(" ")
}

fn collect(map: &Map<String, Value>, path: &str, found: &mut BTreeMap<String, String>) {
    for (key, value) in map.iter().filter(|(_, value)| !is_unset(value)) {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        match value {
            Value::Object(inner) => collect(inner, &path, found),
            value => _ = found.insert(path, text(value)),
        }
    }
}

#[cfg(test)]
mod tests;

//! Explains the comparison of one field: what was compared, and what decided.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::compare::{is_known, live_value};
use super::detection::{Pair, WHOLE_RESOURCE, is_settling, is_unsynced};
use super::equality::{canonical, number_text};
use super::ignore_rules::{Covered, FieldDifference};
use super::inventory::PROJECT_ID;
use super::not_compared::NotCompared;

/// What decided about a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No spec was ever recorded for the resource.
    NoSpec,
    /// The spec is retired.
    Retired,
    /// No listing has contained the resource yet.
    Unsynced,
    /// The resource is settling.
    Settling,
    /// The resource is gone.
    Gone,
    /// The question is about the whole resource, which exists.
    Exists,
    /// The spec does not name the field.
    NotInSpec,
    /// The live value could not be read.
    NotReadable,
    /// The values are equal.
    Equal,
    /// The values are equal without the parts that the spec leaves open.
    EqualWithoutOpenParts,
    /// The values differ, and an ignore rule covers the difference.
    Ignored,
    /// The values differ, and a rule makes the difference wait until more sweeps have seen it.
    Waiting,
    /// The values differ.
    Different,
}

/// Where a live value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A schema field.
    SchemaField,
    /// An attribute.
    Attribute,
}

/// A rule without which two equal values would differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalization {
    /// A list is compared as a set.
    ListsAsSets,
    /// A number or a boolean is compared as text.
    ScalarsAsText,
    /// Null, an empty text, an empty list, an empty map and a missing key are equal.
    UnsetForms,
}

/// The comparison of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// What decided.
    pub verdict: Verdict,
    /// Expected value; None if the spec does not name the field.
    pub expected: Option<Value>,
    /// Live value; None if neither a schema field nor an attribute has it.
    pub actual: Option<Value>,
    /// Where the live value comes from.
    pub origin: Option<Origin>,
    /// The parts of the field that the spec leaves open.
    pub not_compared: Vec<String>,
    /// The ignore rule that covers the difference.
    pub rule: Option<Uuid>,
    /// The canonical form of the compared part of the expected value.
    pub expected_form: Value,
    /// The canonical form of the compared part of the live value.
    pub actual_form: Value,
    /// The rules without which the compared parts would differ; empty if they differ, or are the same.
    pub normalizations: Vec<Normalization>,
}

/// Explains the comparison of a field. `*` is the whole resource. `has_spec` is false if no spec was ever recorded.
pub fn explain(pair: &Pair, has_spec: bool, field: &str, now: DateTime<Utc>) -> Explanation {
    let resource = &pair.resource;
    let not_compared = NotCompared::of(&pair.spec);
    let expected = pair.spec.spec.get(field).filter(|_| has_spec);
    let actual = live_value(resource, field);
    let none = Value::Null;
    let sides = [expected.unwrap_or(&none), actual.as_deref().unwrap_or(&none)];
    let compared = sides.map(|side| not_compared.compared_part(field, side));
    let are_equal = canonical(&compared[0]) == canonical(&compared[1]);
    let undecided = undecided(pair, has_spec, field, now);
    let covered = match undecided {
        None if !are_equal => covering(pair, &not_compared, field, sides),
        _ => None,
    };
    let is_waiting = covered.is_some_and(|covered| covered.open_after_sweeps.is_some());
    let verdict = match undecided {
        None if is_waiting => Verdict::Waiting,
        None if covered.is_some() => Verdict::Ignored,
        Some(verdict) => verdict,
        None if !are_equal => Verdict::Different,
        None if canonical(sides[0]) == canonical(sides[1]) => Verdict::Equal,
        None => Verdict::EqualWithoutOpenParts,
    };
    let prefixed = |text: &String| {
        text.strip_prefix(field)
            .is_some_and(|rest| rest.starts_with(['.', '[']))
    };
    Explanation {
        verdict,
        origin: origin(pair, field, actual.as_ref()),
        not_compared: not_compared.texts().into_iter().filter(prefixed).collect(),
        expected_form: form(&compared[0], None),
        actual_form: form(&compared[1], None),
        rule: covered.map(|covered| covered.rule),
        normalizations: match are_equal {
            true => needed(&compared[0], &compared[1]),
            false => Vec::new(),
        },
        expected: expected.cloned(),
        actual: actual.map(Cow::into_owned),
    }
}

/// Returns the ignore rule that covers a difference of the field. A difference with an open drift does not wait.
fn covering(
    pair: &Pair,
    open: &NotCompared,
    field: &str,
    [expected, actual]: [&Value; 2],
) -> Option<Covered> {
    let difference = FieldDifference {
        field,
        expected,
        actual,
    };
    let covered = pair.rules.covering(&pair.resource, open, difference)?;
    let is_open = pair.open.iter().any(|drift| drift.field == field);
    (covered.open_after_sweeps.is_none() || !is_open).then_some(covered)
}

/// Returns why the values of a field are not compared now; None if they are. The order is that of a sweep.
fn undecided(pair: &Pair, has_spec: bool, field: &str, now: DateTime<Utc>) -> Option<Verdict> {
    let resource = &pair.resource;
    if !has_spec {
        return Some(Verdict::NoSpec);
    }
    if pair.spec.retired_at.is_some() {
        return Some(Verdict::Retired);
    }
    if is_unsynced(resource.first_seen_at, resource.gone_at) {
        return Some(Verdict::Unsynced);
    }
    if is_settling(pair, now) {
        return Some(Verdict::Settling);
    }
    if resource.gone_at.is_some() {
        return Some(Verdict::Gone);
    }
    if field == WHOLE_RESOURCE {
        return Some(Verdict::Exists);
    }
    if pair.spec.spec.get(field).is_none() {
        return Some(Verdict::NotInSpec);
    }
    (!is_known(resource, field, &pair.traits)).then_some(Verdict::NotReadable)
}

fn origin(pair: &Pair, field: &str, actual: Option<&Cow<'_, Value>>) -> Option<Origin> {
    actual?;
    let of_attrs = pair.resource.attrs.get(field);
    let is_attribute = matches!((actual, of_attrs), (Some(Cow::Borrowed(value)), Some(attribute))
        if std::ptr::eq(*value, attribute));
    match is_attribute {
        true => Some(Origin::Attribute),
        false => Some(Origin::SchemaField),
    }
}

/// Returns the rules without which two equal values would differ.
fn needed(a: &Value, b: &Value) -> Vec<Normalization> {
    let all = [
        Normalization::ListsAsSets,
        Normalization::ScalarsAsText,
        Normalization::UnsetForms,
    ];
    let is_needed = |rule: &Normalization| form(a, Some(*rule)) != form(b, Some(*rule));
    all.into_iter().filter(is_needed).collect()
}

/// Returns the canonical form of a value as JSON: two values have the same form if and only if they are loosely equal.
/// The rule in `without` is left out. The recursion is as deep as the value, which the parser limits.
fn form(value: &Value, without: Option<Normalization>) -> Value {
    let applies = |rule| without != Some(rule);
    match value {
        Value::Number(number) if applies(Normalization::ScalarsAsText) => Value::String(number_text(number)),
        Value::Bool(set) if applies(Normalization::ScalarsAsText) => Value::String(set.to_string()),
        Value::String(text) if text.is_empty() && applies(Normalization::UnsetForms) => Value::Null,
        Value::Array(items) => {
            let mut members: Vec<Value> = items.iter().map(|item| form(item, without)).collect();
            if applies(Normalization::ListsAsSets) {
                members.sort_by_cached_key(Value::to_string);
                members.dedup();
            }
            match members.is_empty() && applies(Normalization::UnsetForms) {
                true => Value::Null,
                false => Value::Array(members),
            }
        }
        Value::Object(map) => {
            let members = map.iter().map(|(key, value)| (key.clone(), form(value, without)));
            if !applies(Normalization::UnsetForms) {
                return Value::Object(members.collect());
            }
            let set: Map<String, Value> = members.filter(|(_, value)| !value.is_null()).collect();
            match set.is_empty() {
                true => Value::Null,
                false => Value::Object(set),
            }
        }
        other => other.clone(),
    }
}

/// Returns the sentence that explains a verdict to a person.
pub fn sentence(verdict: Verdict, field: &str) -> &'static str {
    match verdict {
        Verdict::NoSpec => "No spec was recorded for the resource, so nothing is compared.",
        Verdict::Retired => "The spec is retired, so nothing is compared.",
        Verdict::Unsynced => "No listing has contained the resource yet, so nothing is compared.",
        Verdict::Settling => {
            "The provider reports a temporary status, so drifts are neither opened nor closed until it ends, at most for \
             30 minutes."
        }
        Verdict::Gone => "The resource is gone. One drift of the whole resource stands for all its fields.",
        Verdict::Exists => "The resource exists.",
        Verdict::NotInSpec => "The spec does not name the field, so it is not compared.",
        Verdict::NotReadable if field == PROJECT_ID => {
            "The project of the resource could not be read, so it is not compared."
        }
        Verdict::NotReadable => "The live value could not be read, so it is not compared.",
        Verdict::Equal => "Both values have the same canonical form, so they are equal.",
        Verdict::EqualWithoutOpenParts => {
            "Both values have the same canonical form without the parts that the spec leaves open, so they are equal."
        }
        Verdict::Ignored => "The canonical forms differ, but an ignore rule covers the difference.",
        Verdict::Waiting => {
            "The canonical forms differ, but a rule makes the difference wait until more sweeps have seen it."
        }
        Verdict::Different => "The canonical forms differ, so the field has drifted.",
    }
}

#[cfg(test)]
mod tests;

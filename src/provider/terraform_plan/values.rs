//! The form in which values are compared: JSON texts as their values, blocks with their declared attributes only.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::strict::{self, MAX_DEPTH};
use crate::domain::equality::{Canonical, canonical, number_text};
use crate::domain::redaction::plain_key;
use crate::domain::validation::is_beyond_64_bits;

/// The entry that distinguishes the second and further equal blocks of a list, because lists are compared as sets.
const COPY: &str = "(copy)";

/// What a configuration declares of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// The whole attribute.
    Whole,
    /// Blocks, and of each the attributes with these names.
    Blocks(BTreeMap<String, Shape>),
}

impl Shape {
    /// Adds what another block of the same name declares.
    pub(super) fn unite(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Blocks(names), Self::Blocks(more)) => {
                for (name, shape) in more {
                    match names.get_mut(&name) {
                        Some(known) => known.unite(shape),
                        None => drop(names.insert(name, shape)),
                    }
                }
            }
            (_, whole) => *self = whole,
        }
    }
}

/// Returns the value of a text that is a JSON object or list.
pub(super) fn json_text(text: &str) -> Option<Value> {
    let trimmed = text.trim();
    let (first, last) = (trimmed.chars().next()?, trimmed.chars().next_back()?);
    match (first, last) {
        ('{', '}') | ('[', ']') => strict::value(trimmed).ok(),
        _ => None,
    }
}

/// Returns the value with the JSON texts in it parsed.
pub(super) fn normalized(value: &Value) -> Value {
    match value {
        Value::String(text) => json_text(text).unwrap_or_else(|| value.clone()),
        Value::Array(items) => items.iter().map(normalized).collect(),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, member)| (key.clone(), normalized(member)));
            Value::Object(entries.collect())
        }
        scalar => scalar.clone(),
    }
}

/// Returns what is compared of a value: its declared part in its normal form.
pub(super) fn projected(value: &Value, shape: &Shape) -> Value {
    match (shape, value) {
        (Shape::Whole, _) => normalized(value),
        (Shape::Blocks(_), Value::Array(items)) => {
            counted(items.iter().map(|item| projected(item, shape)).collect())
        }
        (Shape::Blocks(names), Value::Object(map)) => {
            let declared = names.iter().filter_map(|(name, shape)| {
                let member = map.get(name)?;
                Some((name.clone(), projected(member, shape)))
            });
            Value::Object(declared.collect())
        }
        (Shape::Blocks(_), other) => normalized(other),
    }
}

/// Returns a value that both databases store without a change: integers beyond 64 bits become texts, U+0000 is replaced,
/// and a key cannot be taken for that of a redacted value. A number and its text are loosely equal.
pub(super) fn stored(value: &Value) -> Value {
    let text = |text: &str| text.replace('\0', "\u{fffd}");
    match value {
        Value::Number(number) if is_beyond_64_bits(number) => Value::String(number_text(number)),
        Value::String(string) => Value::String(text(string)),
        Value::Array(list) => list.iter().map(stored).collect(),
        Value::Object(map) => {
            let members = map
                .iter()
                .map(|(key, value)| (plain_key(&text(key)).into_owned(), stored(value)));
            Value::Object(members.collect())
        }
        other => other.clone(),
    }
}

/// Numbers equal blocks of a list, so that a list with two of them differs from a list with one.
fn counted(mut blocks: Vec<Value>) -> Value {
    let mut seen: HashMap<Canonical, u64> = HashMap::new();
    for block in &mut blocks {
        let count = seen.entry(canonical(block)).or_default();
        *count += 1;
        if let (Value::Object(map), true) = (block, *count > 1) {
            map.insert(COPY.to_owned(), Value::from(*count));
        }
    }
    Value::Array(blocks)
}

/// Returns whether a value is a list of blocks of which at least one has a value.
pub(super) fn is_filled_list_of_blocks(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(Value::is_object) && items.iter().any(has_substance),
        _ => false,
    }
}

/// Returns whether a value contains anything but unset values, zeros and `false`.
fn has_substance(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(has_substance),
        Value::Object(map) => map.values().any(has_substance),
    }
}

/// Returns the value without members that are unset, zero or `false`, because a provider fills these in.
pub(super) fn substance(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let entries = map.iter().filter(|(_, member)| has_substance(member));
            Value::Object(
                entries
                    .map(|(key, member)| (key.clone(), substance(member)))
                    .collect(),
            )
        }
        Value::Array(items) => items.iter().map(substance).collect(),
        scalar => scalar.clone(),
    }
}

/// Returns the text of a value, in which order and spacing count.
pub(super) fn exact_text(value: &Value) -> Value {
    match value {
        Value::String(_) | Value::Null => value.clone(),
        other => Value::from(other.to_string()),
    }
}

/// Returns whether two attributes, one of which may be absent, are loosely equal in their normal form.
pub(super) fn are_alike(a: Option<&Value>, b: Option<&Value>) -> bool {
    let form = |value: Option<&Value>| canonical(&normalized(value.unwrap_or(&Value::Null)));
    a == b || form(a) == form(b)
}

/// Returns the entries of an object, or none.
pub(super) fn entries(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

const _: () = assert!(2 * MAX_DEPTH < 127, "stored values have at most 128 levels");

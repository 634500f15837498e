//! Selects and normalizes the parts of a JSON value that are stored.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::provider::normalize;

/// The form in which a value is stored. A value that does not fit is dropped. Lists are stored as sorted sets.
#[derive(Debug)]
pub(super) enum Shape {
    /// A string, a number or a boolean.
    Plain,
    /// Like `Plain`, with strings in lower case: tags, slugs, protocols.
    Lower,
    /// A numeric id, stored as a number even if the API returns a string.
    Number,
    /// A number for which zero means unset.
    Positive,
    /// A boolean. A missing value means false.
    Switch,
    /// A URL, stored without user and password.
    Url,
    /// An object with these fields and no others.
    Object(&'static [Field]),
    /// Like `Object`, with switches. A missing object means that all of its switches are off.
    Switched(&'static [Field]),
    /// An object with arbitrary keys and plain values.
    Labels,
}

/// The name of a stored field, and its shape.
pub(super) type Field = (&'static str, Shape);

/// Returns the part of `value` that is stored, or None if it is unset.
pub(super) fn pick(value: &Value, shape: &Shape) -> Option<Value> {
    if let Value::Array(items) = value {
        let picked: Vec<Value> = items.iter().filter_map(|item| pick(item, shape)).collect();
        return (!picked.is_empty()).then(|| Value::Array(as_set(picked)));
    }
    let picked = match (shape, value) {
        (Shape::Object(fields) | Shape::Switched(fields), Value::Object(_)) => {
            Value::Object(pick_fields(value, fields))
        }
        (Shape::Labels, Value::Object(labels)) => {
            let plain = |(key, value): (&String, &Value)| Some((key.clone(), pick(value, &Shape::Plain)?));
            Value::Object(labels.iter().filter_map(plain).collect())
        }
        (Shape::Object(_) | Shape::Switched(_) | Shape::Labels, _) | (_, Value::Object(_)) => return None,
        (Shape::Lower, Value::String(text)) => text.to_lowercase().into(),
        (Shape::Number, Value::String(text)) => match text.parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => value.clone(),
        },
        (Shape::Positive, Value::Number(number)) if number.as_f64() == Some(0.0) => return None,
        (Shape::Url, Value::String(text)) => normalize::without_user(text).into(),
        _ => value.clone(),
    };
    (!is_unset(&picked)).then_some(picked)
}

/// Returns the fields of an object that are stored.
pub(super) fn pick_fields(item: &Value, fields: &[Field]) -> Map<String, Value> {
    fields
        .iter()
        .filter_map(|(name, shape)| Some(((*name).to_owned(), picked(item.get(name), shape)?)))
        .collect()
}

/// Returns the part of a field that is stored. A missing switch is off.
fn picked(value: Option<&Value>, shape: &Shape) -> Option<Value> {
    match value.and_then(|value| pick(value, shape)) {
        Some(picked) => Some(picked),
        None => match shape {
            Shape::Switch => Some(Value::Bool(false)),
            Shape::Switched(fields) => Some(Value::Object(pick_fields(&Value::Null, fields))),
            _ => None,
        },
    }
}

/// Returns values sorted and without duplicates: integers by value, others by text. The order of keys does not matter.
pub(super) fn as_set(mut values: Vec<Value>) -> Vec<Value> {
    let key = |value: &Value| (value.as_i64(), ordered(value));
    values.sort_by_cached_key(key);
    values.dedup_by_key(|value| key(value));
    values
}

/// Returns a text of the value that does not depend on the order of keys.
fn ordered(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<&String, String> = fields
                .iter()
                .map(|(name, value)| (name, ordered(value)))
                .collect();
            format!("{fields:?}")
        }
        Value::Array(items) => format!("{:?}", items.iter().map(ordered).collect::<Vec<_>>()),
        plain => plain.to_string(),
    }
}

pub(super) fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_listed_fields_of_the_right_type_are_kept() {
        let shape = Shape::Object(&[
            ("name", Shape::Plain),
            ("port", Shape::Number),
            ("tags", Shape::Lower),
            ("labels", Shape::Labels),
            ("inner", Shape::Object(&[("id", Shape::Plain)])),
        ]);
        let value = json!({
            "name": { "password": "hunter2" }, "port": "25", "tags": ["B", "a", "A", null, ""],
            "labels": { "team": "web", "deep": { "password": "hunter2" }, "none": null },
            "inner": [{ "id": 2, "password": "hunter2" }, { "id": 1 }, { "id": 2 }, "hunter2"],
            "password": "hunter2"
        });
        assert_eq!(
            pick(&value, &shape),
            Some(
                json!({ "port": 25, "tags": ["a", "b"], "labels": { "team": "web" },
                         "inner": [{ "id": 1 }, { "id": 2 }] })
            )
        );
        assert_eq!(pick(&json!("hunter2"), &shape), None);
        assert_eq!(pick(&json!([[], null, {}]), &Shape::Plain), None);
        assert_eq!(pick(&json!(false), &Shape::Plain), Some(json!(false)));
    }

    #[test]
    fn a_switch_missing_from_a_response_is_off() {
        const AGENT: &[Field] = &[("enabled", Shape::Switch), ("name", Shape::Plain)];
        let fields: &[Field] = &[
            ("ha", Shape::Switch),
            ("agent", Shape::Switched(AGENT)),
            ("note", Shape::Object(AGENT)),
        ];
        let off = json!({ "ha": false, "agent": { "enabled": false } });
        for answer in [
            json!({}),
            json!({ "ha": null, "agent": null }),
            json!({ "agent": {}, "note": null }),
        ] {
            assert_eq!(Value::Object(pick_fields(&answer, fields)), off, "{answer}");
        }
        let on = json!({ "ha": true, "agent": { "enabled": true } });
        assert_eq!(Value::Object(pick_fields(&on, fields)), on);
    }

    #[test]
    fn numbers_are_sorted_numerically() {
        assert_eq!(
            pick(&json!([10, 9, "9", 10]), &Shape::Number),
            Some(json!([9, 10]))
        );
    }

    #[test]
    fn zero_is_dropped_if_it_means_unset() {
        assert_eq!(pick(&json!(0), &Shape::Positive), None);
        assert_eq!(pick(&json!(0.0), &Shape::Positive), None);
        assert_eq!(pick(&json!(60), &Shape::Positive), Some(json!(60)));
        assert_eq!(pick(&json!(0), &Shape::Plain), Some(json!(0)));
    }

    #[test]
    fn user_and_password_are_removed_from_urls() {
        for (before, after) in [
            (
                "https://ada:hunter2@git.example.com/a.git",
                "https://git.example.com/a.git",
            ),
            ("https://hunter2@git.example.com", "https://git.example.com"),
            ("https://example.com/@ada", "https://example.com/@ada"),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(pick(&json!(before), &Shape::Url), Some(json!(after)));
        }
    }
}

//! Redacted values: what is stored in place of a secret. It has a keyed digest, so that two redacted values can be
//! compared, and is never shown.

use std::borrow::Cow;
use std::fmt::Display;

use entity::cloud_drift;
use serde_json::{Map, Value, json};

/// The only key of a redacted value.
const KEY: &str = "drift-inbox:redacted";

/// Returns what is stored in place of a secret with this digest.
pub fn redacted(digest: impl Display) -> Value {
    json!({ KEY: digest.to_string() })
}

/// Returns the digest of a redacted value.
pub fn digest_of(value: &Value) -> Option<&str> {
    match value {
        Value::Object(map) if map.len() == 1 => map.get(KEY)?.as_str(),
        _ => None,
    }
}

/// Returns whether a value is redacted.
pub fn is_redacted(value: &Value) -> bool {
    digest_of(value).is_some()
}

/// Returns whether one of the values of a drift is redacted. Then neither is shown: the other one may be an earlier
/// secret.
pub fn hides(expected: Option<&Value>, actual: Option<&Value>) -> bool {
    [expected, actual].into_iter().flatten().any(is_redacted)
}

/// Returns the expected and the live value of a drift as they are shown: null if one of them is redacted.
pub fn shown_sides(drift: &cloud_drift::Model) -> (Value, Value) {
    let (expected, actual) = (drift.expected.as_ref(), drift.actual.as_ref());
    if hides(expected, actual) {
        return (Value::Null, Value::Null);
    }
    let side = |value: Option<&Value>| value.map_or(Value::Null, |value| shown(value).into_owned());
    (side(expected), side(actual))
}

/// Returns the key under which a member of a value of a user is stored, whatever the key is, so that no such value is
/// taken for a redacted one: the key of redacted values gets one more apostrophe, also if it has some already.
pub(crate) fn plain_key(key: &str) -> Cow<'_, str> {
    let rest = key.strip_prefix(KEY);
    match rest.is_some_and(|rest| rest.bytes().all(|byte| byte == b'\'')) {
        true => Cow::Owned(format!("{key}'")),
        false => Cow::Borrowed(key),
    }
}

/// Returns an object of a user as it is stored: with the keys of [`plain_key`] at every depth.
pub(crate) fn plain_members(map: &Map<String, Value>) -> Cow<'_, Map<String, Value>> {
    match map
        .iter()
        .any(|(key, value)| is_like_redacted(key) || has_key(value))
    {
        true => Cow::Owned(renamed(map)),
        false => Cow::Borrowed(map),
    }
}

fn is_like_redacted(key: &str) -> bool {
    matches!(plain_key(key), Cow::Owned(_))
}

fn has_key(value: &Value) -> bool {
    match value {
        Value::Object(map) => map
            .iter()
            .any(|(key, value)| is_like_redacted(key) || has_key(value)),
        Value::Array(list) => list.iter().any(has_key),
        _ => false,
    }
}

fn renamed(map: &Map<String, Value>) -> Map<String, Value> {
    let members = map.iter();
    members
        .map(|(key, value)| (plain_key(key).into_owned(), renamed_inside(value)))
        .collect()
}

fn renamed_inside(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(renamed(map)),
        Value::Array(list) => list.iter().map(renamed_inside).collect(),
        other => other.clone(),
    }
}

/// Returns the value without digests: null for a redacted value, and `{"redacted": true}` for one inside of it. The data
/// of an event with one redacted value shows neither, because the other one may be an earlier secret.
pub fn shown(value: &Value) -> Cow<'_, Value> {
    if is_redacted(value) {
        return Cow::Owned(Value::Null);
    }
    let mut copy = Cow::Borrowed(value);
    if has_redacted(value) {
        hide_inside(copy.to_mut());
    }
    copy
}

/// Returns whether the text of a JSON value is a redacted value.
pub(crate) fn is_redacted_text(text: &str) -> bool {
    text.contains(KEY) && serde_json::from_str(text).is_ok_and(|value| is_redacted(&value))
}

/// The same as [`shown`] for the text of a JSON value.
pub(crate) fn shown_text(text: &str) -> Cow<'_, str> {
    if !text.contains(KEY) {
        return Cow::Borrowed(text);
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value) => Cow::Owned(shown(&value).to_string()),
        Err(_) => Cow::Borrowed("null"),
    }
}

/// Returns whether a value contains a redacted one, as it is stored or as it is shown.
pub(crate) fn has_redacted(value: &Value) -> bool {
    match value {
        Value::Object(map) => is_redacted(value) || is_placeholder(map) || map.values().any(has_redacted),
        Value::Array(list) => list.iter().any(has_redacted),
        _ => false,
    }
}

fn is_placeholder(map: &serde_json::Map<String, Value>) -> bool {
    map.len() == 1 && map.get("redacted") == Some(&Value::Bool(true))
}

fn hide_inside(value: &mut Value) {
    if is_redacted(value) {
        *value = json!({ "redacted": true });
        return;
    }
    if let Value::Object(data) = &mut *value
        && data.contains_key("driftId")
        && hides(data.get("expected"), data.get("actual"))
    {
        for side in ["expected", "actual"] {
            if let Some(side) = data.get_mut(side) {
                *side = json!({ "redacted": true });
            }
        }
    }
    match value {
        Value::Object(map) => map.values_mut().for_each(hide_inside),
        Value::Array(list) => list.iter_mut().for_each(hide_inside),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redacted_value_is_shown_as_null_and_inside_another_one_as_redacted() {
        let secret = redacted("00ff");
        assert_eq!(digest_of(&secret), Some("00ff"));
        assert_eq!(*shown(&secret), Value::Null);
        let spec = json!({ "size": 3, "password": secret, "list": [{ "token": redacted("aa") }] });
        let hidden = json!({ "redacted": true });
        let expected = json!({ "size": 3, "password": hidden, "list": [{ "token": hidden }] });
        assert_eq!(*shown(&spec), expected);
        let text: Value = serde_json::from_str(&shown_text(&spec.to_string())).unwrap();
        assert_eq!(text, expected);
        assert_eq!(shown_text("{\"size\":3}"), "{\"size\":3}");
    }

    #[test]
    fn an_event_with_one_redacted_value_shows_neither() {
        let data = json!({ "driftId": "x", "field": "it", "expected": "old", "actual": redacted("00") });
        let hidden = json!({ "redacted": true });
        let expected = json!({ "driftId": "x", "field": "it", "expected": hidden, "actual": hidden });
        assert_eq!(*shown(&data), expected);
        let text: Value = serde_json::from_str(&shown_text(&data.to_string())).unwrap();
        assert_eq!(text, expected);
    }

    #[test]
    fn a_value_of_a_user_is_never_taken_for_a_redacted_one() {
        for apostrophes in ["", "'", "''"] {
            let key = format!("{KEY}{apostrophes}");
            let user = json!({ "tags": { &key: "00ff" }, "list": [{ &key: "00ff" }], &key: "00ff" });
            let stored = plain_members(user.as_object().unwrap()).into_owned();
            let more = format!("{key}'");
            let expected = json!({ "tags": { &more: "00ff" }, "list": [{ &more: "00ff" }], &more: "00ff" });
            let stored = Value::Object(stored);
            assert_eq!(stored, expected);
            assert!(!has_redacted(&stored));
        }
        let ordinary = json!({ "drift-inbox:redacted-by": 1 });
        assert!(matches!(
            plain_members(ordinary.as_object().unwrap()),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn a_drift_with_one_redacted_value_shows_neither() {
        let plain = json!("a");
        assert!(hides(Some(&redacted("00")), Some(&plain)));
        assert!(hides(Some(&plain), Some(&redacted("00"))));
        assert!(!hides(Some(&plain), None));
    }
}

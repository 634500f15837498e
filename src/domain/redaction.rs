//! Redacted values: what is stored in place of a secret. It has a keyed digest, so that two redacted values can be
//! compared, and is never shown.

use std::borrow::Cow;
use std::fmt::Display;

use entity::cloud_drift;
use serde_json::{Value, json};

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

/// Returns the value without digests: null for a redacted value, and `{"redacted": true}` for one inside of it.
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
    fn a_drift_with_one_redacted_value_shows_neither() {
        let plain = json!("a");
        assert!(hides(Some(&redacted("00")), Some(&plain)));
        assert!(hides(Some(&plain), Some(&redacted("00"))));
        assert!(!hides(Some(&plain), None));
    }
}

//! JSON Pointers (RFC 6901) into values whose lists are sets. A token at a list selects members instead of a position:
//! `*` selects all, `key=value` selects the objects with this value, and any other token selects the texts and numbers
//! that match it as a pattern with `*` and `?`.

use serde_json::Value;
use wildmatch::WildMatch;

use crate::domain::equality::{is_unset, number_text};

/// Returns the tokens of a pointer.
fn tokens(pointer: &str) -> impl Iterator<Item = String> {
    let tokens = pointer
        .strip_prefix('/')
        .into_iter()
        .flat_map(|rest| rest.split('/'));
    tokens.map(|token| token.replace("~1", "/").replace("~0", "~"))
}

/// Returns the path of a pointer. A token is a list of one text, so that it differs from the steps of a stored path.
pub(super) fn path(pointer: &str) -> Vec<Value> {
    tokens(pointer)
        .map(|token| Value::Array(vec![Value::String(token)]))
        .collect()
}

/// Returns the part of a value at a pointer through maps, null if it is missing. Returns None if the pointer meets a list,
/// because there it may select several members.
pub(super) fn part<'v>(value: &'v Value, pointer: &str) -> Option<&'v Value> {
    tokens(pointer).try_fold(value, |value, token| match value {
        Value::Array(_) => None,
        value => Some(value.get(token).unwrap_or(&Value::Null)),
    })
}

/// Removes what the last token of a path selects from a value.
///
/// Returns the values that the token selects instead if `is_last` is false.
pub(crate) fn removed<'v>(value: &'v mut Value, token: &[Value], is_last: bool) -> Vec<&'v mut Value> {
    let [Value::String(token)] = token else {
        return Vec::new();
    };
    match value {
        Value::Object(map) if is_last => {
            map.remove(token);
            Vec::new()
        }
        Value::Object(map) => map.get_mut(token).into_iter().collect(),
        Value::Array(members) if is_last => {
            members.retain(|member| !selects(token, member));
            Vec::new()
        }
        Value::Array(members) => members
            .iter_mut()
            .filter(|member| selects(token, member))
            .collect(),
        _ => Vec::new(),
    }
}

/// Returns whether a token selects a list member. It selects all members that are loosely equal, or none of them.
fn selects(token: &str, member: &Value) -> bool {
    match member {
        _ if token == "*" => true,
        Value::Object(map) if !is_unset(member) => token.split_once('=').is_some_and(|(key, wanted)| {
            compared_text(map.get(key).unwrap_or(&Value::Null)).is_some_and(|value| value == wanted)
        }),
        other => compared_text(other).is_some_and(|text| WildMatch::new(token).matches(&text)),
    }
}

/// Returns the text that a scalar is compared as, empty if the value is unset.
fn compared_text(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number_text(number)),
        value if is_unset(value) => Some(String::new()),
        value => text(value),
    }
}

/// Returns the text of a scalar.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

//! Uncompared parts: the parts of a field that a spec leaves out of comparisons.
//!
//! All other parts of a field are compared, so that an address added to a firewall rule is found. But a Terraform
//! state, for example, does not show whether the configuration or the cloud chose the port of an app. The value in a
//! spec cannot mark such a part, because in a baseline a missing key means that the key must be unset. So the spec
//! stores the paths of its uncompared parts, and both values are compared without them. An accept makes the whole live
//! value the expected one, so the field has no uncompared parts afterwards. An accept of some members of a list keeps them,
//! because the other members are still those of the spec.

use std::borrow::Cow;
use std::collections::BTreeMap;

use entity::cloud_provisioned;
use serde_json::{Map, Value, json};

use super::equality::loosely_equal;
use super::ignore_rules;

/// The uncompared parts of a spec, by field.
///
/// A path is a list of steps. A string is a key of an object. An object selects the list members that have the same
/// values at all of its keys. A list of one string is the token of an ignore rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotCompared(BTreeMap<String, Vec<Value>>);

impl NotCompared {
    /// Returns the uncompared parts of a stored spec. They are valid for one version of the spec only, because a
    /// program without support for uncompared parts replaces the spec and not this column.
    pub fn of(spec: &cloud_provisioned::Model) -> Self {
        Self::stored(spec.not_compared.as_ref(), spec.spec_version)
    }

    /// Returns the uncompared parts of this version of a spec from their column.
    pub(crate) fn stored(column: Option<&Value>, spec_version: i32) -> Self {
        let Some(Value::Object(stored)) = column else {
            return Self::default();
        };
        if stored.get("specVersion").and_then(Value::as_i64) != Some(spec_version.into()) {
            return Self::default();
        }
        let fields = stored.get("paths").and_then(Value::as_object);
        let paths = |(field, paths): (&String, &Value)| Some((field.clone(), paths.as_array()?.clone()));
        Self(fields.into_iter().flatten().filter_map(paths).collect())
    }

    /// Adds an uncompared part of a field.
    pub fn add(&mut self, field: &str, path: Vec<Value>) {
        let paths = self.0.entry(field.to_owned()).or_default();
        let path = Value::Array(path);
        if !paths.contains(&path) {
            paths.push(path);
        }
    }

    /// Returns the column value for this version of the spec. Returns None if every part is compared.
    pub(crate) fn to_column(&self, spec_version: i32) -> Option<Value> {
        (!self.0.is_empty()).then(|| json!({ "specVersion": spec_version, "paths": self.0 }))
    }

    /// Keeps only the uncompared parts of fields that have the same value in the next version of the spec, and those of
    /// `partly`, a field of which only a part has a new value.
    pub fn for_next_version(mut self, before: &Value, after: &Value, partly: Option<&str>) -> Self {
        self.0.retain(|field, _| {
            let is_same = before.get(field) == after.get(field) || partly == Some(field);
            after.get(field).is_some() && is_same
        });
        self
    }

    /// Takes the uncompared parts of a field from another version of the spec.
    pub(crate) fn take_field(&mut self, field: &str, from: &Self) {
        match from.0.get(field) {
            Some(paths) => _ = self.0.insert(field.to_owned(), paths.clone()),
            None => _ = self.0.remove(field),
        }
    }

    /// Returns the paths as texts, such as `spec.services[name=web].http_port`.
    pub fn texts(&self) -> Vec<String> {
        self.0
            .iter()
            .flat_map(|(field, paths)| paths.iter().map(move |path| text(field, path)))
            .collect()
    }

    /// Returns whether two values of a field are loosely equal without its uncompared parts.
    pub(crate) fn are_equal(&self, field: &str, a: &Value, b: &Value) -> bool {
        loosely_equal(&self.compared_part(field, a), &self.compared_part(field, b))
    }

    /// Returns the expected value of a field with the live values of its uncompared parts, so that putting it back leaves
    /// these as they are.
    pub(crate) fn completed(&self, field: &str, expected: &Value, live: &Value) -> Value {
        let mut completed = expected.clone();
        for path in self
            .0
            .get(field)
            .into_iter()
            .flatten()
            .filter_map(Value::as_array)
        {
            take(&mut completed, live, path);
        }
        completed
    }

    /// Returns a value of a field without its uncompared parts.
    pub(crate) fn compared_part<'v>(&self, field: &str, value: &'v Value) -> Cow<'v, Value> {
        self.0
            .get(field)
            .map_or(Cow::Borrowed(value), |paths| without(value, paths))
    }
}

fn text(field: &str, path: &Value) -> String {
    let mut text = field.to_owned();
    for step in path.as_array().into_iter().flatten() {
        match step {
            Value::String(key) => {
                text.push('.');
                text.push_str(key);
            }
            Value::Object(chosen) => {
                let named: Vec<String> = chosen
                    .iter()
                    .map(|(key, value)| format!("{key}={}", plain(value)))
                    .collect();
                text.push_str(&format!("[{}]", named.join(",")));
            }
            _ => {}
        }
    }
    text
}

fn plain(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

fn without<'v>(value: &'v Value, paths: &[Value]) -> Cow<'v, Value> {
    if !value.is_object() && !value.is_array() {
        return Cow::Borrowed(value);
    }
    let mut value = value.clone();
    for path in paths.iter().filter_map(Value::as_array) {
        remove(&mut value, path);
    }
    Cow::Owned(value)
}

/// Takes the value at a path from `live`, unless there is one. Members of lists that a token selects are left as they are,
/// because it is not known which of them belong together.
fn take(value: &mut Value, live: &Value, path: &[Value]) {
    match (path, value, live) {
        ([Value::String(key)], Value::Object(map), Value::Object(live)) => {
            if let (None, Some(part)) = (map.get(key), live.get(key)) {
                map.insert(key.clone(), part.clone());
            }
        }
        ([Value::String(key), rest @ ..], Value::Object(map), Value::Object(live)) => {
            if let (Some(value), Some(live)) = (map.get_mut(key), live.get(key)) {
                take(value, live, rest);
            }
        }
        ([Value::Object(chosen), rest @ ..], Value::Array(members), Value::Array(live))
            if !rest.is_empty() =>
        {
            let mut others = live.iter().filter(|member| has(member, chosen));
            // Several live members with the same keys: which of them is meant is not known.
            if let (Some(other), None) = (others.next(), others.next()) {
                for member in members.iter_mut().filter(|member| has(member, chosen)) {
                    take(member, other, rest);
                }
            }
        }
        _ => {}
    }
}

/// Removes the value at a path. The recursion is as deep as the path is long.
fn remove(value: &mut Value, path: &[Value]) {
    match (path, value) {
        ([Value::String(key)], Value::Object(map)) => _ = map.remove(key),
        ([Value::String(key), rest @ ..], Value::Object(map)) => {
            if let Some(value) = map.get_mut(key) {
                remove(value, rest);
            }
        }
        ([Value::Object(chosen), rest @ ..], Value::Array(members)) if !rest.is_empty() => {
            for member in members.iter_mut().filter(|member| has(member, chosen)) {
                remove(member, rest);
            }
        }
        ([Value::Array(token), rest @ ..], value) => {
            for selected in ignore_rules::removed(value, token, rest.is_empty()) {
                remove(selected, rest);
            }
        }
        _ => {}
    }
}

/// Returns whether a list member has all of these values. Nested objects are matched in the same way. A missing key is
/// unset, so that members that are loosely equal match the same values.
fn has(member: &Value, chosen: &Map<String, Value>) -> bool {
    chosen
        .iter()
        .all(|(key, wanted)| match (member.get(key), wanted) {
            (Some(inner @ Value::Object(_)), Value::Object(wanted)) => has(inner, wanted),
            (value, wanted) => loosely_equal(value.unwrap_or(&Value::Null), wanted),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixtures::spec;

    fn app() -> NotCompared {
        let mut not_compared = NotCompared::default();
        not_compared.add("spec", vec!["features".into()]);
        not_compared.add(
            "spec",
            vec!["services".into(), json!({"name": "web"}), "http_port".into()],
        );
        not_compared.add(
            "spec",
            vec!["rules".into(), json!({"match": {"path": "/"}}), "redirect".into()],
        );
        not_compared
    }

    #[test]
    fn an_uncompared_part_is_ignored_and_the_rest_is_compared() {
        let not_compared = app();
        let expected = json!({"services": [{"name": "web"}], "rules": [{"match": {"path": "/"}}]});
        let live = json!({"features": ["a"], "services": [{"name": "web", "http_port": 8080}],
            "rules": [{"match": {"path": "/", "host": "x"}, "redirect": {"uri": "/b"}}]});
        assert!(
            !not_compared.are_equal("spec", &expected, &live),
            "a match that gained a host"
        );
        let live = json!({"features": ["a"], "services": [{"name": "web", "http_port": 8080}],
            "rules": [{"match": {"path": "/"}, "redirect": {"uri": "/b"}}]});
        assert!(
            not_compared.are_equal("spec", &expected, &live)
                && not_compared.are_equal("spec", &live, &expected)
        );
        for (path, value) in [
            ("/services/0/env", json!("x")),
            ("/services/1", json!({"name": "web-2", "http_port": 8080})),
            ("/rules/0/component", json!("web")),
        ] {
            let mut changed = live.clone();
            let (parent, key) = path.rsplit_once('/').unwrap();
            match changed.pointer_mut(parent).unwrap() {
                Value::Array(list) => list.push(value),
                parent => parent[key] = value,
            }
            assert!(!not_compared.are_equal("spec", &expected, &changed), "{path}");
        }
        assert!(
            !not_compared.are_equal("other", &expected, &live),
            "another field has no uncompared parts"
        );
    }

    #[test]
    fn members_that_are_loosely_equal_have_the_same_uncompared_parts() {
        let mut not_compared = NotCompared::default();
        not_compared.add("rules", vec![json!({"port": 22, "host": null}), "note".into()]);
        let token = |text: &str| json!([text]);
        not_compared.add("list", vec![token("25")]);
        not_compared.add("list", vec![token("port=80"), token("note")]);
        not_compared.add("list", vec![token("host="), token("text")]);
        for (field, expected, live) in [
            (
                "rules",
                json!([{"port": 22, "note": "a"}]),
                json!([{"port": "22", "host": "", "note": "b"}]),
            ),
            ("list", json!([1, 25]), json!([1, 25.0])),
            ("list", json!([1, 25.0]), json!(["1"])),
            (
                "list",
                json!([{"port": 80.0, "host": "x", "note": "a"}]),
                json!([{"port": "80", "host": "x"}]),
            ),
            (
                "list",
                json!([{"a": 1, "host": null, "text": "a"}]),
                json!([{"a": 1, "host": [], "text": "b"}]),
            ),
            (
                "list",
                json!([{"a": 1, "text": "a"}]),
                json!([{"a": 1, "host": ""}]),
            ),
        ] {
            assert!(
                not_compared.are_equal(field, &expected, &live),
                "{expected} {live}"
            );
        }
        assert!(!not_compared.are_equal(
            "rules",
            &json!([{"port": 22, "host": "x", "note": "a"}]),
            &json!([{"port": 22, "host": "x"}])
        ));
    }

    #[test]
    fn an_expected_value_is_completed_with_the_live_uncompared_parts() {
        let expected = json!({"services": [{"name": "web"}, {"name": "api"}]});
        let live = json!({"features": ["a"], "services": [{"name": "web", "http_port": 8080, "env": "x"},
            {"name": "api", "http_port": 9090}]});
        let completed =
            json!({"features": ["a"], "services": [{"name": "web", "http_port": 8080}, {"name": "api"}]});
        assert_eq!(app().completed("spec", &expected, &live), completed);
        assert_eq!(app().completed("other", &expected, &live), expected);
        assert_eq!(app().completed("spec", &Value::Null, &live), Value::Null);
    }

    #[test]
    fn uncompared_parts_apply_to_one_version_until_the_value_of_their_field_changes() {
        let not_compared = app();
        let mut row = spec(json!({"spec": 1, "name": "shop"}));
        row.not_compared = not_compared.to_column(1);
        assert_eq!(NotCompared::of(&row), not_compared);
        row.spec_version = 2;
        assert_eq!(NotCompared::of(&row), NotCompared::default());
        assert_eq!(NotCompared::default().to_column(1), None);
        let renamed = json!({"spec": 1, "name": "store"});
        assert_eq!(
            not_compared.clone().for_next_version(&row.spec, &renamed, None),
            not_compared
        );
        let accepted = json!({"spec": 2, "name": "shop"});
        let next = |partly| {
            not_compared
                .clone()
                .for_next_version(&row.spec, &accepted, partly)
        };
        assert_eq!(next(None), NotCompared::default());
        assert_eq!(next(Some("name")), NotCompared::default());
        assert_eq!(next(Some("spec")), not_compared);
        assert_eq!(
            not_compared.texts(),
            [
                "spec.features",
                "spec.services[name=web].http_port",
                "spec.rules[match={\"path\":\"/\"}].redirect"
            ]
        );
    }

    #[test]
    fn invalid_stored_paths_are_ignored() {
        for stored in [
            json!(7),
            json!([[]]),
            json!({"specVersion": 1, "paths": {"a": [[], [1], ["b", {}], 3]}}),
        ] {
            let mut row = spec(json!({"a": {"b": [1]}}));
            row.not_compared = Some(stored);
            let not_compared = NotCompared::of(&row);
            assert!(!not_compared.are_equal("a", &json!({"b": [1]}), &json!({"b": [2]})));
            assert!(not_compared.are_equal("a", &json!({"b": [1]}), &json!({"b": [1]})));
        }
    }
}

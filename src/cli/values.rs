//! Two values that differ, in few words: for a set what came and went, for a map the keys that changed.

use std::collections::{BTreeMap, BTreeSet};

use entity::cloud_drift::DriftKind;
use serde_json::{Map, Value};

use crate::domain::canonical::is_unset;
use crate::domain::compare::SCHEMA_FIELDS;

/// What stands for a value that is not there.
const UNSET: &str = "(unset)";
/// What stands for the live state of a resource that is gone.
const MISSING: &str = "missing";

/// The expected and the live value.
pub(super) fn shown(kind: DriftKind, expected: &Value, actual: &Value) -> (String, String) {
    if kind == DriftKind::Missing {
        return (schema_fields_first(expected), MISSING.to_owned());
    }
    match (keyed(expected), keyed(actual)) {
        (Some(expected), Some(actual)) => changed_keys(&expected, &actual),
        _ => match (expected, actual) {
            (Value::Array(expected), Value::Array(actual)) if !expected.is_empty() && !actual.is_empty() => {
                changed_members(expected, actual)
            }
            _ => (text(expected), text(actual)),
        },
    }
}

/// A whole spec, which is cut sooner or later: what says most stands first.
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

/// A value on one line.
fn text(value: &Value) -> String {
    match value {
        value if is_unset(value) => UNSET.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(members) => members.iter().flat_map(parts).collect::<Vec<_>>().join(", "),
        Value::Object(map) => pairs(&leaves(map)),
        scalar => scalar.to_string(),
    }
}

fn changed_keys(expected: &Map<String, Value>, actual: &Map<String, Value>) -> (String, String) {
    let (expected, actual) = (leaves(expected), leaves(actual));
    let changed: BTreeSet<&String> = expected
        .keys()
        .chain(actual.keys())
        .filter(|key| expected.get(*key) != actual.get(*key))
        .collect();
    let side = |leaves: &BTreeMap<String, String>| {
        let pairs = changed.iter().map(|key| {
            let value = leaves.get(*key).map_or(UNSET, String::as_str);
            format!("{key}={value}")
        });
        pairs.collect::<Vec<_>>().join(" ")
    };
    (side(&expected), side(&actual))
}

/// What went stands first in what was expected, so that it is seen however little room there is.
fn changed_members(expected: &[Value], actual: &[Value]) -> (String, String) {
    let split = |of: fn(&Value) -> Vec<String>| -> [BTreeSet<String>; 2] {
        [expected, actual].map(|members| members.iter().flat_map(of).collect())
    };
    let [mut before, mut after] = split(parts);
    if before == after {
        // Members may differ in what their short form leaves out.
        [before, after] = split(|member| vec![long_form(member)]);
    }
    let went: Vec<&String> = before.difference(&after).collect();
    let kept = before.intersection(&after);
    let said: Vec<&str> = went.iter().copied().chain(kept).map(String::as_str).collect();
    let came = after.difference(&before).map(|part| format!("+ {part}"));
    let changes: Vec<String> = came.chain(went.iter().map(|part| format!("- {part}"))).collect();
    (said.join(", "), changes.join(", "))
}

/// A member of a set: one part for each thing that could come or go by itself.
fn parts(member: &Value) -> Vec<String> {
    let Some(map) = member.as_object() else {
        return vec![text(member)];
    };
    traffic_rule(map)
        .or_else(|| forwarding_rule(map))
        .or_else(|| typed_value(map))
        .unwrap_or_else(|| vec![long_form(member)])
}

fn long_form(member: &Value) -> String {
    member
        .as_object()
        .map_or_else(|| text(member), |map| pairs(&leaves(map)))
}

/// `0.0.0.0/0 tcp 22`: a rule of a firewall, for each of the ends that it lets through.
fn traffic_rule(rule: &Map<String, Value>) -> Option<Vec<String>> {
    let ends = rule.get("sources").or_else(|| rule.get("destinations"))?;
    let what = [rule.get("protocol"), rule.get("ports")];
    let what: Vec<String> = what.into_iter().flatten().map(text).collect();
    let what = what.join(" ");
    let mut parts = Vec::new();
    for (kind, ends) in ends.as_object()? {
        let kind = match kind.as_str() {
            "addresses" => "",
            "tags" => "tag ",
            "droplet_ids" => "droplet ",
            "load_balancer_uids" => "load_balancer ",
            "kubernetes_ids" => "kubernetes ",
            _ => return None,
        };
        parts.extend(
            ends.as_array()?
                .iter()
                .map(|end| format!("{kind}{} {what}", text(end))),
        );
    }
    (!parts.is_empty()).then_some(parts)
}

/// `https 443 > http 8080`: a rule of a load balancer.
fn forwarding_rule(rule: &Map<String, Value>) -> Option<Vec<String>> {
    let get = |key| rule.get(key).map(text);
    Some(vec![format!(
        "{} {} > {} {}",
        get("entry_protocol")?,
        get("entry_port")?,
        get("target_protocol")?,
        get("target_port")?
    )])
}

/// `ip_addr 198.51.100.7`: a rule of a database.
fn typed_value(rule: &Map<String, Value>) -> Option<Vec<String>> {
    match (rule.get("type"), rule.get("value")) {
        (Some(kind), Some(value)) if rule.len() == 2 => Some(vec![format!("{} {}", text(kind), text(value))]),
        _ => None,
    }
}

/// A map as it is; a list whose members all have a name of their own, such as the components of an app, by
/// those names.
fn keyed(value: &Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map.clone()),
        Value::Array(members) if !members.is_empty() => {
            let mut named = Map::new();
            for member in members {
                let mut member = member.as_object()?.clone();
                let Some(Value::String(name)) = member.remove("name") else {
                    return None;
                };
                if named.insert(name, Value::Object(member)).is_some() {
                    return None;
                }
            }
            Some(named)
        }
        _ => None,
    }
}

/// Every value in a map by its path, but for those that are unset.
fn leaves(map: &Map<String, Value>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    collect(map, "", &mut found);
    found
}

fn collect(map: &Map<String, Value>, path: &str, found: &mut BTreeMap<String, String>) {
    for (key, value) in map.iter().filter(|(_, value)| !is_unset(value)) {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        match keyed(value) {
            Some(inner) => collect(&inner, &path, found),
            None => _ = found.insert(path, text(value)),
        }
    }
}

fn pairs(leaves: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = leaves
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(" ")
}

#[cfg(test)]
mod tests;

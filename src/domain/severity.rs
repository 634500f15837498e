//! Severity: how urgent a difference is. Rules decide it, those for any cloud here and those of a kind beside its
//! provider. The most severe rule that applies wins.

use std::collections::BTreeSet;

use entity::cloud_drift::{DriftKind, Severity};
use serde_json::Value;

use super::equality::is_unset;
use super::traits::KindTraits;

/// The addresses that stand for all addresses.
const EVERY_ADDRESS: [&str; 2] = ["0.0.0.0/0", "::/0"];
/// Ports that are usually open to everybody.
const WEB_PORTS: [&str; 2] = ["80", "443"];
/// Parts of the names of fields with rules for outgoing traffic.
const OUTGOING: [&str; 3] = ["outbound", "egress", "destination"];

/// A rule that gives a difference a severity.
#[derive(Clone, Copy, Debug)]
pub struct SeverityRule {
    /// Its name, which users see.
    pub name: &'static str,
    /// What it says.
    pub description: &'static str,
    /// The severity that it gives.
    pub severity: Severity,
    /// Returns whether it applies.
    pub applies: fn(&Rated<'_>) -> bool,
}

/// A difference to rate.
#[derive(Clone, Copy)]
pub struct Rated<'v> {
    /// A changed field or a missing resource.
    pub kind: DriftKind,
    /// Name of the field; `*` for a missing resource.
    pub field: &'v str,
    /// Expected value.
    pub expected: &'v Value,
    /// Live value.
    pub actual: &'v Value,
    /// Returns the live value of a field of the resource.
    pub live: &'v dyn Fn(&str) -> Option<Value>,
}

/// The severity of a difference, and the name of the rule that decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rating {
    /// The severity.
    pub severity: Severity,
    /// Name of the rule; None if none applies.
    pub rule: Option<&'static str>,
}

impl Default for Rating {
    fn default() -> Self {
        Self {
            severity: Severity::Normal,
            rule: None,
        }
    }
}

/// The rules for any cloud.
pub(crate) const GENERAL: [SeverityRule; 4] = [
    SeverityRule {
        name: "open to every address",
        description: "A rule for incoming traffic admits every IPv4 or IPv6 address, on other ports than 80 and 443, \
                      and no such rule is expected.",
        severity: Severity::Critical,
        applies: |rated| opened(rated).iter().any(|ports| !is_web(ports)),
    },
    SeverityRule {
        name: "web port open to every address",
        description: "Port 80 or 443 admits every IPv4 or IPv6 address, and this is not expected.",
        severity: Severity::High,
        applies: |rated| opened(rated).iter().any(is_web),
    },
    SeverityRule {
        name: "resource missing",
        description: "The resource no longer exists.",
        severity: Severity::High,
        applies: |rated| rated.kind == DriftKind::Missing,
    },
    SeverityRule {
        name: "description only",
        description: "The field is a description.",
        severity: Severity::Low,
        applies: |rated| rated.field == "description",
    },
];

/// Rates a difference of a resource of a kind with these traits.
pub(crate) fn rate(traits: &KindTraits, rated: &Rated<'_>) -> Rating {
    let applying = GENERAL
        .iter()
        .chain(traits.severity_rules)
        .filter(|rule| (rule.applies)(rated));
    // Of equally severe rules, the first one.
    let most_severe = applying.reduce(|a, b| if a.severity >= b.severity { a } else { b });
    most_severe.map_or_else(Rating::default, |rule| Rating {
        severity: rule.severity,
        rule: Some(rule.name),
    })
}

/// What identifies a member of a list of rules that admits every address: its texts and numbers, such as protocol and
/// ports.
type Admitted = BTreeSet<String>;

/// Returns the live members that admit every address and are not expected to.
fn opened(rated: &Rated<'_>) -> Vec<Admitted> {
    if rated.kind == DriftKind::Missing || OUTGOING.iter().any(|part| rated.field.contains(part)) {
        return Vec::new();
    }
    let (mut expected, mut live) = (Vec::new(), Vec::new());
    admitted(rated.expected, &mut expected);
    admitted(rated.actual, &mut live);
    live.retain(|member| !expected.contains(member));
    live
}

/// Collects the members that admit every address. The recursion is as deep as the value, which is bounded when stored.
fn admitted(value: &Value, found: &mut Vec<Admitted>) {
    match value {
        Value::Array(members) => members.iter().for_each(|member| admitted(member, found)),
        Value::Object(map) if names_every_address(value) => {
            let inner: Vec<&Value> = map.values().filter(|value| has_members(value)).collect();
            if inner.is_empty() {
                found.push(identity(map));
            } else {
                // A map of lists of rules, such as the rules of both directions.
                inner.iter().for_each(|value| admitted(value, found));
            }
        }
        Value::String(text) if is_every_address(text) => found.push(Admitted::new()),
        _ => {}
    }
}

/// Returns whether a value contains a map that names every address, not counting maps without texts and numbers, such as
/// the sources of a rule.
fn has_members(value: &Value) -> bool {
    match value {
        Value::Array(members) => members
            .iter()
            .any(|member| member.is_object() && names_every_address(member)),
        Value::Object(map) => map.values().any(has_members),
        _ => false,
    }
}

fn names_every_address(value: &Value) -> bool {
    match value {
        Value::String(text) => is_every_address(text),
        Value::Array(members) => members.iter().any(names_every_address),
        Value::Object(map) => map.values().any(names_every_address),
        _ => false,
    }
}

fn is_every_address(text: &str) -> bool {
    EVERY_ADDRESS.contains(&text)
}

fn identity(map: &serde_json::Map<String, Value>) -> Admitted {
    map.iter()
        .filter(|(key, _)| !["description", "name", "id"].contains(&key.as_str()))
        .filter_map(|(key, value)| match value {
            Value::String(text) => Some(format!("{key}={text}")),
            Value::Number(number) => Some(format!("{key}={number}")),
            _ => None,
        })
        .collect()
}

/// Returns whether all ports of a member are those of the web. A member without ports admits all of them.
fn is_web(member: &Admitted) -> bool {
    let mut ports = member
        .iter()
        .filter_map(|part| part.split_once('='))
        .filter(|(key, _)| key.contains("port"))
        .map(|(_, value)| value)
        .peekable();
    ports.peek().is_some() && ports.all(|port| WEB_PORTS.contains(&port))
}

/// Returns whether a list has a live member that is not expected, or is unset although members are expected.
pub(crate) fn is_widened(rated: &Rated<'_>) -> bool {
    let (Some(expected), Some(live)) = (rated.expected.as_array(), rated.actual.as_array()) else {
        return !is_unset(rated.actual);
    };
    live.iter().any(|member| {
        let same = |wanted: &Value| super::equality::loosely_equal(wanted, member);
        !expected.iter().any(same)
    })
}

#[cfg(test)]
mod tests;

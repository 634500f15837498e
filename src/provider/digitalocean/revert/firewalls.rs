//! Firewalls. Droplets, tags and rules have calls that add and remove members.

use serde_json::{Map, Value, json};

use super::calls::{call, derived, doctl, list, one, plain, text};
use super::load_balancers::added_then_removed;
use super::{Change, Fields, Rule};
use crate::domain::equality::is_unset;
use crate::domain::revert::{Method, Outcome, member_change};

const FIREWALLS: &str = "DigitalOcean's API reference, \"Firewalls\"";

/// The fields of a firewall.
pub(super) const FIREWALL: Fields = &[
    ("name", Rule::By(rename)),
    ("status", derived("DigitalOcean sets the status.")),
    ("tags", Rule::By(tags)),
    ("droplet_ids", Rule::By(droplets)),
    ("inbound_rules", Rule::By(rules)),
    ("outbound_rules", Rule::By(rules)),
];

/// Renames. The call replaces the whole firewall.
fn rename(change: &Change<'_>) -> Outcome {
    one(text(change).map(|_| {
        let target = change.target;
        let mut body = Map::new();
        for field in ["name", "droplet_ids", "tags"] {
            let value = target.value(field);
            if !is_unset(&value) {
                body.insert(field.to_owned(), value);
            }
        }
        for field in ["inbound_rules", "outbound_rules"] {
            body.insert(field.to_owned(), target.value(field).as_array().map_or(json!([]), |rules| {
                rules.iter().map(api_rule).collect()
            }));
        }
        call(Method::Put, &["firewalls", target.id()], Some(Value::Object(body)))
            .note(
                "Replaces the whole firewall; properties that the body lacks get their defaults. The body has what is \
                 stored here, so compare it with the firewall before you send it.",
            )
            .source(FIREWALLS)
    }))
}

fn droplets(change: &Change<'_>) -> Outcome {
    members(change, "droplets", "droplet_ids", "droplet-ids")
}

fn tags(change: &Change<'_>) -> Outcome {
    members(change, "tags", "tags", "tag-names")
}

fn members(change: &Change<'_>, segment: &str, key: &str, flag: &str) -> Outcome {
    let id = change.target.id();
    let step = |method, values: &[Value], word: &str| {
        call(method, &["firewalls", id, segment], Some(json!({ key: values })))
            .doctl(doctl(
                &format!("compute firewall {word}-{segment}"),
                &[id],
                &[(flag, list(values))],
            ))
            .source(FIREWALLS)
    };
    let members = member_change(change.expected, &change.actual);
    Outcome::Calls(added_then_removed(
        &members,
        |add| step(Method::Post, add, "add").note("The rules apply to these droplets at once."),
        |remove| step(Method::Delete, remove, "remove").note("The rules no longer apply to these droplets."),
    ))
}

fn rules(change: &Change<'_>) -> Outcome {
    let id = change.target.id();
    let flag = if change.field == "inbound_rules" {
        "inbound-rules"
    } else {
        "outbound-rules"
    };
    let step = |method, rules: &[Value], word: &str| {
        let rules: Vec<Value> = rules.iter().map(api_rule).collect();
        call(
            method,
            &["firewalls", id, "rules"],
            Some(json!({ change.field: rules })),
        )
        .doctl(
            rule_list(&rules)
                .and_then(|list| doctl(&format!("compute firewall {word}-rules"), &[id], &[(flag, list)])),
        )
        .source(FIREWALLS)
    };
    let members = member_change(change.expected, &change.actual);
    Outcome::Calls(added_then_removed(
        &members,
        |add| {
            step(Method::Post, add, "add")
                .note("The connections that the rules describe are permitted at once.")
        },
        |remove| {
            step(Method::Delete, remove, "remove").note(
                "The connections that the rules describe are no longer permitted. Do not lock yourself out.",
            )
        },
    ))
}

/// Returns a stored rule as the API expects it: `0` stands for all ports, and ICMP, which has no ports, has it too.
fn api_rule(rule: &Value) -> Value {
    let mut rule = rule.clone();
    if let Some(fields) = rule.as_object_mut() {
        let is_all = fields
            .get("ports")
            .is_none_or(|ports| is_unset(ports) || ports == "all");
        if is_all {
            fields.insert("ports".to_owned(), "0".into());
        }
    }
    rule
}

/// Returns rules in the form of `doctl`: parts separated by commas, rules by spaces. None if a part contains either.
fn rule_list(rules: &[Value]) -> Option<String> {
    let names = [
        ("addresses", "address"),
        ("droplet_ids", "droplet_id"),
        ("load_balancer_uids", "load_balancer_uid"),
        ("kubernetes_ids", "kubernetes_id"),
        ("tags", "tag"),
    ];
    let mut all = Vec::new();
    for rule in rules {
        let mut parts = vec![
            format!("protocol:{}", plain(rule.get("protocol")?)),
            format!("ports:{}", plain(rule.get("ports")?)),
        ];
        let peers = rule.get("sources").or_else(|| rule.get("destinations"));
        for (key, word) in names {
            let values = peers.and_then(|peers| peers.get(key)).and_then(Value::as_array);
            parts.extend(
                values
                    .into_iter()
                    .flatten()
                    .map(|value| format!("{word}:{}", plain(value))),
            );
        }
        if parts.iter().any(|part| part.contains([',', ' '])) {
            return None;
        }
        all.push(parts.join(","));
    }
    Some(all.join(" "))
}

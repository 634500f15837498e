//! Load balancers.
//!
//! DigitalOcean's API reference, "Update a Load Balancer": the call replaces the whole configuration, and properties that its
//! body lacks get their defaults. So its body has all that is stored. Droplets and forwarding rules have calls of their own,
//! which add and remove members.

use serde_json::{Map, Value, json};

use super::calls::{PROJECT, call, derived, doctl, escape, fixed, list, number_in, plain};
use super::{Change, Fields, Rule, Target, cannot, invalid};
use crate::domain::equality::is_unset;
use crate::domain::revert::{Call, MemberChange, Method, Obstacle, Outcome, Placeholder, member_change};

const UPDATE: &str = "DigitalOcean's API reference, \"Load Balancers\": Update a Load Balancer";
const MEMBERS: &str = "DigitalOcean's API reference, \"Load Balancers\": Add and Remove Droplets, Add and Remove Forwarding Rules";
const CERTIFICATES: &str = "DigitalOcean's API reference, \"Certificates\"";

/// The fields of a load balancer.
pub(super) const LOAD_BALANCER: Fields = &[
    ("name", Rule::By(update)),
    ("region", fixed("A load balancer stays in its region.")),
    ("size_slug", Rule::By(resize)),
    ("status", derived("DigitalOcean sets the status.")),
    (
        "tags",
        derived("Load balancers have no tags. The field tag selects droplets."),
    ),
    ("ip", derived("DigitalOcean assigns the address.")),
    (
        "vpc_uuid",
        fixed("A load balancer stays in the VPC in which it was created."),
    ),
    ("project_id", PROJECT),
    (
        "type",
        fixed("The type is chosen when a load balancer is created."),
    ),
    ("forwarding_rules", Rule::By(forwarding_rules)),
    ("health_check", Rule::By(update)),
    ("sticky_sessions", Rule::By(update)),
    ("droplet_ids", Rule::By(droplets)),
    ("tag", Rule::By(update)),
    ("redirect_http_to_https", Rule::By(update)),
    ("enable_proxy_protocol", Rule::By(update)),
    ("enable_backend_keepalive", Rule::By(update)),
    ("disable_lets_encrypt_dns_records", Rule::By(update)),
    ("http_idle_timeout_seconds", Rule::By(update)),
    ("firewall", Rule::By(update)),
    ("domains", Rule::By(update)),
    ("glb_settings", Rule::By(update)),
    ("target_load_balancer_ids", Rule::By(update)),
    (
        "network",
        fixed("The network is chosen when a load balancer is created."),
    ),
    (
        "network_stack",
        fixed("The network stack is chosen when a load balancer is created."),
    ),
    ("tls_cipher_policy", Rule::By(update)),
];

/// Attributes that the body of an update has.
const ATTRIBUTES: [&str; 17] = [
    "type",
    "forwarding_rules",
    "health_check",
    "sticky_sessions",
    "droplet_ids",
    "tag",
    "redirect_http_to_https",
    "enable_proxy_protocol",
    "enable_backend_keepalive",
    "disable_lets_encrypt_dns_records",
    "http_idle_timeout_seconds",
    "firewall",
    "domains",
    "glb_settings",
    "target_load_balancer_ids",
    "network",
    "network_stack",
];

fn resize(change: &Change<'_>) -> Outcome {
    match number_in(change.expected) {
        Some(_) => update(change),
        None => invalid(change, "a number of nodes"),
    }
}

/// Returns the calls that replace the whole configuration.
fn update(change: &Change<'_>) -> Outcome {
    let (body, mut calls, placeholders) = whole(change.target);
    if body.get("forwarding_rules").is_none_or(is_unset) {
        return cannot(
            Obstacle::InvalidValue,
            "The call needs all forwarding rules, and none is stored.",
        );
    }
    let update = call(
        Method::Put,
        &["load_balancers", change.target.id()],
        Some(Value::Object(body)),
    )
    .placeholders(placeholders)
    .note(
        "Replaces the whole configuration; properties that the body lacks get their defaults. The body has what is stored \
         here, so compare it with the load balancer before you send it. It can be resized once a minute.",
    )
    .source(UPDATE);
    calls.push(update);
    Outcome::Calls(calls)
}

/// Returns the body of an update, the calls that read what it refers to, and what is to be filled in.
fn whole(target: Target<'_>) -> (Map<String, Value>, Vec<Call>, Vec<Placeholder>) {
    let mut body = Map::new();
    let columns = ["name", "region", "vpc_uuid", "project_id"];
    let attributes = ATTRIBUTES.into_iter().chain(["tls_cipher_policy"]);
    for name in columns.into_iter().chain(attributes) {
        let value = target.value(name);
        if !is_unset(&value) {
            body.insert(name.to_owned(), value);
        }
    }
    if let Some(nodes) = number_in(&target.value("size_slug")) {
        body.insert("size_unit".to_owned(), nodes.into());
    }
    // Only one of the two is permitted. The one that is put back wins.
    if body.contains_key("tag") && body.contains_key("droplet_ids") {
        let other = if target.expected.contains_key("droplet_ids") {
            "tag"
        } else {
            "droplet_ids"
        };
        body.remove(other);
    }
    let mut certificates = Certificates::default();
    for list in ["forwarding_rules", "domains"] {
        if let Some(entries) = body.get_mut(list) {
            certificates.fill(entries);
        }
    }
    (body, certificates.calls, certificates.placeholders)
}

/// Certificates by name. Their ids are not stored, because Let's Encrypt changes them with each renewal.
#[derive(Default)]
pub(super) struct Certificates {
    pub(super) calls: Vec<Call>,
    pub(super) placeholders: Vec<Placeholder>,
}

impl Certificates {
    /// Replaces the names in the members of a list by placeholders of ids.
    pub(super) fn fill(&mut self, entries: &mut Value) {
        for entry in entries
            .as_array_mut()
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            self.fill_entry(entry);
        }
    }

    /// Replaces the name in an object by the placeholder of its id.
    pub(super) fn fill_entry(&mut self, entry: &mut Map<String, Value>) {
        let Some(name) = entry.remove("certificate_name").filter(|name| !is_unset(name)) else {
            return;
        };
        let name = plain(&name);
        let text = format!("{{id of certificate {name}}}");
        if self.placeholders.iter().all(|known| known.text != text) {
            self.calls.push(
                call(Method::Get, &["certificates"], None)
                    .query("name", &name)
                    .doctl(doctl("compute certificate list", &[], &[]))
                    .note(format!("Read the id of the certificate {name}."))
                    .source(CERTIFICATES),
            );
            self.placeholders.push(Placeholder {
                meaning: format!(
                    "the id in the answer to GET /v2/certificates?name={}",
                    escape(&name)
                ),
                text: text.clone(),
            });
        }
        entry.insert("certificate_id".to_owned(), text.into());
    }
}

fn droplets(change: &Change<'_>) -> Outcome {
    if !is_unset(&change.target.live("tag")) {
        return update(change);
    }
    let id = change.target.id();
    let path = ["load_balancers", id, "droplets"];
    let members = member_change(change.expected, &change.actual);
    let step = |method, droplets: &[Value], word: &str| {
        call(method, &path, Some(json!({ "droplet_ids": droplets })))
            .doctl(doctl(
                &format!("compute load-balancer {word}"),
                &[id],
                &[("droplet-ids", list(droplets))],
            ))
            .source(MEMBERS)
    };
    Outcome::Calls(added_then_removed(
        &members,
        |add| {
            step(Method::Post, add, "add-droplets")
                .note("The droplets get traffic when their health checks succeed.")
        },
        |remove| step(Method::Delete, remove, "remove-droplets").note("The droplets get no new connections."),
    ))
}

/// Returns the call that adds the missing members and then the one that removes the others, so that there is no time without
/// members.
pub(super) fn added_then_removed(
    members: &MemberChange,
    add: impl Fn(&[Value]) -> Call,
    remove: impl Fn(&[Value]) -> Call,
) -> Vec<Call> {
    let mut calls = Vec::new();
    if !members.add.is_empty() {
        calls.push(add(&members.add));
    }
    if !members.remove.is_empty() {
        calls.push(remove(&members.remove));
    }
    calls
}

fn forwarding_rules(change: &Change<'_>) -> Outcome {
    let MemberChange { add, remove } = member_change(change.expected, &change.actual);
    let port = |rule: &Value| rule.get("entry_port").cloned();
    // Two rules cannot have one port, and a load balancer needs a rule.
    if remove
        .iter()
        .any(|old| add.iter().any(|new| port(old) == port(new)))
        || is_unset(change.expected)
    {
        return update(change);
    }
    let mut certificates = Certificates::default();
    let id = change.target.id();
    let mut step = |method, rules: &[Value], word: &str| {
        let mut rules = Value::Array(rules.to_vec());
        certificates.fill(&mut rules);
        let (reads, placeholders) = (
            std::mem::take(&mut certificates.calls),
            std::mem::take(&mut certificates.placeholders),
        );
        // The placeholder of a command would be taken literally.
        let command = placeholders
            .is_empty()
            .then(|| rule_command(word, id, &rules))
            .flatten();
        let call = call(
            method,
            &["load_balancers", id, "forwarding_rules"],
            Some(json!({ "forwarding_rules": rules })),
        )
        .placeholders(placeholders)
        .doctl(command)
        .source(MEMBERS);
        reads.into_iter().chain([call]).collect::<Vec<_>>()
    };
    let mut calls = Vec::new();
    if !add.is_empty() {
        calls.append(&mut step(Method::Post, &add, "add-forwarding-rules"));
    }
    if !remove.is_empty() {
        calls.append(&mut step(Method::Delete, &remove, "remove-forwarding-rules"));
        if let Some(last) = calls.pop() {
            calls.push(last.note("The load balancer no longer listens on the ports of these rules."));
        }
    }
    Outcome::Calls(calls)
}

fn rule_command(word: &str, id: &str, rules: &Value) -> Option<String> {
    let rules: Vec<String> = rules
        .as_array()?
        .iter()
        .filter_map(Value::as_object)
        .map(|rule| {
            let parts: Vec<String> = rule
                .iter()
                .map(|(key, value)| format!("{key}:{}", plain(value)))
                .collect();
            parts.join(",")
        })
        .collect();
    // doctl separates several rules by spaces.
    let safe = rules.iter().all(|rule| !rule.contains(' '));
    safe.then(|| {
        doctl(
            &format!("compute load-balancer {word}"),
            &[id],
            &[("forwarding-rules", rules.join(" "))],
        )
    })
    .flatten()
}

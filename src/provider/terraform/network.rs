//! Firewalls, networks, names and addresses.

use serde_json::{Map, Value};

use super::Said;
use super::fields::{Row, Take, blocks, desired, id, id_number, take, text};
use super::file::Instance;
use super::merge::Part;
use crate::provider::normal;

const FIREWALL: [Row; 3] = [
    ("name", "name", Take::Text),
    ("droplet_ids", "droplet_ids", Take::Ids),
    ("tags", "tags", Take::Tags),
];

const SOURCES: [Row; 5] = [
    ("source_addresses", "addresses", Take::Texts),
    ("source_droplet_ids", "droplet_ids", Take::Ids),
    ("source_load_balancer_uids", "load_balancer_uids", Take::Texts),
    ("source_kubernetes_ids", "kubernetes_ids", Take::Texts),
    ("source_tags", "tags", Take::Tags),
];

const DESTINATIONS: [Row; 5] = [
    ("destination_addresses", "addresses", Take::Texts),
    ("destination_droplet_ids", "droplet_ids", Take::Ids),
    (
        "destination_load_balancer_uids",
        "load_balancer_uids",
        Take::Texts,
    ),
    ("destination_kubernetes_ids", "kubernetes_ids", Take::Texts),
    ("destination_tags", "tags", Take::Tags),
];

pub(super) fn firewall(instance: &Instance) -> Option<Vec<Said>> {
    let attributes = &instance.attributes;
    let mut spec = take(attributes, &FIREWALL);
    let sides = [
        ("inbound_rule", "inbound_rules", "sources", &SOURCES),
        ("outbound_rule", "outbound_rules", "destinations", &DESTINATIONS),
    ];
    for (from, to, peers, rows) in sides {
        let rules: Vec<Value> = blocks(attributes, from)
            .map(|block| rule(block, peers, rows))
            .collect();
        spec.insert(to.to_owned(), rules.into());
    }
    let id = id(attributes, "id")?;
    Some(vec![Said::Resource(desired(instance, "firewall", id, spec))])
}

fn rule(block: &Map<String, Value>, peers: &str, rows: &[Row]) -> Value {
    let mut rule = take(block, &[("protocol", "protocol", Take::Slug)]);
    let protocol = text(&rule, "protocol").unwrap_or_default();
    if let Some(ports) = normal::ports(protocol, text(block, "port_range").unwrap_or_default()) {
        rule.insert("ports".to_owned(), ports.into());
    }
    let mut named = take(block, rows);
    named.retain(|_, list| list.as_array().is_some_and(|list| !list.is_empty()));
    rule.insert(peers.to_owned(), named.into());
    rule.into()
}

const VPC: [Row; 4] = [
    ("name", "name", Take::Text),
    ("region", "region", Take::Slug),
    ("description", "description", Take::Text),
    ("ip_range", "ip_range", Take::Known),
];

pub(super) fn vpc(instance: &Instance) -> Option<Vec<Said>> {
    let spec = take(&instance.attributes, &VPC);
    let id = id(&instance.attributes, "id")?;
    Some(vec![Said::Resource(desired(instance, "vpc", id, spec))])
}

pub(super) fn domain(instance: &Instance) -> Option<Vec<Said>> {
    let spec = take(&instance.attributes, &[("name", "name", Take::Slug)]);
    let id = text(&spec, "name")
        .map(str::to_owned)
        .or_else(|| id(&instance.attributes, "id"))?;
    Some(vec![Said::Resource(desired(instance, "domain", id, spec))])
}

const RECORD: [Row; 2] = [("type", "type", Take::Upper), ("ttl", "ttl", Take::Positive)];

pub(super) fn record(instance: &Instance) -> Option<Vec<Said>> {
    let attributes = &instance.attributes;
    let mut spec = take(attributes, &RECORD);
    let domain = text(attributes, "domain").unwrap_or_default();
    let record_type = text(&spec, "type").unwrap_or_default().to_owned();
    if let Some(name) = attributes.get("name").and_then(Value::as_str) {
        spec.insert("name".to_owned(), normal::record_name(name, domain).into());
    }
    if let Some(value) = attributes.get("value").and_then(Value::as_str) {
        let data = normal::record_data(&record_type, value, domain);
        spec.insert("data".to_owned(), data.into());
    }
    // The state has zeros and empty texts where the type has no such field, and where it is zero.
    let own: &[&str] = match record_type.as_str() {
        "MX" => &["priority"],
        "SRV" => &["priority", "port", "weight"],
        "CAA" => &["flags", "tag"],
        _ => &[],
    };
    for field in own {
        if let Some(value) = attributes.get(*field).filter(|value| !value.is_null()) {
            let zero = value.as_i64() == Some(0);
            spec.insert(
                (*field).to_owned(),
                if zero { Value::Null } else { value.clone() },
            );
        }
    }
    let id = id(attributes, "id")?;
    Some(vec![Said::Resource(desired(instance, "domain_record", id, spec))])
}

const RESERVED_IP: [Row; 2] = [
    ("region", "region", Take::Slug),
    ("droplet_id", "droplet_id", Take::Positive),
];

pub(super) fn reserved_ip(instance: &Instance) -> Option<Vec<Said>> {
    let spec = take(&instance.attributes, &RESERVED_IP);
    let address = id(&instance.attributes, "ip_address").or_else(|| id(&instance.attributes, "id"))?;
    let resource = desired(instance, "reserved_ip", address, spec);
    Some(vec![Said::Resource(resource)])
}

pub(super) fn assignment(instance: &Instance) -> Option<Vec<Said>> {
    let droplet = id_number(instance.attributes.get("droplet_id")?)?;
    Some(vec![Said::Part(Part {
        kind: "reserved_ip",
        provider_id: id(&instance.attributes, "ip_address")?,
        field: "droplet_id",
        value: droplet.into(),
        optional: false,
    })])
}

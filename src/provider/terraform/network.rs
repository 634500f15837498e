//! Firewalls, VPCs, domains, DNS records and reserved addresses.

use serde_json::Value;

use super::fields::{Block, Reading, Row, Take, desired, id, id_number, take, text};
use super::instance::Instance;
use super::merge::Part;
use super::{Said, Strength};
use crate::domain::equality::is_unset;
use crate::provider::normalize;

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
    let root = Block::of(instance);
    let mut reading = take(&root, &FIREWALL);
    let sides = [
        ("inbound_rule", "inbound_rules", "sources", &SOURCES),
        ("outbound_rule", "outbound_rules", "destinations", &DESTINATIONS),
    ];
    for (from, to, peers, rows) in sides {
        let rules = root.blocks(from).map(|block| rule(&block, peers, rows));
        reading.members(to, rules.collect());
    }
    let id = id(&instance.attributes, "id")?;
    Some(vec![Said::Resource(desired(instance, "firewall", id, reading))])
}

fn rule(block: &Block<'_>, peers: &'static str, rows: &[Row]) -> Reading {
    let mut rule = take(block, &[("protocol", "protocol", Take::Slug)]);
    let protocol = text(&rule.fields, "protocol").unwrap_or_default();
    let range = text(block.attributes, "port_range").unwrap_or_default();
    if let Some(ports) = normalize::ports(protocol, range) {
        rule.set("ports", ports);
    }
    let mut named = take(block, rows);
    named.fields.retain(|_, list| !is_unset(list));
    rule.object(peers, named);
    rule
}

const VPC: [Row; 4] = [
    ("name", "name", Take::Text),
    ("region", "region", Take::Slug),
    ("description", "description", Take::Text),
    ("ip_range", "ip_range", Take::Text),
];

pub(super) fn vpc(instance: &Instance) -> Option<Vec<Said>> {
    let spec = take(&Block::of(instance), &VPC);
    let id = id(&instance.attributes, "id")?;
    Some(vec![Said::Resource(desired(instance, "vpc", id, spec))])
}

pub(super) fn domain(instance: &Instance) -> Option<Vec<Said>> {
    let spec = take(&Block::of(instance), &[("name", "name", Take::Slug)]);
    let id = text(&spec.fields, "name")
        .map(str::to_owned)
        .or_else(|| id(&instance.attributes, "id"))?;
    Some(vec![Said::Resource(desired(instance, "domain", id, spec))])
}

const RECORD: [Row; 7] = [
    ("type", "type", Take::Upper),
    ("ttl", "ttl", Take::Number),
    ("priority", "priority", Take::Number),
    ("port", "port", Take::Number),
    ("weight", "weight", Take::Number),
    ("flags", "flags", Take::Number),
    ("tag", "tag", Take::Text),
];

pub(super) fn record(instance: &Instance) -> Option<Vec<Said>> {
    let attributes = &instance.attributes;
    let mut reading = take(&Block::of(instance), &RECORD);
    let domain = text(attributes, "domain").unwrap_or_default();
    let record_type = text(&reading.fields, "type").unwrap_or_default().to_owned();
    if let Some(name) = attributes.get("name").and_then(Value::as_str) {
        reading.set("name", normalize::record_name(name, domain));
    }
    if let Some(value) = attributes.get("value").and_then(Value::as_str) {
        reading.set("data", normalize::record_data(&record_type, value, domain));
    }
    let id = id(attributes, "id")?;
    Some(vec![Said::Resource(desired(
        instance,
        "domain_record",
        id,
        reading,
    ))])
}

const RESERVED_IP: [Row; 2] = [
    ("region", "region", Take::Slug),
    ("droplet_id", "droplet_id", Take::Positive),
];

pub(super) fn reserved_ip(instance: &Instance) -> Option<Vec<Said>> {
    let spec = take(&Block::of(instance), &RESERVED_IP);
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
        strength: Strength::Declared,
        address: instance.address.clone(),
    })])
}

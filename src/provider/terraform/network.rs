//! Firewalls, VPCs, domains, DNS records and reserved addresses.

use serde_json::Value;

use super::fields::{Block, Conversion, Reading, Row, desired, id, id_number, read_attributes, text};
use super::instance::Instance;
use super::merge::Part;
use super::{Mapped, Strength};
use crate::domain::equality::is_unset;
use crate::provider::normalize;

const FIREWALL: [Row; 3] = [
    ("name", "name", Conversion::Text),
    ("droplet_ids", "droplet_ids", Conversion::Ids),
    ("tags", "tags", Conversion::Tags),
];

const SOURCES: [Row; 5] = [
    ("source_addresses", "addresses", Conversion::Texts),
    ("source_droplet_ids", "droplet_ids", Conversion::Ids),
    (
        "source_load_balancer_uids",
        "load_balancer_uids",
        Conversion::Texts,
    ),
    ("source_kubernetes_ids", "kubernetes_ids", Conversion::Texts),
    ("source_tags", "tags", Conversion::Tags),
];

const DESTINATIONS: [Row; 5] = [
    ("destination_addresses", "addresses", Conversion::Texts),
    ("destination_droplet_ids", "droplet_ids", Conversion::Ids),
    (
        "destination_load_balancer_uids",
        "load_balancer_uids",
        Conversion::Texts,
    ),
    ("destination_kubernetes_ids", "kubernetes_ids", Conversion::Texts),
    ("destination_tags", "tags", Conversion::Tags),
];

pub(super) fn firewall(instance: &Instance) -> Option<Vec<Mapped>> {
    let root = Block::of(instance);
    let mut reading = read_attributes(&root, &FIREWALL);
    let sides = [
        ("inbound_rule", "inbound_rules", "sources", &SOURCES),
        ("outbound_rule", "outbound_rules", "destinations", &DESTINATIONS),
    ];
    for (from, to, peers, rows) in sides {
        let rules = root.blocks(from).map(|block| rule(&block, peers, rows));
        reading.members(to, rules.collect());
    }
    let id = id(&instance.attributes, "id")?;
    Some(vec![Mapped::Resource(desired(instance, "firewall", id, reading))])
}

fn rule(block: &Block<'_>, peers: &'static str, rows: &[Row]) -> Reading {
    let mut rule = read_attributes(block, &[("protocol", "protocol", Conversion::Slug)]);
    let protocol = text(&rule.fields, "protocol").unwrap_or_default();
    let range = text(block.attributes, "port_range").unwrap_or_default();
    if let Some(ports) = normalize::ports(protocol, range) {
        rule.set("ports", ports);
    }
    let mut named = read_attributes(block, rows);
    named.fields.retain(|_, list| !is_unset(list));
    rule.object(peers, named);
    rule
}

const VPC: [Row; 4] = [
    ("name", "name", Conversion::Text),
    ("region", "region", Conversion::Slug),
    ("description", "description", Conversion::Text),
    ("ip_range", "ip_range", Conversion::Text),
];

pub(super) fn vpc(instance: &Instance) -> Option<Vec<Mapped>> {
    let spec = read_attributes(&Block::of(instance), &VPC);
    let id = id(&instance.attributes, "id")?;
    Some(vec![Mapped::Resource(desired(instance, "vpc", id, spec))])
}

pub(super) fn domain(instance: &Instance) -> Option<Vec<Mapped>> {
    let spec = read_attributes(&Block::of(instance), &[("name", "name", Conversion::Slug)]);
    let id = text(&spec.fields, "name")
        .map(str::to_owned)
        .or_else(|| id(&instance.attributes, "id"))?;
    Some(vec![Mapped::Resource(desired(instance, "domain", id, spec))])
}

const RECORD: [Row; 7] = [
    ("type", "type", Conversion::Upper),
    ("ttl", "ttl", Conversion::Number),
    ("priority", "priority", Conversion::Number),
    ("port", "port", Conversion::Number),
    ("weight", "weight", Conversion::Number),
    ("flags", "flags", Conversion::Number),
    ("tag", "tag", Conversion::Text),
];

pub(super) fn record(instance: &Instance) -> Option<Vec<Mapped>> {
    let attributes = &instance.attributes;
    let mut reading = read_attributes(&Block::of(instance), &RECORD);
    let domain = text(attributes, "domain").unwrap_or_default();
    let record_type = text(&reading.fields, "type").unwrap_or_default().to_owned();
    if let Some(name) = attributes.get("name").and_then(Value::as_str) {
        reading.set("name", normalize::record_name(name, domain));
    }
    if let Some(value) = attributes.get("value").and_then(Value::as_str) {
        reading.set("data", normalize::record_data(&record_type, value, domain));
    }
    let id = id(attributes, "id")?;
    Some(vec![Mapped::Resource(desired(
        instance,
        "domain_record",
        id,
        reading,
    ))])
}

const RESERVED_IP: [Row; 2] = [
    ("region", "region", Conversion::Slug),
    ("droplet_id", "droplet_id", Conversion::Positive),
];

pub(super) fn reserved_ip(instance: &Instance) -> Option<Vec<Mapped>> {
    let spec = read_attributes(&Block::of(instance), &RESERVED_IP);
    let address = id(&instance.attributes, "ip_address").or_else(|| id(&instance.attributes, "id"))?;
    let resource = desired(instance, "reserved_ip", address, spec);
    Some(vec![Mapped::Resource(resource)])
}

pub(super) fn assignment(instance: &Instance) -> Option<Vec<Mapped>> {
    let droplet = id_number(instance.attributes.get("droplet_id")?)?;
    Some(vec![Mapped::Part(Part {
        kind: "reserved_ip",
        provider_id: id(&instance.attributes, "ip_address")?,
        field: "droplet_id",
        value: droplet.into(),
        strength: Strength::Declared,
        address: instance.address.clone(),
    })])
}

//! Database clusters and their trusted sources.

use serde_json::{Map, Value};

use super::Mapped;
use super::fields::{Block, Conversion, Reading, Row, desired, id, read_attributes, text};
use super::instance::Instance;
use crate::provider::normalize;

/// Passwords, addresses, users and values of other API endpoints are left out.
const CLUSTER: [Row; 9] = [
    ("name", "name", Conversion::Text),
    ("region", "region", Conversion::Slug),
    ("size", "size_slug", Conversion::Slug),
    ("version", "version", Conversion::Text),
    ("node_count", "num_nodes", Conversion::Number),
    ("tags", "tags", Conversion::Tags),
    ("private_network_uuid", "private_network_uuid", Conversion::Text),
    ("project_id", "project_id", Conversion::Known),
    ("storage_size_mib", "storage_size_mib", Conversion::Positive),
];

pub(super) fn cluster(instance: &Instance) -> Option<Vec<Mapped>> {
    let (root, attributes) = (Block::of(instance), &instance.attributes);
    let mut reading = read_attributes(&root, &CLUSTER);
    if let Some(engine) = text(attributes, "engine").map(normalize::engine) {
        // The version is not compared, because DigitalOcean upgrades Valkey automatically.
        if engine == "valkey" {
            reading.fields.remove("version");
        }
        reading.set("engine", engine);
    }
    if root
        .blocks("storage_autoscale")
        .any(|block| is_enabled(block.attributes))
    {
        reading.fields.remove("storage_size_mib");
    }
    if let Some(window) = reading.block(&root, "maintenance_window", "maintenance_window") {
        let mut declared = read_attributes(&window, &[("day", "day", Conversion::Slug)]);
        if let Some(hour) = text(window.attributes, "hour") {
            declared.set("hour", normalize::hour(hour));
        }
        reading.object("maintenance_window", declared);
    }
    let id = id(attributes, "id")?;
    Some(vec![Mapped::Resource(desired(instance, "database", id, reading))])
}

fn is_enabled(block: &Map<String, Value>) -> bool {
    block.get("enabled").and_then(Value::as_bool).unwrap_or_default()
}

const RULE: [Row; 2] = [
    ("type", "type", Conversion::Slug),
    ("value", "value", Conversion::Text),
];

/// Maps the trusted sources of a cluster. Their resource has the id of the cluster.
pub(super) fn firewall(instance: &Instance) -> Option<Vec<Mapped>> {
    let mut reading = Reading::default();
    reading.members("rules", Block::of(instance).blocks("rule").map(rule).collect());
    let cluster = id(&instance.attributes, "cluster_id")?;
    let resource = desired(instance, "database_firewall", cluster, reading);
    Some(vec![Mapped::Resource(resource)])
}

fn rule(block: Block<'_>) -> Reading {
    let mut rule = read_attributes(&block, &RULE);
    if let (Some("tag"), Some(tag)) = (text(&rule.fields, "type"), text(&rule.fields, "value")) {
        let tag = normalize::slug(tag);
        rule.set("value", tag);
    }
    rule
}

//! Database clusters and their trusted sources.

use serde_json::{Map, Value};

use super::Said;
use super::fields::{Block, Reading, Row, Take, desired, id, take, text};
use super::instance::Instance;
use crate::provider::normalize;

/// Passwords, addresses, users and values of other API endpoints are left out.
const CLUSTER: [Row; 9] = [
    ("name", "name", Take::Text),
    ("region", "region", Take::Slug),
    ("size", "size_slug", Take::Slug),
    ("version", "version", Take::Text),
    ("node_count", "num_nodes", Take::Number),
    ("tags", "tags", Take::Tags),
    ("private_network_uuid", "private_network_uuid", Take::Text),
    ("project_id", "project_id", Take::Known),
    ("storage_size_mib", "storage_size_mib", Take::Positive),
];

pub(super) fn cluster(instance: &Instance) -> Option<Vec<Said>> {
    let (root, attributes) = (Block::of(instance), &instance.attributes);
    let mut reading = take(&root, &CLUSTER);
    if let Some(engine) = text(attributes, "engine").map(normalize::engine) {
        // DigitalOcean upgrades Valkey by itself.
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
        let mut declared = take(&window, &[("day", "day", Take::Slug)]);
        if let Some(hour) = text(window.attributes, "hour") {
            declared.set("hour", normalize::hour(hour));
        }
        reading.object("maintenance_window", declared);
    }
    let id = id(attributes, "id")?;
    Some(vec![Said::Resource(desired(instance, "database", id, reading))])
}

fn is_enabled(block: &Map<String, Value>) -> bool {
    block.get("enabled").and_then(Value::as_bool).unwrap_or_default()
}

const RULE: [Row; 2] = [("type", "type", Take::Slug), ("value", "value", Take::Text)];

/// Maps the trusted sources of a cluster. Their resource has the id of the cluster.
pub(super) fn firewall(instance: &Instance) -> Option<Vec<Said>> {
    let mut reading = Reading::default();
    reading.members("rules", Block::of(instance).blocks("rule").map(rule).collect());
    let cluster = id(&instance.attributes, "cluster_id")?;
    let resource = desired(instance, "database_firewall", cluster, reading);
    Some(vec![Said::Resource(resource)])
}

fn rule(block: Block<'_>) -> Reading {
    let mut rule = take(&block, &RULE);
    if let (Some("tag"), Some(tag)) = (text(&rule.fields, "type"), text(&rule.fields, "value")) {
        let tag = normalize::slug(tag);
        rule.set("value", tag);
    }
    rule
}

//! Database clusters and who may reach them.

use serde_json::{Map, Value};

use super::Said;
use super::fields::{Row, Take, block, blocks, desired, id, take, text};
use super::file::Instance;
use crate::provider::normal;

/// Passwords, addresses and users have no row here, and so have what other endpoints tell.
const CLUSTER: [Row; 9] = [
    ("name", "name", Take::Text),
    ("region", "region", Take::Slug),
    ("size", "size_slug", Take::Slug),
    ("version", "version", Take::Known),
    ("node_count", "num_nodes", Take::Number),
    ("tags", "tags", Take::Tags),
    ("private_network_uuid", "private_network_uuid", Take::Known),
    ("project_id", "project_id", Take::Known),
    ("storage_size_mib", "storage_size_mib", Take::Positive),
];

pub(super) fn cluster(instance: &Instance) -> Option<Vec<Said>> {
    let attributes = &instance.attributes;
    let mut spec = take(attributes, &CLUSTER);
    if let Some(engine) = text(attributes, "engine").map(normal::engine) {
        // The cloud upgrades caches by itself.
        if engine == "valkey" {
            spec.remove("version");
        }
        spec.insert("engine".to_owned(), engine.into());
    }
    if block(attributes, "storage_autoscale").is_some_and(is_enabled) {
        spec.remove("storage_size_mib");
    }
    if let Some(window) = block(attributes, "maintenance_window") {
        let mut declared = take(window, &[("day", "day", Take::Slug)]);
        if let Some(hour) = text(window, "hour") {
            declared.insert("hour".to_owned(), normal::hour(hour).into());
        }
        spec.insert("maintenance_window".to_owned(), declared.into());
    }
    let id = id(attributes, "id")?;
    Some(vec![Said::Resource(desired(instance, "database", id, spec))])
}

fn is_enabled(block: &Map<String, Value>) -> bool {
    block.get("enabled").and_then(Value::as_bool).unwrap_or_default()
}

const RULE: [Row; 2] = [("type", "type", Take::Slug), ("value", "value", Take::Text)];

/// There is one for each cluster, whose id it goes by.
pub(super) fn firewall(instance: &Instance) -> Option<Vec<Said>> {
    let attributes = &instance.attributes;
    let rules: Vec<Value> = blocks(attributes, "rule").map(rule).collect();
    let spec = Map::from_iter([("rules".to_owned(), rules.into())]);
    let cluster = id(attributes, "cluster_id")?;
    let resource = desired(instance, "database_firewall", cluster, spec);
    Some(vec![Said::Resource(resource)])
}

fn rule(block: &Map<String, Value>) -> Value {
    let mut rule = take(block, &RULE);
    if let (Some("tag"), Some(tag)) = (text(&rule, "type"), text(&rule, "value")) {
        let tag = normal::slug(tag);
        rule.insert("value".to_owned(), tag.into());
    }
    rule.into()
}

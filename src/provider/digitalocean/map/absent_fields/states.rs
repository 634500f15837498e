//! Generates Terraform states that have a value for every attribute.

use serde_json::{Map, Value, json};

use crate::provider::terraform::schema::attributes;

/// Returns a value that differs from the default of the attribute.
pub(super) fn sample_value(type_name: &str, path: &str, form: &str) -> Value {
    let name = path.rsplit('.').next().unwrap_or(path);
    match (type_name, path) {
        ("loadbalancer", "type") => return json!("REGIONAL_NETWORK"),
        ("loadbalancer", "sticky_sessions.type") => return json!("cookies"),
        ("loadbalancer", "size") => return json!("lb-medium"),
        ("loadbalancer", "size_unit") => return json!(3),
        ("record", "type") => return json!("TXT"),
        ("database_cluster", "engine") => return json!("pg"),
        ("database_cluster", "storage_size_mib") => return json!("61440"),
        ("certificate", "type") => return json!("lets_encrypt"),
        ("reserved_ip", "ip_address" | "id") => return json!("203.0.113.7"),
        ("project", "environment") => return json!("Staging"),
        ("droplet" | "custom_image", "id" | "image_id") => return json!("7"),
        (_, path) if path.ends_with("rule.protocol") => return json!("tcp"),
        _ => {}
    }
    match form {
        "bool" => (name != "surge_upgrade" && name != "enabled" || type_name == "app").into(),
        "number" => 7.into(),
        "list" | "set" if name.ends_with("droplet_ids") || name == "internal_ports" => json!([7, 8]),
        "list" | "set" => json!([format!("{name}-1"), format!("{name}-2")]),
        "map" if name == "region_priorities" => json!({ "nyc3": 1 }),
        "map" => json!({ "team": "web" }),
        _ => format!("{name}-1").into(),
    }
}

/// Returns a block with values for all attributes except `omitted`.
pub(super) fn full(type_name: &str, block: &str, omitted: &[&str]) -> Map<String, Value> {
    let mut all = Map::new();
    for attribute in attributes(type_name, block) {
        let path = joined(block, attribute.name);
        if omitted.contains(&path.as_str()) || attribute.word == "secret" || attribute.word == "unlisted" {
            continue;
        }
        let value = match attribute.form {
            "block" => json!([full(type_name, &path, omitted)]),
            form => sample_value(type_name, &path, form),
        };
        all.insert(attribute.name.to_owned(), value);
    }
    all
}

pub(super) fn joined(block: &str, name: &str) -> String {
    if block.is_empty() {
        name.to_owned()
    } else {
        format!("{block}.{name}")
    }
}

/// Sets the attribute at a path, or removes it if `value` is None.
pub(super) fn with(mut all: Map<String, Value>, path: &str, value: Option<&Value>) -> Map<String, Value> {
    let (blocks, name) = path.rsplit_once('.').unwrap_or(("", path));
    let mut at = &mut all;
    for block in blocks.split('.').filter(|block| !block.is_empty()) {
        at = at[block][0].as_object_mut().unwrap();
    }
    match value {
        Some(value) => _ = at.insert(name.to_owned(), value.clone()),
        None => _ = at.remove(name),
    }
    all
}

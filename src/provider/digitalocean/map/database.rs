//! Database clusters and their trusted sources.
//!
//! DigitalOcean's API reference, "Databases": connections and users contain passwords unless the token lacks the scope
//! `database:view_credentials`. Neither is stored.

use serde_json::{Value, json};

use super::{Context, Shape, items, named, resource, text};
use crate::domain::inventory::ListedResource;
use crate::provider::digitalocean::map::shape::{Field, as_set, pick};
use crate::provider::normalize;

pub(super) const DATABASE: &[Field] = &[
    ("version", Shape::Plain),
    ("num_nodes", Shape::Plain),
    ("private_network_uuid", Shape::Plain),
    ("storage_size_mib", Shape::Number),
];

pub(in super::super) fn database(item: &Value, _: &Context) -> Option<ListedResource> {
    let mut database = named(item, "dbaas", DATABASE)?;
    if let Some(engine) = text(item, "/engine") {
        database.with_attr("engine", normalize::engine(&engine));
    }
    database.size_slug = super::lower(item, "/size");
    let hour = text(item, "/maintenance_window/hour").map(|hour| normalize::hour(&hour));
    let window = json!({ "day": super::lower(item, "/maintenance_window/day"), "hour": hour });
    let fields = Shape::Object(&[("day", Shape::Plain), ("hour", Shape::Plain)]);
    if let Some(window) = pick(&window, &fields) {
        database.with_attr("maintenance_window", window);
    }
    Some(database)
}

/// Returns the trusted sources of a cluster. `rules` are the rules of its firewall.
pub(in super::super) fn firewall(cluster: &str, name: Option<String>, rules: &[Value]) -> ListedResource {
    let rules = json!({ "rules": rules });
    let mut firewall = resource(&rules, "database_firewall", cluster, name);
    firewall.with_attr(
        "rules",
        as_set(items(&rules, "/rules").iter().map(rule).collect()),
    );
    firewall
}

/// Maps a rule. Its id, date and description are dropped, because they do not affect who has access.
fn rule(item: &Value) -> Value {
    let kind = super::lower(item, "/type").unwrap_or_default();
    let value = item.get("value").and_then(super::id_text).unwrap_or_default();
    let value = if kind == "tag" {
        value.to_lowercase()
    } else {
        value
    };
    json!({ "type": kind, "value": value })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::shown;
    use super::*;

    #[test]
    fn a_database_is_mapped_without_its_credentials() {
        let item = json!({
            "id": "db-1", "name": "main", "engine": "redis", "version": "8", "semantic_version": "8.1.2",
            "num_nodes": 2, "size": "db-s-1vcpu-1gb", "region": "nyc3", "status": "resizing",
            "connection": { "password": "hunter2" }, "users": [{ "name": "doadmin", "password": "hunter2" }],
            "private_network_uuid": "vpc-1", "tags": ["Prod"], "storage_size_mib": "61440", "project_id": "p-1",
            "maintenance_window": { "day": "Monday", "hour": "13:00", "pending": true, "description": ["soon"] },
        });
        assert_eq!(
            shown(database(&item, &Context::default())),
            json!({
                "id": "db-1", "urn": "do:dbaas:db-1", "name": "main", "region": "nyc3",
                "size_slug": "db-s-1vcpu-1gb", "status": "resizing", "settling": true, "tags": ["prod"],
                "project_id": "p-1",
                "attrs": {
                    "engine": "valkey", "version": "8", "num_nodes": 2, "private_network_uuid": "vpc-1",
                    "storage_size_mib": 61440, "maintenance_window": { "day": "monday", "hour": "13:00:00" },
                },
            })
        );
    }

    #[test]
    fn trusted_sources_are_mapped_and_never_settling() {
        let rules = [
            json!({ "uuid": "r-2", "type": "tag", "value": "Web", "created_at": "2026" }),
            json!({ "uuid": "r-1", "type": "ip_addr", "value": "203.0.113.5", "description": "office" }),
        ];
        let all = firewall("db-1", Some("main".to_owned()), &rules);
        assert_eq!(
            shown(Some(all)),
            json!({ "id": "db-1", "urn": "do:database_firewall:db-1", "name": "main",
                    "attrs": { "rules": [{ "type": "ip_addr", "value": "203.0.113.5" },
                                         { "type": "tag", "value": "web" }] } })
        );
    }
}

//! What is there, taken as what is asked for.

use entity::cloud_resources;
use serde_json::{Map, Value};

use super::canonical::is_unset;
use super::compare::{SCHEMA_FIELDS, live_value};

/// Fields that change by themselves: nobody asks for them.
const NOT_ASKED_FOR: [&str; 2] = ["status", "ip"];

/// The spec that a resource meets as it is: its schema fields that are set, and its attributes. Status and
/// address are left out, whether they are columns or attributes.
pub fn baseline(resource: &cloud_resources::Model) -> Map<String, Value> {
    let attributes = resource.attrs.as_object().into_iter().flatten();
    let names = SCHEMA_FIELDS
        .iter()
        .copied()
        .chain(attributes.map(|(name, _)| name.as_str()));
    names
        .filter(|name| !NOT_ASKED_FOR.contains(name))
        .filter_map(|name| Some((name.to_owned(), live_value(resource, name)?.into_owned())))
        .filter(|(_, value)| !is_unset(value))
        .collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::compare::differences;

    #[test]
    fn a_baseline_is_what_is_there_without_what_changes_by_itself() {
        let resource = cloud_resources::Model {
            id: Uuid::nil(),
            provider: "digitalocean".to_owned(),
            kind: "droplet".to_owned(),
            provider_id: "1".to_owned(),
            urn: "do:droplet:1".to_owned(),
            name: "web-1".to_owned(),
            region: Some("nyc3".to_owned()),
            size_slug: None,
            status: Some("active".to_owned()),
            tags: json!(["web"]),
            ip: Some("192.0.2.1".to_owned()),
            vpc_uuid: Some(String::new()),
            project_id: None,
            attrs: json!({"backups": false, "volume_ids": [], "name": "other", "size_slug": "s-1"}),
            revision: 1,
            first_seen_at: Some(DateTime::UNIX_EPOCH),
            gone_at: None,
            settling_since: None,
            owned: false,
        };
        let spec = baseline(&resource);
        let expected = json!({
            "name": "web-1", "region": "nyc3", "tags": ["web"], "backups": false, "size_slug": "s-1",
        });
        assert_eq!(Value::Object(spec.clone()), expected);
        assert_eq!(differences(&spec, &resource), []);
    }
}

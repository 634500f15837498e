//! What is there, taken as what is asked for.

use entity::cloud_resources;
use serde_json::{Map, Value};

use super::canonical::is_unset;
use super::compare::{SCHEMA_FIELDS, live_value};
use super::inventory::AUTOSCALE_POOL_ID;

/// The spec that a resource meets as it is: its schema fields that are set, and its attributes, but for what
/// changes by itself.
pub fn baseline(resource: &cloud_resources::Model) -> Map<String, Value> {
    let attributes = resource.attrs.as_object().into_iter().flatten();
    let names = SCHEMA_FIELDS
        .iter()
        .copied()
        .chain(attributes.map(|(name, _)| name.as_str()));
    names
        .filter(|name| !changes_by_itself(resource, name))
        .filter_map(|name| Some((name.to_owned(), live_value(resource, name)?.into_owned())))
        .filter(|(_, value)| !is_unset(value))
        .collect()
}

/// Nobody asks for these: watching them would be an alarm that nobody set off.
fn changes_by_itself(resource: &cloud_resources::Model, name: &str) -> bool {
    let attr = |name: &str| resource.attrs.get(name);
    match (resource.kind.as_str(), name) {
        (_, "status" | "ip") => true,
        // The slug of an image moves on to newer images, and the droplet keeps what it was made from.
        ("droplet", "image") => true,
        // Its pool made it, and will end it.
        ("droplet", AUTOSCALE_POOL_ID) => true,
        ("kubernetes_cluster", "version") => attr("auto_upgrade").is_some_and(|on| *on == true),
        // Caching engines are upgraded by the provider.
        ("database", "version") => {
            attr("engine").is_some_and(|engine| *engine == "valkey" || *engine == "redis")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::compare::differences;
    use crate::domain::fixtures;

    #[test]
    fn a_baseline_is_what_is_there_without_what_changes_by_itself() {
        let attrs = json!({"backups": false, "volume_ids": [], "name": "other", "size_slug": "s-1", "image": {"id": 1},
            "autoscale_pool_id": "p"});
        let resource = cloud_resources::Model {
            status: Some("active".to_owned()),
            tags: json!(["web"]),
            ip: Some("192.0.2.1".to_owned()),
            vpc_uuid: Some(String::new()),
            ..fixtures::resource(attrs)
        };
        let spec = baseline(&resource);
        let expected = json!({
            "name": "web-1", "region": "nyc3", "tags": ["web"], "backups": false, "size_slug": "s-1",
        });
        assert_eq!(Value::Object(spec.clone()), expected);
        assert_eq!(
            differences(
                &spec,
                &super::super::not_compared::NotCompared::default(),
                &resource
            ),
            []
        );
    }

    #[test]
    fn a_version_that_the_provider_raises_is_not_watched() {
        let watched = |kind: &str, attrs: Value| {
            let resource = cloud_resources::Model {
                kind: kind.to_owned(),
                ..fixtures::resource(attrs)
            };
            baseline(&resource).contains_key("version")
        };
        let cluster = |auto: bool| json!({"version": "1.33", "auto_upgrade": auto});
        assert!(!watched("kubernetes_cluster", cluster(true)));
        assert!(watched("kubernetes_cluster", cluster(false)));
        assert!(!watched("database", json!({"version": "8", "engine": "valkey"})));
        assert!(watched("database", json!({"version": "17", "engine": "pg"})));
    }
}

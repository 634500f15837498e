//! Baselines: specs that record the live values of a resource.

use entity::cloud_resources;
use serde_json::{Map, Value};

use super::compare::{SCHEMA_FIELDS, live_value};
use super::equality::is_unset;
use super::traits::KindTraits;

/// Schema fields that the cloud chooses for resources of any kind.
const VOLATILE: [&str; 2] = ["status", "ip"];

/// Returns a spec that matches the resource now: its schema fields and attributes that are set, except those that
/// change without an operator's decision.
pub fn baseline(resource: &cloud_resources::Model, traits: &KindTraits) -> Map<String, Value> {
    let volatile = (traits.volatile_fields)(&resource.attrs);
    let attributes = resource.attrs.as_object().into_iter().flatten();
    let names = SCHEMA_FIELDS
        .iter()
        .copied()
        .chain(attributes.map(|(name, _)| name.as_str()));
    names
        .filter(|name| !VOLATILE.contains(name) && !volatile.contains(name))
        .filter_map(|name| Some((name.to_owned(), live_value(resource, name)?.into_owned())))
        .filter(|(_, value)| !is_unset(value))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::compare::differences;
    use crate::domain::fixtures;
    use crate::domain::not_compared::NotCompared;

    #[test]
    fn a_baseline_has_the_live_values_without_volatile_fields() {
        let traits = KindTraits {
            volatile_fields: |attrs| match attrs["follows"].as_bool() {
                Some(true) => &["version", "colour"],
                _ => &["colour"],
            },
            ..KindTraits::PLAIN
        };
        let attrs = |follows: bool| {
            json!({"backups": false, "parts": [], "name": "other", "size_slug": "s-1", "colour": {"id": 1},
                "version": "1.33", "follows": follows})
        };
        let resource = |follows| cloud_resources::Model {
            status: Some("active".to_owned()),
            tags: json!(["web"]),
            ip: Some("192.0.2.1".to_owned()),
            vpc_uuid: Some(String::new()),
            ..fixtures::resource(attrs(follows))
        };
        let mut expected = json!({
            "name": "web-1", "region": "nyc3", "tags": ["web"], "backups": false, "size_slug": "s-1",
            "follows": true,
        });
        let spec = baseline(&resource(true), &traits);
        assert_eq!(Value::Object(spec.clone()), expected);
        let found = differences(&spec, &NotCompared::default(), &resource(true), &traits);
        assert_eq!(found, []);
        expected["follows"] = false.into();
        expected["version"] = "1.33".into();
        assert_eq!(Value::Object(baseline(&resource(false), &traits)), expected);
    }
}

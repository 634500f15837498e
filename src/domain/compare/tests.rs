use entity::cloud_resources;
use serde_json::{Value, json};

use super::super::fixtures::bare_resource as resource;
use super::*;

/// Returns the differences for a spec without open parts.
fn differences(spec: &Map<String, Value>, resource: &cloud_resources::Model) -> Vec<Difference> {
    super::differences(spec, &NotCompared::default(), resource, &KindTraits::PLAIN)
}

/// Returns a resource with these attributes, whose schema fields are set to `NAME in its column`.
fn full_resource(attrs: Value) -> cloud_resources::Model {
    let text = |field: &str| Some(format!("{field} in its column"));
    cloud_resources::Model {
        name: "name in its column".to_owned(),
        region: text("region"),
        size_slug: text("size_slug"),
        status: text("status"),
        tags: json!(["tags in its column"]),
        ip: text("ip"),
        vpc_uuid: text("vpc_uuid"),
        project_id: text("project_id"),
        ..resource(attrs)
    }
}

/// Returns a resource with these attributes, whose schema fields have empty values.
fn hollow_resource(attrs: Value) -> cloud_resources::Model {
    cloud_resources::Model {
        region: Some(String::new()),
        size_slug: Some(String::new()),
        status: Some(String::new()),
        ip: Some(String::new()),
        vpc_uuid: Some(String::new()),
        project_id: Some(String::new()),
        ..resource(attrs)
    }
}

fn spec(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn difference(field: &str, expected: Value, actual: Value) -> Difference {
    Difference {
        field: field.to_owned(),
        expected,
        actual,
    }
}

fn live(resource: &cloud_resources::Model, field: &str) -> Option<Value> {
    live_value(resource, field).map(Cow::into_owned)
}

/// Returns attributes with the names of all schema fields.
fn shadows() -> Value {
    let shadow = |field: &&str| ((*field).to_owned(), json!(format!("{field} in attrs")));
    Value::Object(SCHEMA_FIELDS.iter().map(shadow).collect())
}

#[test]
fn a_schema_field_that_is_set_hides_the_attribute_of_its_name() {
    for field in SCHEMA_FIELDS {
        let text = format!("{field} in its column");
        let expected = if field == "tags" {
            json!([text])
        } else {
            json!(text)
        };
        assert_eq!(
            live(&full_resource(shadows()), field),
            Some(expected.clone()),
            "{field}"
        );
        assert_eq!(live(&full_resource(json!({})), field), Some(expected), "{field}");
    }
}

#[test]
fn an_unset_schema_field_falls_through_to_the_attributes() {
    for unset in [resource(shadows()), hollow_resource(shadows())] {
        for field in SCHEMA_FIELDS {
            let attr = json!(format!("{field} in attrs"));
            assert_eq!(live(&unset, field), Some(attr), "{field}");
        }
    }
    for tags in [json!(null), json!(""), json!({})] {
        let untagged = cloud_resources::Model {
            tags,
            ..resource(json!({"tags": ["web"]}))
        };
        assert_eq!(live(&untagged, "tags"), Some(json!(["web"])));
    }
}

#[test]
fn a_field_that_is_neither_column_nor_attribute_has_no_live_value() {
    for nowhere in [
        resource(json!({})),
        hollow_resource(json!({})),
        resource(json!(null)),
        resource(json!(["name", "tags", "size"])),
    ] {
        for field in SCHEMA_FIELDS.into_iter().chain(["size", "", "0"]) {
            assert_eq!(live(&nowhere, field), None, "{field}");
        }
    }
}

#[test]
fn columns_that_are_no_schema_fields_are_not_live_values() {
    let plain = full_resource(json!({"size": 25, "nothing": null}));
    for field in [
        "id",
        "provider",
        "kind",
        "provider_id",
        "urn",
        "attrs",
        "revision",
        "first_seen_at",
        "gone_at",
        "Name",
        "sizeSlug",
    ] {
        assert_eq!(live(&plain, field), None, "{field}");
    }
    assert_eq!(live(&plain, "size"), Some(json!(25)));
    assert_eq!(live(&plain, "nothing"), Some(json!(null)));
    let named = full_resource(json!({"kind": "in attrs"}));
    assert_eq!(live(&named, "kind"), Some(json!("in attrs")));
}

#[test]
fn every_schema_field_is_compared() {
    let resource = full_resource(shadows());
    for field in SCHEMA_FIELDS {
        let actual = live(&resource, field).unwrap();
        let same = Map::from_iter([(field.to_owned(), actual.clone())]);
        assert_eq!(differences(&same, &resource), [], "{field}");
        let other = Map::from_iter([(field.to_owned(), json!("other"))]);
        assert_eq!(
            differences(&other, &resource),
            [difference(field, json!("other"), actual)],
            "{field}"
        );
    }
}

#[test]
fn only_fields_that_the_spec_names_are_compared() {
    let resource = full_resource(json!({"size": 25, "ipv6": true}));
    assert_eq!(differences(&Map::new(), &resource), []);
    assert_eq!(differences(&spec(json!({"ipv6": true})), &resource), []);
}

#[test]
fn fields_are_compared_loosely() {
    let mut live = resource(json!({
        "size": 25, "rules": [{"port": 22, "from": ["a", "b"]}], "note": "", "version": "1.10"
    }));
    live.tags = json!(["web", "prod"]);
    for (wanted, differs) in [
        (json!({"size": "25"}), false),
        (json!({"size": 25.0}), false),
        (json!({"size": "25.0"}), true),
        (json!({"tags": ["prod", "web", "web"]}), false),
        (json!({"tags": ["web"]}), true),
        (json!({"rules": [{"from": ["b", "a"], "port": "22"}]}), false),
        (json!({"rules": [{"from": ["a"], "port": 22}]}), true),
        (json!({"rules": [{"port": 22}]}), true),
        (json!({"note": null, "region": "", "absent": []}), false),
        (json!({"version": 1.1}), true),
    ] {
        let found = differences(&spec(wanted.clone()), &live);
        assert_eq!(!found.is_empty(), differs, "{wanted}: {found:?}");
    }
}

#[test]
fn null_in_a_spec_means_that_the_field_must_be_unset() {
    let wanted = spec(json!({"region": null, "size": null}));
    assert_eq!(differences(&wanted, &resource(json!({}))), []);
    assert_eq!(
        differences(&wanted, &hollow_resource(json!({"size": {"gib": null}}))),
        []
    );
    assert_eq!(
        differences(&wanted, &full_resource(json!({"size": 0}))),
        [
            difference("region", json!(null), json!("region in its column")),
            difference("size", json!(null), json!(0)),
        ]
    );
}

#[test]
fn a_missing_field_with_an_expected_value_is_a_difference() {
    let wanted = spec(json!({"size": 25, "name": "web-1", "tags": ["web"]}));
    assert_eq!(
        differences(&wanted, &resource(json!({}))),
        [
            difference("name", json!("web-1"), json!(null)),
            difference("size", json!(25), json!(null)),
            difference("tags", json!(["web"]), json!(null)),
        ]
    );
}

#[test]
fn differences_are_ordered_by_name_and_keep_the_notation_of_values() {
    let wanted = spec(json!({"z": "1", "b": 1.0, "status": "on", "a": [2, 1, 1], "B": 1}));
    let found = differences(&wanted, &resource(json!({"a": [3, 1], "z": {"k": null, "l": 1}})));
    assert_eq!(
        found,
        [
            difference("B", json!(1), json!(null)),
            difference("a", json!([2, 1, 1]), json!([3, 1])),
            difference("b", json!(1.0), json!(null)),
            difference("status", json!("on"), json!(null)),
            difference("z", json!("1"), json!({"k": null, "l": 1})),
        ]
    );
}

#[test]
fn an_unset_project_is_compared_unless_it_means_that_the_project_is_unread() {
    let desired = spec(json!({"project_id": "p-1", "region": "nyc3"}));
    let differs = |project: Option<&str>, unset_project_is_unread| {
        let live = cloud_resources::Model {
            project_id: project.map(str::to_owned),
            ..resource(json!({}))
        };
        let traits = KindTraits {
            unset_project_is_unread,
            ..KindTraits::PLAIN
        };
        let found = super::differences(&desired, &NotCompared::default(), &live, &traits);
        found.iter().map(|found| found.field.clone()).collect::<Vec<_>>()
    };
    for unset in [None, Some("")] {
        assert_eq!(differs(unset, true), ["region"]);
        assert_eq!(differs(unset, false), ["project_id", "region"]);
    }
    for unread in [true, false] {
        assert_eq!(differs(Some("p-2"), unread), ["project_id", "region"]);
        assert_eq!(differs(Some("p-1"), unread), ["region"]);
    }
}

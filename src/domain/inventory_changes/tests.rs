use std::collections::BTreeSet;

use serde_json::{Map, json};
use uuid::Uuid;

use super::*;
use crate::domain::fixtures::resource;

fn listed(attrs: Value) -> ListedResource {
    ListedResource {
        provider_id: "1".to_owned(),
        urn: "cloud:machine:1".to_owned(),
        name: "web-1".to_owned(),
        region: Some("nyc3".to_owned()),
        size_slug: None,
        status: None,
        tags: Vec::new(),
        ip: None,
        vpc_uuid: None,
        project_id: None,
        attrs: attrs.as_object().cloned().unwrap_or_else(Map::new),
        settling: false,
        unread_fields: BTreeSet::new(),
    }
}

fn known(attrs: Value) -> StoredResource {
    StoredResource {
        id: Uuid::nil(),
        provider_id: "1".to_owned(),
        gone: false,
        seen: true,
        source: "here".to_owned(),
        row: Some(resource(attrs)),
    }
}

fn found(before: Value, after: &ListedResource) -> Vec<(String, Value, Value)> {
    let changes = field_changes(&known(before), after, &KindTraits::PLAIN).unwrap();
    changes
        .into_iter()
        .map(|change| (change.field, change.before, change.after))
        .collect()
}

#[test]
fn each_changed_field_has_its_values() {
    let mut after = listed(json!({ "size": 2, "ipv6": [] }));
    after.region = Some("ams3".to_owned());
    after.tags = vec!["web".to_owned()];
    after.urn = "cloud:machine:one".to_owned();
    after.settling = true;
    let expected = [
        ("region", json!("nyc3"), json!("ams3")),
        ("size", json!(1), json!(2)),
        ("tags", json!(null), json!(["web"])),
    ];
    let expected = expected.map(|(field, before, after)| (field.to_owned(), before, after));
    assert_eq!(found(json!({ "size": 1 }), &after), expected);
}

#[test]
fn an_attribute_that_a_column_hides_did_not_change() {
    let after = listed(json!({ "name": "two" }));
    assert_eq!(found(json!({ "name": "one" }), &after), []);
}

#[test]
fn a_row_that_does_not_decode_has_no_values_before() {
    let mut broken = known(json!({}));
    broken.row = None;
    assert_eq!(
        field_changes(&broken, &listed(json!({})), &KindTraits::PLAIN),
        None
    );
}

#[test]
fn only_a_whole_listing_showed_the_values_before() {
    let whole = LastListing {
        started_at: Some(DateTime::UNIX_EPOCH),
        applied: true,
        completed: true,
        ..LastListing::default()
    };
    let listed_at = |last: LastListing| Before::of(&last, true).listed_at;
    assert_eq!(listed_at(whole), Some(DateTime::UNIX_EPOCH));
    for not_whole in [
        LastListing {
            applied: false,
            ..whole
        },
        LastListing {
            unconfirmed: 1,
            ..whole
        },
        LastListing {
            has_unread_fields: true,
            ..whole
        },
    ] {
        assert_eq!(listed_at(not_whole), None);
    }
    assert!(Before::of(&LastListing::default(), true).is_first);
    assert!(!Before::of(&LastListing::default(), false).is_first);
    assert!(!Before::of(&whole, true).is_first);
}

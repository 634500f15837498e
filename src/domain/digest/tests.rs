use std::collections::BTreeSet;

use entity::cloud_resources;
use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::domain::inventory::{StoredResource, plan_kind};
use crate::domain::traits::KindTraits;

fn listed() -> ListedResource {
    ListedResource {
        provider_id: "1".to_owned(),
        urn: "cloud:machine:1".to_owned(),
        name: "web-1".to_owned(),
        region: Some("nyc3".to_owned()),
        size_slug: None,
        status: None,
        tags: vec!["web".to_owned(), "prod".to_owned()],
        ip: None,
        vpc_uuid: None,
        project_id: None,
        attrs: attrs(json!({ "size": 25, "rules": [{ "port": 22 }, { "port": 80 }] })),
        settling: false,
        unread_fields: BTreeSet::new(),
    }
}

fn attrs(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

/// The digest after a change.
fn with(change: impl FnOnce(&mut ListedResource)) -> Digest {
    let mut listed = listed();
    change(&mut listed);
    Digest::of(&listed, false)
}

#[test]
fn the_form_of_a_number_is_never_changed() {
    // Stored digests are compared with those of later releases. Raise the number of the form with this value.
    assert_eq!(FORM, 1);
    assert_eq!(
        Digest::of(&listed(), false).to_string(),
        "f177e73668fe50ffaf47e11a00001293"
    );
}

#[test]
fn every_field_is_part_of_the_digest() {
    let other = || "other".to_owned();
    let digests = [
        Digest::of(&listed(), false),
        Digest::of(&listed(), true),
        with(|one| one.urn = other()),
        with(|one| one.name = other()),
        with(|one| one.region = Some(other())),
        with(|one| one.size_slug = Some(other())),
        with(|one| one.status = Some(other())),
        with(|one| one.tags.push(other())),
        with(|one| one.tags.clear()),
        with(|one| one.ip = Some(other())),
        with(|one| one.vpc_uuid = Some(other())),
        with(|one| one.project_id = Some(other())),
        with(|one| one.attrs = attrs(json!({ "size": 25, "rules": [{ "port": 22 }] }))),
        with(|one| one.attrs = attrs(json!({ "disk": 25, "rules": [{ "port": 22 }] }))),
        with(|one| one.settling = true),
        with(|one| _ = one.unread_fields.insert("project_id")),
    ];
    let distinct: BTreeSet<Digest> = digests.into_iter().collect();
    assert_eq!(distinct.len(), digests.len());
}

#[test]
fn what_means_the_same_has_the_same_digest() {
    let digest = Digest::of(&listed(), false);
    for same in [
        with(|one| one.provider_id = "2".to_owned()),
        with(|one| one.size_slug = Some(String::new())),
        with(|one| one.tags = ["prod", "web", "prod"].map(str::to_owned).into()),
        with(|one| {
            one.attrs =
                attrs(json!({ "size": "25", "none": null, "rules": [{ "port": 80.0 }, { "port": "22" }] }));
        }),
    ] {
        assert_eq!(same, digest);
    }
}

#[test]
fn a_digest_is_stored_as_hexadecimal_digits() {
    let digest = Digest::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
    assert_eq!(digest.to_string(), "000102030405060708090a0b0c0d0eff");
    assert_eq!(digest.to_string().parse(), Ok(digest));
    assert_eq!(Digest::from_bytes(digest.to_bytes()), digest);
    for text in ["", "none", "1000102030405060708090a0b0c0d0eff"] {
        assert!(text.parse::<Digest>().is_err(), "{text}");
    }
}

/// Small values that are often loosely equal.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!("")),
        Just(json!(1)),
        Just(json!(1.0)),
        Just(json!("1")),
        Just(json!(true)),
        Just(json!("true")),
        Just(json!([])),
        Just(json!({})),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[ab]", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn resource() -> impl Strategy<Value = ListedResource> {
    let text = || prop_oneof![Just(None), Just(Some(String::new())), Just(Some("a".to_owned()))];
    let tags = proptest::collection::vec("[ab]?", 0..3);
    let members = proptest::collection::btree_map("[abc]", value(), 0..3);
    (text(), text(), tags, members, any::<bool>()).prop_map(|(region, ip, tags, attrs, settling)| {
        ListedResource {
            region,
            ip,
            tags,
            attrs: attrs.into_iter().collect(),
            settling,
            ..listed()
        }
    })
}

/// The row after a listing was applied.
fn stored(listed: ListedResource) -> StoredResource {
    let id = uuid::Uuid::nil();
    let row = cloud_resources::Model {
        id,
        provider: "cloud".to_owned(),
        kind: "machine".to_owned(),
        provider_id: listed.provider_id.clone(),
        urn: listed.urn,
        name: listed.name,
        region: listed.region,
        size_slug: listed.size_slug,
        status: listed.status,
        tags: json!(listed.tags),
        ip: listed.ip,
        vpc_uuid: listed.vpc_uuid,
        project_id: listed.project_id,
        attrs: Value::Object(listed.attrs),
        revision: 1,
        first_seen_at: Some(chrono::DateTime::UNIX_EPOCH),
        gone_at: None,
        settling_since: listed.settling.then_some(chrono::DateTime::UNIX_EPOCH),
        owned: false,
        source: String::new(),
    };
    StoredResource {
        id,
        provider_id: listed.provider_id,
        gone: false,
        seen: true,
        source: "here".to_owned(),
        row: Some(row),
    }
}

proptest! {
    #[test]
    fn digests_are_equal_exactly_when_a_comparison_finds_no_change(before in resource(), after in resource()) {
        let same = Digest::of(&before, false) == Digest::of(&after, false);
        let changes = plan_kind(&[stored(before)], [&after], &KindTraits::PLAIN);
        prop_assert_eq!(same, changes.is_empty(), "{:?}", changes);
    }
}

use chrono::{DateTime, TimeDelta, Utc};
use proptest::collection::btree_map;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

/// Resources with a maker are owned in these tests.
const TRAITS: KindTraits = KindTraits {
    is_owned: |listed| listed.attrs.contains_key(MAKER),
    ..KindTraits::PLAIN
};

const MAKER: &str = "maker";

fn plan_kind<'l>(
    stored: Vec<StoredResource>,
    listed: impl IntoIterator<Item = &'l ListedResource>,
) -> Vec<InventoryChange> {
    super::plan_kind(&stored, listed, &TRAITS)
}

fn listed(provider_id: &str) -> ListedResource {
    let text = |field: &str| Some(format!("{field} of {provider_id}"));
    ListedResource {
        provider_id: provider_id.to_owned(),
        urn: format!("cloud:machine:{provider_id}"),
        name: format!("web-{provider_id}"),
        region: text("region"),
        size_slug: text("size_slug"),
        status: text("status"),
        tags: vec!["web".to_owned(), "prod".to_owned()],
        ip: text("ip"),
        vpc_uuid: text("vpc_uuid"),
        project_id: text("project_id"),
        attrs: attrs(json!({"size": 25, "ipv6": true})),
        settling: false,
        unread_fields: BTreeSet::new(),
    }
}

fn attrs(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

/// Returns the row that a sync stores for a listed resource.
fn resource(listed: &ListedResource) -> cloud_resources::Model {
    let owned = (TRAITS.is_owned)(listed);
    let listed = listed.clone();
    cloud_resources::Model {
        id: id(&listed.provider_id),
        provider: "cloud".to_owned(),
        kind: "machine".to_owned(),
        provider_id: listed.provider_id,
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
        first_seen_at: Some(now()),
        gone_at: None,
        settling_since: listed.settling.then(now),
        owned,
        source: String::new(),
    }
}

fn id(provider_id: &str) -> Uuid {
    let bytes = provider_id
        .bytes()
        .fold(0, |id, byte| (id << 8) | u128::from(byte));
    Uuid::from_u128(bytes)
}

fn stored(row: cloud_resources::Model) -> StoredResource {
    StoredResource {
        id: row.id,
        provider_id: row.provider_id.clone(),
        gone: row.gone_at.is_some(),
        seen: row.first_seen_at.is_some(),
        source: "here".to_owned(),
        row: Some(row),
    }
}

/// Returns the names of the fields that change when `before` is listed as `after`.
fn fields_changed(before: cloud_resources::Model, after: ListedResource) -> Vec<String> {
    match plan_kind(vec![stored(before)], [&after]).as_slice() {
        [] => Vec::new(),
        [
            InventoryChange::Update {
                id: row,
                listed,
                fields,
            },
        ] => {
            assert_eq!((*row, listed), (id(&after.provider_id), &after));
            fields.clone()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn new_resources_are_inserted_in_the_order_of_ids() {
    let plan = plan_kind(vec![], &[listed("2"), listed("10"), listed("1")]);
    assert_eq!(
        plan,
        ["1", "10", "2"].map(|id| InventoryChange::Insert(listed(id)))
    );
    assert_eq!(plan_kind(vec![], &[]), []);
}

#[test]
fn unchanged_resources_are_not_written() {
    assert_eq!(fields_changed(resource(&listed("1")), listed("1")), [""; 0]);
}

#[test]
fn loosely_equal_resources_are_not_written() {
    let mut before = resource(&listed("1"));
    before.tags = json!(["prod", "web", "prod"]);
    before.attrs = json!({"size": "25", "ipv6": "true", "note": "", "rules": [{"b": 1}, {"a": [1, 2]}]});
    before.region = Some(String::new());
    let mut after = listed("1");
    after.attrs =
        attrs(json!({"size": 25.0, "ipv6": true, "more": {"k": null}, "rules": [{"a": [2, 1]}, {"b": 1}]}));
    after.region = None;
    assert_eq!(fields_changed(before, after), [""; 0]);
    let mut untagged = listed("1");
    untagged.tags.clear();
    let mut before = resource(&untagged);
    before.tags = json!(null);
    assert_eq!(fields_changed(before, untagged), [""; 0]);
}

#[test]
fn every_field_that_changed_is_named() {
    type Edit = fn(&mut ListedResource);
    let edits: [(&str, Edit); 12] = [
        ("urn", |now| now.urn.push('x')),
        ("name", |now| now.name.push('x')),
        ("region", |now| now.region = None),
        ("size_slug", |now| now.size_slug = Some(String::new())),
        ("status", |now| now.status = Some("off".to_owned())),
        ("ip", |now| now.ip = None),
        ("vpc_uuid", |now| now.vpc_uuid = Some("other".to_owned())),
        ("project_id", |now| now.project_id = None),
        ("tags", |now| now.tags.push("db".to_owned())),
        ("attrs.size", |now| {
            _ = now.attrs.insert("size".to_owned(), json!(26))
        }),
        ("attrs.ipv6", |now| _ = now.attrs.remove("ipv6")),
        ("attrs.new", |now| {
            _ = now.attrs.insert("new".to_owned(), json!(0))
        }),
    ];
    let before = listed("1");
    let mut all = before.clone();
    for (name, edit) in edits {
        let mut after = before.clone();
        edit(&mut after);
        assert_eq!(fields_changed(resource(&before), after.clone()), [name]);
        assert_eq!(
            fields_changed(resource(&after), before.clone()),
            [name],
            "the other way round"
        );
        edit(&mut all);
    }
    let mut names = edits.map(|(name, _)| name);
    names[9..].sort_unstable();
    assert_eq!(fields_changed(resource(&before), all), names);
}

#[test]
fn attributes_that_are_not_an_object_count_as_empty() {
    let mut before = resource(&listed("1"));
    before.attrs = json!(["size", "ipv6"]);
    assert_eq!(fields_changed(before, listed("1")), ["attrs.ipv6", "attrs.size"]);
}

#[test]
fn a_resource_that_is_no_longer_listed_becomes_gone_once() {
    let mut gone = resource(&listed("2"));
    gone.gone_at = Some(now());
    let mut imported = resource(&listed("3"));
    imported.first_seen_at = None;
    let mut imported_and_gone = resource(&listed("4"));
    imported_and_gone.first_seen_at = None;
    imported_and_gone.gone_at = Some(now());
    let rows = [
        resource(&listed("1")),
        gone,
        imported,
        imported_and_gone,
        resource(&listed("5")),
    ];
    let plan = plan_kind(rows.map(stored).to_vec(), &[listed("5")]);
    assert_eq!(
        plan,
        [InventoryChange::Gone(id("1")), InventoryChange::Gone(id("3"))]
    );
}

#[test]
fn returning_and_unsynced_resources_are_discovered_even_if_unchanged() {
    for (seen, gone) in [(true, true), (false, false), (false, true)] {
        let mut row = resource(&listed("1"));
        row.first_seen_at = seen.then(now);
        row.gone_at = gone.then(now);
        let mut other = listed("1");
        other.name.push('x');
        for now_listed in [listed("1"), other] {
            let plan = plan_kind(vec![stored(row.clone())], [&now_listed]);
            assert_eq!(plan, [InventoryChange::Discover(id("1"), now_listed)]);
        }
    }
}

#[test]
fn a_row_that_does_not_decode_is_repaired_if_listed_and_gone_otherwise() {
    let broken = || StoredResource {
        id: id("1"),
        provider_id: "1".to_owned(),
        gone: false,
        seen: true,
        source: "here".to_owned(),
        row: None,
    };
    let healed = InventoryChange::Update {
        id: id("1"),
        listed: listed("1"),
        fields: vec!["*".to_owned()],
    };
    assert_eq!(plan_kind(vec![broken()], &[listed("1")]), [healed]);
    assert_eq!(plan_kind(vec![broken()], &[]), [InventoryChange::Gone(id("1"))]);
    let gone = || StoredResource {
        gone: true,
        ..broken()
    };
    assert_eq!(plan_kind(vec![gone()], &[]), []);
    let back = InventoryChange::Discover(id("1"), listed("1"));
    assert_eq!(plan_kind(vec![gone()], &[listed("1")]), [back]);
}

#[test]
fn unread_fields_keep_their_last_value() {
    let mut before = resource(&listed("1"));
    before.attrs = json!({"size": 25, "maker": "maker-1"});
    before.owned = true;
    let mut after = listed("1");
    after.attrs = attrs(json!({"size": 25}));
    after.project_id = None;
    after.unread_fields = BTreeSet::from([PROJECT_ID, MAKER]);
    assert_eq!(plan_kind(vec![stored(before.clone())], [&after]), []);
    after.attrs = attrs(json!({"size": 26}));
    let plan = plan_kind(vec![stored(before.clone())], [&after]);
    let [
        InventoryChange::Update {
            listed: kept, fields, ..
        },
    ] = plan.as_slice()
    else {
        panic!("{plan:?}");
    };
    assert_eq!(fields, &["attrs.size"]);
    assert_eq!(kept.project_id, before.project_id);
    assert_eq!(kept.attrs["maker"], "maker-1");
    // The fields are read again, and they are unset.
    after.unread_fields.clear();
    assert_eq!(
        fields_changed(before, after),
        ["project_id", "owned", "attrs.maker", "attrs.size"]
    );
}

#[test]
fn resources_are_distinguished_by_provider_kind_and_id() {
    let plan = plan_kind(
        vec![stored(resource(&listed("web")))],
        &[listed("Web"), listed("web ")],
    );
    assert_eq!(
        plan,
        [
            InventoryChange::Gone(id("web")),
            InventoryChange::Insert(listed("Web")),
            InventoryChange::Insert(listed("web ")),
        ]
    );
}

#[test]
fn losing_more_than_ten_and_more_than_half_is_a_mass_disappearance() {
    for (gone, before, mass) in [
        (0, 0, false),
        (10, 10, false),
        (11, 11, true),
        (11, 21, true),
        (11, 22, false),
        (11, 23, false),
        (50_000, 100_000, false),
        (50_001, 100_000, true),
    ] {
        assert_eq!(is_mass_gone(gone, before), mass, "{gone} of {before}");
    }
}

type Rows = BTreeMap<Uuid, cloud_resources::Model>;

/// Returns the stored resources. The row with the id `broken` does not decode.
fn known(rows: &Rows, broken: Option<Uuid>) -> Vec<StoredResource> {
    let decoded = |row: &cloud_resources::Model| StoredResource {
        row: Some(row.clone()).filter(|row| Some(row.id) != broken),
        ..stored(row.clone())
    };
    rows.values().map(decoded).collect()
}

/// Applies changes to the rows, as a sync does.
fn apply(rows: &mut Rows, changes: Vec<InventoryChange>) {
    for change in changes {
        match change {
            InventoryChange::Insert(listed) => {
                let before = rows.insert(id(&listed.provider_id), resource(&listed));
                assert_eq!(before, None);
            }
            InventoryChange::Discover(id, listed) => {
                assert!(rows.insert(id, resource(&listed)).is_some());
            }
            InventoryChange::Update { id, listed, fields } => {
                let row = rows.get_mut(&id).unwrap();
                *row = cloud_resources::Model {
                    first_seen_at: row.first_seen_at,
                    gone_at: row.gone_at,
                    ..resource(&listed)
                };
                assert!(!fields.is_empty());
            }
            InventoryChange::Gone(id) => {
                let gone_at = &mut rows.get_mut(&id).unwrap().gone_at;
                assert_eq!(gone_at.replace(now()), None);
            }
        }
    }
}

fn listings() -> impl Strategy<Value = Vec<ListedResource>> {
    let values = [
        json!(null),
        json!(""),
        json!(25),
        json!("25"),
        json!([1, 2]),
        json!(["2", 1, 1]),
    ];
    let texts = || {
        select(vec![
            None,
            Some(String::new()),
            Some("a".to_owned()),
            Some("b".to_owned()),
        ])
    };
    let tags = select(vec![vec![], vec!["a"], vec!["a", "b"], vec!["b", "a", "b"]]);
    let names = select(vec!["size", "note"]).prop_map(str::to_owned);
    let content = (
        texts(),
        texts(),
        tags,
        btree_map(names, select(values.to_vec()), 0..3),
    );
    btree_map(0..6_u8, content, 0..6).prop_map(|listing| {
        let resources = listing
            .into_iter()
            .map(|(number, (region, ip, tags, attrs))| ListedResource {
                region,
                ip,
                tags: tags.into_iter().map(str::to_owned).collect(),
                attrs: Map::from_iter(attrs),
                ..listed(&number.to_string())
            });
        resources.collect()
    })
}

proptest! {
    #[test]
    fn applying_a_listing_twice_changes_nothing(
        history in prop::collection::vec(listings(), 1..6), imported in any::<bool>(), breaks in any::<bool>(),
    ) {
        let mut rows = Rows::new();
        if imported {
            let row = resource(&listed("0"));
            rows.insert(row.id, cloud_resources::Model { first_seen_at: None, ..row });
        }
        for listing in history {
            let first = listing.first().and_then(|first| rows.get(&id(&first.provider_id)));
            let broken = first.filter(|_| breaks);
            let plan = plan_kind(known(&rows, broken.map(|row| row.id)), &listing);
            apply(&mut rows, plan);
            prop_assert_eq!(plan_kind(known(&rows, None), &listing), &[]);
            let present = rows.values().filter(|row| row.gone_at.is_none());
            let present: Vec<&str> = present.map(|row| row.provider_id.as_str()).collect();
            let expected: Vec<&str> = listing.iter().map(|listed| listed.provider_id.as_str()).collect();
            prop_assert_eq!(present, expected);
        }
    }
}

#[test]
fn listings_are_ordered_by_number_or_by_time_without_numbers() {
    let at = |minutes| Some(now() + TimeDelta::minutes(minutes));
    let place = Place {
        number: 7,
        began_at: now(),
    };
    let now = now() + TimeDelta::minutes(10);
    let over = |number, numbered_at, started_at| {
        let last = LastListing {
            number,
            numbered_at,
            started_at,
            ..LastListing::default()
        };
        precedence(&last, &place, now)
    };
    assert_eq!(over(None, None, None), Precedence::Later);
    for time in [-60, 5, 600] {
        assert_eq!(over(Some(6), at(time), at(time)), Precedence::Later, "{time}");
        assert_eq!(
            over(Some(7), at(time), at(time)),
            Precedence::Superseded,
            "{time}"
        );
        assert_eq!(
            over(Some(8), at(time), at(time)),
            Precedence::Superseded,
            "{time}"
        );
    }
    // A release without listing numbers applied the last listing.
    for (number, numbered_at) in [
        (None, None),
        (Some(6), at(-70)),
        (Some(9), at(-70)),
        (Some(9), None),
    ] {
        assert_eq!(over(number, numbered_at, at(-1)), Precedence::Later);
        assert_eq!(over(number, numbered_at, at(0)), Precedence::Superseded);
        assert_eq!(over(number, numbered_at, at(10)), Precedence::Superseded);
        let ahead = now + TimeDelta::minutes(1);
        assert_eq!(
            over(number, numbered_at, Some(ahead)),
            Precedence::AheadOfTime(ahead)
        );
    }
}

//! Filters of drifts and resources.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};

const DRIFTS: &str = "query($filter: DriftFilter) {
    drifts(filter: $filter) { totalCount nodes { field resource { name } } } }";

/// Returns `name field` of every drift that matches a filter, sorted.
async fn drifts(t: &TestApp, filter: Value) -> Vec<String> {
    let page = t.data(DRIFTS, json!({ "filter": filter })).await["drifts"].clone();
    let rows = page["nodes"].as_array().unwrap();
    assert_eq!(page["totalCount"], rows.len(), "{filter}");
    let mut found: Vec<String> = rows
        .iter()
        .map(|row| {
            let (name, field) = (&row["resource"]["name"], &row["field"]);
            format!("{} {}", name.as_str().unwrap(), field.as_str().unwrap())
        })
        .collect();
    found.sort();
    found
}

/// Creates drifts in two sweeps. The first, at 12:00:01, finds three fields of web-1. The second, an hour later, finds
/// a field of data-1, web-2 missing, and the region of web-1 corrected. Then the size of web-1 is accepted.
async fn drifted_cloud() -> TestApp {
    let t = TestApp::new().await;
    let data_1 = Listed::new("volume", "data-1")
        .region("fra1")
        .attr("size_gigabytes", 100);
    let web_1 = droplet("web-1");
    t.cloud_has([web_1.clone(), droplet("web-2"), data_1.clone()])
        .await;
    t.record_spec(
        "web-1",
        json!({ "size_slug": "big", "region": "fra1", "status": "off" }),
    )
    .await;
    t.record_spec("web-2", json!({ "region": "nyc3" })).await;
    t.sweep().await;
    t.later(TimeDelta::hours(1));
    t.record_spec("data-1", json!({ "size_gigabytes": 50 })).await;
    t.cloud_has([web_1.region("fra1"), data_1]).await;
    t.sweep().await;
    let size = t.open_drift("web-1", "size_slug").await;
    t.accept(&size).await.unwrap();
    t
}

const STATUS: &str = "web-1 status";
const SIZE: &str = "web-1 size_slug";
const REGION: &str = "web-1 region";
const MISSING: &str = "web-2 *";
const DATA: &str = "data-1 size_gigabytes";

#[tokio::test]
async fn each_part_of_a_filter_narrows_the_inbox() {
    let t = drifted_cloud().await;
    let id = t.resource("web-1").await.id;
    let cases = [
        (json!(null), vec![DATA, STATUS, MISSING]),
        (json!({}), vec![DATA, STATUS, MISSING]),
        (json!({ "status": null }), vec![DATA, STATUS, MISSING]),
        (json!({ "status": ["OPEN"] }), vec![DATA, STATUS, MISSING]),
        (json!({ "status": "ACCEPTED" }), vec![SIZE]),
        (json!({ "status": ["STALE"] }), vec![REGION]),
        (json!({ "status": ["REVERTED"] }), vec![]),
        (
            json!({ "status": ["STALE", "ACCEPTED", "STALE"] }),
            vec![REGION, SIZE],
        ),
        (json!({ "kind": "MISSING" }), vec![MISSING]),
        (json!({ "kind": "CHANGED" }), vec![DATA, STATUS]),
        (json!({ "field": "status" }), vec![STATUS]),
        (json!({ "field": "STATUS" }), vec![]),
        (json!({ "field": "*" }), vec![MISSING]),
        (json!({ "field": "" }), vec![]),
        (json!({ "resourceId": id }), vec![STATUS]),
        (
            json!({ "resourceId": "00000000-0000-7000-8000-000000000000" }),
            vec![],
        ),
        (json!({ "resourceKind": "volume" }), vec![DATA]),
        (json!({ "resourceKind": "Volume" }), vec![]),
        (json!({ "region": "fra1" }), vec![DATA, STATUS]),
        (json!({ "region": "nyc3" }), vec![MISSING]),
        (
            json!({ "region": "fra1", "resourceKind": "droplet" }),
            vec![STATUS],
        ),
        (json!({ "search": "WEB" }), vec![STATUS, MISSING]),
        (json!({ "search": "" }), vec![DATA, STATUS, MISSING]),
        (json!({ "search": "GIGA", "region": "fra1" }), vec![DATA]),
        (
            json!({ "kind": "CHANGED", "status": ["ACCEPTED"], "field": "size_slug" }),
            vec![SIZE],
        ),
    ];
    for (filter, wanted) in cases {
        assert_eq!(drifts(&t, filter.clone()).await, wanted, "{filter}");
    }
}

#[tokio::test]
async fn detected_after_is_inclusive_and_detected_before_is_exclusive() {
    let t = drifted_cloud().await;
    let first = "2027-01-01T12:00:01Z";
    let second = "2027-01-01T13:00:02Z";
    let open_at_second = vec![DATA, MISSING];
    let cases = [
        (json!({ "detectedAfter": first }), vec![DATA, STATUS, MISSING]),
        (
            json!({ "detectedAfter": "2027-01-01T12:00:01.000000001Z" }),
            open_at_second.clone(),
        ),
        (json!({ "detectedAfter": second }), open_at_second.clone()),
        (
            json!({ "detectedAfter": "2027-01-01T14:00:02+01:00" }),
            open_at_second.clone(),
        ),
        (json!({ "detectedAfter": "2027-01-01T13:00:02.000001Z" }), vec![]),
        (json!({ "detectedBefore": first }), vec![]),
        (
            json!({ "detectedBefore": "2027-01-01T12:00:01.000001Z" }),
            vec![STATUS],
        ),
        (json!({ "detectedBefore": second }), vec![STATUS]),
        (
            json!({ "detectedBefore": "2027-01-01T11:00:02-02:00" }),
            vec![STATUS],
        ),
        (
            json!({ "detectedAfter": first, "detectedBefore": second }),
            vec![STATUS],
        ),
        (
            json!({ "detectedAfter": second, "detectedBefore": first }),
            vec![],
        ),
        (
            json!({ "detectedAfter": "0001-01-01T00:00:00Z" }),
            vec![DATA, STATUS, MISSING],
        ),
        (
            json!({ "detectedBefore": "9999-12-31T23:59:59Z" }),
            vec![DATA, STATUS, MISSING],
        ),
    ];
    for (filter, wanted) in cases {
        assert_eq!(drifts(&t, filter.clone()).await, wanted, "{filter}");
    }
}

#[tokio::test]
async fn times_that_the_database_cannot_store_are_refused() {
    let t = TestApp::new().await;
    for time in [
        "-200000-01-01T00:00:00Z",
        "+12000-01-01T00:00:00Z",
        "+262142-12-31T23:59:59Z",
        "yesterday",
        "2027-01-01",
        "2027-02-30T00:00:00Z",
        "",
    ] {
        for field in ["detectedAfter", "detectedBefore"] {
            let filter = json!({ "filter": { field: time } });
            assert_eq!(
                t.refusal(DRIFTS, filter).await,
                "BAD_USER_INPUT",
                "{field} {time}"
            );
        }
    }
}

#[tokio::test]
async fn the_drifts_field_of_a_resource_lists_open_drifts_by_default() {
    let t = drifted_cloud().await;
    let query = "query($id: ID!) { resource(id: $id) {
        plain: drifts { totalCount nodes { field } }
        empty: drifts(filter: {}) { totalCount nodes { field } }
        null: drifts(filter: null) { totalCount nodes { field } }
        other: drifts(filter: { kind: CHANGED }) { totalCount nodes { field } }
        all: drifts(filter: { status: [OPEN, ACCEPTED, REVERTED, STALE] }) { totalCount nodes { field } } } }";
    let id = t.resource("web-1").await.id;
    let resource = t.data(query, json!({ "id": id })).await["resource"].clone();
    let open = json!({ "totalCount": 1, "nodes": [{ "field": "status" }] });
    for alias in ["plain", "empty", "null", "other"] {
        assert_eq!(resource[alias], open, "{alias}");
    }
    assert_eq!(resource["all"]["totalCount"], 3);
}

#[tokio::test]
async fn a_search_ignores_the_case_of_ascii_letters_only() {
    let t = TestApp::new().await;
    let named = |provider_id: &str, name: &str| {
        let mut listed = droplet(name);
        listed.resource.provider_id = provider_id.to_owned();
        listed
    };
    t.cloud_has([
        named("ID-aé", "Éclair"),
        named("1", "100%_sure"),
        named("2", r"back\slash"),
        named("3", "STRASSE straße"),
        named("4", "o'clock \"x\""),
    ])
    .await;
    let query = "query($text: String) { resources(filter: { search: $text }) { nodes { providerId } } }";
    let cases = [
        ("éclair", vec![]),
        ("Éclair", vec!["ID-aé"]),
        ("ÉCLAIR", vec!["ID-aé"]),
        ("id-A", vec!["ID-aé"]),
        ("Aé", vec!["ID-aé"]),
        ("AÉ", vec![]),
        ("%", vec!["1"]),
        ("_", vec!["1"]),
        ("0%_S", vec!["1"]),
        ("\\", vec!["2"]),
        ("K\\s", vec!["2"]),
        ("strasse", vec!["3"]),
        ("STRASSE STRASSE", vec![]),
        ("'CLOCK \"", vec!["4"]),
        ("*", vec![]),
    ];
    for (text, wanted) in cases {
        let found = t.data(query, json!({ "text": text })).await["resources"]["nodes"].clone();
        let wanted: Vec<Value> = wanted.iter().map(|id| json!({ "providerId": id })).collect();
        assert_eq!(found, json!(wanted), "{text}");
    }
}

#[tokio::test]
async fn a_search_of_the_inbox_matches_name_provider_id_and_field() {
    let t = TestApp::new().await;
    let mut web = droplet("web-1").attr("Größe_%", 1);
    web.resource.provider_id = "316-X".to_owned();
    t.cloud_has([web]).await;
    t.record_spec("web-1", json!({ "Größe_%": 2, "region": "fra1" }))
        .await;
    t.sweep().await;
    let (size, region) = ("web-1 Größe_%", "web-1 region");
    let cases = [
        ("WEB", vec![size, region]),
        ("16-x", vec![size, region]),
        ("GRöSSE", vec![]),
        ("gRöß", vec![size]),
        ("GRÖß", vec![]),
        ("e_%", vec![size]),
        ("REG", vec![region]),
        ("nyc3", vec![]),
    ];
    for (text, wanted) in cases {
        assert_eq!(drifts(&t, json!({ "search": text })).await, wanted, "{text}");
    }
}

#[tokio::test]
async fn invalid_filters_are_refused() {
    let t = drifted_cloud().await;
    let mut bad = vec![
        json!({ "status": [] }),
        json!({ "status": ["SNOOZED"] }),
        json!({ "status": ["open"] }),
        json!({ "status": [null] }),
        json!({ "kind": "changed" }),
        json!({ "resourceId": "web-1" }),
        json!({ "resourceId": "" }),
        json!({ "unheardOf": 1 }),
    ];
    for text in ["field", "resourceKind", "region", "search"] {
        bad.push(json!({ text: "a\0b" }));
        bad.push(json!({ text: "x".repeat(4097) }));
    }
    let nested = "query($filter: DriftFilter) { resources(first: 1) { nodes {
        drifts(filter: $filter) { totalCount } } } }";
    let counted = "query($filter: DriftFilter) { drifts(filter: $filter, first: 0) { totalCount } }";
    for filter in bad {
        let shown: String = filter.to_string().chars().take(60).collect();
        for query in [DRIFTS, nested, counted] {
            let filter = json!({ "filter": filter });
            assert_eq!(t.refusal(query, filter).await, "BAD_USER_INPUT", "{shown}");
        }
    }
    let resources =
        "query($filter: ResourceFilter) { resources(filter: $filter) { totalCount nodes { id } } }";
    for text in ["provider", "kind", "region", "search"] {
        for value in ["\0".to_owned(), "x".repeat(4097)] {
            let filter = json!({ "filter": { text: value } });
            assert_eq!(t.refusal(resources, filter).await, "BAD_USER_INPUT", "{text}");
        }
    }
}

/// Returns the values of each facet with their counts.
async fn facets(t: &TestApp, filter: Value) -> Value {
    const FACETS: &str = "query($filter: DriftFilter) { driftFacets(filter: $filter) {
        resourceKinds { value count } regions { value count } fields { value count } } }";
    let answer = t.data(FACETS, json!({ "filter": filter })).await["driftFacets"].clone();
    let brief = |list: &Value| -> Value {
        let values = list.as_array().unwrap().iter();
        values.map(|one| json!([one["value"], one["count"]])).collect()
    };
    json!([
        brief(&answer["resourceKinds"]),
        brief(&answer["regions"]),
        brief(&answer["fields"])
    ])
}

#[tokio::test]
async fn facets_list_the_values_that_a_filter_can_have() {
    let t = drifted_cloud().await;
    // Open: web-1 status (a droplet in fra1), web-2 * (a droplet in nyc3), data-1 size (a volume in fra1).
    let kinds = json!([["droplet", 2], ["volume", 1]]);
    let regions = json!([["fra1", 2], ["nyc3", 1]]);
    let fields = json!([["*", 1], ["size_gigabytes", 1], ["status", 1]]);
    assert_eq!(facets(&t, json!(null)).await, json!([kinds, regions, fields]));

    let of_droplets = facets(&t, json!({ "resourceKind": "droplet" })).await;
    let narrowed = json!([kinds, [["fra1", 1], ["nyc3", 1]], [["*", 1], ["status", 1]]]);
    assert_eq!(
        of_droplets, narrowed,
        "a part of the filter narrows the other facets, not its own"
    );

    let in_nyc3 = facets(&t, json!({ "region": "nyc3", "field": "status" })).await;
    assert_eq!(in_nyc3, json!([[], [["fra1", 1]], [["*", 1]]]));

    let resolved = facets(&t, json!({ "status": ["ACCEPTED", "STALE"] })).await;
    let both = json!([["region", 1], ["size_slug", 1]]);
    assert_eq!(resolved, json!([[["droplet", 2]], [["fra1", 2]], both]));
    assert_eq!(
        t.refusal(
            "{ driftFacets(filter: { status: [] }) { fields { value } } }",
            json!({})
        )
        .await,
        "BAD_USER_INPUT"
    );
}

#[tokio::test]
async fn facets_list_the_hundred_most_frequent_values() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1"), droplet("web-2")]).await;
    let spec: Value = (0..103)
        .map(|n| (format!("field_{n:03}"), json!(n)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    t.record_spec("web-1", spec).await;
    t.record_spec("web-2", json!({ "field_102": 1, "region": "elsewhere" }))
        .await;
    t.sweep().await;
    let fields = facets(&t, json!(null)).await[2].clone();
    assert_eq!(fields.as_array().unwrap().len(), 100);
    assert_eq!(fields[0], json!(["field_102", 2]));
    assert_eq!(
        fields[1],
        json!(["field_000", 1]),
        "equal counts are ordered by name"
    );
}

const WITH: &str =
    "query($f: DriftFilter) { drifts(filter: $f) { totalCount nodes { field resource { name } } }
    driftFacets(filter: $f) { fields { value } regions { value } } }";

/// Lists the drifts of a filter as `name.field`.
async fn named(t: &TestApp, filter: Value) -> Vec<String> {
    let data = t.data(WITH, json!({ "f": filter })).await;
    let nodes = data["drifts"]["nodes"].as_array().unwrap();
    assert_eq!(data["drifts"]["totalCount"], nodes.len());
    let name = |node: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        format!("{}.{}", text(&node["resource"]["name"]), text(&node["field"]))
    };
    let mut names: Vec<String> = nodes.iter().map(name).collect();
    names.sort();
    names
}

#[tokio::test]
async fn filters_take_several_values_and_exclusions() {
    let t = TestApp::new().await;
    t.cloud_has([
        droplet("a").region("fra1").size("large"),
        droplet("b").region("nyc3").size("large"),
        Listed::new("domain", "c").size("large"),
    ])
    .await;
    for name in ["a", "b", "c"] {
        t.record_spec(name, json!({ "size_slug": "small", "vpc_uuid": "v" }))
            .await;
    }
    t.sweep().await;
    let size = |names: &[&str]| -> Vec<String> { names.iter().map(|n| format!("{n}.size_slug")).collect() };
    let only = |other: Value| {
        let mut conditions = json!({ "field": { "notIn": ["vpc_uuid"] } });
        let conditions_of = conditions.as_object_mut().unwrap();
        conditions_of.extend(other.as_object().unwrap().clone());
        json!({ "where": conditions })
    };
    // A resource without a region meets every exclusion of regions.
    let filter = only(json!({ "region": { "notIn": ["fra1"] } }));
    assert_eq!(named(&t, filter).await, size(&["b", "c"]));
    let filter = only(json!({ "region": { "in": ["fra1", "nyc3"] } }));
    assert_eq!(named(&t, filter).await, size(&["a", "b"]));
    let filter = only(json!({ "resourceKind": { "in": ["droplet", "domain"], "notIn": ["domain"] } }));
    assert_eq!(named(&t, filter).await, size(&["a", "b"]));
    let filter = json!({ "field": "size_slug", "where": { "field": { "in": ["size_slug", "x"] }, "provider":
        { "in": ["digitalocean", "aws"] } } });
    assert_eq!(named(&t, filter).await, size(&["a", "b", "c"]));
    let filter = json!({ "field": "vpc_uuid", "where": { "field": { "notIn": ["vpc_uuid"] } } });
    assert!(named(&t, filter).await.is_empty());
    let id = t.resource("a").await.id;
    let filter = only(json!({ "resourceId": { "notIn": [id] }, "kind": { "in": ["CHANGED"] } }));
    assert_eq!(named(&t, filter).await, size(&["b", "c"]));
    // A condition on the status replaces the default.
    t.accept(&t.open_drift("a", "size_slug").await).await.unwrap();
    let filter = only(json!({ "status": { "notIn": ["OPEN"] } }));
    assert_eq!(named(&t, filter).await, size(&["a"]));
    let filter = only(json!({ "status": { "notIn": ["OPEN", "ACCEPTED", "STALE", "REVERTED"] } }));
    assert!(named(&t, filter).await.is_empty());
    let resources = "query($f: ResourceFilter) { resources(filter: $f) { totalCount nodes { name } } }";
    for (conditions, managed, wanted) in [
        (json!({ "region": { "notIn": ["fra1"] } }), true, vec!["b", "c"]),
        (json!({ "kind": { "in": ["domain", "x"] } }), true, vec!["c"]),
        (
            json!({ "source": { "notIn": ["x"] }, "region": { "in": ["fra1", "nyc3"] } }),
            true,
            vec!["a", "b"],
        ),
        (json!({ "provider": { "notIn": ["digitalocean"] } }), true, vec![]),
    ] {
        for f in [
            json!({ "where": conditions, "managed": managed }),
            json!({ "where": conditions }),
        ] {
            let data = t.data(resources, json!({ "f": f })).await;
            let nodes = data["resources"]["nodes"].as_array().unwrap();
            let mut names: Vec<&str> = nodes.iter().filter_map(|node| node["name"].as_str()).collect();
            names.sort_unstable();
            assert_eq!(names, wanted, "{f}");
            assert_eq!(data["resources"]["totalCount"], wanted.len());
        }
    }
}

#[tokio::test]
async fn a_list_of_values_is_bounded_and_has_no_value_twice() {
    let t = TestApp::new().await;
    let many: Vec<String> = (0..101).map(|n| format!("f{n}")).collect();
    for conditions in [
        json!({ "field": { "in": [] } }),
        json!({ "region": { "notIn": [] } }),
        json!({ "status": { "in": [] } }),
        json!({ "kind": { "notIn": ["MISSING", "MISSING"] } }),
        json!({ "source": { "in": ["a", "a"] } }),
        json!({ "field": { "notIn": many } }),
        json!({ "resourceId": { "in": ["x"] } }),
        json!({ "address": { "in": ["a\u{0}"] } }),
    ] {
        let code = t
            .refusal(DRIFTS, json!({ "filter": { "where": conditions } }))
            .await;
        assert_eq!(code, "BAD_USER_INPUT", "{conditions}");
    }
    let filter = json!({ "where": { "field": { "in": null }, "region": null } });
    assert!(named(&t, filter).await.is_empty());
}

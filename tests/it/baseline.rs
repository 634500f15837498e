//! Baselines: live values recorded as specs.

use drift_inbox::domain::validation::MAX_SPEC_BYTES;
use entity::cloud_resource_events::EventType;
use serde_json::json;

use crate::http_client::codes;
use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};

const RECORD: &str = "mutation($filter: ResourceFilter!) { recordBaseline(input: { filter: $filter }) {
    count nodes { source { kind } spec specVersion resource { name } } } }";

const MORE: &str = "mutation($filter: ResourceFilter!) { recordBaseline(input: { filter: $filter }) {
    count more skippedCount skipped { resourceId kind name reason } } }";

#[tokio::test]
async fn a_baseline_records_live_values_and_later_changes_are_drift() {
    let t = TestApp::new().await;
    t.cloud_has([
        droplet("web-1").tags(["web"]).attr("backups", true),
        droplet("web-2"),
        droplet("asked"),
        droplet("gone"),
        droplet("worker").tags(["k8s:abc"]),
        Listed::new("volume", "data").attr("size_gigabytes", 10),
    ])
    .await;
    t.cloud_has([
        droplet("web-1").tags(["web"]).attr("backups", true),
        droplet("web-2"),
        droplet("asked"),
        droplet("worker").tags(["k8s:abc"]),
        Listed::new("volume", "data").attr("size_gigabytes", 10),
    ])
    .await;
    t.record_spec("asked", json!({"region": "ams3"})).await;
    let data = t.data(RECORD, json!({"filter": {"kind": "droplet"}})).await;
    assert_eq!(data["recordBaseline"]["count"], 2);
    let spec = t.spec("web-1").await;
    let expected = json!({
        "name": "web-1", "region": "nyc3", "size_slug": "s-1vcpu-1gb", "tags": ["web"], "backups": true,
    });
    assert_eq!(
        (spec.spec, spec.source.as_str(), spec.spec_version),
        (expected, "baseline", 1)
    );
    assert_eq!(t.events("web-1").await.last(), Some(&EventType::SpecRecorded));
    assert_eq!(t.spec("asked").await.spec, json!({"region": "ams3"}));
    assert_eq!(
        t.data(RECORD, json!({"filter": {}})).await["recordBaseline"]["count"],
        1
    );
    assert_eq!(
        t.data(RECORD, json!({"filter": {}})).await["recordBaseline"]["count"],
        0
    );
    t.sweep().await;
    let drifts: Vec<String> = t.inbox().await.into_iter().map(|drift| drift.field).collect();
    assert_eq!(drifts, ["region"], "a new baseline has no drift");
    t.cloud_has([droplet("web-1").status("off")]).await;
    t.sweep().await;
    let drifts = t.inbox().await;
    let web = t.resource("web-1").await.id;
    let mut fields: Vec<&str> = drifts
        .iter()
        .filter(|drift| drift.resource_id == web)
        .map(|drift| drift.field.as_str())
        .collect();
    fields.sort_unstable();
    assert_eq!(fields, ["backups", "tags"]);
}

#[tokio::test]
async fn a_baseline_covers_only_existing_unmanaged_resources() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.imported("heard-of").await;
    for filter in [
        json!({"managed": true}),
        json!({"gone": true}),
        json!({"drifted": true}),
    ] {
        let answer = t.ask(RECORD, json!({"filter": filter})).await;
        assert_eq!(codes(&answer), ["BAD_USER_INPUT"], "{filter}");
    }
    let viewer = t.token(None, &["platform_viewer"]);
    let refused = t.ask_as(Some(&viewer), RECORD, json!({"filter": {}})).await;
    assert_eq!(codes(&refused), ["FORBIDDEN"]);
    let data = t
        .data(RECORD, json!({"filter": {"managed": false, "gone": false}}))
        .await;
    assert_eq!(data["recordBaseline"]["nodes"][0]["resource"]["name"], "web-1");
    assert_eq!(data["recordBaseline"]["count"], 1);
}

#[tokio::test]
async fn repeated_calls_record_all_resources_above_the_limit_of_one_call() {
    let t = TestApp::new().await;
    let names: Vec<String> = (0..1_203).map(|n| format!("web-{n:04}")).collect();
    let large = "x".repeat(MAX_SPEC_BYTES);
    t.cloud_has(names.iter().enumerate().map(|(n, name)| match n {
        0 | 1_100 => droplet(name).attr("large", large.as_str()),
        _ => droplet(name),
    }))
    .await;
    assert_eq!(
        t.data("{ coverage { managed unmanaged } }", json!({})).await["coverage"],
        json!([{"managed": 0, "unmanaged": 1203}])
    );
    let mut calls = Vec::new();
    for _ in 0..3 {
        let done = t.data(MORE, json!({"filter": {}})).await["recordBaseline"].take();
        let skipped = done["skipped"].as_array().unwrap().len();
        assert_eq!(done["skippedCount"], skipped);
        calls.push(json!([done["count"], skipped, done["more"]]));
    }
    assert_eq!(
        json!(calls),
        json!([[1_000, 1, true], [201, 2, false], [0, 2, false]]),
        "resources that cannot be recorded do not block the others"
    );
    assert_eq!(
        t.data("{ coverage { managed unmanaged } }", json!({})).await["coverage"],
        json!([{"managed": 1201, "unmanaged": 2}])
    );
}

#[tokio::test]
async fn a_call_that_records_exactly_its_limit_reports_no_more_resources() {
    let t = TestApp::new().await;
    let names: Vec<String> = (0..1_000).map(|n| format!("web-{n}")).collect();
    t.cloud_has(names.iter().map(|name| droplet(name))).await;
    let done = t.data(MORE, json!({"filter": {}})).await["recordBaseline"].take();
    assert_eq!((&done["count"], &done["more"]), (&json!(1_000), &json!(false)));
}

#[tokio::test]
async fn resources_that_cannot_be_compared_are_skipped_and_named() {
    let t = TestApp::new().await;
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    t.cloud_has([
        droplet("fine"),
        droplet("large").attr("large", "x".repeat(MAX_SPEC_BYTES)),
        Listed::new("app", "deep").attr("deep", deep),
        droplet("broken"),
    ])
    .await;
    let broken = if t.database.is_postgres() {
        "UPDATE cloud_resources SET first_seen_at = 'infinity' WHERE name = 'broken'"
    } else {
        "UPDATE cloud_resources SET attrs = 'not json' WHERE name = 'broken'"
    };
    t.database.execute(broken).await.unwrap();
    let done = t.data(MORE, json!({"filter": {}})).await["recordBaseline"].take();
    assert_eq!((&done["count"], &done["more"]), (&json!(1), &json!(false)));
    let mut skipped: Vec<[&str; 3]> = done["skipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|skipped| ["kind", "name", "reason"].map(|field| skipped[field].as_str().unwrap()))
        .collect();
    skipped.sort_unstable();
    let expected = [
        ["app", "deep", "spec is nested deeper than 32 levels"],
        ["droplet", "broken", "its row cannot be read"],
        ["droplet", "large", "spec is larger than 262144 bytes"],
    ];
    assert_eq!(skipped, expected);
    assert_eq!(done["skipped"][0]["resourceId"].as_str().unwrap().len(), 36);
}

#[tokio::test]
async fn backups_are_not_part_of_a_baseline() {
    let t = TestApp::new().await;
    let image = |name: &str, type_name: &str| Listed::new("image", name).attr("type", type_name);
    t.cloud_has([image("golden", "custom"), image("2027-01-01", "backup")])
        .await;
    assert_eq!(
        t.data(RECORD, json!({"filter": {}})).await["recordBaseline"]["count"],
        1
    );
    assert_eq!(
        t.data("{ coverage { managed unmanaged owned } }", json!({}))
            .await["coverage"],
        json!([{"managed": 1, "unmanaged": 0, "owned": 1}])
    );
    t.cloud_has([image("golden", "custom"), image("2027-01-08", "backup")])
        .await;
    assert_eq!(t.sweep().await.opened, 0);
}

#[tokio::test]
async fn a_retired_spec_that_does_not_decode_does_not_prevent_a_baseline() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({"region": "ams3"})).await;
    let broken = if t.database.is_postgres() {
        "UPDATE cloud_provisioned SET retired_at = now(), created_at = 'infinity'"
    } else {
        "UPDATE cloud_provisioned SET retired_at = '2027-01-01 12:00:00+00:00', spec = 'not json'"
    };
    t.database.execute(broken).await.unwrap();
    assert_eq!(
        t.data(RECORD, json!({"filter": {}})).await["recordBaseline"]["count"],
        1
    );
    let spec = t.spec("web-1").await;
    assert_eq!((spec.spec_version, spec.source.as_str()), (2, "baseline"));
}

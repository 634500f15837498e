//! Taking what is there as what is asked for.

use entity::cloud_resource_events::EventType;
use serde_json::json;

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};
use crate::support::graphql::codes;

const RECORD: &str = "mutation($filter: ResourceFilter!) { recordBaseline(input: { filter: $filter }) {
    count nodes { source spec specVersion resource { name } } } }";

#[tokio::test]
async fn a_baseline_watches_what_nobody_asked_for() {
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
    t.asked_for("asked", json!({"region": "ams3"})).await;
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
    assert_eq!(drifts, ["region"], "nothing of a baseline differs at once");
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
async fn a_baseline_is_bounded_and_only_of_what_is_there_and_unmanaged() {
    let t = TestApp::new().await;
    let names: Vec<String> = (0..1_001).map(|n| format!("web-{n}")).collect();
    t.cloud_has(names.iter().map(|name| droplet(name))).await;
    for filter in [
        json!({}),
        json!({"managed": true}),
        json!({"gone": true}),
        json!({"drifted": true}),
    ] {
        let answer = t.ask(RECORD, json!({"filter": filter})).await;
        assert_eq!(codes(&answer), ["BAD_USER_INPUT"], "{filter}");
    }
    assert_eq!(
        t.data("{ coverage { managed unmanaged } }", json!({})).await["coverage"],
        json!([{"managed": 0, "unmanaged": 1001}])
    );
    let data = t.data(RECORD, json!({"filter": {"search": "web-10"}})).await;
    assert_eq!(data["recordBaseline"]["count"], 12);
    let viewer = t.token(None, &["platform_viewer"]);
    let refused = t.ask_as(Some(&viewer), RECORD, json!({"filter": {}})).await;
    assert_eq!(codes(&refused), ["FORBIDDEN"]);
}

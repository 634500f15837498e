//! The changes inside a drifted field (`Drift.changes`).

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};

const QUERY: &str = "{ drifts(first: 50) { nodes {
    resource { name } field changes { path line kind before after } changesTruncated
} } }";

/// Returns the changes of the open drift of a resource, and whether they are truncated.
async fn changes_of(t: &TestApp, name: &str) -> (Value, bool) {
    let answer = t.ask(QUERY, json!({})).await;
    let nodes = answer["data"]["drifts"]["nodes"].as_array().unwrap();
    let drift = nodes
        .iter()
        .find(|drift| drift["resource"]["name"] == name)
        .unwrap();
    (
        drift["changes"].clone(),
        drift["changesTruncated"].as_bool().unwrap(),
    )
}

fn change(path: &str, kind: &str, before: Value, after: Value) -> Value {
    json!({ "path": path, "line": null, "kind": kind, "before": before, "after": after })
}

/// Creates a server with one drift: the field is `expected` in the spec and `actual` in the inventory.
async fn drifted(kind: &str, field: &str, expected: Value, actual: Value) -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([Listed::new(kind, "one").attr(field, actual)]).await;
    t.record_spec("one", json!({ field: expected })).await;
    assert_eq!(t.sweep().await.opened, 1);
    t
}

#[tokio::test]
async fn an_address_that_was_added_to_a_firewall_rule_is_one_change() {
    let rules = |addresses: Value| {
        let web = json!({ "protocol": "tcp", "ports": "443", "sources": { "tags": ["lb"] } });
        json!([{ "protocol": "tcp", "ports": "22", "sources": { "addresses": addresses } }, web])
    };
    let t = drifted(
        "firewall",
        "inbound_rules",
        rules(json!(["10.0.0.0/8"])),
        rules(json!(["10.0.0.0/8", "0.0.0.0/0"])),
    )
    .await;
    let expected = change(
        "[tcp 22].sources.addresses[]",
        "ADDED",
        json!(null),
        json!("0.0.0.0/0"),
    );
    assert_eq!(changes_of(&t, "one").await, (json!([expected]), false));
}

#[tokio::test]
async fn changed_lines_of_a_text_have_their_line_numbers() {
    let t = drifted("droplet", "user_data", json!("a\nb\nc"), json!("a\nc\nd")).await;
    let line = |line, kind, before, after| json!({ "path": "", "line": line, "kind": kind, "before": before, "after": after });
    let removed = line(2, "REMOVED", json!("b"), json!(null));
    let added = line(3, "ADDED", json!(null), json!("d"));
    assert_eq!(changes_of(&t, "one").await, (json!([removed, added]), false));
}

#[tokio::test]
async fn at_most_200_changes_are_listed_and_further_changes_are_indicated() {
    let members: Vec<String> = (0..201).map(|n| format!("tag-{n:03}")).collect();
    let t = drifted("droplet", "labels", json!([]), json!(members)).await;
    let (changes, truncated) = changes_of(&t, "one").await;
    assert_eq!((changes.as_array().unwrap().len(), truncated), (200, true));
}

#[tokio::test]
async fn a_missing_resource_has_no_changes_inside() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "region": "nyc3" })).await;
    t.cloud_has([]).await;
    assert_eq!(t.sweep().await.opened, 1);
    assert_eq!(changes_of(&t, "web-1").await, (json!([]), false));
}

#[tokio::test]
async fn parts_that_are_not_compared_are_not_among_the_changes() {
    let app = |port: Value, count: u32| json!({ "services": [{ "name": "web", "http_port": port, "instance_count": count }] });
    let t = TestApp::new().await;
    t.cloud_has([Listed::new("app", "shop").attr("spec", app(json!(8080), 4))])
        .await;
    t.record_spec("shop", json!({ "spec": app(json!(null), 2) }))
        .await;
    let open =
        json!({ "specVersion": 1, "paths": { "spec": [["services", { "name": "web" }, "http_port"]] } });
    let sql = format!("UPDATE cloud_provisioned SET not_compared = '{open}'");
    t.database.execute(sql).await.unwrap();
    assert_eq!(t.sweep().await.opened, 1);
    let expected = change("services[web].instance_count", "CHANGED", json!(2), json!(4));
    assert_eq!(changes_of(&t, "shop").await, (json!([expected]), false));
}

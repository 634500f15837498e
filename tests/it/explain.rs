//! Explanations of comparisons, with and without a drift.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::cloud::droplet;

const EXPLAIN: &str = "query($id: ID!, $field: String!) { explain(resourceId: $id, field: $field) {
    verdict sentence inSpec expected actual actualFrom expectedForm actualForm normalizations specVersion redacted
    openDrift { field } staleReason } }";

async fn explain(t: &TestApp, field: &str) -> Value {
    let id = t.resource("web-1").await.id;
    let answer = t.data(EXPLAIN, json!({ "id": id, "field": field })).await;
    answer["explain"].clone()
}

#[tokio::test]
async fn a_drift_and_an_equal_field_are_explained() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("l").attr("rules", json!(["b", 1]))])
        .await;
    t.record_spec("web-1", json!({ "size_slug": "s", "rules": ["1", "b", "b"] }))
        .await;
    t.sweep().await;
    let wanted = json!({ "verdict": "DIFFERENT", "sentence": "The canonical forms differ, so the field has drifted.",
        "inSpec": true, "expected": "s", "actual": "l", "actualFrom": "SCHEMA_FIELD", "expectedForm": "s",
        "actualForm": "l", "normalizations": [], "specVersion": 1, "redacted": false,
        "openDrift": { "field": "size_slug" }, "staleReason": null });
    assert_eq!(explain(&t, "size_slug").await, wanted);
    let rules = explain(&t, "rules").await;
    assert_eq!(rules["verdict"], "EQUAL");
    assert_eq!(
        rules["normalizations"],
        json!(["LISTS_AS_SETS", "SCALARS_AS_TEXT"])
    );
    assert_eq!(
        (&rules["actualForm"], &rules["expectedForm"]),
        (&json!(["1", "b"]), &json!(["1", "b"]))
    );
    assert_eq!(
        (&rules["actualFrom"], &rules["openDrift"]),
        (&json!("ATTRIBUTE"), &Value::Null)
    );
    assert_eq!(explain(&t, "region").await["verdict"], "NOT_IN_SPEC");
    assert_eq!(explain(&t, "*").await["verdict"], "EXISTS");
}

#[tokio::test]
async fn a_resource_without_a_comparison_is_explained() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("l")]).await;
    let without = explain(&t, "size_slug").await;
    assert_eq!(
        (&without["verdict"], &without["specVersion"]),
        (&json!("NO_SPEC"), &Value::Null)
    );
    assert_eq!(
        (&without["expected"], &without["actual"]),
        (&Value::Null, &json!("l"))
    );
    t.record_spec("web-1", json!({ "size_slug": "s" })).await;
    t.cloud_has([]).await;
    t.sweep().await;
    assert_eq!(explain(&t, "size_slug").await["verdict"], "GONE");
    assert_eq!(explain(&t, "*").await["openDrift"], json!({ "field": "*" }));
    t.accept(&t.open_drift("web-1", "*").await).await.unwrap();
    assert_eq!(explain(&t, "size_slug").await["verdict"], "RETIRED");
    let unknown = json!({ "id": "00000000-0000-7000-8000-000000000000", "field": "x" });
    assert_eq!(t.data(EXPLAIN, unknown).await["explain"], Value::Null);
}

#[tokio::test]
async fn an_old_inventory_and_a_secret_are_said_and_the_secret_is_not_shown() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")
        .size("l")
        .attr("key", json!({ "drift-inbox:redacted": "00" }))])
        .await;
    t.record_spec("web-1", json!({ "size_slug": "s", "key": "old" }))
        .await;
    let secret = r#"UPDATE cloud_resources SET attrs = '{"key":{"drift-inbox:redacted":"00"}}'"#;
    t.database.execute(secret).await.unwrap();
    t.later(chrono::TimeDelta::days(2));
    assert_eq!(explain(&t, "size_slug").await["staleReason"], "OVERDUE");
    let key = explain(&t, "key").await;
    assert_eq!(
        (&key["verdict"], &key["redacted"]),
        (&json!("DIFFERENT"), &json!(true))
    );
    for side in ["expected", "actual", "expectedForm", "actualForm"] {
        assert_eq!(key[side], Value::Null, "{side}");
    }
}

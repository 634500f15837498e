//! The history of specs: every version with its author, time, reason, source and drifts.

use chrono::TimeDelta;
use drift_inbox::domain::retention::Retention;
use drift_inbox::services::acceptance::{AcceptDrift, accept_drift};
use drift_inbox::services::provisioning::{RecordSpec, SOURCE_API, record_provisioned};
use drift_inbox::services::retention::purge;
use drift_inbox::services::retirement::{RetireSpec, retire_spec};
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::{Value, json};

use crate::support::cloud::droplet;
use crate::support::{ADMIN, TestApp};

const HISTORY: &str = "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) { resource(id: $id) {
    specVersions(first: $first, after: $after, last: $last, before: $before) { totalCount
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        nodes { specVersion spec recordedBy recordedAt reason retired supersededAt notCompared source { kind name }
            drifts { field status } undoneDrifts { field } } } } }";

async fn history(t: &TestApp, variables: Value) -> Value {
    let mut all = json!({ "id": t.resource("web-1").await.id });
    for (key, value) in variables.as_object().unwrap() {
        all[key] = value.clone();
    }
    t.data(HISTORY, all).await["resource"]["specVersions"].clone()
}

fn versions(page: &Value) -> Vec<i64> {
    let nodes = page["nodes"].as_array().unwrap();
    nodes
        .iter()
        .map(|node| node["specVersion"].as_i64().unwrap())
        .collect()
}

async fn record(t: &TestApp, spec: Value, reason: Option<&str>) {
    t.later(TimeDelta::minutes(1));
    let record = RecordSpec {
        resource_id: t.resource("web-1").await.id,
        spec,
        source: SOURCE_API.to_owned(),
        expected_version: None,
        take_over: false,
        reason: reason.map(str::to_owned),
    };
    record_provisioned(t.db(), ADMIN, &record, t.now()).await.unwrap();
}

async fn count(t: &TestApp, table: &str) -> i64 {
    let sql = format!("SELECT count(*) AS n FROM {table}");
    let row = t
        .db()
        .reader()
        .query_one_raw(Statement::from_string(t.db().backend(), sql));
    row.await.unwrap().unwrap().try_get("", "n").unwrap()
}

/// Creates a server with four versions of the spec of web-1: recorded, accepted, retired, recorded again.
async fn changed() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("l")]).await;
    record(
        &t,
        json!({ "size_slug": "s", "region": "nyc3" }),
        Some("the first one"),
    )
    .await;
    t.sweep().await;
    let drift = t.open_drift("web-1", "size_slug").await;
    t.later(TimeDelta::minutes(1));
    let accept = AcceptDrift {
        drift_id: drift.id,
        revision: Some(1),
        note: Some("the shop grew".to_owned()),
    };
    accept_drift(t.db(), "grace", &accept, t.now()).await.unwrap();
    t.later(TimeDelta::minutes(1));
    let retire = RetireSpec {
        resource_id: drift.resource_id,
        expected_version: 2,
    };
    retire_spec(t.db(), ADMIN, retire, t.now()).await.unwrap();
    record(&t, json!({ "size_slug": "l" }), None).await;
    t
}

#[tokio::test]
async fn every_version_is_listed_with_its_author_reason_and_drifts() {
    let t = changed().await;
    let page = history(&t, json!({})).await;
    assert_eq!(
        (versions(&page), &page["totalCount"]),
        (vec![4, 3, 2, 1], &json!(4))
    );
    let field = |name: &str| -> Vec<Value> {
        let nodes = page["nodes"].as_array().unwrap();
        nodes.iter().map(|node| node[name].clone()).collect()
    };
    let retired = [false, true, false, false].map(Value::from);
    assert_eq!(field("retired"), retired);
    let reasons = [
        Value::Null,
        Value::Null,
        json!("the shop grew"),
        json!("the first one"),
    ];
    assert_eq!(field("reason"), reasons);
    assert_eq!(
        field("recordedBy"),
        [ADMIN, ADMIN, "grace", ADMIN].map(Value::from)
    );
    let drifts = [
        json!([]),
        json!([]),
        json!([{ "field": "size_slug", "status": "ACCEPTED" }]),
        json!([]),
    ];
    assert_eq!(field("drifts"), drifts);
    assert_eq!(field("spec")[3], json!({ "size_slug": "s", "region": "nyc3" }));
    assert_eq!(field("spec")[2], json!({ "size_slug": "l", "region": "nyc3" }));
    assert_eq!(field("supersededAt")[0], Value::Null);
    assert_eq!(field("supersededAt")[1..], field("recordedAt")[..3]);
    let current = t
        .data(
            "{ resources { nodes { provisioned { history { nodes { specVersion } } } } } }",
            json!({}),
        )
        .await;
    let newest = &current["resources"]["nodes"][0]["provisioned"]["history"];
    assert_eq!(versions(newest), [4, 3, 2, 1]);
}

#[tokio::test]
async fn pages_of_a_history_go_forward_and_backward() {
    let t = changed().await;
    let first = history(&t, json!({ "first": 3 })).await;
    assert_eq!(versions(&first), [4, 3, 2]);
    assert_eq!(first["pageInfo"]["hasNextPage"], json!(true));
    let rest = history(&t, json!({ "first": 3, "after": first["pageInfo"]["endCursor"] })).await;
    assert_eq!(versions(&rest), [1]);
    assert_eq!(rest["pageInfo"]["hasNextPage"], json!(false));
    let back = history(
        &t,
        json!({ "last": 2, "before": rest["pageInfo"]["startCursor"] }),
    )
    .await;
    assert_eq!(versions(&back), [3, 2]);
    assert_eq!(back["pageInfo"]["hasPreviousPage"], json!(true));
    let oldest = history(&t, json!({ "last": 1 })).await;
    assert_eq!(versions(&oldest), [1]);
}

#[tokio::test]
async fn a_version_is_found_by_its_number_and_compared_with_another_one() {
    let t = changed().await;
    let id = t.resource("web-1").await.id;
    let query = "query($id: ID!) { resource(id: $id) { first: specAt(version: 1) { spec } now: specAt(version: 4) { spec }
        none: specAt(version: 9) { spec } low: specAt(version: -1) { spec } } }";
    let found = t.data(query, json!({ "id": id })).await["resource"].clone();
    assert_eq!(
        found["first"]["spec"],
        json!({ "size_slug": "s", "region": "nyc3" })
    );
    assert_eq!(found["now"]["spec"], json!({ "size_slug": "l" }));
    assert_eq!((&found["none"], &found["low"]), (&Value::Null, &Value::Null));
    let query = "query($id: ID!, $from: Int!, $to: Int!) { specDifference(resourceId: $id, from: $from, to: $to) {
        fieldCount from { specVersion } to { specVersion } fields { field kind redacted before after changes { path kind } } } }";
    let found = t.data(query, json!({ "id": id, "from": 1, "to": 4 })).await["specDifference"].clone();
    let wanted = json!({ "fieldCount": 2, "from": { "specVersion": 1 }, "to": { "specVersion": 4 }, "fields": [
        { "field": "region", "kind": "REMOVED", "redacted": false, "before": "nyc3", "after": null,
            "changes": [{ "path": "", "kind": "REMOVED" }] },
        { "field": "size_slug", "kind": "CHANGED", "redacted": false, "before": "s", "after": "l",
            "changes": [{ "path": "", "kind": "CHANGED" }] },
    ] });
    assert_eq!(found, wanted);
    let none = t.data(query, json!({ "id": id, "from": 1, "to": 5 })).await;
    assert_eq!(none["specDifference"], Value::Null);
}

#[tokio::test]
async fn versions_that_other_programs_write_are_kept() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    record(&t, json!({ "region": "nyc3" }), None).await;
    for sql in [
        "UPDATE cloud_provisioned SET spec = '{\"region\":\"ams3\"}', spec_version = 2",
        "UPDATE cloud_provisioned SET spec = '{\"region\":\"fra1\"}'",
        "UPDATE cloud_provisioned SET address = 'digitalocean_droplet.web'",
        "UPDATE cloud_provisioned SET spec = spec",
    ] {
        t.database.execute(sql).await.unwrap();
    }
    let page = history(&t, json!({})).await;
    assert_eq!(
        versions(&page),
        [2, 2, 1],
        "a change of the address is no version"
    );
    let specs: Vec<_> = (0..3)
        .map(|n| page["nodes"][n]["spec"]["region"].clone())
        .collect();
    assert_eq!(specs, ["fra1", "ams3", "nyc3"]);
}

#[tokio::test]
async fn a_first_spec_is_not_stored_twice() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    record(&t, json!({ "region": "nyc3" }), None).await;
    assert_eq!(count(&t, "spec_versions").await, 0);
    t.sweep().await;
    assert_eq!(count(&t, "spec_versions").await, 0);
}

#[tokio::test]
async fn a_deleted_resource_leaves_no_history() {
    let t = changed().await;
    assert_eq!(
        (count(&t, "spec_versions").await, count(&t, "spec_reasons").await),
        (3, 2)
    );
    for table in [
        "cloud_resource_events",
        "cloud_drift",
        "cloud_provisioned",
        "cloud_resources",
    ] {
        t.database.execute(format!("DELETE FROM {table}")).await.unwrap();
    }
    assert_eq!(
        (count(&t, "spec_versions").await, count(&t, "spec_reasons").await),
        (0, 0)
    );
}

#[tokio::test]
async fn old_versions_are_purged_with_decisions_and_the_newest_is_kept() {
    let t = changed().await;
    let keep = Retention {
        decisions: Some(TimeDelta::days(30)),
        ..Retention::default()
    };
    let clock = || drift_inbox::clock::Clock::Manual(t.clock.clone());
    t.later(TimeDelta::days(29));
    assert_eq!(purge(t.db(), &keep, &clock()).await.unwrap().spec_versions, 0);
    t.later(TimeDelta::days(2));
    assert_eq!(purge(t.db(), &keep, &clock()).await.unwrap().spec_versions, 3);
    assert_eq!(versions(&history(&t, json!({})).await), [4]);
    assert_eq!(count(&t, "spec_reasons").await, 0);
}

#[tokio::test]
async fn a_reason_is_checked_like_a_note() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    let query =
        "mutation($input: RecordSpecInput!) { recordSpec(input: $input) { provisioned { specVersion } } }";
    let input = json!({ "input": { "resourceId": t.resource("web-1").await.id, "spec": {}, "reason": "x".repeat(5000) } });
    let answer = t.ask(query, input).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
}

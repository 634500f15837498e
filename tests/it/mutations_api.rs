//! Responses and errors of the mutations.

use chrono::TimeDelta;
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, IntoActiveModel as _};
use serde_json::{Value, json};

use crate::http_client::codes;
use crate::support::TestApp;
use crate::support::cloud::droplet;
use crate::support::graphql::stable;

const ACCEPT: &str = "mutation($input: AcceptDriftInput!) { acceptDrift(input: $input) {
    drift { id field expected actual status revision detectedAt resolvedAt resolvedBy resolutionNote
        resource { name provisioned { specVersion } events(first: 2) { nodes { type actor data } } } }
    provisioned { id spec specVersion source { kind name } recordedBy recordedAt } } }";
const RECORD: &str = "mutation($input: RecordSpecInput!) { recordSpec(input: $input) { provisioned {
    id spec specVersion source { kind name } recordedBy recordedAt resource { name provisioned { specVersion }
        events(first: 1) { nodes { type actor data } } } } } }";

/// Creates a server with two open drifts: the size and the region of web-1.
async fn drifted() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("s-2vcpu-4gb")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb", "region": "fra1" }))
        .await;
    t.sweep().await;
    t.later(TimeDelta::minutes(1));
    t
}

async fn accept_input(t: &TestApp, field: &str) -> Value {
    let drift = t.open_drift("web-1", field).await;
    json!({ "input": { "driftId": drift.id, "revision": drift.revision } })
}

#[tokio::test]
async fn an_accepted_drift_is_returned_with_its_new_spec() {
    let t = drifted().await;
    let mut input = accept_input(&t, "size_slug").await;
    input["input"]["note"] = json!("the shop needed it\n– Ada");
    insta::assert_json_snapshot!(stable(t.ask(ACCEPT, input).await));
}

#[tokio::test]
async fn an_accepted_missing_resource_is_returned_without_a_spec() {
    let t = drifted().await;
    t.cloud_has([]).await;
    t.sweep().await;
    let input = accept_input(&t, "*").await;
    insta::assert_json_snapshot!(stable(t.ask(ACCEPT, input).await));
}

#[tokio::test]
async fn a_recorded_spec_is_returned_with_its_version() {
    let t = drifted().await;
    let spec = json!({ "region": null, "tags": ["b", "a"], "n": 1.5, "deep": { "x": [{ "y": "é" }] } });
    let input = json!({ "resourceId": t.resource("web-1").await.id, "spec": spec, "expectedSpecVersion": 1 });
    insta::assert_json_snapshot!(stable(t.ask(RECORD, json!({ "input": input })).await));
}

#[tokio::test]
async fn each_refused_accept_returns_its_details() {
    let t = drifted().await;
    let size = accept_input(&t, "size_slug").await;
    let region = accept_input(&t, "region").await;
    let mut refusals = serde_json::Map::new();
    let mut refuse = |why: &str, answer: Value| {
        assert_eq!(answer["data"], json!({ "acceptDrift": null }), "{why}");
        refusals.insert(why.to_owned(), answer["errors"].clone());
    };

    let mut old = size.clone();
    old["input"]["revision"] = json!(7);
    refuse("another revision", t.ask(ACCEPT, old).await);
    t.cloud_has([droplet("web-1").size("s-8vcpu-16gb")]).await;
    refuse("the live value moved", t.ask(ACCEPT, size.clone()).await);
    refuse("and the revision with it", t.ask(ACCEPT, size.clone()).await);
    t.cloud_has([droplet("web-1").size("s-1vcpu-1gb")]).await;
    let mut unpinned = size.clone();
    unpinned["input"]["revision"] = Value::Null;
    refuse("the live value is as wanted now", t.ask(ACCEPT, unpinned).await);
    refuse("stale", t.ask(ACCEPT, size).await);
    t.record_spec("web-1", json!({ "region": "ams3" })).await;
    refuse("the spec moved", t.ask(ACCEPT, region).await);
    t.sweep().await;
    let region = accept_input(&t, "region").await;
    t.data(ACCEPT, region.clone()).await;
    refuse("accepted", t.ask(ACCEPT, region).await);
    let unknown = json!({ "input": { "driftId": t.resource("web-1").await.id } });
    refuse("unknown", t.ask(ACCEPT, unknown).await);
    refuse(
        "malformed",
        t.ask(ACCEPT, json!({ "input": { "driftId": "x" } })).await,
    );
    insta::assert_json_snapshot!(stable(Value::Object(refusals)));
}

#[tokio::test]
async fn each_refused_record_returns_its_details() {
    let t = drifted().await;
    let id = t.resource("web-1").await.id;
    let mut refusals = serde_json::Map::new();
    for (why, input) in [
        (
            "another version",
            json!({ "resourceId": id, "spec": {}, "expectedSpecVersion": 3 }),
        ),
        (
            "not none",
            json!({ "resourceId": id, "spec": {}, "expectedSpecVersion": 0 }),
        ),
        (
            "unknown",
            json!({ "resourceId": "00000000-0000-7000-8000-000000000000", "spec": {} }),
        ),
        ("malformed", json!({ "resourceId": "x", "spec": {} })),
    ] {
        let answer = t.ask(RECORD, json!({ "input": input })).await;
        assert_eq!(answer["data"], json!({ "recordSpec": null }), "{why}");
        refusals.insert(why.to_owned(), answer["errors"].clone());
    }
    insta::assert_json_snapshot!(stable(Value::Object(refusals)));
    assert_eq!(t.spec("web-1").await.spec_version, 1);
}

#[tokio::test]
async fn the_live_value_in_a_refusal_keeps_all_its_digits() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").attr("n", 1)]).await;
    t.record_spec("web-1", json!({ "n": 2 })).await;
    t.sweep().await;
    t.cloud_has([droplet("web-1").attr("n", u64::MAX)]).await;
    let answer = t.ask(ACCEPT, accept_input(&t, "n").await).await;
    assert_eq!(answer["errors"][0]["extensions"]["actual"], u64::MAX);
}

#[tokio::test]
async fn a_refused_mutation_does_not_affect_other_mutations_of_the_document() {
    let t = drifted().await;
    let (size, region) = (
        accept_input(&t, "size_slug").await,
        accept_input(&t, "region").await,
    );
    let query = "mutation($size: AcceptDriftInput!, $region: AcceptDriftInput!) {
        first: acceptDrift(input: $size) { drift { field status } }
        again: acceptDrift(input: $size) { drift { field status } }
        other: acceptDrift(input: $region) { drift { field status } } }";
    let variables = json!({ "size": size["input"], "region": region["input"] });
    let answer = t.ask(query, variables).await;
    assert_eq!(codes(&answer), ["ALREADY_RESOLVED"]);
    assert_eq!(answer["errors"][0]["path"], json!(["again"]));
    let wanted = json!({
        "first": { "drift": { "field": "size_slug", "status": "ACCEPTED" } },
        "again": null,
        "other": { "drift": { "field": "region", "status": "ACCEPTED" } },
    });
    assert_eq!(answer["data"], wanted);
}

#[tokio::test]
async fn each_mutation_of_a_document_returns_the_state_after_it() {
    let t = drifted().await;
    let (size, region) = (
        accept_input(&t, "size_slug").await,
        accept_input(&t, "region").await,
    );
    let query = "mutation($size: AcceptDriftInput!, $region: AcceptDriftInput!) {
        a: acceptDrift(input: $size) { drift { resource { ...state } } }
        b: acceptDrift(input: $region) { drift { resource { ...state } } } }
        fragment state on Resource { provisioned { specVersion spec } drifts { totalCount nodes { field } }
            events(first: 1) { totalCount nodes { data } } }";
    let variables = json!({ "size": size["input"], "region": region["input"] });
    let data = t.data(query, variables).await;
    let state = |alias: &str| {
        let state = &data[alias]["drift"]["resource"];
        (
            state["provisioned"]["specVersion"].clone(),
            state["provisioned"]["spec"]["region"].clone(),
            state["drifts"]["totalCount"].clone(),
            state["drifts"]["nodes"].clone(),
            state["events"]["totalCount"].clone(),
            state["events"]["nodes"][0]["data"]["field"].clone(),
        )
    };
    let left = json!([{ "field": "region" }]);
    let size = (
        json!(2),
        json!("fra1"),
        json!(1),
        left,
        json!(5),
        json!("size_slug"),
    );
    assert_eq!(state("a"), size);
    let region = (
        json!(3),
        json!("nyc3"),
        json!(0),
        json!([]),
        json!(6),
        json!("region"),
    );
    assert_eq!(state("b"), region);
}

#[tokio::test]
async fn the_actor_is_the_email_of_the_token_or_the_word_operator() {
    let t = drifted().await;
    for (email, field, name) in [
        (Some("grace@example.com"), "size_slug", "grace@example.com"),
        (None, "region", "operator"),
    ] {
        let token = t.token(email, &["platform-admin"]);
        let answer = t
            .ask_as(Some(&token), ACCEPT, accept_input(&t, field).await)
            .await;
        let accepted = &answer["data"]["acceptDrift"];
        assert_eq!(accepted["drift"]["resolvedBy"], name);
        assert_eq!(accepted["provisioned"]["recordedBy"], name);
        assert_eq!(accepted["drift"]["resource"]["events"]["nodes"][0]["actor"], name);
    }
}

#[tokio::test]
async fn a_retired_spec_counts_as_no_spec() {
    let t = drifted().await;
    let spec = t.spec("web-1").await;
    let mut row = spec.clone().into_active_model();
    row.retired_at = Set(Some(t.now()));
    row.update(t.db().reader()).await.unwrap();
    let refused = t.ask(ACCEPT, accept_input(&t, "region").await).await;
    assert_eq!(codes(&refused), ["SPEC_MOVED"]);
    let input =
        json!({ "resourceId": spec.resource_id, "spec": { "region": "nyc3" }, "expectedSpecVersion": 1 });
    let refused = t.ask(RECORD, json!({ "input": input })).await;
    assert_eq!(refused["errors"][0]["extensions"]["specVersion"], 0);
}

const RETIRE: &str = "mutation($input: RetireSpecInput!) { retireSpec(input: $input) { specVersion
    resource { name provisioned { specVersion } drifts(filter: { status: [STALE] }) { nodes { field } }
        events(first: 3) { nodes { type actor data } } } } }";

fn retire_input(resource: uuid::Uuid, version: i32) -> Value {
    json!({ "input": { "resourceId": resource, "expectedSpecVersion": version } })
}

#[tokio::test]
async fn retiring_a_spec_makes_its_drift_stale() {
    let t = drifted().await;
    assert_eq!(t.inbox().await.len(), 2);
    // While a resource is settling, a sweep would not close its drifts.
    t.cloud_has([droplet("web-1").size("s-2vcpu-4gb").settling()])
        .await;
    let id = t.resource("web-1").await.id;
    let data = t.data(RETIRE, retire_input(id, 1)).await;
    let retired = &data["retireSpec"];
    assert_eq!(retired["specVersion"], 2);
    assert_eq!(
        (&retired["resource"]["name"], &retired["resource"]["provisioned"]),
        (&json!("web-1"), &Value::Null)
    );
    assert_eq!(
        retired["resource"]["drifts"]["nodes"].as_array().unwrap().len(),
        2
    );
    let events = retired["resource"]["events"]["nodes"].as_array().unwrap();
    let types: Vec<&str> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["DRIFT_STALE", "DRIFT_STALE", "SPEC_RETIRED"]);
    assert_eq!(
        (&events[2]["actor"], &events[2]["data"]),
        (&json!(crate::support::ADMIN), &json!({ "specVersion": 2 }))
    );
    assert!(t.inbox().await.is_empty());
    assert_eq!(
        t.sweep().await,
        drift_inbox::services::detection::SweepCounts::default()
    );
    let again = t.record_spec("web-1", json!({ "region": "fra1" })).await;
    assert_eq!(
        (again.spec_version, again.retired_at),
        (3, None),
        "the next version continues"
    );
}

#[tokio::test]
async fn a_retire_with_another_spec_version_is_refused() {
    let t = drifted().await;
    let id = t.resource("web-1").await.id;
    t.record_spec("web-1", json!({ "region": "fra1" })).await;
    let refused = async |id, version| {
        let answer = t.ask(RETIRE, retire_input(id, version)).await;
        assert_eq!(answer["data"], json!({ "retireSpec": null }));
        let extensions = &answer["errors"][0]["extensions"];
        (
            extensions["code"].as_str().unwrap().to_owned(),
            extensions["specVersion"].as_i64(),
        )
    };
    for (version, now) in [(1, 2), (3, 2)] {
        assert_eq!(
            refused(id, version).await,
            ("SPEC_VERSION_CONFLICT".to_owned(), Some(now))
        );
    }
    for version in [0, -1] {
        assert_eq!(refused(id, version).await, ("BAD_USER_INPUT".to_owned(), None));
    }
    assert_eq!(
        refused(uuid::Uuid::nil(), 1).await,
        ("NOT_FOUND".to_owned(), None)
    );
    assert_eq!(t.spec("web-1").await.retired_at, None);
    t.data(RETIRE, retire_input(id, 2)).await;
    for version in [2, 3] {
        assert_eq!(
            refused(id, version).await,
            ("SPEC_VERSION_CONFLICT".to_owned(), Some(0))
        );
    }
}

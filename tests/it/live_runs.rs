//! Subscribers to runs of jobs: a run that begins or ends on any server reaches subscribers of all servers.

use drift_inbox::graphql::api_limits::ApiLimits;
use drift_inbox::http::{HttpState, router};
use drift_inbox::services::job_runs::claim;
use entity::job_runs::Job;
use serde_json::{Value, json};

use crate::support::cloud::droplet;
use crate::support::live::Listener;
use crate::support::{TestApp, verifier};

const RUNS: &str = "subscription($job: Job) { jobRunChanged(job: $job) {
    id job outcome finishedAt syncCounts { resources kinds { kind outcome } } sweepCounts { resources opened ignored } } }";

async fn listen(t: &TestApp, router: &axum::Router, job: Value) -> Listener {
    let viewer = t.token(None, &["platform_viewer"]);
    let listener = Listener::new(router, Some(&viewer), RUNS, json!({ "job": job })).await;
    assert_eq!(listener.status, 200);
    listener
}

async fn next(listener: &mut Listener) -> Value {
    let (name, mut data) = listener.event().await.expect("the stream ended");
    assert_eq!(name, "next", "{data}");
    data["data"]["jobRunChanged"].take()
}

/// Returns the next run that has ended. A run that begins and ends between two polls is one event.
async fn next_ended(listener: &mut Listener) -> Value {
    loop {
        let run = next(listener).await;
        if run["outcome"] != Value::Null {
            return run;
        }
    }
}

#[tokio::test]
async fn a_run_of_one_server_reaches_subscribers_of_all_with_typed_counts() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "size_slug": "l" })).await;
    let other = t.another_server().await;
    let there = router(HttpState::new(other, verifier(), ApiLimits::default(), true));
    let mut here = listen(&t, &t.router, Value::Null).await;
    let mut there = listen(&t, &there, Value::Null).await;
    t.sweep().await;
    for listener in [&mut here, &mut there] {
        let ended = next_ended(listener).await;
        assert_eq!(
            ended["sweepCounts"],
            json!({ "resources": 1, "opened": 1, "ignored": 0 }),
            "{ended}"
        );
        assert_eq!(
            (&ended["job"], &ended["outcome"], &ended["syncCounts"]),
            (&json!("DETECT_DRIFT"), &json!("SUCCEEDED"), &Value::Null)
        );
    }
    t.sync().await;
    let ended = next_ended(&mut there).await;
    assert_eq!(
        ended["syncCounts"],
        json!({ "resources": 1, "kinds": [{ "kind": "droplet", "outcome": "COMPLETE" }] })
    );
    assert_eq!(ended["sweepCounts"], Value::Null);
}

#[tokio::test]
async fn a_run_is_published_when_it_begins_and_subscribers_choose_the_job() {
    let t = TestApp::new().await;
    let mut all = listen(&t, &t.router, Value::Null).await;
    let mut syncs = listen(&t, &t.router, json!("SYNC_INVENTORY")).await;
    let active = claim(t.db(), Job::DetectDrift).await.unwrap();
    let begun = next(&mut all).await;
    assert_eq!(
        (
            &begun["id"],
            &begun["outcome"],
            &begun["finishedAt"],
            &begun["sweepCounts"]
        ),
        (&json!(active.id), &Value::Null, &Value::Null, &Value::Null)
    );
    t.sync().await;
    assert_eq!(next(&mut syncs).await["job"], "SYNC_INVENTORY");
}

/// A row of another release lacks counts, or has others.
#[tokio::test]
async fn counts_of_other_releases_are_null_where_they_are_unknown() {
    let t = TestApp::new().await;
    t.sync().await;
    t.database
        .execute(r#"UPDATE job_runs SET counts = '{"resources": 3000000000, "gone": "x", "kinds": {"droplet": {"outcome": "new"}}}'"#)
        .await
        .unwrap();
    let query = "{ jobRuns { nodes { syncCounts { resources gone changed kinds { kind outcome resources unreadFields } } sweepCounts { opened } } } }";
    let run = t.data(query, json!({})).await["jobRuns"]["nodes"][0].clone();
    assert_eq!(
        run,
        json!({ "sweepCounts": null, "syncCounts": { "resources": i32::MAX, "gone": null, "changed": null,
            "kinds": [{ "kind": "droplet", "outcome": null, "resources": null, "unreadFields": [] }] } })
    );
}

#[tokio::test]
async fn events_have_typed_details() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "size_slug": "l" })).await;
    t.sweep().await;
    t.accept(&t.open_drift("web-1", "size_slug").await).await.unwrap();
    t.cloud_has([droplet("web-1").size("xl")]).await;
    let query = "query($id: ID!) { resource(id: $id) { events { nodes { type data
        details { driftId field fields expected actual specVersion source reason ruleId bulkId } } } } }";
    let id = t.resource("web-1").await.id;
    let events = t.data(query, json!({ "id": id })).await["resource"]["events"]["nodes"].clone();
    let details = |ty: &str| {
        let of_type = |event: &&Value| event["type"] == ty;
        let mut details = events.as_array().unwrap().iter().find(of_type).unwrap()["details"].clone();
        details
            .as_object_mut()
            .unwrap()
            .retain(|name, value| name != "driftId" && !value.is_null() && *value != json!([]));
        details
    };
    assert_eq!(
        details("DRIFT_ACCEPTED"),
        json!({ "field": "size_slug", "expected": "l", "actual": "s-1vcpu-1gb", "specVersion": 2 })
    );
    assert_eq!(
        details("SPEC_RECORDED"),
        json!({ "specVersion": 1, "source": "api" })
    );
    assert_eq!(details("RESOURCE_CHANGED"), json!({ "fields": ["size_slug"] }));
    // Everything that the old field has is in the typed one.
    for event in events.as_array().unwrap() {
        for (name, value) in event["data"].as_object().unwrap() {
            assert_eq!(event["details"][name], *value, "{event}");
        }
    }
}

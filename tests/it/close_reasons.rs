//! Why drifts close, and what came before them.

use chrono::TimeDelta;
use entity::cloud_drift::{CloseReason, DriftStatus};
use entity::cloud_resource_events::EventType;
use serde_json::{Value, json};

use crate::detection::a_resized_droplet;
use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};

const HISTORY: &str = "{ drifts(filter: {status: [OPEN, ACCEPTED, STALE]}) { nodes { \
     id closeReason occurrences predecessor { id closeReason } } } }";

/// Returns the reason of the only drift that has closed.
async fn reason(t: &TestApp) -> Option<CloseReason> {
    t.sweep().await;
    let drifts = t.drifts().await;
    let closed: Vec<_> = drifts
        .iter()
        .filter(|row| row.status == DriftStatus::Stale)
        .collect();
    assert_eq!(closed.len(), 1, "{drifts:?}");
    closed[0].close_reason
}

async fn after_listing(resources: Vec<Listed>) -> Option<CloseReason> {
    let t = a_resized_droplet().await;
    t.cloud_has(resources).await;
    reason(&t).await
}

async fn after_recording(spec: Value) -> Option<CloseReason> {
    let t = a_resized_droplet().await;
    t.record_spec("web-1", spec).await;
    reason(&t).await
}

#[tokio::test]
async fn each_drift_that_a_sweep_closes_says_why() {
    let healed = vec![droplet("web-1").size("small")];
    assert_eq!(after_listing(healed).await, Some(CloseReason::Healed));
    assert_eq!(after_listing(vec![]).await, Some(CloseReason::ResourceGone));
    let adopted = json!({ "size_slug": "large", "region": "nyc3" });
    assert_eq!(after_recording(adopted).await, Some(CloseReason::SpecChanged));
    let without = json!({ "region": "nyc3" });
    assert_eq!(after_recording(without).await, Some(CloseReason::FieldRemoved));
}

#[tokio::test]
async fn the_event_of_a_closed_drift_has_the_reason() {
    let t = a_resized_droplet().await;
    t.cloud_has([droplet("web-1").size("small")]).await;
    assert_eq!(reason(&t).await, Some(CloseReason::Healed));
    let events = t.event_rows(t.resource("web-1").await.id).await;
    let stale = events
        .iter()
        .find(|event| event.event_type == EventType::DriftStale);
    assert_eq!(stale.unwrap().data["reason"], "healed");
}

#[tokio::test]
async fn a_missing_resource_that_returns_and_a_retired_spec_say_so() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "region": "nyc3" })).await;
    t.cloud_has([]).await;
    t.sweep().await;
    t.cloud_has([droplet("web-1")]).await;
    assert_eq!(reason(&t).await, Some(CloseReason::ResourceReturned));

    let t = a_resized_droplet().await;
    let drift = t.open_drift("web-1", "size_slug").await;
    let retire =
        "mutation($id: ID!) { retireSpec(input: {resourceId: $id, expectedSpecVersion: 1}) { specVersion } }";
    t.data(retire, json!({ "id": drift.resource_id })).await;
    assert_eq!(reason(&t).await, Some(CloseReason::SpecRetired));
}

#[tokio::test]
async fn an_accepted_drift_says_so() {
    let t = a_resized_droplet().await;
    let drift = t.open_drift("web-1", "size_slug").await;
    t.accept(&drift).await.unwrap();
    assert_eq!(t.drifts().await[0].close_reason, Some(CloseReason::Accepted));
}

#[tokio::test]
async fn a_drift_that_returns_links_to_the_one_before_and_counts_those_of_30_days() {
    let t = a_resized_droplet().await;
    for days in [10, 10, 25] {
        t.cloud_has([droplet("web-1").size("small")]).await;
        t.sweep().await;
        t.later(TimeDelta::days(days));
        t.cloud_has([droplet("web-1").size("large")]).await;
        t.sweep().await;
    }
    let answer = t.data(HISTORY, json!({})).await;
    let drifts = answer["drifts"]["nodes"].as_array().unwrap();
    // Newest first: detected on the days 45, 20, 10 and 0.
    let occurrences: Vec<_> = drifts.iter().map(|drift| drift["occurrences"].clone()).collect();
    assert_eq!(occurrences, [2, 3, 2, 1]);
    for pair in drifts.windows(2) {
        assert_eq!(pair[0]["predecessor"]["id"], pair[1]["id"]);
        assert_eq!(pair[0]["predecessor"]["closeReason"], "HEALED");
    }
    assert_eq!(drifts[3]["predecessor"], Value::Null);
}

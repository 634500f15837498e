//! The window of a drift: between which listings the live value came to differ, from what is stored.

use chrono::TimeDelta;
use entity::cloud_drift::WindowBasis;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::cloud::droplet;

const WINDOWS: &str = "{ drifts(filter: { status: [OPEN, STALE] }) { nodes { field lastSeenEqualAt firstSeenDifferentAt windowBasis } } }";

#[tokio::test]
async fn the_window_is_between_the_last_equal_listing_and_the_first_different_one() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    t.later(TimeDelta::minutes(5));
    t.cloud_has([droplet("web-1")]).await;
    let equal = t.now();
    t.later(TimeDelta::minutes(5));
    t.cloud_has([droplet("web-1").size("s-2vcpu-2gb")]).await;
    let different = t.now();
    // A listing that shows the same again, and a sweep long after.
    t.later(TimeDelta::minutes(5));
    t.sync().await;
    t.later(TimeDelta::hours(3));
    t.sweep().await;
    let drift = t.open_drift("web-1", "size_slug").await;
    assert_eq!(drift.window_basis, Some(WindowBasis::LiveChanged));
    assert_eq!(drift.last_seen_equal_at, Some(equal));
    assert_eq!(drift.first_seen_different_at, Some(different));
    // Another value: the window stays.
    t.cloud_has([droplet("web-1").size("s-4vcpu-8gb")]).await;
    t.sweep().await;
    let moved = t.open_drift("web-1", "size_slug").await;
    assert_eq!((moved.id, moved.revision), (drift.id, 2));
    assert_eq!(moved.first_seen_different_at, Some(different));
    // The page that is written from the rows serves it.
    let page = t.data(WINDOWS, json!({})).await;
    let row = &page["drifts"]["nodes"][0];
    assert_eq!(row["windowBasis"], "LIVE_CHANGED");
    assert_eq!(row["firstSeenDifferentAt"], json!(different.to_rfc3339()));
}

#[tokio::test]
async fn a_value_between_two_sweeps_does_not_shift_the_window() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    t.cloud_has([droplet("web-1").size("a")]).await;
    let first = t.now();
    t.later(TimeDelta::hours(1));
    t.cloud_has([droplet("web-1").size("b")]).await;
    t.sweep().await;
    let drift = t.open_drift("web-1", "size_slug").await;
    assert_eq!(drift.first_seen_different_at, Some(first));
}

#[tokio::test]
async fn a_listing_that_was_not_whole_is_not_called_equal() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    t.cloud.set_unread_fields([("droplet", "project_id")]);
    t.sync().await;
    t.cloud.set_unread_fields([]);
    t.cloud_has([droplet("web-1").size("s-2vcpu-2gb")]).await;
    t.sweep().await;
    let drift = t.open_drift("web-1", "size_slug").await;
    assert_eq!(drift.window_basis, Some(WindowBasis::LiveChanged));
    assert_eq!(drift.last_seen_equal_at, None);
    assert_eq!(drift.first_seen_different_at, Some(t.now()));
}

#[tokio::test]
async fn a_spec_that_differs_from_the_start_is_said_to_be_the_cause() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.later(TimeDelta::hours(1));
    t.record_spec("web-1", json!({ "size_slug": "other" })).await;
    let recorded = t.now();
    t.later(TimeDelta::hours(1));
    t.sweep().await;
    let drift = t.open_drift("web-1", "size_slug").await;
    assert_eq!(drift.window_basis, Some(WindowBasis::SpecRecorded));
    assert_eq!(
        (drift.last_seen_equal_at, drift.first_seen_different_at),
        (None, Some(recorded))
    );
    // A later version that adds a field does not change since when the other one is expected.
    let spec = json!({ "size_slug": "other", "region": "ams3" });
    t.record_spec("web-1", spec).await;
    t.sweep().await;
    let region = t.open_drift("web-1", "region").await;
    assert_eq!(region.first_seen_different_at, Some(t.now()));
}

#[tokio::test]
async fn a_missing_resource_has_a_window() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1"), droplet("web-2")]).await;
    t.record_spec("web-1", json!({ "region": "nyc3" })).await;
    t.sync().await;
    let listed = t.now();
    t.later(TimeDelta::minutes(7));
    t.cloud_has([droplet("web-2")]).await;
    t.sweep().await;
    let drift = t.open_drift("web-1", "*").await;
    assert_eq!(drift.window_basis, Some(WindowBasis::LiveChanged));
    assert_eq!(
        (drift.last_seen_equal_at, drift.first_seen_different_at),
        (Some(listed), Some(t.now()))
    );
}

#[tokio::test]
async fn a_change_that_an_earlier_release_wrote_is_not_guessed() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    t.cloud_has([droplet("web-1").size("s-2vcpu-2gb")]).await;
    // What its sync leaves: the row and the event, without a change.
    t.database.execute("DELETE FROM inventory_changes").await.unwrap();
    let events = "UPDATE cloud_resource_events SET type = 'spec_recorded' WHERE type = 'resource_changed'";
    t.database.execute(events).await.unwrap();
    t.database
        .execute(
            "INSERT INTO cloud_resource_events (id, resource_id, type, actor, data, occurred_at) \
             SELECT resource_id, resource_id, 'resource_changed', actor, '{\"fields\":[\"size_slug\",\"attrs.x\",\"settling\"]}', \
             occurred_at FROM cloud_resource_events WHERE type = 'spec_recorded' AND actor = 'system'",
        )
        .await
        .unwrap();
    t.sweep().await;
    let drift = t.open_drift("web-1", "size_slug").await;
    assert_eq!(drift.window_basis, Some(WindowBasis::NotRecorded));
    assert_eq!(
        (drift.last_seen_equal_at, drift.first_seen_different_at),
        (None, None)
    );
    let log = t
        .data(
            "{ changes { nodes { type field before after hasValues } } }",
            json!({}),
        )
        .await;
    let mut fields: Vec<&Value> = log["changes"]["nodes"].as_array().unwrap().iter().collect();
    fields.sort_by_key(|row| row["field"].as_str().unwrap());
    let expected = ["size_slug", "x"].map(|field| {
        json!({ "type": "CHANGED", "field": field, "before": null, "after": null, "hasValues": false })
    });
    assert_eq!(fields, expected.iter().collect::<Vec<_>>());
}

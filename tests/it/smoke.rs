//! The basic scenario, from a difference to an accept and an empty inbox.

use entity::cloud_drift::DriftStatus;
use entity::cloud_resource_events::EventType;
use serde_json::json;

use crate::support::cloud::droplet;
use crate::support::{ADMIN, TestApp};

#[tokio::test]
async fn a_resized_droplet_is_drift_until_it_is_accepted() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("s-2vcpu-4gb")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb", "region": "nyc3" }))
        .await;

    let counts = t.sweep().await;
    assert_eq!(
        (counts.resources, counts.fields_compared, counts.opened),
        (1, 2, 1)
    );
    let open = t.inbox().await;
    assert_eq!(open.len(), 1, "the region equals the spec");
    let drift = &open[0];
    assert_eq!(drift.field, "size_slug");
    assert_eq!(
        (&drift.expected, &drift.actual),
        (&Some(json!("s-1vcpu-1gb")), &Some(json!("s-2vcpu-4gb")))
    );
    assert_eq!(t.events("web-1").await.last(), Some(&EventType::DriftDetected));

    let accepted = t.accept(drift).await.unwrap();
    assert_eq!(accepted.drift.status, DriftStatus::Accepted);
    assert_eq!(accepted.drift.resolved_by.as_deref(), Some(ADMIN));
    let spec = accepted.provisioned.unwrap();
    assert_eq!(spec.spec, json!({ "size_slug": "s-2vcpu-4gb", "region": "nyc3" }));
    assert_eq!(spec.spec_version, 2);
    assert_eq!(t.events("web-1").await.last(), Some(&EventType::DriftAccepted));

    let counts = t.sweep().await;
    assert_eq!((counts.opened, counts.changed, counts.staled), (0, 0, 0));
    assert!(t.inbox().await.is_empty());
}

#[tokio::test]
async fn the_inbox_is_queried_and_a_drift_is_accepted_over_graphql() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("s-2vcpu-4gb")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    t.sweep().await;
    let inbox = "{ drifts { totalCount nodes { id revision field expected actual status resource { name
        provisioned { specVersion } events(first: 5) { nodes { type actor } } } } } }";
    let data = t.data(inbox, json!({})).await;
    let drift = &data["drifts"]["nodes"][0];
    assert_eq!(drift["actual"], "s-2vcpu-4gb");
    assert_eq!(drift["resource"]["events"]["nodes"][0]["type"], "DRIFT_DETECTED");
    let accept = "mutation($input: AcceptDriftInput!) { acceptDrift(input: $input) {
        drift { status resolvedBy resolutionNote } provisioned { spec specVersion } } }";
    let input = json!({ "input": { "driftId": drift["id"], "revision": drift["revision"], "note": "ok" } });
    let data = t.data(accept, input).await;
    assert_eq!(data["acceptDrift"]["drift"]["status"], "ACCEPTED");
    assert_eq!(data["acceptDrift"]["drift"]["resolutionNote"], "ok");
    assert_eq!(data["acceptDrift"]["provisioned"]["specVersion"], 2);
}

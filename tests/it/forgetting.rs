//! Forgetting a resource: when it is allowed, what is deleted, and what is kept.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::http_client::codes;
use crate::support::cloud::droplet;
use crate::support::state::droplets;
use crate::support::{ADMIN, TestApp};

const FORGET: &str = "mutation($input: ForgetResourceInput!) { forgetResource(input: $input) { forgotten {
    resourceId provider kind providerId name decisions forgottenAt forgottenBy note } } }";

const FORGOTTEN: &str = "{ forgottenResources { totalCount nodes { id name forgottenBy note } } }";

impl TestApp {
    /// Requests to forget the resource with this name.
    async fn forget(&self, name: &str, include_history: bool) -> Value {
        let input = json!({
            "resourceId": self.resource(name).await.id, "note": "scaled down", "includeHistory": include_history,
        });
        self.ask(FORGET, json!({ "input": input })).await
    }

    /// Returns the numbers of stored resources, specs, drifts and events.
    async fn stored(&self) -> [u64; 4] {
        let mut counts = [0; 4];
        let tables = [
            "cloud_resources",
            "cloud_provisioned",
            "cloud_drift",
            "cloud_resource_events",
        ];
        for (count, table) in counts.iter_mut().zip(tables) {
            *count = crate::retention::rows(self, table).await;
        }
        counts
    }
}

fn refused(answer: &Value, reason: &str) {
    assert_eq!(codes(answer), ["NOT_FORGETTABLE"], "{answer:#}");
    assert_eq!(answer["errors"][0]["extensions"]["reason"], reason);
    assert_eq!(answer["data"]["forgetResource"], Value::Null);
}

#[tokio::test]
async fn a_gone_resource_is_forgotten_and_the_actor_is_kept() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1"), droplet("web-2")]).await;
    t.cloud_has([droplet("web-2")]).await;
    let id = t.resource("web-1").await.id;
    t.later(TimeDelta::hours(1));
    let answer = t.forget("web-1", false).await;
    let wanted = json!({
        "resourceId": id, "provider": "digitalocean", "kind": "droplet", "providerId": "web-1", "name": "web-1",
        "decisions": 0, "forgottenAt": t.now(), "forgottenBy": ADMIN, "note": "scaled down",
    });
    let mut got = answer["data"]["forgetResource"]["forgotten"].clone();
    let at = got["forgottenAt"]
        .as_str()
        .unwrap()
        .parse::<chrono::DateTime<chrono::Utc>>();
    assert_eq!(at.unwrap(), t.now());
    got["forgottenAt"] = json!(t.now());
    assert_eq!(got, wanted, "{answer:#}");
    assert_eq!(t.stored().await, [1, 0, 0, 1], "only rows of web-2");
    let listed = t.data(FORGOTTEN, json!({})).await;
    let remains_id = listed["forgottenResources"]["nodes"][0]["id"].clone();
    let remains = json!({ "id": remains_id, "name": "web-1", "forgottenBy": ADMIN, "note": "scaled down" });
    assert_eq!(
        listed["forgottenResources"],
        json!({ "totalCount": 1, "nodes": [remains] })
    );
}

#[tokio::test]
async fn a_forgotten_resource_that_returns_is_discovered_again() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.cloud_has([]).await;
    let before = t.resource("web-1").await.id;
    t.forget("web-1", false).await;
    t.cloud_has([droplet("web-1")]).await;
    let now = t.resource("web-1").await;
    assert_ne!(now.id, before);
    assert_eq!((now.revision, now.gone_at), (1, None));
    assert_eq!(t.events("web-1").await.len(), 1);
}

#[tokio::test]
async fn existing_and_managed_resources_are_not_forgotten() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    refused(&t.forget("web-1", true).await, "STILL_THERE");
    t.record_spec("web-1", json!({ "region": "nyc3" })).await;
    refused(&t.forget("web-1", true).await, "STILL_THERE");
    t.cloud_has([]).await;
    refused(&t.forget("web-1", true).await, "SPEC_IN_FORCE");
    let before = t.stored().await;
    t.sweep().await;
    refused(&t.forget("web-1", true).await, "SPEC_IN_FORCE");
    assert_eq!(t.stored().await[0], before[0]);
    assert_eq!(t.inbox().await.len(), 1, "the missing resource is drift");
}

#[tokio::test]
async fn decisions_are_deleted_only_on_explicit_request() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "region": "nyc3" })).await;
    t.cloud_has([]).await;
    t.sweep().await;
    let missing = t.open_drift("web-1", "*").await;
    t.accept(&missing).await.unwrap();
    let before = t.stored().await;
    refused(&t.forget("web-1", false).await, "HAS_DECISIONS");
    assert_eq!(t.stored().await, before);
    let answer = t.forget("web-1", true).await;
    // Three decisions: the recorded spec, the retired spec, and the accept.
    let forgotten = &answer["data"]["forgetResource"]["forgotten"];
    assert_eq!(forgotten["decisions"], 3, "{answer:#}");
    assert_eq!(t.stored().await, [0, 0, 0, 0]);
}

#[tokio::test]
async fn an_unsynced_resource_can_be_forgotten_once_its_spec_is_retired() {
    let t = TestApp::new().await;
    t.import(&droplets("l-1", 1, &[("web-1", "s-1"), ("web-2", "s-1")]))
        .await;
    refused(&t.forget("web-1", true).await, "SPEC_IN_FORCE");
    t.import(&droplets("l-1", 2, &[("web-2", "s-1")])).await;
    let answer = t.forget("web-1", false).await;
    // The import retired the spec, which is not a decision.
    assert_eq!(
        answer["data"]["forgetResource"]["forgotten"]["decisions"], 0,
        "{answer:#}"
    );
    t.import(&droplets("l-1", 3, &[("web-1", "s-1"), ("web-2", "s-1")]))
        .await;
    assert_eq!(t.spec("web-1").await.spec_version, 1);
}

#[tokio::test]
async fn a_note_that_is_too_long_is_refused_and_nothing_is_deleted() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.cloud_has([]).await;
    let input = json!({ "resourceId": t.resource("web-1").await.id, "note": "x".repeat(5_000) });
    let answer = t.ask(FORGET, json!({ "input": input })).await;
    assert_eq!(codes(&answer), ["BAD_USER_INPUT"]);
    assert_eq!(t.stored().await[0], 1);
}

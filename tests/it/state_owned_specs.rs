//! Decisions in the API about specs that a Terraform state owns.

use drift_inbox::services::imports::ImportOptions;
use serde_json::{Value, json};

use crate::http_client::codes;
use crate::support::TestApp;
use crate::support::cloud::droplet;
use crate::support::state::droplets;

const RECORD: &str = "mutation($input: RecordSpecInput!) { recordSpec(input: $input) {
    provisioned { specVersion source { kind name } } } }";
const ACCEPT: &str = "mutation($input: AcceptDriftInput!) { acceptDrift(input: $input) {
    provisioned { source { name } } ownedBy { kind name lineage serial address } warning } }";

/// Creates a server with two droplets. The state `l-1` declares another size for web-1.
async fn with_a_state() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("s-2"), droplet("web-2").size("s-2")])
        .await;
    t.import(&droplets("l-1", 1, &[("web-1", "s-1")])).await;
    t
}

async fn record(t: &TestApp, take_over: bool) -> Value {
    let id = t.resource("web-1").await.id;
    let spec = json!({ "size_slug": "s-2" });
    let input = json!({ "input": { "resourceId": id, "spec": spec, "takeOver": take_over } });
    t.ask(RECORD, input).await
}

#[tokio::test]
async fn a_spec_of_a_state_is_replaced_only_with_take_over() {
    let t = with_a_state().await;
    let before = t.spec("web-1").await;
    let refused = record(&t, false).await;
    assert_eq!(codes(&refused), ["SPEC_OWNED_BY_STATE"]);
    let error = &refused["errors"][0];
    assert_eq!(error["extensions"]["source"], "terraform:l-1");
    assert!(error["message"].as_str().unwrap().contains("takeOver"), "{error}");
    assert_eq!(t.spec("web-1").await, before);
    let taken = record(&t, true).await;
    assert_eq!(
        taken["data"]["recordSpec"]["provisioned"],
        json!({ "specVersion": 2, "source": { "kind": "API", "name": null } })
    );
    let summary = t.import(&droplets("l-1", 2, &[("web-1", "s-1")])).await;
    let refused: Vec<&str> = summary
        .refused
        .iter()
        .map(|refusal| refusal.address.as_str())
        .collect();
    assert_eq!(refused, ["digitalocean_droplet.web-1"]);
    assert_eq!(t.spec("web-1").await.spec, json!({ "size_slug": "s-2" }));
}

#[tokio::test]
async fn a_spec_that_left_its_state_is_replaced_without_take_over() {
    let t = with_a_state().await;
    let meant = ImportOptions {
        allow_mass_retire: true,
        ..ImportOptions::default()
    };
    t.try_import(&droplets("l-1", 2, &[]), meant).await.unwrap();
    let recorded = record(&t, false).await;
    assert_eq!(
        recorded["data"]["recordSpec"]["provisioned"],
        json!({ "specVersion": 3, "source": { "kind": "API", "name": null } })
    );
}

#[tokio::test]
async fn an_accept_warns_that_the_next_import_of_the_state_undoes_it() {
    let t = with_a_state().await;
    t.record_spec("web-2", json!({ "size_slug": "s-1" })).await;
    t.sweep().await;
    let accept = async |name: &str| {
        let drift = t.open_drift(name, "size_slug").await;
        let input = json!({ "input": { "driftId": drift.id, "revision": drift.revision } });
        t.data(ACCEPT, input).await["acceptDrift"].take()
    };
    let owned = accept("web-1").await;
    let source = json!({ "kind": "TERRAFORM_STATE", "name": "l-1", "lineage": "l-1", "serial": 1,
        "address": "digitalocean_droplet.web-1" });
    assert_eq!(owned["ownedBy"], source);
    assert_eq!(owned["provisioned"]["source"]["name"], "l-1");
    assert!(
        owned["warning"].as_str().unwrap().contains("next import"),
        "{owned}"
    );
    let free = accept("web-2").await;
    assert_eq!((&free["ownedBy"], &free["warning"]), (&Value::Null, &Value::Null));
    t.sweep().await;
    assert!(t.inbox().await.is_empty());
    // The next import restores the value of the state, as the warning said.
    t.import(&droplets("l-1", 2, &[("web-1", "s-1")])).await;
    t.sweep().await;
    assert_eq!(t.inbox().await.len(), 1);
}

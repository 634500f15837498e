//! Importing over GraphQL, and from the command line.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::cloud::droplet;
use crate::support::graphql::codes;
use crate::support::state::state_file;

const IMPORT: &str = "mutation($input: ImportTerraformStateInput!) { importTerraformState(input: $input) { summary {
    lineage serial recorded changed unchanged retired unsynced refused { address kind providerId reason }
    closes { driftId kind name field } skipped { data tainted deposed foreign withoutId unattached unsupported } } } }";

fn web(serial: i64, size: &str) -> Value {
    let attributes = json!({"id": "web-1", "name": "web-1", "size": size});
    state_file(
        "l-1",
        serial,
        [("digitalocean_droplet", "web".to_owned(), attributes)],
    )
}

#[tokio::test]
async fn a_state_is_imported_as_json_or_as_a_text() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("s-2")]).await;
    let data = t.data(IMPORT, json!({"input": {"state": web(1, "s-1")}})).await;
    let summary = &data["importTerraformState"]["summary"];
    assert_eq!(summary["lineage"], "l-1");
    assert_eq!((&summary["serial"], &summary["recorded"]), (&json!(1), &json!(1)));
    t.sweep().await;
    let text = web(2, "s-2").to_string();
    let dry = t
        .data(IMPORT, json!({"input": {"state": text, "dryRun": true}}))
        .await;
    assert_eq!(
        dry["importTerraformState"]["summary"]["closes"][0]["field"],
        "size_slug"
    );
    assert_eq!(t.spec("web-1").await.spec_version, 1);
    let data = t.data(IMPORT, json!({"input": {"state": text}})).await;
    let summary = &data["importTerraformState"]["summary"];
    assert_eq!(
        (&summary["changed"], &summary["closes"][0]["name"]),
        (&json!(1), &json!("web-1"))
    );
    assert_eq!(t.spec("web-1").await.recorded_by, crate::support::ADMIN);
}

#[tokio::test]
async fn what_is_no_state_and_who_may_not_import_is_refused() {
    let t = TestApp::new().await;
    for bad in [
        json!("resource {"),
        json!({"version": 3}),
        json!([]),
        json!(null),
        json!(web(1, "s")["resources"]),
    ] {
        let answer = t.ask(IMPORT, json!({"input": {"state": bad}})).await;
        assert_eq!(codes(&answer), ["BAD_USER_INPUT"], "{bad}");
    }
    let input = json!({"input": {"state": web(1, "s-1")}});
    assert_eq!(
        codes(&t.ask_as(None, IMPORT, input.clone()).await),
        ["UNAUTHENTICATED"]
    );
    let viewer = t.token(None, &["platform_viewer"]);
    assert_eq!(
        codes(&t.ask_as(Some(&viewer), IMPORT, input).await),
        ["FORBIDDEN"]
    );
}

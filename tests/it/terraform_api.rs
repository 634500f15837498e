//! Imports through GraphQL and the command line.

use sea_orm::EntityTrait as _;
use serde_json::{Value, json};

use crate::http_client::codes;
use crate::support::TestApp;
use crate::support::cloud::droplet;
use crate::support::process::Program;
use crate::support::state::state_file;

const IMPORT: &str = "mutation($input: ImportTerraformStateInput!) { importTerraformState(input: $input) { summary {
    lineage serial recorded changed takenOver { address kind providerId from } unchanged retired unsynced refused { address kind providerId reason }
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
async fn a_state_is_imported_as_json_or_as_text() {
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
async fn the_refusal_of_a_spec_of_the_api_mentions_take_over() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("s-2")]).await;
    t.record_spec("web-1", json!({"size_slug": "s-1"})).await;
    let mut input = json!({"input": {"state": web(1, "s-2")}});
    let data = t.data(IMPORT, input.clone()).await;
    let summary = &data["importTerraformState"]["summary"];
    let reason = summary["refused"][0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("--take-over") && reason.contains("takeOver"),
        "{reason}"
    );
    assert_eq!(summary["takenOver"], json!([]));
    input["input"]["takeOver"] = true.into();
    let data = t.data(IMPORT, input).await;
    let summary = &data["importTerraformState"]["summary"];
    assert_eq!(
        (&summary["takenOver"], &summary["refused"]),
        (
            &json!([{"address": "digitalocean_droplet.web", "kind": "droplet", "providerId": "web-1", "from": "API"}]),
            &json!([])
        )
    );
}

#[tokio::test]
async fn an_invalid_state_and_an_unauthorized_import_are_refused() {
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

#[test]
fn the_command_lists_taken_over_specs_and_shows_no_progress_without_a_terminal() {
    let inventory = json!({"provider": "digitalocean", "resources": [
        {"kind": "droplet", "providerId": "web-1", "name": "web-1", "sizeSlug": "s-1", "region": "nyc3"}]});
    let program = Program::new()
        .with("DRIFT_INVENTORY_FILE", "inventory.json")
        .with_file("inventory.json", inventory.to_string())
        .with_file("l-1.tfstate", web(1, "s-1").to_string());
    assert_eq!(program.run(&["sync"]).code, Some(0));
    let ended = program.run(&["import-terraform", "l-1.tfstate", "--take-over"]);
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    assert!(
        ended.out.contains("1 recorded, 0 changed, 0 taken over"),
        "{}",
        ended.out
    );
    assert!(!ended.output().contains('\r'), "{}", ended.output());
    // A spec of one state is never taken over by another state.
    let other = web(1, "s-1").to_string().replace("l-1", "l-2");
    std::fs::write(program.folder().join("l-2.tfstate"), other).unwrap();
    let ended = program.run(&["import-terraform", "l-2.tfstate", "--take-over"]);
    assert_eq!(ended.code, Some(1), "{}", ended.output());
    assert!(
        ended.out.contains("refused: digitalocean_droplet.web"),
        "{}",
        ended.out
    );
    assert!(
        !ended.out.contains("--take-over"),
        "the hint is wrong for a spec of another state: {}",
        ended.out
    );
}

#[test]
fn an_import_on_the_command_line_is_recorded_under_the_name_of_its_user() {
    let program = Program::new()
        .with_file("1.tfstate", web(1, "s-1").to_string())
        .with_file("2.tfstate", web(2, "s-2").to_string());
    let recorded_by = |program: &Program| {
        let path = program.folder().join("drift-inbox.db");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let url = format!("sqlite://{}?mode=ro", path.display());
            let db = sea_orm::Database::connect(url).await.unwrap();
            let spec = entity::cloud_provisioned::Entity::find().one(&db).await.unwrap();
            spec.unwrap().recorded_by
        })
    };
    let ended = program.run(&["import-terraform", "1.tfstate", "--as", "ada@example.com"]);
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    assert_eq!(recorded_by(&program), "ada@example.com");
    assert_eq!(program.run(&["import-terraform", "2.tfstate"]).code, Some(0));
    let by = recorded_by(&program);
    assert!(by.contains('@') && by != "ada@example.com", "{by}");
    let ended = program.run(&["import-terraform", "2.tfstate", "--as", "system"]);
    assert_eq!(ended.code, Some(2), "{}", ended.output());
}

//! The inbox is up to date only if the inventory is complete and recent and the last sweep compared every resource.

use chrono::{DateTime, TimeDelta, Utc};
use drift_inbox::jobs::JobRequest;
use drift_inbox::provider::KindListing;
use drift_inbox::services::detection::Scope;
use entity::inventory_kinds;
use entity::job_runs::{self, JobOutcome};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};
use crate::support::db::TestDb;
use crate::support::process::Program;

async fn swept(t: &TestApp) -> job_runs::Model {
    t.app.jobs().run(JobRequest::detect_all()).await.unwrap()
}

/// Creates a droplet and a volume that equal their specs.
async fn in_order(t: &TestApp) {
    t.cloud_has([droplet("web-1"), Listed::new("volume", "data-1")])
        .await;
    t.record_spec("web-1", json!({ "region": "nyc3" })).await;
    t.record_spec("data-1", json!({ "name": "data-1" })).await;
}

/// Returns the kinds in `counts.stale` of a sweep, with the reasons.
fn stale(run: &job_runs::Model) -> Vec<(String, String)> {
    let stale = run.counts["stale"].as_array().cloned().unwrap_or_default();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
    stale
        .iter()
        .map(|entry| (text(entry, "kind"), text(entry, "reason")))
        .collect()
}

fn named(kind: &str, reason: &str) -> (String, String) {
    (kind.to_owned(), reason.to_owned())
}

async fn listed_at(t: &TestApp, kind: &str, at: DateTime<Utc>) {
    inventory_kinds::Entity::update_many()
        .col_expr(inventory_kinds::Column::CompletedAt, Expr::value(at))
        .filter(inventory_kinds::Column::Kind.eq(kind))
        .exec(t.db().reader())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_sweep_over_overdue_kinds_is_partial_and_lists_the_kinds() {
    let t = TestApp::new().await;
    in_order(&t).await;
    t.later(TimeDelta::minutes(120));
    assert_eq!(swept(&t).await.outcome, Some(JobOutcome::Succeeded));
    t.later(TimeDelta::seconds(1));
    let run = swept(&t).await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial));
    assert_eq!(
        stale(&run),
        [named("droplet", "overdue"), named("volume", "overdue")]
    );
    let error = run.error.unwrap();
    assert!(
        error.contains("droplet of digitalocean") && error.contains("2027-01-01T12:00:01"),
        "{error}"
    );
    assert_eq!(run.counts["resources"], 2, "the resources are compared");
    t.sync().await;
    assert_eq!(swept(&t).await.outcome, Some(JobOutcome::Succeeded));
}

#[tokio::test]
async fn a_sweep_over_a_kind_that_is_not_readable_is_partial() {
    let t = TestApp::new().await;
    in_order(&t).await;
    let unread = [
        (
            "volume",
            KindListing::NotReadable("no scope".to_owned()),
            "not_readable",
        ),
        (
            "volume",
            KindListing::Incomplete("a page is missing".to_owned()),
            "incomplete",
        ),
    ];
    for (kind, listing, reason) in unread {
        t.cloud.unread([(kind, listing)]);
        t.sync().await;
        let run = swept(&t).await;
        assert_eq!(run.outcome, Some(JobOutcome::Partial), "{reason}");
        assert_eq!(stale(&run), [named("volume", reason)]);
    }
    // A kind without specs does not matter.
    t.cloud
        .unread([("snapshot", KindListing::NotReadable("no scope".to_owned()))]);
    t.sync().await;
    assert_eq!(swept(&t).await.outcome, Some(JobOutcome::Succeeded));
}

#[tokio::test]
async fn a_sweep_is_partial_if_a_field_of_a_spec_is_unread() {
    let t = TestApp::new().await;
    in_order(&t).await;
    t.cloud
        .set_unread_fields([("droplet", "region"), ("droplet", "tags"), ("volume", "tags")]);
    let run = t.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial));
    assert_eq!(
        run.counts["kinds"]["droplet"]["unreadFields"],
        json!(["region", "tags"])
    );
    let run = swept(&t).await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial));
    assert_eq!(stale(&run), [named("droplet", "fields_not_readable")]);
    assert_eq!(
        run.counts["stale"][0]["fields"],
        json!(["region"]),
        "no spec sets tags"
    );
    let query = "{ freshness { vouched stale { kind reason fields } } }";
    assert_eq!(
        t.ask(query, json!({})).await["data"]["freshness"],
        json!({
            "vouched": false,
            "stale": [{ "kind": "droplet", "reason": "FIELDS_NOT_READABLE", "fields": ["region"] }],
        })
    );
    // A narrowed sweep depends only on the specs in its scope.
    let volume = t.resource("data-1").await.id;
    let only_volume = JobRequest::Detect {
        scope: Scope::Resources(vec![volume]),
        progress: None,
    };
    let narrowed = t.app.jobs().run(only_volume).await.unwrap();
    assert_eq!(narrowed.outcome, Some(JobOutcome::Succeeded));
    t.cloud.set_unread_fields([]);
    assert_eq!(t.sync().await.outcome, Some(JobOutcome::Succeeded));
    assert_eq!(swept(&t).await.outcome, Some(JobOutcome::Succeeded));
}

#[tokio::test]
async fn a_sweep_before_any_sync_or_over_unsynced_resources_is_partial() {
    let t = TestApp::new().await;
    let run = swept(&t).await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial), "no sync has run");
    assert_eq!(run.counts["neverSynced"], true);
    t.cloud_has([Listed::new("volume", "data-1")]).await;
    assert_eq!(
        swept(&t).await.outcome,
        Some(JobOutcome::Succeeded),
        "without specs, no kind matters"
    );
    t.imported("web-1").await;
    t.record_spec("web-1", json!({ "region": "nyc3" })).await;
    let run = swept(&t).await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial));
    assert_eq!(stale(&run), [named("droplet", "never_listed")]);
    assert_eq!(run.counts["unsynced"], 1);
}

#[tokio::test]
async fn a_listing_with_a_future_time_is_reported_and_makes_the_sweep_partial() {
    let t = TestApp::new().await;
    in_order(&t).await;
    listed_at(&t, "droplet", t.now() + TimeDelta::hours(1)).await;
    let run = swept(&t).await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial));
    assert_eq!(stale(&run), [named("droplet", "in_the_future")]);
}

const FRESHNESS: &str = "{ freshness { vouched neverSynced neverListed sweepOverdue
    stale { provider kind completedAt reason } lastSweep { outcome } } }";

#[tokio::test]
async fn freshness_returns_whether_the_inbox_is_up_to_date() {
    let t = TestApp::new().await;
    let freshness = async || t.data(FRESHNESS, json!({})).await["freshness"].clone();
    let never = freshness().await;
    assert_eq!(
        (&never["vouched"], &never["neverSynced"]),
        (&json!(false), &json!(true))
    );
    in_order(&t).await;
    assert_eq!(freshness().await["vouched"], false, "no sweep has run");
    swept(&t).await;
    let good = json!({ "vouched": true, "neverSynced": false, "neverListed": 0, "sweepOverdue": false,
        "stale": [], "lastSweep": { "outcome": "SUCCEEDED" } });
    assert_eq!(freshness().await, good);

    t.later(TimeDelta::hours(3));
    let old = freshness().await;
    assert_eq!(
        (&old["vouched"], &old["sweepOverdue"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(old["stale"][0]["reason"], "OVERDUE");
    assert_eq!(old["stale"][0]["completedAt"], "2027-01-01T12:00:01+00:00");
    t.sync().await;
    assert_eq!(freshness().await["vouched"], false, "the last sweep is too old");
    swept(&t).await;
    assert_eq!(freshness().await, good);
    t.imported("web-2").await;
    t.record_spec("web-2", json!({ "region": "nyc3" })).await;
    let unlisted = freshness().await;
    assert_eq!(
        (&unlisted["vouched"], &unlisted["neverListed"]),
        (&json!(false), &json!(1))
    );
}

fn on(database: &TestDb) -> Program {
    Program::new().with("DATABASE_URL", &database.url)
}

#[tokio::test]
async fn detect_exits_with_4_if_the_inbox_is_not_up_to_date_and_with_3_on_drift() {
    let t = TestApp::today().await;
    in_order(&t).await;
    let program = on(&t.database);
    let ended = program.run(&["detect", "--exit-code"]);
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    assert!(ended.out.contains("no drift"), "{}", ended.out);

    listed_at(&t, "volume", t.now() - TimeDelta::days(21)).await;
    let ended = program.run(&["detect", "--exit-code"]);
    assert_eq!(ended.code, Some(4), "{}", ended.output());
    assert!(
        ended.out.contains("volume of digitalocean is overdue"),
        "{}",
        ended.out
    );
    assert!(!ended.out.contains("no drift"), "{}", ended.out);
    assert_eq!(program.run(&["detect"]).code, Some(1));
    let ended = program.run(&["detect", "--exit-code", "--max-age", "30days"]);
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    let ended = program.run(&["detect", "--exit-code", "--max-age", "soon"]);
    assert_eq!(ended.code, Some(2), "{}", ended.output());

    t.record_spec("web-1", json!({ "region": "fra1" })).await;
    let ended = program.run(&["detect", "--exit-code"]);
    assert_eq!(ended.code, Some(3), "{}", ended.output());
    assert!(
        ended.out.contains("is overdue") && ended.out.contains("fra1"),
        "the output must contain both: {}",
        ended.out
    );
}

#[tokio::test]
async fn with_settling_resources_the_inbox_is_not_up_to_date() {
    let t = TestApp::today().await;
    in_order(&t).await;
    let web_2 = droplet("web-2").status("resizing").settling();
    t.cloud_has([droplet("web-1"), Listed::new("volume", "data-1"), web_2])
        .await;
    t.record_spec("web-2", json!({ "region": "fra1" })).await;
    let program = on(&t.database);
    let ended = program.run(&["detect", "--exit-code"]);
    assert_eq!(ended.code, Some(4), "{}", ended.output());
    assert!(
        ended.out.contains("1 resource is settling and was not compared"),
        "{}",
        ended.out
    );
    assert!(!ended.out.contains("no drift"), "{}", ended.out);
    assert_eq!(
        program.run(&["detect"]).code,
        Some(0),
        "the sweep itself succeeded"
    );
    let ended = program.run(&["detect", "--format", "json"]);
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(
        (&document["vouched"], &document["counts"]["settling"]),
        (&json!(false), &json!(1))
    );
    let query = "{ freshness { vouched settling stale { kind } } }";
    let freshness = t.data(query, json!({})).await["freshness"].clone();
    assert_eq!(freshness, json!({ "vouched": false, "settling": 1, "stale": [] }));

    // The exit code for drift takes precedence.
    t.record_spec("web-1", json!({ "region": "fra1" })).await;
    let ended = program.run(&["detect", "--exit-code"]);
    assert_eq!(ended.code, Some(3), "{}", ended.output());
    assert!(ended.out.contains("settling and not compared"), "{}", ended.out);
}

#[tokio::test]
async fn without_any_spec_the_inbox_is_not_up_to_date() {
    let t = TestApp::today().await;
    t.cloud_has([droplet("web-1")]).await;
    let program = on(&t.database);
    let ended = program.run(&["detect", "--exit-code"]);
    assert_eq!(ended.code, Some(4), "{}", ended.output());
    assert!(
        ended.out.contains("no resource has a spec: nothing was compared"),
        "{}",
        ended.out
    );
    assert!(!ended.out.contains("no drift"), "{}", ended.out);
    let freshness = t.data("{ freshness { vouched } }", json!({})).await;
    assert_eq!(freshness["freshness"]["vouched"], false);
}

/// Returns a minimal state with one resource.
fn state() -> String {
    json!({ "version": 4, "terraform_version": "1.9.0", "serial": 1, "lineage": "one", "outputs": {},
        "resources": [{ "mode": "managed", "type": "digitalocean_tag", "name": "t",
            "provider": "provider[\"registry.terraform.io/digitalocean/digitalocean\"]",
            "instances": [{ "schema_version": 0, "attributes": { "id": "prod", "name": "prod" } }] }] })
    .to_string()
}

#[test]
fn read_only_commands_create_no_database_and_detect_reports_a_missing_database() {
    let program = Program::new().with_file("state.json", state());
    let entries = || std::fs::read_dir(program.folder()).unwrap().count();
    let ended = program.run(&["detect", "--exit-code"]);
    assert_eq!(ended.code, Some(4), "{}", ended.output());
    assert!(
        ended.err.contains("database drift-inbox.db not found"),
        "{}",
        ended.err
    );
    assert!(!ended.out.contains("no drift"), "{}", ended.out);
    assert_eq!(program.run(&["detect"]).code, Some(1));
    let ended = program.run(&["import-terraform", "--dry-run", "state.json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    program.run(&["schema"]);
    assert_eq!(entries(), 1, "only the state file exists");
}

#[test]
fn an_import_before_any_sync_reports_that_nothing_is_compared_yet() {
    let program = Program::new().with_file("state.json", state());
    let ended = program.run(&["import-terraform", "state.json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    assert!(ended.out.contains("no sync has completed yet"), "{}", ended.out);
    let ended = program.run(&["detect", "--exit-code"]);
    assert_eq!(ended.code, Some(4), "{}", ended.output());
    assert!(ended.out.contains("no sync has completed"), "{}", ended.out);
}

#[test]
fn a_command_prints_its_result_line_and_logs_nothing() {
    let inventory = json!({ "provider": "digitalocean",
        "resources": [{ "kind": "droplet", "providerId": "1", "name": "web-1" }] });
    let program = Program::new().with_file("inventory.json", inventory.to_string());
    let ended = program.run(&["sync", "--inventory-file", "inventory.json"]);
    assert_eq!(
        (ended.code, ended.err.as_str()),
        (Some(0), ""),
        "{}",
        ended.output()
    );
    assert_eq!(ended.out.lines().count(), 1, "{}", ended.out);
    let ended = program.run(&["detect"]);
    assert_eq!(
        (ended.code, ended.err.as_str()),
        (Some(0), ""),
        "{}",
        ended.output()
    );
    let ended = program.with("RUST_LOG", "info").run(&["detect"]);
    assert!(ended.err.contains("job.started"), "{}", ended.err);
}

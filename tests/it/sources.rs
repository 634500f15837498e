//! Several sources in one inbox: none touches the resources of another, and none is trusted longer than its interval.

use std::sync::Arc;

use chrono::TimeDelta;
use drift_inbox::app::App;
use drift_inbox::clock::Clock;
use drift_inbox::domain::freshness::MaxAge;
use drift_inbox::domain::schedule::Schedules;
use drift_inbox::jobs::{JobRequest, Source};
use drift_inbox::provider::InventoryProvider;
use drift_inbox::services::inventory::SyncOptions;
use drift_inbox::services::sources;
use entity::cloud_resources;
use entity::job_runs::{self, JobOutcome};
use migration::{Migrator, MigratorTrait as _};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};

use crate::support::cloud::{Cloud, Listed, droplet};
use crate::support::process::Program;
use crate::support::{ADMIN, TestApp};

/// A source with a cloud of its own.
struct Team {
    app: App,
    cloud: Arc<Cloud>,
}

impl Team {
    fn new(t: &TestApp, name: &str) -> Self {
        Self::with(t, name, |source| source)
    }

    fn with(t: &TestApp, name: &str, change: impl Fn(Source) -> Source) -> Self {
        let cloud = Arc::new(Cloud::default());
        cloud.set_account_id(name);
        let source = Source::new(Arc::clone(&cloud) as Arc<dyn InventoryProvider>).named(name);
        let app = App::with_sources(
            t.db().clone(),
            Clock::Manual(t.clock.clone()),
            vec![change(source)],
            Schedules::default(),
            MaxAge::default(),
        );
        Self { app, cloud }
    }

    async fn sync(&self, t: &TestApp) -> job_runs::Model {
        self.sync_with(t, SyncOptions::default()).await
    }

    async fn sync_with(&self, t: &TestApp, options: SyncOptions) -> job_runs::Model {
        t.later(TimeDelta::seconds(1));
        self.app.jobs().run(JobRequest::Sync(options)).await.unwrap()
    }

    async fn has(&self, t: &TestApp, resources: impl IntoIterator<Item = Listed>) {
        self.cloud.set(resources);
        let run = self.sync(t).await;
        assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{:?}", run.error);
    }
}

async fn states(t: &TestApp) -> Vec<String> {
    let data = t.data("{ sources { name state } }", json!({})).await;
    let sources = data["sources"].as_array().unwrap();
    sources
        .iter()
        .map(|source| format!("{} {}", source["name"], source["state"]).replace('"', ""))
        .collect()
}

/// Returns the names of resources that are not gone, with their sources.
async fn present(t: &TestApp) -> Vec<String> {
    let rows = cloud_resources::Entity::find()
        .filter(cloud_resources::Column::GoneAt.is_null())
        .all(t.db().reader())
        .await
        .unwrap();
    let mut names: Vec<String> = rows
        .iter()
        .map(|row| format!("{} of {}", row.name, row.source))
        .collect();
    names.sort();
    names
}

async fn sweep(t: &TestApp) -> job_runs::Model {
    t.app.jobs().run(JobRequest::detect_all()).await.unwrap()
}

#[tokio::test]
async fn a_source_that_fails_or_shrinks_does_not_touch_the_resources_of_another() {
    let t = TestApp::new().await;
    let (red, blue) = (Team::new(&t, "red"), Team::new(&t, "blue"));
    red.has(&t, [droplet("red-1"), droplet("red-2")]).await;
    blue.has(&t, [droplet("blue-1"), Listed::new("volume", "blue-data")])
        .await;
    let all = [
        "blue-1 of blue",
        "blue-data of blue",
        "red-1 of red",
        "red-2 of red",
    ];
    assert_eq!(present(&t).await, all);
    // The listing of one team lacks everything that the other has.
    red.has(&t, [droplet("red-1"), droplet("red-2")]).await;
    assert_eq!(present(&t).await, all);
    blue.cloud.fail(Some("the token has expired"));
    assert_eq!(blue.sync(&t).await.outcome, Some(JobOutcome::Failed));
    assert_eq!(present(&t).await, all);
    assert_eq!(states(&t).await, ["blue FAILED", "red OK"]);
    // More than half of the resources of one source is too many, however many the others have.
    let many = |name: &str| {
        (0..12)
            .map(|number| droplet(&format!("{name}-{number}")))
            .collect::<Vec<_>>()
    };
    red.has(&t, many("red")).await;
    blue.cloud.fail(None);
    blue.has(&t, many("blue")).await;
    blue.cloud.set([]);
    let run = blue.sync(&t).await;
    assert_eq!(run.outcome, Some(JobOutcome::Failed));
    let why = run.error.unwrap();
    assert!(why.contains("12 of 12 resources of the kind droplet"), "{why}");
}

#[tokio::test]
async fn lists_are_filtered_by_source() {
    let t = TestApp::new().await;
    let (red, blue) = (Team::new(&t, "red"), Team::new(&t, "blue"));
    red.has(&t, [droplet("red-1").size("s-2vcpu-4gb")]).await;
    blue.has(&t, [droplet("blue-1").size("s-2vcpu-4gb")]).await;
    for name in ["red-1", "blue-1"] {
        t.record_spec(name, json!({ "size_slug": "s-1vcpu-1gb" })).await;
    }
    assert_eq!(t.sweep().await.opened, 2);
    let query = "query($source: String) {
        drifts(filter: { source: $source }) { totalCount nodes { resource { name source } } }
        resources(filter: { source: $source }) { totalCount nodes { name source } }
    }";
    for (source, names) in [
        (json!("red"), vec!["red-1"]),
        (json!("blue"), vec!["blue-1"]),
        (json!("green"), vec![]),
        (Value::Null, vec!["blue-1", "red-1"]),
    ] {
        let data = t.data(query, json!({ "source": source })).await;
        let named = |list: &Value, inside: Option<&str>| {
            let nodes = list["nodes"].as_array().unwrap().iter();
            let resource = |node: &Value| inside.map_or_else(|| node.clone(), |name| node[name].clone());
            let mut names: Vec<String> = nodes
                .map(|node| resource(node)["name"].as_str().unwrap().to_owned())
                .collect();
            names.sort();
            names
        };
        assert_eq!(named(&data["drifts"], Some("resource")), names);
        assert_eq!(named(&data["resources"], None), names);
        for list in ["drifts", "resources"] {
            assert_eq!(data[list]["totalCount"], json!(names.len()), "{list} of {source}");
        }
    }
    let rest = t.call_as_admin("GET", "/api/v1/drift?source=red").await;
    assert_eq!(rest.body["count"], json!(1));
}

#[tokio::test]
async fn an_account_has_one_source_which_can_be_renamed() {
    let t = TestApp::new().await;
    let (red, crimson) = (Team::new(&t, "red"), Team::new(&t, "crimson"));
    red.has(&t, [droplet("red-1")]).await;
    crimson.cloud.set_account_id("red");
    crimson.cloud.set([droplet("red-1")]);
    let run = crimson.sync(&t).await;
    assert_eq!(run.outcome, Some(JobOutcome::Failed));
    let why = run.error.unwrap();
    assert!(why.contains("already listed by the source \"red\""), "{why}");
    assert!(
        why.contains("drift-inbox sources rename \"red\" \"crimson\""),
        "{why}"
    );
    assert_eq!(present(&t).await, ["red-1 of red"]);

    let renamed = t
        .data(
            r#"mutation { renameSource(input: { name: "red", newName: "crimson" }) { resources } }"#,
            json!({}),
        )
        .await;
    assert_eq!(renamed["renameSource"]["resources"], json!(1));
    assert_eq!(present(&t).await, ["red-1 of crimson"]);
    let run = crimson.sync(&t).await;
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{:?}", run.error);
    assert_eq!(run.counts["discovered"], json!(0), "it is the same resource");
    assert_eq!(states(&t).await, ["crimson OK"]);
    let missing = sources::rename(t.db(), ADMIN, "red", "scarlet")
        .await
        .unwrap_err();
    assert_eq!(missing.code(), "NOT_FOUND");
}

#[tokio::test]
async fn the_settings_of_a_source_may_name_its_account() {
    let t = TestApp::new().await;
    let team = Team::with(&t, "red", |source| Source {
        account: Some("the-red-account".to_owned()),
        ..source
    });
    team.cloud.set([droplet("red-1")]);
    let options = SyncOptions {
        allow_other_account: true,
        ..SyncOptions::default()
    };
    let run = team.sync_with(&t, options).await;
    let why = run.error.unwrap();
    assert!(
        why.contains("must list account the-red-account, but it lists account red"),
        "{why}"
    );
    assert!(present(&t).await.is_empty());
    team.cloud.set_account_id("the-red-account");
    team.has(&t, [droplet("red-1")]).await;
}

#[tokio::test]
async fn a_resource_that_two_sources_list_stays_with_the_first_until_it_is_gone_there() {
    let t = TestApp::new().await;
    let (red, blue) = (Team::new(&t, "red"), Team::new(&t, "blue"));
    red.has(&t, [droplet("shared").size("s-1vcpu-1gb"), droplet("red-1")])
        .await;
    blue.cloud
        .set([droplet("shared").size("s-8vcpu-16gb"), droplet("blue-1")]);
    let run = blue.sync(&t).await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial));
    let reason = run.counts["kinds"]["droplet"]["reason"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        reason.contains("the source \"red\" lists the resource") && reason.contains("too"),
        "{reason}"
    );
    assert_eq!(
        present(&t).await,
        ["blue-1 of blue", "red-1 of red", "shared of red"]
    );
    assert_eq!(
        t.resource("shared").await.size_slug.as_deref(),
        Some("s-1vcpu-1gb")
    );
    assert_eq!(states(&t).await, ["blue PARTIAL", "red OK"]);

    red.has(&t, [droplet("red-1")]).await;
    assert_eq!(present(&t).await, ["blue-1 of blue", "red-1 of red"]);
    let run = blue.sync(&t).await;
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{:?}", run.error);
    assert_eq!(
        present(&t).await,
        ["blue-1 of blue", "red-1 of red", "shared of blue"]
    );
    assert_eq!(
        t.resource("shared").await.size_slug.as_deref(),
        Some("s-8vcpu-16gb")
    );
}

/// Inserts a resource that is known from an import only, with a spec.
pub(crate) async fn imported(t: &TestApp, name: &str) {
    let mut row = crate::support::fleet::live_row(1, uuid::Uuid::now_v7(), t.now());
    row.name = sea_orm::ActiveValue::Set(name.to_owned());
    row.provider_id = sea_orm::ActiveValue::Set(name.to_owned());
    row.first_seen_at = sea_orm::ActiveValue::Set(None);
    row.source = sea_orm::ActiveValue::Set(String::new());
    cloud_resources::Entity::insert(row)
        .exec_without_returning(t.db().reader())
        .await
        .unwrap();
    t.record_spec(name, json!({ "size_slug": "s-1vcpu-1gb" })).await;
}

#[tokio::test]
async fn an_imported_resource_is_missing_only_if_every_source_of_its_provider_lacks_it() {
    let t = TestApp::new().await;
    let (red, blue) = (Team::new(&t, "red"), Team::new(&t, "blue"));
    blue.has(&t, [droplet("blue-1")]).await;
    t.later(TimeDelta::minutes(1));
    imported(&t, "new").await;
    // The other source was listed before the resource was known.
    red.has(&t, [droplet("red-1")]).await;
    assert_eq!(t.resource("new").await.gone_at, None);
    // Now it is listed, so it belongs to that source.
    blue.has(&t, [droplet("blue-1"), droplet("new").size("s-1vcpu-1gb")])
        .await;
    red.has(&t, [droplet("red-1")]).await;
    assert_eq!(
        present(&t).await,
        ["blue-1 of blue", "new of blue", "red-1 of red"]
    );

    t.later(TimeDelta::minutes(1));
    imported(&t, "deleted").await;
    t.later(TimeDelta::minutes(1));
    blue.has(&t, [droplet("blue-1"), droplet("new")]).await;
    assert_eq!(
        t.resource("deleted").await.gone_at,
        None,
        "the other source may have it"
    );
    red.has(&t, [droplet("red-1")]).await;
    assert!(t.resource("deleted").await.gone_at.is_some(), "no source has it");

    t.later(TimeDelta::minutes(1));
    imported(&t, "unread").await;
    blue.cloud.fail(Some("the token has expired"));
    blue.sync(&t).await;
    red.has(&t, [droplet("red-1")]).await;
    assert_eq!(t.resource("unread").await.gone_at, None);
}

#[tokio::test]
async fn no_sweep_over_a_source_that_is_not_recent_succeeds() {
    let t = TestApp::new().await;
    let red = Team::with(&t, "red", |source| Source {
        interval: Some(TimeDelta::hours(6)),
        ..source
    });
    red.has(&t, [droplet("red-1").size("s-1vcpu-1gb")]).await;
    t.record_spec("red-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    let is_ready = async || {
        let reply = t.call("GET", "/readyz?sources", None).await;
        (reply.status.as_u16(), reply.body["sources"][0]["state"].clone())
    };
    let vouched =
        async || t.data("{ freshness { vouched } }", json!({})).await["freshness"]["vouched"].clone();

    t.later(TimeDelta::hours(11));
    assert_eq!(
        sweep(&t).await.outcome,
        Some(JobOutcome::Succeeded),
        "within two intervals"
    );
    assert_eq!(
        (is_ready().await, vouched().await),
        ((200, json!("ok")), json!(true))
    );

    red.cloud.fail(Some("401: the token has expired"));
    red.sync(&t).await;
    let run = sweep(&t).await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial));
    let why = run.error.unwrap();
    assert!(
        why.contains("source red could not be listed: 401: the token has expired"),
        "{why}"
    );
    assert_eq!(
        (is_ready().await, vouched().await),
        ((503, json!("failed")), json!(false))
    );
    assert_eq!(
        t.call("GET", "/readyz", None).await.status.as_u16(),
        200,
        "the database is ready"
    );

    t.later(TimeDelta::hours(2));
    let run = sweep(&t).await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial));
    assert!(run.error.unwrap().contains("droplet of digitalocean is overdue"));
    assert_eq!(
        (is_ready().await, vouched().await),
        ((503, json!("overdue")), json!(false))
    );

    red.cloud.fail(None);
    red.has(&t, [droplet("red-1").size("s-1vcpu-1gb")]).await;
    assert_eq!(sweep(&t).await.outcome, Some(JobOutcome::Succeeded));
    assert_eq!(
        (is_ready().await, vouched().await),
        ((200, json!("ok")), json!(true))
    );
}

#[tokio::test]
async fn an_expected_source_that_was_never_listed_is_named() {
    let t = TestApp::new().await;
    let red = Team::new(&t, "red");
    red.has(&t, [droplet("red-1").size("s-1vcpu-1gb")]).await;
    t.record_spec("red-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    let expected = sources::Registration {
        name: "hetzner".to_owned(),
        kind: entity::sources::SourceKind::Lines,
        schedule: None,
        interval: Some(TimeDelta::hours(1)),
    };
    sources::register(t.db(), &[expected]).await.unwrap();
    let run = sweep(&t).await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial));
    assert!(
        run.error
            .unwrap()
            .contains("source hetzner has never been listed")
    );
    assert_eq!(states(&t).await, ["hetzner NEVER", "red OK"]);
}

#[tokio::test]
async fn a_retired_source_leaves_no_open_drift_and_is_no_longer_expected() {
    let t = TestApp::new().await;
    let (red, blue) = (Team::new(&t, "red"), Team::new(&t, "blue"));
    red.has(&t, [droplet("red-1").size("s-2vcpu-4gb")]).await;
    blue.has(&t, [droplet("blue-1").size("s-2vcpu-4gb")]).await;
    for name in ["red-1", "blue-1"] {
        t.record_spec(name, json!({ "size_slug": "s-1vcpu-1gb" })).await;
    }
    assert_eq!(t.sweep().await.opened, 2);
    red.cloud.fail(Some("the account was closed"));
    red.sync(&t).await;
    let retired = t
        .data(
            r#"mutation { retireSource(input: { name: "red" }) { resources specs } }"#,
            json!({}),
        )
        .await;
    assert_eq!(retired["retireSource"], json!({ "resources": 1, "specs": 1 }));
    let open = t.inbox().await;
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].resource_id, t.resource("blue-1").await.id);
    assert!(t.resource("red-1").await.gone_at.is_some());
    assert_eq!(t.spec("red-1").await.recorded_by, ADMIN);
    assert_eq!(states(&t).await, ["blue OK"]);
    assert_eq!(sweep(&t).await.outcome, Some(JobOutcome::Succeeded));
}

#[tokio::test]
async fn a_name_belongs_to_one_kind_of_source() {
    let t = TestApp::new().await;
    let red = Team::new(&t, "red");
    red.has(&t, [droplet("red-1")]).await;
    let lines = t
        .post_text("/api/v1/inventory/red", "{\"provider\": \"hetzner\"}\n")
        .await;
    assert_eq!(lines.status.as_u16(), 400);
    assert!(
        lines.body.to_string().contains("source of another kind"),
        "{}",
        lines.body
    );
    let plan = t.post_text("/api/v1/plans/red", "{}").await;
    assert_eq!(plan.status.as_u16(), 400, "{}", plan.body);
    assert_eq!(present(&t).await, ["red-1 of red"]);
}

#[tokio::test]
async fn a_file_of_sources_is_synced_as_a_whole_or_by_name() {
    let t = TestApp::today().await;
    let inventory = |name: &str| {
        format!(
            r#"{{"provider":"digitalocean","resources":[{{"kind":"droplet","providerId":"{name}","name":"{name}"}}]}}"#
        )
    };
    let toml = r#"
        [[source]]
        name = "red"
        kind = "file"
        path = "red.json"
        [[source]]
        name = "blue"
        kind = "file"
        path = "blue.json"
        [[source]]
        name = "hetzner"
        kind = "lines"
        every = "1h"
    "#;
    let program = Program::new()
        .with("DATABASE_URL", &t.database.url)
        .with_file("red.json", inventory("red-1"))
        .with_file("blue.json", inventory("blue-1"))
        .with_file("sources.toml", toml);
    let synced = program.run(&["sync", "--sources", "sources.toml"]);
    assert_eq!(synced.code, Some(0), "{}", synced.output());
    assert!(
        synced.out.contains("[red]") && synced.out.contains("[blue]"),
        "{}",
        synced.out
    );
    assert_eq!(present(&t).await, ["blue-1 of blue", "red-1 of red"]);

    let program = program.with_file("red.json", "broken");
    let synced = program.run(&["sync", "--sources", "sources.toml"]);
    assert_eq!(synced.code, Some(1), "{}", synced.output());
    assert!(
        synced.out.contains("succeeded: 1 resource"),
        "the other one is synced: {}",
        synced.out
    );
    let one = program.run(&["sync", "--sources", "sources.toml", "--source", "blue"]);
    assert_eq!(one.code, Some(0), "{}", one.output());
    assert!(!one.out.contains("[red]"), "{}", one.out);
    let none = program.run(&["sync", "--sources", "sources.toml", "--source", "green"]);
    assert_eq!(none.code, Some(2), "{}", none.output());

    let listed = program.run(&["sources", "list"]);
    assert_eq!(listed.code, Some(4), "{}", listed.output());
    assert!(
        listed.out.contains("red") && listed.out.contains("failed"),
        "{}",
        listed.out
    );
    let renamed = program.run(&["sources", "rename", "blue", "navy"]);
    assert_eq!(renamed.code, Some(0), "{}", renamed.output());
    let asked = program.run(&["sources", "retire", "red"]);
    assert_eq!(asked.code, Some(1), "{}", asked.output());
    assert!(
        asked.out.contains("red has 1 resource and 0 specs"),
        "{}",
        asked.out
    );
    assert_eq!(present(&t).await, ["blue-1 of navy", "red-1 of red"]);
    let retired = program.run(&["sources", "retire", "red", "--yes"]);
    assert_eq!(retired.code, Some(0), "{}", retired.output());
    assert_eq!(present(&t).await, ["blue-1 of navy"]);
    let listed = program.run(&["sources", "list"]);
    assert_eq!(listed.code, Some(4), "hetzner is expected: {}", listed.output());
    let lines = "{\"provider\": \"hetzner\"}\n{\"complete\": \"server\"}\n";
    let program = program.with_file("lines", lines);
    let from = [
        "sync",
        "--sources",
        "sources.toml",
        "--source",
        "hetzner",
        "--from",
        "lines",
    ];
    let stored = program.run(&from);
    assert_eq!(stored.code, Some(0), "{}", stored.output());
    let listed = program.run(&["sources", "list"]);
    assert_eq!(listed.code, Some(0), "{}", listed.output());
    let data = t.data("{ sources { name expectedInterval } }", json!({})).await;
    assert_eq!(
        data["sources"][0],
        json!({ "name": "hetzner", "expectedInterval": 3_600 })
    );
}

#[tokio::test]
async fn a_source_is_renamed_after_a_sync_under_its_new_name_and_with_runs_of_equal_ticks() {
    let t = TestApp::new().await;
    let (old, new) = (Team::new(&t, "old"), Team::new(&t, "new"));
    for team in [&old, &new] {
        // An inventory file names no account.
        team.cloud.set_account(None);
    }
    old.has(&t, [droplet("one"), droplet("two")]).await;
    new.cloud.set([droplet("one"), droplet("two")]);
    let run = new.sync(&t).await;
    let reason = run.counts["kinds"]["droplet"]["reason"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        reason.contains("drift-inbox sources rename \"old\" \"new\""),
        "{reason}"
    );
    // Two servers have run the same tick under both names.
    let tick = "UPDATE job_runs SET scheduled_for = started_at";
    t.database.execute(tick).await.unwrap();
    let same = "UPDATE job_runs SET scheduled_for = (SELECT min(started_at) FROM job_runs)";
    t.database.execute(same).await.unwrap();
    assert_eq!(sources::rename(t.db(), ADMIN, "old", "new").await.unwrap(), 2);
    assert_eq!(present(&t).await, ["one of new", "two of new"]);
    new.has(&t, [droplet("one")]).await;
    assert_eq!(present(&t).await, ["one of new"]);
    assert_eq!(states(&t).await, ["new OK"]);
}

#[tokio::test]
async fn a_dead_run_does_not_keep_a_source_from_ending() {
    let t = TestApp::new().await;
    let red = Team::new(&t, "red");
    red.has(&t, [droplet("red-1")]).await;
    let request = drift_inbox::services::job_runs::RunRequest {
        source: Some("red".to_owned()),
        ..entity::job_runs::Job::SyncInventory.into()
    };
    drift_inbox::services::job_runs::claim(t.db(), request)
        .await
        .unwrap();
    let active = sources::retire(t.db(), t.app.clock(), ADMIN, "red")
        .await
        .unwrap_err();
    assert_eq!(active.code(), "JOB_ALREADY_RUNNING");
    t.later(TimeDelta::minutes(2));
    // No server has registered it, as after an upgrade.
    t.database.execute("DELETE FROM sources").await.unwrap();
    let ended = sources::retire(t.db(), t.app.clock(), ADMIN, "red")
        .await
        .unwrap();
    assert_eq!(ended.resources, 1);
    assert!(present(&t).await.is_empty());
    let again = sources::retire(t.db(), t.app.clock(), ADMIN, "green")
        .await
        .unwrap_err();
    assert_eq!(again.code(), "NOT_FOUND");
}

#[tokio::test]
async fn an_import_by_a_program_that_names_a_source_is_judged_by_all_sources() {
    let t = TestApp::new().await;
    let (red, blue) = (Team::new(&t, "red"), Team::new(&t, "blue"));
    blue.has(&t, [droplet("blue-1")]).await;
    t.later(TimeDelta::minutes(1));
    imported(&t, "new").await;
    // The default of the column is the only source of the previous release.
    t.database
        .execute("UPDATE cloud_resources SET source = 'red' WHERE name = 'new'")
        .await
        .unwrap();
    red.has(&t, [droplet("red-1")]).await;
    assert_eq!(
        t.resource("new").await.gone_at,
        None,
        "the other source was not listed since"
    );
    blue.has(&t, [droplet("blue-1"), droplet("new")]).await;
    assert_eq!(
        present(&t).await,
        ["blue-1 of blue", "new of blue", "red-1 of red"]
    );
}

#[tokio::test]
async fn lines_of_other_kinds_do_not_keep_a_resource_from_being_missing() {
    let t = TestApp::new().await;
    let lines = "{\"provider\":\"digitalocean\"}\n{\"complete\":\"bucket\"}\n";
    assert_eq!(
        t.post_text("/api/v1/inventory/buckets", lines)
            .await
            .status
            .as_u16(),
        200
    );
    imported(&t, "deleted").await;
    Team::new(&t, "red").has(&t, [droplet("red-1")]).await;
    assert!(t.resource("deleted").await.gone_at.is_some());
}

/// Takes the database back to the previous release.
async fn downgrade(t: &TestApp) {
    let connection = sea_orm::Database::connect(&t.database.url).await.unwrap();
    let applied = Migrator::get_applied_migrations(&connection).await.unwrap();
    let before = |name: &str| name.ends_with("_key_inventory_by_source");
    let last = applied
        .iter()
        .rev()
        .take_while(|migration| !before(migration.name()));
    let steps = u32::try_from(last.count() + 1).unwrap();
    Migrator::down(&connection, Some(steps)).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn the_inventory_of_the_previous_release_keeps_its_source() {
    let t = TestApp::new().await;
    let red = Team::new(&t, "red");
    red.has(&t, [droplet("red-1"), droplet("red-2")]).await;
    let before = t.tables().await;
    downgrade(&t).await;
    t.db().migrate().await.unwrap();
    assert_eq!(
        t.tables().await,
        before,
        "the only source that was synced keeps its resources"
    );
    red.has(&t, [droplet("red-1")]).await;
    assert_eq!(present(&t).await, ["red-1 of red"]);
}

#[tokio::test]
async fn without_one_known_source_the_next_listing_claims_the_inventory_of_its_account() {
    let t = TestApp::new().await;
    let (red, blue) = (Team::new(&t, "red"), Team::new(&t, "blue"));
    red.has(&t, [droplet("red-1"), droplet("red-2"), droplet("red-3")])
        .await;
    blue.has(&t, []).await;
    downgrade(&t).await;
    t.db().migrate().await.unwrap();
    assert_eq!(present(&t).await, ["red-1 of ", "red-2 of ", "red-3 of "]);
    blue.cloud.set([droplet("blue-1")]);
    let run = blue.sync(&t).await;
    let why = run.error.unwrap();
    assert!(why.contains("belongs to account red"), "{why}");
    red.has(&t, [droplet("red-1"), droplet("red-2")]).await;
    assert_eq!(present(&t).await, ["red-1 of red", "red-2 of red"]);
    blue.has(&t, [droplet("blue-1")]).await;
    assert_eq!(
        present(&t).await,
        ["blue-1 of blue", "red-1 of red", "red-2 of red"]
    );
}

#[tokio::test]
async fn an_import_without_an_interval_keeps_the_one_of_the_settings() {
    let t = TestApp::today().await;
    let registered = sources::Registration {
        name: "prod".to_owned(),
        kind: entity::sources::SourceKind::TerraformPlan,
        schedule: None,
        interval: Some(TimeDelta::hours(2)),
    };
    sources::register(t.db(), &[registered]).await.unwrap();
    let plan = crate::faults_table::plan(t.now(), &["a"], 1).to_string();
    for (query, expected) in [("", 7_200), ("?every=12h", 43_200), ("", 43_200)] {
        let reply = t
            .post_text(&format!("/api/v1/plans/prod{query}"), plan.clone())
            .await;
        assert_eq!(reply.status.as_u16(), 200, "{}", reply.body);
        let data = t.data("{ sources { expectedInterval } }", json!({})).await;
        assert_eq!(data["sources"][0]["expectedInterval"], json!(expected), "{query}");
    }
}

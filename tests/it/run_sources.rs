//! Runs of several sources of the inventory, and of servers whose clocks differ.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use drift_inbox::app::App;
use drift_inbox::clock::{Clock, ManualClock};
use drift_inbox::domain::freshness::MaxAge;
use drift_inbox::domain::schedule::{Schedule, Schedules};
use drift_inbox::jobs::{JobRequest, Source};
use drift_inbox::provider::InventoryProvider;
use drift_inbox::scheduler::{catch_up, tick};
use drift_inbox::services::inventory::SyncOptions;
use drift_inbox::services::job_runs::{Report, RunRequest, TickClaim, claim, claim_tick, finish, heartbeat};
use entity::job_runs::{self, Job, JobOutcome, RunTrigger};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, EntityTrait as _, IntoActiveModel as _, PaginatorTrait as _,
};
use serde_json::json;
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::cloud::{Cloud, droplet};
use crate::support::process::{MAX_WAIT, Program};

fn sync() -> JobRequest {
    JobRequest::Sync(SyncOptions::default())
}

fn hourly(t: &TestApp) -> Schedules {
    let cron = |text| Some(Schedule::parse(text, t.now()).unwrap());
    Schedules {
        sync: cron("0 15 * * * *"),
        detect: cron("0 20 * * * *"),
        ..Schedules::default()
    }
}

/// Returns a server that syncs from a source with this name.
fn server(t: &TestApp, cloud: &Arc<Cloud>, source: &str) -> App {
    let inventory = Arc::clone(cloud) as Arc<dyn InventoryProvider>;
    let sources = vec![Source::new(inventory).named(source)];
    let clock = Clock::Manual(t.clock.clone());
    App::with_sources(t.db().clone(), clock, sources, hourly(t), MaxAge::default())
}

async fn running_sync(app: &App) -> drift_inbox::jobs::RunHandle {
    app.jobs().start(sync()).await.unwrap()
}

fn run_request(source: &str) -> RunRequest {
    RunRequest {
        source: Some(source.to_owned()),
        ..Job::SyncInventory.into()
    }
}

#[tokio::test]
async fn syncs_of_two_sources_do_not_block_each_other() {
    let t = TestApp::new().await;
    let (ours, theirs) = (Arc::clone(&t.cloud), Arc::new(Cloud::default()));
    let (one, other) = (server(&t, &ours, "team-a"), server(&t, &theirs, "team-b"));
    let hanging = ours.hang().await;
    let slow = running_sync(&one).await;
    let refused = one.jobs().start(sync()).await.unwrap_err();
    assert_eq!(refused.code(), "JOB_ALREADY_RUNNING");
    let run = other.jobs().run(sync()).await.unwrap();
    assert_eq!(
        (run.outcome, run.source.as_deref()),
        (Some(JobOutcome::Succeeded), Some("team-b"))
    );
    drop(hanging);
    assert_eq!(slow.wait().await.unwrap().outcome, Some(JobOutcome::Succeeded));

    // Each source has its own ticks, and each tick has one run.
    let cron = Schedule::parse("0 0 * * * *", t.now()).unwrap();
    for app in [&one, &other, &one, &other] {
        tick(app, sync(), &cron).await;
    }
    for app in [one, other] {
        app.jobs().drain(MAX_WAIT).await.unwrap();
    }
    let runs = t.runs().await;
    let mut ticked: Vec<_> = runs
        .iter()
        .filter(|run| run.scheduled_for.is_some())
        .map(|run| (run.source.as_deref().unwrap(), run.outcome))
        .collect();
    ticked.sort_by_key(|(source, _)| *source);
    let succeeded = Some(JobOutcome::Succeeded);
    assert_eq!(ticked, [("team-a", succeeded), ("team-b", succeeded)]);
}

#[tokio::test]
async fn a_success_of_another_source_does_not_prevent_catch_up() {
    let t = TestApp::new().await;
    let other = Arc::new(Cloud::default());
    server(&t, &other, "team-b").jobs().run(sync()).await.unwrap();
    let ours = server(&t, &t.cloud, "team-a");
    catch_up(&ours).await;
    let caught_up = |source: &'static str| {
        move |run: &&job_runs::Model| {
            run.source.as_deref() == Some(source) && run.trigger == Some(RunTrigger::CatchUp)
        }
    };
    assert_eq!(t.runs().await.iter().filter(caught_up("team-a")).count(), 1);
    catch_up(&ours).await;
    assert_eq!(t.runs().await.iter().filter(caught_up("team-a")).count(), 1);
}

#[tokio::test]
async fn the_first_runs_of_a_server_have_the_trigger_catch_up() {
    let t = TestApp::new().await;
    catch_up(&t.scheduled(hourly(&t))).await;
    t.app.jobs().run(JobRequest::detect_all()).await.unwrap();
    tick(
        &t.app,
        JobRequest::detect_all(),
        &Schedule::parse("0 0 * * * *", t.now()).unwrap(),
    )
    .await;
    t.app.jobs().drain(MAX_WAIT).await.unwrap();
    let shown = t
        .data("{ jobRuns { nodes { job trigger source } } }", json!({}))
        .await;
    let mut shown: Vec<String> = shown["jobRuns"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| format!("{} {} {}", run["job"], run["trigger"], run["source"]).replace('"', ""))
        .collect();
    shown.sort();
    assert_eq!(
        shown,
        [
            "DETECT_DRIFT CATCH_UP null",
            "DETECT_DRIFT HAND null",
            "DETECT_DRIFT TICK null",
            "SYNC_INVENTORY CATCH_UP cloud",
        ]
    );
}

/// Stores a sync that started at this time.
async fn stored(t: &TestApp, at: DateTime<Utc>, outcome: Option<JobOutcome>) -> job_runs::Model {
    let run = claim(t.db(), run_request("cloud")).await.unwrap();
    let mut row = run.into_active_model();
    row.started_at = Set(at);
    row.heartbeat_at = Set(at);
    row.finished_at = Set(outcome.map(|_| at));
    row.outcome = Set(outcome);
    row.update(t.db().reader()).await.unwrap()
}

#[tokio::test]
async fn a_heartbeat_one_hour_ahead_blocks_no_sync_and_is_reported() {
    let t = TestApp::new().await;
    let ahead = stored(&t, t.now() + TimeDelta::hours(1), None).await;
    assert_eq!(t.sync().await.outcome, Some(JobOutcome::Succeeded));
    let row = job_runs::Entity::find_by_id(ahead.id)
        .one(t.db().reader())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.outcome, Some(JobOutcome::Abandoned));
    assert!(row.error.unwrap().contains("in the future"));
}

#[tokio::test]
async fn a_last_success_in_the_future_does_not_prevent_catch_up_and_is_reported() {
    let t = TestApp::new().await;
    stored(&t, t.now() + TimeDelta::hours(1), Some(JobOutcome::Succeeded)).await;
    catch_up(&t.scheduled(hourly(&t))).await;
    let syncs = t.runs().await;
    assert_eq!(
        syncs
            .iter()
            .filter(|run| run.trigger == Some(RunTrigger::CatchUp))
            .count(),
        2
    );
    let shown = t
        .data("{ jobRuns(first: 1) { nodes { error } } }", json!({}))
        .await;
    let error = shown["jobRuns"]["nodes"][0]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("in the future"), "{error}");
}

#[tokio::test]
async fn servers_with_clocks_two_hours_apart_agree_on_which_run_is_alive() {
    let t = TestApp::new().await;
    // The clock of the test is that of the database. The clocks of the servers differ from it.
    let wrong = |by: TimeDelta| {
        let inventory = Arc::clone(&t.cloud) as Arc<dyn InventoryProvider>;
        let clock = Clock::Manual(ManualClock::at(t.now() + by));
        App::scheduled(t.db().clone(), clock, Some(inventory), hourly(&t))
    };
    let (fast, slow) = (wrong(TimeDelta::hours(1)), wrong(TimeDelta::hours(-1)));
    for (first, second) in [(&fast, &slow), (&slow, &fast)] {
        let hanging = t.cloud.hang().await;
        let running = running_sync(first).await;
        let refused = second.jobs().start(sync()).await.unwrap_err();
        assert_eq!(refused.code(), "JOB_ALREADY_RUNNING");
        drop(hanging);
        let run = running.wait().await.unwrap();
        assert_eq!((run.started_at, run.finished_at), (t.now(), Some(t.now())));
        t.later(TimeDelta::seconds(1));
    }
    // Each server also recognizes the success of the other.
    let before = t.runs().await.len();
    catch_up(&fast).await;
    catch_up(&slow).await;
    let after = t.runs().await;
    assert_eq!(after.len(), before + 1, "only the first sweep is caught up");
}

#[tokio::test]
async fn an_abandoned_run_cannot_become_succeeded() {
    let t = TestApp::new().await;
    let run = claim(t.db(), run_request("cloud")).await.unwrap();
    t.later(TimeDelta::seconds(31));
    let shown = t.data("{ jobRuns { nodes { outcome } } }", json!({})).await;
    assert_eq!(shown["jobRuns"]["nodes"][0]["outcome"], "ABANDONED");
    let report = Report {
        outcome: JobOutcome::Succeeded,
        counts: json!({}),
        error: None,
    };
    assert!(
        !heartbeat(t.db(), run.id).await.unwrap(),
        "a late heartbeat does not change the outcome"
    );
    let row = finish(t.db(), run.id, &report).await.unwrap();
    assert_eq!(row.outcome, Some(JobOutcome::Abandoned));
}

#[tokio::test]
async fn the_work_of_an_abandoned_run_ends() {
    let t = TestApp::new().await;
    t.cloud.set([droplet("web-1")]);
    let hanging = t.cloud.hang().await;
    let running = running_sync(&t.app).await;
    t.later(TimeDelta::seconds(31));
    let row = tokio::time::timeout(MAX_WAIT, running.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.outcome, Some(JobOutcome::Abandoned));
    drop(hanging);
    t.app.jobs().drain(Duration::from_secs(10)).await.unwrap();
    let known = entity::cloud_resources::Entity::find()
        .count(t.db().reader())
        .await
        .unwrap();
    assert_eq!(known, 0, "the abandoned run writes nothing");
    assert_eq!(
        t.sync().await.outcome,
        Some(JobOutcome::Succeeded),
        "the next sync runs"
    );
}

#[tokio::test]
async fn a_server_of_an_older_release_without_sources_can_run_concurrently() {
    let t = TestApp::new().await;
    let insert = async |job, scheduled_for| {
        let row = job_runs::ActiveModel {
            id: Set(Uuid::now_v7()),
            job: Set(job),
            scheduled_for: Set(scheduled_for),
            started_at: Set(t.now()),
            heartbeat_at: Set(t.now()),
            counts: Set(json!({})),
            ..Default::default()
        };
        let insert = job_runs::Entity::insert(row).on_conflict(OnConflict::new().do_nothing().to_owned());
        insert.exec_without_returning(t.db().reader()).await.unwrap()
    };
    let rows = [
        (Job::SyncInventory, Some(t.now()), 1),
        (Job::SyncInventory, Some(t.now()), 0),
        (Job::SyncInventory, None, 0),
        (Job::DetectDrift, Some(t.now()), 1),
        (Job::DetectDrift, Some(t.now()), 0),
    ];
    for (job, tick, inserted) in rows {
        assert_eq!(insert(job, tick).await, inserted, "{job:?} {tick:?}");
    }
    // A sync without a source may be of any source, so no other sync can start.
    let refused = t.app.jobs().start(sync()).await.unwrap_err();
    assert_eq!(refused.code(), "JOB_ALREADY_RUNNING");
    let swept = claim_tick(t.db(), Job::DetectDrift, t.now()).await.unwrap();
    assert_eq!(swept, TickClaim::Taken, "all servers share the tick of a sweep");
}

#[test]
fn the_source_is_named_by_its_setting_or_by_the_path_of_the_file() {
    let inventory = json!({ "provider": "digitalocean", "resources": [] }).to_string();
    let program = Program::new()
        .with("DRIFT_INVENTORY_FILE", "inventory.json")
        .with_file("inventory.json", inventory);
    let ended = program.run(&["sync"]);
    assert!(
        ended.out.contains("[file:/") && ended.out.contains("inventory.json]"),
        "{}",
        ended.output()
    );
    let ended = program.run(&["sync", "--source", "team-a"]);
    assert!(ended.out.contains("[team-a]"), "{}", ended.output());
    let ended = program.run(&["sync", "--source", &"x".repeat(201)]);
    assert_eq!(ended.code, Some(2), "{}", ended.output());
}

//! A process killed with SIGKILL loses no committed data and blocks no later runs.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use drift_inbox::clock::{Clock, ManualClock};
use drift_inbox::db::Db;
use drift_inbox::error::Error;
use drift_inbox::services::job_runs::{self, TickClaim, claim, claim_tick};
use drift_inbox::services::page::PageRequest;
use entity::cloud_resource_events::{self as events, EventType};
use entity::inventory_kinds::ListingOutcome;
use entity::job_runs::{Job, JobOutcome};
use entity::{cloud_drift, cloud_resources};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::json;

use crate::support::TestApp;
use crate::support::fleet::{FLEET_FIELDS, fleet};

const RESOURCES: usize = 2_000;
const ROWS: u64 = (RESOURCES * FLEET_FIELDS.len()) as u64;

/// Returns the program with the database of the test.
fn program(t: &TestApp, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drift-inbox"));
    command
        .args(arguments)
        .env("DATABASE_URL", &t.database.url)
        .env_remove("DATABASE_URL_FILE")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Polls until the condition is true. Returns false if the process ends first.
async fn until(child: &mut Child, mut condition: impl AsyncFnMut() -> bool) -> bool {
    for _ in 0..30_000 {
        if condition().await {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("the condition was never true");
}

/// Kills a process with SIGKILL.
fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

async fn rows(db: &Db) -> u64 {
    cloud_drift::Entity::find().count(db.reader()).await.unwrap()
}

async fn events_of(db: &Db, of: EventType) -> Vec<events::Model> {
    let of_type = events::Entity::find().filter(events::Column::EventType.eq(of));
    of_type.all(db.reader()).await.unwrap()
}

/// Returns the database with a clock at this time.
fn at(t: &TestApp, time: DateTime<Utc>) -> Db {
    t.db().clone().with_time(ManualClock::at(time))
}

/// Returns the newest run of a job, as the API shows it at this time.
async fn newest_run(db: &Db, job: Job, now: DateTime<Utc>) -> entity::job_runs::Model {
    let db = db.clone().with_time(ManualClock::at(now));
    let page = job_runs::list(&db, Some(job), &PageRequest::first(1))
        .await
        .unwrap();
    page.rows.into_iter().next().expect("no run").1
}

/// Starts a sweep and kills it after its first rows. Returns the number of drifts after that.
async fn sweep_killed_in_the_middle(t: &TestApp) -> u64 {
    let before = rows(t.db()).await;
    let mut child = program(t, &["detect"]).spawn().unwrap();
    let began = until(&mut child, async || rows(t.db()).await > before).await;
    kill(child);
    let after = rows(t.db()).await;
    assert!(
        began && after < ROWS,
        "the sweep ended before the kill: {before} rows became {after}"
    );
    after
}

/// Checks that each drift is correct and has one event.
async fn everything_was_detected_once(t: &TestApp) {
    let drifts = t.drifts().await;
    assert_eq!(drifts.len() as u64, ROWS);
    let mut fields: Vec<_> = drifts.iter().map(|row| (row.resource_id, &row.field)).collect();
    fields.dedup();
    assert_eq!(fields.len() as u64, ROWS, "one row per field");
    for row in &drifts {
        let (expected, actual) = match row.field.as_str() {
            "backups" => (json!(true), json!(false)),
            "region" => (json!("ams3"), json!("nyc3")),
            _ => (json!("s-1vcpu-1gb"), json!("s-2vcpu-4gb")),
        };
        assert_eq!((&row.expected, &row.actual), (&Some(expected), &Some(actual)));
    }
    let mut logged: Vec<String> = events_of(t.db(), EventType::DriftDetected)
        .await
        .iter()
        .map(|event| event.data["driftId"].as_str().unwrap().to_owned())
        .collect();
    let mut ids: Vec<String> = drifts.iter().map(|row| row.id.to_string()).collect();
    logged.sort_unstable();
    ids.sort_unstable();
    assert_eq!(logged, ids, "one event per row");
}

#[tokio::test]
async fn a_sweep_after_three_killed_sweeps_opens_exactly_the_remaining_drifts() {
    let t = TestApp::new().await;
    fleet(t.db(), RESOURCES, t.now()).await;
    let mut rows_then = 0;
    for _ in 0..3 {
        let rows_now = sweep_killed_in_the_middle(&t).await;
        assert!(rows_now > rows_then);
        rows_then = rows_now;
    }
    let run = newest_run(t.db(), Job::DetectDrift, t.now()).await;
    assert_eq!(run.finished_at, None, "a killed process cannot record its end");
    let counts = t.sweep().await;
    assert_eq!(counts.resources, RESOURCES as u64);
    assert!(counts.opened > 0 && counts.opened <= ROWS - rows_then);
    everything_was_detected_once(&t).await;
    let counts = t.sweep().await;
    assert_eq!((counts.opened, counts.changed, counts.staled), (0, 0, 0));
}

#[tokio::test]
async fn a_killed_run_is_abandoned_after_30_seconds_and_blocks_no_other_run() {
    let t = TestApp::new().await;
    fleet(t.db(), RESOURCES, t.now()).await;
    sweep_killed_in_the_middle(&t).await;
    let killed = newest_run(t.db(), Job::DetectDrift, DateTime::UNIX_EPOCH).await;
    let last_seen = killed.heartbeat_at;
    let shown = newest_run(t.db(), Job::DetectDrift, last_seen + TimeDelta::seconds(30)).await;
    assert_eq!(shown.outcome, None);
    let later = last_seen + TimeDelta::seconds(31);
    let shown = newest_run(t.db(), Job::DetectDrift, later).await;
    assert_eq!(
        (shown.id, shown.outcome),
        (killed.id, Some(JobOutcome::Abandoned))
    );

    // At the first tick the run may still be active, so the tick is skipped. At the next it is abandoned.
    let skipped = claim_tick(&at(&t, last_seen), Job::DetectDrift, last_seen)
        .await
        .unwrap();
    assert!(matches!(skipped, TickClaim::Skipped(_)), "{skipped:?}");
    let claimed = claim_tick(&at(&t, later), Job::DetectDrift, later).await.unwrap();
    assert!(matches!(claimed, TickClaim::Run(_)), "{claimed:?}");
    let written_off = job_runs::find(t.db().reader(), killed.id).await.unwrap().unwrap();
    assert_eq!(written_off.outcome, Some(JobOutcome::Abandoned));
    assert_eq!(written_off.finished_at, Some(later));
}

/// Writes an inventory file with this many droplets.
fn inventory_file(droplets: usize) -> tempfile::NamedTempFile {
    let droplet =
        |n| json!({ "kind": "droplet", "providerId": format!("p-{n}"), "name": format!("web-{n}") });
    let resources: Vec<_> = (0..droplets).map(droplet).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = json!({ "provider": "digitalocean", "resources": resources }).to_string();
    std::fs::write(file.path(), text).unwrap();
    file
}

async fn resources(db: &Db) -> u64 {
    cloud_resources::Entity::find().count(db.reader()).await.unwrap()
}

#[tokio::test]
async fn a_sync_killed_between_chunks_is_incomplete_and_the_next_sync_completes_it() {
    const DROPLETS: u64 = 15_000;
    let t = TestApp::new().await;
    let file = inventory_file(15_000);
    let arguments = ["sync", "--inventory-file", file.path().to_str().unwrap()];
    let mut child = program(&t, &arguments).spawn().unwrap();
    assert!(until(&mut child, async || resources(t.db()).await > 0).await);
    kill(child);

    let killed = newest_run(t.db(), Job::SyncInventory, DateTime::UNIX_EPOCH).await;
    let last_seen = killed.heartbeat_at;
    let refused = claim(&at(&t, last_seen), Job::SyncInventory).await;
    assert!(
        matches!(refused, Err(Error::JobAlreadyRunning { .. })),
        "{refused:?}"
    );

    let later = last_seen + TimeDelta::seconds(31);
    let clock = Clock::Manual(ManualClock::at(later));
    let from = drift_inbox::provider::file::InventoryFile::new(file.path());
    let app = drift_inbox::app::App::new(at(&t, later), clock, Some(std::sync::Arc::new(from)));
    let known = resources(t.db()).await;
    assert!((1..DROPLETS).contains(&known), "{known} of {DROPLETS}");
    let discovered = events_of(t.db(), EventType::ResourceDiscovered).await.len() as u64;
    assert_eq!(discovered, known, "a chunk and its events are stored together");
    let droplets = t.tables().await.kinds.remove(0);
    assert_eq!(
        (droplets.completed_at, droplets.outcome),
        (None, Some(ListingOutcome::Incomplete))
    );

    let run = app
        .jobs()
        .run(drift_inbox::jobs::JobRequest::whole(Job::SyncInventory))
        .await
        .unwrap();
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{:?}", run.error);
    assert_eq!(run.counts["resources"], DROPLETS);
    assert_eq!(run.counts["discovered"], DROPLETS - known);
    let discovered = events_of(t.db(), EventType::ResourceDiscovered).await.len() as u64;
    assert_eq!(discovered, DROPLETS);
    assert_eq!(resources(t.db()).await, DROPLETS);
    let droplets = t.tables().await.kinds.remove(0);
    assert!(droplets.completed_at.is_some());
    assert_eq!(droplets.outcome, Some(ListingOutcome::Complete));
    let written_off = job_runs::find(t.db().reader(), killed.id).await.unwrap().unwrap();
    assert_eq!(written_off.outcome, Some(JobOutcome::Abandoned));
}

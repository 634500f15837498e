//! Many concurrent sweeps, accepts and syncs on several servers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use drift_inbox::app::App;
use drift_inbox::clock::Clock;
use drift_inbox::db::Db;
use drift_inbox::error::Error;
use drift_inbox::jobs::JobRequest;
use drift_inbox::provider::InventoryProvider;
use drift_inbox::services::acceptance::{AcceptDrift, accept_drift};
use drift_inbox::services::detection::SweepCounts;
use drift_inbox::services::drift_rows::insert_open;
use drift_inbox::services::inventory::SyncOptions;
use entity::cloud_drift::DriftStatus;
use entity::cloud_resource_events::EventType;
use entity::job_runs::JobOutcome;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, Statement};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

use crate::support::cloud::{Listed, droplet};
use crate::support::{ADMIN, TestApp};

const RESOURCES: usize = 12;
const FIELDS: usize = 3;
const SERVERS: usize = 4;
const SWEEPS: usize = 8;
const ACCEPTS: usize = 64;

/// Returns the resources of these tests. Their size depends on the round.
fn cloud(round: usize) -> Vec<Listed> {
    (0..RESOURCES)
        .map(|n| {
            let kind = ["droplet", "volume"][n % 2];
            Listed::new(kind, &format!("web-{n}"))
                .size(&format!("size-{round}"))
                .region("ams3")
                .attr("backups", false)
        })
        .collect()
}

/// Creates a server with 36 open drifts.
async fn before_the_storm() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has(cloud(0)).await;
    for n in 0..RESOURCES {
        let spec = json!({ "size_slug": "size-wanted", "region": "nyc3", "backups": true });
        t.record_spec(&format!("web-{n}"), spec).await;
    }
    assert_eq!(t.sweep().await.opened, (RESOURCES * FIELDS) as u64);
    t
}

/// Creates servers with few connections each, because several of these tests use one PostgreSQL concurrently.
async fn servers(t: &TestApp) -> Vec<App> {
    let mut servers = Vec::new();
    for _ in 0..SERVERS {
        let inventory = Arc::clone(&t.cloud) as Arc<dyn InventoryProvider>;
        let db = Db::connect(&t.database.url, 5)
            .await
            .unwrap()
            .with_time(t.clock.clone());
        servers.push(App::new(db, Clock::Manual(t.clock.clone()), Some(inventory)));
    }
    servers
}

/// Checks repeatedly, until it is stopped, that no field has two open drifts. Returns the number of checks.
fn watch(db: Db, stop: Arc<AtomicBool>) -> JoinHandle<u64> {
    tokio::spawn(async move {
        let mut looked = 0;
        loop {
            let last = stop.load(Ordering::SeqCst);
            assert_eq!(twice_open(&db).await, 0, "fields with two open rows");
            looked += 1;
            if last {
                return looked;
            }
        }
    })
}

async fn twice_open(db: &Db) -> usize {
    let sql = "SELECT resource_id, field FROM cloud_drift WHERE status = 'open' \
               GROUP BY resource_id, field HAVING count(*) > 1";
    let statement = Statement::from_string(db.backend(), sql);
    db.reader().query_all_raw(statement).await.unwrap().len()
}

/// Starts [`ACCEPTS`] concurrent accepts, distributed over all open drifts, with their current revisions.
async fn start_accepts(t: &TestApp, servers: &[App]) -> JoinSet<(Uuid, Result<(), Error>)> {
    let open = t.inbox().await;
    let mut accepts = JoinSet::new();
    for n in 0..ACCEPTS {
        let drift = &open[n % open.len()];
        let (server, now) = (servers[n % servers.len()].clone(), t.now());
        let accept = AcceptDrift {
            drift_id: drift.id,
            revision: Some(drift.revision),
            note: None,
        };
        accepts.spawn(async move {
            let accepted = accept_drift(server.db(), ADMIN, &accept, now).await;
            (accept.drift_id, accepted.map(|_| ()))
        });
    }
    accepts
}

fn start_sweeps(servers: &[App]) -> JoinSet<()> {
    let mut sweeps = JoinSet::new();
    for n in 0..SWEEPS {
        let server = servers[n % servers.len()].clone();
        sweeps.spawn(async move {
            let run = server.jobs().run(JobRequest::detect_all()).await.unwrap();
            // The run must be partial if it left a resource that kept changing to the next sweep, or if a sync was
            // writing a kind.
            let counts: SweepCounts = serde_json::from_value(run.counts.clone()).unwrap();
            let normal_answer =
                if counts.moved == 0 && run.counts["stale"].as_array().is_none_or(Vec::is_empty) {
                    JobOutcome::Succeeded
                } else {
                    JobOutcome::Partial
                };
            assert_eq!((run.outcome, counts.skipped), (Some(normal_answer), 0), "{run:?}");
        });
    }
    sweeps
}

/// Returns the number of successful accepts of each drift. All errors must be expected refusals.
async fn successes(accepts: JoinSet<(Uuid, Result<(), Error>)>) -> BTreeMap<Uuid, usize> {
    let mut successes = BTreeMap::new();
    for (drift, outcome) in accepts.join_all().await {
        let of_drift = successes.entry(drift).or_default();
        match outcome {
            Ok(()) => *of_drift += 1,
            Err(Error::AlreadyResolved(_) | Error::LiveValueMoved { .. } | Error::SpecMoved) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    successes
}

/// Checks that each accepted drift had exactly one successful accept, and no other drift had one.
async fn one_success_for_each_accepted_row(t: &TestApp, successes: &BTreeMap<Uuid, usize>) {
    for drift in t.drifts().await {
        let succeeded = successes.get(&drift.id).copied().unwrap_or_default();
        let accepted = usize::from(drift.status == DriftStatus::Accepted);
        assert_eq!(succeeded, accepted, "{drift:?}");
    }
}

/// Checks that every version of every spec has exactly one event.
async fn versions_have_no_gaps(t: &TestApp) {
    for n in 0..RESOURCES {
        let name = format!("web-{n}");
        let spec = t.spec(&name).await;
        let mut versions: Vec<i64> = t
            .event_rows(spec.resource_id)
            .await
            .iter()
            .filter(|event| [EventType::SpecRecorded, EventType::DriftAccepted].contains(&event.event_type))
            .map(|event| event.data["specVersion"].as_i64().unwrap())
            .collect();
        versions.sort_unstable();
        let wanted: Vec<i64> = (1..=i64::from(spec.spec_version)).collect();
        assert_eq!(versions, wanted, "{name}");
    }
}

/// Checks that each drift has one event for its detection, one for each change, and one for becoming stale.
async fn the_log_agrees_with_the_rows(t: &TestApp) {
    for drift in t.drifts().await {
        let events = t.event_rows(drift.resource_id).await;
        let of_type = |wanted: EventType| {
            let of_drift = |data: &Value| data["driftId"] == drift.id.to_string();
            events
                .iter()
                .filter(|event| event.event_type == wanted && of_drift(&event.data))
                .count()
        };
        assert_eq!(of_type(EventType::DriftDetected), 1);
        let changes = usize::try_from(drift.revision - 1).unwrap();
        assert_eq!(of_type(EventType::DriftChanged), changes);
        let stale = usize::from(drift.status == DriftStatus::Stale);
        assert_eq!(of_type(EventType::DriftStale), stale);
    }
}

async fn the_second_sweep_finds_nothing(t: &TestApp) {
    t.sweep().await;
    let counts = t.sweep().await;
    let found = counts.opened + counts.changed + counts.staled + counts.moved;
    assert_eq!(found, 0, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_concurrent_sweeps_and_accepts_accept_every_drift_once() {
    let t = before_the_storm().await;
    let servers = servers(&t).await;
    let stop = Arc::new(AtomicBool::new(false));
    let watch = watch(t.db().clone(), Arc::clone(&stop));

    let accepts = start_accepts(&t, &servers).await;
    let sweeps = start_sweeps(&servers);
    let successes = successes(accepts).await;
    sweeps.join_all().await;
    stop.store(true, Ordering::SeqCst);
    assert!(watch.await.unwrap() > 0);

    assert_eq!(successes.len(), RESOURCES * FIELDS);
    assert!(successes.values().all(|times| *times == 1), "{successes:?}");
    one_success_for_each_accepted_row(&t, &successes).await;
    assert_eq!(
        t.drifts().await.len(),
        RESOURCES * FIELDS,
        "no drift was opened twice"
    );
    versions_have_no_gaps(&t).await;
    the_log_agrees_with_the_rows(&t).await;
    the_second_sweep_finds_nothing(&t).await;
    assert!(t.inbox().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_concurrent_sweeps_accepts_and_syncs_accept_no_unseen_value() {
    let t = before_the_storm().await;
    let servers = servers(&t).await;
    let stop = Arc::new(AtomicBool::new(false));
    let watch = watch(t.db().clone(), Arc::clone(&stop));

    let accepts = start_accepts(&t, &servers).await;
    let sweeps = start_sweeps(&servers);
    for round in 1..=4 {
        t.cloud.set(cloud(round));
        t.later(chrono::TimeDelta::seconds(1));
        let server = &servers[round % servers.len()];
        let run = server
            .jobs()
            .run(JobRequest::Sync(SyncOptions::default()))
            .await
            .unwrap();
        assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{:?}", run.error);
    }
    let successes = successes(accepts).await;
    sweeps.join_all().await;
    stop.store(true, Ordering::SeqCst);
    assert!(watch.await.unwrap() > 0);

    one_success_for_each_accepted_row(&t, &successes).await;
    // All accepts have the revisions of round 0, so they can only accept values of round 0.
    for n in 0..RESOURCES {
        let wanted = t.spec(&format!("web-{n}")).await.spec["size_slug"].clone();
        assert!(wanted == "size-wanted" || wanted == "size-0", "{wanted}");
    }
    versions_have_no_gaps(&t).await;
    the_second_sweep_finds_nothing(&t).await;
    the_log_agrees_with_the_rows(&t).await;
    assert_eq!(twice_open(t.db()).await, 0);
}

#[tokio::test]
async fn the_upsert_of_an_open_drift_can_run_a_thousand_times_on_one_connection() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    let resource_id = t.resource("web-1").await.id;
    let mut options = ConnectOptions::new(&t.database.url);
    options.max_connections(1).sqlx_logging(false);
    let connection = Database::connect(options).await.unwrap();
    let (mut inserted, backend, postgres) = (0, t.db().backend(), t.database.is_postgres());
    for n in 0..1_000 {
        let value = if postgres { json!(n) } else { json!(n.to_string()) };
        let rows = json!([{
            "id": Uuid::now_v7().simple().to_string(),
            "resource_id": resource_id.simple().to_string(),
            "kind": "changed",
            "field": "size_slug",
            "expected": value,
            "actual": null,
            "severity": "normal",
        }]);
        let values = [rows.to_string().into(), t.now().into()];
        let insert = Statement::from_sql_and_values(backend, insert_open(backend), values);
        inserted += connection.query_all_raw(insert).await.unwrap().len();
    }
    connection.close().await.unwrap();
    assert_eq!(inserted, 1);
    assert_eq!(
        t.inbox().await[0].expected,
        Some(json!(0)),
        "the first row is kept"
    );
}

#[tokio::test]
async fn a_thousand_sweeps_on_one_connection_open_a_thousand_drifts() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("s-2vcpu-4gb")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    // With one connection, PostgreSQL reuses the plan of the prepared statement.
    let db = Db::connect(&t.database.url, 1).await.unwrap();
    let (clock, scope) = (Clock::Manual(t.clock.clone()), Default::default());
    let close = "UPDATE cloud_drift SET status = 'stale' WHERE status = 'open'";
    for n in 0..1_000 {
        let counts = drift_inbox::services::detection::detect_all(&db, &clock, &scope, |_| ())
            .await
            .unwrap();
        assert_eq!(counts.opened, 1, "sweep {n}");
        db.write_txn(|txn| async move { Ok(txn.execute_unprepared(close).await?) })
            .await
            .unwrap();
    }
    assert_eq!(t.drifts().await.len(), 1_000);
}

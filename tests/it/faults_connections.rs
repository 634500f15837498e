//! Connections to PostgreSQL that fall silent or are lost, a database that is away, and a locked table. These tests do
//! nothing on SQLite.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use drift_inbox::app::App;
use drift_inbox::clock::Clock;
use drift_inbox::db::{Db, WaitLimits};
use drift_inbox::error::Error;
use drift_inbox::jobs::JobRequest;
use drift_inbox::provider::InventoryProvider;
use drift_inbox::services::inventory::SyncOptions;
use entity::job_runs::JobOutcome;
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement, TransactionTrait as _};
use serde_json::{Value, json};

use crate::schedule::eventually;
use crate::support::TestApp;
use crate::support::cloud::droplet;
use crate::support::db::TestDb;
use crate::support::live::{EVERYTHING, Listener, any_status};
use crate::support::proxy::Proxy;

/// Limits that are short, so that the tests are.
const SHORT: WaitLimits = WaitLimits {
    lock: Duration::from_millis(700),
    statement: Duration::from_secs(1),
    connection: Duration::from_secs(2),
};
/// Connections for queries and for writing of each server in these tests.
const PLACES: (usize, usize) = (11, 5);

/// Creates a server with one drift, behind a proxy. Returns None on SQLite.
pub(crate) async fn behind_proxy() -> Option<(TestApp, Proxy)> {
    let (database, direct) = TestDb::migrated().await;
    direct.close().await.unwrap();
    if !database.is_postgres() {
        return None;
    }
    let proxy = Proxy::start(&database).await;
    let db = Db::connect(&proxy.url(&database), 16).await.unwrap();
    let t = TestApp::over(db.with_wait_limits(SHORT), database);
    t.cloud_has([droplet("web-1").size("s-2vcpu-4gb")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    t.sweep().await;
    Some((t, proxy))
}

async fn read(db: &Db, sql: &str) -> Result<(), sea_orm::DbErr> {
    let statement = Statement::from_string(db.backend(), sql);
    db.reader().query_all_raw(statement).await.map(drop)
}

async fn write(db: &Db, sql: &str) -> Result<(), Error> {
    let work = db.write_txn(|txn| async move {
        txn.execute_unprepared(sql).await?;
        Ok(())
    });
    work.await
}

/// Returns how many connections of the database run a statement with this text.
async fn running(direct: &DatabaseConnection, text: &str) -> usize {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND datname = current_database() \
         AND query LIKE '%{text}%' AND pid <> pg_backend_pid()"
    );
    let statement = Statement::from_string(direct.get_database_backend(), sql);
    let row = direct.query_one_raw(statement).await.unwrap().unwrap();
    usize::try_from(row.try_get_by_index::<i64>(0).unwrap()).unwrap()
}

/// Checks that all places of both pools can be used at the same time.
async fn all_places_are_free(t: &TestApp) {
    let direct = Database::connect(&t.database.url).await.unwrap();
    let db = t.db().with_wait_limits(WaitLimits::REQUEST);
    let all = async || {
        let reads = (0..PLACES.0).map(|_| read(&db, "SELECT 'reads', pg_sleep(1.5)"));
        let writes = (0..PLACES.1).map(|_| write(&db, "SELECT 'writes', pg_sleep(1.5)"));
        let seen = async {
            let mut most = (0, 0);
            for _ in 0..15 {
                most.0 = most.0.max(running(&direct, "reads").await);
                most.1 = most.1.max(running(&direct, "writes").await);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            most
        };
        let (read, written, most) = tokio::join!(join_all(reads), join_all(writes), seen);
        read.into_iter().all(|outcome| outcome.is_ok())
            && written.into_iter().all(|outcome| outcome.is_ok())
            && most == PLACES
    };
    eventually("all places are free", all).await;
    direct.close().await.unwrap();
}

/// Starts as many reads and writes as there are places and more, and returns when some of them are running.
fn load(t: &TestApp) -> Vec<tokio::task::JoinHandle<bool>> {
    let db = t.db();
    let reads = (0..2 * PLACES.0).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { read(&db, "SELECT pg_sleep(0.1)").await.is_ok() })
    });
    let writes = (0..2 * PLACES.1).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { write(&db, "SELECT pg_sleep(0.1)").await.is_ok() })
    });
    reads.chain(writes).collect()
}

/// It takes some seconds, because the limit of a statement has to pass for each moment.
#[tokio::test]
async fn silent_connections_are_replaced_and_keep_no_place() {
    let Some((t, proxy)) = behind_proxy().await else {
        return;
    };
    // At different moments of their use: taken, in a statement, at their return, idle.
    for delay in [0, 95, 130, 400] {
        let load = load(&t);
        tokio::time::sleep(Duration::from_millis(delay)).await;
        proxy.silence();
        for ended in load {
            ended.await.unwrap();
        }
        eventually("reads and writes work", async || {
            read(t.db(), "SELECT 1").await.is_ok() && write(t.db(), "SELECT 1").await.is_ok()
        })
        .await;
    }
    all_places_are_free(&t).await;
}

#[tokio::test]
async fn while_the_database_is_silent_requests_fail_and_the_process_is_alive() {
    let Some((t, proxy)) = behind_proxy().await else {
        return;
    };
    proxy.silence_all();
    let asked = join_all((0..30).map(|_| t.ask("{ drifts { totalCount } }", json!({})))).await;
    for answer in asked {
        assert_eq!(code(&answer), "DATABASE_BUSY", "{answer}");
    }
    assert_eq!(t.call("GET", "/healthz", None).await.status, StatusCode::OK);
    let ready = t.call("GET", "/readyz", None).await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    proxy.speak();
    recovers(&t).await;
    all_places_are_free(&t).await;
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"]
        .as_str()
        .unwrap_or("none")
}

async fn recovers(t: &TestApp) {
    eventually("requests are answered", async || {
        let answer = t.ask("{ drifts { totalCount } }", json!({})).await;
        answer["data"]["drifts"]["totalCount"] == 1
    })
    .await;
    eventually("the server is ready", async || {
        t.call("GET", "/readyz", None).await.status == StatusCode::OK
    })
    .await;
}

#[tokio::test]
async fn while_the_database_is_away_requests_fail_and_later_they_work_by_themselves() {
    let Some((t, mut proxy)) = behind_proxy().await else {
        return;
    };
    proxy.refuse().await;
    let drift = json!({ "input": { "driftId": uuid::Uuid::now_v7(), "revision": 1 } });
    let accept = "mutation($input: AcceptDriftInput!) { acceptDrift(input: $input) { drift { id } } }";
    let reads = join_all((0..100).map(|_| t.ask("{ drifts { totalCount } }", json!({}))));
    let writes = join_all((0..20).map(|_| t.ask(accept, drift.clone())));
    let alive = async { t.call("GET", "/healthz", None).await.status };
    let (reads, writes, alive) = tokio::join!(reads, writes, alive);
    for answer in reads.into_iter().chain(writes) {
        assert_eq!(code(&answer), "DATABASE_BUSY", "{answer}");
    }
    assert_eq!(alive, StatusCode::OK);
    let ready = t.call("GET", "/readyz", None).await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    proxy.accept().await;
    recovers(&t).await;
}

#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "another program has the lock, without the code of the server"
)]
async fn a_locked_table_does_not_stop_what_needs_other_tables() {
    let Some((t, _proxy)) = behind_proxy().await else {
        return;
    };
    let holder = Database::connect(&t.database.url).await.unwrap();
    let lock = holder.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE cloud_drift IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let drifts = join_all((0..60).map(|_| t.ask("{ drifts(first: 5) { nodes { id field } } }", json!({}))));
    let others = async {
        // When the queries of drifts wait.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let viewer = t.ask("{ jobRuns(first: 1) { nodes { id } } }", json!({})).await;
        let alive = t.call("GET", "/healthz", None).await.status;
        let ready = t.call("GET", "/readyz", None).await.status;
        (viewer, alive, ready)
    };
    let (drifts, (runs, alive, ready)) = tokio::join!(drifts, others);
    assert!(runs["errors"].is_null(), "{runs}");
    assert_eq!((alive, ready), (StatusCode::OK, StatusCode::OK));
    for answer in drifts {
        assert_eq!(code(&answer), "DATABASE_BUSY", "{answer}");
    }
    lock.rollback().await.unwrap();
    recovers(&t).await;
}

/// It takes ten seconds, because subscribers are told of an outage only after some failed polls.
#[tokio::test]
async fn subscribers_hear_of_an_error_when_events_cannot_be_read() {
    let Some((t, mut proxy)) = behind_proxy().await else {
        return;
    };
    let viewer = t.token(None, &["platform_viewer"]);
    let mut drifts = Listener::new(&t.router, Some(&viewer), EVERYTHING, any_status()).await;
    let runs = "subscription { jobRunChanged { id } }";
    let mut runs = Listener::new(&t.router, Some(&viewer), runs, json!({})).await;
    proxy.refuse().await;
    for listener in [&mut drifts, &mut runs] {
        let (name, data) = listener.event().await.unwrap();
        assert_eq!((name.as_str(), code(&data)), ("next", "DATABASE_BUSY"), "{data}");
        assert_eq!(
            listener.event().await.map(|(name, _)| name).as_deref(),
            Some("complete")
        );
    }
    proxy.accept().await;
    recovers(&t).await;
    let mut again = Listener::new(&t.router, Some(&viewer), EVERYTHING, any_status()).await;
    t.accept(&t.open_drift("web-1", "size_slug").await).await.unwrap();
    assert_eq!(again.transition().await.1, "ACCEPTED");
}

/// Returns a server whose connections are all cut once, when it sends the first statement that contains `text`, and whether
/// that has happened.
fn cut_once_at(t: &TestApp, proxy: Proxy, text: &'static str) -> (App, Arc<AtomicBool>) {
    let cut = Arc::new(AtomicBool::new(false));
    let was_cut = Arc::clone(&cut);
    let db = t.db().clone().observed(move |info| {
        if info.statement.sql.contains(text) && !cut.swap(true, Ordering::SeqCst) {
            proxy.cut();
        }
    });
    let cloud = Arc::clone(&t.cloud) as Arc<dyn InventoryProvider>;
    (App::new(db, Clock::Manual(t.clock.clone()), Some(cloud)), was_cut)
}

#[tokio::test]
async fn a_sweep_whose_connections_are_cut_completes_by_itself() {
    let Some((t, proxy)) = behind_proxy().await else {
        return;
    };
    t.cloud_has([droplet("web-1").size("s-4vcpu-8gb").region("fra1")])
        .await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb", "region": "ams3" }))
        .await;
    let (server, was_cut) = cut_once_at(&t, proxy, "cloud_drift");
    let run = server.jobs().run(JobRequest::detect_all()).await.unwrap();
    assert_eq!(run.error.as_deref().unwrap_or_default(), "", "{run:?}");
    assert!(
        matches!(run.outcome, Some(JobOutcome::Succeeded | JobOutcome::Partial)),
        "{run:?}"
    );
    assert!(was_cut.load(Ordering::SeqCst));
    let fields: Vec<String> = t.inbox().await.into_iter().map(|drift| drift.field).collect();
    assert_eq!(fields, ["region", "size_slug"]);
}

#[tokio::test]
async fn a_sync_whose_connections_are_cut_while_it_stores_its_listing_completes_by_itself() {
    let Some((t, proxy)) = behind_proxy().await else {
        return;
    };
    t.cloud.set([droplet("web-1").size("s-8vcpu-16gb")]);
    let (server, was_cut) = cut_once_at(&t, proxy, r#"UPDATE "cloud_resources""#);
    let run = server
        .jobs()
        .run(JobRequest::Sync(SyncOptions::default()))
        .await
        .unwrap();
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{run:?}");
    assert!(was_cut.load(Ordering::SeqCst));
    assert_eq!(
        t.resource("web-1").await.size_slug.as_deref(),
        Some("s-8vcpu-16gb")
    );
}

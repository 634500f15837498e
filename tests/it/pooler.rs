//! Servers behind PgBouncer in transaction mode, which gives each transaction another connection of PostgreSQL. These
//! tests do nothing on SQLite.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use drift_inbox::clock::Clock;
use drift_inbox::db::{Db, WaitLimits};
use drift_inbox::domain::schedule::{Schedule, Schedules};
use drift_inbox::error::Error;
use drift_inbox::jobs::JobRequest;
use drift_inbox::services::inventory::SyncOptions;
use entity::job_runs::JobOutcome;
use futures_util::future::{join_all, try_join_all};
use sea_orm::{ConnectionTrait, Database, Statement};
use serde_json::json;
use tracing::Level;

use crate::support::cloud::droplet;
use crate::support::db::TestDb;
use crate::support::live::{EVERYTHING, Listener, any_status};
use crate::support::log::Log;
use crate::support::pgbouncer::PgBouncer;
use crate::support::process::{MAX_WAIT, Program};
use crate::support::state::droplets;
use crate::support::{ADMIN, TestApp};

const INVENTORY: &str = r#"{"provider":"any","resources":[{"kind":"droplet","providerId":"1","name":"a"}]}"#;
const SECRET: &str = "the secret of a test that runs servers";

/// Starts a pooler with this many connections, and an empty database behind it. Returns None on SQLite.
async fn pooled(connections: usize, more: &str) -> Option<(PgBouncer, TestDb)> {
    let server = std::env::var("TEST_DATABASE_URL")
        .ok()
        .filter(|server| !server.is_empty())?;
    let database = TestDb::create().await;
    Some((PgBouncer::start(&server, connections, more), database))
}

async fn value(db: &Db, sql: &str) -> String {
    let statement = Statement::from_string(db.backend(), format!("SELECT CAST(({sql}) AS text)"));
    let row = db.reader().query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// Runs what servers do on one database: syncs, sweeps, imports, accepts and subscriptions.
async fn main_paths(t: &TestApp, other: &TestApp) {
    let names: Vec<String> = (0..40).map(|n| format!("web-{n}")).collect();
    let cloud = |size: &str| {
        names
            .iter()
            .map(|name| droplet(name).size(size))
            .collect::<Vec<_>>()
    };
    t.cloud_has(cloud("small")).await;
    other.later(t.now() - other.now());
    let records = names
        .iter()
        .map(|name| t.record_spec(name, json!({ "size_slug": "small" })));
    join_all(records).await;
    t.import(&droplets("lineage", 1, &[("imported", "large")])).await;
    t.cloud_has(
        cloud("small")
            .into_iter()
            .chain([droplet("imported").size("small")]),
    )
    .await;
    assert_eq!((t.sweep().await.opened, other.sweep().await.opened), (1, 0));

    let viewer = t.token(None, &["platform_viewer"]);
    let mut listener = Listener::new(&other.router, Some(&viewer), EVERYTHING, any_status()).await;
    t.cloud.set(
        cloud("large")
            .into_iter()
            .chain([droplet("imported").size("small")]),
    );
    t.later(TimeDelta::seconds(1));
    let swept = t.scheduled(Schedules {
        detect: Some(Schedule::parse("0 0 0 1 1 *", t.now()).unwrap()),
        ..Schedules::default()
    });
    let sync = swept.jobs().run(JobRequest::Sync(SyncOptions::default()));
    assert_eq!(sync.await.unwrap().outcome, Some(JobOutcome::Succeeded));
    swept.jobs().drain(MAX_WAIT).await.unwrap();
    for _ in 0..40 {
        assert_eq!(listener.drift().await["actual"], json!("large"));
    }
    let open = t.inbox().await;
    assert_eq!(open.len(), 41);
    let accepted = try_join_all(
        open.iter()
            .zip([t, other].iter().cycle())
            .map(|(drift, server)| server.accept(drift)),
    );
    assert!(
        accepted
            .await
            .unwrap()
            .iter()
            .all(|accepted| accepted.drift.resolved_by.as_deref() == Some(ADMIN))
    );

    let page = "{ drifts(first: 50, filter: { status: [ACCEPTED] }) { totalCount nodes { field resource { name \
                provisioned { specVersion } events(first: 5) { nodes { type } } } } } coverage { managed } }";
    let pages = join_all((0..20).map(|_| other.data(page, json!({})))).await;
    assert!(pages.iter().all(|page| page["drifts"]["totalCount"] == 41));
    assert_eq!((t.sweep().await.opened, t.inbox().await.len()), (0, 0));
}

#[tokio::test]
async fn servers_share_three_connections_of_a_pooler() {
    for more in [
        "",
        "ignore_startup_parameters = extra_float_digits, options",
        "server_reset_query_always = 1",
    ] {
        let Some((pooler, database)) = pooled(3, more).await else {
            return;
        };
        let url = pooler.url(&database);
        let connect = || async { Db::connect(&url, 16).await.unwrap() };
        let (one, two) = (connect().await, connect().await);
        let migrated = tokio::join!(one.migrate(), two.migrate());
        assert!(migrated.0.is_ok() && migrated.1.is_ok(), "{migrated:?}");
        let another = TestApp::over(two, TestDb::create().await);
        let t = TestApp::over(one, database);
        main_paths(&t, &another).await;
        assert!(!pooler.log().contains("unsupported pkt"), "{}", pooler.log());
    }
}

#[tokio::test]
async fn every_command_works_behind_a_pooler() {
    let Some((pooler, database)) = pooled(2, "").await else {
        return;
    };
    let program = |url: String| {
        Program::new()
            .with("DATABASE_URL", url)
            .with("DRIFT_JWT_SECRET", SECRET)
            .with("DRIFT_LISTEN", "127.0.0.1:0")
            .with("DRIFT_INVENTORY_FILE", "inventory.json")
            .with("DRIFT_SOURCE", "lab")
            .with("DRIFT_DETECT_CRON", "off")
            .with("DRIFT_SYNC_CRON", "off")
            .with_file("inventory.json", INVENTORY)
    };
    let url = pooler.url(&database);
    for (parameter, commands) in [
        ("", ["migrate", "sync", "purge"]),
        ("?pooler=transaction", ["migrate", "detect", "purge"]),
        (
            "?pooler=auto&application_name=drift",
            ["migrate", "sync", "detect"],
        ),
    ] {
        let program = program(format!("{url}{parameter}"));
        for command in commands {
            let ended = program.run(&[command]);
            assert_eq!(ended.code, Some(0), "{command} {parameter}: {}", ended.output());
        }
        let mut running = program.start(&["serve"]);
        let ready = reqwest::get(format!("http://{}/readyz", running.address())).await;
        assert_eq!(ready.unwrap().status(), 200, "{parameter}");
        running.signal("TERM");
        assert_eq!(running.end().code, Some(0));
    }
    for (parameters, why) in [
        ("?pooler=session", "\"pooler\""),
        ("?statement-cache-capacity=0", "\"statement-cache-capacity\""),
        ("?options=-csearch_path%3Ddrift", "\"options\""),
    ] {
        let ended = program(format!("{url}{parameters}")).run(&["detect"]);
        assert!(
            ended.code != Some(0) && ended.err.contains(why),
            "{}",
            ended.output()
        );
    }
}

#[tokio::test]
async fn limits_of_statements_hold_behind_a_pooler_and_end_with_the_transaction() {
    let Some((pooler, database)) = pooled(1, "").await else {
        return;
    };
    let one_reader = 3;
    let db = Db::connect(&pooler.url(&database), one_reader).await.unwrap();
    let statements = "SELECT count(*) FROM pg_prepared_statements";
    for _ in 0..3 {
        assert_eq!(
            value(&db, "SELECT current_setting('statement_timeout')").await,
            "1min"
        );
        assert_eq!(
            value(&db, statements).await,
            "1",
            "those of earlier transactions are deleted"
        );
        let found = db.write_txn(|txn| async move {
            let limits = "SELECT current_setting('statement_timeout') || current_setting('lock_timeout')";
            let row = txn
                .query_one_raw(Statement::from_string(txn.get_database_backend(), limits))
                .await?;
            Ok(row.unwrap().try_get_by_index::<String>(0)?)
        });
        assert_eq!(found.await.unwrap(), "15s5s");
    }
    // Without a pooler, statements are prepared once.
    let direct = Db::connect(&database.url, one_reader).await.unwrap();
    assert_eq!(
        value(&direct, "SELECT current_setting('statement_timeout')").await,
        "1min"
    );
    assert_eq!(value(&direct, statements).await, "2");
}

#[tokio::test]
async fn a_server_continues_after_the_connections_of_the_pooler_died() {
    let Some((pooler, database)) = pooled(4, "").await else {
        return;
    };
    let db = Db::connect(&pooler.url(&database), 16).await.unwrap();
    db.migrate().await.unwrap();
    let t = TestApp::over(db, database);
    t.cloud_has([droplet("web-1").size("large")]).await;
    for round in 0..5 {
        // All connections of the pooler are open.
        join_all((0..8).map(|_| value(t.db(), "SELECT pg_sleep(0.02)"))).await;
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";
        t.database.execute(others).await.unwrap();
        t.record_spec("web-1", json!({ "size_slug": format!("small-{round}") }))
            .await;
        assert_eq!(t.spec("web-1").await.spec_version, round + 1);
        assert!(t.sweep().await.looked_at() > 0);
    }
}

#[tokio::test]
async fn requests_wait_for_a_connection_of_the_pooler_and_then_are_refused_as_busy() {
    let Some((pooler, database)) = pooled(1, "").await else {
        return;
    };
    let url = pooler.url(&database);
    let db = Db::connect(&url, 4).await.unwrap();
    db.migrate().await.unwrap();
    let t = TestApp::over(db, database);
    t.cloud_has([droplet("web-1").size("large")]).await;
    let spec = t.record_spec("web-1", json!({ "size_slug": "small" })).await;
    let limits = WaitLimits {
        lock: Duration::from_millis(200),
        ..WaitLimits::REQUEST
    };
    let (hurried, other) = (
        t.db().with_wait_limits(limits),
        Db::connect(&url, 4).await.unwrap(),
    );
    let (busy, waited) = other
        .write_txn(|_txn| {
            let (hurried, t) = (&hurried, &t);
            async move {
                let refused = hurried.write_txn(|_| async { Ok(()) }).await;
                let read = tokio::time::timeout(Duration::from_millis(200), t.spec("web-1")).await;
                Ok((matches!(refused, Err(Error::Busy(_))), read.is_err()))
            }
        })
        .await
        .unwrap();
    assert!(busy && waited, "{busy} {waited}");
    assert_eq!(t.spec("web-1").await, spec);
    hurried.write_txn(|_| async { Ok(()) }).await.unwrap();
}

/// Lets the database accept connections, or not.
async fn allow_connections(database: &TestDb, allowed: bool) {
    let server = Database::connect(std::env::var("TEST_DATABASE_URL").unwrap())
        .await
        .unwrap();
    let name = database.url.rsplit('/').next().unwrap();
    let allow = format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS {allowed}");
    server.execute_unprepared(&allow).await.unwrap();
    let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    server.execute_unprepared(&end).await.unwrap();
    server.close().await.unwrap();
}

#[tokio::test]
async fn an_outage_behind_a_pooler_is_busy_logs_no_errors_and_ends() {
    let Some((pooler, database)) = pooled(2, "").await else {
        return;
    };
    let (log, guard) = Log::start(Level::DEBUG);
    let limits = WaitLimits {
        connection: Duration::from_millis(500),
        lock: Duration::from_millis(200),
        ..WaitLimits::REQUEST
    };
    let db = Db::connect(&pooler.url(&database), 8).await.unwrap();
    let db = db.with_wait_limits(limits);
    assert_eq!(value(&db, "SELECT 1").await, "1");

    allow_connections(&database, false).await;
    for _ in 0..2 {
        let statement = Statement::from_string(db.backend(), "SELECT 1");
        let read = db.reader().query_one_raw(statement).await.map_err(Error::from);
        assert!(
            matches!(read, Err(Error::Busy(_) | Error::Unavailable(_))),
            "{read:?}"
        );
        let written = db.write_txn(|_| async { Ok(()) }).await;
        assert!(
            matches!(written, Err(Error::Busy(_) | Error::Unavailable(_))),
            "{written:?}"
        );
    }
    drop(guard);
    assert_eq!(log.count(" ERROR "), 0, "{}", log.text());
    assert!(
        log.count("beginning a transaction on another connection") > 0,
        "{}",
        log.text()
    );

    allow_connections(&database, true).await;
    let began = Instant::now();
    let patient = db.with_wait_limits(WaitLimits::REQUEST);
    while patient.write_txn(|_| async { Ok(()) }).await.is_err() {
        assert!(began.elapsed() < MAX_WAIT);
    }
    assert_eq!(value(&patient, "SELECT 2").await, "2");
}

#[tokio::test]
async fn each_tick_runs_once_on_servers_behind_a_pooler() {
    let Some((pooler, database)) = pooled(2, "").await else {
        return;
    };
    let url = pooler.url(&database);
    let servers = try_join_all((0..3).map(|_| Db::connect(&url, 8))).await.unwrap();
    servers[0].migrate().await.unwrap();
    let every_second = || Schedules {
        sync: None,
        detect: Some(Schedule::parse("* * * * * *", Clock::System.now()).unwrap()),
        ..Schedules::default()
    };
    let mut running = Vec::new();
    for db in servers {
        let app = drift_inbox::app::App::scheduled(db, Clock::System, None, every_second());
        running.push((drift_inbox::scheduler::Scheduler::start(&app).await.unwrap(), app));
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    for (scheduler, app) in running {
        scheduler.stop().await.unwrap();
        app.jobs().drain(MAX_WAIT).await.unwrap();
    }
    let db = database.connect().await;
    let ticks = "SELECT count(scheduled_for) - count(DISTINCT scheduled_for) FROM job_runs";
    assert_eq!(value(&db, ticks).await, "0");
    let seconds = value(&db, "SELECT count(DISTINCT scheduled_for) FROM job_runs").await;
    assert!(seconds.parse::<u32>().unwrap() >= 3, "{seconds}");
}

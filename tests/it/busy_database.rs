//! A database that other programs lock, that is read-only, or that loses connections: waits end, and reads continue.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use chrono::TimeDelta;
use drift_inbox::clock::Clock;
use drift_inbox::db::{Db, WaitLimits};
use drift_inbox::domain::retention::Retention;
use drift_inbox::domain::schedule::Schedules;
use drift_inbox::error::Error;
use drift_inbox::jobs::JobRequest;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, EntityTrait as _, Statement};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;

use crate::schedule::eventually;
use crate::support::cloud::droplet;
use crate::support::db::TestDb;
use crate::support::process::Program;
use crate::support::{ADMIN, TestApp};

const ACCEPTS: usize = 24;

/// Creates a server with one drift. Its requests wait at most `lock` for a lock.
async fn server(lock: Duration) -> TestApp {
    let (database, db) = TestDb::migrated().await;
    let wait_limits = WaitLimits {
        lock,
        ..WaitLimits::REQUEST
    };
    let t = TestApp::over(db.with_wait_limits(wait_limits), database);
    // Processes of the program on the same database use the real time.
    t.later(Clock::System.now() - t.now());
    t.cloud_has([droplet("web-1").size("s-2vcpu-4gb")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    t.sweep().await;
    t
}

/// A connection of another program that locks rows on PostgreSQL, or has the write lock on SQLite.
struct Holder(DatabaseConnection);

impl Holder {
    async fn of(database: &TestDb, rows: &str) -> Self {
        let mut options = ConnectOptions::new(&database.url);
        options.max_connections(1);
        let connection = Database::connect(options).await.unwrap();
        let begin = if database.is_postgres() {
            format!("BEGIN; {rows} FOR UPDATE")
        } else {
            "BEGIN IMMEDIATE".to_owned()
        };
        connection.execute_unprepared(&begin).await.unwrap();
        Self(connection)
    }

    async fn releases(self) {
        self.0.execute_unprepared("ROLLBACK").await.unwrap();
        self.0.close().await.unwrap();
    }
}

fn post(t: &TestApp, path: &str, body: String) -> Request<Body> {
    let token = t.token(Some(ADMIN), &["platform_admin"]);
    Request::post(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap()
}

async fn accept_request(t: &TestApp) -> Request<Body> {
    let drift = t.open_drift("web-1", "size_slug").await;
    let query = "mutation($input: AcceptDriftInput!) { acceptDrift(input: $input) { drift { status } } }";
    let variables = json!({ "input": { "driftId": drift.id, "revision": drift.revision } });
    let body = json!({ "query": query, "variables": variables }).to_string();
    post(t, "/graphql", body)
}

async fn body_of(response: axum::response::Response) -> Value {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Sends this many concurrent accepts of the one drift.
async fn accepts(t: &TestApp, count: usize) -> JoinSet<Value> {
    let mut accepts = JoinSet::new();
    for _ in 0..count {
        let (router, request) = (t.router.clone(), accept_request(t).await);
        accepts.spawn(async move {
            let response = tower::ServiceExt::oneshot(router, request).await.unwrap();
            body_of(response).await
        });
    }
    accepts
}

/// Returns the number of statements that wait for a lock.
async fn waiting(db: &Db) -> i64 {
    let sql = "SELECT count(*) AS n FROM pg_locks l JOIN pg_database d ON d.oid = l.database OR l.database IS NULL \
               WHERE NOT l.granted AND d.datname = current_database()";
    let statement = Statement::from_string(db.backend(), sql);
    let row = db.reader().query_one_raw(statement).await.unwrap().unwrap();
    row.try_get("", "n").unwrap()
}

async fn get(t: &TestApp, path: &str) -> (StatusCode, Value) {
    let response = t.send(Request::get(path).body(Body::empty()).unwrap()).await;
    (response.status(), body_of(response).await)
}

#[tokio::test]
async fn queries_are_answered_while_24_accepts_wait_for_one_lock() {
    let t = server(Duration::from_secs(60)).await;
    let holder = Holder::of(&t.database, "SELECT * FROM cloud_resources").await;
    let mut accepts = accepts(&t, ACCEPTS).await;
    if t.database.is_postgres() {
        eventually("an accept waits for the row", async || waiting(t.db()).await > 0).await;
        assert_eq!(get(&t, "/readyz").await.0, StatusCode::OK);
    }
    for _ in 0..20 {
        let data = t.data("{ drifts { totalCount } }", json!({})).await;
        assert_eq!(data["drifts"]["totalCount"], 1);
    }
    assert!(accepts.try_join_next().is_none(), "the row is still locked");
    holder.releases().await;
    let answers = accepts.join_all().await;
    let accepted = answers
        .iter()
        .filter(|answer| answer["data"]["acceptDrift"].is_object());
    assert_eq!(accepted.count(), 1, "{answers:?}");
    assert_eq!(get(&t, "/readyz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_accept_that_gets_no_lock_in_time_is_refused_as_busy() {
    let t = server(Duration::from_millis(300)).await;
    let holder = Holder::of(&t.database, "SELECT * FROM cloud_resources").await;
    let answers = accepts(&t, ACCEPTS).await.join_all().await;
    for answer in &answers {
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "DATABASE_BUSY", "{answer}");
        assert_eq!(error["message"], "the database is busy: try again");
    }
    let drift = t.open_drift("web-1", "size_slug").await;
    let request = post(&t, &format!("/api/v1/drift/{}/accept", drift.id), String::new());
    let response = t.send(request).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(body_of(response).await, json!({ "error": "database_busy" }));
    holder.releases().await;
    t.accept(&drift).await.unwrap();
}

#[tokio::test]
async fn a_transaction_that_postgresql_aborted_is_not_reported_as_success() {
    let t = server(Duration::from_secs(5)).await;
    let outcome = t
        .db()
        .write_txn(|txn| async move {
            // The caller wrongly ignores the error. PostgreSQL then rolls back at COMMIT.
            let failed = txn
                .execute_unprepared("INSERT INTO no_such_table VALUES (1)")
                .await;
            assert!(failed.is_err());
            Ok(())
        })
        .await;
    assert_eq!(outcome.is_err(), t.database.is_postgres(), "{outcome:?}");
}

#[tokio::test]
async fn a_rest_request_ends_at_its_time_limit() {
    let t = server(Duration::from_secs(60)).await;
    let mut limits = drift_inbox::graphql::api_limits::ApiLimits::default();
    limits.request.request_timeout = Duration::from_millis(200);
    let state = drift_inbox::http::HttpState::new(t.app.clone(), crate::support::verifier(), limits, true);
    let router = drift_inbox::http::router(state);
    let holder = Holder::of(&t.database, "SELECT * FROM cloud_resources").await;
    let drift = t.open_drift("web-1", "size_slug").await;
    let request = post(&t, &format!("/api/v1/drift/{}/accept", drift.id), String::new());
    let response = tower::ServiceExt::oneshot(router, request).await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    holder.releases().await;
    t.accept(&drift).await.unwrap();
}

#[tokio::test]
async fn a_command_waits_for_a_locked_database_and_logs_the_file() {
    let t = server(Duration::from_secs(5)).await;
    let holder = Holder::of(&t.database, "SELECT * FROM cloud_drift").await;
    let program = Program::new().with("DATABASE_URL", &t.database.url);
    let mut running = program.start(&["detect"]);
    if !t.database.is_postgres() {
        running.wait_for_log("waiting for the write lock");
        running.wait_for_log("test.db");
    }
    holder.releases().await;
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.output());
}

/// Writes in a transaction that loses its connection on PostgreSQL, as in a restart, or that is rolled back on SQLite.
async fn interrupted_write(t: &TestApp) -> Result<(), Error> {
    let interrupt = if t.database.is_postgres() {
        "SELECT pg_terminate_backend(pg_backend_pid())"
    } else {
        "ROLLBACK"
    };
    let work = t.db().write_txn(|txn| async move {
        txn.execute_unprepared("UPDATE cloud_resources SET revision = revision + 100")
            .await?;
        txn.execute_unprepared(interrupt).await?;
        Ok(())
    });
    work.await
}

#[tokio::test]
async fn interrupted_connections_are_replaced_every_time() {
    let t = server(Duration::from_secs(5)).await;
    let revision = t.resource("web-1").await.revision;
    for failures in [1, 2, 20] {
        for _ in 0..failures {
            assert!(interrupted_write(&t).await.is_err());
        }
        let spec = json!({ "size_slug": format!("after-{failures}") });
        t.record_spec("web-1", spec.clone()).await;
        let another = t.database.connect().await;
        let found = entity::cloud_provisioned::Entity::find()
            .one(another.reader())
            .await;
        assert_eq!(found.unwrap().unwrap().spec, spec);
        another.close().await.unwrap();
    }
    assert_eq!(t.resource("web-1").await.revision, revision);
}

/// Drops the future of a write after 0 to 59 polls, as a server does when the client disconnects.
#[tokio::test]
async fn a_write_whose_caller_disconnects_keeps_no_lock() {
    let t = server(Duration::from_secs(5)).await;
    for polls in 0..60 {
        let write = t.db().write_txn(|txn| async move {
            txn.execute_unprepared("UPDATE cloud_resources SET revision = revision + 100")
                .await?;
            Err::<(), _>(Error::NotFound("drift"))
        });
        let mut write = Box::pin(write);
        for _ in 0..polls {
            tokio::select! {
                biased;
                _ = &mut write => break,
                () = tokio::task::yield_now() => {}
            }
        }
        drop(write);
    }
    let revision = t.resource("web-1").await.revision;
    assert!(revision < 100, "{revision}");
    t.record_spec("web-1", json!({ "size_slug": "after" })).await;
    t.database
        .execute("UPDATE cloud_resources SET revision = 7")
        .await
        .expect("a lock was left behind");
    assert_eq!(t.resource("web-1").await.revision, 7);
}

#[test]
fn a_read_only_command_creates_no_database_file() {
    let program = Program::new().with("DATABASE_URL", "sqlite://none.db?mode=rwc");
    let ended = program.run(&["detect"]);
    assert_eq!(ended.code, Some(1), "{}", ended.output());
    assert!(ended.err.contains("none.db not found"), "{}", ended.err);
    assert!(!program.folder().join("none.db").exists());
}

#[test]
fn the_error_names_a_file_that_cannot_be_opened() {
    // Not even root can create files in /proc.
    let program = Program::new().with("DATABASE_URL", "sqlite:///proc/drift.db?mode=rwc");
    let ended = program.run(&["migrate"]);
    assert_eq!(ended.code, Some(1), "{}", ended.output());
    assert!(ended.err.contains("/proc/drift.db"), "{}", ended.err);
    assert!(ended.err.contains("writable"), "{}", ended.err);
}

/// Changes a setting of the database. It applies to new connections.
async fn set(t: &TestApp, setting: &str) {
    let name = t.database.url.rsplit('/').next().unwrap().to_owned();
    // This transaction writes even if the database is read-only by default.
    let alter = format!("BEGIN READ WRITE; ALTER DATABASE {name} {setting}; COMMIT");
    t.database.execute(alter).await.unwrap();
}

#[tokio::test]
async fn a_read_only_postgresql_serves_reads_and_later_writes_without_a_restart() {
    let t = server(Duration::from_secs(5)).await;
    if !t.database.is_postgres() {
        return;
    }
    set(&t, "SET default_transaction_read_only = on").await;
    let end_others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    t.database.execute(end_others).await.unwrap();
    let answer = |answers: Vec<Value>| answers[0]["errors"][0].clone();
    eventually("the database is read-only", async || {
        let error = answer(accepts(&t, 1).await.join_all().await);
        error["extensions"]["code"] == "DATABASE_READ_ONLY"
    })
    .await;
    for _ in 0..5 {
        let error = answer(accepts(&t, 1).await.join_all().await);
        assert_eq!(error["extensions"]["code"], "DATABASE_READ_ONLY", "{error}");
        let data = t.data("{ drifts { totalCount } }", json!({})).await;
        assert_eq!(data["drifts"]["totalCount"], 1);
    }
    let drift = t.open_drift("web-1", "size_slug").await;
    let path = format!("/api/v1/drift/{}/accept", drift.id);
    let response = t.send(post(&t, &path, String::new())).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    eventually("it is not ready, and says why", async || {
        let (status, body) = get(&t, "/readyz").await;
        status == StatusCode::SERVICE_UNAVAILABLE && body.to_string().contains("is read-only")
    })
    .await;

    set(&t, "RESET default_transaction_read_only").await;
    eventually("the server is ready again", async || {
        get(&t, "/readyz").await.0 == StatusCode::OK
    })
    .await;
    eventually("the accept succeeds", async || {
        accepts(&t, 1).await.join_all().await[0]["errors"].is_null()
    })
    .await;
}

#[tokio::test]
async fn a_purge_waits_longer_for_a_lock_than_a_request() {
    let t = server(Duration::from_millis(300)).await;
    // SQLite has only one write lock, so the sweep before the purge would wait for it, too.
    if !t.database.is_postgres() {
        return;
    }
    t.cloud_has([]).await;
    t.later(TimeDelta::days(3));
    let keep = Retention {
        gone_resources: Some(TimeDelta::days(2)),
        events: None,
        job_runs: Some(TimeDelta::days(2)),
        decisions: None,
    };
    let server = t.scheduled(Schedules {
        retention: Some(keep),
        ..Schedules::default()
    });
    let holder = Holder::of(&t.database, "SELECT * FROM job_runs").await;
    server.jobs().run(JobRequest::detect_all()).await.unwrap();
    eventually("the purge waits", async || waiting(t.db()).await > 0).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(waiting(t.db()).await > 0, "the purge still waits");
    holder.releases().await;
    server.jobs().drain(Duration::from_secs(60)).await.unwrap();
}

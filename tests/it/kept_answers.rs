//! Answers that are kept: they equal those of an execution, cost one statement, and are never outdated.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, header};
use drift_inbox::services::provisioning::{RecordSpec, SOURCE_API, record_provisioned};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::cloud::droplet;
use crate::support::db::TestDb;
use crate::support::{ADMIN, TestApp};

/// A page with columns of all four tables.
const PAGE: &str =
    "query Page($first: Int) { drifts(first: $first) { totalCount nodes { id revision changes { path }
    resource { name provisioned { specVersion } events(first: 1) { nodes { actor } } } } } }";

type Seen = Arc<Mutex<Vec<String>>>;

/// Creates a server with one drift, whose statements are logged.
async fn observed() -> (TestApp, Seen) {
    let database = TestDb::create().await;
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let db = database.connect_and_migrate().await;
    let db = db.observed(move |info| log.lock().unwrap().push(info.statement.sql.clone()));
    let t = TestApp::over(db, database);
    t.cloud_has([droplet("web-1").tags(["a"])]).await;
    t.record_spec("web-1", json!({ "tags": ["b"] })).await;
    t.sweep().await;
    (t, seen)
}

fn reads_version(sql: &str) -> bool {
    sql.contains("content_changes") || sql.contains("data_version")
}

struct Asked {
    headers: HeaderMap,
    body: String,
    statements: Vec<String>,
}

impl Asked {
    /// Whether the answer was a kept one.
    fn again(&self) -> bool {
        self.statements.len() == 1 && reads_version(&self.statements[0])
    }
}

/// Sends a request and returns the response and the statements that it needed.
async fn send(t: &TestApp, seen: &Seen, request: Request<Body>) -> Asked {
    seen.lock().unwrap().clear();
    let response = t.send(request).await;
    let mut headers = response.headers().clone();
    headers.remove("x-request-id").unwrap();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    Asked {
        headers,
        body: String::from_utf8(bytes.to_vec()).unwrap(),
        statements: std::mem::take(&mut seen.lock().unwrap()),
    }
}

fn post(t: &TestApp, role: &str, body: &Value, accept: &str) -> Request<Body> {
    Request::post("/graphql")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, accept)
        .header(
            header::AUTHORIZATION,
            format!("Bearer {}", t.token(Some(ADMIN), &[role])),
        )
        .body(Body::from(body.to_string()))
        .unwrap()
}

async fn ask(t: &TestApp, seen: &Seen, role: &str, document: &str) -> Asked {
    let body = json!({ "query": document, "variables": { "first": 5 } });
    send(t, seen, post(t, role, &body, "application/json")).await
}

#[tokio::test]
async fn a_kept_answer_costs_one_statement_and_equals_the_executed_one() {
    let (t, seen) = observed().await;
    let body = json!({ "query": PAGE, "variables": { "first": 5 } });
    let mut executed = Vec::new();
    for accept in ["application/json", "application/graphql-response+json"] {
        // Another text each, so that the answers are executed.
        let body = json!({ "query": format!("{PAGE} # {accept}"), "variables": { "first": 5 } });
        let asked = send(&t, &seen, post(&t, "platform_viewer", &body, accept)).await;
        assert!(
            !asked.statements.iter().any(|sql| reads_version(sql)),
            "once is not kept"
        );
        executed.push((accept, asked));
    }
    for round in 0..6 {
        let (accept, executed) = &executed[round % 2];
        let asked = send(&t, &seen, post(&t, "platform_viewer", &body, accept)).await;
        assert_eq!(asked.body, executed.body);
        assert_eq!(asked.headers, executed.headers);
        assert!(round < 2 || asked.again(), "{:#?}", asked.statements);
    }
    let url = format!(
        "/graphql?variables=%7B%22first%22:5%7D&query={}",
        PAGE.replace('\n', "%0A").replace(' ', "%20")
    );
    let token = t.token(Some(ADMIN), &["platform_viewer"]);
    let get = Request::get(url).header(header::AUTHORIZATION, format!("Bearer {token}"));
    let asked = send(&t, &seen, get.body(Body::empty()).unwrap()).await;
    assert_eq!(asked.body, executed[0].1.body);
    assert!(asked.again(), "{:#?}", asked.statements);
}

#[tokio::test]
async fn only_pages_that_nothing_else_determines_are_kept() {
    let (t, seen) = observed().await;
    for document in [
        "{ freshness { vouched } }",
        "{ viewer { email } }",
        "{ jobSchedules { job nextRunAt } }",
        "{ jobRuns { nodes { id startedAt } } }",
        "{ __schema { queryType { name } } }",
        "{ __typename }",
        "{ drifts { nodes { id } } viewer { email } }",
        "{ drifts { nodes { id } } __typename }",
        "{ drifts { nodes { id resource { syncedAt } } } }",
        "{ drifts { nodes { ... on Node { id } } } }",
        "{ drifts(first: -1) { nodes { id } } }",
        "{ drifts { nodes { nothing } } }",
        "subscription { driftChanged { id } }",
        "mutation { acceptDrift(input: { driftId: \"1\" }) { drift { id } } }",
        "{",
    ] {
        for _ in 0..4 {
            let asked = ask(&t, &seen, "platform_admin", document).await;
            let read = asked.statements.iter().any(|sql| reads_version(sql));
            assert!(!read, "{document}: {}", asked.body);
        }
    }
    for body in [
        json!({ "query": "{ drifts { nodes { id } } }", "extensions": { "a": 1 } }),
        json!([{ "query": "{ drifts { nodes { id } } }" }]),
    ] {
        for _ in 0..3 {
            let asked = send(&t, &seen, post(&t, "platform_admin", &body, "application/json")).await;
            assert!(!asked.statements.iter().any(|sql| reads_version(sql)), "{body}");
        }
    }
}

#[tokio::test]
async fn callers_with_different_roles_never_share_an_answer() {
    let (t, seen) = observed().await;
    for _ in 0..3 {
        ask(&t, &seen, "platform_admin", PAGE).await;
    }
    assert!(ask(&t, &seen, "platform_admin", PAGE).await.again());
    let of_viewer = ask(&t, &seen, "platform_viewer", PAGE).await;
    assert!(of_viewer.statements.len() > 1, "{:#?}", of_viewer.statements);
    let without_role = ask(&t, &seen, "other", PAGE).await;
    assert!(without_role.body.contains("FORBIDDEN"), "{}", without_role.body);
    let body = json!({ "query": PAGE, "variables": { "first": 5 } });
    let mut anonymous = post(&t, "", &body, "application/json");
    anonymous.headers_mut().remove(header::AUTHORIZATION);
    let anonymous = send(&t, &seen, anonymous).await;
    assert!(anonymous.body.contains("UNAUTHENTICATED"), "{}", anonymous.body);
}

#[tokio::test]
async fn a_change_is_in_the_next_answer() {
    let (t, seen) = observed().await;
    for change in [
        "UPDATE cloud_drift SET revision = revision + 1",
        "UPDATE cloud_resources SET name = 'other'",
        "UPDATE cloud_provisioned SET spec_version = spec_version + 1",
        "UPDATE cloud_resource_events SET actor = 'other'",
        "DELETE FROM cloud_resource_events",
        "DELETE FROM cloud_drift",
    ] {
        let mut before = String::new();
        for _ in 0..3 {
            before = ask(&t, &seen, "platform_admin", PAGE).await.body;
        }
        assert!(ask(&t, &seen, "platform_admin", PAGE).await.again());
        t.database.execute(change).await.unwrap();
        let after = ask(&t, &seen, "platform_admin", PAGE).await;
        assert_ne!(after.body, before, "{change}");
        assert!(after.statements.len() > 1);
        assert!(
            ask(&t, &seen, "platform_admin", PAGE).await.again(),
            "it is kept at once"
        );
    }
}

async fn version(t: &TestApp) -> String {
    t.db().content_version().await.unwrap().unwrap()
}

#[tokio::test]
async fn every_committed_change_of_a_table_changes_the_version() {
    let (t, _) = observed().await;
    let children_first = [
        "cloud_resource_events",
        "cloud_drift",
        "cloud_provisioned",
        "cloud_resources",
    ];
    for table in children_first {
        let copy = format!("CREATE TABLE copy_{table} AS SELECT * FROM {table}");
        t.database.execute(copy).await.unwrap();
    }
    let update = |table: &str| format!("UPDATE {table} SET id = id");
    let delete = |table: &str| format!("DELETE FROM {table}");
    let insert = |table: &str| format!("INSERT INTO {table} SELECT * FROM copy_{table}");
    let mut changes: Vec<String> = children_first.into_iter().map(update).collect();
    changes.extend(children_first.into_iter().map(delete));
    changes.extend(children_first.into_iter().rev().map(insert));
    if t.database.is_postgres() {
        changes.extend(
            ["cloud_resource_events", "cloud_drift", "cloud_provisioned"]
                .map(|table| format!("TRUNCATE {table}")),
        );
        changes.push("TRUNCATE cloud_resources CASCADE".to_owned());
        let insert = insert("cloud_resources");
        changes.push(format!("SET session_replication_role = replica; {insert}"));
    }
    for change in changes {
        let before = version(&t).await;
        assert_eq!(version(&t).await, before);
        let undone = format!("BEGIN; {change}; ROLLBACK");
        t.database.execute(undone).await.unwrap();
        assert_eq!(version(&t).await, before, "rolled back: {change}");
        let changed = t.database.execute(change.as_str()).await.unwrap();
        assert!(
            changed > 0 || change.starts_with("TRUNCATE"),
            "{change} changes no row"
        );
        assert_ne!(version(&t).await, before, "{change}");
    }
}

/// Opens one connection that keeps its transaction open between calls.
async fn session(t: &TestApp) -> DatabaseConnection {
    let mut options = ConnectOptions::new(&t.database.url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

async fn text(connection: &DatabaseConnection, sql: &str) -> String {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn a_transaction_changes_the_version_once_and_a_savepoint_undoes_it() {
    let (t, _) = observed().await;
    if !t.database.is_postgres() {
        return;
    }
    let session = session(&t).await;
    let stamps = "SELECT string_agg(CAST(stamp AS text), ',' ORDER BY id) FROM content_changes";
    let run = async |sql: &str| session.execute_unprepared(sql).await.unwrap();
    let before = version(&t).await;
    run("BEGIN").await;
    run("SAVEPOINT a; UPDATE cloud_drift SET revision = revision + 1; ROLLBACK TO a").await;
    assert_eq!(text(&session, stamps).await, before);
    run("UPDATE cloud_resource_events SET actor = 'x' WHERE false; UPDATE cloud_drift SET revision = 2")
        .await;
    let first = text(&session, stamps).await;
    assert_ne!(first, before);
    for table in [
        "cloud_drift",
        "cloud_resources",
        "cloud_provisioned",
        "cloud_resource_events",
    ] {
        run(&format!("UPDATE {table} SET id = id")).await;
    }
    assert_eq!(text(&session, stamps).await, first);
    assert_eq!(version(&t).await, before, "not yet committed");
    run("COMMIT").await;
    assert_eq!(version(&t).await, first);
    run("UPDATE cloud_drift SET revision = 3 WHERE false").await;
    assert_eq!(version(&t).await, first, "nothing changed");
    run("BEGIN; UPDATE cloud_drift SET revision = 4; COMMIT").await;
    assert_ne!(
        version(&t).await,
        first,
        "the next transaction of the same session"
    );
}

#[tokio::test]
async fn concurrent_writers_do_not_wait_for_each_other() {
    let (t, _) = observed().await;
    if !t.database.is_postgres() {
        return;
    }
    let resource = t.resource("web-1").await.id;
    let mut writers = Vec::new();
    for number in 0..4 {
        let writer = session(&t).await;
        let level = if number == 3 {
            "REPEATABLE READ"
        } else {
            "READ COMMITTED"
        };
        writer
            .execute_unprepared(&format!(
                "SET lock_timeout = '5s'; BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM cloud_drift"
            ))
            .await
            .unwrap();
        writers.push(writer);
    }
    // The last one has a snapshot from before these commits.
    for _ in 0..2 {
        t.database
            .execute("UPDATE cloud_resource_events SET actor = 'x'")
            .await
            .unwrap();
    }
    for writer in &writers {
        let event = format!(
            "INSERT INTO cloud_resource_events (id, resource_id, type, actor, data, occurred_at) \
             VALUES (gen_random_uuid(), '{resource}', 'drift_detected', 'w', '{{}}', now())"
        );
        writer.execute_unprepared(&event).await.unwrap();
    }
    let mut versions = vec![version(&t).await];
    // The order of the commits is not that of the changes.
    for number in [2, 0, 3, 1] {
        writers[number].execute_unprepared("COMMIT").await.unwrap();
        versions.push(version(&t).await);
    }
    let number = versions.len();
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), number, "each commit changes the version");
    t.database
        .execute("UPDATE cloud_drift SET revision = 9")
        .await
        .unwrap();
    let rows = text(&writers[0], "SELECT CAST(count(*) AS text) FROM content_changes").await;
    assert_eq!(rows, "4", "rows are used again");
}

/// The greatest values that were committed, by the part of the page that shows them.
#[derive(Default)]
struct Committed {
    revision: AtomicI64,
    spec_version: AtomicI64,
    name: AtomicI64,
    actor: AtomicI64,
}

/// Writes with SQL of its own until the end. The statement returns the number that it writes.
async fn write(connection: DatabaseConnection, sql: &str, committed: &AtomicI64, end: &AtomicBool) {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let mut pause = 0;
    while !end.load(Ordering::SeqCst) {
        if let Ok(Some(row)) = connection.query_one_raw(statement.clone()).await {
            let number: String = row.try_get_by_index(0).unwrap();
            committed.fetch_max(number.parse().unwrap(), Ordering::SeqCst);
        }
        pause = (pause + 7) % 40;
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// Writes through a service until the end.
async fn record(t: &TestApp, resource_id: Uuid, committed: &AtomicI64, end: &AtomicBool) {
    let record = RecordSpec {
        resource_id,
        spec: json!({ "tags": ["c"] }),
        source: SOURCE_API.to_owned(),
        expected_version: None,
        take_over: false,
        reason: None,
    };
    while !end.load(Ordering::SeqCst) {
        if let Ok(spec) = record_provisioned(t.db(), ADMIN, &record, t.now()).await {
            committed.fetch_max(spec.spec_version.into(), Ordering::SeqCst);
        }
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

/// Compares answers with what was committed before their requests.
async fn read(t: &TestApp, committed: &Committed, end: &AtomicBool, answers: &AtomicUsize) {
    let body = json!({ "query": PAGE, "variables": { "first": 1 } });
    while !end.load(Ordering::SeqCst) {
        let load = |number: &AtomicI64| number.load(Ordering::SeqCst);
        let least = [
            load(&committed.revision),
            load(&committed.spec_version),
            load(&committed.name),
            load(&committed.actor),
        ];
        let response = t.send(post(t, "platform_admin", &body, "application/json")).await;
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let answer: Value = serde_json::from_slice(&bytes).unwrap();
        let drift = &answer["data"]["drifts"]["nodes"][0];
        let resource = &drift["resource"];
        let number = |text: &Value| text.as_str().unwrap().parse::<i64>().unwrap_or_default();
        let shown = [
            drift["revision"].as_i64().unwrap(),
            resource["provisioned"]["specVersion"].as_i64().unwrap(),
            number(&resource["name"]),
            number(&resource["events"]["nodes"][0]["actor"]),
        ];
        for (shown, least) in shown.iter().zip(least) {
            assert!(*shown >= least, "{shown} is older than {least}: {answer}");
        }
        answers.fetch_add(1, Ordering::SeqCst);
    }
}

/// Several connections write with SQL of their own and through the services, while others read.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_answer_is_never_older_than_what_was_committed_before_its_request() {
    let (t, seen) = observed().await;
    let (committed, end, answers) = (Committed::default(), AtomicBool::new(false), AtomicUsize::new(0));
    let resource = t.resource("web-1").await.id;
    t.database
        .execute("UPDATE cloud_resources SET name = '1'; UPDATE cloud_resource_events SET actor = '1'")
        .await
        .unwrap();
    let next = |column: &str| format!("CAST(CAST({column} AS integer) + 1 AS text)");
    let sql = [
        "UPDATE cloud_provisioned SET spec_version = spec_version + 1 RETURNING CAST(spec_version AS text)"
            .to_owned(),
        "UPDATE cloud_drift SET revision = revision + 1 RETURNING CAST(revision AS text)".to_owned(),
        format!(
            "UPDATE cloud_resources SET name = {} RETURNING name",
            next("name")
        ),
        format!(
            "UPDATE cloud_resource_events SET actor = {} WHERE type = 'drift_detected' RETURNING actor",
            next("actor")
        ),
    ];
    // Other events of the services must not come first.
    t.database
        .execute(
            "UPDATE cloud_resource_events SET occurred_at = '2099-01-01T00:00:00+00:00' \
             WHERE type = 'drift_detected'",
        )
        .await
        .unwrap();
    seen.lock().unwrap().clear();
    let reads_events = |sql: &&String| sql.starts_with("SELECT") && sql.contains("cloud_resource_events");
    let counts = || {
        let executed = seen.lock().unwrap().iter().filter(reads_events).count();
        (executed, answers.load(Ordering::SeqCst))
    };
    let are_enough = |(executed, answers): (usize, usize)| executed > 5 && executed + 5 < answers;
    let stop = async {
        // At least three seconds, and on a busy machine until some answers were executed and some were kept.
        for second in 0..60 {
            if second >= 3 && are_enough(counts()) {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        end.store(true, Ordering::SeqCst);
    };
    let readers = async {
        tokio::join!(
            read(&t, &committed, &end, &answers),
            read(&t, &committed, &end, &answers),
            read(&t, &committed, &end, &answers),
            read(&t, &committed, &end, &answers)
        )
    };
    tokio::join!(
        stop,
        readers,
        write(session(&t).await, &sql[0], &committed.spec_version, &end),
        write(session(&t).await, &sql[1], &committed.revision, &end),
        write(session(&t).await, &sql[2], &committed.name, &end),
        write(session(&t).await, &sql[3], &committed.actor, &end),
        record(&t, resource, &committed.spec_version, &end),
    );
    let (executed, answers) = counts();
    assert!(
        are_enough((executed, answers)),
        "{executed} of {answers} were executed"
    );
}

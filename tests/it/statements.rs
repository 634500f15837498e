//! The cost of pages and imports: the number of statements, and the rows that they read.

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use entity::cloud_resource_events::{self as events, EventType};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbBackend, EntityTrait, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::db::TestDb;
use crate::support::fleet::{FLEET_FIELDS, fleet};
use crate::support::state::droplets;

/// A query of the inbox with all fields that the inbox page shows.
const INBOX: &str = "query($first: Int, $after: String) { drifts(first: $first, after: $after) { totalCount
    pageInfo { hasNextPage endCursor }
    nodes { id kind field expected actual status revision detectedAt resolvedAt resolvedBy resolutionNote
        resource { id provider kind providerId urn name region sizeSlug status ip vpcUuid projectId tags attrs
            firstSeenAt syncedAt goneAt
            provisioned { id spec specVersion recordedBy recordedAt }
            events(first: 5) { nodes { id type actor data occurredAt } } } } } }";

/// The executed statements.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Statement>>>);

impl Log {
    fn take(&self) -> Vec<Statement> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Creates a server whose statements are logged.
async fn observed() -> (TestApp, Log) {
    let database = TestDb::create().await;
    let log = Log::default();
    let seen = Arc::clone(&log.0);
    let db = database
        .connect_and_migrate()
        .await
        .observed(move |info| seen.lock().unwrap().push(info.statement.clone()));
    (TestApp::over(db, database), log)
}

/// Queries a page of the inbox with this many rows and returns its statements.
async fn page_of(t: &TestApp, log: &Log, rows: usize) -> Vec<Statement> {
    log.take();
    let page = t.data(INBOX, json!({ "first": rows })).await;
    let nodes = page["drifts"]["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), rows);
    for node in nodes {
        let resource = &node["resource"];
        assert_eq!(resource["provisioned"]["specVersion"], 1);
        let events = resource["events"]["nodes"].as_array().unwrap();
        assert_eq!(events.len(), FLEET_FIELDS.len());
    }
    log.take()
}

fn texts(statements: &[Statement]) -> Vec<&str> {
    statements
        .iter()
        .map(|statement| statement.sql.as_str())
        .collect()
}

#[tokio::test]
async fn a_page_of_50_rows_needs_as_many_statements_as_a_page_of_5() {
    let (t, log) = observed().await;
    fleet(t.db(), 60, t.now()).await;
    t.sweep().await;
    let (few, many) = (page_of(&t, &log, 5).await, page_of(&t, &log, 50).await);
    assert_eq!(few.len(), many.len(), "{:#?}\n{:#?}", texts(&few), texts(&many));
    assert!(many.len() <= 6, "{:#?}", texts(&many));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_page_needs_the_same_statements_on_several_threads() {
    let (t, log) = observed().await;
    fleet(t.db(), 60, t.now()).await;
    t.sweep().await;
    for time in 0..20 {
        let rows = if time % 2 == 0 { 50 } else { 5 };
        let statements = page_of(&t, &log, rows).await;
        assert_eq!(statements.len(), 6, "{time}: {:#?}", texts(&statements));
    }
}

#[tokio::test]
async fn a_page_of_stored_columns_reads_only_those_in_one_statement_for_each_table() {
    let (t, log) = observed().await;
    fleet(t.db(), 60, t.now()).await;
    t.sweep().await;
    log.take();
    let inbox =
        "{ drifts(first: 50) { edges { node { id field expected resource { id name kind region } } } } }";
    t.data(inbox, json!({})).await;
    let statements = log.take();
    assert_eq!(statements.len(), 1, "{:#?}", texts(&statements));
    for unread in ["attrs", "tags", "provider_id", "COUNT("] {
        assert!(!statements[0].sql.contains(unread), "{}", statements[0].sql);
    }
    let deep = |first| {
        format!(
            "{{ drifts(first: {first}) {{ nodes {{ id resource {{ id provisioned {{ specVersion }}
                events(first: 5) {{ nodes {{ type occurredAt }} }} }} }} }} }}"
        )
    };
    t.data(&deep(5), json!({})).await;
    let few = log.take();
    t.data(&deep(100), json!({})).await;
    let many = log.take();
    assert_eq!(many.len(), 3, "{:#?}", texts(&many));
    assert!(many.iter().all(|statement| !statement.sql.contains("UNION")));
    assert_eq!(
        texts(&few)[1..],
        texts(&many)[1..],
        "the database plans each text once"
    );
    assert!(many[0].values.is_none(), "{:#?}", many[0]);
    assert!(
        !texts(&many)
            .iter()
            .any(|sql| sql.contains("attrs") || sql.contains("\"spec\"") || sql.contains("\"data\""))
    );
}

#[tokio::test]
async fn a_written_page_of_resources_with_5000_events_reads_only_its_rows() {
    let (t, log) = observed().await;
    let ids = fleet(t.db(), 3, t.now()).await;
    for id in &ids {
        log_events(&t, *id, 5_000).await;
    }
    t.database.execute("ANALYZE").await.unwrap();
    t.sweep().await;
    log.take();
    let query = "{ drifts(first: 9) { nodes { resource { events(first: 5) { nodes { data } } } } } }";
    let page = t.data(query, json!({})).await;
    for node in page["drifts"]["nodes"].as_array().unwrap() {
        assert_eq!(node["resource"]["events"]["nodes"][4]["data"]["n"], 4_998);
    }
    let statements = log.take();
    assert_eq!(statements.len(), 2, "{:#?}", texts(&statements));
    let of_events = about(&statements, "\"cloud_resource_events\"");
    let plan = plan_of(&t, of_events).await;
    let index = "ix_cloud_resource_events_resource_id_occurred_at_id";
    match &plan {
        Plan::Steps(steps) => {
            let of_table = steps
                .iter()
                .filter(|step| step.contains(" i ") || step.contains(" e "));
            for step in of_table {
                let walked = step.contains(index) || step.contains("INTEGER PRIMARY KEY");
                assert!(step.starts_with("SEARCH") && walked, "{steps:#?}");
            }
        }
        Plan::Tree(_) => plan.walks(index, 18),
    }
}

/// Returns the query plan of a statement with its values: a list of steps on SQLite, a JSON document on PostgreSQL.
/// PostgreSQL executes the statement for this.
async fn plan_of(t: &TestApp, statement: &Statement) -> Plan {
    let explain = match t.db().backend() {
        DbBackend::Sqlite => "EXPLAIN QUERY PLAN",
        _ => "EXPLAIN (ANALYZE, FORMAT JSON)",
    };
    let explained = Statement {
        sql: format!("{explain} {}", statement.sql),
        ..statement.clone()
    };
    let rows = t.db().reader().query_all_raw(explained).await.unwrap();
    match t.db().backend() {
        DbBackend::Sqlite => Plan::Steps(
            rows.iter()
                .map(|row| row.try_get("", "detail").unwrap())
                .collect(),
        ),
        _ => Plan::Tree(rows[0].try_get::<Value>("", "QUERY PLAN").unwrap()[0]["Plan"].take()),
    }
}

#[derive(Debug)]
enum Plan {
    Steps(Vec<String>),
    Tree(Value),
}

impl Plan {
    /// Checks that the plan uses `index`, sorts nothing, and on PostgreSQL that no step reads more than `rows` rows.
    fn walks(&self, index: &str, rows: i64) {
        match self {
            Self::Steps(steps) => {
                assert!(steps.iter().any(|step| step.contains(index)), "{steps:#?}");
                assert!(
                    !steps.iter().any(|step| step.contains("TEMP B-TREE")),
                    "{steps:#?}"
                );
                let whole = |step: &&String| step.starts_with("SCAN cloud_") && !step.contains(" USING ");
                assert_eq!(steps.iter().find(whole), None, "{steps:#?}");
            }
            Self::Tree(tree) => {
                let mut nodes = vec![tree];
                let mut walked = false;
                while let Some(node) = nodes.pop() {
                    walked |= node["Index Name"] == index;
                    assert_ne!(node["Node Type"], "Sort", "{tree:#}");
                    assert_ne!(node["Node Type"], "Seq Scan", "{tree:#}");
                    let read = node["Actual Rows"].as_i64().unwrap();
                    let dropped = node["Rows Removed by Filter"].as_i64().unwrap_or_default();
                    assert!(read + dropped <= rows, "{node:#}");
                    nodes.extend(node["Plans"].as_array().into_iter().flatten());
                }
                assert!(walked, "{tree:#}");
            }
        }
    }
}

/// Adds this many events to the log of a resource, one per second.
async fn log_events(t: &TestApp, resource_id: Uuid, count: i64) {
    let now = t.now();
    let rows: Vec<_> = (0..count)
        .map(|n| events::ActiveModel {
            id: Set(Uuid::now_v7()),
            resource_id: Set(resource_id),
            event_type: Set(EventType::ResourceChanged),
            actor: Set("system".to_owned()),
            data: Set(json!({ "n": n })),
            occurred_at: Set(now - TimeDelta::seconds(count - n)),
        })
        .collect();
    let rows = &rows;
    t.db()
        .write_txn(|txn| async move {
            for chunk in rows.chunks(drift_inbox::db::ROWS_PER_INSERT) {
                events::Entity::insert_many(chunk.to_vec())
                    .exec_without_returning(&*txn)
                    .await?;
            }
            Ok(())
        })
        .await
        .unwrap();
}

fn about<'s>(statements: &'s [Statement], needle: &str) -> &'s Statement {
    let found: Vec<_> = statements.iter().filter(|s| s.sql.contains(needle)).collect();
    assert_eq!(found.len(), 1, "{:#?}", texts(statements));
    found[0]
}

#[tokio::test]
async fn a_page_of_a_resource_with_5000_events_reads_only_its_rows() {
    let (t, log) = observed().await;
    let ids = fleet(t.db(), 3, t.now()).await;
    for id in &ids {
        log_events(&t, *id, 5_000).await;
    }
    t.database.execute("ANALYZE").await.unwrap();
    t.sweep().await;
    log.take();
    let page = t.data(INBOX, json!({ "first": 9 })).await;
    for node in page["drifts"]["nodes"].as_array().unwrap() {
        let newest = &node["resource"]["events"]["nodes"];
        assert_eq!(newest[0]["type"], "DRIFT_DETECTED");
        assert_eq!(newest[4]["data"]["n"], 4_998);
    }
    let statements = log.take();
    let of_events = about(&statements, "\"cloud_resource_events\"");
    // 5 events and one more for each of 3 resources.
    let plan = plan_of(&t, of_events).await;
    plan.walks("ix_cloud_resource_events_resource_id_occurred_at_id", 18);
}

#[tokio::test]
async fn a_page_of_5000_drifts_uses_the_index_of_its_order() {
    let (t, log) = observed().await;
    fleet(t.db(), 1_700, t.now()).await;
    t.sweep().await;
    t.database.execute("ANALYZE").await.unwrap();
    let mut after = Value::Null;
    for page in 0..3 {
        log.take();
        let answer = t.data(INBOX, json!({ "first": 50, "after": after })).await;
        let drifts = &answer["drifts"];
        assert_eq!(drifts["totalCount"], 5_100);
        assert_eq!(drifts["nodes"].as_array().unwrap().len(), 50);
        after = drifts["pageInfo"]["endCursor"].clone();
        let statements = log.take();
        assert_eq!(statements.len(), 6, "page {page}");
        let plan = plan_of(&t, about(&statements, "ORDER BY \"cloud_drift\"")).await;
        plan.walks("ix_cloud_drift_status_detected_at_id", 51);
    }
}

/// Imports one batch and returns its statements. `droplets_each` droplets are changed, as many are unchanged, and as
/// many left the state.
async fn import_of(droplets_each: usize) -> Vec<Statement> {
    let (t, log) = observed().await;
    let names: Vec<String> = (0..3 * droplets_each).map(|n| format!("web-{n}")).collect();
    let sized = |size: &'static str| names.iter().map(move |name| (name.as_str(), size));
    let before: Vec<_> = sized("s-1").collect();
    t.import(&droplets("l-1", 1, &before)).await;
    let after: Vec<_> = sized("s-2")
        .take(droplets_each)
        .chain(sized("s-1").skip(droplets_each).take(droplets_each))
        .collect();
    log.take();
    let summary = t.import(&droplets("l-1", 2, &after)).await;
    let each = droplets_each as u64;
    assert_eq!(
        (summary.changed, summary.unchanged, summary.retired),
        (each, each, each)
    );
    log.take()
}

#[tokio::test]
async fn an_import_of_many_changes_needs_as_many_statements_as_an_import_of_few() {
    let (few, many) = (import_of(2).await, import_of(80).await);
    assert_eq!(few.len(), many.len(), "{:#?}\n{:#?}", texts(&few), texts(&many));
}

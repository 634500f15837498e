//! The cost of a sweep for the database: its statements and the rows that they read grow no faster than the number of
//! resources.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::Value;

use crate::support::TestApp;
use crate::support::db::TestDb;
use crate::support::fleet::fleet;

/// Pairs in one batch.
const BATCH: usize = 1_000;
/// Ids from which the bounds of some batches are taken.
const BOUNDED: usize = 8 * BATCH;

/// A server with this many resources, of which every tenth differs from its spec in three fields, and the statements
/// that it runs from now on.
async fn a_fleet_of(resources: usize) -> (TestApp, Arc<Mutex<Vec<Statement>>>) {
    let database = TestDb::create().await;
    let log = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&log);
    let db = database.connect_and_migrate().await;
    let db = db.observed(move |info| heard.lock().unwrap().push(info.statement.clone()));
    let t = TestApp::over(db, database);
    fleet(t.db(), resources, t.now()).await;
    let equal = r#"UPDATE cloud_provisioned SET spec = '{"region":"nyc3"}' WHERE resource_id IN
        (SELECT id FROM cloud_resources WHERE provider_id NOT LIKE '%0')"#;
    t.database.execute(equal).await.unwrap();
    t.database.execute("ANALYZE").await.unwrap();
    log.lock().unwrap().clear();
    (t, log)
}

fn taken(log: &Mutex<Vec<Statement>>) -> Vec<Statement> {
    std::mem::take(&mut *log.lock().unwrap())
}

fn texts(statements: &[Statement]) -> BTreeSet<&str> {
    statements
        .iter()
        .map(|statement| statement.sql.as_str())
        .collect()
}

#[tokio::test]
async fn a_sweep_of_more_resources_has_the_same_statements_more_often() {
    let (few, log) = a_fleet_of(3_000).await;
    assert_eq!(few.sweep().await.opened, 900);
    let of_few = taken(&log);
    let (many, log) = a_fleet_of(8_000).await;
    assert_eq!(many.sweep().await.opened, 2_400);
    let of_many = taken(&log);
    let added: Vec<_> = texts(&of_many).difference(&texts(&of_few)).copied().collect();
    assert!(added.is_empty(), "{added:#?}");
    // Five batches of 1,000 pairs more; more than 500 changes in each transaction but the last.
    let counts = (of_few.len(), of_many.len());
    assert!(counts.1 <= counts.0 + 5 * 2 + 3 * 12, "{counts:?}");
}

#[tokio::test]
async fn a_sweep_reads_each_range_once() {
    let (t, log) = a_fleet_of(5_000).await;
    t.sweep().await;
    let statements = taken(&log);
    let reads: Vec<_> = statements
        .iter()
        .filter(|statement| statement.sql.starts_with("SELECT") && !statement.sql.contains("FOR "))
        .filter(|statement| {
            ["cloud_drift", "cloud_provisioned"]
                .iter()
                .any(|t| statement.sql.contains(t))
        })
        .filter(|statement| !statement.sql.contains("DISTINCT"))
        // Reads by id what is recorded of the drifts that open, which are those of several ranges.
        .filter(|statement| !statement.sql.contains("recorded_since"))
        .collect();
    assert!(reads.len() >= 8, "{:#?}", texts(&statements));
    for read in reads {
        reads_one_batch(&t, read).await;
    }
}

/// The plan of the statement walks indexes and reads no more rows than a batch has.
async fn reads_one_batch(t: &TestApp, statement: &Statement) {
    let explain = |how: &str| Statement {
        sql: format!("{how} {}", statement.sql),
        ..statement.clone()
    };
    if t.db().backend() == DbBackend::Sqlite {
        let rows = t
            .db()
            .reader()
            .query_all_raw(explain("EXPLAIN QUERY PLAN"))
            .await
            .unwrap();
        let steps: Vec<String> = rows
            .iter()
            .map(|row| row.try_get("", "detail").unwrap())
            .collect();
        // The first batch begins at the beginning.
        let scans = |step: &&String| {
            let of_subquery = step.contains("VIRTUAL")
                || step.contains("(subquery")
                || *step == "SCAN ids"
                || *step == "SCAN CONSTANT ROW";
            step.starts_with("SCAN") && !step.contains("USING") && !of_subquery
        };
        assert_eq!(steps.iter().find(scans), None, "{}\n{steps:#?}", statement.sql);
        assert!(
            !steps.iter().any(|step| step.contains("TEMP B-TREE")),
            "{steps:#?}"
        );
        return;
    }
    let rows = t
        .db()
        .reader()
        .query_all_raw(explain("EXPLAIN (ANALYZE, FORMAT JSON)"))
        .await
        .unwrap();
    let plan: Value = rows[0].try_get("", "QUERY PLAN").unwrap();
    let most = if statement.sql.contains("row_number()") {
        BOUNDED
    } else {
        BATCH
    };
    let mut nodes = vec![&plan[0]["Plan"]];
    while let Some(node) = nodes.pop() {
        let times = node["Actual Loops"].as_i64().unwrap();
        let read =
            node["Actual Rows"].as_i64().unwrap() + node["Rows Removed by Filter"].as_i64().unwrap_or(0);
        assert!(read * times <= most as i64, "{}\n{plan:#}", statement.sql);
        nodes.extend(node["Plans"].as_array().into_iter().flatten());
    }
}

#[tokio::test]
async fn a_sweep_over_unchanged_data_writes_no_row_and_locks_none() {
    let (t, log) = a_fleet_of(2_500).await;
    t.sweep().await;
    log.lock().unwrap().clear();
    let counts = t.sweep().await;
    assert_eq!(
        (counts.resources, counts.opened + counts.changed + counts.staled),
        (2_500, 0)
    );
    for statement in taken(&log) {
        let of_the_run = statement.sql.contains("job_runs");
        assert!(
            of_the_run || !statement.sql.contains("INSERT") && !statement.sql.contains("UPDATE"),
            "{statement}"
        );
    }
}

#[tokio::test]
async fn a_sweep_writes_all_drifts_if_its_last_range_is_full() {
    // The first range has 200 pairs, the others 1,000.
    for resources in [199, 200, 201, 1_200] {
        let t = TestApp::new().await;
        let ids = fleet(t.db(), resources, t.now()).await;
        // Few changes, so that they are not written before the end.
        let equal = format!(
            r#"UPDATE cloud_provisioned SET spec = '{{"region":"nyc3"}}' WHERE resource_id IN
            (SELECT id FROM cloud_resources WHERE provider_id <> 'fleet-{}')"#,
            resources - 1
        );
        t.database.execute(equal).await.unwrap();
        let counts = t.sweep().await;
        assert_eq!((counts.resources, counts.opened), (resources as u64, 3));
        let last = ids.last().copied();
        assert!(
            t.inbox()
                .await
                .iter()
                .all(|drift| Some(drift.resource_id) == last)
        );
        assert_eq!(t.inbox().await.len(), 3);
    }
}

/// On SQLite, a list of open drifts is written by looking up each id. The index of all open drifts would be walked with the
/// whole list for each of them.
#[tokio::test]
async fn lists_of_drifts_are_written_by_their_ids() {
    let (t, log) = a_fleet_of(300).await;
    if t.database.is_postgres() {
        return;
    }
    t.sweep().await;
    let changes = [
        "UPDATE cloud_drift SET severity = 'low', actual = '1' WHERE field = 'size_slug'",
        "UPDATE cloud_drift SET severity = 'low' WHERE field <> 'size_slug'",
        "UPDATE cloud_provisioned SET spec = '{}' WHERE resource_id IN \
         (SELECT id FROM cloud_resources WHERE provider_id LIKE '%50')",
        "UPDATE upkeep SET started_at = NULL, finished_at = NULL",
    ];
    for sql in changes {
        t.database.execute(sql).await.unwrap();
    }
    taken(&log);
    t.sweep().await;
    let statements = taken(&log);
    let writes: Vec<_> = statements
        .iter()
        .filter(|statement| statement.sql.starts_with("UPDATE \"cloud_drift\""))
        .collect();
    assert!(writes.len() >= 3, "{:#?}", texts(&statements));
    for write in writes {
        let explain = Statement {
            sql: format!("EXPLAIN QUERY PLAN {}", write.sql),
            ..write.clone()
        };
        let rows = t.db().reader().query_all_raw(explain).await.unwrap();
        let steps: Vec<String> = rows
            .iter()
            .map(|row| row.try_get("", "detail").unwrap())
            .collect();
        assert!(
            !steps.iter().any(|step| step.contains("(status=?")),
            "{}\n{steps:#?}",
            write.sql
        );
    }
}

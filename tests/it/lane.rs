//! The lane of expensive queries.

use std::time::Duration;

use drift_inbox::db::Db;
use drift_inbox::error::Error;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use tokio::time::timeout;

use crate::support::db::TestDb;
use crate::support::pgbouncer::PgBouncer;
use crate::support::process::MAX_WAIT;

/// Never ends by itself within the time of a test.
fn endless(backend: DbBackend) -> Statement {
    let sql = match backend {
        DbBackend::Postgres => "SELECT CAST(pg_sleep(50) AS text)",
        _ => "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
    };
    Statement::from_string(backend, sql)
}

/// Runs a query in the lane and returns its number.
async fn number(db: &Db, sql: &str) -> i64 {
    let statement = Statement::from_string(db.backend(), sql);
    let query = async { Ok::<_, Error>(db.reader().query_one_raw(statement).await?.unwrap()) };
    let row = timeout(MAX_WAIT, db.in_lane(query)).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

async fn stops_abandoned_queries(url: &str) {
    // One place in the lane; on SQLite also one connection.
    let db = Db::connect(url, 1).await.unwrap();
    let abandoned = async {
        db.reader().query_one_raw(endless(db.backend())).await?;
        Ok::<_, Error>(())
    };
    let waited = timeout(Duration::from_millis(300), db.in_lane(abandoned)).await;
    assert!(waited.is_err(), "{waited:?}");
    let running = match db.backend() {
        DbBackend::Postgres => {
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' \
             AND query LIKE '%pg_sleep(50)%' AND pid <> pg_backend_pid()"
        }
        // A connection that is free again runs nothing.
        _ => "SELECT 0",
    };
    assert_eq!(number(&db, running).await, 0, "the statement runs on");
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_place_in_the_lane_is_free_after_the_statement_of_an_abandoned_query_was_stopped() {
    let database = TestDb::create().await;
    stops_abandoned_queries(&database.url).await;
}

#[tokio::test]
async fn statements_of_abandoned_queries_are_stopped_behind_a_pooler() {
    let Some(server) = std::env::var("TEST_DATABASE_URL")
        .ok()
        .filter(|url| !url.is_empty())
    else {
        return;
    };
    let database = TestDb::create().await;
    let pooler = PgBouncer::start(&server, 3, "");
    stops_abandoned_queries(&pooler.url(&database)).await;
}

/// A query that has ended leaves nothing behind that would stop the next one on its connection.
#[tokio::test]
async fn queries_of_the_lane_and_others_share_connections() {
    let (_database, db) = TestDb::migrated().await;
    for _ in 0..3 {
        // Long enough to be checked several times on SQLite.
        let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
                    SELECT CAST(count(*) AS bigint) FROM n";
        assert_eq!(number(&db, many).await, 20_000);
        let statement = Statement::from_string(db.backend(), many);
        let row = db.reader().query_one_raw(statement).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 20_000);
    }
}

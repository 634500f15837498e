//! Confirmed writes are in the database, even after earlier failures.

use drift_inbox::db::Db;
use drift_inbox::error::Error;
use sea_orm::{ConnectionTrait, Database, Statement};

use crate::support::db::TestDb;

/// Creates a database with a table for these tests.
async fn database() -> (TestDb, Db) {
    let (database, db) = TestDb::migrated().await;
    database
        .execute("CREATE TABLE written (id INTEGER PRIMARY KEY)")
        .await
        .unwrap();
    (database, db)
}

/// Writes one row.
async fn write(db: &Db, id: u32) -> Result<(), Error> {
    db.write_txn(|txn| async move {
        txn.execute_unprepared(&format!("INSERT INTO written VALUES ({id})"))
            .await?;
        Ok(())
    })
    .await
}

/// Writes one row in a transaction that is rolled back before the commit, as by SQLite when the disk is full.
async fn write_and_lose(db: &Db, id: u32) -> Result<(), Error> {
    db.write_txn(|txn| async move {
        txn.execute_unprepared(&format!("INSERT INTO written VALUES ({id})"))
            .await?;
        txn.execute_unprepared("ROLLBACK").await?;
        Ok(())
    })
    .await
}

/// Runs a transaction that fails with an error of the application, like an accept of a value that has changed.
async fn refused_write(db: &Db) {
    let refused: Result<(), Error> = db.write_txn(|_txn| async { Err(Error::NotFound("drift")) }).await;
    assert!(matches!(refused, Err(Error::NotFound(_))), "{refused:?}");
}

/// Reads the rows on another connection.
async fn written(database: &TestDb) -> Vec<i32> {
    let connection = Database::connect(&database.url).await.unwrap();
    let sql = "SELECT id FROM written ORDER BY id";
    let rows = connection
        .query_all_raw(Statement::from_string(connection.get_database_backend(), sql))
        .await
        .unwrap();
    connection.close().await.unwrap();
    rows.iter().map(|row| row.try_get("", "id").unwrap()).collect()
}

async fn nothing_is_lost_after(failures: u32) {
    let (database, db) = database().await;
    for n in 0..failures {
        let outcome = write_and_lose(&db, 1_000 + n).await;
        assert!(outcome.is_err(), "a lost transaction was reported as a success");
        refused_write(&db).await;
    }
    for id in 1..=3 {
        write(&db, id).await.unwrap();
    }
    assert_eq!(written(&database).await, [1, 2, 3], "after {failures} failures");
    database
        .execute("INSERT INTO written VALUES (4)")
        .await
        .expect("a transaction was left open");
    db.close().await.unwrap();
    assert_eq!(written(&database).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn no_write_is_lost_after_one_aborted_transaction() {
    nothing_is_lost_after(1).await;
}

#[tokio::test]
async fn no_write_is_lost_after_two_aborted_transactions() {
    nothing_is_lost_after(2).await;
}

#[tokio::test]
async fn no_write_is_lost_after_twenty_aborted_transactions() {
    nothing_is_lost_after(20).await;
}

/// SQLite loses the last commits in a power cut unless it syncs its log at each commit. On PostgreSQL this is a setting
/// of the database server.
#[tokio::test]
async fn a_commit_to_sqlite_is_synced_to_the_disk_before_it_is_confirmed() {
    const FULL: i32 = 2;
    let (database, db) = database().await;
    if database.is_postgres() {
        return;
    }
    let setting = db.write_txn(|txn| async move {
        let pragma = Statement::from_string(txn.get_database_backend(), "PRAGMA synchronous");
        let row = txn.query_one_raw(pragma).await?.expect("SQLite has this setting");
        Ok(row.try_get_by_index::<i32>(0)?)
    });
    assert_eq!(setting.await.unwrap(), FULL);
}

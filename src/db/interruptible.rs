//! Queries of SQLite that stop when their caller is gone.
//!
//! SQLite runs a statement in a thread of its own up to its next row. A query that reads many rows to return one would
//! therefore run to its end after the caller has disconnected. SQLite itself asks a function from time to time whether to
//! go on; setting this function takes as long as a small query, so that only queries in the lane of expensive ones have it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::sqlite::{SqlitePool, SqliteRow};
use sea_orm::sqlx::{self, Sqlite};
use sea_orm::{DbErr, RuntimeErr, Statement};
use sea_query_sqlx::SqlxValues;

use super::held::not_taken;
use super::lane::Place;

/// Number of instructions of SQLite's virtual machine between two checks, a few hundred microseconds.
const INSTRUCTIONS: i32 = 10_000;

/// A connection whose statement stops when this is dropped.
struct Interruptible {
    connection: Option<PoolConnection<Sqlite>>,
    is_abandoned: Arc<AtomicBool>,
    place: Option<Place>,
}

/// Returns the rows of a query that has this place in the lane. If the caller stops waiting, the statement is stopped, and
/// the place is free after that.
///
/// # Errors
///
/// No connection is free in time, or the statement fails.
pub(super) async fn rows(
    pool: &SqlitePool,
    statement: &Statement,
    place: Place,
) -> Result<Vec<SqliteRow>, DbErr> {
    let mut interruptible = Interruptible::take(pool, place).await?;
    let rows = interruptible.rows(statement).await;
    interruptible.put_back().await;
    rows.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
}

impl Interruptible {
    async fn take(pool: &SqlitePool, place: Place) -> Result<Self, DbErr> {
        let taken = Self {
            connection: Some(pool.acquire().await.map_err(not_taken)?),
            is_abandoned: Arc::default(),
            place: Some(place),
        };
        taken.watched().await.map_err(not_taken)
    }

    async fn watched(mut self) -> Result<Self, sqlx::Error> {
        if let Some(connection) = &mut self.connection {
            let is_abandoned = Arc::clone(&self.is_abandoned);
            let goes_on = move || !is_abandoned.load(Ordering::Relaxed);
            let mut handle = connection.lock_handle().await?;
            handle.set_progress_handler(INSTRUCTIONS, goes_on);
        }
        Ok(self)
    }

    async fn rows(&mut self, statement: &Statement) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let Some(connection) = &mut self.connection else {
            return Err(sqlx::Error::PoolClosed);
        };
        let values = statement.values.clone().unwrap_or(sea_orm::Values(Vec::new()));
        sqlx::query_with(sqlx::AssertSqlSafe(statement.sql.as_str()), SqlxValues(values))
            .fetch_all(&mut **connection)
            .await
    }

    /// Returns the connection to the pool as it was.
    async fn put_back(mut self) {
        if let Some(connection) = self.connection.take() {
            return_unwatched(connection).await;
        }
    }
}

/// Removes the check from a connection and returns it to the pool.
async fn return_unwatched(mut connection: PoolConnection<Sqlite>) {
    let removed = connection
        .lock_handle()
        .await
        .map(|mut handle| handle.remove_progress_handler());
    if let Err(error) = removed {
        // The thread of the connection has ended.
        tracing::debug!(%error, "a connection to SQLite is closed");
        connection.close_on_drop();
    }
    connection.return_to_pool().await;
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        self.is_abandoned.store(true, Ordering::Relaxed);
        let place = self.place.take();
        // Without a runtime, the process ends.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                return_unwatched(connection).await;
                drop(place);
            });
        }
    }
}

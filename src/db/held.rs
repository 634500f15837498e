//! A connection of PostgreSQL that was taken from a pool.
//!
//! The other end may fall silent: its machine is gone, or a device on the way has forgotten the connection. Nothing
//! arrives then, not even an error, and limits of the database do not help. Therefore each step has a limit here: the
//! statement, and the return to the pool. A connection that exceeds it is closed, and its place in the pool is free again.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::postgres::{PgConnection, PgPool, PgQueryResult, PgRow};
use sea_orm::sqlx::{self, Postgres};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, Statement};
use sea_query_sqlx::SqlxValues;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::lane::{self, Place};

/// Maximum time for the return of a connection to its pool, which waits for the statement of a request that was
/// abandoned. If this statement takes longer, the connection is closed, and the database stops it.
const RETURN: Duration = Duration::from_secs(2);

/// How long the database may take to stop the statement of a connection that was closed. See
/// `client_connection_check_interval` in `pools.rs`.
const STOP: Duration = Duration::from_secs(2);

/// What the database is asked.
pub(super) enum Ask<'s> {
    /// A statement that returns rows.
    Rows(&'s Statement),
    /// A statement that returns the number of rows that it changed.
    Execute(&'s Statement),
    /// Statements without parameters.
    Script(&'s str),
}

/// What the database answers.
pub(super) enum Answer {
    Rows(Vec<PgRow>),
    Done(PgQueryResult),
}

impl Answer {
    /// Returns the rows; none if the statement returns no rows.
    pub(super) fn rows(self) -> Vec<PgRow> {
        match self {
            Self::Rows(rows) => rows,
            Self::Done(_) => Vec::new(),
        }
    }

    /// Returns what the statement did.
    pub(super) fn done(self) -> PgQueryResult {
        match self {
            Self::Rows(_) => PgQueryResult::default(),
            Self::Done(done) => done,
        }
    }
}

impl Ask<'_> {
    async fn on(&self, connection: &mut PgConnection) -> Result<Answer, sqlx::Error> {
        match self {
            Self::Rows(statement) => query(statement).fetch_all(connection).await.map(Answer::Rows),
            Self::Execute(statement) => query(statement).execute(connection).await.map(Answer::Done),
            Self::Script(sql) => sqlx::raw_sql(sqlx::AssertSqlSafe(*sql))
                .execute(connection)
                .await
                .map(Answer::Done),
        }
    }

    /// Turns the error of this question into one of SeaORM, as its own connections do.
    pub(super) fn failed(&self, error: sqlx::Error) -> DbErr {
        let error = RuntimeErr::SqlxError(error.into());
        match self {
            Self::Rows(_) => DbErr::Query(error),
            Self::Execute(_) | Self::Script(_) => DbErr::Exec(error),
        }
    }
}

fn query(statement: &Statement) -> sqlx::query::Query<'_, Postgres, SqlxValues> {
    let values = statement.values.clone();
    let values = values.unwrap_or(sea_orm::Values(Vec::new()));
    sqlx::query_with(sqlx::AssertSqlSafe(statement.sql.as_str()), SqlxValues(values))
}

/// A connection in use. When it is dropped, it returns to the pool.
pub(super) struct Held {
    /// None after the connection was closed.
    connection: Option<PoolConnection<Postgres>>,
    in_transaction: bool,
    /// The place of the query in the lane of expensive queries.
    place: Option<Place>,
}

impl Held {
    /// Takes a connection from the pool.
    ///
    /// # Errors
    ///
    /// No connection is free within `limit`, or the database does not accept a new one.
    pub(super) async fn take(pool: &PgPool, limit: Duration) -> Result<Self, DbErr> {
        let taken = timeout(limit, pool.acquire()).await;
        match taken.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(connection) => Ok(Self {
                connection: Some(connection),
                in_transaction: false,
                place: lane::place(),
            }),
            Err(error) => Err(not_taken(error)),
        }
    }

    /// Asks the database, and waits at most `limit` for the answer.
    ///
    /// # Errors
    ///
    /// The statement fails, or the limit passes. After that, the connection is closed.
    pub(super) async fn ask(&mut self, ask: &Ask<'_>, limit: Duration) -> Result<Answer, sqlx::Error> {
        let connection = self.connection.as_deref_mut().ok_or_else(closed)?;
        match timeout(limit, ask.on(connection)).await {
            Ok(answered) => answered,
            Err(_) => Err(self.give_up(limit)),
        }
    }

    /// Passes the rows of a statement to `is_enough` until it returns true. Waits at most `limit` for all of them.
    ///
    /// # Errors
    ///
    /// The statement fails, or the limit passes. After that, the connection is closed.
    pub(super) async fn read_until(
        &mut self,
        statement: &Statement,
        limit: Duration,
        is_enough: &mut (dyn FnMut(PgRow) -> bool + Send),
    ) -> Result<(), sqlx::Error> {
        let end = Instant::now() + limit;
        let connection = self.connection.as_deref_mut().ok_or_else(closed)?;
        let mut rows = query(statement).fetch(connection);
        let read = loop {
            match timeout_at(end, rows.try_next()).await {
                Ok(Ok(Some(row))) => {
                    if is_enough(row) {
                        break Some(Ok(()));
                    }
                }
                Ok(ended) => break Some(ended.map(drop)),
                Err(_) => break None,
            }
        };
        drop(rows);
        read.unwrap_or_else(|| Err(self.give_up(limit)))
    }

    /// Notes whether a transaction is open, which is rolled back before the connection returns to the pool.
    pub(super) fn note_transaction(&mut self, is_open: bool) {
        self.in_transaction = is_open;
    }

    /// Closes the connection without waiting for the other end.
    pub(super) fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }

    fn give_up(&mut self, limit: Duration) -> sqlx::Error {
        tracing::warn!(?limit, "a connection to PostgreSQL does not answer and is closed");
        self.close();
        silent()
    }
}

/// Turns the error of taking a connection from a pool into one of SeaORM, as its own connections do.
pub(super) fn not_taken(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        error => DbErr::Conn(RuntimeErr::SqlxError(error.into())),
    }
}

/// The error of a connection whose other end does not answer in time.
pub(super) fn silent() -> sqlx::Error {
    std::io::Error::new(
        std::io::ErrorKind::TimedOut,
        "PostgreSQL did not answer within the time limit",
    )
    .into()
}

fn closed() -> sqlx::Error {
    std::io::Error::new(
        std::io::ErrorKind::NotConnected,
        "the connection was closed because PostgreSQL did not answer",
    )
    .into()
}

impl Drop for Held {
    fn drop(&mut self) {
        let returning = Returning {
            connection: self.connection.take(),
            in_transaction: self.in_transaction,
        };
        // Without a runtime, the process ends.
        if let (Some(_), Ok(runtime)) = (&returning.connection, tokio::runtime::Handle::try_current()) {
            runtime.spawn(returning.arrive(self.place.take()));
        }
    }
}

/// A connection on its way to the pool. It is closed if it does not arrive: the pool's own way of taking a connection back
/// has no time limit.
struct Returning {
    connection: Option<PoolConnection<Postgres>>,
    in_transaction: bool,
}

impl Returning {
    /// Returns the connection to the pool or closes it. The place in the lane is free after the statement has ended.
    async fn arrive(mut self, place: Option<Place>) {
        if !self.is_returned().await {
            drop(self);
            if place.is_some() {
                sleep(STOP).await;
            }
        }
        drop(place);
    }

    async fn is_returned(&mut self) -> bool {
        let Some(connection) = &mut self.connection else {
            return true;
        };
        let end = Instant::now() + RETURN;
        if self.in_transaction {
            let rollback = sqlx::raw_sql("ROLLBACK").execute(&mut **connection);
            if !matches!(timeout_at(end, rollback).await, Ok(Ok(_))) {
                tracing::debug!("a transaction cannot be rolled back: its connection is closed");
                return false;
            }
        }
        let Some(returned) = self
            .connection
            .take()
            .map(|mut connection| connection.return_to_pool())
        else {
            return true;
        };
        let is_returned = timeout_at(end, returned).await.is_ok();
        if !is_returned {
            tracing::debug!("a connection is closed because its last statement does not end");
        }
        is_returned
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}

//! The connections on which write transactions begin.

use std::fmt;
use std::sync::Arc;

use sea_orm::sqlx::postgres::PgPool;
use sea_orm::{
    DatabaseConnection, DbErr, SqliteTransactionMode, SqlxPostgresConnector, TransactionOptions,
    TransactionTrait as _,
};

use super::contention::WaitLimits;
use super::held::Held;
use super::reader::Observe;
use super::transaction::DatabaseTransaction;
use super::usage;

/// The connections on which write transactions begin. Clones share them.
#[derive(Clone)]
pub(super) enum Writer {
    Sqlite(DatabaseConnection),
    Postgres {
        pool: PgPool,
        /// SQL that begins a transaction.
        begin: Arc<str>,
        observe: Option<Observe>,
    },
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

impl Writer {
    pub(super) fn of_sqlite(connection: DatabaseConnection) -> Self {
        Self::Sqlite(connection)
    }

    /// Creates the writer of a pool whose transactions begin with this SQL.
    pub(super) fn of_postgres(pool: PgPool, begin: &str) -> Self {
        Self::Postgres {
            pool,
            begin: begin.into(),
            observe: None,
        }
    }

    /// Returns the number of open connections, and how many of them are not in use.
    pub(super) fn pool_size(&self) -> (u32, usize) {
        match self {
            Self::Sqlite(connection) => usage::of_sqlite(connection),
            Self::Postgres { pool, .. } => (pool.size(), pool.num_idle()),
        }
    }

    /// Calls `observe` for each statement of the transactions.
    pub(super) fn observe(&mut self, observe: &Observe) {
        match self {
            Self::Sqlite(connection) => {
                let observe = Arc::clone(observe);
                connection.set_metric_callback(move |info| observe(info));
            }
            Self::Postgres { observe: own, .. } => *own = Some(Arc::clone(observe)),
        }
    }

    /// Begins a transaction. On SQLite it uses BEGIN IMMEDIATE: a transaction that reads first and then writes would fail
    /// at once if another transaction wrote in between, regardless of the timeout.
    ///
    /// # Errors
    ///
    /// No connection is free within the limits, or the database is unavailable.
    #[expect(
        clippy::disallowed_methods,
        reason = "all write transactions begin in this function"
    )]
    pub(super) async fn begin(&self, limits: &WaitLimits) -> Result<DatabaseTransaction, DbErr> {
        match self {
            Self::Sqlite(connection) => {
                let options = TransactionOptions {
                    sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                    ..TransactionOptions::default()
                };
                let txn = connection.begin_with_options(options).await?;
                Ok(DatabaseTransaction::of_sqlite(txn))
            }
            Self::Postgres { pool, begin, observe } => {
                let held = Held::take(pool, limits.writer()).await?;
                let begin = format!("{begin} {}", limits.as_sql());
                DatabaseTransaction::begin(held, &begin, limits.write(), observe.clone()).await
            }
        }
    }

    /// Returns the connections for the migrations of SeaORM, which need its own types.
    pub(super) fn for_migrations(&self) -> DatabaseConnection {
        match self {
            Self::Sqlite(connection) => connection.clone(),
            Self::Postgres { pool, .. } => SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone()),
        }
    }

    /// Closes the connections.
    ///
    /// # Errors
    ///
    /// A connection cannot be closed.
    pub(super) async fn close(&self) -> Result<(), DbErr> {
        match self {
            Self::Sqlite(connection) => connection.close_by_ref().await,
            Self::Postgres { pool, .. } => {
                pool.close().await;
                Ok(())
            }
        }
    }
}

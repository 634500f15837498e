//! The connection to the database and its write transactions.

mod address;
mod backup;
mod contention;
mod diagnosis;
mod file;
mod lane;
pub(crate) mod lists;
mod pooler;
mod pools;
mod probe;
mod restore;
mod rows;
mod search_index;
mod time;
mod untested;
mod usage;
mod version;

use std::sync::Arc;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{Instant, timeout};

use self::address::is_sqlite;
pub(crate) use self::address::{check_address, shown_address, sqlite_file};
pub use self::backup::{Backup, BackupPolicy, Contents};
pub use self::contention::WaitLimits;
use self::contention::retry;
pub use self::diagnosis::{Migrations, Space, files_of, reach};
use self::file::SqliteFile;
use self::lane::Lane;
use self::pools::Pools;
pub use self::probe::NotReady;
pub use self::restore::{Restored, restore};
pub(crate) use self::rows::{
    bytes_at, caught, column, column_at, decodable, decode, json_at, json_of_postgres, text_at,
};
use self::untested::is_closed;
pub(crate) use self::untested::untested_first;
use crate::clock::Clock;
use crate::error::{Error, Result};

/// Maximum number of rows in one INSERT: SQLite binds at most 32,766 variables, PostgreSQL 65,535.
pub const ROWS_PER_INSERT: usize = 500;
/// Key of the advisory lock for migrations. Arbitrary, but the same on all servers.
const MIGRATION_LOCK: i64 = 7_236_541;
/// Maximum number of connections on which a transaction is begun.
const BEGIN_ATTEMPTS: u32 = 5;
/// Statement that fails if no transaction is open, or if PostgreSQL has aborted it. It runs before each COMMIT, because
/// PostgreSQL rolls back an aborted transaction at COMMIT without an error.
const CHECK_TRANSACTION_OPEN: &str = "SAVEPOINT before_commit";

/// A database. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Db {
    read: DatabaseConnection,
    write: DatabaseConnection,
    /// Connection of the readiness check. On PostgreSQL it has a pool of its own, so that it does not wait for other
    /// writers; on SQLite it is the same as `write`.
    probe: DatabaseConnection,
    /// The one connection of SQLite that reads the version of the contents. On PostgreSQL the same as `read`.
    version: DatabaseConnection,
    /// Closed connection, which `reader` returns while the path leads to a different file than the one opened.
    closed: DatabaseConnection,
    file: Option<Arc<SqliteFile>>,
    /// Whether a pooler gives each transaction another connection of PostgreSQL.
    pooled: bool,
    wait_limits: WaitLimits,
    lane: Lane,
    committed: Arc<Notify>,
    last_commit: Arc<watch::Sender<Option<Instant>>>,
    probing: Arc<Mutex<()>>,
    time: Clock,
}

impl Db {
    /// Connects to `sqlite://PATH` or `postgres://...`. Errors never contain the address, because it may hold a
    /// password.
    ///
    /// # Errors
    ///
    /// The address is invalid or the database does not respond; DATABASE_BUSY if another process locks it for too
    /// long.
    pub async fn connect(url: &str, max_connections: u32) -> Result<Self> {
        check_address(url).map_err(|why| Error::BadUserInput(format!("DATABASE_URL: {why}")))?;
        let pools = if is_sqlite(url) {
            let path = sqlite_file(url).unwrap_or_default().display().to_string();
            // The first connection to a file switches it to WAL mode. SQLite does not wait for another process that
            // does the same, so this is retried.
            let connect = || async { Ok(pools::sqlite(url, max_connections).await?) };
            retry(&WaitLimits::JOB, &path, connect).await?
        } else {
            pools::postgres(url, max_connections).await?
        };
        Self::from_pools(pools, max_connections).await
    }

    async fn from_pools(pools: Pools, max_connections: u32) -> Result<Self> {
        Ok(Self {
            closed: pools::closed(&pools.read).await?,
            read: pools.read,
            write: pools.write,
            probe: pools.probe,
            version: pools.version,
            file: pools.file,
            pooled: pools.pooled,
            wait_limits: WaitLimits::default(),
            lane: Lane::new(max_connections),
            committed: Arc::default(),
            time: Clock::System,
            last_commit: Arc::new(watch::Sender::new(None)),
            probing: Arc::default(),
        })
    }

    /// Returns the same database with other wait limits.
    #[must_use]
    pub fn with_wait_limits(&self, wait_limits: WaitLimits) -> Self {
        Self {
            wait_limits,
            ..self.clone()
        }
    }

    /// Waits until this process commits a write. Returns at once if it has committed one since the last call. Writes
    /// of other processes are not reported, so callers must also poll.
    pub async fn committed(&self) {
        self.committed.notified().await;
    }

    /// Returns the connection for queries. It must not be used for writes. While the path leads to a different file
    /// than the one that was opened, a closed connection is returned, because the old file is outdated.
    pub fn reader(&self) -> &DatabaseConnection {
        match self.check_file() {
            Ok(()) => &self.read,
            Err(error) => {
                tracing::error!(%error, "queries are blocked");
                &self.closed
            }
        }
    }

    /// Calls `observe` for each statement of the returned database and its clones.
    pub fn observed(
        mut self,
        observe: impl Fn(&sea_orm::metric::Info<'_>) + Send + Sync + Clone + 'static,
    ) -> Self {
        self.read.set_metric_callback(observe.clone());
        self.version.set_metric_callback(observe.clone());
        self.write.set_metric_callback(observe);
        self
    }

    /// Returns the type of the database.
    pub fn backend(&self) -> DbBackend {
        self.read.get_database_backend()
    }

    /// Returns whether the database responds and has every table that this release needs.
    ///
    /// # Errors
    ///
    /// The database is unavailable.
    pub async fn is_ready(&self) -> Result<bool> {
        Ok(!migration::is_pending(self.reader()).await?)
    }

    /// Applies pending migrations. Several servers may call this at the same time.
    ///
    /// # Errors
    ///
    /// A migration fails; DATABASE_BUSY if the database is locked for too long.
    pub async fn migrate(&self) -> Result<()> {
        // A database without pending migrations is not locked.
        if !self.is_ready().await? {
            self.apply_migrations().await?;
        }
        self.index_searches().await;
        Ok(())
    }

    async fn apply_migrations(&self) -> Result<()> {
        let db = self.with_wait_limits(WaitLimits::JOB);
        if self.backend() == DbBackend::Postgres {
            let lock = db.begin().await?;
            // Another server may migrate for longer than any wait limit.
            lock.execute_unprepared("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")
                .await?;
            lock.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
                .await?;
            if self.pooled {
                // Only in a transaction do prepared statements last until they are executed.
                migration::up(&lock).await?;
            } else {
                migration::up(&self.write).await?;
            }
            lock.commit().await?;
            return Ok(());
        }
        // One transaction, and so one lock, covers both the check for pending migrations and their execution.
        db.write_txn(|txn| async move { Ok(migration::up(&*txn).await?) })
            .await
    }

    /// Runs `work` in a write transaction and commits if it succeeds. If the database aborts the transaction because
    /// of concurrent ones (serialization failure, deadlock, busy), `work` runs again from the start. Therefore it must
    /// read every value that its decisions depend on inside the transaction. Returns Ok only after the database has
    /// confirmed the commit.
    ///
    /// # Errors
    ///
    /// DATABASE_BUSY if concurrent transactions hold a lock for longer than the wait limits; DATABASE_READ_ONLY if
    /// the database accepts no writes; the error of `work`.
    pub async fn write_txn<T, F, Fut>(&self, work: F) -> Result<T>
    where
        F: Fn(Arc<DatabaseTransaction>) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let attempt = || async {
            self.check_file()?;
            let txn = Arc::new(self.begin().await?);
            let outcome = work(Arc::clone(&txn)).await?;
            let txn = Arc::into_inner(txn).ok_or_else(|| {
                Error::Internal("a transaction was still open after its work ended".to_owned())
            })?;
            if self.backend() == DbBackend::Postgres {
                txn.execute_unprepared(CHECK_TRANSACTION_OPEN).await?;
            }
            txn.commit().await?;
            self.check_file()?;
            Ok(outcome)
        };
        let outcome = retry(&self.wait_limits, &self.name(), attempt).await;
        if let Some(file) = &self.file {
            file.set_read_only(matches!(outcome, Err(Error::ReadOnly(_))));
        }
        let outcome = outcome?;
        self.last_commit.send_replace(Some(Instant::now()));
        self.committed.notify_one();
        Ok(outcome)
    }

    /// Begins a write transaction. On SQLite it uses BEGIN IMMEDIATE: a transaction that reads first and then writes
    /// would fail at once if another transaction wrote in between, regardless of the timeout.
    #[expect(
        clippy::disallowed_methods,
        reason = "all write transactions begin in this function"
    )]
    async fn begin_once(&self) -> Result<DatabaseTransaction> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let txn = self.write.begin_with_options(options).await?;
        if self.backend() == DbBackend::Postgres {
            let forget = if self.pooled {
                pooler::FORGET_STATEMENTS
            } else {
                ""
            };
            txn.execute_unprepared(&format!("{forget}{}", self.wait_limits.as_sql()))
                .await?;
        }
        Ok(txn)
    }

    /// Begins a write transaction within the wait limits. Tries again if the connection is closed meanwhile, because
    /// nothing was written on it: a pooler may have kept connections from before a restart of the database.
    async fn begin(&self) -> Result<DatabaseTransaction> {
        let begun = async {
            for _ in 1..BEGIN_ATTEMPTS {
                match self.begin_once().await {
                    Err(Error::Database(error)) if is_closed(&error) => {
                        tracing::debug!(%error, "beginning a transaction on another connection");
                    }
                    outcome => return outcome,
                }
            }
            self.begin_once().await
        };
        let limit = self.wait_limits.total();
        timeout(limit, begun).await.map_err(|_| {
            tracing::warn!(
                database = self.name(),
                ?limit,
                "timed out waiting for earlier writers"
            );
            Error::Busy("no connection was free for writing".to_owned())
        })?
    }

    fn check_file(&self) -> Result<()> {
        match &self.file {
            Some(file) => file.check().map_err(Error::Internal),
            None => Ok(()),
        }
    }

    /// Returns the name of the database for the log.
    fn name(&self) -> String {
        match &self.file {
            Some(file) => file.path().display().to_string(),
            None => "PostgreSQL".to_owned(),
        }
    }

    /// Closes all connections.
    ///
    /// # Errors
    ///
    /// A connection cannot be closed.
    pub async fn close(self) -> Result<()> {
        self.read.close_by_ref().await?;
        self.write.close_by_ref().await?;
        self.probe.close_by_ref().await?;
        self.version.close_by_ref().await?;
        if let Some(file) = &self.file {
            file.close().await?;
        }
        Ok(())
    }
}

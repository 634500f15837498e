//! The connection to the database and its write transactions.

mod address;
mod backup;
mod contention;
mod diagnosis;
mod file;
mod held;
mod interruptible;
mod lane;
pub(crate) mod lists;
mod pooler;
mod pools;
mod probe;
mod reader;
mod restore;
mod rows;
mod search_index;
mod time;
mod transaction;
mod untested;
mod usage;
mod version;
mod writer;

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, TransactionTrait as _};
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
use self::reader::Observe;
pub use self::reader::Reader;
pub use self::restore::{Restored, restore};
pub(crate) use self::rows::{
    bytes_at, caught, column, column_at, decodable, decode, json_at, json_of_postgres, text_at,
};
pub use self::transaction::DatabaseTransaction;
pub(crate) use self::untested::untested_first;
use self::writer::Writer;
use crate::clock::Clock;
use crate::error::{Error, Result};

/// Maximum number of rows in one INSERT: SQLite binds at most 32,766 variables, PostgreSQL 65,535.
pub const ROWS_PER_INSERT: usize = 500;
/// Key of the advisory lock for migrations. Arbitrary, but the same on all servers.
const MIGRATION_LOCK: i64 = 7_236_541;
/// Maximum number of connections on which a transaction is begun.
const BEGIN_ATTEMPTS: u32 = 5;

/// A database. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Db {
    read: Reader,
    write: Writer,
    /// Connection of the readiness check. On PostgreSQL it has a pool of its own, so that it does not wait for other
    /// queries and writers; on SQLite it is the same as `write`.
    probe: Writer,
    /// The one connection of SQLite that reads the version of the contents. On PostgreSQL the same as `read`.
    version: Reader,
    /// Closed connection, which `reader` returns while the path leads to a different file than the one opened.
    closed: Reader,
    file: Option<Arc<SqliteFile>>,
    /// Whether a pooler gives each transaction another connection of PostgreSQL.
    pooled: bool,
    wait_limits: WaitLimits,
    lane: Lane,
    committed: Arc<Notify>,
    last_commit: Arc<watch::Sender<Option<Instant>>>,
    /// When the last check of the readiness ended, and its result.
    probing: Arc<Mutex<Option<probe::Checked>>>,
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
        Ok(Self::from_pools(pools, max_connections))
    }

    fn from_pools(pools: Pools, max_connections: u32) -> Self {
        Self {
            closed: pools.closed,
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
        }
    }

    /// Returns the same database with other wait limits.
    #[must_use]
    pub fn with_wait_limits(&self, wait_limits: WaitLimits) -> Self {
        let mut db = Self {
            wait_limits,
            ..self.clone()
        };
        db.read.limit(wait_limits);
        db.version.limit(wait_limits);
        db
    }

    /// Waits until this process commits a write. Returns at once if it has committed one since the last call. Writes
    /// of other processes are not reported, so callers must also poll.
    pub async fn committed(&self) {
        self.committed.notified().await;
    }

    /// Returns the connection for queries. It must not be used for writes. While the path leads to a different file
    /// than the one that was opened, a closed connection is returned, because the old file is outdated.
    pub fn reader(&self) -> &Reader {
        match self.check_file() {
            Ok(()) => &self.read,
            Err(error) => {
                tracing::error!(%error, "queries are blocked");
                &self.closed
            }
        }
    }

    /// Calls `observe` for each statement of the returned database and its clones.
    pub fn observed(mut self, observe: impl Fn(&sea_orm::metric::Info<'_>) + Send + Sync + 'static) -> Self {
        let observe: Observe = Arc::new(observe);
        self.read.observe(&observe);
        self.version.observe(&observe);
        self.write.observe(&observe);
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
        let newer = match self.backend() {
            DbBackend::Postgres => {
                let txn = self.probe.begin(&WaitLimits::JOB).await?;
                migration::newer(&txn).await?
            }
            _ => migration::newer(self.reader()).await?,
        };
        if !newer.is_empty() {
            tracing::warn!(
                ?newer,
                "a newer release has migrated this database: upgrade this program soon"
            );
        }
        self.has_all_tables(&WaitLimits::JOB).await
    }

    /// Returns whether the database has every table that this release needs, within these limits.
    async fn has_all_tables(&self, limits: &WaitLimits) -> Result<bool> {
        if self.backend() == DbBackend::Postgres {
            // On the connection of the checks, because queries may keep all others.
            let txn = self.probe.begin(limits).await?;
            return Ok(!migration::is_pending(&txn).await?);
        }
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
            return db.migrate_postgres().await;
        }
        // One transaction, and so one lock, covers both the check for pending migrations and their execution.
        db.write_txn(|txn| async move {
            match txn.as_sqlite() {
                Some(txn) => Ok(migration::up(txn).await?),
                None => Ok(()),
            }
        })
        .await
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "migrations need a transaction of SeaORM, and no client waits for them"
    )]
    async fn migrate_postgres(&self) -> Result<()> {
        let connections = self.write.for_migrations();
        let lock = connections.begin().await?;
        // Another server may migrate for longer than any wait limit.
        let settings = "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0; SET LOCAL jit = off";
        let forget = if self.pooled {
            pooler::FORGET_STATEMENTS
        } else {
            ""
        };
        lock.execute_unprepared(&format!("{forget}{settings}")).await?;
        lock.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
            .await?;
        if self.pooled {
            // Only in a transaction do prepared statements last until they are executed.
            migration::up(&lock).await?;
        } else {
            migration::up(&connections).await?;
        }
        Ok(lock.commit().await?)
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
            txn.check_open().await?;
            txn.commit().await.map_err(unconfirmed)?;
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

    async fn begin_once(&self) -> Result<DatabaseTransaction> {
        Ok(self.write.begin(&self.wait_limits).await?)
    }

    /// Begins a write transaction within the wait limits. Tries again if the connection is closed meanwhile, because
    /// nothing was written on it: a pooler may have kept connections from before a restart of the database.
    async fn begin(&self) -> Result<DatabaseTransaction> {
        let begun = async {
            for _ in 1..BEGIN_ATTEMPTS {
                match self.begin_once().await {
                    Err(Error::Unavailable(error)) => {
                        tracing::debug!(%error, "beginning a transaction on another connection");
                    }
                    outcome => return outcome,
                }
            }
            self.begin_once().await
        };
        let limit = self.wait_limits.total();
        timeout(limit, begun).await.map_err(|_| {
            // The caller logs that it gives up.
            tracing::debug!(
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
        self.read.close().await?;
        self.write.close().await?;
        self.probe.close().await?;
        self.version.close().await?;
        if let Some(file) = &self.file {
            file.close().await?;
        }
        Ok(())
    }
}

/// Turns the error of a commit into one that tells whether it is known that nothing was committed: the database may have
/// refused the commit, or only its answer may be missing.
fn unconfirmed(error: DbErr) -> Error {
    match Error::from(error) {
        Error::Unavailable(error) => Error::Unconfirmed(error),
        Error::Busy(why) => Error::Unconfirmed(DbErr::Custom(why)),
        other => other,
    }
}

//! The connection to the database, and the one way to write to it.

mod address;
mod contention;
mod file;
mod pools;
mod probe;
mod rows;
mod time;

use std::sync::Arc;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{Instant, timeout};

pub use self::address::{check_address, is_postgres, is_sqlite, sqlite_file};
pub use self::contention::WaitLimits;
use self::contention::retry;
use self::file::SqliteFile;
use self::pools::Pools;
pub use self::probe::NotReady;
pub use self::rows::{column, decodable, decode};
use crate::clock::Clock;
use crate::error::{Error, Result};

/// Largest number of rows in one INSERT: SQLite binds at most 32,766 variables, PostgreSQL 65,535.
pub const ROWS_PER_INSERT: usize = 500;
/// Any number, the same for all servers: the lock under which one of them migrates.
const MIGRATION_LOCK: i64 = 7_236_541;
/// Fails where no transaction is open, or one that PostgreSQL has given up. Its COMMIT of such a one is a
/// rollback that is answered without an error.
const PROVE_OPEN: &str = "SAVEPOINT before_commit";

/// A database. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Db {
    read: DatabaseConnection,
    write: DatabaseConnection,
    /// To prove that writing works, while the other writers wait.
    probe: DatabaseConnection,
    /// In the place of `read` while the file is not the one that was opened.
    closed: DatabaseConnection,
    file: Option<Arc<SqliteFile>>,
    patience: WaitLimits,
    committed: Arc<Notify>,
    last_commit: Arc<watch::Sender<Option<Instant>>>,
    probing: Arc<Mutex<()>>,
    time: Clock,
}

impl Db {
    /// Connects to `sqlite://PATH` or `postgres://...`. No error contains the address, which may hold a
    /// password.
    ///
    /// # Errors
    /// The address is none, or what it names does not answer; DATABASE_BUSY.
    pub async fn connect(url: &str, max_connections: u32) -> Result<Self> {
        check_address(url).map_err(|why| Error::BadUserInput(format!("DATABASE_URL: {why}")))?;
        let pools = if is_sqlite(url) {
            let path = sqlite_file(url).unwrap_or_default().display().to_string();
            // The first connection to a file switches it to WAL, and does not wait for others that do so too.
            let connect = || async { Ok(pools::sqlite(url, max_connections).await?) };
            retry(&WaitLimits::JOB, &path, connect).await?
        } else {
            pools::postgres(url, max_connections).await?
        };
        Self::over(pools).await
    }

    /// Connects as [`Db::connect`] does, but never makes an SQLite file: None where there is none.
    ///
    /// # Errors
    /// As `connect`.
    pub async fn open_existing(url: &str, max_connections: u32) -> Result<Option<Self>> {
        check_address(url).map_err(|why| Error::BadUserInput(format!("DATABASE_URL: {why}")))?;
        if is_sqlite(url) && !sqlite_file(url).is_some_and(|file| file.exists()) {
            return Ok(None);
        }
        Self::connect(url, max_connections).await.map(Some)
    }

    async fn over(pools: Pools) -> Result<Self> {
        Ok(Self {
            closed: pools::closed(&pools.read).await?,
            read: pools.read,
            write: pools.write,
            probe: pools.probe,
            file: pools.file,
            patience: WaitLimits::default(),
            committed: Arc::default(),
            time: Clock::System,
            last_commit: Arc::new(watch::Sender::new(None)),
            probing: Arc::default(),
        })
    }

    /// The same database, for work that may wait so long.
    #[must_use]
    pub fn with_wait_limits(&self, patience: WaitLimits) -> Self {
        Self {
            patience,
            ..self.clone()
        }
    }

    /// Waits until this process has written something since somebody last waited here. What other processes
    /// write is not heard of, so this only ever spares waiting.
    pub async fn committed(&self) {
        self.committed.notified().await;
    }

    /// For queries. Nothing is written through it. It is closed while the database file is not the one that was
    /// opened: what the old file says is not true any more.
    pub fn reader(&self) -> &DatabaseConnection {
        match self.check_file() {
            Ok(()) => &self.read,
            Err(error) => {
                tracing::error!(%error, "queries are blocked");
                &self.closed
            }
        }
    }

    /// Calls `observe` for every statement of the clones made from the result.
    pub fn observed(
        mut self,
        observe: impl Fn(&sea_orm::metric::Info<'_>) + Send + Sync + Clone + 'static,
    ) -> Self {
        self.read.set_metric_callback(observe.clone());
        self.write.set_metric_callback(observe);
        self
    }

    /// Which database it is.
    pub fn backend(&self) -> DbBackend {
        self.read.get_database_backend()
    }

    /// Whether it answers and has every table that this release needs.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn is_ready(&self) -> Result<bool> {
        Ok(!migration::is_pending(self.reader()).await?)
    }

    /// Runs the migrations that are missing. Any number of servers may do so at once.
    ///
    /// # Errors
    /// A migration fails; DATABASE_BUSY.
    pub async fn migrate(&self) -> Result<()> {
        // A database that needs nothing is not locked.
        if self.is_ready().await? {
            return Ok(());
        }
        let db = self.with_wait_limits(WaitLimits::JOB);
        if self.backend() == DbBackend::Postgres {
            let lock = db.begin().await?;
            // Another server may migrate for longer than any patience.
            lock.execute_unprepared("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")
                .await?;
            lock.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
                .await?;
            migration::up(&self.write).await?;
            lock.commit().await?;
            return Ok(());
        }
        // One transaction, and so one lock, around looking for what is missing and making it.
        db.write_txn(|txn| async move { Ok(migration::up(&*txn).await?) })
            .await
    }

    /// Runs `work` in a transaction that may write, and commits if it succeeds. When the database gives up
    /// the transaction because of others (serialization failure, deadlock, busy), the whole of `work` runs
    /// again, so it must read what it decides upon inside.
    ///
    /// # Errors
    /// DATABASE_BUSY if others hold what it needs for longer than its patience; DATABASE_READ_ONLY if the database
    /// takes no writes; what `work` failed with. Success
    /// means that the database confirmed the commit.
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
                txn.execute_unprepared(PROVE_OPEN).await?;
            }
            txn.commit().await?;
            self.check_file()?;
            Ok(outcome)
        };
        let outcome = retry(&self.patience, &self.name(), attempt).await;
        if let Some(file) = &self.file {
            file.set_read_only(matches!(outcome, Err(Error::ReadOnly(_))));
        }
        let outcome = outcome?;
        self.last_commit.send_replace(Some(Instant::now()));
        self.committed.notify_one();
        Ok(outcome)
    }

    /// Immediate on SQLite: a transaction that begins by reading and then writes fails at once there when
    /// another one wrote in between, however long it would wait.
    #[expect(clippy::disallowed_methods, reason = "the one place that begins transactions")]
    async fn begin(&self) -> Result<DatabaseTransaction> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let limit = self.patience.total();
        let begun = timeout(limit, self.write.begin_with_options(options)).await;
        let txn = begun.map_err(|_| {
            tracing::warn!(
                database = self.name(),
                ?limit,
                "timed out waiting for earlier writers"
            );
            Error::Busy("no connection was free for writing".to_owned())
        })??;
        if self.backend() == DbBackend::Postgres {
            txn.execute_unprepared(&self.patience.as_sql()).await?;
        }
        Ok(txn)
    }

    fn check_file(&self) -> Result<()> {
        match &self.file {
            Some(file) => file.check().map_err(Error::Internal),
            None => Ok(()),
        }
    }

    /// What the log calls it.
    fn name(&self) -> String {
        match &self.file {
            Some(file) => file.path().display().to_string(),
            None => "PostgreSQL".to_owned(),
        }
    }

    /// Closes all connections.
    ///
    /// # Errors
    /// One does not close.
    pub async fn close(self) -> Result<()> {
        self.read.close_by_ref().await?;
        self.write.close_by_ref().await?;
        self.probe.close_by_ref().await?;
        if let Some(file) = &self.file {
            file.close().await?;
        }
        Ok(())
    }
}

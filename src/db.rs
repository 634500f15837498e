//! The connection to the database, and the one way to write to it.

mod address;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use migration::{Migrator, MigratorTrait};
use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    EntityTrait, FromQueryResult, QueryResult, QueryTrait, RuntimeErr, Select, SqliteTransactionMode,
    SqlxPostgresConnector, TransactionOptions, TransactionTrait, TryGetable,
};
use tokio::sync::Notify;

pub use self::address::{check_address, is_postgres, is_sqlite};
use self::address::{postgres_options, sqlite_file};
use crate::error::{Error, Result};

/// How often a transaction is tried when others get in its way.
const MAX_ATTEMPTS: u32 = 12;
/// How long a database may take to come up.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before asking it again.
const PAUSE: Duration = Duration::from_secs(1);
/// Largest number of rows in one INSERT: SQLite binds at most 32,766 variables, PostgreSQL 65,535.
pub const ROWS_PER_INSERT: usize = 500;
/// Any number, the same for all servers: the lock under which one of them migrates.
const MIGRATION_LOCK: i64 = 7_236_541;

/// A database. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Db {
    read: DatabaseConnection,
    write: DatabaseConnection,
    committed: Arc<Notify>,
}

impl Db {
    /// Connects to `sqlite://PATH` or `postgres://...`. No error contains the address, which may hold a
    /// password.
    pub async fn connect(url: &str, max_connections: u32) -> Result<Self> {
        check_address(url).map_err(|why| Error::BadUserInput(format!("DATABASE_URL: {why}")))?;
        if is_sqlite(url) {
            // Writers queue here, in order, and not at SQLite's lock, where the loser polls.
            // The first connection to a file switches it to WAL, and does not wait for others that do so too.
            let connect = async |options| Ok(Database::connect(options).await?);
            let write = retry(|| connect(sqlite_options(url, 1))).await?;
            let read = retry(|| connect(sqlite_options(url, max_connections))).await?;
            return Ok(Self::over(read, write));
        }
        let pool = postgres_pool(url, max_connections).await?;
        Ok(Self::over(pool.clone(), pool))
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

    fn over(read: DatabaseConnection, write: DatabaseConnection) -> Self {
        Self {
            read,
            write,
            committed: Arc::default(),
        }
    }

    /// Waits until this process has written something since somebody last waited here. What other processes
    /// write is not heard of, so this only ever spares waiting.
    pub async fn committed(&self) {
        self.committed.notified().await;
    }

    /// For queries. Nothing is written through it.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.read
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

    /// Whether it answers and has every table.
    pub async fn is_ready(&self) -> Result<bool> {
        let pending = Migrator::get_pending_migrations_read_only(&self.read).await?;
        Ok(pending.is_empty())
    }

    /// Runs the migrations that are missing. Any number of servers may do so at once.
    pub async fn migrate(&self) -> Result<()> {
        if self.backend() == DbBackend::Postgres {
            let lock = begin(&self.write).await?;
            lock.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
                .await?;
            Migrator::up(&self.write, None).await?;
            lock.commit().await?;
            return Ok(());
        }
        // One transaction, and so one lock, around looking for what is missing and making it.
        retry(|| async {
            let txn = begin(&self.write).await?;
            Migrator::up(&txn, None).await?;
            Ok(txn.commit().await?)
        })
        .await
    }

    /// Runs `work` in a transaction that may write, and commits if it succeeds. When the database gives up
    /// the transaction because of others (serialization failure, deadlock, busy), the whole of `work` runs
    /// again, so it must read what it decides upon inside.
    pub async fn write_txn<T, F, Fut>(&self, work: F) -> Result<T>
    where
        F: Fn(Arc<DatabaseTransaction>) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        retry(|| async {
            let txn = Arc::new(begin(&self.write).await?);
            let outcome = work(Arc::clone(&txn)).await?;
            let txn = Arc::into_inner(txn)
                .ok_or_else(|| Error::Internal("a transaction outlived its work".to_owned()))?;
            txn.commit().await?;
            self.committed.notify_one();
            Ok(outcome)
        })
        .await
    }

    /// Closes all connections.
    pub async fn close(self) -> Result<()> {
        self.read.close_by_ref().await?;
        self.write.close_by_ref().await?;
        Ok(())
    }
}

/// Not by `Database::connect`, whose tracing span holds the address with its password.
async fn postgres_pool(url: &str, max_connections: u32) -> Result<DatabaseConnection, DbErr> {
    let failed = |error: sqlx::Error| DbErr::Conn(RuntimeErr::SqlxError(error.into()));
    let options = postgres_options(url).map_err(failed)?;
    wait_for_postgres(&options).await.map_err(failed)?;
    // Migrating holds one connection for the lock and needs another for the work.
    let pool = PgPoolOptions::new()
        .max_connections(max_connections.max(2))
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(30))
        .connect_with(options)
        .await
        .map_err(failed)?;
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

/// Waits for a server that is starting up. The pool would wait as well, but it says neither that it waits
/// nor, in the end, what for.
async fn wait_for_postgres(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let error = match tokio::time::timeout_at(end, options.connect()).await {
            Ok(Ok(connection)) => return connection.close().await,
            Ok(Err(error)) => error,
            Err(_) => std::io::Error::from(std::io::ErrorKind::TimedOut).into(),
        };
        let starting_up = match &error {
            sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
            // cannot_connect_now
            sqlx::Error::Database(error) => error.code().as_deref() == Some("57P03"),
            _ => false,
        };
        if !starting_up || tokio::time::Instant::now() + PAUSE >= end {
            return Err(error);
        }
        tracing::warn!(%error, "the database does not answer yet");
        tokio::time::sleep(PAUSE).await;
    }
}

fn sqlite_options(url: &str, max_connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(max_connections)
        .min_connections(1)
        .sqlx_logging(false);
    options.acquire_timeout(Duration::from_secs(30));
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
    });
    options
}

/// Immediate on SQLite: a transaction that begins by reading and then writes fails at once there when
/// another one wrote in between, however long it would wait.
#[expect(clippy::disallowed_methods, reason = "the one place that begins transactions")]
async fn begin(connection: &DatabaseConnection) -> Result<DatabaseTransaction> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    Ok(connection.begin_with_options(options).await?)
}

async fn retry<T, F, Fut>(attempt: F) -> Result<T>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let mut tried = 1;
    loop {
        match attempt().await {
            Err(Error::Database(error)) if tried < MAX_ATTEMPTS && is_contention(&error) => {
                tracing::debug!(%error, tried, "transaction is tried again");
                tokio::time::sleep(pause(tried)).await;
                tried += 1;
            }
            outcome => return outcome,
        }
    }
}

/// Grows with every attempt, and is never the same for two that collided.
fn pause(tried: u32) -> Duration {
    let spread = u64::from(uuid::Uuid::new_v4().as_bytes()[0]) + 64;
    Duration::from_micros((1_u64 << tried.min(8)) * spread * 8)
}

/// Whether the database gave up because of what others do at the same time.
fn is_contention(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))
    | DbErr::Conn(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    let Some(code) = error.as_database_error().and_then(|error| error.code()) else {
        return false;
    };
    // PostgreSQL: serialization_failure, deadlock_detected. SQLite: BUSY and LOCKED with their extended codes.
    matches!(
        code.as_ref(),
        "40001" | "40P01" | "5" | "6" | "261" | "262" | "517" | "773"
    )
}

/// The rows of a query that decode, and how many do not. Other programs write to the tables too; one bad
/// row must not end a page or a sweep.
pub async fn decodable<E, C>(select: Select<E>, connection: &C) -> Result<(Vec<E::Model>, u64)>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    let rows = connection
        .query_all_raw(select.build(connection.get_database_backend()))
        .await?;
    let mut models = Vec::with_capacity(rows.len());
    let mut skipped = 0;
    for row in &rows {
        match decode::<E::Model>(row, "") {
            Some(model) => models.push(model),
            None => skipped += 1,
        }
    }
    Ok((models, skipped))
}

/// One row, or None and a line in the log if it does not decode.
pub fn decode<M: FromQueryResult>(row: &QueryResult, prefix: &str) -> Option<M> {
    caught(|| M::from_query_result(row, prefix))
        .inspect_err(|error| {
            let id = column::<uuid::Uuid>(row, prefix, "id").ok();
            tracing::warn!(table = std::any::type_name::<M>(), ?id, %error, "a row does not decode and is skipped");
        })
        .ok()
}

/// One column of a row.
pub fn column<T: TryGetable>(row: &QueryResult, prefix: &str, name: &str) -> Result<T, DbErr> {
    caught(|| row.try_get(prefix, name))
}

/// The driver panics over times that PostgreSQL holds and Rust does not, such as `infinity`.
fn caught<T>(decoding: impl FnOnce() -> Result<T, DbErr>) -> Result<T, DbErr> {
    catch_unwind(AssertUnwindSafe(decoding))
        .unwrap_or_else(|_| Err(DbErr::Type("a value that is out of range".to_owned())))
}

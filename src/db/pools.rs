//! Connection pools. A connection in an unknown state is closed and never used again.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::pool::PoolOptions;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sea_orm::sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _};
use sea_orm::{DatabaseConnection, DbErr, RuntimeErr, SqlxSqliteConnector};
use tokio::time::timeout;

use super::address::{Pooling, pooling, postgres_options};
use super::file::SqliteFile;
use super::reader::Reader;
use super::writer::Writer;
use super::{held, pooler, untested};
use crate::error::{Error, Result};

/// Maximum time to wait for a database to start.
const STARTUP_LIMIT: Duration = Duration::from_secs(10);
/// Delay before the next attempt to connect.
const PAUSE: Duration = Duration::from_secs(1);
/// How long SQLite waits for the write lock of another process. It is short so that long waits are logged; the
/// transaction is then retried.
const BUSY_WRITER: Duration = Duration::from_secs(1);
/// How long a query waits for a lock in SQLite, such as while another process recovers the file.
const BUSY_READER: Duration = Duration::from_secs(5);
/// How long a query of SQLite waits for a connection.
const READ_ACQUIRE: Duration = Duration::from_secs(10);
/// Maximum time to wait for a write connection of SQLite. Write transactions have shorter limits of their own.
const WRITE_ACQUIRE: Duration = Duration::from_secs(300);
/// Maximum time to wait for a connection of PostgreSQL. Each use has a shorter limit of its own.
const POSTGRES_ACQUIRE: Duration = Duration::from_secs(30);
/// How long an idle connection may take to answer before it is replaced.
const PING: Duration = Duration::from_secs(2);
/// Limits the time of a query in PostgreSQL, so that queries of disconnected callers release their connections. Queries
/// are not compiled, because that takes longer than reading a page. A query waits for a lock only for a moment and is
/// then repeated, so that it does not keep its connection.
const READ_STATEMENT: &str = "SET statement_timeout = '60s'; SET lock_timeout = '500ms'; SET jit = off";
/// The same for a pooler, where a read is a transaction.
const POOLED_READ: &str =
    "SET LOCAL statement_timeout = '60s'; SET LOCAL lock_timeout = '500ms'; SET LOCAL jit = off";
/// Makes PostgreSQL 14 and later stop the statement of a connection that was closed. Earlier ones have no such setting.
const STOP_ABANDONED: &str = "SELECT set_config('client_connection_check_interval', '2s', false) \
    FROM pg_settings WHERE name = 'client_connection_check_interval'";

/// The connection pools of one database.
pub(super) struct Pools {
    /// For queries.
    pub(super) read: Reader,
    /// For write transactions.
    pub(super) write: Writer,
    /// For checks that the database accepts writes. On SQLite the same as `write`.
    pub(super) probe: Writer,
    /// For the version of the contents: one connection on SQLite. On PostgreSQL the same as `read`.
    pub(super) version: Reader,
    /// What queries get while the file is not the one that was opened.
    pub(super) closed: Reader,
    /// The file of an SQLite database.
    pub(super) file: Option<Arc<SqliteFile>>,
    /// Whether a pooler gives each transaction another connection of PostgreSQL.
    pub(super) pooled: bool,
}

fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(error.into()))
}

/// Opens an SQLite database. Writers queue in order for the one write connection instead of polling for SQLite's
/// lock.
pub(super) async fn sqlite(url: &str, max_connections: u32) -> Result<Pools, DbErr> {
    let options = SqliteConnectOptions::from_str(url)
        .map_err(failed)?
        .disable_statement_logging()
        .foreign_keys(true)
        .busy_timeout(BUSY_WRITER)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let file = Arc::new(SqliteFile::open(&options).await?);
    // A file that is missing from now on was removed, and must not be created again.
    let options = options.create_if_missing(false);
    let idle = Arc::clone(&file);
    let write = sqlite_pool(&file, 1, WRITE_ACQUIRE).before_acquire(move |_, _| {
        let usable = idle.may_be_written_to();
        Box::pin(async move { Ok(usable) })
    });
    let write = write.after_release(|connection, _| {
        Box::pin(async move {
            let clean = is_clean_sqlite(connection).await;
            if !clean {
                tracing::warn!("a transaction failed to end: replacing its SQLite connection");
            }
            Ok(clean)
        })
    });
    let write = write.connect_with(options.clone()).await.map_err(failed)?;
    let options = options.busy_timeout(BUSY_READER);
    let read = sqlite_pool(&file, max_connections, READ_ACQUIRE)
        .connect_with(options.clone())
        .await
        .map_err(failed)?;
    let write = Writer::of_sqlite(SqlxSqliteConnector::from_sqlx_sqlite_pool(write));
    let version = SqlxSqliteConnector::from_sqlx_sqlite_pool(version_pool(&file, options));
    let read = Reader::of_sqlite(SqlxSqliteConnector::from_sqlx_sqlite_pool(read));
    Ok(Pools {
        version: Reader::of_sqlite(version),
        closed: Reader::of_sqlite(closed().await?),
        read,
        probe: write.clone(),
        write,
        file: Some(file),
        pooled: false,
    })
}

/// Builds the pool of the connection that reads the version of the contents. It is kept open, because only numbers of
/// the same connection can be compared.
fn version_pool(file: &Arc<SqliteFile>, options: SqliteConnectOptions) -> SqlitePool {
    let opened = Arc::clone(file);
    sqlite_pool(file, 1, READ_ACQUIRE)
        .min_connections(0)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(move |connection, _| {
            let checked = opened
                .check()
                .map_err(|why| sqlx::Error::Configuration(why.into()));
            Box::pin(async move {
                checked?;
                let name = sqlx::AssertSqlSafe(super::version::name_connection());
                sqlx::raw_sql(name).execute(connection).await.map(drop)
            })
        })
        .connect_lazy_with(options)
}

/// Builds a pool whose connections are checked to lead to this file.
fn sqlite_pool(file: &Arc<SqliteFile>, max_connections: u32, acquire: Duration) -> SqlitePoolOptions {
    let (opened, idle) = (Arc::clone(file), Arc::clone(file));
    PoolOptions::new()
        .max_connections(max_connections)
        .min_connections(1)
        .acquire_timeout(acquire)
        .after_connect(move |_, _| {
            let checked = opened
                .check()
                .map_err(|why| sqlx::Error::Configuration(why.into()));
            Box::pin(async move { checked })
        })
        .before_acquire(move |_, _| {
            let same = idle.check().is_ok();
            Box::pin(async move { Ok(same) })
        })
}

/// Returns whether no transaction is open.
///
/// SQLite rolls back automatically when the disk is full. The driver's own ROLLBACK then fails, and its transaction
/// count stays at 1. The next transaction would begin as a savepoint of a transaction that is never committed.
/// Therefore two things are checked: the driver's count, and that SQLite accepts a BEGIN, which it refuses inside a
/// transaction.
async fn is_clean_sqlite(connection: &mut SqliteConnection) -> bool {
    // A queued rollback runs before this returns.
    connection.ping().await.is_ok()
        && !connection.is_in_transaction()
        && sqlx::raw_sql("BEGIN; ROLLBACK").execute(connection).await.is_ok()
}

/// Opens the pools of a PostgreSQL database. Does not use SeaORM's `Database::connect`, whose tracing span contains
/// the address with its password.
///
/// Queries have a pool of their own, so that writers waiting for a lock never block reads. The checks have one
/// connection, so that they do not wait for either. No pool keeps a minimum of connections: while the database is silent, it
/// would try for minutes to open them, and these places would be missing.
pub(super) async fn postgres(url: &str, max_connections: u32) -> Result<Pools> {
    let options = postgres_options(url).map_err(failed)?;
    let pooling = pooling(url).map_err(invalid)?;
    let pooled = wait_for_postgres(&options, pooling).await.map_err(failed)?;
    let options = if pooled { for_pooler(options)? } else { options };
    // A migration holds one connection for the lock and needs another for the work.
    let writers = (max_connections / 3).max(2);
    let readers = max_connections.saturating_sub(writers).max(1);
    let write = clean_postgres_pool(writers, pooled)
        .connect_with(options.clone())
        .await
        .map_err(failed)?;
    let read = PgPoolOptions::new()
        .max_connections(readers)
        .acquire_timeout(POSTGRES_ACQUIRE);
    let (read, begin) = if pooled {
        // Beginning a transaction is a test of the connection.
        let read = read.test_before_acquire(false).connect_lazy_with(options.clone());
        let begin = pooler::beginning(&options).await.map_err(failed)?;
        (Reader::of_pooler(read, &format!("{begin} {POOLED_READ}")), begin)
    } else {
        let read = tested_unless_repeated(read).connect_with(options.clone());
        (
            Reader::of_postgres(read.await.map_err(failed)?),
            "BEGIN;".to_owned(),
        )
    };
    let checks = clean_postgres_pool(1, pooled).connect_lazy_with(options);
    Ok(Pools {
        version: read.clone(),
        closed: read.clone(),
        read,
        write: Writer::of_postgres(write, &begin),
        probe: Writer::of_postgres(checks, &begin),
        file: None,
        pooled,
    })
}

fn invalid(why: impl std::fmt::Display) -> Error {
    Error::BadUserInput(format!("DATABASE_URL: {why}"))
}

fn tested_unless_repeated(pool: PgPoolOptions) -> PgPoolOptions {
    pool.test_before_acquire(false)
        .before_acquire(|connection, used| {
            Box::pin(async move {
                if !untested::is_accepted(used.idle_for) {
                    ping(connection).await?;
                }
                Ok(true)
            })
        })
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(READ_STATEMENT).execute(&mut *connection).await?;
                sqlx::raw_sql(STOP_ABANDONED).execute(connection).await.map(drop)
            })
        })
}

/// Tests an idle connection. The other end may be gone without a trace, so the wait for its answer has a limit.
pub(super) async fn ping(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    timeout(PING, connection.ping())
        .await
        .unwrap_or_else(|_| Err(held::silent()))
}

/// Returns the options of connections to a pooler.
///
/// # Errors
///
/// The address sets settings of a session, which the pooler would lose.
fn for_pooler(options: PgConnectOptions) -> Result<PgConnectOptions> {
    if options.get_options().is_some() {
        return Err(invalid(
            "has the parameter \"options\" (or PGOPTIONS is set), which a pooler does not keep; use ALTER ROLE or ALTER \
             DATABASE to set them",
        ));
    }
    tracing::info!("a pooler is in front of the database: each read is a transaction");
    Ok(pooler::pooled(options))
}

fn clean_postgres_pool(max_connections: u32, pooled: bool) -> PgPoolOptions {
    let pool = PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(POSTGRES_ACQUIRE)
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(async move { ping(connection).await.map(|()| true) }))
        .after_release(|connection, _| {
            Box::pin(async move {
                let clean = is_clean_postgres(connection).await;
                if !clean {
                    tracing::warn!(
                        "a transaction failed to end or to write: replacing its PostgreSQL connection"
                    );
                }
                Ok(clean)
            })
        });
    if pooled {
        // Each transaction makes this setting. A query here would log an error for each attempt to connect while the
        // database is away, because a pooler accepts connections meanwhile.
        return pool;
    }
    // A killed server leaves its statement to PostgreSQL, which would keep the locks until it has ended.
    pool.after_connect(|connection, _| {
        Box::pin(async move { sqlx::raw_sql(STOP_ABANDONED).execute(connection).await.map(drop) })
    })
}

/// Returns whether no transaction is open and the connection accepts writes. A connection that was opened while the
/// database was read-only stays read-only.
///
/// An open transaction is detected in two ways: by the driver's transaction count, and by a query: outside of a
/// transaction, `now()` equals the start of the statement.
async fn is_clean_postgres(connection: &mut PgConnection) -> bool {
    if connection.ping().await.is_err() || connection.is_in_transaction() {
        return false;
    }
    let outside = sqlx::raw_sql(
        "SELECT now() = statement_timestamp() AND current_setting('transaction_read_only') = 'off'",
    );
    let row = outside.fetch_one(connection).await;
    row.and_then(|row| sqlx::Row::try_get(&row, 0)).unwrap_or(false)
}

/// Waits for a server that is starting, and returns whether a pooler is in front of it. The pool would wait too, but
/// would not log the wait and its reason.
async fn wait_for_postgres(options: &PgConnectOptions, pooling: Pooling) -> Result<bool, sqlx::Error> {
    let end = tokio::time::Instant::now() + STARTUP_LIMIT;
    loop {
        let error = match tokio::time::timeout_at(end, pooler::is_pooled(options, pooling)).await {
            Ok(Ok(pooled)) => return Ok(pooled),
            Ok(Err(error)) => error,
            Err(_) => std::io::Error::from(std::io::ErrorKind::TimedOut).into(),
        };
        let starting_up = match &error {
            sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
            // cannot_connect_now
            sqlx::Error::Database(error) => {
                error.code().as_deref() == Some("57P03") || pooler::cannot_connect(error.message())
            }
            _ => false,
        };
        if !starting_up || tokio::time::Instant::now() + PAUSE >= end {
            return Err(error);
        }
        tracing::warn!(%error, "the database does not respond yet");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Returns a closed pool of SQLite. Each use of it fails at once.
async fn closed() -> Result<DatabaseConnection, DbErr> {
    let options = SqliteConnectOptions::new().in_memory(true);
    let pool = sqlx::Pool::<sqlx::Sqlite>::connect_lazy_with(options);
    let closed = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool);
    closed.close_by_ref().await?;
    Ok(closed)
}

//! Connection pools. A connection in an unknown state is closed and never used again.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::pool::PoolOptions;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sea_orm::sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _};
use sea_orm::{DatabaseConnection, DbErr, RuntimeErr, SqlxPostgresConnector, SqlxSqliteConnector};

use super::address::postgres_options;
use super::file::SqliteFile;

/// Maximum time to wait for a database to start.
const STARTUP_LIMIT: Duration = Duration::from_secs(10);
/// Delay before the next attempt to connect.
const PAUSE: Duration = Duration::from_secs(1);
/// How long SQLite waits for the write lock of another process. It is short so that long waits are logged; the
/// transaction is then retried.
const BUSY_WRITER: Duration = Duration::from_secs(1);
/// How long a query waits for a lock in SQLite, such as while another process recovers the file.
const BUSY_READER: Duration = Duration::from_secs(5);
/// How long a query waits for a connection.
const READ_ACQUIRE: Duration = Duration::from_secs(10);
/// Maximum time to wait for a write connection. Write transactions have shorter limits of their own.
const WRITE_ACQUIRE: Duration = Duration::from_secs(300);
/// Limits the time of a query in PostgreSQL, so that queries of disconnected callers release their connections. Queries
/// are not compiled, because that takes longer than reading a page.
const READ_STATEMENT: &str = "SET statement_timeout = '60s'; SET jit = off";

/// The connection pools of one database.
pub(super) struct Pools {
    /// For queries.
    pub(super) read: DatabaseConnection,
    /// For write transactions.
    pub(super) write: DatabaseConnection,
    /// For checks that the database accepts writes. On SQLite the same as `write`.
    pub(super) probe: DatabaseConnection,
    /// The file of an SQLite database.
    pub(super) file: Option<Arc<SqliteFile>>,
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
    let read = sqlite_pool(&file, max_connections, READ_ACQUIRE)
        .connect_with(options.busy_timeout(BUSY_READER))
        .await
        .map_err(failed)?;
    let write = SqlxSqliteConnector::from_sqlx_sqlite_pool(write);
    Ok(Pools {
        read: SqlxSqliteConnector::from_sqlx_sqlite_pool(read),
        probe: write.clone(),
        write,
        file: Some(file),
    })
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
/// Queries have a pool of their own, so that writers waiting for a lock never block reads.
pub(super) async fn postgres(url: &str, max_connections: u32) -> Result<Pools, DbErr> {
    let options = postgres_options(url).map_err(failed)?;
    wait_for_postgres(&options).await.map_err(failed)?;
    // A migration holds one connection for the lock and needs another for the work.
    let writers = (max_connections / 3).max(2);
    let readers = max_connections.saturating_sub(writers).max(1);
    let write = clean_postgres_pool(writers)
        .min_connections(1)
        .acquire_timeout(WRITE_ACQUIRE)
        .connect_with(options.clone())
        .await
        .map_err(failed)?;
    let read = PgPoolOptions::new()
        .max_connections(readers)
        .min_connections(1)
        .test_before_acquire(false)
        .before_acquire(|connection, _| {
            Box::pin(async move {
                if !super::untested::is_accepted() {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .acquire_timeout(READ_ACQUIRE)
        .after_connect(|connection, _| {
            Box::pin(async move { sqlx::raw_sql(READ_STATEMENT).execute(connection).await.map(drop) })
        })
        .connect_with(options.clone())
        .await
        .map_err(failed)?;
    let probe = clean_postgres_pool(1)
        .acquire_timeout(READ_ACQUIRE)
        .connect_lazy_with(options);
    Ok(Pools {
        read: SqlxPostgresConnector::from_sqlx_postgres_pool(read),
        write: SqlxPostgresConnector::from_sqlx_postgres_pool(write),
        probe: SqlxPostgresConnector::from_sqlx_postgres_pool(probe),
        file: None,
    })
}

fn clean_postgres_pool(max_connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(max_connections)
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

/// Waits for a server that is starting. The pool would wait too, but would not log the wait and its reason.
async fn wait_for_postgres(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let end = tokio::time::Instant::now() + STARTUP_LIMIT;
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
        tracing::warn!(%error, "the database does not respond yet");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Returns a closed pool for the same type of database. Each use of it fails at once.
pub(super) async fn closed(of: &DatabaseConnection) -> Result<DatabaseConnection, DbErr> {
    let closed = match of.get_database_backend() {
        sea_orm::DbBackend::Sqlite => {
            let options = SqliteConnectOptions::new().in_memory(true);
            let pool = sqlx::Pool::<sqlx::Sqlite>::connect_lazy_with(options);
            SqlxSqliteConnector::from_sqlx_sqlite_pool(pool)
        }
        _ => {
            let pool =
                sqlx::Pool::<sqlx::Postgres>::connect_lazy_with(PgConnectOptions::new_without_pgpass());
            SqlxPostgresConnector::from_sqlx_postgres_pool(pool)
        }
    };
    closed.close_by_ref().await?;
    Ok(closed)
}

//! Poolers that give each transaction another connection of the database, such as PgBouncer in transaction mode.
//!
//! Behind such a pooler, neither prepared statements nor settings of a session last longer than a transaction, and the
//! connection may hold the statements of other clients. The driver prepares each statement under a name and executes it
//! in a second step. Therefore each read is a transaction of its own here, and each transaction begins by deleting
//! the statements that it finds.

use std::time::Duration;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection, PgPool};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _};
use sea_orm::{ConnAcquireErr, DbErr};
use tokio::time::{Instant, sleep, timeout_at};

use super::address::Pooling;
use super::contention::pause;
use super::held::{Ask, Held};

/// Deletes the prepared statements that earlier transactions left on the connection of the database. The driver numbers
/// its statements, so that their names would be the same.
pub(super) const FORGET_STATEMENTS: &str = "DEALLOCATE ALL; ";
/// Makes PostgreSQL stop the statement of a connection that was closed.
const STOP_ABANDONED: &str = "SET LOCAL client_connection_check_interval = '2s'";
/// Maximum time to begin a transaction. A pooler may make it wait for a connection of the database.
const BEGIN: Duration = Duration::from_secs(10);
/// Setting that a new session gets when it connects. A pooler refuses it, or does not pass it on.
const OF_THE_SESSION: &str = "drift_inbox.session";
const IS_SET: &str = "SELECT coalesce(current_setting('drift_inbox.session', true), '') = 'own'";

/// Connects once. Returns whether transactions of this address are pooled.
///
/// # Errors
///
/// The database does not respond or refuses the connection.
pub(super) async fn is_pooled(options: &PgConnectOptions, pooling: Pooling) -> Result<bool, sqlx::Error> {
    match pooling {
        Pooling::Off => {
            options.connect().await?.close().await?;
            Ok(false)
        }
        Pooling::Transaction => {
            pooled(options.clone()).connect().await?.close().await?;
            Ok(true)
        }
        Pooling::Detect => detect(options).await,
    }
}

async fn detect(options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let with_setting = options.clone().options([(OF_THE_SESSION, "own")]);
    let mut connection = match with_setting.connect().await {
        Ok(connection) => connection,
        Err(error) if refuses_parameter(&error) => return Ok(true),
        Err(error) => return Err(error),
    };
    let row = sqlx::raw_sql(IS_SET).fetch_one(&mut connection).await?;
    let own_session: bool = sqlx::Row::try_get(&row, 0)?;
    connection.close().await?;
    Ok(!own_session)
}

/// Returns whether a pooler refused a parameter of the session. PostgreSQL itself accepts all of the driver's.
fn refuses_parameter(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    error.is_some_and(|error| error.message().starts_with("unsupported startup parameter"))
}

/// Returns whether this is PgBouncer's message that the database does not accept connections at present.
pub(super) fn cannot_connect(message: &str) -> bool {
    message.contains("cannot connect to server") || message.contains("server_login_retry")
}

/// Returns options for a pooler: no parameter that it refuses, and no cache of prepared statements.
pub(super) fn pooled(options: PgConnectOptions) -> PgConnectOptions {
    options.extra_float_digits(None).statement_cache_capacity(0)
}

/// Returns the SQL that begins a transaction behind a pooler: it deletes the statements that earlier transactions left on
/// the connection of the database, because the driver numbers its statements, so that their names would be the same. If
/// the database can, it stops the statement of a client that disconnects.
///
/// # Errors
///
/// The database does not respond.
pub(super) async fn beginning(options: &PgConnectOptions) -> Result<String, sqlx::Error> {
    let mut connection = options.connect().await?;
    let stops = match run(&mut connection, &format!("BEGIN; {STOP_ABANDONED}; ROLLBACK")).await {
        Ok(()) => true,
        // PostgreSQL before version 14 has no such setting, and some operating systems cannot tell.
        Err(sqlx::Error::Database(_)) => false,
        Err(error) => return Err(error),
    };
    connection.close().await?;
    let stop = if stops { STOP_ABANDONED } else { "" };
    Ok(format!("BEGIN; {FORGET_STATEMENTS}{stop};"))
}

/// Takes a connection and runs `begin` on it, which is SQL that begins a transaction. Tries other connections until the
/// limit passes, because the pooler may have kept some from before a restart of the database.
///
/// # Errors
///
/// No transaction begins within the limit.
pub(super) async fn begin(pool: &PgPool, begin: &str, limit: Duration) -> Result<Held, DbErr> {
    let end = Instant::now() + limit;
    for tried in 0_u32.. {
        let mut held = Held::take(pool, end.saturating_duration_since(Instant::now())).await?;
        held.note_transaction(true);
        match timeout_at(end, held.ask(&Ask::Script(begin), BEGIN)).await {
            Ok(Ok(_)) => return Ok(held),
            Ok(Err(error)) => tracing::debug!(%error, "beginning a transaction on another connection"),
            Err(_) => break,
        }
        held.close();
        if timeout_at(end, sleep(pause(tried))).await.is_err() {
            break;
        }
    }
    Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(connection)
        .await
        .map(drop)
}

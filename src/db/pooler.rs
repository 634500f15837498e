//! Poolers that give each transaction another connection of the database, such as PgBouncer in transaction mode.
//!
//! Behind such a pooler, neither prepared statements nor settings of a session last longer than a transaction, and the
//! connection may hold the statements of other clients. The driver prepares each statement under a name and executes it
//! in a second step. Therefore each read is a transaction of its own here, and each transaction begins by deleting
//! the statements that it finds.

use std::time::Duration;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _};

use tokio::time::timeout;

use super::address::Pooling;
use super::held;

/// Deletes the prepared statements that earlier transactions left on the connection of the database. The driver numbers
/// its statements, so that their names would be the same.
pub(super) const FORGET_STATEMENTS: &str = "DEALLOCATE ALL; ";
/// Maximum time to begin a read. A pooler may make it wait for a connection of the database.
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

/// Makes each use of a connection one transaction, from when it leaves the pool until it returns. `settings` is the SQL
/// that begins it.
pub(super) fn in_transactions(pool: PgPoolOptions, settings: &'static str) -> PgPoolOptions {
    pool
        // Beginning the transaction is a test of the connection.
        .test_before_acquire(false)
        .after_connect(move |connection, _| Box::pin(run(connection, settings)))
        .before_acquire(move |connection, _| {
            Box::pin(async move {
                // Also a test that the other end answers.
                timeout(BEGIN, run(connection, settings))
                    .await
                    .unwrap_or_else(|_| Err(held::silent()))
                    .map(|()| true)
            })
        })
        .after_release(|connection, _| {
            Box::pin(async move { run(connection, "COMMIT").await.map(|()| true) })
        })
}

async fn run(connection: &mut PgConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sql).execute(connection).await.map(drop)
}

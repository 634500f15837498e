//! Reads on connections that were not pinged first.
//!
//! A pool pings each connection before it hands it out, because the server may have closed it. The ping costs a round
//! trip. A read that is repeated after a failure does not need it.

use sea_orm::{DbErr, RuntimeErr, sqlx};

use crate::error::{Error, Result};

tokio::task_local! {
    static UNTESTED: ();
}

/// Runs a read on a connection of PostgreSQL that may be closed. If that fails, runs it again on one that was pinged.
///
/// # Errors
///
/// The error of the second run, or of the first if no connection was free.
pub(crate) async fn untested_first<T, F, Fut>(read: F) -> Result<T>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    match UNTESTED.scope((), read()).await {
        Err(Error::Database(error)) if is_closed(&error) => {
            tracing::debug!(%error, "repeating a read on a connection that is tested first");
            read().await
        }
        outcome => outcome,
    }
}

/// Returns whether the connection was closed, by the server or on the way.
pub(super) fn is_closed(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))
    | DbErr::Conn(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    match &**error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => true,
        // Connection exceptions, and a server that shuts down, has crashed or is starting.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("08") || ["57P01", "57P02", "57P03"].contains(&code.as_ref())
        }),
        _ => false,
    }
}

/// Returns whether the current task accepts a connection that was not pinged.
pub(super) fn is_accepted() -> bool {
    UNTESTED.try_with(|()| ()).is_ok()
}

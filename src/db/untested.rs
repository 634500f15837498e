//! Reads on connections that were not pinged first.
//!
//! A pool pings each connection before it hands it out, because the server may have closed it. The ping costs a round
//! trip. A read that is repeated after a failure does not need it.

use sea_orm::DbErr;

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
        Err(Error::Database(error)) if !matches!(error, DbErr::ConnectionAcquire(_)) => {
            tracing::debug!(%error, "repeating a read on a connection that is tested first");
            read().await
        }
        outcome => outcome,
    }
}

/// Returns whether the current task accepts a connection that was not pinged.
pub(super) fn is_accepted() -> bool {
    UNTESTED.try_with(|()| ()).is_ok()
}

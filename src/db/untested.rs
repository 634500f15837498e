//! Reads on connections that were not tested first.
//!
//! A pool tests each connection before it lends it, because the server may have closed it meanwhile. The test is a
//! round trip. A read that is repeated after a failure can do without.

use sea_orm::DbErr;

use crate::error::{Error, Result};

tokio::task_local! {
    static UNTESTED: ();
}

/// Runs a read on a connection of PostgreSQL that may be closed. If that fails, runs it again on one that was tested.
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

/// Returns whether the task that asks for a connection takes one that was not tested.
pub(super) fn is_accepted() -> bool {
    UNTESTED.try_with(|()| ()).is_ok()
}

//! Reads on connections that were not pinged first.
//!
//! A pool pings each connection before it hands it out, because the server may have closed it. The ping costs a round
//! trip. A read that is repeated after a failure does not need it, unless the connection was idle: a connection whose
//! other end has fallen silent does not fail, but waits for a long time.

use std::time::Duration;

use crate::error::{Error, Result};

/// A connection that was idle for longer is pinged.
const RECENT: Duration = Duration::from_millis(500);

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
        Err(Error::Unavailable(error)) => {
            tracing::debug!(%error, "repeating a read on a connection that is tested first");
            read().await
        }
        outcome => outcome,
    }
}

/// Returns whether the current task accepts a connection that was not pinged and was idle for this time.
pub(super) fn is_accepted(idle_for: Duration) -> bool {
    idle_for < RECENT && UNTESTED.try_with(|()| ()).is_ok()
}

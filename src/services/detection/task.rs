//! A part of a sweep that runs at the same time as the others.

use tokio::task::JoinHandle;

use crate::error::{Error, Result};

/// A task that is aborted when it is dropped.
pub(super) struct Task<T>(JoinHandle<Result<T>>);

impl<T: Send + 'static> Task<T> {
    pub(super) fn spawn(work: impl Future<Output = Result<T>> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    /// Returns whether the work has ended, so that [`Self::done`] does not wait.
    pub(super) fn is_done(&self) -> bool {
        self.0.is_finished()
    }

    /// Waits for the result.
    ///
    /// # Errors
    ///
    /// The error of the work.
    pub(super) async fn done(mut self) -> Result<T> {
        (&mut self.0)
            .await
            .map_err(|error| Error::Internal(format!("sweep: {error}")))?
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

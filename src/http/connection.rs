//! The connection that a request came by, for answers that go on.

use std::sync::Arc;

use axum::http::Extensions;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// A connection, or what it was upgraded to: the server counts it until the last clone is gone.
#[derive(Clone, Debug, Default)]
pub(super) struct Connection {
    stop: CancellationToken,
    _held: Option<Arc<Held>>,
}

/// What a connection takes up.
#[derive(Debug)]
struct Held {
    _place: OwnedSemaphorePermit,
    _end: TaskTrackerToken,
}

impl Connection {
    /// Takes up this place, and delays the end of the server.
    pub(super) fn new(stop: CancellationToken, place: OwnedSemaphorePermit, end: TaskTrackerToken) -> Self {
        Self {
            stop,
            _held: Some(Arc::new(Held {
                _place: place,
                _end: end,
            })),
        }
    }

    /// Of a request. One that no server took, as in tests of the routes, never stops.
    pub(super) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// Waits until the server stops. Whatever goes on has to come to an end then.
    pub(super) fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        self.stop.clone().cancelled_owned()
    }
}

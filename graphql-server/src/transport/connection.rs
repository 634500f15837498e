//! The connection of a request, for responses that continue after the handler has returned.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::{Extensions, request::Parts};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// A client's connection over HTTP, or over WebSocket after an upgrade. It counts towards the limit of connections
/// until the last clone is dropped.
#[derive(Clone, Debug, Default)]
pub struct ClientConnection {
    stop: CancellationToken,
    peer: Option<IpAddr>,
    _held: Option<Arc<Held>>,
}

/// The resources that a connection holds.
#[derive(Debug)]
struct Held {
    _place: OwnedSemaphorePermit,
    _end: TaskTrackerToken,
}

impl ClientConnection {
    /// Creates a connection that occupies `place`, and delays the shutdown of the server until it is dropped.
    pub(super) fn new(
        peer: IpAddr,
        stop: CancellationToken,
        place: OwnedSemaphorePermit,
        end: TaskTrackerToken,
    ) -> Self {
        Self {
            stop,
            peer: Some(peer),
            _held: Some(Arc::new(Held {
                _place: place,
                _end: end,
            })),
        }
    }

    /// Returns the connection of a request. Tests call the routes without a server; the connection then never
    /// stops.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// Returns the address of the client, or of the proxy in front of it.
    pub fn peer(&self) -> Option<IpAddr> {
        self.peer
    }

    /// Waits until the server stops. Open streams must end then.
    pub(super) fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        self.stop.clone().cancelled_owned()
    }
}

impl<S: Sync> FromRequestParts<S> for ClientConnection {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

//! The connection of a request, for responses that continue after the handler has returned.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::{Extensions, request::Parts};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::places::Place;
use crate::callers::CallerKey;

/// A client's connection over HTTP, or over WebSocket after an upgrade. It counts towards the limit of connections
/// until the last clone is dropped.
#[derive(Clone, Debug, Default)]
pub struct ClientConnection {
    stop: CancellationToken,
    peer: Option<IpAddr>,
    held: Option<Arc<Held>>,
}

/// The resources that a connection holds.
#[derive(Debug)]
struct Held {
    place: Place,
    _end: TaskTrackerToken,
}

impl ClientConnection {
    /// Creates a connection that occupies `place`, and delays the shutdown of the server until it is dropped.
    pub(super) fn new(peer: IpAddr, stop: CancellationToken, place: Place, end: TaskTrackerToken) -> Self {
        Self {
            stop,
            peer: Some(peer),
            held: Some(Arc::new(Held { place, _end: end })),
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

    /// Marks the connection as that of a user with valid credentials, so that it is not closed for new connections of
    /// others.
    pub fn signed_in(&self, user: &CallerKey) {
        if let Some(held) = &self.held {
            held.place.signed_in(user);
        }
    }

    /// Counts the connection as a WebSocket.
    pub(super) fn becomes_socket(&self) {
        if let Some(held) = &self.held {
            held.place.becomes_socket();
        }
    }

    /// Waits until the connection must be closed at once, without another message.
    pub(super) fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
        let close = self.held.as_ref().map(|held| held.place.close().clone());
        async move {
            match close {
                Some(close) => close.cancelled_owned().await,
                None => std::future::pending().await,
            }
        }
    }

    /// Closes the connection `grace` after `ended`, unless the returned guard is dropped before. A client that does not
    /// read would not see the end of a response otherwise, and the response would not end.
    pub(super) fn close_after(
        &self,
        ended: impl Future<Output = ()> + Send + 'static,
        grace: Duration,
    ) -> DropGuard {
        let unneeded = CancellationToken::new();
        let guard = unneeded.clone().drop_guard();
        if let Some(close) = self.held.as_ref().map(|held| held.place.close().clone()) {
            tokio::spawn(async move {
                let late = async {
                    ended.await;
                    tokio::time::sleep(grace).await;
                };
                tokio::select! {
                    () = unneeded.cancelled() => {}
                    () = late => close.cancel(),
                }
            });
        }
        guard
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

//! Listens on a TCP port and serves connections. `axum::serve` is not used, because it has no timeout for the head of a
//! request.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::ClientConnection;

/// Maximum number of connections; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 4096;

/// Time limits for clients.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Maximum time to send the head of a request.
    pub head: Duration,
    /// Maximum time to finish active requests when the server stops.
    pub drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(20),
            drain: Duration::from_secs(8),
        }
    }
}

/// Serves until `stop`, then closes sockets and event streams, and waits for active requests at most `timeouts.drain`.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken, timeouts: Timeouts) {
    let (open, places) = (TaskTracker::new(), Arc::new(Semaphore::new(MAX_CONNECTIONS)));
    while let Some((stream, peer, place)) = next(&listener, &places, &stop).await {
        let connection = ClientConnection::new(peer.ip(), stop.clone(), place, open.token());
        tokio::spawn(serve_connection(
            stream,
            router.clone(),
            connection,
            timeouts.head,
        ));
    }
    drop(listener);
    open.close();
    if tokio::time::timeout(timeouts.drain, open.wait()).await.is_err() {
        tracing::warn!("requests did not end in time: closing their connections");
    }
}

/// Serves one connection until it ends or is upgraded. It does not use hyper-util's GracefulShutdown, which does not
/// support connections that can be upgraded.
async fn serve_connection(stream: TcpStream, router: Router, connection: ClientConnection, head: Duration) {
    let (service, stopping) = (TowerToHyperService::new(router), connection.stopping());
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(connection.clone());
        service.call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stopping => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Accepts the next connection when a place is free. `None` when the server stops.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    loop {
        let accepted = async {
            let place = Arc::clone(places).acquire_owned().await.ok()?;
            Some((listener.accept().await, place))
        };
        let (accepted, place) = tokio::select! {
            () = stop.cancelled() => return None,
            accepted = accepted => accepted?,
        };
        match accepted {
            Ok((stream, peer)) => return Some((stream, peer, place)),
            Err(error) => {
                // The process most likely has no free file descriptors, so other connections must end first.
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

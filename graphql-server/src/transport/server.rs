//! Listens on a TCP port and serves connections. `axum::serve` is not used, because it has no timeout for the head of a
//! request.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::HOST;
use axum::http::{StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::ClientConnection;
use super::places::Places;

/// Maximum size of the head of a request in bytes. It includes the query string of a GET request.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Limits of connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Maximum time to send the head of a request.
    pub head: Duration,
    /// Maximum time in which a client reads nothing while data is sent to it.
    pub write: Duration,
    /// Maximum time to finish active requests when the server stops.
    pub drain: Duration,
    /// Maximum number of connections; further ones wait to be accepted.
    pub connections: usize,
    /// Maximum number of connections without valid credentials. Beyond it, the oldest of the address that has most of
    /// them is closed.
    pub anonymous: usize,
    /// The same for WebSockets, of which each may have a large message under way.
    pub anonymous_sockets: usize,
    /// Maximum number of connections of one user. Beyond it, the oldest is closed.
    pub of_each_user: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(20),
            write: Duration::from_secs(60),
            drain: Duration::from_secs(8),
            connections: 4096,
            anonymous: 1024,
            anonymous_sockets: 128,
            of_each_user: 1024,
        }
    }
}

/// Serves until `stop`, then closes sockets and event streams, and waits for active requests at most `limits.drain`.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken, limits: ConnectionLimits) {
    let (open, free) = (
        TaskTracker::new(),
        Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS))),
    );
    let places = Places::new(limits.anonymous, limits.anonymous_sockets, limits.of_each_user);
    while let Some((stream, peer, place)) = next(&listener, &free, &stop).await {
        let place = places.enter(peer.ip(), place);
        let connection = ClientConnection::new(peer.ip(), stop.clone(), place, open.token());
        tokio::spawn(serve_connection(stream, router.clone(), connection, limits));
    }
    drop(listener);
    open.close();
    if tokio::time::timeout(limits.drain, open.wait()).await.is_err() {
        tracing::warn!("requests did not end in time: closing their connections");
    }
}

/// Serves one connection until it ends or is upgraded. It does not use hyper-util's GracefulShutdown, which does not
/// support connections that can be upgraded.
async fn serve_connection(
    stream: TcpStream,
    router: Router,
    connection: ClientConnection,
    limits: ConnectionLimits,
) {
    let (service, stopping) = (TowerToHyperService::new(router), connection.stopping());
    let closed = connection.closed();
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write));
    let service = service_fn(move |mut request: Request<Incoming>| {
        let hosts = request.headers().get_all(HOST).iter().count();
        let is_bad = hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11);
        request.extensions_mut().insert(connection.clone());
        let answer = (!is_bad).then(|| service.call(request));
        async move {
            match answer {
                Some(answer) => answer.await,
                None => Ok(bad_host()),
            }
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
        .with_upgrades();
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stopping => {
            served.as_mut().graceful_shutdown();
            served.await
        }
        // Dropping the connection closes it.
        () = closed => return,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Returns the response to a request with two headers `Host`, or with none in HTTP/1.1, as RFC 9112 requires: a proxy in
/// front may have read another one.
fn bad_host() -> Response {
    let why = "the request must have exactly one header Host\n";
    (StatusCode::BAD_REQUEST, why).into_response()
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

//! The handshake that opens a socket.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::incoming::{Incoming, PIECE};
use crate::transport::reply::Refusal;

/// The only subprotocol of sockets.
pub(super) const PROTOCOL: &str = "graphql-transport-ws";

/// The server's end of a socket.
pub(super) type Socket = WebSocketStream<Incoming<TokioIo<Upgraded>>>;

/// Returns whether the request is a WebSocket upgrade.
pub(in crate::transport) fn is_upgrade(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(UPGRADE).map(HeaderValue::as_bytes);
    upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case(b"websocket"))
}

/// The server's part of the handshake.
pub(super) struct Handshake {
    pub(super) response: Response,
    /// Whether the client speaks [`PROTOCOL`].
    pub(super) is_supported: bool,
    /// The connection, after the client has received the response.
    pub(super) upgrade: OnUpgrade,
}

/// Accepts an upgrade.
///
/// It does not use axum's `WebSocketUpgrade`, whose socket reads the connection itself, with a buffer of 128 KiB.
pub(super) fn accept(request: &mut Request) -> Result<Handshake, Refusal> {
    let is_supported = offers_protocol(request.headers());
    if request.extensions().get::<OnUpgrade>().is_none() {
        let why = "the connection cannot be upgraded";
        return Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, why));
    }
    let upgrade = hyper::upgrade::on(&mut *request);
    let mut response = create_response_with_body(request, Body::empty)
        .map_err(|why| Refusal::new(StatusCode::BAD_REQUEST, why.to_string()))?;
    if is_supported {
        response
            .headers_mut()
            .insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    Ok(Handshake {
        response,
        is_supported,
        upgrade,
    })
}

fn offers_protocol(headers: &HeaderMap) -> bool {
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    offered
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|offered| offered.trim() == PROTOCOL)
}

/// Returns the socket over what its client sends, with messages of at most `most` bytes.
pub(super) async fn socket(incoming: Incoming<TokioIo<Upgraded>>, most: usize) -> Socket {
    let config = WebSocketConfig::default()
        .read_buffer_size(PIECE)
        .write_buffer_size(0)
        .max_frame_size(Some(PIECE))
        .max_message_size(Some(most));
    WebSocketStream::from_raw_socket(incoming, Role::Server, Some(config)).await
}

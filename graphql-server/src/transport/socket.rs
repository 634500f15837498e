//! GraphQL over WebSocket: the protocol graphql-transport-ws, with its close codes.
//!
//! The messages of a socket are handled in order, and no message is read while a subscription starts. So a client that
//! subscribes and then sends a query or a ping misses no event between the two.

mod message;
mod operations;

use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{Request, Response as Outcome};
use axum::extract::FromRequestParts as _;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::header::{AUTHORIZATION, HeaderValue, UPGRADE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use futures_util::future::{self, BoxFuture, FutureExt as _};
use serde_json::{Map, Value};
use tokio::sync::oneshot;
use tokio::time::{Instant, interval, sleep, timeout};

use self::message::ClientMessage;
use self::operations::Operations;
use super::connection::ClientConnection;
use super::extract;
use super::graphql_api::{GraphqlApi, Unauthenticated};
use super::origin::is_allowed;
use super::reply::Refusal;
use crate::callers::{CallerKey, Ticket};
use crate::codes::{self, RATE_LIMITED};
use crate::document::prepare;

const PROTOCOL: &str = "graphql-transport-ws";

/// Maximum time for the closing handshake.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum size in bytes of the reason in a close frame.
const MAX_REASON: usize = 123;

const GOING_AWAY: u16 = 1001;
const TOO_BIG: u16 = 1009;
const TRY_AGAIN_LATER: u16 = 1013;
const BAD_REQUEST: u16 = 4400;
const UNAUTHORIZED: u16 = 4401;
const FORBIDDEN: u16 = 4403;
const NO_SUCH_PROTOCOL: u16 = 4406;
const INIT_TIMEOUT: u16 = 4408;
const SUBSCRIBER_EXISTS: u16 = 4409;
const TOO_MANY_INITS: u16 = 4429;

/// Returns whether the request is a WebSocket upgrade.
pub(super) fn is_upgrade(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(UPGRADE).map(HeaderValue::as_bytes);
    upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case(b"websocket"))
}

/// Opens a socket.
pub(super) async fn open<A: GraphqlApi>(
    api: &A,
    request: axum::extract::Request,
) -> Result<Response, Refusal> {
    if !is_allowed(request.headers(), &api.sockets().allowed_origins) {
        let message = format!(
            "the origin is not allowed to open a WebSocket: add it to {}",
            api.sockets().allowed_origins_setting
        );
        return Err(Refusal::new(StatusCode::FORBIDDEN, message));
    }
    let connection = ClientConnection::of(request.extensions());
    let caller = extract::caller(api, request.headers(), request.extensions()).await;
    let caller = caller.map_err(|Unauthenticated| Refusal::unauthenticated())?;
    connection.becomes_socket();
    let (mut head, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut head, &()).await;
    let upgrade = upgrade.map_err(|refused| Refusal::new(refused.status(), refused.body_text()))?;
    let most = api.limits().max_body_bytes;
    let upgrade = upgrade
        .max_message_size(most)
        .max_frame_size(most)
        .protocols([PROTOCOL]);
    let api = api.clone();
    Ok(upgrade.on_upgrade(move |socket| async move {
        let supported = socket.protocol().is_some();
        let session = Session {
            stop: connection.stopping().boxed().shared(),
            operations: Operations::new(),
            last_message: Instant::now(),
            ready: None,
            expired: future::pending().boxed().shared(),
            upgrade_caller: caller,
            connection: connection.clone(),
            caller: None,
            place: None,
            socket,
            api,
        };
        tokio::select! {
            () = session.run(supported) => {}
            () = connection.closed() => {}
        }
        drop(connection);
    }))
}

/// The reason why a socket ends.
enum End {
    /// The server closes it.
    Close(u16, String),
    /// The client closed it.
    Left,
    /// The client is unreachable.
    Gone,
}

fn end<T>(code: u16, reason: impl Into<String>) -> Result<T, End> {
    Err(End::Close(code, reason.into()))
}

/// The state of one socket.
struct Session<A: GraphqlApi> {
    api: A,
    socket: WebSocket,
    /// The caller that the upgrade request authenticated, which may be anonymous.
    upgrade_caller: A::Caller,
    connection: ClientConnection,
    /// The authenticated caller, after `connection_init`.
    caller: Option<A::Caller>,
    /// The place of the socket among those of the caller.
    place: Option<Ticket>,
    expired: future::Shared<BoxFuture<'static, ()>>,
    stop: future::Shared<BoxFuture<'static, ()>>,
    operations: Operations,
    /// Set while a subscription starts. No message is read meanwhile.
    ready: Option<oneshot::Receiver<()>>,
    /// When the last message of the client arrived.
    last_message: Instant,
}

impl<A: GraphqlApi> Session<A> {
    async fn run(mut self, supported: bool) {
        let end = if supported {
            self.serve().await
        } else {
            end(NO_SUCH_PROTOCOL, format!("the subprotocol must be {PROTOCOL}"))
        };
        // The socket ends whether the client receives the close frame or not.
        _ = timeout(CLOSE_TIMEOUT, async {
            match end {
                Err(End::Close(code, reason)) => close_handshake(&mut self.socket, code, reason).await,
                // The WebSocket library has queued its close frame, and writes it while reading.
                Err(End::Left) => while let Some(Ok(_)) = self.socket.recv().await {},
                Ok(()) | Err(End::Gone) => {}
            }
        })
        .await;
    }

    async fn serve(&mut self) -> Result<(), End> {
        let (mut pings, init) = (interval(self.api.sockets().ping), sleep(self.api.sockets().init));
        let (mut init, mut stop) = (std::pin::pin!(init), self.stop.clone());
        loop {
            tokio::select! {
                () = &mut stop => return end(GOING_AWAY, "the server is stopping"),
                () = &mut self.expired => return end(FORBIDDEN, "token expired"),
                () = &mut init, if self.caller.is_none() => {
                    return end(INIT_TIMEOUT, "no connection_init in time");
                }
                // If the sender is dropped, the operation has ended and reports why.
                _ = async { self.ready.as_mut()?.await.ok() }, if self.ready.is_some() => self.ready = None,
                message = self.socket.recv(), if self.ready.is_none() => self.receive(message).await?,
                message = self.operations.next() => self.write(message.text).await?,
                _ = pings.tick() => self.ping().await?,
            }
        }
    }

    async fn receive(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.last_message = Instant::now();
        match message {
            Some(Ok(Message::Text(text))) => match message::read(&text) {
                Ok(message) => self.answer(message).await,
                Err(reason) => end(BAD_REQUEST, reason),
            },
            Some(Ok(Message::Binary(_))) => end(BAD_REQUEST, "messages must be text"),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Close(_))) => Err(End::Left),
            None => Err(End::Gone),
            // axum exposes only the message of the WebSocket library's error.
            Some(Err(error)) if error.to_string().contains("too long") => end(
                TOO_BIG,
                format!(
                    "messages may have at most {} bytes",
                    self.api.limits().max_body_bytes
                ),
            ),
            Some(Err(error)) => {
                tracing::debug!(%error, "a WebSocket failed");
                end(BAD_REQUEST, "invalid WebSocket frame")
            }
        }
    }

    async fn answer(&mut self, message: ClientMessage) -> Result<(), End> {
        match message {
            ClientMessage::Init(payload) => self.init(payload).await,
            ClientMessage::Ping(payload) => self.write(message::pong(payload)).await,
            ClientMessage::Pong => Ok(()),
            ClientMessage::Complete { id } => {
                self.operations.stop(&id);
                Ok(())
            }
            ClientMessage::Subscribe { id, request } => self.subscribe(id, *request).await,
        }
    }

    async fn init(&mut self, payload: Option<Map<String, Value>>) -> Result<(), End> {
        if self.caller.is_some() {
            return end(TOO_MANY_INITS, "connection_init was sent twice");
        }
        let caller = match credentials(payload.unwrap_or_default()) {
            Ok(None) => Ok(self.upgrade_caller.clone()),
            Ok(Some(headers)) => self.api.authenticate(&headers, self.connection.peer()).await,
            Err(Unauthenticated) => Err(Unauthenticated),
        };
        let Ok(caller) = caller else {
            return end(FORBIDDEN, "the bearer token is invalid");
        };
        let key = self.api.key(&caller, self.connection.peer());
        match self.api.callers().stream(&key) {
            Ok(place) => self.place = Some(place),
            Err(limited) => return end(TRY_AGAIN_LATER, limited.message),
        }
        if matches!(key, CallerKey::User(_)) {
            self.connection.signed_in(&key);
        }
        self.expired = self.api.expired(&caller).boxed().shared();
        self.caller = Some(caller);
        self.write(message::ack()).await
    }

    async fn subscribe(&mut self, id: String, request: Request) -> Result<(), End> {
        let Some(caller) = self.caller.clone() else {
            return end(UNAUTHORIZED, "connection_init must come first");
        };
        if self.operations.runs(&id) {
            return end(SUBSCRIBER_EXISTS, format!("operation {id} already exists"));
        }
        let most = self.api.sockets().max_operations;
        if self.operations.count() >= most {
            let message = format!("at most {most} operations may run at a time");
            let error = codes::error(RATE_LIMITED, message, None);
            let refused = message::error(&id, &Outcome::from_errors(vec![error]));
            return self.write(refused).await;
        }
        let key = self.api.key(&caller, self.connection.peer());
        let prepared = match prepare(request, self.api.limits()) {
            Ok(prepared) => prepared,
            Err(error) => {
                let refused = message::error(&id, &Outcome::from_errors(vec![error]));
                return self.write(refused).await;
            }
        };
        let subscribes = prepared.operation == Some(OperationType::Subscription);
        let begun = self.operations.start(id, &self.api, caller, key, prepared);
        self.ready = subscribes.then_some(begun);
        Ok(())
    }

    /// Sends a ping, or ends the socket if the client has been silent for too long: an unreachable client never
    /// answers.
    async fn ping(&mut self) -> Result<(), End> {
        if self.ready.is_none() && self.last_message.elapsed() > self.api.sockets().silence {
            return Err(End::Gone);
        }
        self.send(Message::Ping(Default::default())).await
    }

    async fn write(&mut self, text: String) -> Result<(), End> {
        self.send(Message::Text(text.into())).await
    }

    /// Sends a message. A client that reads too slowly is disconnected. When the server stops, the client has only
    /// [`CLOSE_TIMEOUT`] to read the message.
    async fn send(&mut self, message: Message) -> Result<(), End> {
        let (silence, stop, expired) = (
            self.api.sockets().silence,
            self.stop.clone(),
            self.expired.clone(),
        );
        let stopped = async {
            stop.await;
            sleep(CLOSE_TIMEOUT).await;
        };
        tokio::select! {
            sent = self.socket.send(message) => sent.map_err(|_| End::Gone),
            () = sleep(silence) => Err(End::Gone),
            () = expired => end(FORBIDDEN, "token expired"),
            () = stopped => Err(End::Gone),
        }
    }
}

/// Closes the socket and waits for the client's close frame, so that the last messages are not lost with the
/// connection.
async fn close_handshake(socket: &mut WebSocket, code: u16, reason: String) {
    let mut end = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let frame = CloseFrame {
        code,
        reason: reason[..end].into(),
    };
    if socket.send(Message::Close(Some(frame))).await.is_err() {
        return;
    }
    if code == TOO_BIG {
        // The incoming data is the rest of the message that is too large.
        return sleep(CLOSE_TIMEOUT).await;
    }
    while let Some(Ok(_)) = socket.recv().await {}
}

/// Returns the `Authorization` in the payload of `connection_init` as a request header. The name is case-insensitive.
fn credentials(payload: Map<String, Value>) -> Result<Option<HeaderMap>, Unauthenticated> {
    let mut headers = HeaderMap::new();
    for (name, value) in payload {
        if name.eq_ignore_ascii_case(AUTHORIZATION.as_str()) {
            let value = value.as_str().and_then(|text| HeaderValue::from_str(text).ok());
            headers.append(AUTHORIZATION, value.ok_or(Unauthenticated)?);
        }
    }
    Ok((!headers.is_empty()).then_some(headers))
}

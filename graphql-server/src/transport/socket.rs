//! GraphQL over WebSocket: the protocol graphql-transport-ws, with its close codes.
//!
//! The messages of a socket are handled in order, and no message is read while a subscription starts. So a client that
//! subscribes and then sends a query or a ping misses no event between the two.

mod incoming;
mod message;
mod operations;
mod outgoing;
mod upgrade;

use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{Request, Response as Outcome};
use axum::http::header::{AUTHORIZATION, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use futures_util::future::{self, BoxFuture, FutureExt as _};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use tokio::sync::oneshot;
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::{self, Message, protocol::CloseFrame};

use self::incoming::{Incoming, Refused};
use self::message::ClientMessage;
use self::operations::{Operations, OutgoingMessage, Received};
pub(super) use self::upgrade::is_upgrade;
use self::upgrade::{PROTOCOL, Socket};
use super::connection::ClientConnection;
use super::extract;
use super::graphql_api::{GraphqlApi, Unauthenticated};
use super::origin::is_allowed;
use super::reply::Refusal;
use crate::callers::{CallerKey, Ticket};
use crate::codes::{self, RATE_LIMITED};
use crate::document::prepare;

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
const TIMEOUT: u16 = 4408;
const SUBSCRIBER_EXISTS: u16 = 4409;
const TOO_MANY_INITS: u16 = 4429;

/// Opens a socket.
pub(super) async fn open<A: GraphqlApi>(
    api: &A,
    mut request: axum::extract::Request,
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
    let handshake = upgrade::accept(&mut request)?;
    let api = api.clone();
    tokio::spawn(async move {
        let upgraded = match handshake.upgrade.await {
            Ok(upgraded) => TokioIo::new(upgraded),
            Err(error) => return tracing::debug!(%error, "a WebSocket was not opened"),
        };
        let session = Session::new(api, upgraded, caller, connection.clone()).await;
        tokio::select! {
            () = session.run(handshake.is_supported) => {}
            () = connection.closed() => {}
        }
        drop(connection);
    });
    Ok(handshake.response)
}

/// The reason why a socket ends.
enum End {
    /// The server closes it.
    Close(u16, String),
    /// The server closes it, because of something that it does not receive.
    Refuse(u16, String),
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
    socket: Socket,
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
    async fn new(
        api: A,
        upgraded: TokioIo<hyper::upgrade::Upgraded>,
        upgrade_caller: A::Caller,
        connection: ClientConnection,
    ) -> Self {
        let key = api.key(&upgrade_caller, connection.peer());
        let (largest, time) = (api.limits().max_body_bytes, api.limits().request_timeout);
        let most = match key {
            CallerKey::User(_) => largest,
            CallerKey::Address(_) => largest.min(api.sockets().anonymous_message),
        };
        let incoming = Incoming::new(upgraded, api.bodies().clone(), key, most, time);
        Self {
            stop: connection.stopping().boxed().shared(),
            operations: Operations::new(),
            last_message: Instant::now(),
            ready: None,
            expired: future::pending().boxed().shared(),
            upgrade_caller,
            connection,
            caller: None,
            place: None,
            socket: upgrade::socket(incoming, largest).await,
            api,
        }
    }

    async fn run(mut self, supported: bool) {
        let end = if supported {
            self.serve().await
        } else {
            end(NO_SUCH_PROTOCOL, format!("the subprotocol must be {PROTOCOL}"))
        };
        // The socket ends whether the client receives the close frame or not.
        _ = timeout(CLOSE_TIMEOUT, async {
            match end {
                Err(End::Close(code, reason)) => {
                    close(&mut self.socket, code, reason).await;
                    while let Some(Ok(_)) = self.socket.next().await {}
                }
                Err(End::Refuse(code, reason)) => {
                    close(&mut self.socket, code, reason).await;
                    self.socket.get_mut().discard().await;
                }
                // The WebSocket library has queued its close frame, and writes it while reading.
                Err(End::Left) => while let Some(Ok(_)) = self.socket.next().await {},
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
                    return end(TIMEOUT, "no connection_init in time");
                }
                // If the sender is dropped, the operation has ended and reports why.
                _ = async { self.ready.as_mut()?.await.ok() }, if self.ready.is_some() => self.ready = None,
                message = self.socket.next(), if self.ready.is_none() => self.receive(message).await?,
                message = self.operations.next() => self.write_result(message).await?,
                _ = pings.tick() => self.ping().await?,
            }
        }
    }

    async fn receive(&mut self, message: Option<Result<Message, tungstenite::Error>>) -> Result<(), End> {
        self.last_message = Instant::now();
        match message {
            Some(Ok(Message::Text(text))) => {
                let received = Received {
                    memory: self.socket.get_mut().take_memory(),
                    bytes: text.len(),
                };
                let message = message::read(&text);
                drop(text);
                match message {
                    Ok(message) => self.answer(message, received).await,
                    Err(reason) => end(BAD_REQUEST, reason),
                }
            }
            Some(Ok(Message::Binary(_))) => end(BAD_REQUEST, "messages must be text"),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(()),
            Some(Ok(Message::Close(_))) => Err(End::Left),
            None => Err(End::Gone),
            Some(Err(error)) => {
                tracing::debug!(%error, "a WebSocket failed");
                Err(refusal(&error))
            }
        }
    }

    /// Answers a message. The memory of the message is kept until then.
    async fn answer(&mut self, message: ClientMessage, received: Received) -> Result<(), End> {
        match message {
            ClientMessage::Init(payload) => self.init(payload).await,
            ClientMessage::Ping(payload) => self.write(message::pong(payload)).await,
            ClientMessage::Pong => Ok(()),
            ClientMessage::Complete { id } => {
                self.operations.stop(&id);
                Ok(())
            }
            ClientMessage::Subscribe { id, request } => self.subscribe(id, *request, received).await,
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
            let most = self.api.limits().max_body_bytes;
            self.socket.get_mut().allow(key, most);
        }
        self.expired = self.api.expired(&caller).boxed().shared();
        self.caller = Some(caller);
        self.write(message::ack()).await
    }

    async fn subscribe(&mut self, id: String, request: Request, received: Received) -> Result<(), End> {
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
        let begun = self
            .operations
            .start(id, &self.api, caller, key, prepared, received);
        self.ready = subscribes.then_some(begun);
        Ok(())
    }

    /// Sends a ping, or ends the socket if the client has been silent for too long: an unreachable client never
    /// answers.
    async fn ping(&mut self) -> Result<(), End> {
        if self.ready.is_none() && self.last_message.elapsed() > self.api.sockets().silence {
            return Err(End::Gone);
        }
        self.send([Message::Ping(Default::default())].into_iter()).await
    }

    /// Writes a message of an operation. The operation keeps its place until its last message is written, so that
    /// results do not pile up for a client that does not read.
    async fn write_result(&mut self, message: OutgoingMessage) -> Result<(), End> {
        let OutgoingMessage { text, place, .. } = message;
        self.write(text).await?;
        drop(place);
        Ok(())
    }

    async fn write(&mut self, text: String) -> Result<(), End> {
        self.send(outgoing::frames(text)).await
    }

    /// Sends a message, which may have several frames. A client that reads too slowly is disconnected. When the server stops, the client has only
    /// [`CLOSE_TIMEOUT`] to read the message.
    async fn send(&mut self, frames: impl Iterator<Item = Message> + Send) -> Result<(), End> {
        let (silence, stop, expired) = (
            self.api.sockets().silence,
            self.stop.clone(),
            self.expired.clone(),
        );
        let stopped = async {
            stop.await;
            sleep(CLOSE_TIMEOUT).await;
        };
        let socket = &mut self.socket;
        let sent = async move {
            for frame in frames {
                socket.send(frame).await?;
            }
            Ok::<_, tungstenite::Error>(())
        };
        tokio::select! {
            sent = sent => sent.map_err(|_| End::Gone),
            () = sleep(silence) => Err(End::Gone),
            () = expired => end(FORBIDDEN, "token expired"),
            () = stopped => Err(End::Gone),
        }
    }
}

/// Returns the end of a socket whose client has sent something that is not received.
fn refusal(error: &tungstenite::Error) -> End {
    let refused = match error {
        tungstenite::Error::Io(error) => error.get_ref().and_then(|why| why.downcast_ref::<Refused>()),
        _ => None,
    };
    let refused = refused.copied().unwrap_or(Refused::Invalid);
    let code = match refused {
        Refused::TooLarge(_) => TOO_BIG,
        Refused::TooSlow => TIMEOUT,
        Refused::NoMemory => TRY_AGAIN_LATER,
        Refused::Invalid => BAD_REQUEST,
    };
    End::Refuse(code, refused.to_string())
}

/// Sends the close frame of the server. The client's close frame must be waited for, so that the last messages are not
/// lost with the connection.
async fn close(socket: &mut Socket, code: u16, reason: String) {
    let mut end = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let frame = CloseFrame {
        code: code.into(),
        reason: reason[..end].into(),
    };
    // If it fails, the client has left: nothing more arrives.
    _ = socket.send(Message::Close(Some(frame))).await;
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

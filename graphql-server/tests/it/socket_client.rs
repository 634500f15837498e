//! A graphql-transport-ws client, and a server on a TCP port.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use futures_util::{SinkExt as _, StreamExt as _};
use graphql_server::transport::server::{ConnectionLimits, serve};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tokio_util::sync::CancellationToken;

/// Maximum time to wait for a message.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// A server on a TCP port. It ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn of(router: &Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = serve(
            listener,
            router.clone(),
            stop.clone(),
            ConnectionLimits::default(),
        );
        Self {
            address,
            serving: tokio::spawn(serving),
            stop,
        }
    }

    /// Starts the shutdown.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Stops the server and waits until it has stopped.
    pub(crate) async fn stopped(self) {
        self.stop.cancel();
        self.serving.await.unwrap();
    }
}

/// The client's end of a socket.
pub(crate) struct Socket(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

/// The content of the server's close frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CloseReason {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

impl Socket {
    /// Opens a socket with these headers and sends nothing.
    ///
    /// # Errors
    ///
    /// The HTTP status with which the server refused the upgrade.
    pub(crate) async fn open(
        address: impl std::fmt::Display,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, u16> {
        let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Opens a socket with the subprotocol graphql-transport-ws.
    pub(crate) async fn new(address: impl std::fmt::Display) -> Self {
        Self::open(address, &[("sec-websocket-protocol", "graphql-transport-ws")])
            .await
            .unwrap()
    }

    pub(crate) async fn init(&mut self, payload: Value) {
        self.send(json!({ "type": "connection_init", "payload": payload }))
            .await;
    }

    pub(crate) async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.send(json!({ "type": "subscribe", "id": id, "payload": payload }))
            .await;
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.write(Message::text(message.to_string())).await;
    }

    pub(crate) async fn write(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    /// Waits for the next message.
    pub(crate) async fn receive(&mut self) -> Value {
        match self.next().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Waits for the next message, which must be a result of this operation, and returns the result.
    pub(crate) async fn result(&mut self, id: &str) -> Value {
        let mut message = self.receive().await;
        assert_eq!(
            (&message["type"], &message["id"]),
            (&json!("next"), &json!(id)),
            "{message}"
        );
        message["payload"].take()
    }

    async fn next(&mut self) -> Message {
        loop {
            let next = tokio::time::timeout(MAX_WAIT, self.0.next()).await;
            match next
                .expect("no message in time")
                .expect("the socket ended")
                .expect("the socket failed")
            {
                // The WebSocket library answers pings itself.
                Message::Ping(_) => {}
                message => return message,
            }
        }
    }

    /// Waits for the next message, which must be the close frame of the server.
    pub(crate) async fn wait_for_close(&mut self) -> CloseReason {
        match self.next().await {
            Message::Close(Some(frame)) => CloseReason {
                code: frame.code.into(),
                reason: frame.reason.to_string(),
            },
            other => panic!("{other:?}"),
        }
    }

    /// Checks that no message arrives within 300 ms.
    pub(crate) async fn expect_silence(&mut self) {
        let next = tokio::time::timeout(Duration::from_millis(300), self.next()).await;
        assert!(next.is_err(), "{next:?}");
    }
}

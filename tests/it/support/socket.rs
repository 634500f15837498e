//! Sockets of authenticated callers.

use serde_json::{Value, json};

use crate::socket_client::Socket;

impl Socket {
    /// Opens a socket and authenticates with this token.
    pub(crate) async fn of(address: impl std::fmt::Display, token: &str) -> Self {
        let mut socket = Self::new(address).await;
        socket
            .init(json!({ "Authorization": format!("Bearer {token}") }))
            .await;
        assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
        socket
    }

    /// Subscribes, and waits until the subscription has begun.
    pub(crate) async fn listen(&mut self, id: &str, query: &str, variables: Value) {
        self.subscribe(id, query, variables).await;
        self.send(json!({ "type": "ping" })).await;
        assert_eq!(self.receive().await, json!({ "type": "pong" }));
    }
}

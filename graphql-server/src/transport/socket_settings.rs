//! The settings of WebSockets: allowed origins, time limits and the number of operations.

use std::time::Duration;

use super::origin::Origin;

/// The settings of all sockets. A socket is a WebSocket in this crate.
#[derive(Clone, Debug)]
pub struct SocketSettings {
    /// Origins that may open a socket, in addition to this server.
    pub allowed_origins: Vec<Origin>,
    /// The name of the setting with these origins, for the error message.
    pub allowed_origins_setting: &'static str,
    /// Maximum time until a client sends `connection_init`.
    pub init: Duration,
    /// Interval between pings.
    pub ping: Duration,
    /// Maximum time without a message from the client, and maximum time to write a message to it.
    pub silence: Duration,
    /// Maximum size in bytes of the messages of a client without valid credentials. `connection_init` must fit.
    pub anonymous_message: usize,
    /// Maximum number of concurrent operations.
    pub max_operations: usize,
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self {
            allowed_origins: Vec::new(),
            allowed_origins_setting: "the allowed origins",
            init: Duration::from_secs(3),
            ping: Duration::from_secs(20),
            silence: Duration::from_secs(50),
            anonymous_message: 32 * 1024,
            max_operations: 64,
        }
    }
}

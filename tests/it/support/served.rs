//! A server on a TCP port.

use std::ops::Deref;

use drift_inbox::clock::Clock;
use graphql_server::transport::server::{self, ConnectionLimits};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::TestApp;

/// A server that listens until it is dropped.
pub(crate) struct Served {
    t: TestApp,
    /// Address of the server, as `127.0.0.1:PORT`.
    pub(crate) address: String,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Served {
    /// Starts the server. Its clock is set to the real time, which browsers use.
    pub(crate) async fn start(t: TestApp) -> Self {
        Self::start_on(t, Self::listener().await)
    }

    /// Returns a listener on a free port, for tests that need the address before the server has its routes.
    pub(crate) async fn listener() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").await.unwrap()
    }

    /// Starts the server on this listener. Its clock is set to the real time, which browsers use.
    pub(crate) fn start_on(t: TestApp, listener: TcpListener) -> Self {
        t.later(Clock::System.now() - t.now());
        let address = listener.local_addr().unwrap().to_string();
        let stop = CancellationToken::new();
        let serving = server::serve(
            listener,
            t.router.clone(),
            stop.clone(),
            ConnectionLimits::default(),
        );
        Self {
            address,
            serving: tokio::spawn(serving),
            stop,
            t,
        }
    }
}

impl Deref for Served {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        &self.t
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
        self.serving.abort();
    }
}

//! Authentication of requests.

use std::net::IpAddr;

use axum::http::HeaderMap;

use super::HttpState;
use crate::auth::{InvalidToken, Session};

impl HttpState {
    /// Returns the session of the caller of a request from the address `peer`, or `None` without credentials. Invalid
    /// credentials are an error, never an anonymous caller.
    pub(super) async fn caller(
        &self,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
    ) -> Result<Option<Session>, InvalidToken> {
        let now = self.app.clock().now();
        let caller = self.authenticator.caller(headers, peer, now).await;
        caller.inspect_err(|error| tracing::info!(reason = error.reason(), "credentials were rejected"))
    }
}

//! Authentication of requests.

use axum::http::HeaderMap;

use super::HttpState;
use crate::auth::{InvalidToken, Session, bearer_token};

impl HttpState {
    /// Returns the session of the bearer token, or `None` without a token. An invalid token is an error, never an
    /// anonymous caller.
    pub(super) fn caller(&self, headers: &HeaderMap) -> Result<Option<Session>, InvalidToken> {
        let caller = bearer_token(headers).and_then(|token| {
            token
                .map(|token| self.verifier.session(token, self.app.clock().now()))
                .transpose()
        });
        caller.inspect_err(|error| tracing::info!(reason = error.reason(), "a token was rejected"))
    }
}

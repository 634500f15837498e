//! Who sends a request.

use axum::http::HeaderMap;

use super::Edge;
use crate::auth::{InvalidToken, bearer_token};
use crate::domain::actor::Actor;

impl Edge {
    /// Whoever the bearer token names; None without a token. A bad token is an error and never nobody.
    pub(super) fn caller(&self, headers: &HeaderMap) -> Result<Option<Actor>, InvalidToken> {
        let caller = bearer_token(headers).and_then(|token| {
            token
                .map(|token| self.verifier.verify(token, self.app.clock().now()))
                .transpose()
        });
        caller.inspect_err(|error| tracing::info!(reason = error.reason(), "a token was refused"))
    }
}

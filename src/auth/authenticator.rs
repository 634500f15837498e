//! All ways of signing in to this server.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use chrono::{DateTime, Utc};

use super::bearer::bearer_token;
use super::compact::Compact;
use super::issuer::Issuer;
use super::proxy::TrustedProxy;
use super::{InvalidToken, Session, TokenVerifier};

/// The name of the algorithm of tokens that are signed with the shared secret.
const SHARED: &str = "HS256";

/// The configured ways of signing in: tokens signed with a shared secret, tokens of an issuer, headers of a proxy.
#[derive(Debug, Clone, Default)]
pub struct Authenticator {
    shared: Option<TokenVerifier>,
    issuer: Option<Issuer>,
    proxy: Option<TrustedProxy>,
}

impl From<TokenVerifier> for Authenticator {
    fn from(verifier: TokenVerifier) -> Self {
        Self {
            shared: Some(verifier),
            ..Self::default()
        }
    }
}

impl Authenticator {
    /// Creates an authenticator. Without any way of signing in, every token is refused.
    pub fn new(shared: Option<TokenVerifier>, issuer: Option<Issuer>, proxy: Option<TrustedProxy>) -> Self {
        Self {
            shared,
            issuer,
            proxy,
        }
    }

    /// Returns the issuer.
    pub fn issuer(&self) -> Option<&Issuer> {
        self.issuer.as_ref()
    }

    /// Returns whether users can sign in while the issuer cannot be reached.
    pub fn has_other_than_issuer(&self) -> bool {
        self.shared.is_some() || self.proxy.is_some()
    }

    /// Returns whether tokens that are signed with the shared secret are accepted.
    pub fn has_shared_secret(&self) -> bool {
        self.shared.is_some()
    }

    /// Returns the proxy that signs users in.
    pub fn proxy(&self) -> Option<&TrustedProxy> {
        self.proxy.as_ref()
    }

    /// Returns the session of the caller of a request from the address `peer`; `None` if the request has no
    /// credentials. A token takes precedence over the headers of a proxy.
    ///
    /// # Errors
    /// The credentials are invalid. Such a caller is never treated as anonymous.
    pub async fn caller(
        &self,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<Option<Session>, InvalidToken> {
        if let Some(token) = bearer_token(headers)? {
            return self.session(token, now).await.map(Some);
        }
        debug_assert!(!headers.contains_key(AUTHORIZATION));
        match &self.proxy {
            Some(proxy) => proxy.session(headers, peer, now),
            None => Ok(None),
        }
    }

    /// Returns the session of a token that is valid at the time `now`.
    ///
    /// # Errors
    /// The token is invalid.
    pub async fn session(&self, token: &str, now: DateTime<Utc>) -> Result<Session, InvalidToken> {
        match (&self.shared, &self.issuer) {
            (Some(shared), None) => shared.session(token, now),
            (shared, Some(issuer)) => {
                let token_parts = Compact::split(token)?;
                let header = token_parts.header()?;
                // The algorithm selects between two keys of different kinds. Neither key is ever used with the
                // algorithm of the other.
                match shared {
                    Some(shared) if header.algorithm == SHARED => shared.session(token, now),
                    _ => issuer.session(&token_parts, &header, now).await,
                }
            }
            (None, None) => Err(InvalidToken::new(
                "no way of signing in with a token is configured",
            )),
        }
    }
}

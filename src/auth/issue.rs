//! Issues tokens that are signed with the shared secret.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::{EncodingKey, Header, encode};
use secrecy::SecretString;
use serde_json::{Map, Value};
use thiserror::Error;

use super::{MAX_TOKEN_BYTES, WeakSecret, checked_secret, claims::LAST_SECOND};
use crate::domain::actor::RolesClaim;

/// The contents of a new token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// The claim `sub`.
    pub subject: String,
    /// The claim `email`: the name under which decisions are recorded.
    pub email: Option<String>,
    /// Roles. Unknown names have no effect.
    pub roles: Vec<String>,
    /// Lifetime.
    pub ttl: Duration,
}

/// The error of a token that could not be issued.
#[derive(Debug, Error)]
pub enum IssueError {
    /// The secret is too short.
    #[error(transparent)]
    WeakSecret(#[from] WeakSecret),
    /// The token would expire after the last possible date.
    #[error("the lifetime of the token is too long")]
    TtlTooLong,
    /// The token would exceed the maximum length that the server accepts.
    #[error("the token would have more than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    /// The token could not be signed.
    #[error("the token could not be signed: {0}")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

/// Returns a token that is signed by HS256 and valid from `now`. Its roles are in the claim `roles_claim`.
///
/// # Errors
/// See [`IssueError`].
pub fn issue(
    secret: &SecretString,
    issuer: &str,
    audience: &str,
    roles_claim: &RolesClaim,
    new: NewToken,
    now: DateTime<Utc>,
) -> Result<String, IssueError> {
    let key = EncodingKey::from_secret(checked_secret(secret)?);
    let expiry = i64::try_from(new.ttl.as_secs())
        .ok()
        .and_then(|ttl| now.timestamp().checked_add(ttl))
        .filter(|expiry| *expiry <= LAST_SECOND)
        .ok_or(IssueError::TtlTooLong)?;
    // The roles are inserted first: if their claim has a registered name, the registered claim overwrites it.
    let mut claims = Map::from_iter([(roles_claim.as_str().to_owned(), Value::from(new.roles))]);
    if let Some(email) = new.email {
        claims.insert("email".to_owned(), email.into());
    }
    claims.insert("iss".to_owned(), issuer.into());
    claims.insert("aud".to_owned(), audience.into());
    claims.insert("sub".to_owned(), new.subject.into());
    claims.insert("iat".to_owned(), now.timestamp().into());
    claims.insert("exp".to_owned(), expiry.into());
    let token = encode(&Header::default(), &claims, &key)?;
    if token.len() > MAX_TOKEN_BYTES {
        return Err(IssueError::TooLong);
    }
    Ok(token)
}

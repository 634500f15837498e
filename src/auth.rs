//! Who is calling: bearer tokens, read, checked and issued.
//!
//! What a token proves is an [`Actor`]; what an actor may do is not decided here. A caller without
//! an `Authorization` header is anonymous, and one with a bad token is refused, never anonymous.

mod bearer;
mod claims;
mod form;
mod issue;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use crate::domain::actor::{Actor, RoleAliases, RolesClaim};
use claims::Policy;
use form::Compact;

pub use bearer::bearer_token;
pub use issue::{IssueError, NewToken, issue};

/// The shortest shared secret taken, in bytes: the output size of HMAC-SHA-256, below which
/// guessing the secret is easier than forging a signature.
const MIN_SECRET_BYTES: usize = 32;

/// The longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Why a token is not accepted.
///
/// The message is the same for every cause, so that it can be sent to a client without telling an
/// attacker how far a forged token came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the access token is missing or invalid")]
pub struct InvalidToken {
    reason: &'static str,
}

impl InvalidToken {
    const fn new(reason: &'static str) -> Self {
        Self { reason }
    }

    /// The cause, for the log only. It never holds a part of the token.
    pub const fn reason(&self) -> &'static str {
        self.reason
    }
}

/// The shared secret is too short to be safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the secret is shorter than {MIN_SECRET_BYTES} bytes")]
pub struct WeakSecret;

/// What a token allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose token it is.
    pub actor: Actor,
    /// From when on it is refused, the difference of the clocks included.
    pub ends: DateTime<Utc>,
}

/// Checks tokens and tells whose they are.
#[derive(Debug, Clone)]
pub struct TokenVerifier {
    keys: Keys,
    policy: Policy,
}

/// What signatures are checked against. Each variant also fixes the algorithms it takes: the
/// token's own header never chooses one.
#[derive(Debug, Clone)]
enum Keys {
    /// A secret shared with the issuer. Only HS256.
    Shared(DecodingKey),
}

impl TokenVerifier {
    /// Takes tokens signed by HS256 with a shared secret.
    ///
    /// # Errors
    /// When the secret has fewer than [`MIN_SECRET_BYTES`] bytes.
    pub fn hs256(
        secret: &SecretString,
        issuer: impl Into<String>,
        audience: impl Into<String>,
        roles_claim: RolesClaim,
        aliases: RoleAliases,
    ) -> Result<Self, WeakSecret> {
        Ok(Self {
            keys: Keys::Shared(DecodingKey::from_secret(strong(secret)?)),
            policy: Policy {
                issuer: issuer.into(),
                audience: audience.into(),
                roles_claim,
                aliases,
            },
        })
    }

    /// Whose token this is, at the time `now`.
    ///
    /// # Errors
    /// When anything about the token is wrong. A token without a known role is not wrong: its
    /// holder is known, and may do nothing.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Actor, InvalidToken> {
        self.session(token, now).map(|session| session.actor)
    }

    /// Whose token this is, at the time `now`, and for how long it may be used.
    ///
    /// # Errors
    /// See [`TokenVerifier::verify`].
    pub fn session(&self, token: &str, now: DateTime<Utc>) -> Result<Session, InvalidToken> {
        let token = Compact::split(token)?;
        match &self.keys {
            // One key and one algorithm: nothing has to be read to check the signature, so no
            // JSON is parsed that the issuer did not write.
            Keys::Shared(key) => {
                token.check_signature(key, Algorithm::HS256)?;
                token.check_header("HS256")?;
            }
        }
        self.policy.session(token.claims()?, now)
    }
}

/// The bytes of a secret that is long enough.
fn strong(secret: &SecretString) -> Result<&[u8], WeakSecret> {
    let bytes = secret.expose_secret().as_bytes();
    if bytes.len() < MIN_SECRET_BYTES {
        return Err(WeakSecret);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;

//! Reads, checks and issues bearer tokens.
//!
//! A token identifies an [`Actor`], whose roles define its permissions. A caller without an `Authorization` header is
//! anonymous. A caller with an invalid token is rejected, and never treated as anonymous.

mod authenticator;
mod bearer;
mod claims;
mod compact;
mod discovery;
mod issue;
mod issuer;
mod keys;
mod page_client;
mod proxy;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use crate::domain::actor::{Actor, RoleAliases, RolesClaim};
use claims::Policy;
use compact::Compact;

pub use authenticator::Authenticator;
pub use bearer::bearer_token;
pub use discovery::IssuerUrl;
pub use issue::{IssueError, NewToken, issue};
pub use issuer::{CheckedIssuer, Issuer, IssuerSettings, IssuerState};
pub use keys::SignatureAlgorithm;
pub use page_client::{ExtraParameters, NoEndpoints, PageClient, PageToken, SignInEndpoints};
pub use proxy::{ProxySettings, TrustedProxy, UnsafeProxy};

/// Minimum length of the shared secret in bytes: the output size of HMAC-SHA-256. A shorter secret is easier to guess
/// than a signature is to forge.
const MIN_SECRET_BYTES: usize = 32;

/// Maximum length of a token in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The error of an invalid token.
///
/// The message is the same for every reason, so that an attacker does not learn which checks a forged token passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the access token is missing or invalid")]
pub struct InvalidToken {
    reason: &'static str,
}

impl InvalidToken {
    const fn new(reason: &'static str) -> Self {
        Self { reason }
    }

    /// Returns the reason, for the log only. It never contains a part of the token.
    pub const fn reason(&self) -> &'static str {
        self.reason
    }
}

/// The error of a shared secret that is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the secret is shorter than {MIN_SECRET_BYTES} bytes")]
pub struct WeakSecret;

/// The actor of a valid token and the time at which the token ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The caller.
    pub actor: Actor,
    /// The time from which the token is rejected: its expiry plus the allowed clock difference.
    pub ends: DateTime<Utc>,
}

/// A verifier of tokens: the key, the accepted issuer and audience, and the settings of roles.
#[derive(Debug, Clone)]
pub struct TokenVerifier {
    keys: Keys,
    policy: Policy,
}

/// The keys for checking signatures. Each variant also fixes the algorithm: the token's own header never selects it.
#[derive(Debug, Clone)]
enum Keys {
    /// A secret shared with the issuer, for HS256 only.
    Shared(DecodingKey),
}

impl TokenVerifier {
    /// Creates a verifier of tokens that are signed by HS256 with a shared secret.
    ///
    /// # Errors
    /// The secret has fewer than 32 bytes.
    pub fn hs256(
        secret: &SecretString,
        issuer: impl Into<String>,
        audience: impl Into<String>,
        roles_claim: RolesClaim,
        aliases: RoleAliases,
    ) -> Result<Self, WeakSecret> {
        Ok(Self {
            keys: Keys::Shared(DecodingKey::from_secret(checked_secret(secret)?)),
            policy: Policy {
                issuer: issuer.into(),
                audience: audience.into(),
                roles_claim,
                aliases,
            },
        })
    }

    /// Returns the actor of a token that is valid at the time `now`.
    ///
    /// # Errors
    /// The token is invalid. A token without a known role is valid, but its actor has no permissions.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Actor, InvalidToken> {
        self.session(token, now).map(|session| session.actor)
    }

    /// Returns the actor of a token that is valid at the time `now`, and when the token ends.
    ///
    /// # Errors
    /// See [`TokenVerifier::verify`].
    pub fn session(&self, token: &str, now: DateTime<Utc>) -> Result<Session, InvalidToken> {
        let token = Compact::split(token)?;
        match &self.keys {
            // With one key and one algorithm, the signature is checked before any JSON of the token is parsed.
            Keys::Shared(key) => {
                token.check_signature(key, Algorithm::HS256)?;
                token.check_header("HS256")?;
            }
        }
        self.policy.session(token.claims()?, now)
    }
}

/// Returns the bytes of a secret, or an error if it is too short.
fn checked_secret(secret: &SecretString) -> Result<&[u8], WeakSecret> {
    let bytes = secret.expose_secret().as_bytes();
    if bytes.len() < MIN_SECRET_BYTES {
        return Err(WeakSecret);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;

//! Checks of the claims of a correctly signed token.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{InvalidToken, Session};
use crate::domain::actor::{Actor, RoleAliases, RolesClaim, roles_from_claims};
use crate::domain::validation::is_hidden;

/// Maximum difference in seconds between the clocks of the issuer and the server.
const LEEWAY: f64 = 60.0;

/// The last second of the year 9999. A larger number is usually a time in milliseconds by mistake, which would make the
/// token valid for thousands of years.
pub(super) const LAST_SECOND: i64 = 253_402_300_799;

/// The accepted issuer and audience, and the settings of roles.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) roles_claim: RolesClaim,
    pub(super) aliases: RoleAliases,
}

impl Policy {
    /// Returns the session of these claims, if they are valid at the time `now`.
    pub(super) fn session(
        &self,
        claims: Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<Session, InvalidToken> {
        let ends = check_times(&claims, now)?;
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(InvalidToken::new("the claim iss has another issuer"));
        }
        if !claims.get("aud").is_some_and(|aud| self.matches_audience(aud)) {
            return Err(InvalidToken::new("the claim aud has another audience"));
        }
        let subject = text(&claims, "sub").ok_or(InvalidToken::new("the claim sub is missing"))?;
        // Decisions are recorded under the email, so it must not be one that the user has only claimed to have.
        let is_verified = claims.get("email_verified").is_none_or(is_true);
        let email = text(&claims, "email").filter(|_| is_verified);
        let claims = Value::Object(claims);
        let roles = roles_from_claims(&claims, &self.roles_claim, &self.aliases);
        Ok(Session {
            actor: Actor::new(subject, email, roles),
            ends,
        })
    }

    /// Returns whether an audience, one string or a list of strings, includes the configured one.
    fn matches_audience(&self, audience: &Value) -> bool {
        match audience {
            Value::String(one) => *one == self.audience,
            Value::Array(list) => {
                list.iter().all(Value::is_string)
                    && list.iter().any(|one| one.as_str() == Some(&self.audience))
            }
            _ => false,
        }
    }
}

/// Checks `exp`, `nbf` and `iat`. Returns when the token ends.
fn check_times(claims: &Map<String, Value>, now: DateTime<Utc>) -> Result<DateTime<Utc>, InvalidToken> {
    let now = seconds(now);
    let expiry = date(claims, "exp")?.ok_or(InvalidToken::new("the claim exp is missing"))?;
    if now >= expiry + LEEWAY {
        return Err(InvalidToken::new("expired"));
    }
    if date(claims, "nbf")?.is_some_and(|start| start > now + LEEWAY) {
        return Err(InvalidToken::new("the token is not valid yet"));
    }
    if date(claims, "iat")?.is_some_and(|issued| issued > now + LEEWAY) {
        return Err(InvalidToken::new("the claim iat is in the future"));
    }
    // Rounded up: the token is never valid after this time.
    let ends = ((expiry + LEEWAY) * 1000.0).ceil() as i64;
    DateTime::from_timestamp_millis(ends).ok_or(InvalidToken::new("a claim is not a valid time"))
}

/// Converts a time to the seconds that tokens use, with milliseconds. A float is precise enough for all valid dates.
fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1000.0
}

/// Returns a claim that is a date in seconds, whole or fractional, if it is present.
fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, InvalidToken> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    value
        .as_f64()
        .filter(|date| (0.0..=LAST_SECOND as f64).contains(date))
        .map(Some)
        .ok_or(InvalidToken::new("a claim is not a valid time"))
}

/// Returns whether a claim is true. Some issuers send it as a text.
fn is_true(claim: &Value) -> bool {
    claim.as_bool() == Some(true) || claim.as_str() == Some("true")
}

/// Returns a text claim, unless it is blank or contains hidden characters: some databases cannot store them, a log should
/// not print them, and they make one person look like another.
fn text(claims: &Map<String, Value>, name: &str) -> Option<String> {
    let text = claims.get(name)?.as_str()?;
    let fit = !text.trim().is_empty() && !text.contains(is_hidden);
    fit.then(|| text.to_owned())
}

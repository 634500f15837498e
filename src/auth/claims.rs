//! What the claims of a correctly signed token must say.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{InvalidToken, Session};
use crate::domain::actor::{Actor, RoleAliases, RolesClaim, roles_from_claims};

/// By how many seconds the issuer's clock and ours may differ.
const LEEWAY: f64 = 60.0;

/// The last second of the year 9999. A larger number is no date; most often it is one in
/// milliseconds, which would make a token valid for ever.
pub(super) const LAST_SECOND: i64 = 253_402_300_799;

/// Whose tokens for whom are taken, and how their roles are read.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) roles_claim: RolesClaim,
    pub(super) aliases: RoleAliases,
}

impl Policy {
    /// Whose token has these claims, if they hold at the time `now`.
    pub(super) fn session(
        &self,
        claims: Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<Session, InvalidToken> {
        let ends = check_times(&claims, now)?;
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(InvalidToken::new("the claim iss has another issuer"));
        }
        if !claims.get("aud").is_some_and(|aud| self.is_for_us(aud)) {
            return Err(InvalidToken::new("the claim aud has another audience"));
        }
        let subject = text(&claims, "sub").ok_or(InvalidToken::new("the claim sub is missing"))?;
        let email = text(&claims, "email");
        let claims = Value::Object(claims);
        let roles = roles_from_claims(&claims, &self.roles_claim, &self.aliases);
        Ok(Session {
            actor: Actor::new(subject, email, roles),
            ends,
        })
    }

    /// Whether an audience, one string or a list of strings, includes ours.
    fn is_for_us(&self, audience: &Value) -> bool {
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

/// Checks that the token is valid already and still, and was not issued in the future. Returns when it ends.
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
    // Up, so that nobody waits for it and still finds the token good.
    let ends = ((expiry + LEEWAY) * 1000.0).ceil() as i64;
    DateTime::from_timestamp_millis(ends).ok_or(InvalidToken::new("a claim is not a valid time"))
}

/// A time as a token counts it, to the millisecond. A float holds that exactly enough for any
/// date there is.
fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1000.0
}

/// A claim that is a date, whole or fractional, if it is there.
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

/// A claim that is a text fit for a name: not blank, and without control characters, which a
/// database may not store and a log should not print.
fn text(claims: &Map<String, Value>, name: &str) -> Option<String> {
    let text = claims.get(name)?.as_str()?;
    let fit = !text.trim().is_empty() && !text.contains(char::is_control);
    fit.then(|| text.to_owned())
}

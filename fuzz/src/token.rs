//! Bearer tokens. The input is the header and the payload of a token as JSON, each on a line of its own, and is also taken
//! for the value of an `Authorization` header and for a token.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use drift_inbox::auth::{TokenVerifier, bearer_token};
use drift_inbox::domain::actor::{RoleAliases, RolesClaim};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::SecretString;
use serde_json::Value;
use sha2::Sha256;

use super::json::parsed;

const SECRET: &str = "a secret of at least 32 bytes, for fuzzing only";
const OTHER_SECRET: &str = "another secret of at least 32 bytes, never used by the server";
const ISSUER: &str = "drift-inbox";
/// The time at which tokens are checked, in seconds.
const NOW: i64 = 1_800_000_000;

static VERIFIER: LazyLock<TokenVerifier> = LazyLock::new(|| {
    let secret = SecretString::from(SECRET);
    let roles = RolesClaim::parse("roles").expect("a claim");
    TokenVerifier::hs256(&secret, ISSUER, ISSUER, roles, RoleAliases::default()).expect("a long secret")
});

/// Only a token that is signed with the secret is accepted, and only for what its claims say.
pub fn check(input: &[u8]) {
    let now = DateTime::from_timestamp(NOW, 0).expect("a time");
    from_header(input, now);
    if let Ok(text) = std::str::from_utf8(input) {
        unsigned(text, now);
    }
    let mut lines = input.splitn(2, |byte| *byte == b'\n');
    if let (Some(header), Some(payload)) = (lines.next(), lines.next()) {
        signed(header, payload, now);
    }
}

/// The value of a header has one token or none.
fn from_header(value: &[u8], now: DateTime<Utc>) {
    let Ok(value) = HeaderValue::from_bytes(value) else {
        return;
    };
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, value.clone());
    if let Ok(token) = bearer_token(&headers) {
        let token = token.expect("the header is there");
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        assert!(!token.is_empty() && token.bytes().all(is_allowed), "{token:?}");
        let text = value.to_str().expect("it was read");
        let scheme = text.get(..7).expect("a scheme and a space");
        assert!(scheme.eq_ignore_ascii_case("bearer "), "{text:?}");
        assert_eq!(text[7..].trim_matches(' '), token);
        unsigned(token, now);
    }
    headers.append(AUTHORIZATION, value);
    assert!(bearer_token(&headers).is_err(), "two headers");
}

/// A text is accepted only if its signature is that of the secret.
fn unsigned(text: &str, now: DateTime<Utc>) {
    if VERIFIER.session(text, now).is_err() {
        return;
    }
    let (signed, signature) = text.rsplit_once('.').expect("a signature");
    assert_eq!(signature, sign(SECRET, signed), "{text}");
}

fn sign(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(text.as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

/// A token with a valid signature is accepted only if its header and its claims are valid, too.
fn signed(header: &[u8], payload: &[u8], now: DateTime<Utc>) {
    let content = [header, payload]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".");
    for signature in ["", "none", &sign(OTHER_SECRET, &content)] {
        let token = format!("{content}.{signature}");
        assert!(VERIFIER.session(&token, now).is_err(), "{token}");
    }
    let token = format!("{content}.{}", sign(SECRET, &content));
    let Ok(session) = VERIFIER.session(&token, now) else {
        return;
    };
    let [Some(header), Some(claims)] = [header, payload].map(parsed) else {
        panic!("accepted, but no JSON: {token}");
    };
    let claims_text = String::from_utf8_lossy(payload);
    assert_eq!(header["alg"], "HS256", "{header}");
    for refused in ["crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c"] {
        assert!(header.get(refused).is_none(), "{header}");
    }
    assert_eq!(claims["iss"], ISSUER, "{claims_text}");
    let audiences = claims["aud"].as_array();
    let is_for_us = audiences.map_or(claims["aud"] == ISSUER, |all| all.iter().any(|one| one == ISSUER));
    assert!(is_for_us, "{claims_text}");
    assert_eq!(claims["sub"].as_str(), Some(session.actor.subject()));
    assert!(!session.actor.subject().trim().is_empty(), "{claims_text}");
    let roles: Vec<&str> = claims["roles"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        session.actor.roles().is_empty() || roles.iter().any(|role| role.starts_with("platform")),
        "{claims_text}"
    );
    assert!(
        session.actor.email().is_none_or(|email| claims["email"] == email),
        "{claims_text}"
    );
    times(&token, &claims, now, session.ends);
    changed(&token, now);
}

/// The token is rejected from its end on, and before its begin.
fn times(token: &str, claims: &Value, now: DateTime<Utc>, ends: DateTime<Utc>) {
    let is_valid = |time| VERIFIER.session(token, time).is_ok();
    let expiry = claims["exp"].as_f64().expect("exp");
    assert!(
        now < ends && (ends.timestamp_millis() as f64) < (expiry + 61.0) * 1000.0,
        "{claims}"
    );
    assert!(!is_valid(ends), "{claims}");
    assert!(!is_valid(ends + TimeDelta::days(36_500)), "{claims}");
    for claim in ["nbf", "iat"] {
        if let Some(begin) = claims.get(claim) {
            let begin = begin.as_f64().expect("a time");
            assert!(begin <= NOW as f64 + 60.0, "{claims}");
        }
    }
}

/// A token of which one character was replaced, removed or added is rejected.
fn changed(token: &str, now: DateTime<Utc>) {
    let at = token.bytes().map(usize::from).sum::<usize>() % token.len();
    let (before, from) = token.split_at(at);
    let other = if from.starts_with('A') { 'B' } else { 'A' };
    let replaced = format!("{before}{other}{}", &from[1..]);
    let removed = format!("{before}{}", &from[1..]);
    let added = format!("{before}{other}{from}");
    for text in [replaced, removed, added] {
        assert!(VERIFIER.session(&text, now).is_err(), "{text} instead of {token}");
    }
}

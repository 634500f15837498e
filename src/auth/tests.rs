mod bearer;
mod claims;
mod compact;
mod header;
mod issue;

use super::*;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, crypto};
use serde_json::{Value, json};

const SECRET: &str = "an-example-secret-of-forty-characters-ab";
const ISSUER: &str = "drift-inbox";
const NOW: i64 = 1_800_000_000;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW, 0).unwrap()
}

fn verifier() -> TokenVerifier {
    let (claim, aliases) = (RolesClaim::default(), RoleAliases::default());
    TokenVerifier::hs256(&SECRET.into(), ISSUER, ISSUER, claim, aliases).unwrap()
}

/// Returns the claims of an administrator, with `changes` applied.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": ISSUER, "sub": "u1", "email": "ada@example.com",
        "exp": NOW + 3600, "roles": ["platform_admin"],
    });
    let fields = claims.as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    claims
}

/// Returns the claims of an administrator without the claim `name`.
fn without(name: &str) -> Value {
    let mut all = claims(json!({}));
    all.as_object_mut().unwrap().remove(name).unwrap();
    all
}

fn encoded(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

fn signature(signed: &str, key: &[u8], algorithm: Algorithm) -> String {
    crypto::sign(signed.as_bytes(), &EncodingKey::from_secret(key), algorithm).unwrap()
}

/// Returns a token with this header and payload, signed with the right key.
fn signed(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    let message = format!("{}.{}", encoded(header), encoded(payload));
    let signature = signature(&message, SECRET.as_bytes(), Algorithm::HS256);
    format!("{message}.{signature}")
}

/// Returns a correctly signed token with this header and valid claims.
fn token_with_header(header: Value) -> String {
    signed(header.to_string(), claims(json!({})).to_string())
}

/// Returns a correctly signed token with these claims and a valid header.
fn token(claims: Value) -> String {
    signed(r#"{"alg":"HS256","typ":"JWT"}"#, claims.to_string())
}

fn verify(token: &str) -> Result<Actor, InvalidToken> {
    verifier().verify(token, now())
}

/// Asserts that every token is rejected, always with the same message.
fn assert_refused<N: AsRef<str>>(cases: impl IntoIterator<Item = (N, String)>) {
    for (name, token) in cases {
        let name = name.as_ref();
        match verify(&token) {
            Ok(actor) => panic!("{name}: taken as {actor:?}"),
            Err(error) => assert_eq!(error.to_string(), MESSAGE, "{name}"),
        }
    }
}

const MESSAGE: &str = "the access token is missing or invalid";

/// Asserts that every token is accepted as that of an administrator.
fn assert_accepted<N: AsRef<str>>(cases: impl IntoIterator<Item = (N, String)>) {
    for (name, token) in cases {
        let name = name.as_ref();
        match verify(&token) {
            Ok(actor) => assert!(actor.may_write(), "{name}: {actor:?}"),
            Err(error) => panic!("{name}: {}", error.reason()),
        }
    }
}

#[test]
fn a_short_secret_is_refused() {
    let make = |secret: &str| {
        let (claim, aliases) = (RolesClaim::default(), RoleAliases::default());
        TokenVerifier::hs256(&secret.into(), ISSUER, ISSUER, claim, aliases).map(|_| ())
    };
    assert_eq!(make(&SECRET[..31]), Err(WeakSecret));
    assert_eq!(make(""), Err(WeakSecret));
    assert_eq!(make(&SECRET[..32]), Ok(()));
    assert_eq!(WeakSecret.to_string(), "the secret is shorter than 32 bytes");
}

#[test]
fn debug_output_does_not_show_the_secret() {
    let shown = format!("{:?}", verifier());
    let bytes = format!("{:?}", SECRET.as_bytes());
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
}

#[test]
fn every_refusal_has_the_same_message() {
    let expired = verify(&token(claims(json!({"exp": 1})))).unwrap_err();
    let garbage = verify("garbage").unwrap_err();
    assert_eq!(expired.to_string(), garbage.to_string());
    assert_eq!(
        (expired.reason(), garbage.reason()),
        ("expired", "the token does not have three parts")
    );
}

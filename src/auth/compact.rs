//! The format of a token: a header, a payload, and a signature over both.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use super::{InvalidToken, MAX_TOKEN_BYTES};

/// Header fields that a token must not have.
///
/// The first four change the meaning of the other parts and are not supported. The others contain a key or its address,
/// but a token must never select the key that it is checked with.
const REFUSED_FIELDS: [&str; 8] = ["crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c"];

/// The allowed values of `typ`, in lower case. A token may also have no `typ`.
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// Maximum length of a key id.
const MAX_KEY_ID: usize = 256;

/// The header of a token without unsupported fields.
pub(super) struct Header {
    /// Name of the algorithm.
    pub(super) algorithm: String,
    /// Id of the key.
    pub(super) key_id: Option<String>,
}

/// The parts of a token in compact form.
pub(super) struct Compact<'a> {
    signed: &'a str,
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Compact<'a> {
    /// Splits a token without decoding its parts.
    pub(super) fn split(token: &'a str) -> Result<Self, InvalidToken> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(InvalidToken::new("too long"));
        }
        let three = InvalidToken::new("the token does not have three parts");
        let (signed, signature) = token.rsplit_once('.').ok_or(three)?;
        let (header, payload) = signed.split_once('.').ok_or(three)?;
        if payload.contains('.') {
            return Err(three);
        }
        Ok(Self {
            signed,
            header,
            payload,
            signature,
        })
    }

    /// Checks the signature. The caller selects the algorithm; the header is ignored.
    pub(super) fn check_signature(
        &self,
        key: &DecodingKey,
        algorithm: Algorithm,
    ) -> Result<(), InvalidToken> {
        match crypto::verify(self.signature, self.signed.as_bytes(), key, algorithm) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(InvalidToken::new("the signature is wrong")),
        }
    }

    /// Returns the header, which selects among the keys of an issuer. It is not protected until the signature is
    /// checked.
    pub(super) fn header(&self) -> Result<Header, InvalidToken> {
        let header = object(self.header, "the header is not a JSON object")?;
        let algorithm = header
            .get("alg")
            .and_then(Value::as_str)
            .ok_or(InvalidToken::new("the header names another algorithm"))?
            .to_owned();
        if REFUSED_FIELDS.iter().any(|name| header.contains_key(*name)) {
            return Err(InvalidToken::new("the header has an unsupported field"));
        }
        if !header.get("typ").is_none_or(is_token_type) {
            return Err(InvalidToken::new("the header names another type"));
        }
        if !header.get("kid").is_none_or(is_key_id) {
            return Err(InvalidToken::new("the header has an invalid key id"));
        }
        let key_id = header.get("kid").and_then(Value::as_str).map(str::to_owned);
        Ok(Header { algorithm, key_id })
    }

    /// Checks that the header names this algorithm and has no unsupported field. There is one key, so an id of a key says
    /// nothing; one that is a path or an address is an attack.
    pub(super) fn check_header(&self, algorithm: &str) -> Result<(), InvalidToken> {
        let header = self.header()?;
        if header.algorithm != algorithm {
            return Err(InvalidToken::new("the header names another algorithm"));
        }
        if header.key_id.is_some_and(|id| id.contains(['/', ':', '@'])) {
            return Err(InvalidToken::new("the header has an invalid key id"));
        }
        Ok(())
    }

    /// Returns the claims. The signature must be checked first.
    pub(super) fn claims(&self) -> Result<Map<String, Value>, InvalidToken> {
        object(self.payload, "the payload is not a JSON object")
    }
}

/// Returns whether the value is an allowed `typ`.
fn is_token_type(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| TYPES.contains(&text.to_ascii_lowercase().as_str()))
}

/// Returns whether the value can be a key id. Issuers use UUIDs, digests, dates, and base64 with all of its characters
/// (AWS Cognito). An id is only compared with the ids of the keys that the issuer publishes.
fn is_key_id(value: &Value) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.=+/:@".contains(&byte);
    value.as_str().is_some_and(|id| {
        (1..=MAX_KEY_ID).contains(&id.len()) && !id.contains("..") && id.bytes().all(is_plain)
    })
}

/// Decodes one part of a token.
fn object(part: &str, failure: &'static str) -> Result<Map<String, Value>, InvalidToken> {
    let json = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| InvalidToken::new("a part of the token is not base64url"))?;
    serde_json::from_slice(&json)
        .map(|Object(fields)| fields)
        .map_err(|_| InvalidToken::new(failure))
}

/// A JSON object without repeated names. Libraries differ in which of two equal names they use, so a gateway could
/// read such a token differently from this server.
struct Object(Map<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

/// Collects the fields of an [`Object`].
struct ObjectVisitor;

impl<'de> de::Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with distinct names")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut access: A) -> Result<Object, A::Error> {
        let mut fields = Map::new();
        while let Some((name, value)) = access.next_entry()? {
            if fields.insert(name, value).is_some() {
                return Err(de::Error::custom("repeated name"));
            }
        }
        Ok(Object(fields))
    }
}

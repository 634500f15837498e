//! The token in an `Authorization` header.

use axum::http::{HeaderMap, header::AUTHORIZATION};

use super::InvalidToken;

/// Returns the bearer token of a request; `None` only if it has no `Authorization` header.
///
/// # Errors
/// The request has two such headers, or the header is not a bearer token.
pub fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, InvalidToken> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        // A proxy in front of the server may have checked only one of them.
        return Err(InvalidToken::new("two Authorization headers"));
    }
    let value = value
        .to_str()
        .map_err(|_| InvalidToken::new("the Authorization header is not ASCII"))?;
    parse_bearer(value).map(Some)
}

/// Returns the token in a text such as `Bearer abc`.
///
/// # Errors
/// The text is not the scheme `Bearer`, in upper or lower case, followed by one token.
pub(super) fn parse_bearer(value: &str) -> Result<&str, InvalidToken> {
    let (scheme, token) = value.split_once(' ').ok_or(InvalidToken::new(
        "the Authorization header has no scheme and token",
    ))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(InvalidToken::new("the scheme is not Bearer"));
    }
    let token = token.trim_matches(' ');
    let whole = !token.is_empty() && token.bytes().all(is_token_byte);
    whole.then_some(token).ok_or(InvalidToken::new(
        "the scheme is not followed by exactly one token",
    ))
}

/// Returns whether RFC 6750 allows this character in a bearer token. It excludes spaces and commas, which would begin
/// a second token.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

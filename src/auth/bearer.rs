//! The token in an `Authorization` header.

use axum::http::{HeaderMap, header::AUTHORIZATION};

use super::InvalidToken;

/// The bearer token of a request; none only if it has no `Authorization` header at all.
///
/// # Errors
/// When there are two such headers, or the one is not a bearer token.
pub fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, InvalidToken> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        // A proxy in front may have looked at the other one.
        return Err(InvalidToken::new("two Authorization headers"));
    }
    let value = value
        .to_str()
        .map_err(|_| InvalidToken::new("the Authorization header is not ASCII"))?;
    parse_bearer(value).map(Some)
}

/// The token in a text such as `Bearer abc`, from a header or from elsewhere in its form.
///
/// # Errors
/// When the text is anything but the scheme, in any case, and one token.
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

/// The characters of a bearer token in RFC 6750. A space or a comma, which would begin a second
/// token, is not one.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

use super::*;
use crate::auth::bearer::parse_bearer;
use axum::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

fn headers(values: &[&[u8]]) -> HeaderMap {
    let values = values.iter().map(|value| HeaderValue::from_bytes(value).unwrap());
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(AUTHORIZATION, value);
    }
    headers
}

#[test]
fn only_a_missing_header_is_anonymous() {
    assert_eq!(bearer_token(&HeaderMap::new()), Ok(None));
    let mut other = HeaderMap::new();
    other.insert("proxy-authorization", HeaderValue::from_static("Bearer a.b.c"));
    assert_eq!(bearer_token(&other), Ok(None));
}

#[test]
fn the_scheme_may_be_in_any_case() {
    for value in [
        "Bearer a.b.c",
        "bearer a.b.c",
        "BEARER a.b.c",
        "bEaReR  a.b.c",
        "Bearer a.b.c ",
    ] {
        assert_eq!(
            bearer_token(&headers(&[value.as_bytes()])),
            Ok(Some("a.b.c")),
            "{value}"
        );
    }
    assert_eq!(parse_bearer("Bearer A-._~+/9=="), Ok("A-._~+/9=="));
}

#[test]
fn other_schemes_and_forms_are_refused() {
    for values in [
        &[&b""[..]] as &[&[u8]],
        &[b" "],
        &[b"Bearer"],
        &[b"Bearer "],
        &[b"Bearer   "],
        &[b"Basic YTpi"],
        &[b"Token a.b.c"],
        &[b"a.b.c"],
        &[b" Bearer a.b.c"],
        &[b"Bearera.b.c"],
        &[b"Bearer\ta.b.c"],
        &[b"Bearer: a.b.c"],
        &[b"Bearer a.b.c d.e.f"],
        &[b"Bearer a.b.c,d.e.f"],
        &[b"Bearer a.b.c, Bearer d.e.f"],
        &[b"Bearer Bearer a.b.c"],
        &[b"Bearer \"a.b.c\""],
        &[b"Bearer a.b.c\t"],
        &[b"Bearer \xff\xfe"],
        &[b"\xf0\x9f\x94\x91"],
        &[b"Bearer a.b.c", b"Bearer a.b.c"],
        &[b"Bearer a.b.c", b"Basic YTpi"],
        &[b"", b"Bearer a.b.c"],
    ] {
        let headers = headers(values);
        let found = bearer_token(&headers).map_err(|error| error.to_string());
        assert_eq!(found, Err(MESSAGE.to_owned()), "{values:?}");
    }
}

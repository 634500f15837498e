//! Serves the inbox page, its files, and the scripts and styles of the GraphiQL page. A release build embeds the folder
//! `web`, so that the binary needs no other files.

use std::borrow::Cow;

use axum::extract::{Path, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest as _, Sha256};

use super::{HttpState, rest};
use crate::auth::Issuer;

/// Content security policy: the page may load only files of this server. The page has an admin's token, so inline
/// scripts and scripts of other servers are forbidden. Only lit-html may turn text into HTML: it parses its templates
/// through the Trusted Types policy of its name.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    {connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types lit-html";

/// The servers to which files may send requests: this one.
const CONNECT: &str = "connect-src 'self'";

const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

/// The files of the page. A debug build reads them from the folder for each request, so that a reload shows changes.
#[derive(RustEmbed)]
#[folder = "web/"]
#[include = "index.html"]
#[include = "*.js"]
#[include = "*.css"]
#[include = "*.svg"]
#[exclude = "graphiql/vendor/*"]
#[exclude = "node_modules/*"]
#[exclude = "test/*"]
struct Web;

/// Serves the inbox page. If it signs users in at an issuer, it may also request tokens there.
pub(super) async fn page(State(state): State<HttpState>, headers: HeaderMap) -> Response {
    let client = state.page_client.as_ref();
    let issuer = client.and_then(|_| state.authenticator.issuer());
    let connect = match issuer.and_then(Issuer::token_origin) {
        Some(origin) => Cow::Owned(format!("{CONNECT} {origin}")),
        None => Cow::Borrowed(CONNECT),
    };
    answer_with(Web::get("index.html"), HTML, &connect, &headers).await
}

/// Serves a file of the inbox page.
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let content_type = match name.rsplit_once('.') {
        Some((_, "css")) => CSS,
        Some((_, "js")) => JAVASCRIPT,
        Some((_, "svg")) => SVG,
        _ => return rest::not_found().await.into_response(),
    };
    answer(&name, content_type, &headers).await
}

/// The operations that GraphiQL, the docs and the tests share.
#[derive(RustEmbed)]
#[folder = "operations/"]
#[include = "*.graphql"]
#[exclude = "*/*"]
struct Operations;

/// Serves an operation as text.
pub(super) async fn operation(Path(name): Path<String>, headers: HeaderMap) -> Response {
    answer_with(Operations::get(&name), TEXT, CONNECT, &headers).await
}

async fn answer(name: &str, content_type: &'static str, headers: &HeaderMap) -> Response {
    answer_with(Web::get(name), content_type, CONNECT, headers).await
}

async fn answer_with(
    file: Option<EmbeddedFile>,
    content_type: &'static str,
    connect: &str,
    headers: &HeaderMap,
) -> Response {
    let Some(file) = file else {
        return rest::not_found().await.into_response();
    };
    let policy = POLICY.replace("{connect}", connect);
    let tag = entity_tag(&file, &policy);
    let known = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|tags| tags.to_str().ok())
        .any(|tags| tags.split(',').any(|known| known.trim() == tag));
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        file.data.into_response()
    };
    let sent = response.headers_mut();
    if known {
        sent.remove(CONTENT_TYPE);
    } else {
        sent.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in [
        // Browsers revalidate on each load, so that they show the page of an updated server. Most responses are 304.
        (CACHE_CONTROL, "no-cache"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        sent.insert(name, HeaderValue::from_static(value));
    }
    // Both are always valid header values: letters and digits in quotes, and a text with the origin of an address.
    for (name, value) in [(ETAG, tag), (CONTENT_SECURITY_POLICY, policy)] {
        match HeaderValue::from_str(&value) {
            Ok(value) => sent.insert(name, value),
            Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        };
    }
    response
}

/// Returns a weak entity tag, because the response may be compressed. It also depends on the policy: a browser that has
/// the file keeps the policy with which it was sent.
fn entity_tag(file: &EmbeddedFile, policy: &str) -> String {
    let content = Sha256::new_with_prefix(file.metadata.sha256_hash()).chain_update(policy);
    format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(content.finalize()))
}

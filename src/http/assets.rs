//! The inbox page, its files and those of the GraphiQL page, as they are in the folder `web`: embedded, so that
//! the binary is all that is needed.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::rest;

/// Exactly what the page needs: its own files and this server. The token of an admin is in it, so that no
/// foreign or inline script may be.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file of the page.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    content: &'static str,
}

/// The table of files: each with its name and what it holds.
macro_rules! assets {
    ($($name:literal $content_type:ident,)*) => {
        [$(Asset {
            name: $name,
            content_type: $content_type,
            content: include_str!(concat!("../../web/", $name)),
        },)*]
    };
}

const PAGE: Asset = Asset {
    name: "index.html",
    content_type: HTML,
    content: include_str!("../../web/index.html"),
};

/// What is served under `/web/`.
const ASSETS: &[Asset] = &assets! {
    "accept.js" JAVASCRIPT,
    "api.js" JAVASCRIPT,
    "changes.js" JAVASCRIPT,
    "coverage.js" JAVASCRIPT,
    "detail.js" JAVASCRIPT,
    "dom.js" JAVASCRIPT,
    "favicon.svg" SVG,
    "filters.js" JAVASCRIPT,
    "format.js" JAVASCRIPT,
    "graphiql/boot.js" JAVASCRIPT,
    "graphiql/page.css" CSS,
    "graphiql/storage.js" JAVASCRIPT,
    "graphiql/tabs.js" JAVASCRIPT,
    "inbox.css" CSS,
    "json.js" JAVASCRIPT,
    "keys.js" JAVASCRIPT,
    "list.js" JAVASCRIPT,
    "live.js" JAVASCRIPT,
    "main.js" JAVASCRIPT,
    "queries.js" JAVASCRIPT,
    "router.js" JAVASCRIPT,
    "runs.js" JAVASCRIPT,
    "session.js" JAVASCRIPT,
    "signin.js" JAVASCRIPT,
    "sse.js" JAVASCRIPT,
    "standing.js" JAVASCRIPT,
    "values.js" JAVASCRIPT,
    "window.js" JAVASCRIPT,
};

/// The inbox.
pub(super) async fn page(headers: HeaderMap) -> Response {
    answer(&PAGE, &headers)
}

/// A file of the inbox.
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => answer(asset, &headers),
        None => rest::not_found().await.into_response(),
    }
}

fn answer(asset: &Asset, headers: &HeaderMap) -> Response {
    let tag = entity_tag(asset.content);
    let known = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|tags| tags.to_str().ok())
        .any(|tags| tags.split(',').any(|known| known.trim() == tag));
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        asset.content.into_response()
    };
    let sent = response.headers_mut();
    if known {
        sent.remove(CONTENT_TYPE);
    } else {
        sent.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    }
    for (name, value) in [
        // Asked for again each time, so that a new server comes with a new page; mostly the answer is short.
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        sent.insert(name, HeaderValue::from_static(value));
    }
    // Digits in quotes: always a header's value.
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        sent.insert(ETAG, tag);
    }
    response
}

/// Weak, because the bytes on the wire may be compressed.
fn entity_tag(content: &str) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

//! Serves the inbox page, its files and those of the GraphiQL page. The folder `web` is embedded, so that the binary
//! needs no other files.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::rest;

/// Content security policy: only the page's own files and this server. The page holds an admin's token, so foreign
/// and inline scripts are forbidden.
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

/// Builds the table of files, each with its name and content.
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

/// The files served under `/web/`.
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

/// Serves the inbox page.
pub(super) async fn page(headers: HeaderMap) -> Response {
    answer(&PAGE, &headers)
}

/// Serves a file of the inbox page.
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
        // Revalidated on each load, so that an updated server serves its new page. Most responses are 304.
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        sent.insert(name, HeaderValue::from_static(value));
    }
    // Digits in quotes are always a valid header value.
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        sent.insert(ETAG, tag);
    }
    response
}

/// Returns a weak entity tag, because the response may be compressed.
fn entity_tag(content: &str) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

//! Pages for people.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Redirect};

/// Exactly what the GraphiQL page needs. Single files of the CDN and not its host, which serves anybody's
/// scripts.
const GRAPHIQL_POLICY: &str = "default-src 'none'; \
    script-src 'self' https://unpkg.com/react@18.3.1/umd/react.production.min.js \
    https://unpkg.com/react-dom@18.3.1/umd/react-dom.production.min.js \
    https://unpkg.com/graphiql@4.1.2/graphiql.min.js; \
    style-src 'unsafe-inline' https://unpkg.com/graphiql@4.1.2/graphiql.min.css; \
    img-src 'self' data:; font-src data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// To where people can work.
pub(super) async fn home() -> Redirect {
    Redirect::temporary("/graphiql")
}

/// GraphiQL.
pub(super) async fn graphiql() -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, GRAPHIQL_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, include_str!("graphiql.html"))
}

/// What starts GraphiQL.
pub(super) async fn graphiql_script() -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, include_str!("graphiql.js"))
}

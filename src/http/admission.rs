//! Counts the requests of each caller before anything else is done for them.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use graphql_server::callers::{CallerKey, Limited, Ticket};
use graphql_server::transport::connection::ClientConnection;
use graphql_server::transport::extract::Known;
use graphql_server::transport::graphql_api::{GraphqlApi as _, Unauthenticated};
use graphql_server::transport::reply;
use serde_json::json;

use super::HttpState;
use crate::auth::Session;

/// What is known of the caller of a request, as an extension of the request.
pub(super) type KnownCaller = Known<Option<Session>>;

/// Authenticates the caller and waits until the caller may send another request. The request then has the extension
/// [`KnownCaller`], and occupies a place until its response has been sent.
pub(super) async fn admit(State(state): State<HttpState>, mut request: Request, next: Next) -> Response {
    let connection = ClientConnection::of(request.extensions());
    let caller = state.authenticate(request.headers(), connection.peer()).await;
    let key = match &caller {
        Ok(caller) => state.key(caller, connection.peer()),
        Err(Unauthenticated) => CallerKey::of_address(connection.peer()),
    };
    if matches!(key, CallerKey::User(_)) {
        connection.signed_in();
    }
    let ticket = match state.callers.request(&key).await {
        Ok(ticket) => ticket,
        Err(limited) => return refused(request.uri().path(), request.headers(), limited),
    };
    request.extensions_mut().insert(Known(caller));
    held(next.run(request).await, ticket)
}

fn refused(path: &str, headers: &HeaderMap, limited: Limited) -> Response {
    tracing::info!(why = limited.message, "a caller has reached a limit");
    if path == "/graphql" {
        reply::too_many(limited, headers)
    } else {
        let body = json!({ "error": "too_many_requests", "message": limited.message });
        let wait = [(RETRY_AFTER, limited.retry_after.to_string())];
        (StatusCode::TOO_MANY_REQUESTS, wait, Json(body)).into_response()
    }
}

/// Returns a response that occupies the place until its last byte has been sent. Streams have places of their own.
fn held(response: Response, ticket: Ticket) -> Response {
    let is_events = |value: &HeaderValue| value.as_bytes().starts_with(b"text/event-stream");
    if response.headers().get(CONTENT_TYPE).is_some_and(is_events) {
        return response;
    }
    response.map(|body| {
        // A body of known size is in memory already, and needs its size for the header Content-Length.
        if axum::body::HttpBody::size_hint(&body).exact().is_some() {
            return body;
        }
        Body::from_stream(body.into_data_stream().map(move |part| {
            let _place = &ticket;
            part
        }))
    })
}

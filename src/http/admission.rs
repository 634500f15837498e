//! Counts the requests of each caller before anything else is done for them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::Json;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use graphql_server::callers::{CallerKey, Limited, Ticket};
use graphql_server::transport::connection::ClientConnection;
use graphql_server::transport::extract::Known;
use graphql_server::transport::graphql_api::{GraphqlApi as _, Unauthenticated};
use graphql_server::transport::reply;
use http_body::{Frame, SizeHint};
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
        connection.signed_in(&key);
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

/// Returns a response that occupies the place until its last byte is on its way. Streams have places of their own.
fn held(response: Response, ticket: Ticket) -> Response {
    let is_events = |value: &HeaderValue| value.as_bytes().starts_with(b"text/event-stream");
    if response.headers().get(CONTENT_TYPE).is_some_and(is_events) {
        return response;
    }
    response.map(|body| {
        Body::new(HeldBody {
            body,
            rest: Bytes::new(),
            _place: ticket,
        })
    })
}

/// Size in bytes of the pieces of a body. The server takes the next piece when the client has read most of what was sent,
/// so a body occupies its place until the client has read it.
const PIECE: usize = 32 * 1024;

/// The body of a response that occupies a place.
struct HeldBody {
    body: Body,
    /// What is left of the last part of the body.
    rest: Bytes,
    _place: Ticket,
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                ended => return Poll::Ready(ended),
            }
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, inner) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(rest));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

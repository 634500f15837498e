//! Responses of the GraphQL endpoint. Each is a GraphQL response, even if nothing was executed.

use std::any::Any;

use async_graphql::{ParseRequestError, Response as Outcome, Value};
use axum::{
    body::{Body, Bytes},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use serde::ser::Error as _;

use super::accept::{self, MediaType};
use crate::callers::Limited;
use crate::codes::{
    self, BAD_REQUEST, INTERNAL_SERVER_ERROR, INTERNAL_TEXT, PERSISTED_QUERY_NOT_SUPPORTED, RATE_LIMITED,
    REQUEST_TIMEOUT, TOO_MANY_REQUESTS, UNAUTHENTICATED,
};
use crate::json_text::write_value;

/// A request that was rejected before execution.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    /// Creates a rejection with the code BAD_REQUEST.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code: BAD_REQUEST,
            message: message.into(),
            header: None,
        }
    }

    /// Creates a rejection with status 405 and the supported methods.
    pub(super) fn method(allow: &'static str, message: impl Into<String>) -> Self {
        let refusal = Self::new(StatusCode::METHOD_NOT_ALLOWED, message);
        Self {
            header: Some((ALLOW, HeaderValue::from_static(allow))),
            ..refusal
        }
    }

    /// Creates a rejection with status 401. The message is the same for every reason, so that it reveals nothing to an
    /// attacker.
    pub(super) fn unauthenticated() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            code: UNAUTHENTICATED,
            message: "the bearer token is invalid".to_owned(),
            header: Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
        }
    }

    /// Creates a rejection with status 400 of a request that has only the hash of a document. Clients of automatic
    /// persisted queries (Apollo) recognize this code and message, and then send the document itself.
    pub(super) fn persisted_query() -> Self {
        Self {
            code: PERSISTED_QUERY_NOT_SUPPORTED,
            ..Self::new(StatusCode::BAD_REQUEST, "PersistedQueryNotSupported")
        }
    }

    /// Returns the message for clients.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Creates a rejection with status 429: the caller has reached a limit.
    pub(super) fn limited(limited: Limited) -> Self {
        Self {
            code: TOO_MANY_REQUESTS,
            header: Some((RETRY_AFTER, limited.retry_after.into())),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, limited.message)
        }
    }

    /// Creates a rejection with status 503: all memory for bodies is used.
    pub(super) fn no_memory() -> Self {
        let message = "too many request bodies are being received: try again";
        Self {
            code: RATE_LIMITED,
            header: Some((RETRY_AFTER, HeaderValue::from_static("5"))),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
        }
    }

    /// Creates a rejection with status 408: the body did not arrive in time.
    pub(super) fn slow_body() -> Self {
        let message = "the body of the request did not arrive in time";
        Self {
            code: REQUEST_TIMEOUT,
            ..Self::new(StatusCode::REQUEST_TIMEOUT, message)
        }
    }
}

/// Marks the response of a [`Refusal`], whose media type is not negotiated yet.
#[derive(Clone, Copy)]
pub(super) struct Refused;

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = codes::error(self.code, self.message, None);
        let outcome = Outcome::from_errors(vec![error]);
        let mut response = encode(self.status, MediaType::Json, &outcome);
        response.extensions_mut().insert(Refused);
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<ParseRequestError> for Refusal {
    fn from(error: ParseRequestError) -> Self {
        let why = match error {
            // The text of this variant begins with "Invalid request" itself.
            ParseRequestError::InvalidRequest(why) => why.to_string(),
            other => other.to_string(),
        };
        Self::new(StatusCode::BAD_REQUEST, format!("invalid request: {why}"))
    }
}

/// Returns an executed or rejected GraphQL request as an HTTP response.
pub(super) fn outcome(outcome: &Outcome, media_type: MediaType) -> Response {
    outcome_and_body(outcome, media_type).0
}

/// Returns the response of [`outcome`] and its body.
pub(super) fn outcome_and_body(outcome: &Outcome, media_type: MediaType) -> (Response, Bytes) {
    let status = match media_type {
        MediaType::GraphqlResponse if is_request_error(outcome) => status_of(outcome),
        _ => StatusCode::OK,
    };
    let (status, body) = body_of(status, outcome);
    let mut response = with_body(status, media_type, body.clone());
    if status == StatusCode::UNAUTHORIZED {
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    for (name, value) in &outcome.http_headers {
        response.headers_mut().append(name, value.clone());
    }
    (response, body)
}

/// Returns the response with the body of an earlier one without errors.
pub(super) fn again(body: Bytes, media_type: MediaType) -> Response {
    with_body(StatusCode::OK, media_type, body)
}

/// Returns the response to a request that exceeded the timeout, as a request error.
///
/// The status is 504 under `application/graphql-response+json`, because the request is not at fault, and 200 under
/// `application/json`, like that of every well-formed request.
pub(super) fn timed_out(media_type: MediaType) -> Response {
    outcome(&timed_out_outcome(), media_type)
}

/// Returns the response of the endpoint to a request with these headers of a caller who has reached a limit.
pub fn too_many(limited: Limited, headers: &HeaderMap) -> Response {
    let media_type = accept::negotiate(headers).plain.unwrap_or(MediaType::Json);
    let mut response = Refusal::limited(limited).into_response();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type.content_type()));
    response
}

/// Returns the response to a request whose handler panicked, for tower-http's `CatchPanicLayer::custom`.
///
/// The message of the panic is only logged.
pub fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!(panic = text_of(&*panic), "a request handler panicked");
    let error = codes::error(INTERNAL_SERVER_ERROR, INTERNAL_TEXT, None);
    let outcome = Outcome::from_errors(vec![error]);
    encode(StatusCode::INTERNAL_SERVER_ERROR, MediaType::Json, &outcome)
}

/// Returns whether the request failed before its operation was executed: execution errors have a path, or come with
/// data.
pub(super) fn is_request_error(outcome: &Outcome) -> bool {
    outcome.data == Value::Null
        && !outcome.errors.is_empty()
        && outcome.errors.iter().all(|error| error.path.is_empty())
}

fn status_of(outcome: &Outcome) -> StatusCode {
    match outcome.errors.iter().find_map(codes::code_of) {
        Some(INTERNAL_SERVER_ERROR) => StatusCode::INTERNAL_SERVER_ERROR,
        Some(RATE_LIMITED) => StatusCode::SERVICE_UNAVAILABLE,
        Some(REQUEST_TIMEOUT) => StatusCode::GATEWAY_TIMEOUT,
        Some(TOO_MANY_REQUESTS) => StatusCode::TOO_MANY_REQUESTS,
        Some(UNAUTHENTICATED) => StatusCode::UNAUTHORIZED,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// Returns the response to a request for a stream that failed before the stream began.
pub(super) fn no_stream(outcome: &Outcome) -> Response {
    encode(status_of(outcome), MediaType::Json, outcome)
}

/// Returns the outcome of an operation that panicked outside of the layer that catches panics.
pub(super) fn panicked_outcome(panic: &(dyn Any + Send)) -> Outcome {
    tracing::error!(panic = text_of(panic), "a GraphQL operation panicked");
    Outcome::from_errors(vec![codes::error(INTERNAL_SERVER_ERROR, INTERNAL_TEXT, None)])
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no text")
}

/// Returns the outcome of an operation that exceeded the timeout.
pub(super) fn timed_out_outcome() -> Outcome {
    let message = "the request took too long";
    Outcome::from_errors(vec![codes::error(REQUEST_TIMEOUT, message, None)])
}

/// Serializes an outcome as JSON on one line.
pub(super) fn to_json(outcome: &Outcome) -> String {
    written(outcome).unwrap_or_else(|Unwritable(instead)| instead)
}

/// An outcome could not be serialized. Contains the JSON to send instead.
struct Unwritable(String);

fn written(outcome: &Outcome) -> Result<String, Unwritable> {
    wire(outcome).map_err(|error| {
        tracing::error!(%error, "a response cannot be serialized");
        Unwritable(format!(
            r#"{{"errors":[{{"message":"{INTERNAL_TEXT}","extensions":{{"code":"{INTERNAL_SERVER_ERROR}"}}}}]}}"#
        ))
    })
}

/// Writes a response in the format of the specification. `errors`, `data` and `extensions` are omitted if the response
/// does not have them. The library writes `data: null` both if nothing was executed and if every field was skipped.
fn wire(outcome: &Outcome) -> serde_json::Result<String> {
    let nothing = Value::Object(Default::default());
    let data = match &outcome.data {
        Value::Null if outcome.errors.is_empty() => Some(&nothing),
        data => (!is_request_error(outcome)).then_some(data),
    };
    let mut out = Vec::with_capacity(256);
    let mut start = b'{';
    if !outcome.errors.is_empty() {
        key(&mut out, &mut start, "errors");
        serde_json::to_writer(&mut out, &outcome.errors)?;
    }
    if let Some(data) = data {
        key(&mut out, &mut start, "data");
        write_value(&mut out, data)?;
    }
    if !outcome.extensions.is_empty() {
        key(&mut out, &mut start, "extensions");
        serde_json::to_writer(&mut out, &outcome.extensions)?;
    }
    out.extend_from_slice(if start == b'{' { b"{}" } else { b"}" });
    String::from_utf8(out).map_err(serde_json::Error::custom)
}

fn key(out: &mut Vec<u8>, start: &mut u8, name: &str) {
    out.push(std::mem::replace(start, b','));
    out.extend_from_slice(format!("\"{name}\":").as_bytes());
}

fn encode(status: StatusCode, media_type: MediaType, outcome: &Outcome) -> Response {
    let (status, body) = body_of(status, outcome);
    with_body(status, media_type, body)
}

fn body_of(status: StatusCode, outcome: &Outcome) -> (StatusCode, Bytes) {
    match written(outcome) {
        Ok(body) => (status, body.into()),
        Err(Unwritable(instead)) => (StatusCode::INTERNAL_SERVER_ERROR, instead.into()),
    }
}

fn with_body(status: StatusCode, media_type: MediaType, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type.content_type()));
    // Responses depend on the caller and on the time.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

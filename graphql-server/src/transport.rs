//! GraphQL over HTTP according to the draft specification, over server-sent events and over WebSocket.
//!
//! A request is checked in this order: the method (405), the accepted media types (406), the type of the body (415),
//! the caller (401), the size and the shape of the body (413, 408, 400). The body is not read if the token is invalid.

mod accept;
mod body;
mod connection;
mod extract;
pub mod graphql_api;
pub mod origin;
mod params;
pub mod reply;
mod run;
pub mod server;
mod socket;
pub mod socket_settings;
mod sse;

use async_graphql::{Response as Outcome, ServerError, parser::types::OperationType};
use axum::{
    Extension, extract as from,
    http::{HeaderValue, Method, StatusCode, header::CONTENT_TYPE},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use tokio::time::{Instant, timeout_at};

use self::{
    accept::{Accepted, Events, MediaType},
    connection::ClientConnection,
    extract::{Caller, JsonBody, Posted, Queried},
    graphql_api::GraphqlApi,
    reply::{Refusal, Refused},
};
use crate::document::{Prepared, prepare};

/// Returns the route of the endpoint. It handles every method itself.
pub fn route<A, S>(api: A) -> MethodRouter<S>
where
    A: GraphqlApi,
    S: Clone + Send + Sync + 'static,
{
    get(queried::<A>)
        .post(posted::<A>)
        .fallback(method_not_allowed)
        .layer(from_fn_with_state(api.clone(), enter::<A>))
        .with_state(api)
}

/// The deadline of a request. It does not apply to the events of a subscription.
#[derive(Clone, Copy)]
struct Deadline(Instant);

/// Opens a socket if the request is a WebSocket upgrade. Otherwise sets the deadline of the request, and sends a
/// refusal in the media type that the client accepts.
async fn enter<A: GraphqlApi>(
    from::State(api): from::State<A>,
    mut request: from::Request,
    next: Next,
) -> Response {
    if request.method() == Method::GET && socket::is_upgrade(request.headers()) {
        return socket::open(&api, request)
            .await
            .unwrap_or_else(IntoResponse::into_response);
    }
    let media_type = accept::negotiate(request.headers()).plain;
    let deadline = Deadline(Instant::now() + api.limits().request_timeout);
    request.extensions_mut().insert(deadline);
    let mut response = next.run(request).await;
    if response.extensions().get::<Refused>().is_some() {
        let media_type = media_type.unwrap_or(MediaType::Json).content_type();
        let media_type = HeaderValue::from_static(media_type);
        response.headers_mut().insert(CONTENT_TYPE, media_type);
    }
    response
}

async fn method_not_allowed() -> Refusal {
    Refusal::method("GET, POST", "method not allowed: use POST, or GET for queries")
}

/// Handles GET and HEAD.
async fn queried<A: GraphqlApi>(
    from::State(api): from::State<A>,
    Extension(deadline): Extension<Deadline>,
    accepted: Accepted,
    Caller(caller): Caller<A>,
    connection: ClientConnection,
    Queried(request): Queried,
) -> Result<Response, Refusal> {
    let prepared = prepare(request, api.limits());
    if operation_of(&prepared) == Some(OperationType::Mutation) {
        return Err(Refusal::method("POST", "mutations must be sent by POST"));
    }
    answer(&api, caller, prepared, accepted, connection, deadline).await
}

/// Handles POST.
async fn posted<A: GraphqlApi>(
    from::State(api): from::State<A>,
    Extension(deadline): Extension<Deadline>,
    accepted: Accepted,
    _: JsonBody,
    Caller(caller): Caller<A>,
    connection: ClientConnection,
    Posted(request): Posted,
) -> Result<Response, Refusal> {
    let prepared = prepare(request, api.limits());
    answer(&api, caller, prepared, accepted, connection, deadline).await
}

fn operation_of(prepared: &Result<Prepared, ServerError>) -> Option<OperationType> {
    prepared.as_ref().ok()?.operation
}

/// Executes a request and answers it, with one response or with a stream.
async fn answer<A: GraphqlApi>(
    api: &A,
    caller: A::Caller,
    prepared: Result<Prepared, ServerError>,
    accepted: Accepted,
    connection: ClientConnection,
    Deadline(deadline): Deadline,
) -> Result<Response, Refusal> {
    let subscribes = operation_of(&prepared) == Some(OperationType::Subscription);
    if subscribes && accepted.events == Events::Never {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "subscriptions need a WebSocket (graphql-transport-ws) or Accept: text/event-stream",
        ));
    }
    let streams = subscribes || accepted.events == Events::Always;
    let plain = accepted.plain.filter(|_| !streams);
    let prepared = match (prepared, plain) {
        (Ok(prepared), _) => prepared,
        (Err(error), Some(media_type)) => {
            return Ok(reply::outcome(Outcome::from_errors(vec![error]), media_type));
        }
        (Err(error), None) => return Ok(reply::no_stream(&Outcome::from_errors(vec![error]))),
    };
    let Some(media_type) = plain else {
        let expired = api.expired(&caller);
        let outcomes = run::outcomes(api, caller, prepared, deadline).await;
        return Ok(sse::answer(outcomes, expired, connection));
    };
    match timeout_at(deadline, api.execute(caller, prepared.request)).await {
        Ok(outcome) => Ok(reply::outcome(outcome, media_type)),
        Err(_) => {
            tracing::warn!("a GraphQL request timed out");
            Ok(reply::timed_out(media_type))
        }
    }
}

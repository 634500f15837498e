//! GraphQL over HTTP according to the draft specification, over server-sent events and over WebSocket.
//!
//! A request is checked in this order: the method (405), the accepted media types (406), the type of the body (415),
//! the caller (401), the size and the shape of the body (413, 408, 400). The body is not read if the token is invalid.

mod accept;
mod body;
pub mod connection;
pub mod extract;
pub mod graphql_api;
pub mod origin;
mod params;
mod places;
mod repeat;
pub mod reply;
mod run;
pub mod server;
mod socket;
pub mod socket_settings;
mod sse;

use async_graphql::{Request, Response as Outcome, ServerError, parser::types::OperationType};
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
    repeat::Repeatable,
    reply::{Refusal, Refused},
};
use crate::bodies::Reserved;
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
    let sender = Sender {
        caller,
        accepted,
        connection,
        deadline,
        memory: None,
        may_mutate: false,
    };
    answer(&api, sender, request).await
}

/// Handles POST.
async fn posted<A: GraphqlApi>(
    from::State(api): from::State<A>,
    Extension(deadline): Extension<Deadline>,
    accepted: Accepted,
    _: JsonBody,
    Caller(caller): Caller<A>,
    connection: ClientConnection,
    Posted(request, memory): Posted,
) -> Result<Response, Refusal> {
    let sender = Sender {
        caller,
        accepted,
        connection,
        deadline,
        memory: Some(memory),
        may_mutate: true,
    };
    answer(&api, sender, request).await
}

/// The sender of a request, and how to answer it.
struct Sender<C> {
    caller: C,
    accepted: Accepted,
    connection: ClientConnection,
    deadline: Deadline,
    /// The memory of the body, until the request is answered. A stream needs it until it ends.
    memory: Option<Reserved>,
    /// Whether the method of the request permits mutations.
    may_mutate: bool,
}

/// Answers a request: with its kept answer, if there is one, or by executing it.
async fn answer<A: GraphqlApi>(
    api: &A,
    sender: Sender<A::Caller>,
    request: Request,
) -> Result<Response, Refusal> {
    let plain = sender.accepted.plain;
    let plain = plain.filter(|_| sender.accepted.events != Events::Always);
    let mut repeatable = None;
    if let Some(media_type) = plain {
        repeatable = Repeatable::of(api, &sender.caller, &request);
        if let Some(repeatable) = &mut repeatable {
            match timeout_at(sender.deadline.0, repeatable.answer(api)).await {
                Ok(Some(body)) => return Ok(reply::again(body, media_type)),
                Ok(None) => {}
                Err(_) => return Ok(timed_out(media_type)),
            }
        }
    }
    let prepared = prepare(request, api.limits());
    execute(api, sender, prepared, repeatable).await
}

fn operation_of(prepared: &Result<Prepared, ServerError>) -> Option<OperationType> {
    prepared.as_ref().ok()?.operation
}

/// Executes a request and answers it, with one response or with a stream.
async fn execute<A: GraphqlApi>(
    api: &A,
    sender: Sender<A::Caller>,
    prepared: Result<Prepared, ServerError>,
    repeatable: Option<Repeatable>,
) -> Result<Response, Refusal> {
    let Sender {
        caller,
        accepted,
        connection,
        deadline: Deadline(deadline),
        memory,
        may_mutate,
    } = sender;
    let operation = operation_of(&prepared);
    if operation == Some(OperationType::Mutation) && !may_mutate {
        return Err(Refusal::method("POST", "mutations must be sent by POST"));
    }
    let subscribes = operation == Some(OperationType::Subscription);
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
            return Ok(reply::outcome(&Outcome::from_errors(vec![error]), media_type));
        }
        (Err(error), None) => return Ok(reply::no_stream(&Outcome::from_errors(vec![error]))),
    };
    let Some(media_type) = plain else {
        let place = api
            .callers()
            .stream(&api.key(&caller, connection.peer()))
            .map_err(Refusal::limited)?;
        let expired = api.expired(&caller);
        let outcomes = run::outcomes(api, caller, prepared, deadline).await;
        return Ok(sse::answer(outcomes, expired, connection, (place, memory)));
    };
    let request = match &repeatable {
        Some(repeatable) => repeatable.watched(prepared.request),
        None => prepared.request,
    };
    let Ok(outcome) = timeout_at(deadline, api.execute(caller, request)).await else {
        return Ok(timed_out(media_type));
    };
    let (response, body) = reply::outcome_and_body(&outcome, media_type);
    // A response that cannot be serialized has another status.
    if let Some(repeatable) = repeatable.filter(|_| response.status() == StatusCode::OK) {
        repeatable.keep(api, operation, &outcome, &body);
    }
    Ok(response)
}

fn timed_out(media_type: MediaType) -> Response {
    tracing::warn!("a GraphQL request timed out");
    reply::timed_out(media_type)
}

//! GraphQL over HTTP, according to the draft specification.

use std::future::Future;

use async_graphql::{Request, Response as Outcome, parser::types::OperationType};
use axum::{
    extract,
    http::{HeaderMap, Method, StatusCode},
    response::Response,
    routing::{MethodRouter, any},
};
use futures_util::future;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::time::{Instant, timeout_at};

use super::{
    accept::{self, Accepted, Events, MediaType},
    body,
    connection::Connection,
    params,
    reply::{self, Refusal},
    socket::{self, Sockets},
    sse,
};
use crate::graphql::{bounds::Bounds, operation, scan::scan};

/// The credentials of a request are invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unauthenticated;

/// The API behind the endpoint.
pub trait GraphqlApi: Clone + Send + Sync + 'static {
    /// The caller of a request, which may be anonymous.
    type Caller: Clone + Send + Sync + 'static;

    /// Authenticates the caller.
    fn authenticate(
        &self,
        headers: &HeaderMap,
    ) -> impl Future<Output = Result<Self::Caller, Unauthenticated>> + Send;

    /// Executes one request.
    fn execute(&self, caller: Self::Caller, request: Request) -> impl Future<Output = Outcome> + Send;

    /// Starts a subscription. When this returns, the subscription has begun or failed: the stream contains everything
    /// that happens from then on.
    fn subscribe(
        &self,
        caller: Self::Caller,
        request: Request,
    ) -> impl Future<Output = BoxStream<'static, Outcome>> + Send;

    /// Waits until the caller's credentials expire; forever if there are none.
    fn expired(&self, caller: &Self::Caller) -> impl Future<Output = ()> + Send + 'static;

    /// Returns the limits of one request.
    fn bounds(&self) -> &Bounds;

    /// Returns the settings of sockets.
    fn sockets(&self) -> &Sockets;
}

/// Returns the route of the endpoint. It handles every method itself.
pub fn route<A, S>(api: A) -> MethodRouter<S>
where
    A: GraphqlApi,
    S: Clone + Send + Sync + 'static,
{
    any(move |request: extract::Request| async move { handle(&api, request).await })
}

/// Handles one HTTP request.
pub async fn handle<A: GraphqlApi>(api: &A, request: extract::Request) -> Response {
    if request.method() == Method::GET && socket::is_wanted(request.headers()) {
        let opened = socket::open(api, request).await;
        return opened.unwrap_or_else(|refusal| refusal.into_response(MediaType::Json));
    }
    let accepted = accept::negotiate(request.headers());
    let media_type = accepted.plain.unwrap_or(MediaType::Json);
    match answer(api, request, accepted).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(media_type),
    }
}

/// Checks and answers a request. The cheapest checks come first, and the body is not read if the token is invalid.
async fn answer<A: GraphqlApi>(
    api: &A,
    request: extract::Request,
    accepted: Accepted,
) -> Result<Response, Refusal> {
    let deadline = Instant::now() + api.bounds().request_timeout;
    let post = match *request.method() {
        Method::POST => true,
        Method::GET | Method::HEAD => false,
        _ => {
            return Err(Refusal::method(
                "GET, POST",
                "method not allowed: use POST, or GET for queries",
            ));
        }
    };
    if accepted.plain.is_none() && accepted.events == Events::Never {
        let offer = "not acceptable: responses are application/graphql-response+json, application/json or \
         text/event-stream";
        return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, offer));
    }
    if post && !accept::sends_json(request.headers()) {
        let want = "the content type must be application/json in UTF-8, not compressed";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, want));
    }
    let caller = api.authenticate(request.headers()).await;
    let caller = caller.map_err(|Unauthenticated| Refusal::unauthenticated())?;
    let connection = Connection::of(request.extensions());
    let mut params = if post {
        let (head, body) = request.into_parts();
        let read = body::read(&head.headers, body, api.bounds().max_body_bytes);
        let bytes = timeout_at(deadline, read)
            .await
            .map_err(|_| Refusal::slow_body())??;
        params::from_body(&bytes)?
    } else {
        params::from_uri(request.uri())?
    };
    let operation = operation_of(&mut params, api.bounds());
    let subscribes = operation == Some(OperationType::Subscription);
    if operation == Some(OperationType::Mutation) && !post {
        return Err(Refusal::method("POST", "mutations must be sent by POST"));
    }
    if subscribes && accepted.events == Events::Never {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "subscriptions need a WebSocket (graphql-transport-ws) or Accept: text/event-stream",
        ));
    }
    let media_type = match accepted.plain {
        Some(media_type) if !subscribes && accepted.events != Events::Always => media_type,
        _ => {
            let expired = api.expired(&caller);
            let outcomes = outcomes(api, caller, params, deadline).await;
            return Ok(sse::answer(outcomes, expired, connection));
        }
    };
    match timeout_at(deadline, api.execute(caller, params)).await {
        Ok(outcome) => Ok(reply::outcome(outcome, media_type)),
        Err(_) => {
            tracing::warn!("a GraphQL request timed out");
            Ok(reply::timed_out(media_type))
        }
    }
}

/// Executes an operation of any type. The timeout applies to everything except the events of a subscription after it
/// has begun.
pub(super) async fn outcomes<A: GraphqlApi>(
    api: &A,
    caller: A::Caller,
    mut request: Request,
    deadline: Instant,
) -> BoxStream<'static, Outcome> {
    let work = async {
        if operation_of(&mut request, api.bounds()) == Some(OperationType::Subscription) {
            api.subscribe(caller, request).await
        } else {
            let outcome = api.execute(caller, request).await;
            stream::once(future::ready(outcome)).boxed()
        }
    };
    timeout_at(deadline, work).await.unwrap_or_else(|_| {
        tracing::warn!("a GraphQL operation timed out");
        stream::once(future::ready(reply::timed_out_outcome())).boxed()
    })
}

/// Returns the type of the operation. `None` if the document is invalid; execution then reports the error.
///
/// The text is scanned before it is parsed. The parsed document stays in the request.
pub(super) fn operation_of(request: &mut Request, bounds: &Bounds) -> Option<OperationType> {
    scan(&request.query, bounds).ok()?;
    let name = request.operation_name.clone();
    let document = request.parsed_query().ok()?;
    let operation = operation::select(document, name.as_deref()).ok()?;
    Some(operation.node.ty)
}

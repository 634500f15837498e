//! GraphQL over HTTP, as its specification's draft says.

use std::future::Future;

use async_graphql::{Request, Response as Outcome, parser::types::OperationType};
use axum::{
    extract,
    http::{HeaderMap, Method, StatusCode},
    response::Response,
    routing::{MethodRouter, any},
};
use tokio::time::{Instant, timeout_at};

use super::{
    accept::{self, MediaType},
    body, params,
    reply::{self, Refusal},
};
use crate::graphql::{bounds::Bounds, operation, scan::scan};

/// The caller's credentials are present and bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unauthenticated;

/// What is behind the endpoint.
pub trait GraphqlApi: Clone + Send + Sync + 'static {
    /// Who asks; somebody without credentials too.
    type Caller: Send + 'static;

    /// Tells who asks.
    fn authenticate(
        &self,
        headers: &HeaderMap,
    ) -> impl Future<Output = Result<Self::Caller, Unauthenticated>> + Send;

    /// Runs one request.
    fn execute(&self, caller: Self::Caller, request: Request) -> impl Future<Output = Outcome> + Send;

    /// The bounds of one request.
    fn bounds(&self) -> &Bounds;
}

/// The endpoint as a route. It answers every method itself.
pub fn route<A, S>(api: A) -> MethodRouter<S>
where
    A: GraphqlApi,
    S: Clone + Send + Sync + 'static,
{
    any(move |request: extract::Request| async move { handle(&api, request).await })
}

/// Answers one HTTP request.
pub async fn handle<A: GraphqlApi>(api: &A, request: extract::Request) -> Response {
    let accepted = accept::negotiate(request.headers());
    let media_type = accepted.unwrap_or(MediaType::Json);
    match answer(api, request, accepted).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(media_type),
    }
}

/// The order of the checks is the cheapest first; no body is read for a caller with a bad token.
async fn answer<A: GraphqlApi>(
    api: &A,
    request: extract::Request,
    accepted: Option<MediaType>,
) -> Result<Response, Refusal> {
    let deadline = Instant::now() + api.bounds().request_timeout;
    let post = match *request.method() {
        Method::POST => true,
        Method::GET | Method::HEAD => false,
        _ => return Err(Refusal::method("GET, POST", "use POST, or GET for queries")),
    };
    let Some(media_type) = accepted else {
        let offer = "answers are application/graphql-response+json or application/json";
        return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, offer));
    };
    if post && !accept::sends_json(request.headers()) {
        let want = "the content type must be application/json in UTF-8, not compressed";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, want));
    }
    let caller = api.authenticate(request.headers()).await;
    let caller = caller.map_err(|Unauthenticated| Refusal::unauthenticated())?;
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
    check_operation(&mut params, post, api.bounds())?;
    match timeout_at(deadline, api.execute(caller, params)).await {
        Ok(outcome) => Ok(reply::outcome(outcome, media_type)),
        Err(_) => {
            tracing::warn!("a GraphQL request was given up because it took too long");
            Ok(reply::timed_out(media_type))
        }
    }
}

/// Refuses operations that this transport does not run.
///
/// A document that cannot be judged is left to the execution, which will say what is wrong with it.
/// Parsing needs the scan; the parsed document stays in the request.
fn check_operation(request: &mut Request, post: bool, bounds: &Bounds) -> Result<(), Refusal> {
    if scan(&request.query, bounds).is_err() {
        return Ok(());
    }
    let name = request.operation_name.clone();
    let Ok(document) = request.parsed_query() else {
        return Ok(());
    };
    match operation::select(document, name.as_deref()).map(|operation| operation.node.ty) {
        Ok(OperationType::Mutation) if !post => {
            Err(Refusal::method("POST", "mutations must be sent by POST"))
        }
        Ok(OperationType::Subscription) => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "subscriptions are not served by a plain request; open a WebSocket",
        )),
        _ => Ok(()),
    }
}

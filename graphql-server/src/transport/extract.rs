//! The parts of an HTTP request, as axum's extractors. Each rejects a request with a `Refusal`.

use async_graphql::Request as GraphqlRequest;
use async_graphql_axum::GraphQLRequest;
use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    http::{Extensions, HeaderMap, StatusCode, request::Parts},
};
use tokio::time::timeout_at;

use super::{
    Deadline,
    accept::{self, Accepted, Events},
    body,
    connection::ClientConnection,
    graphql_api::{GraphqlApi, Unauthenticated},
    params,
    reply::Refusal,
};
use crate::{bodies::Reserved, callers::CallerKey};

impl<S: Sync> FromRequestParts<S> for Accepted {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let accepted = accept::negotiate(&parts.headers);
        if accepted.plain.is_none() && accepted.events == Events::Never {
            let offer = "not acceptable: responses are application/graphql-response+json, application/json or \
                         text/event-stream";
            return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, offer));
        }
        Ok(accepted)
    }
}

/// A request whose body is declared to be JSON.
pub(super) struct JsonBody;

impl<S: Sync> FromRequestParts<S> for JsonBody {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        if accept::sends_json(&parts.headers) {
            return Ok(Self);
        }
        let want = "the content type must be application/json in UTF-8, not compressed";
        Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, want))
    }
}

/// What a layer in front of the endpoint found out about the caller of a request, as an extension of the request. The
/// endpoint then does not authenticate the caller a second time.
#[derive(Clone, Debug)]
pub struct Known<C>(pub Result<C, Unauthenticated>);

/// Returns the caller of a request.
///
/// # Errors
///
/// The credentials are invalid.
pub(super) async fn caller<A: GraphqlApi>(
    api: &A,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<A::Caller, Unauthenticated> {
    if let Some(Known(known)) = extensions.get::<Known<A::Caller>>() {
        return known.clone();
    }
    let connection = ClientConnection::of(extensions);
    let caller = api.authenticate(headers, connection.peer()).await?;
    let key = api.key(&caller, connection.peer());
    if matches!(key, CallerKey::User(_)) {
        connection.signed_in(&key);
    }
    Ok(caller)
}

/// Who a request counts for.
#[derive(Clone)]
struct CountedFor(CallerKey);

/// The caller, who may be anonymous.
pub(super) struct Caller<A: GraphqlApi>(pub(super) A::Caller);

impl<A: GraphqlApi> FromRequestParts<A> for Caller<A> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &A) -> Result<Self, Refusal> {
        let caller = caller(api, &parts.headers, &parts.extensions)
            .await
            .map_err(|Unauthenticated| Refusal::unauthenticated())?;
        let peer = ClientConnection::of(&parts.extensions).peer();
        parts.extensions.insert(CountedFor(api.key(&caller, peer)));
        Ok(Self(caller))
    }
}

/// The GraphQL request in the query string.
pub(super) struct Queried(pub(super) GraphqlRequest);

impl<S: Sync> FromRequestParts<S> for Queried {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        params::from_uri(&parts.uri).map(Self)
    }
}

/// The GraphQL request in the body, and the memory that the body takes until the request has been answered.
pub(super) struct Posted(pub(super) GraphqlRequest, pub(super) Reserved);

impl<A: GraphqlApi> FromRequest<A> for Posted {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &A) -> Result<Self, Refusal> {
        let deadline = request.extensions().get::<Deadline>().copied();
        let caller = request.extensions().get::<CountedFor>().cloned();
        let caller = caller.map_or_else(|| CallerKey::of_address(None), |CountedFor(caller)| caller);
        let (parts, body) = request.into_parts();
        let most = api.limits().max_body_bytes;
        let read = body::read(&parts.headers, body, api.bodies(), &caller, most);
        let (bytes, memory) = match deadline {
            Some(Deadline(deadline)) => timeout_at(deadline, read)
                .await
                .map_err(|_| Refusal::slow_body())??,
            None => read.await?,
        };
        let body = Body::from(params::single_request(&bytes)?);
        let request = Request::from_parts(parts, body);
        let request = GraphQLRequest::<Refusal>::from_request(request, &())
            .await?
            .into_inner();
        Ok(Self(params::without_empty_name(request), memory))
    }
}

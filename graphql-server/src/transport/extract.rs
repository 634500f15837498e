//! The parts of an HTTP request, as axum's extractors. Each rejects a request with a [`Refusal`].

use async_graphql::Request as GraphqlRequest;
use async_graphql_axum::GraphQLRequest;
use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    http::{StatusCode, request::Parts},
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

/// The caller, who may be anonymous.
pub(super) struct Caller<A: GraphqlApi>(pub(super) A::Caller);

impl<A: GraphqlApi> FromRequestParts<A> for Caller<A> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &A) -> Result<Self, Refusal> {
        let caller = api
            .authenticate(&parts.headers, ClientConnection::of(&parts.extensions).peer())
            .await;
        caller
            .map(Self)
            .map_err(|Unauthenticated| Refusal::unauthenticated())
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

/// The GraphQL request in the body.
pub(super) struct Posted(pub(super) GraphqlRequest);

impl<A: GraphqlApi> FromRequest<A> for Posted {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &A) -> Result<Self, Refusal> {
        let deadline = request.extensions().get::<Deadline>().copied();
        let (parts, body) = request.into_parts();
        let read = body::read(&parts.headers, body, api.limits().max_body_bytes);
        let bytes = match deadline {
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
        Ok(Self(params::without_empty_name(request)))
    }
}

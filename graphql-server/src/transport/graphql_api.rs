//! The interface between the transports and the API that they serve.

use std::future::Future;
use std::net::IpAddr;

use async_graphql::{Request, Response as Outcome};
use axum::http::HeaderMap;
use futures_util::stream::BoxStream;

use super::socket_settings::SocketSettings;
use crate::bodies::Bodies;
use crate::callers::{CallerKey, Callers};
use crate::kept::KeptAnswers;
use crate::limits::RequestLimits;

/// The credentials of a request are invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unauthenticated;

/// The API behind the endpoint.
pub trait GraphqlApi: Clone + Send + Sync + 'static {
    /// The caller of a request, which may be anonymous.
    type Caller: Clone + Send + Sync + 'static;

    /// Authenticates the caller of a request from the address `peer`. Tests without a connection have no address.
    ///
    /// # Errors
    ///
    /// The credentials are invalid. Missing credentials are not an error.
    fn authenticate(
        &self,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
    ) -> impl Future<Output = Result<Self::Caller, Unauthenticated>> + Send;

    /// Returns who the requests of a caller from the address `peer` count for.
    fn key(&self, caller: &Self::Caller, peer: Option<IpAddr>) -> CallerKey;

    /// Returns the limits of callers. The requests of HTTP are counted by a layer in front of the endpoint, because other
    /// routes count too; requests inside a socket and streams are counted by the endpoint.
    fn callers(&self) -> &Callers;

    /// Returns the budget for bodies.
    fn bodies(&self) -> &Bodies;

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

    /// Returns the store of kept answers. None if the API keeps none.
    fn kept(&self) -> Option<&KeptAnswers> {
        None
    }

    /// Returns a text that differs between callers who may get different answers to the same query. None if no answers
    /// are kept for the caller.
    fn scope(&self, _caller: &Self::Caller) -> Option<String> {
        None
    }

    /// Returns the version of the contents: a text that is not returned again after a change has been committed. None
    /// if it cannot be read.
    fn version(&self) -> impl Future<Output = Option<String>> + Send {
        std::future::ready(None)
    }

    /// Returns the limits of one request.
    fn limits(&self) -> &RequestLimits;

    /// Returns the settings of sockets.
    fn sockets(&self) -> &SocketSettings;
}

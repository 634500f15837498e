//! A small schema with every behaviour that the endpoint has to handle.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::{
    Context, Error, ErrorExtensions, ID, Json, Object, Schema, SimpleObject, Subscription,
    futures_util::{
        Stream, StreamExt,
        stream::{self, BoxStream},
    },
};
use axum::{Router, http::HeaderMap};
use graphql_server::{
    bodies::Bodies,
    callers::{CallerKey, CallerLimits, Callers},
    extension::guarded,
    limits::RequestLimits,
    transport::{
        graphql_api::{GraphqlApi, Unauthenticated},
        reply, route,
        socket_settings::SocketSettings,
    },
};

use tokio_util::sync::CancellationToken;

use crate::http_client::{Reply, post, send};

pub(crate) struct Query;

#[derive(async_graphql::InputObject)]
pub(crate) struct Filter {
    names: Vec<String>,
    limit: Option<i32>,
}

#[derive(async_graphql::Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Red,
    Green,
}

#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct Node {
    id: ID,
    name: Option<String>,
}

#[async_graphql::ComplexObject]
impl Node {
    async fn child(&self) -> Node {
        Node {
            id: self.id.clone(),
            name: None,
        }
    }

    async fn fails(&self, if_id: Option<ID>) -> Result<i32, Error> {
        if if_id.is_none_or(|id| id == self.id) {
            Err(Error::new("hunter2"))
        } else {
            Ok(1)
        }
    }

    async fn optional(&self) -> Option<Node> {
        Some(Node {
            id: self.id.clone(),
            name: None,
        })
    }

    async fn grid(&self) -> Vec<Vec<Option<Node>>> {
        let node = |n: i32| {
            Some(Node {
                id: n.into(),
                name: None,
            })
        };
        vec![vec![node(0), node(1)], vec![node(2)]]
    }

    async fn fields(&self) -> Vec<Node> {
        Vec::new()
    }
}

#[Object]
impl Query {
    async fn node(&self, id: ID) -> Node {
        Node {
            id,
            name: Some("n".into()),
        }
    }

    #[graphql(complexity = "(first.max(0) as usize).saturating_mul(child_complexity)")]
    async fn page(&self, #[graphql(default = 50)] first: i32) -> Vec<Node> {
        (0..first.clamp(0, 3))
            .map(|n| Node {
                id: n.into(),
                name: None,
            })
            .collect()
    }

    async fn echo(&self, value: Option<Json<serde_json::Value>>) -> Option<Json<serde_json::Value>> {
        value
    }

    async fn add(&self, a: i32, b: i32) -> i32 {
        a.wrapping_add(b)
    }

    async fn paint(&self, colour: Colour, filter: Option<Filter>) -> i32 {
        let base = if colour == Colour::Red { 1 } else { 2 };
        filter.map_or(base, |filter| filter.limit.unwrap_or(filter.names.len() as i32))
    }

    async fn limited(&self, #[graphql(validator(maximum = 5))] n: i32) -> i32 {
        n
    }

    async fn secret(&self) -> Result<Option<i32>, Error> {
        Err(Error::new("connection to postgres://u:hunter2@db refused"))
    }

    async fn secret_required(&self) -> Result<i32, Error> {
        Err(std::io::Error::other("hunter2").into())
    }

    async fn coded(&self) -> Result<Option<i32>, Error> {
        Err(Error::new("no such thing").extend_with(|_, e| e.set("code", "NOT_FOUND")))
    }

    async fn panics(&self) -> i32 {
        assert_eq!(std::env::args().count(), 0, "hunter2");
        1
    }

    async fn slow(&self) -> i32 {
        tokio::time::sleep(Duration::from_secs(600)).await;
        1
    }

    async fn caller(&self, ctx: &Context<'_>) -> String {
        ctx.data_unchecked::<String>().clone()
    }
}

pub(crate) struct Mutation;

#[Object]
impl Mutation {
    async fn touch(&self) -> i32 {
        1
    }

    #[graphql(guard = "AlwaysDenied")]
    async fn refused(&self) -> Option<Node> {
        None
    }
}

struct AlwaysDenied;

impl async_graphql::Guard for AlwaysDenied {
    async fn check(&self, _: &Context<'_>) -> Result<(), Error> {
        Err(Error::new("not you").extend_with(|_, e| e.set("code", "FORBIDDEN")))
    }
}

pub(crate) struct Ticks;

#[Subscription]
impl Ticks {
    /// Sends large events without end.
    async fn flood(&self) -> impl Stream<Item = String> {
        stream::repeat("x".repeat(100_000))
    }

    /// Sends nothing and does not end.
    async fn silence(&self) -> impl Stream<Item = i32> {
        stream::pending()
    }

    async fn ticks(&self) -> impl Stream<Item = i32> {
        stream::iter([1, 2])
    }

    async fn nodes(&self) -> impl Stream<Item = Node> {
        let node = |id: i32| Node {
            id: id.into(),
            name: None,
        };
        stream::iter([1, 2, 1]).map(node)
    }
}

pub(crate) type ToySchema = Schema<Query, Mutation, Ticks>;

#[derive(Clone)]
pub(crate) struct Toy {
    pub(crate) schema: ToySchema,
    limits: RequestLimits,
    pub(crate) sockets: SocketSettings,
    pub(crate) callers: Arc<Callers>,
    pub(crate) bodies: Bodies,
    /// Ends the credentials of every caller.
    pub(crate) expiry: CancellationToken,
}

impl Toy {
    pub(crate) fn new(limits: RequestLimits, introspection: bool) -> Self {
        let schema = guarded(Schema::build(Query, Mutation, Ticks), &limits, introspection);
        Self {
            schema: schema.finish(),
            limits,
            sockets: SocketSettings::default(),
            callers: Arc::new(Callers::new(CallerLimits::default())),
            bodies: Bodies::default(),
            expiry: CancellationToken::new(),
        }
    }

    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/graphql", route(self))
            .layer(tower_http::catch_panic::CatchPanicLayer::custom(reply::panicked))
    }
}

/// Returns the endpoint with the test schema, the default limits and introspection.
pub(crate) fn router() -> Router {
    Toy::new(RequestLimits::default(), true).router()
}

impl GraphqlApi for Toy {
    type Caller = String;

    async fn authenticate(
        &self,
        headers: &HeaderMap,
        _: Option<std::net::IpAddr>,
    ) -> Result<String, Unauthenticated> {
        match headers.get("authorization").map(|value| value.as_bytes()) {
            None => Ok("anonymous".to_owned()),
            Some(b"Bearer good") => Ok("good".to_owned()),
            Some(b"Bearer other") => Ok("other".to_owned()),
            Some(_) => Err(Unauthenticated),
        }
    }

    fn key(&self, caller: &String, peer: Option<std::net::IpAddr>) -> CallerKey {
        match caller.as_str() {
            "anonymous" => CallerKey::of_address(peer),
            name => CallerKey::User(name.to_owned()),
        }
    }

    fn callers(&self) -> &Callers {
        &self.callers
    }

    fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    async fn execute(&self, caller: String, request: async_graphql::Request) -> async_graphql::Response {
        self.schema.execute(request.data(caller)).await
    }

    async fn subscribe(
        &self,
        caller: String,
        request: async_graphql::Request,
    ) -> BoxStream<'static, async_graphql::Response> {
        self.schema.execute_stream(request.data(caller))
    }

    fn expired(&self, _: &String) -> impl Future<Output = ()> + Send + 'static {
        self.expiry.clone().cancelled_owned()
    }

    fn limits(&self) -> &RequestLimits {
        &self.limits
    }

    fn sockets(&self) -> &SocketSettings {
        &self.sockets
    }
}

/// Posts a request.
pub(crate) async fn run(router: Router, accept: &str, body: &serde_json::Value) -> Reply {
    send(router, post(accept, body.to_string())).await
}

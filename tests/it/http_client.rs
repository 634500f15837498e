//! The client of the tests of GraphQL over HTTP.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use serde_json::Value;
use tokio::sync::OnceCell;
use tower::ServiceExt;

use crate::{support::TestApp, toy::Toy};

pub(crate) const JSON: &str = "application/json";
pub(crate) const GRAPHQL: &str = "application/graphql-response+json";

/// The server's own router, at its default bounds and with introspection. These tests never get as far as the
/// database, so they share one.
pub(crate) async fn router() -> Router {
    static ROUTER: OnceCell<Router> = OnceCell::const_new();
    ROUTER
        .get_or_init(|| async { TestApp::new().await.router })
        .await
        .clone()
}

/// The endpoint over a schema that misbehaves in every way.
pub(crate) fn toy_router() -> Router {
    Toy::new(Default::default(), true).router()
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code of the first error. Every error must have a text and a code.
    pub(crate) fn code(&self) -> &str {
        let Some(errors) = self.body.get("errors") else {
            return "";
        };
        for error in errors.as_array().unwrap() {
            assert!(
                error["message"].is_string() && error["extensions"]["code"].is_string(),
                "{error}"
            );
        }
        errors[0]["extensions"]["code"].as_str().unwrap()
    }
}

pub(crate) async fn send(router: Router, request: Request<Body>) -> Reply {
    let response = router.oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let body = serde_json::from_slice(&bytes).unwrap();
    Reply {
        status: head.status,
        headers: head.headers,
        body,
    }
}

pub(crate) fn post(accept: &str, body: impl Into<Body>) -> Request<Body> {
    let builder = Request::post("/graphql")
        .header("content-type", JSON)
        .header("accept", accept);
    builder.body(body.into()).unwrap()
}

pub(crate) async fn run(router: Router, accept: &str, body: &Value) -> Reply {
    send(router, post(accept, body.to_string())).await
}

pub(crate) fn get(accept: &str, parameters: &[(&str, &str)]) -> Request<Body> {
    let escape = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let pairs: Vec<_> = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect();
    let uri = format!("/graphql?{}", pairs.join("&"));
    Request::get(uri)
        .header("accept", accept)
        .body(Body::empty())
        .unwrap()
}

//! An HTTP client for tests of GraphQL over HTTP.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use serde_json::Value;
use tower::ServiceExt;

pub(crate) const JSON: &str = "application/json";
pub(crate) const GRAPHQL: &str = "application/graphql-response+json";

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the code of the first error, or `""` without errors. Every error must have a message and a code.
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

/// Returns the codes of the errors in a response.
pub(crate) fn codes(answer: &Value) -> Vec<&str> {
    let errors = answer
        .get("errors")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    errors
        .map(|error| error["extensions"]["code"].as_str().unwrap_or("(none)"))
        .collect()
}

//! Helpers for error codes and for requests of the REST routes.

use axum::body::Body;
use axum::http::Request;
use serde_json::Value;

use super::{ADMIN, TestApp};
use crate::http_client::codes;
use crate::http_client::{Reply, send};

impl TestApp {
    /// Sends a GraphQL request as an admin. It must fail with one error, whose code is returned.
    pub(crate) async fn refusal(&self, query: &str, variables: Value) -> String {
        let answer = self.ask(query, variables).await;
        match codes(&answer)[..] {
            [code] => code.to_owned(),
            _ => panic!("expected exactly one error: {answer:#}"),
        }
    }

    /// Sends a request without a body, with or without a token. The response must be JSON.
    pub(crate) async fn call(&self, method: &str, path: &str, token: Option<&str>) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        send(self.router.clone(), request.body(Body::empty()).unwrap()).await
    }

    /// Sends a text as an admin.
    pub(crate) async fn post_text(&self, path: &str, text: impl Into<Body>) -> Reply {
        let token = self.token(Some(ADMIN), &["platform_admin"]);
        let request = Request::post(path).header("authorization", format!("Bearer {token}"));
        send(self.router.clone(), request.body(text.into()).unwrap()).await
    }

    /// Sends a request as an admin.
    pub(crate) async fn call_as_admin(&self, method: &str, path: &str) -> Reply {
        let token = self.token(Some(ADMIN), &["platform_admin"]);
        self.call(method, path, Some(&token)).await
    }
}

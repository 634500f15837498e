//! Requests that are about the answer's shape: refusals and the REST routes.

use axum::body::Body;
use axum::http::Request;
use serde_json::Value;

use super::{ADMIN, TestApp};
use crate::http_client::codes;
use crate::http_client::{Reply, send};

impl TestApp {
    /// The code of the one error with which an admin is refused.
    pub(crate) async fn refusal(&self, query: &str, variables: Value) -> String {
        let answer = self.ask(query, variables).await;
        match codes(&answer)[..] {
            [code] => code.to_owned(),
            _ => panic!("one error is wanted: {answer:#}"),
        }
    }

    /// Sends a request without a body and with this token, or with none. The answer must be JSON.
    pub(crate) async fn call(&self, method: &str, path: &str, token: Option<&str>) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        send(self.router.clone(), request.body(Body::empty()).unwrap()).await
    }

    /// Sends a request as an admin.
    pub(crate) async fn call_as_admin(&self, method: &str, path: &str) -> Reply {
        let token = self.token(Some(ADMIN), &["platform_admin"]);
        self.call(method, path, Some(&token)).await
    }
}

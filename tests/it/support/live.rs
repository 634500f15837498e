//! Subscribers to changes of drifts over server-sent events.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, Request, StatusCode};
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::process::MAX_WAIT;

/// A subscription with the fields that the tests compare.
pub(crate) const EVERYTHING: &str = "subscription($filter: DriftFilter) { driftChanged(filter: $filter) { id field status revision actual } }";

/// Returns a filter for every status.
pub(crate) fn any_status() -> Value {
    json!({ "filter": { "status": ["OPEN", "ACCEPTED", "REVERTED", "STALE"] } })
}

/// The stream of events in a response.
pub(crate) struct Listener {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: BodyDataStream,
    text: String,
}

impl Listener {
    /// Subscribes, and returns when the subscription has started.
    pub(crate) async fn new(router: &Router, token: Option<&str>, query: &str, variables: Value) -> Self {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let mut request = Request::post("/graphql")
            .header("content-type", "application/json")
            .header("accept", "text/event-stream")
            .header("accept-encoding", "gzip");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::from(body)).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    /// Waits for the next event and returns its name and data, or `None` at the end of the stream.
    pub(crate) async fn event(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(parsed) = parse(&self.block().await?) {
                return Some(parsed);
            }
        }
    }

    /// Waits for the next event or comment and returns its text, or `None` at the end of the stream.
    pub(crate) async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let chunk = tokio::time::timeout(MAX_WAIT, self.body.next()).await;
            let chunk = chunk.expect("nothing comes")?.unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// Returns an event that has already arrived, without waiting.
    pub(crate) fn event_at_once(&mut self) -> Option<(String, Value)> {
        self.event().now_or_never().flatten()
    }

    /// Waits for the next drift.
    pub(crate) async fn drift(&mut self) -> Value {
        let (name, mut data) = self.event().await.expect("the stream ended");
        assert_eq!(name, "next", "{data}");
        assert!(data.get("errors").is_none(), "{data}");
        data["data"]["driftChanged"].take()
    }

    /// Waits for the next drift and returns its field and status.
    pub(crate) async fn transition(&mut self) -> (String, String) {
        let drift = self.drift().await;
        let text = |key: &str| drift[key].as_str().unwrap().to_owned();
        (text("field"), text("status"))
    }

    /// Checks that no event arrives during several polls of the server.
    pub(crate) async fn expect_silence(&mut self) {
        let event = tokio::time::timeout(Duration::from_millis(2_500), self.event()).await;
        assert!(event.is_err(), "{event:?}");
    }
}

/// Parses an event. Returns `None` for a comment.
fn parse(event: &str) -> Option<(String, Value)> {
    let line = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
    let name = line("event: ")?.to_owned();
    let data = match line("data:")
        .expect("an event without data is dropped by browsers")
        .trim()
    {
        "" => Value::Null,
        json => serde_json::from_str(json).unwrap(),
    };
    Some((name, data))
}

//! GraphQL requests, and responses that are the same in every run.

use std::collections::HashMap;

use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ADMIN, TestApp};

impl TestApp {
    /// Sends a request as an admin.
    pub(crate) async fn ask(&self, query: &str, variables: Value) -> Value {
        self.ask_as(
            Some(&self.token(Some(ADMIN), &["platform_admin"])),
            query,
            variables,
        )
        .await
    }

    /// Sends a request with or without a token.
    pub(crate) async fn ask_as(&self, token: Option<&str>, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let mut request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let response = self.send(request.body(Body::from(body)).unwrap()).await;
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Sends a request as an admin, checks that it has no errors, and returns its data.
    pub(crate) async fn data(&self, query: &str, variables: Value) -> Value {
        let answer = self.ask(query, variables).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"].clone()
    }
}

/// Replaces every UUID by `id-1`, `id-2`, ... in the order of appearance, and every cursor by `cursor`, so that a
/// snapshot of the response is the same in every run.
pub(crate) fn stable(mut answer: Value) -> Value {
    let mut names = HashMap::new();
    rename(&mut answer, &mut names);
    answer
}

fn rename(value: &mut Value, names: &mut HashMap<Uuid, String>) {
    match value {
        Value::String(text) => {
            if let Ok(id) = Uuid::try_parse(text) {
                let next = names.len() + 1;
                *text = names.entry(id).or_insert_with(|| format!("id-{next}")).clone();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        Value::Object(map) => {
            for (key, member) in map {
                if ["cursor", "startCursor", "endCursor"].contains(&key.as_str()) && member.is_string() {
                    *member = "cursor".into();
                }
                rename(member, names);
            }
        }
        _ => {}
    }
}

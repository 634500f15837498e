//! The documents in the folder `operations`: those of this release, of the page, and of earlier releases, are valid.

use std::fs;
use std::path::{Path, PathBuf};

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{DocumentOperations, OperationType};
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::cloud::droplet;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/operations");

/// Returns the documents below a folder, by path.
fn documents(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(documents(&path));
        } else if path.extension().is_some_and(|extension| extension == "graphql") {
            found.push((path.clone(), fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// Sends a request as a viewer.
async fn post(t: &TestApp, body: Value) -> Value {
    let token = t.token(None, &["platform_viewer"]);
    let request = Request::post("/graphql")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"));
    let response = t.send(request.body(Body::from(body.to_string())).unwrap()).await;
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Requests a file without a token.
async fn text(t: &TestApp, path: &str) -> (StatusCode, String) {
    let response = t.send(Request::get(path).body(Body::empty()).unwrap()).await;
    let status = response.status();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// Appends the fragments that a document spreads, also through others.
fn add_used(document: &mut String, fragments: &[(PathBuf, String)]) {
    loop {
        let missing = fragments.iter().find(|(_, fragment)| {
            let name = fragment.split_whitespace().nth(1).unwrap();
            let is_spread = document
                .match_indices(&format!("...{name}"))
                .any(|(at, spread)| !document[at + spread.len()..].starts_with(char::is_alphanumeric));
            is_spread && !document.contains(&format!("fragment {name} on "))
        });
        let Some((_, fragment)) = missing else { return };
        document.push_str(fragment);
    }
}

/// The validation is that of the server: it checks all operations of a document, and executes only the added one.
async fn errors_of(t: &TestApp, document: &str) -> Value {
    let query = format!("{document}\nquery OnlyValidate {{ __typename }}");
    let answer = post(t, json!({ "query": query, "operationName": "OnlyValidate" })).await;
    answer.get("errors").cloned().unwrap_or(Value::Null)
}

#[tokio::test]
async fn every_operation_is_valid_also_those_of_earlier_releases() {
    let t = TestApp::new().await;
    let (fragments, mut all): (Vec<_>, Vec<_>) = documents(Path::new(FOLDER))
        .into_iter()
        .partition(|(path, _)| path.to_str().unwrap().contains("/page/fragments/"));
    for (path, document) in &mut all {
        if path.to_str().unwrap().contains("/operations/page/") {
            add_used(document, &fragments);
        }
    }
    for part in ["/operations/page/", "/operations/released/0.1.0/"] {
        let count = all
            .iter()
            .filter(|(path, _)| path.to_str().unwrap().contains(part))
            .count();
        assert!(count >= 12, "{part}: {count}");
    }
    let mut names = Vec::new();
    for (path, document) in &all {
        assert_eq!(errors_of(&t, document).await, Value::Null, "{}", path.display());
        let parsed = parse_query(document).unwrap();
        let DocumentOperations::Multiple(operations) = parsed.operations else {
            panic!("{}: an operation has no name", path.display());
        };
        assert_eq!(operations.len(), 1, "{}", path.display());
        if path.parent() == Some(Path::new(FOLDER)) {
            names.extend(operations.into_keys());
        }
    }
    assert!(names.len() >= 12, "{names:?}");
    let mut different = names.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), names.len(), "{names:?}");
    let invalid = "query Wrong { drifts { nodes { colour } } }";
    assert_ne!(errors_of(&t, invalid).await, Value::Null);
}

/// The queries of the examples that need no id are answered.
#[tokio::test]
async fn the_example_queries_are_answered_and_served() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "size_slug": "l" })).await;
    t.sweep().await;
    let id = t.resource("web-1").await.id;
    let variables = json!({ "id": id, "resourceId": id, "field": "size_slug", "from": "2026-12-01T00:00:00Z",
        "to": "2027-01-02T00:00:00Z" });
    let mut asked = 0;
    for (path, document) in documents(Path::new(FOLDER)) {
        if path.parent() != Some(Path::new(FOLDER)) {
            continue;
        }
        let parsed = parse_query(&document).unwrap();
        let is_query = parsed
            .operations
            .iter()
            .all(|(_, operation)| operation.node.ty == OperationType::Query);
        if !is_query {
            continue;
        }
        let operation = parsed.operations.iter().next().unwrap().1;
        let wanted = operation
            .node
            .variable_definitions
            .iter()
            .map(|of| of.node.name.node.as_str());
        let given: serde_json::Map<String, Value> = wanted
            .filter_map(|name| Some((name.to_owned(), variables.get(name)?.clone())))
            .collect();
        t.data(&document, Value::Object(given)).await;
        asked += 1;
    }
    assert!(asked >= 7, "{asked}");
    let file = text(&t, "/operations/inbox.graphql").await;
    assert_eq!(
        file,
        (
            StatusCode::OK,
            include_str!("../../operations/inbox.graphql").to_owned()
        )
    );
    for missing in [
        "/operations/none.graphql",
        "/operations/README.md",
        "/operations/page%2Faccept.graphql",
    ] {
        assert_eq!(text(&t, missing).await.0, StatusCode::NOT_FOUND, "{missing}");
    }
}

#[tokio::test]
async fn a_request_may_ask_what_it_costs_and_what_the_limits_are() {
    let t = TestApp::new().await;
    let query = "{ drifts(first: 10) { nodes { id field } } }";
    let ask = async |extensions: Value| post(&t, json!({ "query": query, "extensions": extensions })).await;
    let answer = ask(json!({ "cost": true })).await;
    let limits = t
        .data(
            "{ limits { complexity depth pageSize bulkDrifts textBytes retention { eventsSeconds } } }",
            json!({}),
        )
        .await;
    let cost = &answer["extensions"]["cost"];
    assert_eq!(
        (&cost["maxComplexity"], &cost["maxDepth"]),
        (&limits["limits"]["complexity"], &limits["limits"]["depth"])
    );
    let complexity = cost["complexity"].as_u64().unwrap();
    assert!((20..200).contains(&complexity), "{complexity}");
    assert_eq!(cost["depth"], 3);
    for silent in [
        json!({}),
        json!({ "cost": false }),
        json!({ "cost": "true" }),
        json!({ "other": true }),
    ] {
        assert_eq!(ask(silent).await.get("extensions"), None);
    }
    assert_eq!(
        (
            &limits["limits"]["pageSize"],
            &limits["limits"]["bulkDrifts"],
            &limits["limits"]["textBytes"]
        ),
        (&json!(200), &json!(1_000), &json!(4_096))
    );
    // This server runs no schedules, so it deletes nothing.
    assert_eq!(limits["limits"]["retention"], Value::Null);
}

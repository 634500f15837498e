//! Requests that GraphQL clients and editors send besides the examples in the specification.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::http_client::{JSON, Reply, post, send};
use crate::support::cloud::droplet;
use crate::support::{ADMIN, TestApp};

const HASH: &str = "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38";

async fn app() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([
        droplet("web-1"),
        droplet("web_2"),
        droplet("50%"),
        droplet("a\\b"),
    ])
    .await;
    t.record_spec("web-1", json!({ "region": "fra1" })).await;
    t.sweep().await;
    t
}

impl TestApp {
    async fn posts(&self, body: Value) -> Reply {
        self.sends(post(JSON, body.to_string())).await
    }

    async fn gets(&self, query_string: &str) -> Reply {
        let request = Request::get(format!("/graphql?{query_string}")).header("accept", JSON);
        self.sends(request.body(Body::empty()).unwrap()).await
    }

    async fn sends(&self, mut request: Request<Body>) -> Reply {
        let token = self.token(Some(ADMIN), &["platform_admin"]);
        let value = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("authorization", value);
        send(self.router.clone(), request).await
    }

    async fn finds(&self, search: &str) -> Vec<String> {
        let query = "query($s: String) { resources(filter: {search: $s}) { nodes { name } } }";
        let reply = self
            .posts(json!({ "query": query, "variables": { "s": search } }))
            .await;
        let nodes = reply.body["data"]["resources"]["nodes"].as_array().unwrap();
        nodes
            .iter()
            .map(|node| node["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn a_null_or_empty_parameter_counts_as_absent() {
    let t = app().await;
    let query = "{ drifts { totalCount } }";
    for body in [
        json!({ "query": query, "variables": null, "operationName": null, "extensions": null }),
        json!({ "query": query, "operationName": "" }),
        json!({ "query": query, "variables": { "unused": 1 } }),
    ] {
        let reply = t.posts(body).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body, json!({ "data": { "drifts": { "totalCount": 1 } } }));
    }
    let reply = t
        .gets("query=%7Bdrifts%7BtotalCount%7D%7D&variables=&operationName=&extensions=")
        .await;
    assert_eq!(reply.body, json!({ "data": { "drifts": { "totalCount": 1 } } }));
    let reply = t.posts(json!({ "query": query, "variables": "" })).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (400, "BAD_REQUEST"));
}

#[tokio::test]
async fn a_persisted_query_hash_is_answered_with_persisted_query_not_supported() {
    let t = app().await;
    let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": HASH } });
    let by_get = format!(
        "extensions=%7B%22persistedQuery%22%3A%7B%22version%22%3A1%2C%22sha256Hash%22%3A%22{HASH}%22%7D%7D"
    );
    for reply in [
        t.posts(json!({ "extensions": extensions })).await,
        t.gets(&by_get).await,
    ] {
        assert_eq!(
            (reply.status.as_u16(), reply.code()),
            (400, "PERSISTED_QUERY_NOT_SUPPORTED")
        );
        assert_eq!(reply.body["errors"][0]["message"], "PersistedQueryNotSupported");
    }
    let reply = t
        .posts(json!({ "query": "{ __typename }", "extensions": extensions }))
        .await;
    assert_eq!(reply.body, json!({ "data": { "__typename": "Query" } }));
    let reply = t.posts(json!({ "extensions": {} })).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (400, "BAD_REQUEST"));
}

#[tokio::test]
async fn a_page_of_zero_rows_has_the_total_count() {
    let t = app().await;
    let page =
        "{ drifts(first: 0) { totalCount edges { cursor } pageInfo { hasNextPage startCursor endCursor } } }";
    let reply = t.posts(json!({ "query": page })).await;
    let wanted = json!({ "totalCount": 1, "edges": [],
        "pageInfo": { "hasNextPage": true, "startCursor": null, "endCursor": null } });
    assert_eq!(reply.body["data"]["drifts"], wanted);
}

#[tokio::test]
async fn search_matches_percent_underscore_and_backslash_literally() {
    let t = app().await;
    assert_eq!(t.finds("%").await, ["50%"]);
    assert_eq!(t.finds("web_1").await, [""; 0]);
    assert_eq!(t.finds("web_").await, ["web_2"]);
    assert_eq!(t.finds("a\\b").await, ["a\\b"]);
    assert_eq!(t.finds("M\u{dc}LLER").await, [""; 0]);
}

#[tokio::test]
async fn every_response_forbids_content_type_sniffing() {
    let t = app().await;
    for (method, path) in [
        ("GET", "/graphql?query=%7B__typename%7D"),
        ("GET", "/graphql"),
        ("GET", "/api/v1/drift"),
        ("GET", "/nowhere"),
        ("PUT", "/api/v1/drift"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
    ] {
        let reply = t.call_as_admin(method, path).await;
        assert_eq!(
            reply.header("x-content-type-options"),
            "nosniff",
            "{method} {path}"
        );
    }
}

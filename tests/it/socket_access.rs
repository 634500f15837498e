//! Access rights over WebSocket. They are the same as over HTTP, and end when the token expires.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::http_client::codes;
use crate::socket_client::{Server, Socket};
use crate::support::live::{EVERYTHING, any_status};
use crate::support::{ADMIN, TestApp};

const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "graphql-transport-ws");

async fn server() -> (TestApp, Server) {
    let t = TestApp::new().await;
    let server = Server::of(&t.router).await;
    (t, server)
}

fn admin(t: &TestApp) -> String {
    t.token(Some(ADMIN), &["platform_admin"])
}

#[tokio::test]
async fn a_socket_has_the_same_access_rules_as_http() {
    let (t, server) = server().await;
    let viewer = t.token(None, &["platform_viewer"]);
    for (payload, code) in [
        (Value::Null, "UNAUTHENTICATED"),
        (json!({}), "UNAUTHENTICATED"),
        (
            json!({ "Authorization": format!("Bearer {}", t.token(None, &[])) }),
            "FORBIDDEN",
        ),
        (json!({ "Authorization": format!("Bearer {viewer}") }), ""),
        (json!({ "authorization": format!("bearer {viewer}") }), ""),
    ] {
        let mut socket = Socket::new(server.address).await;
        socket.init(payload.clone()).await;
        assert_eq!(
            socket.receive().await,
            json!({ "type": "connection_ack" }),
            "{payload}"
        );
        socket.subscribe("0", "{ __typename }", json!({})).await;
        assert_eq!(
            socket.result("0").await,
            json!({ "data": { "__typename": "Query" } })
        );
        socket.receive().await;
        socket.subscribe("1", "{ viewer { id } }", json!({})).await;
        assert_eq!(codes(&socket.result("1").await).join(""), code, "{payload}");
        socket.receive().await;
        if code.is_empty() {
            socket.listen("2", EVERYTHING, json!({})).await;
        } else {
            socket.subscribe("2", EVERYTHING, json!({})).await;
            assert_eq!(codes(&socket.result("2").await), [code], "{payload}");
            assert_eq!(socket.receive().await, json!({ "id": "2", "type": "complete" }));
        }
    }
}

#[tokio::test]
async fn a_bad_token_closes_with_4403_and_is_not_treated_as_anonymous() {
    let (t, server) = server().await;
    let good = admin(&t);
    for payload in [
        json!({ "Authorization": "Bearer garbage" }),
        json!({ "Authorization": "" }),
        json!({ "Authorization": "Basic YTpi" }),
        json!({ "Authorization": good }),
        json!({ "Authorization": 1 }),
        json!({ "Authorization": null }),
        json!({ "Authorization": format!("Bearer {good}"), "authorization": "Bearer garbage" }),
        json!({ "Authorization": "Bearer a\nb" }),
    ] {
        let mut socket = Socket::new(server.address).await;
        socket.init(payload.clone()).await;
        let close = socket.wait_for_close().await;
        assert_eq!(close.code, 4403, "{payload}");
        assert!(!close.reason.contains("garbage"));
    }
    // Clients other than browsers can send the token in the upgrade request.
    let bearer = format!("Bearer {good}");
    let mut socket = Socket::open(server.address, &[PROTOCOL, ("authorization", &bearer)])
        .await
        .unwrap();
    socket.init(json!({})).await;
    socket.receive().await;
    socket.subscribe("1", "{ viewer { email } }", json!({})).await;
    assert_eq!(socket.result("1").await["data"]["viewer"]["email"], ADMIN);
    let bad = Socket::open(server.address, &[PROTOCOL, ("authorization", "Bearer garbage")]).await;
    assert_eq!(bad.map(|_| ()), Err(401));
}

#[tokio::test]
async fn a_socket_closes_when_its_token_expires() {
    let (t, server) = server().await;
    let mut socket = Socket::of(server.address, &admin(&t)).await;
    socket.listen("1", EVERYTHING, any_status()).await;
    // The token is valid for an hour, and for another minute because clocks differ.
    t.later(TimeDelta::minutes(60));
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    socket.subscribe("2", "{ viewer { id } }", json!({})).await;
    assert_eq!(socket.result("2").await["data"]["viewer"]["id"], "user-1");
    socket.receive().await;
    t.later(TimeDelta::minutes(1));
    let close = socket.wait_for_close().await;
    assert_eq!((close.code, close.reason.as_str()), (4403, "token expired"));
}

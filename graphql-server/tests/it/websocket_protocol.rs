//! The protocol graphql-transport-ws: every message, and every reason to close the socket.

use std::time::Duration;

use axum::Router;
use futures_util::{SinkExt as _, StreamExt as _};
use graphql_server::limits::RequestLimits;
use graphql_server::transport::origin::Origin;
use graphql_server::transport::socket_settings::SocketSettings;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::http_client::codes;
use crate::socket_client::{Server, Socket};
use crate::toy::Toy;

const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "graphql-transport-ws");

/// Returns the routes of a [`Toy`] with changed socket settings.
fn toy(change: impl FnOnce(&mut SocketSettings)) -> Router {
    let mut toy = Toy::new(RequestLimits::default(), true);
    change(&mut toy.sockets);
    toy.router()
}

/// Starts a server and opens a socket that has completed `connection_init`.
async fn on_toy() -> (Server, Socket) {
    let server = Server::of(&toy(|_| ())).await;
    let mut socket = Socket::new(server.address).await;
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
    (server, socket)
}

#[tokio::test]
async fn queries_mutations_and_subscriptions_run_over_a_socket() {
    let (_server, mut socket) = on_toy().await;
    socket
        .subscribe("q", "query($a: Int!) { add(a: $a, b: 2) }", json!({ "a": 1 }))
        .await;
    assert_eq!(socket.result("q").await, json!({ "data": { "add": 3 } }));
    assert_eq!(socket.receive().await, json!({ "id": "q", "type": "complete" }));
    socket.subscribe("m", "mutation { touch }", json!({})).await;
    assert_eq!(socket.result("m").await, json!({ "data": { "touch": 1 } }));
    assert_eq!(socket.receive().await, json!({ "id": "m", "type": "complete" }));
    // The id of an operation that has ended can be reused.
    socket.subscribe("q", "subscription { ticks }", json!({})).await;
    for tick in [1, 2] {
        assert_eq!(socket.result("q").await, json!({ "data": { "ticks": tick } }));
    }
    assert_eq!(socket.receive().await, json!({ "id": "q", "type": "complete" }));
}

#[tokio::test]
async fn an_operation_that_is_not_executed_gets_an_error_message() {
    let (_server, mut socket) = on_toy().await;
    let deep = format!("{{ add(a: {}1{}, b: 2) }}", "[".repeat(5_000), "]".repeat(5_000));
    for (query, code) in [
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { ticks nodes { id } }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription { a: ticks @skip(if: true) }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("subscription { __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ("{", "GRAPHQL_PARSE_FAILED"),
        (
            "query A { __typename } query B { __typename }",
            "OPERATION_RESOLUTION_FAILURE",
        ),
        (&deep, "QUERY_TOO_COSTLY"),
    ] {
        socket.subscribe("x", query, json!({})).await;
        let message = socket.receive().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("x")));
        assert_eq!(
            codes(&json!({ "errors": message["payload"] })),
            [code],
            "{message}"
        );
    }
    // A field error is part of the result. The message of a panic is only logged.
    socket.subscribe("x", "{ secret }", json!({})).await;
    assert_eq!(codes(&socket.result("x").await), ["INTERNAL_SERVER_ERROR"]);
    assert_eq!(socket.receive().await["type"], "complete");
    socket.subscribe("x", "{ panics }", json!({})).await;
    let message = socket.receive().await;
    assert_eq!(message["payload"][0]["message"], "internal error", "{message}");
}

#[tokio::test]
async fn a_pong_repeats_the_payload_of_its_ping() {
    let server = Server::of(&toy(|_| ())).await;
    let mut socket = Socket::new(server.address).await;
    // A ping is answered before `connection_init`, too.
    socket
        .send(json!({ "type": "ping", "payload": { "n": 1 } }))
        .await;
    assert_eq!(
        socket.receive().await,
        json!({ "type": "pong", "payload": { "n": 1 } })
    );
    socket.send(json!({ "type": "pong" })).await;
    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.receive().await, json!({ "type": "pong" }));
}

#[tokio::test]
async fn an_invalid_message_closes_with_4400() {
    let bad = [
        "",
        "{",
        "[]",
        "\"ping\"",
        "{}",
        r#"{"type":1}"#,
        r#"{"type":"start","id":"1","payload":{"query":"{__typename}"}}"#,
        r#"{"type":"stop","id":"1"}"#,
        r#"{"type":"connection_terminate"}"#,
        r#"{"type":"next","id":"1"}"#,
        r#"{"type":"ping","payload":1}"#,
        r#"{"type":"complete"}"#,
        r#"{"type":"subscribe","payload":{"query":"{__typename}"}}"#,
        r#"{"type":"subscribe","id":"","payload":{"query":"{__typename}"}}"#,
        r#"{"type":"subscribe","id":1,"payload":{"query":"{__typename}"}}"#,
        r#"{"type":"subscribe","id":"1"}"#,
        r#"{"type":"subscribe","id":"1","payload":[]}"#,
        r#"{"type":"subscribe","id":"1","payload":{}}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":"{__typename}","variables":[]}}"#,
    ];
    for text in bad {
        let (_server, mut socket) = on_toy().await;
        socket.write(Message::text(text)).await;
        assert_eq!(socket.wait_for_close().await.code, 4400, "{text}");
    }
    let (server, mut socket) = on_toy().await;
    socket.write(Message::binary(b"{}".to_vec())).await;
    assert_eq!(socket.wait_for_close().await.code, 4400);
    let mut socket = Socket::new(server.address).await;
    let long = "y".repeat(300);
    socket.init(json!(long)).await;
    assert_eq!(socket.wait_for_close().await.code, 4400);
}

#[tokio::test]
async fn a_close_reason_fits_into_its_frame() {
    let (_server, mut socket) = on_toy().await;
    let id = "ä".repeat(200);
    for _ in 0..2 {
        socket.subscribe(&id, "{ slow }", json!({})).await;
    }
    let close = socket.wait_for_close().await;
    assert_eq!(close.code, 4409);
    assert!((120..=123).contains(&close.reason.len()), "{close:?}");
}

#[tokio::test]
async fn connection_init_must_come_first_and_only_once() {
    let server = Server::of(&toy(|_| ())).await;
    let mut socket = Socket::new(server.address).await;
    socket.subscribe("1", "{ __typename }", json!({})).await;
    assert_eq!(socket.wait_for_close().await.code, 4401);
    let (_server, mut socket) = on_toy().await;
    socket.init(json!({})).await;
    assert_eq!(socket.wait_for_close().await.code, 4429);
}

#[tokio::test]
async fn a_client_without_connection_init_is_disconnected() {
    let router = toy(|sockets| sockets.init = Duration::from_millis(50));
    let server = Server::of(&router).await;
    let mut silent = Socket::new(server.address).await;
    assert_eq!(silent.wait_for_close().await.code, 4408);
}

#[tokio::test]
async fn two_operations_with_one_id_close_with_4409() {
    let (_server, mut socket) = on_toy().await;
    socket.subscribe("1", "{ slow }", json!({})).await;
    socket.subscribe("2", "{ add(a: 1, b: 1) }", json!({})).await;
    assert_eq!(socket.result("2").await, json!({ "data": { "add": 2 } }));
    socket.receive().await;
    socket.subscribe("1", "{ __typename }", json!({})).await;
    assert_eq!(socket.wait_for_close().await.code, 4409);
}

#[tokio::test]
async fn a_completed_operation_sends_no_more_messages() {
    let (_server, mut socket) = on_toy().await;
    socket.subscribe("1", "{ slow }", json!({})).await;
    socket.send(json!({ "type": "complete", "id": "1" })).await;
    socket.send(json!({ "type": "complete", "id": "unknown" })).await;
    socket.expect_silence().await;
    socket.subscribe("1", "{ add(a: 1, b: 1) }", json!({})).await;
    assert_eq!(socket.result("1").await, json!({ "data": { "add": 2 } }));
}

#[tokio::test]
async fn the_number_of_concurrent_operations_of_a_socket_is_limited() {
    let server = Server::of(&toy(|sockets| sockets.max_operations = 2)).await;
    let mut socket = Socket::new(server.address).await;
    socket.init(json!({})).await;
    socket.receive().await;
    for id in ["1", "2", "3"] {
        socket.subscribe(id, "{ slow }", json!({})).await;
    }
    let refused = socket.receive().await;
    assert_eq!((&refused["id"], &refused["type"]), (&json!("3"), &json!("error")));
    assert_eq!(refused["payload"][0]["extensions"]["code"], "RATE_LIMITED");
    socket.send(json!({ "type": "complete", "id": "1" })).await;
    socket.subscribe("3", "{ add(a: 1, b: 1) }", json!({})).await;
    assert_eq!(socket.result("3").await, json!({ "data": { "add": 2 } }));
}

#[tokio::test]
async fn an_operation_that_takes_too_long_is_cancelled() {
    let limits = RequestLimits {
        request_timeout: Duration::from_millis(50),
        ..RequestLimits::default()
    };
    let server = Server::of(&Toy::new(limits, true).router()).await;
    let mut socket = Socket::new(server.address).await;
    socket.init(json!({})).await;
    socket.receive().await;
    socket.subscribe("1", "{ slow }", json!({})).await;
    let message = socket.receive().await;
    assert_eq!(
        message["payload"][0]["extensions"]["code"], "REQUEST_TIMEOUT",
        "{message}"
    );
}

#[tokio::test]
async fn a_message_that_is_too_large_closes_with_1009() {
    let (_server, socket) = on_toy().await;
    let (mut write, mut read) = socket.0.split();
    // The client continues to send while it reads, as browsers do.
    let sending = tokio::spawn(async move {
        _ = write.send(Message::text(" ".repeat(8 * 1024 * 1024))).await;
        write
    });
    let code = loop {
        match read.next().await.unwrap().unwrap() {
            Message::Close(frame) => break u16::from(frame.unwrap().code),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, 1009);
    drop(read);
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn a_client_that_does_not_answer_pings_is_disconnected() {
    let router = toy(|sockets| {
        sockets.ping = Duration::from_millis(50);
        sockets.silence = Duration::from_secs(1);
    });
    let server = Server::of(&router).await;
    let mut dead = Socket::new(server.address).await;
    dead.init(json!({})).await;
    dead.receive().await;
    let mut alive = Socket::new(server.address).await;
    alive.init(json!({})).await;
    alive.receive().await;
    // A client answers pings only while it reads. `alive` reads, `dead` does not.
    let reading = tokio::time::timeout(Duration::from_secs(2), alive.receive()).await;
    assert!(reading.is_err(), "{reading:?}");
    alive.send(json!({ "type": "ping" })).await;
    assert_eq!(alive.receive().await["type"], "pong");
    let mut dead = dead.0;
    let end = loop {
        match dead.next().await {
            Some(Ok(Message::Ping(_))) => {}
            end => break end,
        }
    };
    assert!(matches!(end, None | Some(Err(_))), "{end:?}");
}

#[tokio::test]
async fn a_close_frame_is_answered() {
    let (_server, mut socket) = on_toy().await;
    socket.subscribe("1", "{ slow }", json!({})).await;
    let frame = CloseFrame {
        code: 1000.into(),
        reason: "done".into(),
    };
    socket.write(Message::Close(Some(frame))).await;
    assert_eq!(socket.wait_for_close().await.code, 1000);
}

#[tokio::test]
async fn another_subprotocol_is_refused() {
    let server = Server::of(&toy(|_| ())).await;
    let mut socket = Socket::open(server.address, &[]).await.unwrap();
    assert_eq!(socket.wait_for_close().await.code, 4406);
    let many = [("sec-websocket-protocol", "graphql-ws, graphql-transport-ws")];
    assert!(Socket::open(server.address, &many).await.is_ok());
}

#[tokio::test]
async fn a_page_of_another_origin_cannot_open_a_socket() {
    let router =
        toy(|sockets| sockets.allowed_origins = vec![Origin::parse("https://ops.example.com").unwrap()]);
    let server = Server::of(&router).await;
    let own = format!("http://{}", server.address);
    for (origin, wanted) in [
        (own.as_str(), Ok(())),
        ("https://ops.example.com", Ok(())),
        ("https://evil.example.com", Err(403)),
        ("null", Err(403)),
    ] {
        let opened = Socket::open(server.address, &[PROTOCOL, ("origin", origin)]).await;
        assert_eq!(opened.map(|_| ()), wanted, "{origin}");
    }
}

#[tokio::test]
async fn a_server_that_stops_closes_its_sockets_with_1001() {
    let (server, mut socket) = on_toy().await;
    server.stop();
    assert_eq!(socket.wait_for_close().await.code, 1001);
    server.stopped().await;
}

//! Connections of clients that send or read too slowly, or that occupy places.

use std::net::SocketAddr;
use std::time::Duration;

use graphql_server::limits::RequestLimits;
use graphql_server::transport::server::{ConnectionLimits, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::toy::Toy;

/// Maximum time to wait for an expected change.
const MAX_WAIT: Duration = Duration::from_secs(30);

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    expiry: CancellationToken,
    server: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        self.server.abort();
    }
}

async fn running(limits: ConnectionLimits) -> Running {
    let toy = Toy::new(RequestLimits::default(), true);
    let (stop, expiry) = (CancellationToken::new(), toy.expiry.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener, toy.router(), stop.clone(), limits));
    Running {
        address,
        stop,
        expiry,
        server,
    }
}

fn request(query: &str, headers: &str) -> String {
    let body = serde_json::json!({ "query": query }).to_string();
    format!(
        "POST /graphql HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }
}

/// Reads until `end` has arrived. Returns the last part of what was read.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        if text.len() > 20_000 {
            text.drain(..text.len() - end.len());
        }
        let mut part = [0; 10_000];
        let read = timeout(MAX_WAIT, stream.read(&mut part)).await.unwrap().unwrap();
        assert!(read > 0, "the connection was closed: {text}");
        text.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    text
}

/// Waits until the server has closed the connection, without reading what it has sent.
async fn closed_unread(stream: &TcpStream) {
    let closed = async {
        // Writing to a connection that was closed with unread data fails.
        while stream.try_write(b" ").is_ok_and(|written| written > 0) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(MAX_WAIT, closed)
        .await
        .expect("the connection stays open");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_disconnected() {
    let t = running(ConnectionLimits {
        write: Duration::from_millis(200),
        ..ConnectionLimits::default()
    })
    .await;
    let stream = t
        .send(&request(
            "subscription { flood }",
            "Accept: text/event-stream\r\n",
        ))
        .await;
    closed_unread(&stream).await;
}

#[tokio::test]
async fn a_stream_of_ended_credentials_is_closed_even_if_nobody_reads_it() {
    let t = running(ConnectionLimits::default()).await;
    let events = request("subscription { flood }", "Accept: text/event-stream\r\n");
    let mut reads = t.send(&events).await;
    read_until(&mut reads, "event: next").await;
    let ignores = t.send(&events).await;
    // Time to fill the buffers. The test holds without it too, but shows less.
    sleep(Duration::from_millis(200)).await;
    t.expiry.cancel();
    tokio::join!(closed_unread(&ignores), read_until(&mut reads, "event: complete"));
}

#[tokio::test]
async fn places_are_kept_for_users() {
    let t = running(ConnectionLimits {
        connections: 8,
        anonymous: 3,
        ..ConnectionLimits::default()
    })
    .await;
    let user = request("{ caller }", "Authorization: Bearer good\r\n");
    let mut known = t.send(&user).await;
    read_until(&mut known, r#""good""#).await;
    let mut idle = Vec::new();
    for _ in 0..12 {
        idle.push(t.send("POST /graphql HTTP/1.1\r\nHost: test\r\nX-Slow: ").await);
    }
    let mut newer = t.send(&user).await;
    read_until(&mut newer, r#""good""#).await;
    // The connection of a user is not closed for others.
    known.write_all(user.as_bytes()).await.unwrap();
    read_until(&mut known, r#""good""#).await;
    let mut ended = 0;
    for stream in &mut idle {
        let mut byte = [0];
        if let Ok(Ok(0) | Err(_)) = timeout(Duration::from_millis(100), stream.read(&mut byte)).await {
            ended += 1;
        }
    }
    assert_eq!(
        ended, 10,
        "all but two: the newer connection of the user was the third until it showed its token"
    );
}

#[tokio::test]
async fn sockets_without_credentials_are_few() {
    let t = running(ConnectionLimits {
        anonymous_sockets: 2,
        ..ConnectionLimits::default()
    })
    .await;
    let upgrade = "GET /graphql HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Protocol: graphql-transport-ws\r\n";
    let user = format!("{upgrade}Authorization: Bearer good\r\n\r\n");
    let mut known = t.send(&user).await;
    read_until(&mut known, "\r\n\r\n").await;
    let mut anonymous = Vec::new();
    for _ in 0..3 {
        let mut socket = t.send(&format!("{upgrade}\r\n")).await;
        read_until(&mut socket, "\r\n\r\n").await;
        anonymous.push(socket);
    }
    let end_of = async |socket: &mut TcpStream| {
        let mut rest = Vec::new();
        timeout(MAX_WAIT, socket.read_to_end(&mut rest))
            .await
            .unwrap()
            .unwrap();
        String::from_utf8_lossy(&rest).into_owned()
    };
    // The oldest is closed at once. The others, and that of the user, end with a message, because they say nothing.
    assert!(!end_of(&mut anonymous[0]).await.contains("connection_init"));
    assert!(end_of(&mut anonymous[2]).await.contains("connection_init"));
    assert!(end_of(&mut known).await.contains("connection_init"));
}

#[tokio::test]
async fn a_request_has_exactly_one_host() {
    let t = running(ConnectionLimits::default()).await;
    for (head, status) in [
        (
            "GET /graphql?query=%7B__typename%7D HTTP/1.1\r\nHost: test\r\n\r\n",
            "200",
        ),
        ("GET /graphql?query=%7B__typename%7D HTTP/1.1\r\n\r\n", "400"),
        (
            "GET /graphql?query=%7B__typename%7D HTTP/1.1\r\nHost: test\r\nHost: test\r\n\r\n",
            "400",
        ),
        ("GET /graphql?query=%7B__typename%7D HTTP/1.0\r\n\r\n", "200"),
    ] {
        let mut stream = t.send(head).await;
        let answer = read_until(&mut stream, "\r\n\r\n").await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{head}: {answer}");
    }
}

#[tokio::test]
async fn a_large_head_is_refused() {
    let t = running(ConnectionLimits::default()).await;
    let mut large = t.connect().await;
    let head = format!(
        "GET /graphql HTTP/1.1\r\nHost: test\r\nX-Large: {}",
        "x".repeat(100_000)
    );
    // The server may close the connection before it has read everything.
    let _ = large.write_all(head.as_bytes()).await;
    let answer = read_until(&mut large, "\r\n").await;
    assert!(answer.contains(" 431 "), "{answer}");
}

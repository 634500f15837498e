//! The memory of messages of sockets, and of the requests of streams: it is bounded, and it is given back.

use std::time::Duration;

use futures_util::StreamExt as _;
use graphql_server::bodies::{Bodies, BodyBudgets};
use graphql_server::limits::RequestLimits;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::socket_client::{Server, Socket};
use crate::toy::Toy;

const KIB: usize = 1024;
/// The memory of all users together in these tests. One user has half of it.
const BUDGET: usize = 512 * KIB;

struct Running {
    server: Server,
    bodies: Bodies,
}

async fn running(change: impl FnOnce(&mut RequestLimits)) -> Running {
    let mut limits = RequestLimits::default();
    change(&mut limits);
    let mut toy = Toy::new(limits, true);
    toy.bodies = Bodies::new(BodyBudgets {
        signed_in: BUDGET,
        anonymous: BUDGET,
        wait: Duration::from_millis(500),
    });
    let bodies = toy.bodies.clone();
    let server = Server::of(&toy.router()).await;
    Running { server, bodies }
}

impl Running {
    /// Opens a socket of a user.
    async fn socket(&self, token: &str) -> Socket {
        let mut socket = Socket::new(self.server.address).await;
        socket
            .init(json!({ "Authorization": format!("Bearer {token}") }))
            .await;
        assert_eq!(socket.receive().await["type"], "connection_ack");
        socket
    }

    /// Waits until the reserved memory is as expected.
    async fn uses(&self, is_expected: impl Fn(usize) -> bool) {
        for _ in 0..600 {
            if is_expected(self.bodies.used()) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("{} bytes are reserved", self.bodies.used());
    }
}

fn frame(text: &str, opcode: Data, is_final: bool) -> Message {
    Message::Frame(Frame::message(text.to_owned(), OpCode::Data(opcode), is_final))
}

/// Returns a message that starts an operation and has about this many bytes.
fn large(id: &str, query: &str, bytes: usize) -> String {
    let payload = json!({ "query": query, "extensions": { "unused": "x".repeat(bytes) } });
    json!({ "type": "subscribe", "id": id, "payload": payload }).to_string()
}

/// Sends the query of a user over HTTP and returns the status.
async fn query(t: &Running, token: &str, bytes: usize) -> String {
    let body =
        json!({ "query": "{ __typename }", "extensions": { "unused": "x".repeat(bytes) } }).to_string();
    let mut stream = TcpStream::connect(t.server.address).await.unwrap();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn unfinished_messages_hold_a_bounded_amount_and_others_work() {
    let t = running(|_| ()).await;
    let part = "x".repeat(100 * KIB);
    let mut sockets = Vec::new();
    for number in 0..12 {
        let mut socket = t.socket("good").await;
        // One frame of a message, and the beginning of a larger frame.
        if number % 2 == 0 {
            socket.write(frame(&part, Data::Text, false)).await;
        } else {
            let whole = "x".repeat(900 * KIB);
            _ = tokio::time::timeout(Duration::from_millis(20), socket.write(Message::text(whole))).await;
        }
        assert!(t.bodies.used() <= BUDGET / 2);
        sockets.push(socket);
    }
    t.uses(|used| used > BUDGET / 4).await;
    let mut other = t.socket("other").await;
    other.subscribe("1", "{ caller }", json!({})).await;
    assert_eq!(other.result("1").await["data"]["caller"], "other");
    assert_eq!(query(&t, "other", 200 * KIB).await, "200");
    let last = sockets.len() - 1;
    // The last one got no memory.
    let mut refused = sockets.remove(last);
    let close = refused.wait_for_close().await;
    assert_eq!(close.code, 1013, "{close:?}");
    assert!(t.bodies.used() <= BUDGET / 2);
    drop((sockets, refused, other));
    t.uses(|used| used == 0).await;
    assert_eq!(query(&t, "good", 200 * KIB).await, "200");
}

#[tokio::test]
async fn a_message_takes_its_memory_until_its_operation_has_ended() {
    let t = running(|_| ()).await;
    let mut socket = t.socket("good").await;
    for (id, query) in [("1", "{ slow }"), ("2", "subscription { silence }")] {
        socket.write(Message::text(large(id, query, 50 * KIB))).await;
        t.uses(|used| used >= 50 * KIB).await;
        // Small messages are received meanwhile, and take no memory after they are answered.
        for _ in 0..20 {
            socket.send(json!({ "type": "ping" })).await;
            assert_eq!(socket.receive().await["type"], "pong");
        }
        assert!((50 * KIB..60 * KIB).contains(&t.bodies.used()));
        socket.send(json!({ "type": "complete", "id": id })).await;
        t.uses(|used| used == 0).await;
    }
    socket
        .write(Message::text(large("3", "{ add(a: 1, b: 1) }", 50 * KIB)))
        .await;
    assert_eq!(socket.result("3").await["data"]["add"], 2);
    t.uses(|used| used == 0).await;
}

#[tokio::test]
async fn an_operation_without_memory_is_refused_and_its_socket_stays_open() {
    let t = running(|_| ()).await;
    let (mut greedy, mut socket) = (t.socket("good").await, t.socket("good").await);
    greedy
        .write(Message::text(large("1", "{ slow }", BUDGET / 2 - KIB)))
        .await;
    t.uses(|used| used == BUDGET / 2).await;
    socket.subscribe("1", "{ __typename }", json!({})).await;
    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.receive().await["type"], "pong", "it waits for memory");
    let refused = socket.receive().await;
    assert_eq!(refused["type"], "error", "{refused}");
    assert_eq!(refused["payload"][0]["extensions"]["code"], "RATE_LIMITED");
    drop(greedy);
    t.uses(|used| used == 0).await;
    socket.subscribe("1", "{ __typename }", json!({})).await;
    assert_eq!(socket.result("1").await["data"]["__typename"], "Query");
}

#[tokio::test]
async fn a_client_without_credentials_sends_small_messages_only() {
    let t = running(|_| ()).await;
    let sends = async |token: Option<&str>, bytes: usize| {
        let mut socket = Socket::new(t.server.address).await;
        let payload = token.map_or(
            Value::Null,
            |token| json!({ "Authorization": format!("Bearer {token}") }),
        );
        // As large as the largest token.
        let init = json!({ "type": "connection_init", "payload": payload, "unused": "x".repeat(17 * KIB) });
        socket.send(init).await;
        assert_eq!(socket.receive().await["type"], "connection_ack");
        socket
            .write(Message::text(large("1", "{ add(a: 1, b: 1) }", bytes)))
            .await;
        socket
    };
    let mut small = sends(None, 20 * KIB).await;
    assert_eq!(small.result("1").await["data"]["add"], 2);
    let mut known = sends(Some("good"), 200 * KIB).await;
    assert_eq!(known.result("1").await["data"]["add"], 2);
    let close = sends(None, 40 * KIB).await.wait_for_close().await;
    assert_eq!(
        (close.code, close.reason.contains("32768")),
        (1009, true),
        "{close:?}"
    );
    // A message in many frames is not larger than one in a single frame.
    let mut parts = Socket::new(t.server.address).await;
    let part = "x".repeat(KIB);
    parts.write(frame(&part, Data::Text, false)).await;
    for _ in 0..32 {
        parts.write(frame(&part, Data::Continue, false)).await;
    }
    assert_eq!(parts.wait_for_close().await.code, 1009);
    t.uses(|used| used == 0).await;
}

#[tokio::test]
async fn a_message_that_does_not_arrive_in_time_closes_with_4408() {
    let t = running(|limits| limits.request_timeout = Duration::from_millis(300)).await;
    let mut socket = t.socket("good").await;
    socket
        .write(frame(&"x".repeat(50 * KIB), Data::Text, false))
        .await;
    // Signs of life do not extend the time.
    socket.write(Message::Ping(Vec::new().into())).await;
    let frame = loop {
        match socket.0.next().await.unwrap().unwrap() {
            Message::Close(frame) => break frame.unwrap(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(u16::from(frame.code), 4408);
    t.uses(|used| used == 0).await;
}

#[tokio::test]
async fn the_request_of_an_event_stream_takes_memory_until_the_stream_ends() {
    let t = running(|_| ()).await;
    let unused = "x".repeat(50 * KIB);
    let body = json!({ "query": "subscription { silence }", "extensions": { "unused": unused } }).to_string();
    let mut stream = TcpStream::connect(t.server.address).await.unwrap();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n\
         Authorization: Bearer good\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut begun = [0; 15];
    stream.read_exact(&mut begun).await.unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200 OK");
    assert!((50 * KIB..60 * KIB).contains(&t.bodies.used()));
    drop(stream);
    t.uses(|used| used == 0).await;
}

#[tokio::test]
async fn messages_of_any_size_and_in_any_frames_are_read_and_written() {
    let t = running(|_| ()).await;
    let mut socket = t.socket("good").await;
    let query = "query($v: JSON) { echo(value: $v) }";
    for bytes in [0, 1, 125, 126, 4_000, 4_096, 5_000, 65_535, 65_536, 100_000] {
        let value = json!("é".repeat(bytes / 2));
        let payload = json!({ "query": query, "variables": { "v": value } });
        let text = json!({ "type": "subscribe", "id": "1", "payload": payload }).to_string();
        for cut in [text.len(), text.len() / 2, 1 + text.len() / 7] {
            let mut parts: Vec<_> = text.as_bytes().chunks(cut).collect();
            let last = parts.pop().unwrap();
            let mut opcode = Data::Text;
            for part in parts {
                let part = Frame::message(part.to_vec(), OpCode::Data(opcode), false);
                socket.write(Message::Frame(part)).await;
                // A ping may come between the frames of a message.
                socket.write(Message::Ping(vec![1; 125].into())).await;
                opcode = Data::Continue;
            }
            let last = Frame::message(last.to_vec(), OpCode::Data(opcode), true);
            socket.write(Message::Frame(last)).await;
            let answer = loop {
                match socket.0.next().await.unwrap().unwrap() {
                    Message::Text(text) => break serde_json::from_str::<Value>(&text).unwrap(),
                    Message::Pong(_) | Message::Ping(_) => {}
                    other => panic!("{other:?}"),
                }
            };
            assert!(
                answer["payload"]["data"]["echo"] == value,
                "{bytes}: {cut}: {answer:.300}"
            );
            assert_eq!(socket.receive().await["type"], "complete");
        }
    }
    t.uses(|used| used == 0).await;
}

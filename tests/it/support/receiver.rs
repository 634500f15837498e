//! A receiver of notifications: an HTTP server that records requests and answers as a test wants.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;
use tokio::sync::watch;

use super::process::MAX_WAIT;

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Checks the signature as a receiver does, with another implementation of HMAC than that of the program.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let content = format!(
            "{}.{}.{}",
            self.header("webhook-id"),
            self.header("webhook-timestamp"),
            self.body
        );
        self.header("webhook-signature").split(' ').any(|signature| {
            let bytes = STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
            let signature = URL_SAFE_NO_PAD.encode(bytes);
            let key = DecodingKey::from_secret(&key);
            jsonwebtoken::crypto::verify(&signature, content.as_bytes(), &key, Algorithm::HS256).unwrap()
        })
    }
}

/// How the receiver answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With this status and body.
    Status(u16, &'static str),
    /// With a redirect to this address.
    Redirect(String),
    /// Never.
    Hang,
    /// With 200, after this time.
    Late(Duration),
}

#[derive(Clone)]
struct Shared {
    received: Arc<watch::Sender<Vec<Received>>>,
    answer: Arc<Mutex<Answer>>,
}

/// The receiver. It stops when dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Shared,
    task: tokio::task::JoinHandle<()>,
}

impl Receiver {
    /// Starts a receiver that answers with 200.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared {
            received: Arc::new(watch::Sender::new(Vec::new())),
            answer: Arc::new(Mutex::new(Answer::Status(200, "ok"))),
        };
        let router = Router::new().fallback(receive).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            shared,
            task,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn answers(&self, answer: Answer) {
        *self.shared.answer.lock().unwrap() = answer;
    }

    /// Returns the requests that have arrived.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.borrow().clone()
    }

    /// Returns the requests that have arrived, and forgets them.
    pub(crate) fn take(&self) -> Vec<Received> {
        let mut taken = Vec::new();
        self.shared
            .received
            .send_modify(|all| taken = std::mem::take(all));
        taken
    }

    /// Waits until the requests meet a condition.
    pub(crate) async fn until(&self, mut condition: impl FnMut(&[Received]) -> bool) {
        let mut receiver = self.shared.received.subscribe();
        let wait = receiver.wait_for(|all| condition(all));
        let began = Instant::now();
        let waited = tokio::time::timeout(2 * MAX_WAIT, wait).await.map(|_| ());
        assert!(
            waited.is_ok(),
            "nothing after {:?}: {:#?}",
            began.elapsed(),
            self.received()
        );
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    let received = Received {
        method: method.to_string(),
        path: uri.to_string(),
        headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    shared.received.send_modify(|all| all.push(received));
    let answer = shared.answer.lock().unwrap().clone();
    match answer {
        Answer::Status(status, body) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
        Answer::Redirect(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Answer::Hang => std::future::pending().await,
        Answer::Late(delay) => {
            tokio::time::sleep(delay).await;
            "ok".into_response()
        }
    }
}

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use chrono::TimeDelta;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::clock::ManualClock;

/// The response to a request.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Now {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    Never,
}

/// Returns a response with status 200 and this body.
pub(super) fn json(value: Value) -> Answer {
    status(200, &value.to_string())
}

/// Returns a response with a complete list of one page.
pub(super) fn list(key: &str, items: Value) -> Answer {
    let total = items.as_array().map_or(0, Vec::len);
    json(json!({ key: items, "meta": { "total": total } }))
}

pub(super) fn status(status: u16, body: &str) -> Answer {
    Answer::Now {
        status,
        headers: Vec::new(),
        body: body.to_owned(),
    }
}

pub(super) fn with_header(code: u16, name: &'static str, value: impl ToString, body: &str) -> Answer {
    Answer::Now {
        status: code,
        headers: vec![(name, value.to_string())],
        body: body.to_owned(),
    }
}

/// Returns the time of the client's clock.
pub(super) fn time() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(365)
}

/// A server on loopback whose responses the test defines. It stops when it is dropped.
pub(super) struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Server {
    /// Starts a server. `answer` gets the path and query below `/v2/`, such as `volumes?page=1&per_page=200`.
    pub(super) async fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (answer, requests) = (Arc::new(answer), Arc::new(Mutex::new(Vec::new())));
        let kept = Arc::clone(&requests);
        let router = Router::new().fallback(move |request: Request| {
            let uri = request.uri().to_string();
            let request = uri.trim_start_matches("/v2/").to_owned();
            let answer = answer(&request);
            kept.lock().unwrap().push(request);
            respond(answer)
        });
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            requests,
            server,
        }
    }

    /// Starts a server that returns these responses in order, for any request. The last one is repeated.
    pub(super) async fn in_turn(answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers: Vec<Answer> = answers.into_iter().collect();
        answers.reverse();
        let answers = Mutex::new(answers);
        Self::start(move |_| {
            let mut answers = answers.lock().unwrap();
            let last = answers.len() == 1;
            if last {
                answers[0].clone()
            } else {
                answers.pop().unwrap()
            }
        })
        .await
    }

    /// Starts a server with responses by path and filters, without page parameters. Other requests get a 404.
    pub(super) async fn with<const N: usize>(answers: [(&'static str, Answer); N]) -> Self {
        let answers = BTreeMap::from(answers);
        Self::start(move |request| {
            let request = without_page(request);
            answers.get(request.as_str()).cloned().unwrap_or_else(not_found)
        })
        .await
    }

    pub(super) fn client(&self, limits: Limits) -> Client {
        client_of(&self.url, limits)
    }

    pub(super) fn account(&self, limits: Limits) -> DigitalOcean {
        let (api, token) = address(&self.url);
        DigitalOcean::new(api, &token, limits, clock()).unwrap()
    }

    /// Returns the requests so far, in order.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Returns how often a list or a single object was requested.
    pub(super) fn times(&self, path: &str) -> usize {
        let requests = self.requests();
        requests
            .iter()
            .filter(|request| without_page(request) == path)
            .count()
    }
}

pub(super) fn not_found() -> Answer {
    status(404, r#"{"id":"not_found"}"#)
}

pub(super) fn client_of(url: &str, limits: Limits) -> Client {
    let (api, token) = address(url);
    Client::new(api, &token, limits, clock()).unwrap()
}

fn address(url: &str) -> (ApiUrl, ApiToken) {
    let token = ApiToken::new(&"dop_v1_token-of-the-test".into());
    (ApiUrl::parse(url).unwrap(), token.unwrap())
}

fn clock() -> Clock {
    Clock::Manual(ManualClock::at(time()))
}

fn without_page(request: &str) -> String {
    let Some((path, query)) = request.split_once('?') else {
        return request.to_owned();
    };
    let filters = query
        .split('&')
        .filter(|pair| !pair.starts_with("page=") && !pair.starts_with("per_page="));
    match filters.collect::<Vec<_>>().join("&") {
        filters if filters.is_empty() => path.to_owned(),
        filters => format!("{path}?{filters}"),
    }
}

async fn respond(answer: Answer) -> Response {
    match answer {
        Answer::Now {
            status,
            headers,
            body,
        } => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Body::from(body)).unwrap()
        }
        Answer::Never => std::future::pending().await,
    }
}

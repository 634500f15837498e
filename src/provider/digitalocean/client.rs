//! Sends GET requests to the API, with retries, timeouts and rate limits.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url, redirect};
use serde_json::Value;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::address::{ApiToken, ApiUrl};
use super::request_limits::{Limits, NO_ANSWER, Pace, RetryBudget};
use crate::clock::Clock;
use crate::traces;

/// Maximum size of an error body, in bytes. A larger body is ignored.
const ERROR_BODY_BYTES: usize = 64 * 1024;
/// Maximum length of external text in an error message, in characters.
const MAX_EXTERNAL_TEXT: usize = 60;

/// Why a request failed. The text contains neither the token nor any part of the body except the error id of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RequestError {
    /// 401: the token is bad or was revoked.
    Unauthorized,
    /// 403: the token lacks a scope.
    Forbidden,
    /// 404: the object or list does not exist.
    NotFound,
    /// Any other failure.
    Failed(String),
}

/// Why one attempt failed.
#[derive(Debug)]
enum AttemptError {
    /// A retry would fail too.
    Final(RequestError),
    /// A retry may succeed soon.
    Transient(String),
    /// A gateway cannot reach the API (502, 503, 504). It may take longer until a retry succeeds.
    Gateway(String),
    /// 429: the next attempt must wait this long.
    Limited(Duration),
}

/// A client for one host and one token.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    api: ApiUrl,
    pub(super) limits: Limits,
    pace: Pace,
    clock: Clock,
}

impl Client {
    pub(super) fn new(api: ApiUrl, token: &ApiToken, limits: Limits, clock: Clock) -> reqwest::Result<Self> {
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, token.header()),
            (ACCEPT, HeaderValue::from_static("application/json")),
        ]);
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .user_agent(concat!("drift-inbox/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .timeout(limits.request_timeout)
            .build()?;
        let pace = Pace::new(&limits);
        Ok(Self {
            http,
            api,
            limits,
            pace,
            clock,
        })
    }

    /// Requests a path below `/v2`, with retries until the limits or the time `until` are reached.
    pub(super) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        until: Instant,
    ) -> Result<Value, RequestError> {
        self.get_with(path, query, until, RetryBudget::new(&self.limits))
            .await
    }

    /// Sends the first request of a run, which is retried for longer while a gateway cannot reach the API.
    pub(super) async fn get_first(&self, path: &[&str], until: Instant) -> Result<Value, RequestError> {
        self.get_with(path, &[], until, RetryBudget::of_first_request(&self.limits))
            .await
    }

    async fn get_with(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        until: Instant,
        budget: RetryBudget,
    ) -> Result<Value, RequestError> {
        let url = self.api.join(path.iter().copied(), query);
        let answer = tokio::time::timeout_at(until, self.send(&url, &budget));
        answer.await.unwrap_or_else(|_| {
            let why = "the time limit of all requests together was reached before a response arrived";
            Err(RequestError::Failed(why.to_owned()))
        })
    }

    /// Sends a request with retries. Waiting because of a 429 is limited by `max_rate_limit_wait`, not by the retry
    /// budget.
    async fn send(&self, url: &Url, budget: &RetryBudget) -> Result<Value, RequestError> {
        let mut waited = Duration::ZERO;
        loop {
            let wait = match self.with_retries(url, budget).await {
                Ok(answer) => return Ok(answer),
                Err(AttemptError::Final(error)) => return Err(error),
                Err(AttemptError::Transient(why) | AttemptError::Gateway(why)) => {
                    return Err(RequestError::Failed(why));
                }
                Err(AttemptError::Limited(wait)) => wait.max(self.limits.first_pause),
            };
            waited += wait;
            if waited > self.limits.max_rate_limit_wait {
                let seconds = wait.as_secs();
                return Err(RequestError::Failed(format!(
                    "the rate limit is exhausted (429) for at least another {seconds} s"
                )));
            }
            tracing::info!(path = url.path(), ?wait, "waiting for DigitalOcean's rate limit");
            tokio::time::sleep(wait).await;
        }
    }

    async fn with_retries(&self, url: &Url, budget: &RetryBudget) -> Result<Value, AttemptError> {
        let policy = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(self.limits.first_pause)
            .with_max_delay(self.limits.longest_pause)
            .without_max_times();
        (|| self.attempt(url, budget))
            .retry(policy)
            .when(|failure| matches!(failure, AttemptError::Transient(_) | AttemptError::Gateway(_)))
            .adjust(|_, pause| budget.pause(pause?))
            .notify(|failure, pause| {
                tracing::info!(
                    path = url.path(),
                    ?failure,
                    ?pause,
                    "retrying a request to DigitalOcean"
                );
            })
            .await
    }

    async fn attempt(&self, url: &Url, budget: &RetryBudget) -> Result<Value, AttemptError> {
        let stopping = || AttemptError::Final(RequestError::Failed("the server is stopping".to_owned()));
        let _turn = self.pace.turn().await.ok_or_else(stopping)?;
        // Another request may have received a 429 while this one waited for its turn.
        if let Some(wait) = self.pace.held() {
            return Err(AttemptError::Limited(wait));
        }
        let (started, limit) = (Instant::now(), budget.attempt_timeout());
        let result = tokio::time::timeout(limit, self.send_get(url)).await;
        let result = result.unwrap_or_else(|_| Err(AttemptError::Transient(budget.timeout_reason(limit))));
        match &result {
            Err(AttemptError::Transient(why)) => budget.note_failure(why),
            Err(AttemptError::Gateway(why)) => {
                budget.note_failure(why);
                budget.note_gateway_error();
            }
            _ => {}
        }
        // A 429 does not count as an attempt.
        if !matches!(result, Err(AttemptError::Limited(_))) {
            budget.spend(started.elapsed());
        }
        result
    }

    async fn send_get(&self, url: &Url) -> Result<Value, AttemptError> {
        let span = traces::of_sent(&Method::GET, url.host_str().unwrap_or_default(), Some(url.path()));
        self.answer_of_get(url).instrument(span).await
    }

    async fn answer_of_get(&self, url: &Url) -> Result<Value, AttemptError> {
        let response = self
            .http
            .get(url.clone())
            .send()
            .await
            .map_err(connection_error)?;
        let status = response.status();
        traces::received(status.as_u16());
        tracing::debug!(
            path = url.path(),
            status = status.as_u16(),
            "response from DigitalOcean"
        );
        if status == StatusCode::OK {
            let body = read_body(response, self.limits.body_bytes).await?;
            return serde_json::from_slice(&body).map_err(|_| {
                AttemptError::Transient("the response is not JSON, or is incomplete".to_owned())
            });
        }
        Err(self.error_of(response).await)
    }

    async fn error_of(&self, response: Response) -> AttemptError {
        let status = response.status();
        match status {
            StatusCode::UNAUTHORIZED => return AttemptError::Final(RequestError::Unauthorized),
            StatusCode::FORBIDDEN => return AttemptError::Final(RequestError::Forbidden),
            StatusCode::NOT_FOUND => return AttemptError::Final(RequestError::NotFound),
            StatusCode::TOO_MANY_REQUESTS => {
                let wait = self.wait_of(response.headers());
                self.pace.hold(wait);
                return AttemptError::Limited(wait);
            }
            _ => {}
        }
        let why = if status.is_redirection() {
            format!(
                "the response is a redirect ({}), which is not followed",
                status.as_u16()
            )
        } else {
            format!(
                "the response status is {}{}",
                status.as_u16(),
                api_error_id(response).await
            )
        };
        let gateway = [
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ];
        if gateway.contains(&status) {
            AttemptError::Gateway(why)
        } else if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
            AttemptError::Transient(why)
        } else {
            AttemptError::Final(RequestError::Failed(why))
        }
    }

    /// Returns how long to wait after a 429. DigitalOcean's API reference, "Rate Limit": the burst limit sets
    /// `retry-after`. The hourly limit only sets `ratelimit-reset`, its end in seconds since 1970.
    fn wait_of(&self, headers: &HeaderMap) -> Duration {
        let number =
            |name: HeaderName| -> Option<i64> { headers.get(name)?.to_str().ok()?.trim().parse().ok() };
        let seconds = number(HeaderName::from_static("retry-after")).or_else(|| {
            number(HeaderName::from_static("ratelimit-reset"))
                .map(|reset| reset.saturating_sub(self.clock.now().timestamp()))
        });
        seconds.map_or(self.limits.default_rate_limit_wait, |seconds| {
            Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
        })
    }
}

fn connection_error(error: reqwest::Error) -> AttemptError {
    let why = if error.is_timeout() {
        NO_ANSWER
    } else if error.is_connect() {
        "connecting failed"
    } else {
        "the connection was lost"
    };
    AttemptError::Transient(match io_cause(&error) {
        Some(root) => format!("{why}: {root}"),
        None => why.to_owned(),
    })
}

/// Returns the I/O error among the causes. Its text, unlike that of other causes, contains no headers or body.
fn io_cause(error: &reqwest::Error) -> Option<String> {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return Some(shorten(&io.to_string()));
        }
        next = cause.source();
    }
    None
}

async fn read_body(mut response: Response, max_bytes: usize) -> Result<Vec<u8>, AttemptError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(connection_error)? {
        if body.len() + chunk.len() > max_bytes {
            let why = format!("the response is larger than {max_bytes} bytes");
            return Err(AttemptError::Final(RequestError::Failed(why)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Returns the error id of the API, such as ` (unprocessable_entity)`, and nothing else of the body.
async fn api_error_id(response: Response) -> String {
    let Ok(body) = read_body(response, ERROR_BODY_BYTES).await else {
        return String::new();
    };
    let error: Value = serde_json::from_slice(&body).unwrap_or_default();
    let word = error.get("id").and_then(Value::as_str).unwrap_or_default();
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    if !word.is_empty() && word.len() <= MAX_EXTERNAL_TEXT && word.bytes().all(is_word) {
        format!(" ({word})")
    } else {
        String::new()
    }
}

fn shorten(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_EXTERNAL_TEXT)
        .collect()
}

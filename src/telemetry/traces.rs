//! Sends traces to an OpenTelemetry collector.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tokio::runtime::Handle;

use crate::config::{BadSetting, TraceSettings};

/// Maximum time of a request to the collector.
const REQUEST: Duration = Duration::from_secs(10);
/// Maximum time to send the last spans when the process ends.
const LAST_SPANS: Duration = Duration::from_secs(1);
/// Longest answer of a collector that is read, in bytes.
const MAX_ANSWER: usize = 64 << 10;

/// The sender of traces. Its queue is bounded: when the collector does not take them, spans are dropped.
#[derive(Debug)]
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts the sender. Must be called within the runtime.
    ///
    /// # Errors
    /// The settings are not valid.
    pub(super) fn start(settings: &TraceSettings) -> Result<Self, BadSetting> {
        let invalid = |why: &dyn StdError| BadSetting::new("DRIFT_OTLP_ENDPOINT", why);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new().map_err(|why| invalid(&why))?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&settings.address)
            .with_timeout(REQUEST)
            .with_headers(settings.headers.0.clone())
            .build()
            .map_err(|why| invalid(&why))?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            // The decision of the caller is ignored, so that callers cannot have everything sent.
            .with_sampler(Sampler::TraceIdRatioBased(settings.share))
            .with_resource(
                Resource::builder()
                    .with_service_name("drift-inbox")
                    .with_attribute(opentelemetry::KeyValue::new(
                        "service.version",
                        env!("CARGO_PKG_VERSION"),
                    ))
                    .build(),
            )
            .build();
        opentelemetry::global::set_tracer_provider(provider.clone());
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        Ok(Self(provider))
    }

    pub(super) fn provider(&self) -> &SdkTracerProvider {
        &self.0
    }

    /// Sends the last spans, for one second at most.
    pub(crate) async fn finish(self) {
        let ended = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(LAST_SPANS));
        match ended.await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => tracing::warn!(%why, "the last spans were not sent"),
            Err(why) => tracing::warn!(%why, "the last spans were not sent"),
        }
    }
}

/// Sends an empty list of spans to the collector.
///
/// # Errors
/// The collector does not take it.
pub(crate) async fn check(settings: &TraceSettings) -> Result<(), String> {
    let client = Client::new().map_err(|why| why.to_string())?;
    let mut request = client
        .http
        .post(&settings.address)
        .header("content-type", "application/x-protobuf");
    for (name, value) in &settings.headers.0 {
        request = request.header(name, value);
    }
    match request.send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("the answer is {}", answer.status())),
        Err(why) => Err(cause(&why)),
    }
}

fn cause(error: &dyn StdError) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Sends requests in the runtime of the program, because the sender of spans runs in a thread of its own.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: Handle,
}

impl Client {
    fn new() -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(REQUEST)
            .build()?;
        Ok(Self {
            http,
            runtime: Handle::current(),
        })
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let http = self.http.clone();
        self.runtime
            .spawn(async move { answer(http, request).await })
            .await?
    }
}

async fn answer(http: reqwest::Client, request: reqwest::Request) -> Result<Response<Bytes>, HttpError> {
    let mut answer = http.execute(request).await?;
    let mut response = Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        *headers = std::mem::take(answer.headers_mut());
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(io::Error::other("the answer of the collector is too long").into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(response.body(body.into())?)
}

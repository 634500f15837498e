//! The spans that are sent as OpenTelemetry traces.
//!
//! They have a target of their own, so that the log does not print them. Without a collector, they are not recorded and
//! cost nothing. Names and attributes follow OpenTelemetry's semantic conventions.

use std::time::Duration;

use axum::http::{HeaderMap, Method, Response};
use opentelemetry::trace::{Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{KeyValue, global};
use opentelemetry_http::HeaderExtractor;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::clock::Clock;

/// The target of the spans.
pub(crate) const TARGET: &str = "drift_inbox::traces";

/// Longest name of an operation, in bytes. Clients choose the names.
const MAX_NAME: usize = 100;

/// Returns the span of a request to this server. Its parent is the span that the header traceparent names.
pub(crate) fn of_request(method: &Method, route: &str, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = %method,
        http.route = route,
        http.response.status_code = Empty,
    );
    if !span.is_disabled() {
        let caller =
            global::get_text_map_propagator(|propagator| propagator.extract(&HeaderExtractor(headers)));
        if let Err(why) = span.set_parent(caller) {
            tracing::debug!(%why, "a trace does not continue that of its caller");
        }
    }
    span
}

/// Notes the status of an answer in the span of its request.
pub(crate) fn answered<B>(span: &Span, response: &Response<B>) {
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// Returns the span of a GraphQL operation.
pub(crate) fn of_operation(name: &str) -> Span {
    let is_name = name.len() <= MAX_NAME
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let name = if is_name { name } else { "invalid" };
    tracing::info_span!(
        target: TARGET,
        "operation",
        otel.name = format!("graphql {name}"),
        otel.status_code = Empty,
        graphql.operation.name = name,
        graphql.error.code = Empty,
    )
}

/// Notes the code of the first error in the span of an operation.
pub(crate) fn refused(span: &Span, code: &str) {
    span.record("graphql.error.code", code);
    span.record("otel.status_code", "ERROR");
}

/// Returns the span of a run of a job.
pub(crate) fn of_run(job: &str, run: uuid::Uuid) -> Span {
    tracing::info_span!(
        target: TARGET,
        parent: None,
        "run",
        otel.name = format!("job {job}"),
        otel.status_code = Empty,
        job.name = job,
        job.run.id = %run,
        job.outcome = Empty,
    )
}

/// Notes the outcome of a run in its span.
pub(crate) fn ended(span: &Span, outcome: &str, is_failure: bool) {
    span.record("job.outcome", outcome);
    if is_failure {
        span.record("otel.status_code", "ERROR");
    }
}

/// Returns the span of a request that this server sends. `path` must contain no secret; that of a webhook does.
pub(crate) fn of_sent(method: &Method, host: &str, path: Option<&str>) -> Span {
    tracing::info_span!(
        target: TARGET,
        "sent",
        otel.name = %method,
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = %method,
        server.address = host,
        url.path = path,
        http.response.status_code = Empty,
    )
}

/// Notes in the current span the status of the answer to a request that this server sent.
pub(crate) fn received(status: u16) {
    let span = Span::current();
    span.record("http.response.status_code", status);
    if status >= 400 {
        span.record("otel.status_code", "ERROR");
    }
}

/// Adds a statement that has just ended to the trace of the current span. `text` has no values: they are parameters.
pub(crate) fn add_statement(system: &'static str, text: &str, elapsed: Duration, has_failed: bool) {
    let within = Span::current().context();
    if !within.span().span_context().is_sampled() {
        return;
    }
    let name = text.split_whitespace().next().unwrap_or("statement").to_owned();
    let mut span = global::tracer("drift-inbox")
        .span_builder(name)
        .with_kind(SpanKind::Client)
        .with_start_time(Clock::System.now() - elapsed)
        .with_attributes([
            KeyValue::new("db.system.name", system),
            KeyValue::new("db.query.text", text.to_owned()),
        ])
        .start_with_context(&global::tracer("drift-inbox"), &within);
    if has_failed {
        span.set_status(Status::error(""));
    }
    span.end();
}

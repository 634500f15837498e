//! The traces that the server sends to an OpenTelemetry collector.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use serde_json::{Value, json};

use crate::support::process::Program;
use crate::support::stub_do::StubDo;

const SECRET: &str = "planted-0123456789-0123456789-0123456789";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// A collector that keeps what it gets.
#[derive(Clone)]
struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<Span>>>,
    service: Arc<Mutex<String>>,
    tokens: Arc<Mutex<Vec<String>>>,
    /// Everything that was received, to look for secrets.
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            spans: Arc::default(),
            service: Arc::default(),
            tokens: Arc::default(),
            bytes: Arc::default(),
        };
        let received = collector.clone();
        let routes = Router::new().route(
            "/v1/traces",
            post(async move |headers: HeaderMap, body: Bytes| received.receive(&headers, &body)),
        );
        tokio::spawn(async move { axum::serve(listener, routes).await });
        collector
    }

    fn receive(&self, headers: &HeaderMap, body: &[u8]) {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        let token = headers
            .get("authorization")
            .map(|value| value.to_str().unwrap().to_owned());
        self.tokens.lock().unwrap().extend(token);
        self.bytes.lock().unwrap().extend_from_slice(body);
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        for resource in request.resource_spans {
            *self.service.lock().unwrap() = format!("{:?}", resource.resource.unwrap_or_default());
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.spans.lock().unwrap().extend(spans);
        }
    }

    /// Returns the spans with this name.
    fn named(&self, name: &str) -> Vec<Span> {
        let spans = self.spans.lock().unwrap();
        spans.iter().filter(|span| span.name == name).cloned().collect()
    }

    /// Returns the only span with this name.
    fn one(&self, name: &str) -> Span {
        let mut found = self.named(name);
        assert_eq!(found.len(), 1, "{name}: {:?}", self.names());
        found.remove(0)
    }

    fn names(&self) -> Vec<String> {
        self.spans
            .lock()
            .unwrap()
            .iter()
            .map(|span| span.name.clone())
            .collect()
    }
}

fn attribute(span: &Span, name: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == name);
    let value = found.and_then(|attribute| attribute.value.clone()?.value);
    format!("{value:?}")
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn traced(collector: &Collector) -> Program {
    Program::new()
        .with("DRIFT_JWT_SECRET", SECRET)
        .with("DRIFT_LISTEN", "127.0.0.1:0")
        .with("DRIFT_SYNC_CRON", "off")
        .with("DRIFT_DETECT_CRON", "off")
        .with("DRIFT_OTLP_ENDPOINT", &collector.url)
}

async fn ask(address: &str, token: &str, query: &str) -> Value {
    let mut asked = reqwest::Client::new()
        .post(format!("http://{address}/graphql"))
        .header("traceparent", format!("00-{TRACE}-{CALLER}-00"))
        .json(&json!({ "query": query }));
    if !token.is_empty() {
        asked = asked.bearer_auth(token);
    }
    let text = asked.send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_operations_runs_and_statements_are_sent_as_traces() {
    let (collector, stub) = (Collector::start().await, StubDo::start().await);
    let program = traced(&collector)
        .with(
            "DRIFT_OTLP_HEADERS",
            "Authorization=Bearer%20planted-header,x-scope=ops",
        )
        .with("DIGITALOCEAN_TOKEN", "planted-token")
        .with("DIGITALOCEAN_API_URL", &stub.url);
    let token = program.run(&["token", "--role", "platform_admin"]).out;
    let mut running = program.start(&["serve"]);
    let address = running.address();
    let token = token.trim().to_owned();
    let answer = ask(
        &address,
        &token,
        "query Inbox { drifts(first: 1) { totalCount } }",
    )
    .await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    ask(&address, &token, "mutation Sync { syncInventory { __typename } }").await;
    let refused = ask(
        &address,
        &token,
        "query Absent { drift(id: \"planted-id\") { id } }",
    )
    .await;
    assert_ne!(refused["errors"], Value::Null, "{refused}");
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));

    let request = &collector.named("POST /graphql")[0];
    assert_eq!(request.kind(), SpanKind::Server);
    assert_eq!(
        (hex(&request.trace_id), hex(&request.parent_span_id)),
        (TRACE.to_owned(), CALLER.to_owned())
    );
    assert!(attribute(request, "http.response.status_code").contains("200"));
    let operation = collector.one("graphql Inbox");
    assert_eq!(operation.parent_span_id, request.span_id);
    let statements: Vec<Span> = collector
        .named("SELECT")
        .into_iter()
        .filter(|span| span.trace_id == request.trace_id)
        .collect();
    assert!(!statements.is_empty(), "{:?}", collector.names());
    assert!(attribute(&statements[0], "db.query.text").contains("SELECT"));
    let absent = collector.one("graphql Absent");
    assert_eq!(
        absent.status.clone().unwrap_or_default().code(),
        StatusCode::Error
    );
    assert_ne!(attribute(&absent, "graphql.error.code"), "None");
    let run = collector.one("job sync_inventory");
    assert!(run.parent_span_id.is_empty(), "a run has a trace of its own");
    let sent = collector.named("GET");
    assert!(
        sent.iter()
            .any(|span| span.trace_id == run.trace_id && span.kind() == SpanKind::Client)
    );
    let service = collector.service.lock().unwrap().clone();
    assert!(
        service.contains("drift-inbox") && service.contains(env!("CARGO_PKG_VERSION")),
        "{service}"
    );
    assert!(
        collector
            .tokens
            .lock()
            .unwrap()
            .iter()
            .all(|sent| sent == "Bearer planted-header")
    );
    let received = String::from_utf8_lossy(&collector.bytes.lock().unwrap()).into_owned();
    for secret in [SECRET, "planted", &token] {
        assert!(!received.contains(secret), "{secret} is in a trace");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_the_traces_is_sent_whatever_the_caller_decided() {
    let collector = Collector::start().await;
    let program = traced(&collector).with("DRIFT_OTLP_SHARE", "0");
    let mut running = program.start(&["serve"]);
    let address = running.address();
    ask(&address, "", "{ __typename }").await;
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
    assert_eq!(collector.names(), Vec::<String>::new());
}

/// Returns the state of the doctor's check of the collector.
fn state_of_traces(report: &str) -> String {
    let report: Value = serde_json::from_str(report).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let traces = checks.iter().find(|check| check["name"] == "traces");
    traces.unwrap()["state"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_collector_the_server_works_and_the_doctor_says_so() {
    // Nothing listens on port 1.
    let program = Program::new()
        .with("DRIFT_JWT_SECRET", SECRET)
        .with("DRIFT_LISTEN", "127.0.0.1:0")
        .with("DRIFT_OTLP_ENDPOINT", "http://127.0.0.1:1");
    let mut running = program.start(&["serve"]);
    let address = running.address();
    let answer = ask(&address, "", "{ __typename }").await;
    assert_eq!(answer["data"]["__typename"], "Query", "{answer}");
    let doctor = program.run(&["doctor", "--json"]);
    assert_eq!(state_of_traces(&doctor.out), "failed", "{}", doctor.out);
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
    let collector = Collector::start().await;
    let doctor = traced(&collector).run(&["doctor", "--json"]);
    assert_eq!(state_of_traces(&doctor.out), "ok", "{}", doctor.out);
}

#[test]
fn headers_that_others_could_read_are_refused() {
    let refusal = |settings: &[(&str, &str)]| {
        let program = settings.iter().fold(Program::new(), |program, (name, value)| {
            program.with(name, *value)
        });
        let ended = program.run(&["serve"]);
        assert_eq!(ended.code, Some(2), "{}", ended.output());
        assert!(!ended.output().contains("planted"), "{}", ended.output());
        ended.err
    };
    let headers = ("DRIFT_OTLP_HEADERS", "a=planted");
    assert!(refusal(&[headers]).contains("needs DRIFT_OTLP_ENDPOINT"));
    let plain = refusal(&[
        headers,
        ("DRIFT_OTLP_ENDPOINT", "http://collector.example.com:4318"),
    ]);
    assert!(
        plain.contains("DRIFT_OTLP_HEADERS") && plain.contains("https"),
        "{plain}"
    );
    let form = refusal(&[
        ("DRIFT_OTLP_HEADERS", "planted"),
        ("DRIFT_OTLP_ENDPOINT", "https://collector.example.com"),
    ]);
    assert!(form.contains("DRIFT_OTLP_HEADERS"), "{form}");
}

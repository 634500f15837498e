//! The metrics for Prometheus.

use std::collections::BTreeSet;
use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use drift_inbox::graphql::api_limits::ApiLimits;
use drift_inbox::http::{HttpState, metrics_router, router};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::cloud::droplet;
use crate::support::process::Program;
use crate::support::{TestApp, verifier};

/// Returns an app whose routes are counted, and the route of its metrics.
async fn counted() -> (TestApp, Router) {
    let mut t = TestApp::new().await;
    let state = HttpState::new(t.app.clone(), verifier(), ApiLimits::default(), true);
    t.router = router(state.clone());
    (t, metrics_router(state))
}

async fn read(metrics: &Router) -> String {
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let response = metrics.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let kind = response.headers()["content-type"].to_str().unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

/// Returns the value of the only line that starts with `name` and has all `labels`.
fn value(text: &str, name: &str, labels: &[&str]) -> f64 {
    let is = |line: &&str| {
        let rest = line.strip_prefix(name).unwrap_or_default();
        rest.starts_with(['{', ' ']) && labels.iter().all(|label| line.contains(label))
    };
    let found: Vec<&str> = text.lines().filter(is).collect();
    let [line] = found[..] else {
        panic!("{name} {labels:?}: {found:?} in\n{text}");
    };
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn requests_jobs_and_the_inbox_are_counted() {
    let (t, metrics) = counted().await;
    t.cloud_has([droplet("web").size("s-1vcpu-1gb")]).await;
    t.record_spec("web", json!({ "size_slug": "s-2vcpu-2gb" })).await;
    t.sweep().await;
    t.ask("query Named { viewer { email } }", json!({})).await;
    t.ask("query Named { drift(id: \"x\") { id } }", json!({})).await;
    t.ask_as(None, "query MadeUp { viewer { email } }", json!({}))
        .await;
    t.call_as_admin("GET", "/api/v1/drift").await;
    t.call("GET", "/nowhere/at/all", None).await;
    let text = read(&metrics).await;
    assert!(text.ends_with("# EOF\n"), "{text}");
    let named = |code: &str| {
        let labels = [r#"operation="Named""#, &format!("code=\"{code}\"")];
        value(&text, "drift_inbox_graphql_operations_total", &labels)
    };
    assert_eq!(named("OK"), 1.0);
    assert_eq!(named("BAD_USER_INPUT"), 1.0);
    assert!(
        !text.contains("MadeUp"),
        "names of clients without a token are not kept"
    );
    let requests = |route: &str, status: &str| {
        let labels = [&format!("route=\"{route}\""), &format!("status=\"{status}\"")];
        value(
            &text,
            "drift_inbox_http_requests_total",
            &labels.map(String::as_str),
        )
    };
    assert_eq!(requests("/graphql", "200"), 3.0);
    assert_eq!(requests("/api/v1/drift", "200"), 1.0);
    assert_eq!(requests("none", "404"), 1.0);
    for job in ["sync_inventory", "detect_drift"] {
        let labels = [&*format!("job=\"{job}\""), r#"outcome="succeeded""#];
        assert!(value(&text, "drift_inbox_job_runs_total", &labels) >= 1.0);
    }
    assert_eq!(
        value(&text, "drift_inbox_open_drifts", &[r#"kind="droplet""#]),
        1.0
    );
    assert_eq!(value(&text, "drift_inbox_database_up", &[]), 1.0);
    t.later(chrono::TimeDelta::seconds(90));
    let text = read(&metrics).await;
    if !t.database.is_postgres() {
        // PostgreSQL has a clock of its own.
        assert_eq!(value(&text, "drift_inbox_last_good_sweep_age_seconds", &[]), 90.0);
        assert_eq!(value(&text, "drift_inbox_last_good_sync_age_seconds", &[]), 90.0);
    }
}

#[tokio::test]
async fn names_of_operations_are_bounded() {
    let (t, metrics) = counted().await;
    for number in 0..210 {
        t.ask(&format!("query Name{number} {{ __typename }}"), json!({}))
            .await;
    }
    let text = read(&metrics).await;
    let names: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.split("operation=\"").nth(1)?.split('"').next())
        .collect();
    assert_eq!(names.len(), 201, "200 names and \"other\"");
    assert_eq!(
        value(
            &text,
            "drift_inbox_graphql_operations_total",
            &[r#"operation="other""#]
        ),
        10.0
    );
}

#[tokio::test]
async fn metrics_say_that_the_database_is_away() {
    let (t, metrics) = counted().await;
    t.database
        .execute("DROP TABLE notification_outbox")
        .await
        .unwrap();
    let text = read(&metrics).await;
    assert_eq!(value(&text, "drift_inbox_database_up", &[]), 0.0);
    assert!(text.contains("drift_inbox_database_connections{"), "{text}");
}

#[tokio::test]
async fn alerts_and_the_dashboard_use_metrics_that_exist() {
    let (t, metrics) = counted().await;
    t.cloud_has([droplet("web").size("s-1vcpu-1gb")]).await;
    t.record_spec("web", json!({ "size_slug": "s-2vcpu-2gb" })).await;
    t.sweep().await;
    t.ask("{ __typename }", json!({})).await;
    let text = read(&metrics).await;
    let known: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    let file = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let dashboard = file("grafana/dashboard.json");
    let parsed: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = parsed["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    for source in [file("prometheus/alerts.yaml"), dashboard] {
        let mut used = 0;
        for name in source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if !name.starts_with("drift_inbox_") {
                continue;
            }
            used += 1;
            let family = ["_total", "_bucket"]
                .iter()
                .find_map(|end| name.strip_suffix(end));
            assert!(
                known.contains(family.unwrap_or(name)),
                "{name} is not in {known:?}"
            );
        }
        assert!(used > 5, "{used}");
    }
}

#[test]
fn metrics_have_a_listener_of_their_own() {
    let program = Program::new()
        .with("DATABASE_URL", "sqlite://test.db?mode=rwc")
        .with("DRIFT_JWT_SECRET", "the secret of a test that runs servers")
        .with("DRIFT_LISTEN", "127.0.0.1:0")
        .with("DRIFT_METRICS_LISTEN", "127.0.0.1:0")
        .with("DRIFT_SYNC_CRON", "off")
        .with("DRIFT_DETECT_CRON", "off");
    let mut running = program.start(&["serve"]);
    let line = running.wait_for_line("metrics on ");
    let address = running.address();
    let get = |url: String| {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let answer = reqwest::get(url).await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        })
    };
    let (status, text) = get(line.trim().to_owned());
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("drift_inbox_build_info"), "{text}");
    assert_eq!(get(format!("http://{address}/metrics")).0, 404);
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
}

//! Inventory as JSON lines: over HTTP, on the command line, and what a broken or cut stream changes.

use axum::body::Body;
use axum::http::StatusCode;
use chrono::TimeDelta;
use entity::job_runs::JobOutcome;
use futures_util::stream;
use serde_json::json;

use crate::http_client::Reply;
use crate::support::TestApp;
use crate::support::process::Program;

const PATH: &str = "/api/v1/inventory/hetzner";

fn server(id: &str, cores: u32) -> String {
    json!({ "kind": "server", "providerId": id, "name": id, "attrs": { "cores": cores } }).to_string()
}

fn lines(lines: &[String]) -> String {
    let mut text = "{\"provider\": \"hetzner\"}\n".to_owned();
    for line in lines {
        text += line;
        text.push('\n');
    }
    text
}

fn complete(kind: &str) -> String {
    json!({ "complete": kind }).to_string()
}

async fn push(t: &TestApp, body: &[String]) -> Reply {
    t.later(TimeDelta::seconds(1));
    t.post_text(PATH, lines(body)).await
}

async fn is_gone(t: &TestApp, name: &str) -> bool {
    t.resource(name).await.gone_at.is_some()
}

#[tokio::test]
async fn lines_become_the_inventory_and_their_changes_reach_the_inbox() {
    let t = TestApp::new().await;
    let reply = push(&t, &[server("web-1", 2), server("web-2", 2), complete("server")]).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    assert_eq!(reply.body["outcome"], json!("succeeded"));
    assert_eq!(reply.body["counts"]["discovered"], json!(2));
    for name in ["web-1", "web-2"] {
        t.record_spec(name, json!({ "cores": 2 })).await;
    }
    push(&t, &[server("web-1", 8), complete("server")]).await;
    assert!(!is_gone(&t, "web-1").await && is_gone(&t, "web-2").await);
    assert_eq!(t.sweep().await.opened, 2);
    let fields: Vec<String> = t.inbox().await.iter().map(|drift| drift.field.clone()).collect();
    assert!(
        fields.contains(&"cores".to_owned()) && fields.contains(&"*".to_owned()),
        "{fields:?}"
    );
    let data = t
        .data(
            "{ sources { name kind provider state expectedInterval } }",
            json!({}),
        )
        .await;
    assert_eq!(
        data["sources"],
        json!([{
            "name": "hetzner", "kind": "LINES", "provider": "hetzner", "state": "OK", "expectedInterval": 86_400,
        }])
    );
}

#[tokio::test]
async fn a_kind_without_its_end_changes_nothing_and_is_reported() {
    let t = TestApp::new().await;
    push(&t, &[server("web-1", 2), server("web-2", 2), complete("server")]).await;
    t.record_spec("web-1", json!({ "cores": 2 })).await;
    // The command that lists the servers was killed after the first one.
    let reply = push(&t, &[complete("volume"), server("web-1", 8)]).await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(reply.body["outcome"], json!("partial"));
    assert!(
        reply.body["error"].as_str().unwrap().contains("ends this kind"),
        "{}",
        reply.body
    );
    assert!(!is_gone(&t, "web-2").await);
    assert_eq!(t.resource("web-1").await.attrs, json!({ "cores": 2 }));
    let run = t
        .app
        .jobs()
        .run(drift_inbox::jobs::JobRequest::detect_all())
        .await
        .unwrap();
    assert_eq!(
        run.outcome,
        Some(JobOutcome::Partial),
        "a sweep over it does not say that all is well"
    );
}

#[tokio::test]
async fn a_broken_stream_changes_nothing_and_the_source_has_failed() {
    let t = TestApp::new().await;
    push(&t, &[server("web-1", 2), server("web-2", 2), complete("server")]).await;
    let before = t.tables().await;
    let text = lines(&[server("web-1", 8), complete("server"), "{".to_owned()]);
    t.later(TimeDelta::seconds(1));
    let reply = t.post_text(PATH, text).await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(reply.body["outcome"], json!("failed"));
    assert!(
        reply.body["error"].as_str().unwrap().contains("line 4"),
        "{}",
        reply.body
    );
    assert_eq!(t.tables().await, before);

    let pieces = [
        Ok(lines(&[server("web-1", 8)]).into_bytes()),
        Err(std::io::Error::other("the connection was cut")),
    ];
    let reply = t.post_text(PATH, Body::from_stream(stream::iter(pieces))).await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        reply.body["error"]
            .as_str()
            .unwrap()
            .contains("the body ended early"),
        "{}",
        reply.body
    );
    assert_eq!(t.tables().await, before);
    let data = t.data("{ sources { state reason } }", json!({})).await;
    assert_eq!(data["sources"][0]["state"], json!("FAILED"));
}

#[tokio::test]
async fn more_than_half_of_a_kind_is_gone_only_if_permitted() {
    let t = TestApp::new().await;
    let mut all: Vec<String> = (1..=12)
        .map(|number| server(&format!("web-{number}"), 2))
        .collect();
    all.push(complete("server"));
    push(&t, &all).await;
    let reply = push(&t, &[complete("server")]).await;
    assert_eq!(reply.body["outcome"], json!("failed"), "{}", reply.body);
    assert!(!is_gone(&t, "web-1").await);
    t.later(TimeDelta::seconds(1));
    let reply = t
        .post_text(
            &format!("{PATH}?allow_mass_gone=true&every=1h"),
            lines(&[complete("server")]),
        )
        .await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    assert!(is_gone(&t, "web-1").await && is_gone(&t, "web-12").await);
    let data = t.data("{ sources { expectedInterval } }", json!({})).await;
    assert_eq!(data["sources"][0]["expectedInterval"], json!(3600));
}

#[tokio::test]
async fn only_an_admin_may_send_lines() {
    let t = TestApp::new().await;
    assert_eq!(t.call("POST", PATH, None).await.status, StatusCode::UNAUTHORIZED);
    let viewer = t.token(None, &["platform_viewer"]);
    assert_eq!(
        t.call("POST", PATH, Some(&viewer)).await.status,
        StatusCode::FORBIDDEN
    );
    let reply = t.call_as_admin("POST", "/api/v1/inventory/hetzner?speed=1").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{}", reply.body);
    assert!(t.tables().await.resources.is_empty());
}

#[tokio::test]
async fn the_command_line_stores_lines_too() {
    let t = TestApp::today().await;
    let text = lines(&[server("web-1", 2), complete("server")]);
    let program = Program::new()
        .with("DATABASE_URL", &t.database.url)
        .with_file("servers.jsonl", text)
        .with_file("cut.jsonl", lines(&[server("web-1", 2)]));
    let stored = program.run(&[
        "sync",
        "--source",
        "hetzner",
        "--from",
        "servers.jsonl",
        "--every",
        "2h",
    ]);
    assert_eq!(stored.code, Some(0), "{}", stored.output());
    assert!(stored.out.contains("1 resource, 1 new"), "{}", stored.out);
    let cut = program.run(&["sync", "--source", "hetzner", "--from", "cut.jsonl"]);
    assert_eq!(cut.code, Some(1), "{}", cut.output());
    let unnamed = program.run(&["sync", "--from", "servers.jsonl"]);
    assert_eq!(unnamed.code, Some(2), "{}", unnamed.output());
    let none = program.run(&["sync", "--source", "hetzner", "--from", "none.jsonl"]);
    assert_eq!(none.code, Some(1), "{}", none.output());
    let data = t.data("{ sources { name expectedInterval } }", json!({})).await;
    assert_eq!(
        data["sources"],
        json!([{ "name": "hetzner", "expectedInterval": 7200 }])
    );
}

#[tokio::test]
async fn lines_that_began_before_a_stored_listing_do_not_replace_it() {
    let t = TestApp::new().await;
    let jobs = t.app.jobs().clone();
    let place = jobs.place_of_listing().await.unwrap();
    t.later(TimeDelta::minutes(5));
    push(&t, &[server("web-1", 8), server("web-2", 2), complete("server")]).await;
    let older =
        drift_inbox::jobs::LineReader::read(lines(&[server("web-1", 2), complete("server")]).as_bytes());
    let options = drift_inbox::services::inventory::SyncOptions {
        place: Some(place),
        ..Default::default()
    };
    let run = jobs.run_lines("hetzner", older, options, None).await.unwrap();
    assert_eq!(run.outcome, Some(JobOutcome::Failed));
    assert!(run.error.unwrap().contains("later listings are already stored"));
    assert!(!is_gone(&t, "web-2").await);
    assert_eq!(t.resource("web-1").await.attrs, json!({ "cores": 8 }));
}

#[tokio::test]
async fn lines_may_be_compressed() {
    let t = TestApp::new().await;
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    };
    let packed = gzip(lines(&[server("web-1", 2), complete("server")]).as_bytes());
    let token = t.token(Some(crate::support::ADMIN), &["platform_admin"]);
    let post = |encoding: &str, body: Vec<u8>| {
        axum::http::Request::post(PATH)
            .header("authorization", format!("Bearer {token}"))
            .header("content-encoding", encoding)
            .body(Body::from(body))
            .unwrap()
    };
    let cut = packed[..packed.len() / 2].to_vec();
    let reply = t.send(post("gzip", packed)).await;
    assert_eq!(reply.status(), StatusCode::OK);
    assert_eq!(t.resource("web-1").await.source, "hetzner");
    t.later(TimeDelta::seconds(1));
    let reply = t.send(post("gzip", cut)).await;
    assert_eq!(reply.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let reply = t.send(post("br", Vec::new())).await;
    assert_eq!(reply.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let data = t.data("{ sources { state reason } }", json!({})).await;
    let reason = data["sources"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("not complete gzip"), "{reason}");
}

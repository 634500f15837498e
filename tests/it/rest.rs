//! The two REST routes.

use axum::http::StatusCode;
use chrono::TimeDelta;
use drift_inbox::services::job_runs::{RunRequest, claim};
use entity::job_runs::Job;
use serde_json::{Map, Value, json};

use crate::support::cloud::droplet;
use crate::support::{ADMIN, TestApp};

const LIST: &str = "/api/v1/drift";

async fn drifted() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").attr("n", u64::MAX), droplet("web-2")])
        .await;
    t.record_spec("web-1", json!({ "n": 7, "region": "fra1" })).await;
    t.record_spec("web-2", json!({ "region": null })).await;
    t.sweep().await;
    t
}

async fn accept_path(t: &TestApp, name: &str, field: &str) -> String {
    format!("{LIST}/{}/accept", t.open_drift(name, field).await.id)
}

#[tokio::test]
async fn the_list_has_every_open_drift() {
    let t = drifted().await;
    let n = t.open_drift("web-1", "n").await;
    t.later(TimeDelta::microseconds(1));
    t.cloud_has([droplet("web-1").attr("n", u64::MAX)]).await;
    t.sweep().await;
    let (missing, region) = (
        t.open_drift("web-2", "*").await,
        t.open_drift("web-1", "region").await,
    );
    let reply = t.call_as_admin("GET", LIST).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.header("content-type"), "application/json");
    let wanted = json!({ "drift": [
        { "id": missing.id, "resource_id": missing.resource_id, "resource_name": "web-2",
          "resource_kind": "droplet", "source": "cloud", "address": null, "field": "*", "expected": { "region": null }, "actual": null, "redacted": false,
          "status": "open", "revision": 1, "detected_at": "2027-01-01T12:00:02.000001Z" },
        { "id": region.id, "resource_id": region.resource_id, "resource_name": "web-1",
          "resource_kind": "droplet", "source": "cloud", "address": null, "field": "region", "expected": "fra1", "actual": "nyc3", "redacted": false,
          "status": "open", "revision": 1, "detected_at": "2027-01-01T12:00:01Z" },
        { "id": n.id, "resource_id": n.resource_id, "resource_name": "web-1",
          "resource_kind": "droplet", "source": "cloud", "address": null, "field": "n", "expected": 7, "actual": u64::MAX, "redacted": false,
          "status": "open", "revision": 1, "detected_at": "2027-01-01T12:00:01Z" },
    ], "count": 3 });
    assert_eq!(reply.body, wanted);
}

#[tokio::test]
async fn an_empty_inbox_is_an_empty_list() {
    let t = TestApp::new().await;
    let reply = t.call_as_admin("GET", LIST).await;
    assert_eq!(
        (reply.status, reply.body),
        (StatusCode::OK, json!({ "drift": [], "count": 0 }))
    );
}

#[tokio::test]
async fn a_long_list_is_complete_and_in_order() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1"), droplet("web-2")]).await;
    for (name, fields) in [("web-1", 720), ("web-2", 480)] {
        let spec: Map<String, Value> = (0..fields).map(|n| (format!("f{n}"), json!(n + 1))).collect();
        t.record_spec(name, Value::Object(spec)).await;
        t.later(TimeDelta::milliseconds(1));
        t.sweep().await;
    }
    let mut rows = t.inbox().await;
    rows.sort_by_key(|row| std::cmp::Reverse((row.detected_at, row.id)));
    let wanted: Vec<Value> = rows.iter().map(|row| json!(row.id)).collect();
    assert_eq!(wanted.len(), 1200);

    let reply = t.call_as_admin("GET", LIST).await;
    assert_eq!(reply.body["count"], 1200);
    let listed = reply.body["drift"].as_array().unwrap();
    let listed: Vec<Value> = listed.iter().map(|row| row["id"].clone()).collect();
    assert_eq!(listed, wanted);
}

#[tokio::test]
async fn a_list_of_exactly_one_batch_is_complete() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    let spec: Map<String, Value> = (0..500).map(|n| (format!("f{n}"), json!(n + 1))).collect();
    t.record_spec("web-1", Value::Object(spec)).await;
    t.sweep().await;
    let body = t.call_as_admin("GET", LIST).await.body;
    assert_eq!(
        (&body["count"], body["drift"].as_array().unwrap().len()),
        (&json!(500), 500)
    );
}

#[tokio::test]
async fn an_accept_returns_the_accepted_drift() {
    let t = drifted().await;
    let drift = t.open_drift("web-1", "region").await;
    let path = accept_path(&t, "web-1", "region").await;
    let reply = t.call_as_admin("POST", &path).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.body, json!({ "status": "accepted", "drift_id": drift.id }));
    let accepted = t
        .drifts()
        .await
        .into_iter()
        .find(|row| row.id == drift.id)
        .unwrap();
    assert_eq!(accepted.resolved_by.as_deref(), Some(ADMIN));
    let spec = t.spec("web-1").await;
    assert_eq!((&spec.spec["region"], spec.spec_version), (&json!("nyc3"), 2));

    let again = t.call_as_admin("POST", &path).await;
    let wanted = json!({ "error": "already_resolved", "current_status": "accepted" });
    assert_eq!((again.status, again.body), (StatusCode::CONFLICT, wanted));
}

#[tokio::test]
async fn the_actor_without_an_email_is_operator() {
    let t = drifted().await;
    let path = accept_path(&t, "web-2", "region").await;
    let token = t.token(None, &["platform-admin"]);
    assert_eq!(t.call("POST", &path, Some(&token)).await.status, StatusCode::OK);
    assert_eq!(t.spec("web-2").await.recorded_by, "operator");
}

#[tokio::test]
async fn an_accept_with_an_outdated_revision_is_refused() {
    let t = drifted().await;
    let path = accept_path(&t, "web-1", "region").await;
    for bad in ["", "x", "1.0", "2147483648", "%201", "1%00"] {
        let reply = t.call_as_admin("POST", &format!("{path}?revision={bad}")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{bad}");
        assert_eq!(reply.body["error"], "bad_request");
    }
    for another in ["0", "2", "-1"] {
        let reply = t
            .call_as_admin("POST", &format!("{path}?revision={another}"))
            .await;
        let wanted = json!({ "error": "live_value_moved", "actual": "nyc3" });
        assert_eq!(
            (reply.status, reply.body),
            (StatusCode::CONFLICT, wanted),
            "{another}"
        );
    }
    assert_eq!(t.spec("web-1").await.spec_version, 1);
    let reply = t.call_as_admin("POST", &format!("{path}?revision=1")).await;
    assert_eq!(reply.status, StatusCode::OK);
}

#[tokio::test]
async fn an_accept_of_a_changed_live_value_is_a_conflict() {
    let t = drifted().await;
    let n = accept_path(&t, "web-1", "n").await;
    let region = accept_path(&t, "web-1", "region").await;
    t.cloud_has([droplet("web-1").attr("n", u64::MAX - 1), droplet("web-2")])
        .await;
    let moved = t.call_as_admin("POST", &n).await;
    let wanted = json!({ "error": "live_value_moved", "actual": u64::MAX - 1 });
    assert_eq!((moved.status, moved.body), (StatusCode::CONFLICT, wanted));
    t.record_spec("web-1", json!({ "n": 7, "region": "ams3" })).await;
    let moved = t.call_as_admin("POST", &region).await;
    assert_eq!(
        (moved.status, moved.body),
        (StatusCode::CONFLICT, json!({ "error": "spec_moved" }))
    );
    t.record_spec("web-1", json!({ "n": 7 })).await;
    t.sweep().await;
    let stale = t.call_as_admin("POST", &region).await;
    let wanted = json!({ "error": "already_resolved", "current_status": "stale" });
    assert_eq!((stale.status, stale.body), (StatusCode::CONFLICT, wanted));
}

#[tokio::test]
async fn an_unknown_id_and_a_malformed_one_are_not_found() {
    let t = TestApp::new().await;
    for id in [
        "00000000-0000-7000-8000-000000000000",
        "1",
        "x%00",
        "%20",
        "%FF",
        "a%2Fb",
        "%C3%A9",
    ] {
        let reply = t.call_as_admin("POST", &format!("{LIST}/{id}/accept")).await;
        let wanted = json!({ "error": "not_found" });
        assert_eq!(
            (reply.status, reply.body),
            (StatusCode::NOT_FOUND, wanted),
            "{id}"
        );
    }
}

#[tokio::test]
async fn both_routes_require_the_admin_role() {
    let t = drifted().await;
    let accept = accept_path(&t, "web-1", "region").await;
    let viewer = t.token(Some(ADMIN), &["platform_viewer"]);
    let stranger = t.token(Some(ADMIN), &[]);
    for (method, path) in [
        ("GET", LIST),
        ("POST", &accept),
        ("POST", "/api/v1/drift/%FF/accept"),
    ] {
        let reply = t.call(method, path, None).await;
        assert_eq!(reply.header("www-authenticate"), "Bearer");
        let wanted = json!({ "error": "unauthenticated" });
        assert_eq!(
            (reply.status, reply.body),
            (StatusCode::UNAUTHORIZED, wanted),
            "{path}"
        );
        for token in [&viewer, &stranger] {
            let reply = t.call(method, path, Some(token)).await;
            let wanted = json!({ "error": "platform_admin_required" });
            assert_eq!(
                (reply.status, reply.body),
                (StatusCode::FORBIDDEN, wanted),
                "{path}"
            );
        }
    }
    assert_eq!(t.spec("web-1").await.spec_version, 1);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_in_json() {
    let t = TestApp::new().await;
    for path in [
        "/nowhere",
        "/api/v1/drift/",
        "/api/v2/drift",
        "/api/v1/drift/x",
        "/%FF",
    ] {
        let reply = t.call("GET", path, None).await;
        let wanted = json!({ "error": "not_found" });
        assert_eq!(
            (reply.status, reply.body),
            (StatusCode::NOT_FOUND, wanted),
            "{path}"
        );
    }
    for (method, path) in [
        ("POST", LIST),
        ("DELETE", LIST),
        ("GET", "/api/v1/drift/x/accept"),
        ("PUT", "/api/v1/drift/x/accept"),
    ] {
        let reply = t.call(method, path, None).await;
        let wanted = json!({ "error": "method_not_allowed" });
        assert_eq!(
            (reply.status, &reply.body),
            (StatusCode::METHOD_NOT_ALLOWED, &wanted),
            "{path}"
        );
        assert!(!reply.header("allow").is_empty(), "{method} {path}");
    }
}

async fn listed(t: &TestApp, query: &str) -> Vec<(String, String)> {
    let reply = t.call_as_admin("GET", &format!("{LIST}?{query}")).await;
    assert_eq!(reply.status, StatusCode::OK, "{query}: {}", reply.body);
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let rows = reply.body["drift"].as_array().unwrap();
    let mut rows: Vec<_> = rows
        .iter()
        .map(|row| (text(row, "resource_name"), text(row, "field")))
        .collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn the_list_supports_the_filters_of_graphql() {
    let t = drifted().await;
    let region = t.open_drift("web-1", "region").await;
    t.accept(&region).await.unwrap();
    let pair = |name: &str, field: &str| (name.to_owned(), field.to_owned());
    let (n, other) = (pair("web-1", "n"), pair("web-2", "region"));
    let everything = [n.clone(), other.clone()];
    let id = t.resource("web-2").await.id;
    for (query, wanted) in [
        ("region=nyc3&resource_kind=droplet", &everything[..]),
        ("region=fra1", &[]),
        ("field=n", &everything[..1]),
        ("kind=changed", &everything),
        ("kind=missing", &[]),
        ("search=WEB-2", &everything[1..]),
        (&format!("resource_id={id}"), &everything[1..]),
        ("status=accepted", &[pair("web-1", "region")]),
        (
            "detected_after=2027-01-01T12:00:00Z&detected_before=2028-01-01T00:00:00Z",
            &everything,
        ),
        ("detected_before=2027-01-01T00:00:00%2B01:00", &[]),
    ] {
        assert_eq!(listed(&t, query).await, wanted, "{query}");
    }
    assert_eq!(listed(&t, "status=open&status=ACCEPTED").await.len(), 3);
    assert_eq!(
        listed(&t, "status=open&status=open&status=accepted").await.len(),
        3
    );
    assert_eq!(listed(&t, "status_not=stale&status_not=reverted").await.len(), 3);
    assert_eq!(listed(&t, "status_not=open&status_not=accepted").await.len(), 0);
    let all = listed(&t, "status_not=reverted").await.len();
    let some = listed(&t, "status_not=reverted&field=n&field=region").await.len();
    let rest = listed(&t, "status_not=reverted&field_not=n&field_not=region")
        .await
        .len();
    assert!(some > 0);
    assert_eq!(some + rest, all);
    assert_eq!(
        listed(&t, "status_not=reverted&provider_not=digitalocean")
            .await
            .len(),
        0
    );
}

#[tokio::test]
async fn the_error_of_an_unknown_or_malformed_parameter_contains_its_name() {
    let t = drifted().await;
    for (query, name) in [
        ("regoin=fra1", "regoin"),
        ("status=closed", "status"),
        ("kind=new", "kind"),
        ("resource_id=7", "resource_id"),
        ("detected_after=yesterday", "detected_after"),
        ("region=fra1&region=fra1", "region"),
        ("region_not=fra1&region_not=fra1", "region_not"),
        ("search=a&search=b", "search"),
        ("search_not=a", "search_not"),
        ("region=", "region"),
        ("search=%00", "search"),
    ] {
        let reply = t.call_as_admin("GET", &format!("{LIST}?{query}")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(reply.body["error"], "bad_request", "{query}");
        let message = reply.body["message"].as_str().unwrap();
        assert!(message.contains(name), "{query}: {message}");
    }
    // A misspelt `revision` must not be ignored, because the accept would then apply to any value.
    let path = accept_path(&t, "web-1", "n").await;
    let reply = t.call_as_admin("POST", &format!("{path}?revison=7")).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(t.open_drift("web-1", "n").await.revision, 1);
}

#[tokio::test]
async fn lines_are_refused_while_their_source_is_synced() {
    let t = TestApp::new().await;
    let run = RunRequest {
        source: Some("hetzner".to_owned()),
        ..Job::SyncInventory.into()
    };
    let run = claim(t.db(), run).await.unwrap();
    let reply = t.call_as_admin("POST", "/api/v1/inventory/hetzner").await;
    let wanted = json!({ "error": "job_already_running", "since": run.started_at });
    assert_eq!((reply.status, reply.body), (StatusCode::CONFLICT, wanted));
    // Lines without a complete kind are no listing.
    let other = t.call_as_admin("POST", "/api/v1/inventory/lab").await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(other.body["outcome"], "failed", "{}", other.body);
}

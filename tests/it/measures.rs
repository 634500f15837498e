//! Measures of the inbox and the export of its history.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use drift_inbox::domain::measures::By;
use drift_inbox::services::inbox::DriftFilter;
use drift_inbox::services::measures::of_at_most;
use entity::cloud_drift::{self as drift, CloseReason, DriftKind, DriftStatus, Severity};
use sea_orm::{ActiveModelTrait as _, EntityTrait as _, IntoActiveModel as _, Iterable as _};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::support::cloud::{Listed, droplet};
use crate::support::{ADMIN, TestApp};

fn at(time: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(time).unwrap().to_utc()
}

/// Inserts a drift that was opened at this time, and closed after so many seconds if a status is given.
async fn add(t: &TestApp, name: &str, opened: &str, closed: Option<(i64, DriftStatus)>) -> drift::Model {
    let detected_at = at(opened);
    let row = drift::Model {
        id: Uuid::now_v7(),
        resource_id: t.resource(name).await.id,
        kind: DriftKind::Changed,
        field: format!("field of {opened}"),
        expected: Some(json!("=1+1")),
        actual: Some(json!(-2)),
        revision: 1,
        status: closed.map_or(DriftStatus::Open, |(_, status)| status),
        detected_at,
        resolved_at: closed.map(|(seconds, _)| detected_at + TimeDelta::seconds(seconds)),
        resolved_by: closed.map(|_| "ada@example.com".to_owned()),
        resolution_note: closed.map(|_| "a \"note\",\nof two lines".to_owned()),
        close_reason: closed.map(|_| CloseReason::Accepted),
        closed_by_rule: None,
        severity: Severity::Normal,
        severity_rule: None,
        spec_version: None,
        undone_at: None,
        undone_by: None,
        undone_version: None,
        reverting_at: None,
        reverting_by: None,
        reverting_note: None,
        snoozed: false,
        snoozed_at: None,
        snoozed_by: None,
        snoozed_until: None,
        snoozed_until_change: false,
        snooze_reason: None,
        snooze_bulk_id: None,
        assignee: None,
        last_seen_equal_at: None,
        first_seen_different_at: None,
        window_basis: None,
        flapping: false,
    };
    let inserted = row.clone().into_active_model().reset_all();
    let inserted = &inserted;
    let insert = |txn: std::sync::Arc<drift_inbox::db::DatabaseTransaction>| async move {
        drift::Entity::insert(inserted.clone())
            .exec_without_returning(&*txn)
            .await?;
        Ok(())
    };
    t.db().write_txn(insert).await.unwrap();
    row
}

/// Creates a server with a history of two kinds. Its clock shows noon of 1 January 2027.
async fn with_history() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1"), Listed::new("volume", "disk-1")])
        .await;
    use DriftStatus::{Accepted, Reverted, Stale};
    // Before the range, and closed in it.
    add(&t, "web-1", "2026-12-27T23:59:59Z", Some((86_400, Stale))).await;
    add(&t, "web-1", "2026-12-28T00:00:00Z", Some((60, Accepted))).await;
    add(&t, "web-1", "2026-12-28T12:00:00Z", Some((3_600, Reverted))).await;
    // Closed after the range.
    add(&t, "disk-1", "2026-12-30T23:00:00Z", Some((7_200, Accepted))).await;
    add(&t, "disk-1", "2026-12-30T10:00:00Z", None).await;
    // Open since long ago, and since the range has ended.
    add(&t, "web-1", "2026-11-01T12:00:00Z", None).await;
    add(&t, "web-1", "2027-01-01T11:59:00Z", None).await;
    t
}

const QUERY: &str =
    "query($filter: DriftFilter, $by: [MeasureGroupBy!]! = []) { measures(from: \"2026-12-28T00:00:00Z\", to: \"2026-12-31T00:00:00Z\",
        filter: $filter, groupBy: $by) { truncated groupCount total { ...M } groups { source kind ...M } } }
    fragment M on MeasureGroup { opened closed days { date opened closed }
        timeToResolve { count medianSeconds p90Seconds longestSeconds } openAge { count medianSeconds longestSeconds } }";

#[tokio::test]
async fn measures_count_days_and_have_percentiles() {
    let t = with_history().await;
    let measures = t.data(QUERY, json!({})).await["measures"].clone();
    let day =
        |date: &str, opened: i32, closed: i32| json!({ "date": date, "opened": opened, "closed": closed });
    assert_eq!(
        measures,
        json!({ "truncated": false, "groupCount": 0, "groups": [], "total": {
            "opened": 4, "closed": 3,
            "days": [day("2026-12-28", 2, 3), day("2026-12-29", 0, 0), day("2026-12-30", 2, 0)],
            "timeToResolve": { "count": 3, "medianSeconds": 3_600.0, "p90Seconds": 86_400.0, "longestSeconds": 86_400.0 },
            "openAge": { "count": 3, "medianSeconds": 180_001.0, "longestSeconds": 5_270_401.0 },
        } })
    );
    let groups = t.data(QUERY, json!({ "by": ["SOURCE", "KIND"] })).await["measures"].clone();
    let shown: Vec<Value> = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            json!([
                group["source"],
                group["kind"],
                group["opened"],
                group["closed"],
                group["openAge"]["count"]
            ])
        })
        .collect();
    assert_eq!(
        shown,
        [
            json!(["cloud", "droplet", 2, 3, 2]),
            json!(["cloud", "volume", 2, 0, 1])
        ]
    );
    assert_eq!(
        (&groups["groupCount"], &groups["total"]),
        (&json!(2), &measures["total"])
    );
    let only = json!({ "filter": { "status": ["ACCEPTED"], "resourceKind": "droplet" } });
    let accepted = t.data(QUERY, only).await["measures"]["total"].clone();
    assert_eq!(
        (
            &accepted["opened"],
            &accepted["closed"],
            &accepted["openAge"]["count"]
        ),
        (&json!(1), &json!(1), &json!(0))
    );
    let conditions = json!({ "filter": { "where": { "status": { "notIn": ["OPEN"] } } } });
    assert_eq!(t.data(QUERY, conditions).await["measures"]["total"]["opened"], 3);
}

#[tokio::test]
async fn a_range_must_have_a_length_of_at_most_a_year() {
    let t = TestApp::new().await;
    for (from, to) in [
        ("2026-12-31T00:00:00Z", "2026-12-31T00:00:00Z"),
        ("2026-12-31T00:00:01Z", "2026-12-31T00:00:00Z"),
        ("2025-12-30T00:00:00Z", "2026-12-31T00:00:01Z"),
    ] {
        let query = format!("{{ measures(from: \"{from}\", to: \"{to}\") {{ total {{ opened }} }} }}");
        let refused = t.ask(&query, json!({})).await;
        assert_eq!(
            crate::http_client::codes(&refused),
            ["BAD_USER_INPUT"],
            "{from} {to}"
        );
    }
}

#[tokio::test]
async fn more_drifts_than_are_read_are_reported_as_truncated() {
    let t = with_history().await;
    let filter = DriftFilter {
        status: DriftStatus::iter().collect(),
        ..DriftFilter::default()
    };
    let range = (at("2026-12-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    for (max, truncated, ages) in [(1, true, 1), (2, true, 2), (3, false, 3)] {
        let measured = of_at_most(t.db(), &filter, range, By::default(), (t.now(), max))
            .await
            .unwrap();
        assert_eq!(
            (measured.truncated, measured.total.open_age.count),
            (truncated, ages),
            "{max}"
        );
        // The oldest open drift is always counted.
        assert_eq!(measured.total.open_age.longest, Some(5_270_401));
    }
}

/// Requests a CSV file as an admin.
async fn csv(t: &TestApp, path: &str) -> (HeaderMap, String) {
    let token = t.token(Some(ADMIN), &["platform_admin"]);
    let request = Request::get(path).header("authorization", format!("Bearer {token}"));
    let sent = t.router.clone().oneshot(request.body(Body::empty()).unwrap());
    let (head, body) = sent.await.unwrap().into_parts();
    assert_eq!(head.status, StatusCode::OK);
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    (head.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn the_history_is_exported_as_json_and_as_csv_without_formulas() {
    let t = with_history().await;
    let json = t
        .call_as_admin(
            "GET",
            "/export/drifts.json?from=2026-12-28T00:00:00Z&to=2026-12-31T00:00:00Z",
        )
        .await;
    assert_eq!(
        (json.status, json.header("content-type")),
        (StatusCode::OK, "application/json")
    );
    assert_eq!(json.body["count"], 4);
    let drifts = json.body["drifts"].as_array().unwrap();
    let detected: Vec<&str> = drifts
        .iter()
        .map(|drift| drift["detected_at"].as_str().unwrap())
        .collect();
    assert_eq!(
        detected,
        [
            "2026-12-30T23:00:00.000000Z",
            "2026-12-30T10:00:00.000000Z",
            "2026-12-28T12:00:00.000000Z",
            "2026-12-28T00:00:00.000000Z"
        ]
    );
    assert_eq!(
        (&drifts[0]["actual"], &drifts[0]["status"]),
        (&json!(-2), &json!("accepted"))
    );
    let (headers, text) = csv(&t, "/export/drifts.csv?status=accepted&resource_kind=volume").await;
    let header = |name: &str| headers[name].to_str().unwrap();
    assert!(header("content-type").starts_with("text/csv"));
    assert!(header("content-disposition").contains("drifts.csv"));
    let (head, rows) = text.split_once("\r\n").unwrap();
    assert!(head.starts_with("id,resource_id,resource_name,"));
    assert!(
        rows.ends_with("\r\n") && rows.matches("\r\n").count() == 1,
        "{rows}"
    );
    for part in [
        ",disk-1,volume,",
        ",'=1+1,'-2,",
        ",\"a \"\"note\"\",\nof two lines\",",
    ] {
        assert!(rows.contains(part), "{part} {rows}");
    }
}

#[tokio::test]
async fn a_drift_whose_members_are_accepted_one_by_one_is_one_drift() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").attr("rules", json!(["a", "b"]))])
        .await;
    t.record_spec("web-1", json!({ "rules": [] })).await;
    t.sweep().await;
    t.later(TimeDelta::hours(1));
    let accept =
        "mutation($input: AcceptDriftMembersInput!) { acceptDriftMembers(input: $input) { drift { id } } }";
    let one = async |member: &str| {
        let drift = t.open_drift("web-1", "rules").await;
        let input = json!({ "driftId": drift.id, "revision": drift.revision, "members": [member] });
        t.data(accept, json!({ "input": input })).await;
        drift.id
    };
    let query = "{ measures(from: \"2027-01-01T00:00:00Z\", to: \"2027-01-02T00:00:00Z\") {
        total { opened closed openAge { count } timeToResolve { count longestSeconds } } } }";
    let measured = async || t.data(query, json!({})).await["measures"]["total"].clone();
    let id = one("a").await;
    assert_eq!(
        measured().await,
        json!({ "opened": 1, "closed": 0, "openAge": { "count": 1 },
            "timeToResolve": { "count": 0, "longestSeconds": null } })
    );
    t.later(TimeDelta::hours(1));
    one("b").await;
    assert_eq!(
        measured().await,
        json!({ "opened": 1, "closed": 1, "openAge": { "count": 0 },
            "timeToResolve": { "count": 1, "longestSeconds": 7_200.0 } })
    );
    let exported = t.call_as_admin("GET", "/export/drifts.json").await.body;
    let drifts = exported["drifts"].as_array().unwrap().iter();
    let mut split: Vec<(bool, Value)> = drifts
        .map(|drift| (drift["id"] == json!(id), drift["split_from"].clone()))
        .collect();
    split.sort_by_key(|(is_drift, _)| *is_drift);
    assert_eq!(split, [(false, json!(id)), (true, Value::Null)]);
    let (_, text) = csv(&t, "/export/drifts.csv").await;
    assert!(text.lines().next().unwrap().ends_with(",split_from"), "{text}");
    assert_eq!(text.matches(&format!(",{id}\r\n")).count(), 1, "{text}");
}

#[tokio::test]
async fn an_export_has_all_batches_and_refuses_unknown_parameters_and_callers() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    let count = 1_203;
    let id = t.resource("web-1").await.id;
    let first = add(&t, "web-1", "2026-12-01T00:00:00Z", Some((1, DriftStatus::Stale))).await;
    let rows: Vec<drift::ActiveModel> = (1..count)
        .map(|n| {
            let row = drift::Model {
                id: Uuid::now_v7(),
                resource_id: id,
                detected_at: first.detected_at + TimeDelta::seconds(n),
                ..first.clone()
            };
            row.into_active_model().reset_all()
        })
        .collect();
    let rows = &rows;
    let insert = |txn: std::sync::Arc<drift_inbox::db::DatabaseTransaction>| async move {
        for chunk in rows.chunks(drift_inbox::db::ROWS_PER_INSERT) {
            drift::Entity::insert_many(chunk.to_vec())
                .exec_without_returning(&*txn)
                .await?;
        }
        Ok(())
    };
    t.db().write_txn(insert).await.unwrap();
    let all = t.call_as_admin("GET", "/export/drifts.json").await;
    assert_eq!(
        (&all.body["count"], all.body["drifts"].as_array().unwrap().len()),
        (&json!(count), count as usize)
    );
    let (_, text) = csv(&t, "/export/drifts.csv").await;
    assert_eq!(text.matches("\r\n").count(), count as usize + 1);
    for path in [
        "/export/drifts.csv?when=now",
        "/export/drifts.json?from=yesterday",
        "/export/drifts.csv?from=2026-12-01T00:00:00Z&from=2026-12-02T00:00:00Z",
    ] {
        assert_eq!(
            t.call_as_admin("GET", path).await.status,
            StatusCode::BAD_REQUEST,
            "{path}"
        );
    }
    assert_eq!(
        t.call("GET", "/export/drifts.csv", None).await.status,
        StatusCode::UNAUTHORIZED
    );
    let viewer = t.token(None, &["platform_viewer"]);
    assert_eq!(
        t.call("GET", "/export/drifts.csv", Some(&viewer)).await.status,
        StatusCode::FORBIDDEN
    );
}

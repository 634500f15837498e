//! The log of what syncs saw change in the whole account.

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};
use crate::support::db::TestDb;

const LOG: &str = "query($f: InventoryChangeFilter, $first: Int, $after: String) {
    changes(filter: $f, first: $first, after: $after) {
        totalCount pageInfo { hasNextPage endCursor }
        nodes { type kind region source field before after redacted lastListedAt seenAt resource { name } } } }";

async fn log(t: &TestApp, filter: Value) -> Vec<Value> {
    let page = t.data(LOG, json!({ "f": filter })).await;
    let nodes = page["changes"]["nodes"].as_array().unwrap().clone();
    assert_eq!(page["changes"]["totalCount"], json!(nodes.len()), "{filter}");
    nodes
}

/// Type, name and field of each change, with the values.
fn brief(rows: &[Value]) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    rows.iter()
        .map(|row| {
            format!(
                "{} {} {} {} {}",
                text(&row["type"]),
                text(&row["resource"]["name"]),
                text(&row["field"]),
                text(&row["before"]),
                text(&row["after"])
            )
        })
        .collect()
}

#[tokio::test]
async fn everything_that_syncs_see_change_is_in_the_log() {
    let t = TestApp::new().await;
    // The first listing is where the record begins.
    t.cloud_has([droplet("web-1"), droplet("web-2")]).await;
    assert_eq!(log(&t, json!({})).await, [] as [Value; 0]);
    let record = Listed::new("domain_record", "www").attr("data", "192.0.2.1");
    t.cloud_has([
        droplet("web-1").size("big").tags(["prod"]),
        droplet("web-2"),
        record.clone(),
    ])
    .await;
    t.cloud_has([
        droplet("web-1").size("big").tags(["prod"]),
        record.attr("data", "192.0.2.9"),
    ])
    .await;
    t.cloud_has([
        droplet("web-1").size("big").tags(["prod"]),
        droplet("web-2").region("ams3"),
    ])
    .await;
    let rows = log(&t, json!({})).await;
    assert_eq!(
        brief(&rows[..3]),
        [
            "GONE www * null null",
            "CHANGED web-2 region nyc3 ams3",
            "RETURNED web-2 * null null",
        ]
    );
    let mut second: Vec<String> = brief(&rows[3..5]);
    second.sort();
    assert_eq!(
        second,
        ["CHANGED www data 192.0.2.1 192.0.2.9", "GONE web-2 * null null"]
    );
    let mut first: Vec<String> = brief(&rows[5..]);
    first.sort();
    assert_eq!(
        first,
        [
            "APPEARED www * null null",
            "CHANGED web-1 size_slug s-1vcpu-1gb big",
            "CHANGED web-1 tags null [\"prod\"]",
        ]
    );
    // Unmanaged resources and records of the DNS have no spec, and are in the log nevertheless.
    assert!(t.drifts().await.is_empty());
    // A resource that returned was not listed before.
    assert_eq!(rows[1]["lastListedAt"], Value::Null);
    assert!(rows[3]["lastListedAt"].as_str() < rows[3]["seenAt"].as_str());
}

#[tokio::test]
async fn the_log_is_filtered_by_each_property() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1"), droplet("web-2")]).await;
    t.cloud_has([
        droplet("web-1").size("big"),
        droplet("web-2").region("ams3"),
        Listed::new("volume", "disk"),
    ])
    .await;
    let middle = t.now();
    t.later(TimeDelta::hours(1));
    t.cloud_has([droplet("web-1").size("small"), droplet("web-2").region("ams3")])
        .await;
    let id = t.resource("web-1").await.id;
    let after = (middle + TimeDelta::seconds(1)).to_rfc3339();
    for (filter, expected) in [
        (json!({ "kind": "volume" }), 2),
        (json!({ "region": "ams3" }), 1),
        (json!({ "source": "cloud" }), 5),
        (json!({ "source": "other" }), 0),
        (json!({ "field": "size_slug" }), 2),
        (json!({ "resourceId": id }), 2),
        (json!({ "type": ["APPEARED", "GONE"] }), 2),
        (json!({ "type": ["CHANGED", "CHANGED"] }), 3),
        (json!({ "seenAfter": after }), 2),
        (json!({ "seenBefore": after }), 3),
        (
            json!({ "kind": "droplet", "field": "size_slug", "seenAfter": after }),
            1,
        ),
    ] {
        assert_eq!(log(&t, filter.clone()).await.len(), expected, "{filter}");
    }
    // Pages have each row once.
    let (mut pages, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let page = t.data(LOG, json!({ "first": 2, "after": cursor })).await;
        pages.extend(page["changes"]["nodes"].as_array().unwrap().clone());
        cursor = page["changes"]["pageInfo"]["endCursor"].clone();
        if page["changes"]["pageInfo"]["hasNextPage"] != true {
            break;
        }
    }
    assert_eq!(pages, log(&t, json!({})).await);
}

#[tokio::test]
async fn secrets_are_not_shown() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").attr("password", "one")]).await;
    t.cloud_has([droplet("web-1").attr("password", "two")]).await;
    t.cloud_has([droplet("web-1").attr("password", "three")]).await;
    // What an import of a plan stores in place of secrets. Only one side of the second change is known to be one.
    for (side, value) in [("before", "one"), ("after", "three")] {
        let sql = format!(
            "UPDATE inventory_changes SET {side} = '{{\"drift-inbox:redacted\":\"{value}\"}}' \
             WHERE CAST({side} AS text) LIKE '%{value}%'"
        );
        t.database.execute(sql).await.unwrap();
    }
    let rows = log(&t, json!({ "field": "password" })).await;
    assert_eq!(rows.len(), 2);
    for row in rows {
        let shown = (&row["before"], &row["after"], &row["redacted"]);
        assert_eq!(shown, (&Value::Null, &Value::Null, &json!(true)));
    }
}

#[tokio::test]
async fn a_forgotten_resource_takes_its_changes_with_it_and_old_ones_are_purged() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1"), droplet("web-2")]).await;
    t.cloud_has([droplet("web-2").size("big")]).await;
    let id = t.resource("web-1").await.id;
    t.data(
        "mutation($id: ID!) { forgetResource(input: { resourceId: $id }) { forgotten { kind } } }",
        json!({ "id": id }),
    )
    .await;
    assert_eq!(
        brief(&log(&t, json!({})).await),
        ["CHANGED web-2 size_slug s-1vcpu-1gb big"]
    );
    t.later(TimeDelta::days(401));
    let keep = drift_inbox::domain::retention::Retention::default();
    let clock = drift_inbox::clock::Clock::Manual(t.clock.clone());
    let purged = drift_inbox::services::retention::purge(t.db(), &keep, &clock)
        .await
        .unwrap();
    assert_eq!(purged.changes, 1);
    // A spec that is older than the log says nothing about when the value changed.
    t.record_spec("web-2", json!({ "size_slug": "other" })).await;
    t.database
        .execute("UPDATE cloud_provisioned SET recorded_at = '2027-01-01T12:00:00+00:00'")
        .await
        .unwrap();
    t.sweep().await;
    let drift = t.open_drift("web-2", "size_slug").await;
    assert_eq!(drift.first_seen_different_at, None);
}

/// Inserts changes: `count` of droplets, and a few of each rare property.
async fn long_log(t: &TestApp, count: usize) {
    t.cloud_has([droplet("web-1")]).await;
    let id = t.resource("web-1").await.id.simple().to_string();
    let (id, number, uuid) = match t.db().backend() {
        DbBackend::Postgres => (
            format!("CAST('{id}' AS uuid)"),
            format!("generate_series(1, {count}) AS s(n)"),
            "gen_random_uuid()",
        ),
        _ => (
            format!("unhex('{id}')"),
            format!(
                "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) SELECT n FROM s)"
            ),
            "randomblob(16)",
        ),
    };
    let rare = |common: &str, rare: &str, every: usize| {
        format!("CASE WHEN n % {every} = 7 THEN '{rare}' ELSE '{common}' END")
    };
    let sql = format!(
        "INSERT INTO inventory_changes (id, resource_id, provider, kind, region, source, type, field, has_values, seen_at) \
         SELECT {uuid}, {id}, 'digitalocean', {}, {}, {}, {}, {}, {}, '2026-12-01T00:00:00+00:00' FROM {number}",
        rare("droplet", "volume", count / 5),
        rare("nyc3", "ams3", count / 5),
        rare("cloud", "other", count / 5),
        rare("changed", "gone", count / 5),
        rare("tags", "size_slug", count / 5),
        if t.db().backend() == DbBackend::Postgres {
            "true"
        } else {
            "1"
        },
    );
    t.database.execute(&sql).await.unwrap();
    t.database.execute("ANALYZE").await.unwrap();
}

#[tokio::test]
async fn a_page_of_the_log_reads_little_more_than_its_rows() {
    let database = TestDb::create().await;
    let heard: Arc<Mutex<Vec<Statement>>> = Arc::default();
    let to = Arc::clone(&heard);
    let db = database.connect_and_migrate().await;
    let db = db.observed(move |info| to.lock().unwrap().push(info.statement.clone()));
    let t = TestApp::over(db, database);
    long_log(&t, 20_000).await;
    let id = t.resource("web-1").await.id;
    for filter in [
        json!({}),
        json!({ "kind": "volume" }),
        json!({ "region": "ams3" }),
        json!({ "source": "other" }),
        json!({ "type": ["GONE", "APPEARED"] }),
        json!({ "field": "size_slug" }),
        json!({ "resourceId": id }),
        json!({ "seenBefore": "2026-12-02T00:00:00Z" }),
    ] {
        heard.lock().unwrap().clear();
        let query = "query($f: InventoryChangeFilter) { changes(filter: $f, first: 10) { nodes { id } } }";
        t.data(query, json!({ "f": filter })).await;
        let statements = std::mem::take(&mut *heard.lock().unwrap());
        let page: Vec<&Statement> = statements
            .iter()
            .filter(|s| s.sql.contains("inventory_changes"))
            .collect();
        assert_eq!(page.len(), 1, "{filter}");
        reads_few(&t, page[0], &filter).await;
    }
}

/// The plan walks an index in the order of the page and sorts nothing but its few rows.
async fn reads_few(t: &TestApp, page: &Statement, filter: &Value) {
    let explained = |how: &str| Statement {
        sql: format!("{how} {}", page.sql),
        ..page.clone()
    };
    let reader = t.db().reader();
    if t.db().backend() == DbBackend::Sqlite {
        let rows = reader
            .query_all_raw(explained("EXPLAIN QUERY PLAN"))
            .await
            .unwrap();
        let steps: Vec<String> = rows
            .iter()
            .map(|row| row.try_get("", "detail").unwrap())
            .collect();
        let reads: Vec<&String> = steps
            .iter()
            .filter(|step| step.contains("inventory_changes"))
            .collect();
        assert!(
            !reads.is_empty() && reads.iter().all(|step| step.contains("USING INDEX ix_")),
            "{filter} {steps:#?}"
        );
        return;
    }
    let rows = reader
        .query_all_raw(explained("EXPLAIN (ANALYZE, FORMAT JSON)"))
        .await
        .unwrap();
    let plan: Value = rows[0].try_get("", "QUERY PLAN").unwrap();
    let mut most = 0.0_f64;
    let mut nodes = vec![&plan[0]["Plan"]];
    while let Some(node) = nodes.pop() {
        let rows = node["Actual Rows"].as_f64().unwrap_or_default()
            + node["Rows Removed by Filter"].as_f64().unwrap_or_default();
        most = most.max(rows);
        nodes.extend(node["Plans"].as_array().into_iter().flatten());
    }
    assert!(most <= 50.0, "{filter} reads {most} rows: {plan:#}");
}

//! Paging through lists by cursors.

use chrono::TimeDelta;
use drift_inbox::services::acceptance::{AcceptDrift, accept_drift};
use entity::cloud_drift;
use serde_json::{Value, json};

use crate::support::cloud::{Listed, droplet};
use crate::support::{ADMIN, TestApp};

const ORDERS: [(&str, &str); 4] = [
    ("DETECTED_AT", "ASC"),
    ("DETECTED_AT", "DESC"),
    ("RESOLVED_AT", "ASC"),
    ("RESOLVED_AT", "DESC"),
];
const DRIFTS: &str =
    "query($field: DriftOrderField!, $direction: OrderDirection!, $first: Int, $after: String,
        $last: Int, $before: String) {
    list: drifts(filter: { status: [OPEN, ACCEPTED] }, orderBy: { field: $field, direction: $direction },
        first: $first, after: $after, last: $last, before: $before) {
        totalCount nodes { id } edges { cursor node { id } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

/// Creates seven drifts. The first three were detected at the same time, as were the fifth and sixth. f and b were
/// accepted at the same time and g later; the others are open.
async fn seven_drifts() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has(NAMES.map(droplet)).await;
    for names in [&NAMES[..3], &NAMES[3..4], &NAMES[4..6], &NAMES[6..]] {
        for name in names {
            t.record_spec(name, json!({ "region": "fra1" })).await;
        }
        t.later(TimeDelta::microseconds(1_500_000));
        t.sweep().await;
    }
    for (name, pause) in [("f", 1), ("b", 0), ("g", 7)] {
        t.later(TimeDelta::milliseconds(pause));
        accept(&t, name).await;
    }
    t
}

async fn accept(t: &TestApp, name: &str) {
    let drift = t.open_drift(name, "region").await;
    t.accept(&drift).await.unwrap();
}

/// Returns the ids of all drifts in an order, computed from the rows.
async fn in_order(t: &TestApp, field: &str, direction: &str) -> Vec<Value> {
    let mut rows = t.drifts().await;
    rows.sort_by_key(|row: &cloud_drift::Model| match field {
        "DETECTED_AT" => (false, Some(row.detected_at), row.id),
        _ => (row.resolved_at.is_none(), row.resolved_at, row.id),
    });
    if direction == "DESC" {
        rows.reverse();
    }
    rows.iter().map(|row| json!(row.id)).collect()
}

fn ids(page: &Value) -> Vec<Value> {
    let nodes = page["nodes"].as_array().unwrap();
    nodes.iter().map(|node| node["id"].clone()).collect()
}

/// Checks the page information of a page.
fn check(page: &Value, has_previous: bool, has_next: bool) {
    let edges = page["edges"].as_array().unwrap();
    let info = &page["pageInfo"];
    assert_eq!(
        (&info["hasPreviousPage"], &info["hasNextPage"]),
        (&json!(has_previous), &json!(has_next)),
        "{page:#}"
    );
    let cursor = |edge: Option<&Value>| edge.map_or(Value::Null, |edge| edge["cursor"].clone());
    assert_eq!(info["startCursor"], cursor(edges.first()));
    assert_eq!(info["endCursor"], cursor(edges.last()));
    let of_edges: Vec<Value> = edges.iter().map(|edge| edge["node"]["id"].clone()).collect();
    assert_eq!(ids(page), of_edges);
}

#[tokio::test]
async fn paging_forward_returns_every_drift_once_in_every_order() {
    let t = seven_drifts().await;
    for (field, direction) in ORDERS {
        let wanted = in_order(&t, field, direction).await;
        for size in [1, 2, 3, 7, 8] {
            let (mut seen, mut after) = (Vec::new(), Value::Null);
            loop {
                let place = json!({ "field": field, "direction": direction, "first": size, "after": after });
                let page = t.data(DRIFTS, place).await["list"].clone();
                let is_first = seen.is_empty();
                seen.extend(ids(&page));
                let more = seen.len() < wanted.len();
                check(&page, !is_first, more);
                assert_eq!(page["totalCount"], 7);
                after = page["pageInfo"]["endCursor"].clone();
                if !more {
                    break;
                }
            }
            assert_eq!(seen, wanted, "{field} {direction} by {size}");
        }
    }
}

#[tokio::test]
async fn paging_backward_returns_every_drift_once_in_every_order() {
    let t = seven_drifts().await;
    for (field, direction) in ORDERS {
        let wanted = in_order(&t, field, direction).await;
        for size in [1, 2, 3, 7, 8] {
            let (mut seen, mut before) = (Vec::new(), Value::Null);
            loop {
                let place = json!({ "field": field, "direction": direction, "last": size, "before": before });
                let page = t.data(DRIFTS, place).await["list"].clone();
                let is_last = seen.is_empty();
                seen.splice(0..0, ids(&page));
                let more = seen.len() < wanted.len();
                check(&page, more, !is_last);
                before = page["pageInfo"]["startCursor"].clone();
                if !more {
                    break;
                }
            }
            assert_eq!(seen, wanted, "{field} {direction} by {size}");
        }
    }
}

#[tokio::test]
async fn the_newest_drifts_come_first_by_default() {
    let t = seven_drifts().await;
    let query = "query($order: DriftOrder) { drifts(filter: { status: [OPEN, ACCEPTED] }, orderBy: $order) {
        nodes { id } } }";
    for (order, field, direction) in [
        (json!(null), "DETECTED_AT", "DESC"),
        (json!({}), "DETECTED_AT", "DESC"),
        (json!({ "direction": "ASC" }), "DETECTED_AT", "ASC"),
        (json!({ "field": "RESOLVED_AT" }), "RESOLVED_AT", "DESC"),
    ] {
        let page = t.data(query, json!({ "order": order })).await["drifts"].clone();
        assert_eq!(ids(&page), in_order(&t, field, direction).await, "{order}");
    }
    for order in [
        json!({ "field": "NAME" }),
        json!({ "field": null }),
        json!({ "direction": "up" }),
        json!([]),
    ] {
        let order = json!({ "order": order });
        assert_eq!(t.refusal(query, order.clone()).await, "BAD_USER_INPUT", "{order}");
    }
}

#[tokio::test]
async fn a_page_between_two_cursors_contains_only_rows_between_them() {
    let t = seven_drifts().await;
    for (field, direction) in ORDERS {
        let place = json!({ "field": field, "direction": direction });
        let all = t.data(DRIFTS, place).await["list"].clone();
        check(&all, false, false);
        let cursor = |row: usize| all["edges"][row]["cursor"].clone();
        for (size, wanted) in [("first", 2..4), ("last", 3..5)] {
            let between = json!({ "field": field, "direction": direction, size: 2,
                "after": cursor(1), "before": cursor(5) });
            let page = t.data(DRIFTS, between).await["list"].clone();
            assert_eq!(ids(&page), ids(&all)[wanted], "{field} {direction} {size}");
        }
        let nothing = json!({ "field": field, "direction": direction, "after": cursor(6) });
        let page = t.data(DRIFTS, nothing).await["list"].clone();
        check(&page, true, false);
        assert!(ids(&page).is_empty());
    }
}

#[tokio::test]
async fn a_page_of_zero_rows_reports_whether_there_are_more_rows() {
    let t = seven_drifts().await;
    for (size, has_previous, has_next) in [("first", false, true), ("last", true, false)] {
        let place = json!({ "field": "DETECTED_AT", "direction": "DESC", size: 0 });
        let page = t.data(DRIFTS, place).await["list"].clone();
        check(&page, has_previous, has_next);
        assert!(ids(&page).is_empty());
        assert_eq!(page["totalCount"], 7);
    }
    let none = "{ drifts(filter: { status: REVERTED }) { totalCount nodes { id } edges { cursor node { id } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
    let page = t.data(none, json!({})).await["drifts"].clone();
    check(&page, false, false);
    assert_eq!(page["totalCount"], 0);
}

#[tokio::test]
async fn rows_added_or_removed_between_pages_do_not_shift_pages() {
    let t = seven_drifts().await;
    let wanted = in_order(&t, "DETECTED_AT", "DESC").await;
    let place = json!({ "field": "DETECTED_AT", "direction": "DESC", "first": 3 });
    let page = t.data(DRIFTS, place).await["list"].clone();
    assert_eq!(ids(&page), wanted[..3]);
    t.cloud_has(NAMES.map(droplet).into_iter().chain([droplet("new")]))
        .await;
    t.record_spec("new", json!({ "region": "fra1" })).await;
    t.sweep().await;
    // A cursor stays valid when its row leaves the list.
    let last = t
        .drifts()
        .await
        .into_iter()
        .find(|row| json!(row.id) == wanted[2]);
    let last = AcceptDrift {
        drift_id: last.unwrap().id,
        revision: None,
        note: None,
    };
    accept_drift(t.db(), ADMIN, &last, t.now()).await.unwrap();
    let place = json!({ "field": "DETECTED_AT", "direction": "DESC", "first": 3,
        "after": page["pageInfo"]["endCursor"] });
    let page = t.data(DRIFTS, place).await["list"].clone();
    assert_eq!(ids(&page), wanted[3..6]);
    assert_eq!(page["totalCount"], 8);
}

#[tokio::test]
async fn resources_events_runs_and_nested_drifts_are_paged_both_ways() {
    let t = TestApp::new().await;
    t.cloud_has(NAMES.map(droplet)).await;
    let spec =
        json!({ "status": "off", "region": "x", "size_slug": "y", "tags": "z", "ip": "1", "p": 1, "q": 2 });
    t.record_spec("a", spec).await;
    t.sweep().await;
    for _ in 0..5 {
        t.sync().await;
    }
    let id = t.resource("a").await.id;
    let page = "nodes { id } edges { cursor node { id } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount";
    let arguments = "first: $first, after: $after, last: $last, before: $before";
    let lists = [
        (format!("resources({arguments}) {{ {page} }}"), "/resources"),
        (format!("jobRuns({arguments}) {{ {page} }}"), "/jobRuns"),
        (
            format!("resource(id: \"{id}\") {{ drifts({arguments}) {{ {page} }} }}"),
            "/resource/drifts",
        ),
        (
            format!("resource(id: \"{id}\") {{ events({arguments}) {{ {page} }} }}"),
            "/resource/events",
        ),
    ];
    for (list, at) in lists {
        let query = format!("query($first: Int, $after: String, $last: Int, $before: String) {{ {list} }}");
        let all = t.data(&query, json!({})).await.pointer(at).unwrap().clone();
        assert!(ids(&all).len() >= 7, "{at}");
        walk_both_ways(&t, &query, at, &ids(&all)).await;
    }
}

async fn walk_both_ways(t: &TestApp, query: &str, at: &str, wanted: &[Value]) {
    let (mut forward, mut backward) = (Vec::new(), Vec::new());
    let (mut after, mut before) = (Value::Null, Value::Null);
    while forward.len() < wanted.len() {
        let data = t.data(query, json!({ "first": 2, "after": after })).await;
        let page = data.pointer(at).unwrap();
        let was_first = forward.is_empty();
        forward.extend(ids(page));
        check(page, !was_first, forward.len() < wanted.len());
        assert_eq!(page["totalCount"], wanted.len());
        after = page["pageInfo"]["endCursor"].clone();
        let data = t.data(query, json!({ "last": 2, "before": before })).await;
        let page = data.pointer(at).unwrap();
        let was_last = backward.is_empty();
        backward.splice(0..0, ids(page));
        check(page, backward.len() < wanted.len(), !was_last);
        before = page["pageInfo"]["startCursor"].clone();
    }
    assert_eq!(forward, wanted, "{at}");
    assert_eq!(backward, wanted, "{at}");
}

#[tokio::test]
async fn invalid_page_arguments_are_refused() {
    let t = seven_drifts().await;
    let oldest = "{ drifts(orderBy: { direction: ASC }) { pageInfo { endCursor } }
        resources { nodes { events { pageInfo { endCursor } } } } }";
    let cursors = t.data(oldest, json!({})).await;
    let of_another_order = &cursors["drifts"]["pageInfo"]["endCursor"];
    let of_events = &cursors["resources"]["nodes"][0]["events"]["pageInfo"]["endCursor"];
    let mut bad = vec![
        json!({ "first": 2, "last": 2 }),
        json!({ "after": of_another_order }),
        json!({ "after": of_events }),
        json!({ "last": 1, "before": of_another_order }),
    ];
    for size in [-1, i32::MIN, 201, 1_000_000, i32::MAX] {
        bad.extend([json!({ "first": size }), json!({ "last": size })]);
    }
    for garbage in ["", "garbage", "e30", "\0", "é", "bnVsbA", "////"] {
        bad.extend([json!({ "after": garbage }), json!({ "before": garbage })]);
    }
    bad.push(json!({ "first": 2_147_483_648_i64 }));
    let query = "query($first: Int, $after: String, $last: Int, $before: String) {
        drifts(first: $first, after: $after, last: $last, before: $before) { nodes { id } } }";
    for place in bad {
        assert_eq!(t.refusal(query, place.clone()).await, "BAD_USER_INPUT", "{place}");
    }
    let nested = "query($first: Int, $last: Int, $after: String) { resources { nodes {
        events(first: $first, last: $last, after: $after) { nodes { id } } } } }";
    for place in [
        json!({ "first": -1 }),
        json!({ "first": 1, "last": 1 }),
        json!({ "after": of_another_order }),
    ] {
        let answer = t.ask(nested, place.clone()).await;
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
            "{place}"
        );
    }
}

#[tokio::test]
async fn a_forged_cursor_with_an_invalid_time_is_refused() {
    let t = seven_drifts().await;
    let id = "00000000-0000-7000-8000-000000000000";
    for time in [
        "-200000-01-01T00:00:00Z",
        "+200000-01-01T00:00:00Z",
        "9999-99-01T00:00:00Z",
    ] {
        let forged = cursor(&json!({ "o": "d-", "t": time, "i": id }).to_string());
        let query = "query($after: String) { drifts(after: $after) { nodes { id } } }";
        assert_eq!(
            t.refusal(query, json!({ "after": forged })).await,
            "BAD_USER_INPUT",
            "{time}"
        );
    }
}

#[tokio::test]
async fn a_page_has_fifty_rows_by_default() {
    let t = TestApp::new().await;
    let many = (0..60).map(|number| Listed::new("volume", &format!("v-{number:02}")));
    t.cloud_has(many).await;
    let query = "{ resources { totalCount nodes { id } pageInfo { hasNextPage } } }";
    let page = t.data(query, json!({})).await["resources"].clone();
    assert_eq!(ids(&page).len(), 50);
    assert_eq!(
        (&page["totalCount"], &page["pageInfo"]["hasNextPage"]),
        (&json!(60), &json!(true))
    );
}

/// Encodes a forged cursor in the format of the API.
fn cursor(inside: &str) -> String {
    use async_graphql::connection::{CursorType, OpaqueCursor};
    let inside: Value = serde_json::from_str(inside).unwrap();
    OpaqueCursor(inside).encode_cursor()
}

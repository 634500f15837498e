//! Pages skip rows of other programs that do not decode. Every other row appears once, in both directions.

use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use serde_json::{Value, json};

use crate::foreign_rows::{DRIFT_FAULTS, Faults, WANTED, faults, name, resized, spoil, sweep};
use crate::support::{ADMIN, TestApp};

/// Reads a list in pages of two, `forward` or from its end. `list` is a query of a connection with the arguments
/// `$page`; `text` returns the compared part of a row.
async fn walk(t: &TestApp, forward: bool, list: &str, text: impl Fn(&Value) -> String) -> Vec<String> {
    let (cursor, more) = if forward {
        ("endCursor", "hasNextPage")
    } else {
        ("startCursor", "hasPreviousPage")
    };
    let mut seen = Vec::new();
    let mut place = Value::Null;
    for _ in 0..30 {
        let page = if forward {
            format!("first: 2, after: {place}")
        } else {
            format!("last: 2, before: {place}")
        };
        let data = t.data(&list.replace("$page", &page), json!({})).await;
        let mut connection = &data;
        while connection.get("nodes").is_none() {
            connection = connection.as_object().unwrap().values().next().unwrap();
        }
        seen.extend(connection["nodes"].as_array().unwrap().iter().map(&text));
        if connection["pageInfo"][more] == false {
            return seen;
        }
        place = connection["pageInfo"][cursor].clone();
        assert!(
            place.is_string(),
            "a page without a cursor is not the last: {seen:?}"
        );
    }
    panic!("the list has no end: {seen:?}");
}

/// Checks that a list contains each droplet except these once, in both directions.
async fn shows_all_but(t: &TestApp, of: usize, left_out: &[usize], list: &str, what: &str) {
    let wanted: Vec<String> = (1..=of).filter(|n| !left_out.contains(n)).map(name).collect();
    for forward in [true, false] {
        let text = |node: &Value| {
            let named = node.get("resource").unwrap_or(node);
            named["name"].as_str().unwrap().to_owned()
        };
        let mut seen = walk(t, forward, list, text).await;
        seen.sort_unstable();
        assert_eq!(seen, wanted, "{what}, forward: {forward}");
    }
}

const INBOX: &str = "{ drifts($page) { totalCount nodes { id field resource { name } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
const SPOILT: [usize; 4] = [1, 2, 5, 9];

#[tokio::test]
async fn pages_of_the_inbox_skip_rows_that_do_not_decode() {
    for number in 0.. {
        let t = resized(9).await;
        let Some(fault) = faults(&t, DRIFT_FAULTS).get(number) else {
            break;
        };
        sweep(&t).await;
        spoil(&t, "cloud_drift", fault, &SPOILT).await;
        shows_all_but(&t, 9, &SPOILT, INBOX, fault).await;
        assert_eq!(over_rest(&t).await, 5, "{fault}");
    }
}

/// Returns the number of drifts in the response of the REST route.
async fn over_rest(t: &TestApp) -> usize {
    let bearer = format!("Bearer {}", t.token(Some(ADMIN), &["platform_admin"]));
    let request = Request::get("/api/v1/drift").header(header::AUTHORIZATION, bearer);
    let response = t.send(request.body(Body::empty()).unwrap()).await;
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let list: Value = serde_json::from_slice(&bytes).unwrap();
    let rows = list["drift"].as_array().unwrap().len();
    assert_eq!(list["count"], rows);
    rows
}

const RESOURCE_FAULTS: Faults = [
    &["attrs = 'not json'", "first_seen_at = 'yesterday'", "tags = ''"],
    &["attrs = '{\"n\":1e400}'", "first_seen_at = 'infinity'"],
];

#[tokio::test]
async fn pages_skip_resources_that_do_not_decode() {
    let resources = "{ resources($page) { nodes { name }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
    for number in 0.. {
        let t = resized(9).await;
        let Some(fault) = faults(&t, RESOURCE_FAULTS).get(number) else {
            break;
        };
        sweep(&t).await;
        spoil(&t, "cloud_resources", fault, &SPOILT).await;
        shows_all_but(&t, 9, &SPOILT, resources, fault).await;
        let whole = INBOX.replace("name }", "name attrs tags firstSeenAt }");
        shows_all_but(&t, 9, &SPOILT, &whole, fault).await;
        let edges = whole
            .replace("nodes {", "nodes { id } edges { node {")
            .replace("firstSeenAt } }", "firstSeenAt } } }");
        let data = t.data(&edges.replace("$page", "first: 50"), json!({})).await;
        assert_eq!(data["drifts"]["edges"].as_array().unwrap().len(), 5, "{fault}");
        // The columns that do not decode are not read.
        shows_all_but(&t, 9, &[], INBOX, fault).await;
    }
}

const EVENT_FAULTS: Faults = [
    &[
        "data = '{'",
        "occurred_at = 'then'",
        "occurred_at = '0'",
        "type = 'tagged'",
        "id = 'e' || hex(id)",
    ],
    &[
        "data = '{\"n\":1e400}'",
        "occurred_at = 'infinity'",
        "occurred_at = '-infinity'",
        "type = 'tagged'",
    ],
];

#[tokio::test]
async fn pages_of_events_skip_rows_that_do_not_decode() {
    for number in 0.. {
        let t = resized(1).await;
        for version in 2..=9 {
            let spec = json!({ "size_slug": WANTED, "n": version });
            assert_eq!(t.record_spec("web-1", spec).await.spec_version, version);
        }
        let Some(fault) = faults(&t, EVENT_FAULTS).get(number) else {
            break;
        };
        let events = format!(
            "{{ resource(id: \"{}\") {{ events($page) {{ nodes {{ data }}
            pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }} }}",
            t.resource("web-1").await.id
        );
        let versions = ["1", "2", "5", "9"].map(|version| format!("%\"specVersion\":{version}}}%"));
        for like in versions {
            let like = if t.database.is_postgres() {
                like.replace("\":", "\": ")
            } else {
                like
            };
            let sql =
                format!("UPDATE cloud_resource_events SET {fault} WHERE CAST(data AS text) LIKE '{like}'");
            assert_eq!(t.database.execute(sql).await.unwrap(), 1, "{fault}");
        }
        for forward in [true, false] {
            let seen = walk(&t, forward, &events, |node| {
                node["data"]["specVersion"].to_string()
            })
            .await;
            let mut seen: Vec<_> = seen.into_iter().filter(|version| version != "null").collect();
            seen.sort_unstable();
            assert_eq!(seen, ["3", "4", "6", "7", "8"], "{fault}, forward: {forward}");
        }
    }
}

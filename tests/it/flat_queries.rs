//! Lists that stay as fast as the history grows: pages of several statuses, of states and of searches have the same
//! rows as a plain scan, and read little more than their rows.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use entity::cloud_drift::{self as drift, DriftKind, DriftStatus, Severity};
use entity::cloud_resources as resources;
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, Iterable as _, QueryFilter, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::db::TestDb;
use crate::support::fleet::fleet;

/// Inserts drifts of these resources: `count` of each, with all statuses, equal and unset times.
async fn history(t: &TestApp, ids: &[Uuid], count: usize) -> Vec<drift::Model> {
    let now = t.now();
    let statuses: Vec<DriftStatus> = DriftStatus::iter().collect();
    let mut rows = Vec::new();
    for (place, id) in ids.iter().enumerate() {
        for n in 0..count {
            let status = statuses[(place + n) % statuses.len()];
            let at = now - TimeDelta::seconds(((place * 7 + n * 13) % 50) as i64);
            let closed = status != DriftStatus::Open && !(place + n).is_multiple_of(5);
            rows.push(drift::Model {
                id: Uuid::now_v7(),
                resource_id: *id,
                kind: if n == 3 {
                    DriftKind::Missing
                } else {
                    DriftKind::Changed
                },
                field: format!("field_{n}"),
                expected: None,
                actual: None,
                revision: 1,
                status,
                detected_at: at,
                resolved_at: closed.then(|| at + TimeDelta::seconds((n % 3) as i64)),
                resolved_by: None,
                resolution_note: None,
                close_reason: None,
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
            });
        }
    }
    use sea_orm::{ActiveModelTrait as _, IntoActiveModel as _};
    let inserted: Vec<drift::ActiveModel> = rows
        .iter()
        .cloned()
        .map(|row| row.into_active_model().reset_all())
        .collect();
    let inserted = &inserted;
    t.db()
        .write_txn(|txn| async move {
            for chunk in inserted.chunks(drift_inbox::db::ROWS_PER_INSERT) {
                drift::Entity::insert_many(chunk.to_vec())
                    .exec_without_returning(&*txn)
                    .await?;
            }
            Ok(())
        })
        .await
        .unwrap();
    rows
}

const PAGE: &str =
    "query($f: DriftFilter, $o: DriftOrder, $first: Int, $after: String, $last: Int, $before: String) {
    drifts(filter: $f, orderBy: $o, first: $first, after: $after, last: $last, before: $before) {
        pageInfo { startCursor endCursor hasNextPage hasPreviousPage } nodes { id } } }";

fn ids_of(page: &Value) -> Vec<String> {
    let nodes = page["drifts"]["nodes"].as_array().unwrap();
    nodes
        .iter()
        .map(|node| node["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Reads all pages of a list, from the start or from the end.
async fn all_pages(t: &TestApp, filter: &Value, order: &Value, backward: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let variables = if backward {
            json!({ "f": filter, "o": order, "last": 7, "before": cursor })
        } else {
            json!({ "f": filter, "o": order, "first": 7, "after": cursor })
        };
        let page = t.data(PAGE, variables).await;
        let info = &page["drifts"]["pageInfo"];
        let rows = ids_of(&page);
        let more = if backward {
            found.splice(0..0, rows);
            cursor = info["startCursor"].clone();
            &info["hasPreviousPage"]
        } else {
            found.extend(rows);
            cursor = info["endCursor"].clone();
            &info["hasNextPage"]
        };
        if more != true {
            return found;
        }
    }
}

fn in_order(
    rows: &[drift::Model],
    statuses: &[DriftStatus],
    resolved: bool,
    descending: bool,
) -> Vec<String> {
    let mut rows: Vec<&drift::Model> = rows.iter().filter(|row| statuses.contains(&row.status)).collect();
    rows.sort_by_key(|row| {
        let time: Option<DateTime<Utc>> = if resolved {
            row.resolved_at
        } else {
            Some(row.detected_at)
        };
        (time.is_none(), time, row.id)
    });
    if descending {
        rows.reverse();
    }
    rows.iter().map(|row| row.id.to_string()).collect()
}

#[tokio::test]
async fn pages_of_several_statuses_have_the_rows_of_a_sorted_list() {
    let t = TestApp::new().await;
    let ids = fleet(t.db(), 9, t.now()).await;
    let rows = history(&t, &ids, 7).await;
    use DriftStatus::{Accepted, Open, Reverted, Stale};
    for (names, statuses) in [
        (
            json!(["OPEN", "ACCEPTED", "STALE", "REVERTED"]),
            vec![Open, Accepted, Stale, Reverted],
        ),
        (json!(["STALE", "ACCEPTED", "STALE"]), vec![Accepted, Stale]),
        (json!(["REVERTED"]), vec![Reverted]),
    ] {
        for (field, resolved) in [("DETECTED_AT", false), ("RESOLVED_AT", true)] {
            for (direction, descending) in [("DESC", true), ("ASC", false)] {
                let order = json!({ "field": field, "direction": direction });
                let wanted = in_order(&rows, &statuses, resolved, descending);
                assert!(wanted.len() > 10);
                for backward in [false, true] {
                    let found = all_pages(&t, &json!({ "status": names }), &order, backward).await;
                    assert_eq!(found, wanted, "{names} {order} {backward}");
                }
            }
        }
    }
}

/// Names and provider ids that a search must take literally, and letters whose case is not ignored.
const NAMES: [&str; 12] = [
    "web-100%",
    "web_1",
    r"c:\temp",
    "O'Brien \"x\"",
    "Ünï-CODE",
    "ünï-code",
    "İstanbul",
    "a.b.c",
    "Mixed-Case-1",
    "ab",
    "日本語テスト",
    "tab\tname",
];

const TEXTS: [&str; 30] = [
    "w",
    "eb",
    "web",
    "WEB-1",
    "%",
    "_",
    "\\",
    "100%",
    "b_1",
    r":\t",
    "'",
    "\"",
    "o'b",
    "Ü",
    "ü",
    "Ünï",
    "ünï",
    "CODE",
    "code",
    "i",
    "İst",
    "a.b",
    "ab",
    "MIXED-case",
    "日本",
    "テスト",
    "fleet-59",
    "fleet",
    "field_1",
    "nothing",
];

#[tokio::test]
async fn a_search_finds_what_a_plain_scan_finds() {
    // The ids of 600 resources with a text are looked up, those of 2,100 are not.
    for size in [600, 2_100] {
        search_as_a_plain_scan(size).await;
    }
}

async fn search_as_a_plain_scan(size: usize) {
    let t = TestApp::new().await;
    let ids = fleet(t.db(), size, t.now()).await;
    for (id, name) in ids.iter().zip(NAMES) {
        let change = resources::Entity::update_many()
            .col_expr(resources::Column::Name, sea_orm::sea_query::Expr::val(name))
            .filter(resources::Column::Id.eq(*id));
        let change = &change;
        t.db()
            .write_txn(|txn| async move { Ok(change.clone().exec(&*txn).await?) })
            .await
            .unwrap();
    }
    let some: Vec<Uuid> = ids
        .iter()
        .step_by(3)
        .chain(&ids[..12])
        .copied()
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    let rows = history(&t, &some, 2).await;
    let stored = resources::Entity::find().all(t.db().reader()).await.unwrap();
    let contains =
        |text: &str, needle: &str| text.to_ascii_lowercase().contains(&needle.to_ascii_lowercase());
    let list = "query($f: DriftFilter, $r: ResourceFilter) { drifts(filter: $f, first: 200) { totalCount nodes { id } }
        resources(filter: $r, first: 200) { totalCount nodes { id } } driftFacets(filter: $f) { fields { count } } }";
    for text in TEXTS {
        let found: Vec<&resources::Model> = stored
            .iter()
            .filter(|row| contains(&row.name, text) || contains(&row.provider_id, text))
            .collect();
        for (names, statuses) in [
            (json!(["OPEN"]), vec![DriftStatus::Open]),
            (
                json!(["ACCEPTED", "STALE"]),
                vec![DriftStatus::Accepted, DriftStatus::Stale],
            ),
        ] {
            let matching: Vec<drift::Model> = rows
                .iter()
                .filter(|row| {
                    contains(&row.field, text) || found.iter().any(|found| found.id == row.resource_id)
                })
                .cloned()
                .collect();
            let wanted = in_order(&matching, &statuses, false, true);
            let filter = json!({ "status": names, "search": text });
            let page = t
                .data(list, json!({ "f": filter, "r": { "search": text } }))
                .await;
            assert_eq!(page["drifts"]["totalCount"], wanted.len(), "{text} {names}");
            assert_eq!(ids_of(&page), wanted[..wanted.len().min(200)], "{text} {names}");
            let counted: u64 = page["driftFacets"]["fields"]
                .as_array()
                .unwrap()
                .iter()
                .map(|f| f["count"].as_u64().unwrap())
                .sum();
            assert_eq!(counted, wanted.len() as u64, "{text} {names}");
            assert_eq!(page["resources"]["totalCount"], found.len(), "{text}");
            assert_eq!(
                page["resources"]["nodes"].as_array().unwrap().len(),
                found.len().min(200),
                "{text}"
            );
        }
    }
}

/// Without the extension, a search has no index; a later start creates it.
#[tokio::test]
async fn a_search_works_without_its_index_and_a_start_creates_it() {
    let t = TestApp::new().await;
    if !t.database.is_postgres() {
        return;
    }
    fleet(t.db(), 12, t.now()).await;
    let found = async || {
        let query = r#"{ resources(filter: { search: "FLEET-11" }) { totalCount } }"#;
        t.data(query, json!({})).await["resources"]["totalCount"].clone()
    };
    let index = async || {
        let sql = "SELECT count(*) AS n FROM pg_indexes WHERE indexname = 'ix_cloud_resources_search'";
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        let row = t.db().reader().query_one_raw(statement).await.unwrap().unwrap();
        row.try_get::<i64>("", "n").unwrap()
    };
    assert_eq!((found().await, index().await), (json!(1), 1));
    t.database
        .execute("DROP EXTENSION pg_trgm CASCADE")
        .await
        .unwrap();
    assert_eq!((found().await, index().await), (json!(1), 0));
    t.db().migrate().await.unwrap();
    assert_eq!((found().await, index().await), (json!(1), 1));
}

/// A server with this many resources, each with 5 drifts, of which every tenth resource is unmanaged, and the
/// statements that it runs from now on.
async fn with_history(count: usize) -> (TestApp, Arc<Mutex<Vec<Statement>>>) {
    let database = TestDb::create().await;
    let log = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&log);
    let db = database.connect_and_migrate().await;
    let db = db.observed(move |info| heard.lock().unwrap().push(info.statement.clone()));
    let t = TestApp::over(db, database);
    let ids = fleet(t.db(), count, t.now()).await;
    history(&t, &ids, 5).await;
    let unmanaged = "DELETE FROM cloud_provisioned WHERE resource_id IN \
        (SELECT id FROM cloud_resources WHERE provider_id LIKE '%9')";
    t.database.execute(unmanaged).await.unwrap();
    t.database.execute("ANALYZE").await.unwrap();
    log.lock().unwrap().clear();
    (t, log)
}

/// Returns the greatest number of rows that a step of the statements read, and its statement: rows of PostgreSQL; on SQLite 0, after a
/// check that no step scans a whole table.
async fn read_by(t: &TestApp, statements: &[Statement]) -> (i64, String) {
    let mut most = (0, String::new());
    for statement in statements {
        let explain = |how: &str| Statement {
            sql: format!("{how} {}", statement.sql),
            ..statement.clone()
        };
        if t.db().backend() == DbBackend::Sqlite {
            let rows = t
                .db()
                .reader()
                .query_all_raw(explain("EXPLAIN QUERY PLAN"))
                .await
                .unwrap();
            let steps: Vec<String> = rows
                .iter()
                .map(|row| row.try_get("", "detail").unwrap())
                .collect();
            for table in [
                "cloud_drift",
                "cloud_resources",
                "cloud_provisioned",
                "resource_states",
                "ignored_differences",
            ] {
                let whole =
                    |step: &&String| step.starts_with(&format!("SCAN {table}")) && !step.contains("USING");
                assert_eq!(steps.iter().find(whole), None, "{}\n{steps:#?}", statement.sql);
            }
            continue;
        }
        let rows = t
            .db()
            .reader()
            .query_all_raw(explain("EXPLAIN (ANALYZE, FORMAT JSON)"))
            .await
            .unwrap();
        let plan: Value = rows[0].try_get("", "QUERY PLAN").unwrap();
        let mut nodes = vec![&plan[0]["Plan"]];
        while let Some(node) = nodes.pop() {
            let loops = node["Actual Loops"].as_i64().unwrap();
            let dropped = node["Rows Removed by Filter"].as_i64().unwrap_or(0);
            let read = (node["Actual Rows"].as_i64().unwrap() + dropped) * loops;
            if read > most.0 {
                most = (read, statement.sql.clone());
            }
            nodes.extend(node["Plans"].as_array().into_iter().flatten());
        }
    }
    most
}

/// Queries with the greatest number of rows that a step of them may read.
const QUERIES: [(&str, i64); 12] = [
    (
        "{ drifts(first: 10, filter: { status: [ACCEPTED, STALE, REVERTED] }) { nodes { id } } }",
        40,
    ),
    (
        "{ drifts(last: 10, filter: { status: [ACCEPTED, STALE, OPEN] }, orderBy: { field: RESOLVED_AT }) { nodes { id } } }",
        40,
    ),
    (
        "{ drifts(first: 10, filter: { status: [OPEN, STALE], field: \"field_2\" }) { nodes { id } } }",
        40,
    ),
    (
        "{ drifts(first: 10, filter: { status: [STALE, ACCEPTED], kind: MISSING }) { nodes { id } } }",
        40,
    ),
    (
        "{ drifts(first: 10, filter: { status: [STALE, ACCEPTED], resourceKind: \"none\" }) { nodes { id } } }",
        40,
    ),
    (
        "{ drifts(filter: { status: [STALE, ACCEPTED, OPEN], field: \"field_2\" }) { totalCount } }",
        120,
    ),
    (
        "{ resources(first: 10, filter: { managed: false }) { nodes { id } } }",
        40,
    ),
    (
        "{ resources(last: 10, filter: { managed: false, kind: \"droplet\" }) { nodes { id } } }",
        40,
    ),
    ("{ resources(filter: { managed: false }) { totalCount } }", 120),
    ("{ forgottenResources { totalCount } }", 120),
    // No drift of the history is in this range.
    (
        "{ measures(from: \"2020-01-01T00:00:00Z\", to: \"2020-12-01T00:00:00Z\", groupBy: [SOURCE, KIND],
            filter: { status: [STALE, ACCEPTED, REVERTED] }) { total { opened closed } } }",
        40,
    ),
    (
        "{ coverage { kind unmanaged } driftFacets(filter: { status: [STALE, ACCEPTED] }) { fields { count } } }",
        120,
    ),
];

/// Makes a tenth of the droplets volumes, and puts a tenth of all into another region and a few into a third one.
async fn make_kinds_and_regions(t: &TestApp) {
    for change in [
        "UPDATE cloud_resources SET kind = 'volume' WHERE provider_id LIKE '%5'",
        "UPDATE cloud_resources SET region = 'ams3' WHERE provider_id LIKE '%3'",
        "UPDATE cloud_resources SET region = 'rare' WHERE provider_id LIKE '%71'",
        "UPDATE cloud_resources SET region = NULL WHERE provider_id LIKE '%05'",
        "ANALYZE",
    ] {
        t.database.execute(change).await.unwrap();
    }
}

/// Pages by kind or region with the greatest number of rows that a step of them may read.
const BY_KIND_OR_REGION: [(&str, i64); 3] = [
    (
        "{ drifts(first: 10, filter: { status: [STALE, OPEN], resourceKind: \"volume\" }) { nodes { id } } }",
        40,
    ),
    (
        "{ drifts(last: 10, filter: { status: [STALE, REVERTED], region: \"ams3\" },
            orderBy: { field: RESOLVED_AT }) { nodes { id } } }",
        40,
    ),
    (
        "{ drifts(first: 10, filter: { status: [ACCEPTED, OPEN], resourceKind: \"droplet\", region: \"rare\" }) {
            nodes { id } } }",
        40,
    ),
];

/// Gives all specs addresses in one module, and those of ten resources in a module below it.
async fn make_addresses(t: &TestApp) {
    let address = |module: &str, which: &str| {
        format!(
            "UPDATE cloud_provisioned SET address = (SELECT '{module}.digitalocean_droplet.' || r.provider_id \
             FROM cloud_resources AS r WHERE r.id = cloud_provisioned.resource_id) WHERE resource_id IN \
             (SELECT id FROM cloud_resources WHERE provider_id LIKE '{which}')"
        )
    };
    for change in [
        address("module.all", "%"),
        address("module.all.module.few[\"a\"]", "fleet-71_"),
        "ANALYZE".to_owned(),
    ] {
        t.database.execute(change).await.unwrap();
    }
    if t.database.is_postgres() {
        t.database
            .execute("VACUUM ANALYZE cloud_provisioned")
            .await
            .unwrap();
    }
}

/// Pages by address with the greatest number of rows that a step of them may read: a look-up of resources ends after
/// 2,001.
const BY_ADDRESS: [(&str, i64); 4] = [
    ("{ drifts(first: 10) { nodes { address terraformLines } } }", 40),
    (
        "{ drifts(first: 10, filter: { address: \"module.all.digitalocean_droplet.fleet-22\" }) { nodes { id } } }",
        40,
    ),
    (
        "{ drifts(first: 10, filter: { address: \"module.all.module.few\", status: [OPEN, STALE] }) { nodes { id } } }",
        80,
    ),
    (
        "{ drifts(first: 10, filter: { address: \"module.all\", status: [OPEN, STALE] }) { nodes { id } } }",
        2_100,
    ),
];

#[tokio::test]
async fn a_larger_history_does_not_make_pages_by_address_read_more_rows() {
    for size in [2_500, 5_000] {
        let (t, log) = with_history(size).await;
        make_addresses(&t).await;
        read_little(&t, &log, &BY_ADDRESS).await;
    }
}

/// A module of few resources and one of many have the drifts of a plain scan.
#[tokio::test]
async fn pages_by_address_have_the_rows_of_a_sorted_list() {
    let (t, _) = with_history(2_500).await;
    make_addresses(&t).await;
    for (address, of) in [
        ("module.all.module.few", "module.all.module.few[\"a\"].%"),
        ("module.all", "module.all.%"),
    ] {
        let sql = format!(
            "SELECT count(*) AS n FROM cloud_drift d JOIN cloud_provisioned p ON p.resource_id = d.resource_id \
             WHERE d.status IN ('open', 'stale') AND p.address LIKE '{of}'"
        );
        let statement = Statement::from_string(t.db().backend(), sql);
        let row = t.db().reader().query_one_raw(statement).await.unwrap().unwrap();
        let wanted: i64 = row.try_get("", "n").unwrap();
        assert!(wanted > 10);
        let filter = json!({ "status": ["OPEN", "STALE"], "address": address });
        let query =
            "query($f: DriftFilter) { drifts(filter: $f, first: 200) { totalCount nodes { id address } } }";
        let list = t.data(query, json!({ "f": filter })).await["drifts"].clone();
        assert_eq!(list["totalCount"], wanted, "{address}");
        let nodes = list["nodes"].as_array().unwrap();
        assert_eq!(nodes.len() as i64, wanted.min(200));
        let prefix = of.trim_end_matches('%');
        assert!(
            nodes
                .iter()
                .all(|node| node["address"].as_str().unwrap().starts_with(prefix))
        );
    }
}

/// Checks how many rows the queries read.
async fn read_little(t: &TestApp, log: &Mutex<Vec<Statement>>, queries: &[(&str, i64)]) {
    for (query, most) in queries {
        log.lock().unwrap().clear();
        t.data(query, json!({})).await;
        let statements = std::mem::take(&mut *log.lock().unwrap());
        let of_rows: Vec<Statement> = statements
            .into_iter()
            .filter(|statement| {
                ["SELECT", "WITH"]
                    .iter()
                    .any(|word| statement.sql.starts_with(word))
            })
            .collect();
        assert!(!of_rows.is_empty(), "{query}");
        let (read, statement) = read_by(t, &of_rows).await;
        assert!(read <= *most, "{query}: {read}\n{statement}");
    }
}

#[tokio::test]
async fn a_larger_history_does_not_make_queries_read_more_rows() {
    for size in [1_500, 4_500] {
        let (t, log) = with_history(size).await;
        read_little(&t, &log, &QUERIES).await;
    }
}

#[tokio::test]
async fn a_larger_history_does_not_make_pages_by_kind_or_region_read_more_rows() {
    for size in [750, 1_500] {
        let (t, log) = with_history(size).await;
        make_kinds_and_regions(&t).await;
        read_little(&t, &log, &BY_KIND_OR_REGION).await;
    }
}

/// Pages of several values, and of all but some.
const BY_SEVERAL: [(&str, i64); 5] = [
    (
        "{ drifts(first: 10, filter: { status: [OPEN, STALE], where: { field: { in: [\"field_2\", \"field_1\"] } } }) { nodes { id } } }",
        120,
    ),
    (
        "{ drifts(first: 10, filter: { status: [STALE], where: { field: { notIn: [\"field_2\"] } } }) { nodes { id } } }",
        120,
    ),
    (
        "{ drifts(first: 10, filter: { status: [STALE], where: { region: { notIn: [\"nyc3\"] } } }) { nodes { id } } }",
        120,
    ),
    (
        "{ drifts(first: 10, filter: { status: [OPEN, STALE], where: { resourceKind: { in: [\"volume\", \"domain\"] } } }) { nodes { id } } }",
        120,
    ),
    (
        "{ drifts(first: 10, filter: { status: [STALE, ACCEPTED], where: { provider: { notIn: [\"digitalocean\"] } } }) { nodes { id } } }",
        120,
    ),
];

#[tokio::test]
async fn a_larger_history_does_not_make_pages_of_several_values_read_more_rows() {
    for size in [750, 1_500] {
        let (t, log) = with_history(size).await;
        make_kinds_and_regions(&t).await;
        read_little(&t, &log, &BY_SEVERAL).await;
    }
}

/// Lists of ignored differences, and what the preview of a rule reads.
const OF_RULES: [(&str, i64); 2] = [
    ("{ ignoredDifferences(first: 10) { nodes { field } } }", 40),
    (
        "{ previewIgnoreRule(definition: { field: \"field_4\", kind: \"none\" }) { openCount pastCount } }",
        40,
    ),
];

#[tokio::test]
async fn more_ignored_differences_do_not_make_lists_of_them_read_more_rows() {
    for size in [1_500, 4_500] {
        let (t, log) = with_history(size).await;
        let rule = "00000000-0000-0000-0000-000000000001";
        let id = if t.database.is_postgres() {
            format!("'{rule}'")
        } else {
            format!("x'{}'", rule.replace('-', ""))
        };
        for change in [
            format!(
                "INSERT INTO ignore_rules (id, definition, field, reason, origin, created_by, created_at) \
                 SELECT {id}, '{{\"field\":\"rare\"}}', 'rare', 'expected', 'api', 'admin', min(first_seen_at) \
                 FROM cloud_resources"
            ),
            format!(
                "INSERT INTO ignored_differences (id, resource_id, field, rule_id, ignored_at, changed_at) \
                 SELECT id, id, CASE WHEN provider_id LIKE '%77' THEN 'rare' ELSE 'often' END, {id}, first_seen_at, \
                 first_seen_at FROM cloud_resources"
            ),
            "ANALYZE".to_owned(),
        ] {
            t.database.execute(change).await.unwrap();
        }
        read_little(&t, &log, &OF_RULES).await;
    }
}

/// SQLite reports no numbers of rows, so the indexes are checked.
#[tokio::test]
async fn a_page_by_kind_or_region_reads_ranges_of_the_index_of_its_order() {
    let (t, log) = with_history(300).await;
    make_kinds_and_regions(&t).await;
    for order in ["detected_at", "resolved_at"] {
        for of in [
            json!({ "resourceKind": "volume" }),
            json!({ "region": "ams3" }),
            json!({ "resourceKind": "droplet", "region": "rare" }),
        ] {
            let mut filter = of.clone();
            filter["status"] = json!(["STALE", "ACCEPTED"]);
            let by = json!({ "field": order.to_uppercase(), "direction": "DESC" });
            log.lock().unwrap().clear();
            let first = t.data(PAGE, json!({ "f": filter, "o": by, "first": 3 })).await;
            let after = first["drifts"]["pageInfo"]["endCursor"].clone();
            t.data(PAGE, json!({ "f": filter, "o": by, "first": 3, "after": after }))
                .await;
            let statements = std::mem::take(&mut *log.lock().unwrap());
            let pages: Vec<&Statement> = statements
                .iter()
                .filter(|statement| statement.sql.starts_with("SELECT") && statement.sql.contains("ORDER BY"))
                .collect();
            assert_eq!(pages.len(), 2);
            for page in pages {
                let explain = match t.db().backend() {
                    DbBackend::Sqlite => "EXPLAIN QUERY PLAN",
                    _ => "EXPLAIN",
                };
                let explain = Statement {
                    sql: format!("{explain} {}", page.sql),
                    ..page.clone()
                };
                let rows = t.db().reader().query_all_raw(explain).await.unwrap();
                let column = if t.database.is_postgres() {
                    "QUERY PLAN"
                } else {
                    "detail"
                };
                let plan: Vec<String> = rows.iter().map(|row| row.try_get("", column).unwrap()).collect();
                let reads: Vec<&String> = plan
                    .iter()
                    .filter(|step| {
                        ["SEARCH", "SCAN cloud", " Scan "]
                            .iter()
                            .any(|word| step.contains(word))
                    })
                    .filter(|step| step.contains("cloud_drift") && !step.contains("Bitmap Heap"))
                    .collect();
                // PostgreSQL sorts a range that it expects to have one row, which any of the indexes can give.
                let order = if t.database.is_postgres() { "" } else { order };
                let index = format!("ix_cloud_drift_resource_kind_region_{order}");
                assert!(!reads.is_empty(), "{plan:#?}");
                assert!(reads.iter().all(|step| step.contains(&index)), "{of} {plan:#?}");
            }
        }
    }
}

/// All pages of a filter by kind or region have the drifts of a plain scan, also of kinds without a region.
#[tokio::test]
async fn pages_by_kind_or_region_have_the_rows_of_a_sorted_list() {
    let t = TestApp::new().await;
    let ids = fleet(t.db(), 60, t.now()).await;
    let rows = history(&t, &ids, 3).await;
    make_kinds_and_regions(&t).await;
    let stored = resources::Entity::find().all(t.db().reader()).await.unwrap();
    use DriftStatus::{Accepted, Open, Stale};
    for (kind, region) in [
        (Some("volume"), None),
        (Some("droplet"), None),
        (None, Some("ams3")),
        (None, Some("nyc3")),
        (Some("volume"), Some("nyc3")),
        (Some("droplet"), Some("")),
        (Some("none"), None),
        (None, Some("none")),
    ] {
        let of_resource = |row: &&drift::Model| {
            stored.iter().any(|resource| {
                resource.id == row.resource_id
                    && kind.is_none_or(|kind| resource.kind == kind)
                    && region.is_none_or(|region| resource.region.as_deref() == Some(region))
            })
        };
        let rows: Vec<drift::Model> = rows.iter().filter(of_resource).cloned().collect();
        for (field, resolved) in [("DETECTED_AT", false), ("RESOLVED_AT", true)] {
            for (direction, descending) in [("DESC", true), ("ASC", false)] {
                let order = json!({ "field": field, "direction": direction });
                let filter = json!({ "status": ["STALE", "OPEN", "ACCEPTED"], "resourceKind": kind, "region": region });
                let wanted = in_order(&rows, &[Open, Stale, Accepted], resolved, descending);
                for backward in [false, true] {
                    let found = all_pages(&t, &filter, &order, backward).await;
                    assert_eq!(found, wanted, "{filter} {order} {backward}");
                }
            }
        }
    }
}

/// Whether the drifts of a kind are found by its resources or by walking the order depends on the number of resources.
#[tokio::test]
async fn a_page_by_kind_and_region_has_the_drifts_of_few_and_of_many_resources() {
    for size in [30, 2_100] {
        let (t, _) = with_history(size).await;
        let other = "UPDATE cloud_resources SET region = 'ams3' WHERE provider_id LIKE '%7'";
        t.database.execute(other).await.unwrap();
        let all = json!({ "status": ["OPEN", "STALE"] });
        let of_kind = json!({ "status": ["OPEN", "STALE"], "resourceKind": "droplet" });
        let pages = [all, of_kind].map(|filter| t.data(PAGE, json!({ "f": filter, "first": 20 })));
        let [all, of_kind] = pages;
        assert_eq!(ids_of(&all.await), ids_of(&of_kind.await), "{size}");
        let query = "query($f: DriftFilter) { drifts(first: 200, filter: $f) { totalCount
            nodes { resource { region } } } }";
        for region in ["ams3", "nyc3", ""] {
            let filter = json!({ "status": ["OPEN", "STALE"], "region": region, "resourceKind": "droplet" });
            let list = t.data(query, json!({ "f": filter })).await["drifts"].clone();
            let nodes = list["nodes"].as_array().unwrap();
            assert!(nodes.iter().all(|node| node["resource"]["region"] == region));
            let total = list["totalCount"].as_u64().unwrap();
            assert_eq!(nodes.len() as u64, total.min(200), "{size} {region}");
            assert_eq!(total > 0, !region.is_empty());
        }
    }
}

#[tokio::test]
async fn unmanaged_resources_are_listed_in_order_from_both_ends() {
    let (t, _) = with_history(60).await;
    let query = "query($first: Int, $after: String, $last: Int, $before: String) {
        resources(filter: { managed: false }, first: $first, after: $after, last: $last, before: $before) { totalCount
            pageInfo { startCursor endCursor hasNextPage hasPreviousPage } nodes { providerId } } }";
    let wanted: Vec<String> = (0..6).map(|n| format!("fleet-{}", n * 10 + 9)).collect();
    for (backward, first) in [(false, "first"), (true, "last")] {
        let mut found = Vec::new();
        let mut cursor = Value::Null;
        for _ in 0..2 {
            let position = if backward { "before" } else { "after" };
            let page = t.data(query, json!({ first: 4, position: cursor })).await["resources"].clone();
            assert_eq!(page["totalCount"], 6);
            let names = page["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|node| node["providerId"].as_str().unwrap().to_owned());
            let end = if backward { "startCursor" } else { "endCursor" };
            cursor = page["pageInfo"][end].clone();
            let place = if backward { 0 } else { found.len() };
            found.splice(place..place, names.collect::<Vec<_>>());
        }
        assert_eq!(found, wanted);
    }
}

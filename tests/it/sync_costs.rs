//! The cost of a sync: statements, rows that are read and written, and memory.

use std::sync::{Arc, Mutex};

use drift_inbox::jobs::JobRequest;
use drift_inbox::services::inventory::{SyncCounts, SyncOptions};
use entity::cloud_resources;
use entity::job_runs::JobOutcome;
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait as _, QueryOrder, Statement};
use serde_json::json;

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};
use crate::support::db::TestDb;
use crate::support::fleet::fleet;
use crate::support::process::Program;

/// The texts of the statements that were run.
type Log = Arc<Mutex<Vec<String>>>;

async fn observed() -> (TestApp, Log) {
    let (database, log) = (TestDb::create().await, Log::default());
    let seen = Arc::clone(&log);
    let db = database.connect_and_migrate().await;
    let db = db.observed(move |info| seen.lock().unwrap().push(info.statement.sql.clone()));
    (TestApp::over(db, database), log)
}

fn cloud(droplets: usize, changed: usize) -> Vec<Listed> {
    let one = |n: usize| {
        let size = if n < changed { "s-2" } else { "s-1" };
        droplet(&format!("web-{n:04}"))
            .size(size)
            .tags(["web", "prod"])
            .attr("disks", json!([{ "size": 25 }, { "size": n }]))
    };
    (0..droplets).map(one).collect()
}

async fn sync(t: &TestApp) -> SyncCounts {
    let run = t.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{:?}", run.error);
    serde_json::from_value(run.counts).unwrap()
}

/// The statements of a sync that changes this many of 500 droplets.
async fn sync_of(changed: usize) -> Vec<String> {
    let (t, log) = observed().await;
    t.cloud_has(cloud(500, 0)).await;
    t.cloud.set(cloud(500, changed));
    log.lock().unwrap().clear();
    assert_eq!(sync(&t).await.changed, changed as u64);
    std::mem::take(&mut log.lock().unwrap())
}

fn of_resources(statements: &[String]) -> Vec<&String> {
    let of_resources = |sql: &&String| sql.contains("\"cloud_resources\"");
    statements.iter().filter(of_resources).collect()
}

#[tokio::test]
async fn a_sync_of_many_changes_costs_the_same_statements_as_one_of_few() {
    let (few, many) = (sync_of(1).await, sync_of(500).await);
    assert_eq!(few.len(), many.len(), "{few:#?}\n{many:#?}");
    assert_eq!(of_resources(&few), of_resources(&many));
}

#[tokio::test]
async fn a_sync_without_changes_writes_no_row_and_reads_only_digests() {
    let (t, log) = observed().await;
    t.cloud_has(cloud(600, 0)).await;
    for resources in [600, 900] {
        t.cloud_has(cloud(resources, 0)).await;
        log.lock().unwrap().clear();
        let counts = sync(&t).await;
        assert_eq!((counts.resources, counts.changed), (resources as u64, 0));
        let log = std::mem::take(&mut *log.lock().unwrap());
        let reads = ["SELECT", "WITH RECURSIVE"];
        let writes = |sql: &&String| !reads.iter().any(|read| sql.starts_with(read));
        assert_eq!(of_resources(&log).into_iter().find(writes), None);
        let whole = |sql: &&String| sql.contains("\"attrs\"") || sql.contains("\"tags\"");
        assert_eq!(of_resources(&log).into_iter().find(whole), None);
        assert!(of_resources(&log).len() <= 2, "{log:#?}");
    }
}

/// The names and digests of all rows.
async fn digests(t: &TestApp) -> Vec<(String, Option<String>)> {
    let sql = "SELECT name, listed_digest FROM cloud_resources ORDER BY name";
    let rows = t
        .db()
        .reader()
        .query_all_raw(Statement::from_string(t.db().backend(), sql));
    let rows = rows.await.unwrap().into_iter();
    rows.map(|row| {
        (
            row.try_get("", "name").unwrap(),
            row.try_get("", "listed_digest").unwrap(),
        )
    })
    .collect()
}

async fn rows(t: &TestApp) -> Vec<cloud_resources::Model> {
    let rows = cloud_resources::Entity::find().order_by_asc(cloud_resources::Column::ProviderId);
    rows.all(t.db().reader()).await.unwrap()
}

#[tokio::test]
async fn rows_of_the_previous_release_get_a_digest_and_do_not_change() {
    let (t, log) = observed().await;
    t.cloud_has(cloud(700, 0)).await;
    let (before, known) = (t.tables().await, digests(&t).await);
    assert!(known.iter().all(|(_, digest)| digest.is_some()));
    for digest in ["NULL", "'of another form'"] {
        let sql = format!("UPDATE cloud_resources SET listed_digest = {digest}");
        t.database.execute(sql).await.unwrap();
        assert_eq!(sync(&t).await.changed, 0);
        assert_eq!(digests(&t).await, known);
        let after = t.tables().await;
        assert_eq!(
            (&after.resources, &after.events),
            (&before.resources, &before.events)
        );
    }
    log.lock().unwrap().clear();
    sync(&t).await;
    assert!(of_resources(&log.lock().unwrap()).len() <= 2);
}

/// Values that another program may assign to each column of a row, except its keys.
const ASSIGNMENTS: [(&str, &str); 15] = [
    ("urn", "'other'"),
    ("name", "'other'"),
    ("region", "'other'"),
    ("size_slug", "NULL"),
    ("status", "'other'"),
    ("tags", "'[\"other\"]'"),
    ("ip", "'203.0.113.1'"),
    ("vpc_uuid", "'other'"),
    ("project_id", "'other'"),
    ("attrs", "'{\"disks\": []}'"),
    ("revision", "7"),
    ("first_seen_at", "'2020-01-01T00:00:00+00:00'"),
    ("gone_at", "'2020-01-01T00:00:00+00:00'"),
    ("settling_since", "'2020-01-01T00:00:00+00:00'"),
    ("owned", "TRUE"),
];

#[tokio::test]
async fn a_row_that_another_program_or_an_older_server_changes_is_compared_again() {
    let t = TestApp::new().await;
    t.cloud_has(cloud(3, 0)).await;
    let columns: Vec<&str> = ASSIGNMENTS.iter().map(|(column, _)| *column).collect();
    let (before, known) = (rows(&t).await, digests(&t).await);
    for (column, value) in ASSIGNMENTS {
        let sql = format!("UPDATE cloud_resources SET {column} = {value} WHERE provider_id = 'web-0001'");
        t.database.execute(sql).await.unwrap();
        let cleared = digests(&t).await;
        assert_eq!(
            cleared.iter().filter(|(_, digest)| digest.is_none()).count(),
            1,
            "{column}"
        );
        let counts = sync(&t).await;
        let decided_by_listings = !["revision", "first_seen_at"].contains(&column);
        let healed = counts.changed + counts.discovered;
        assert_eq!(healed, u64::from(decided_by_listings), "{column}");
        let like_before = |(row, before): (&cloud_resources::Model, &cloud_resources::Model)| {
            let listed = cloud_resources::Model {
                revision: before.revision,
                first_seen_at: before.first_seen_at,
                ..row.clone()
            };
            listed == *before
        };
        assert!(rows(&t).await.iter().zip(&before).all(like_before), "{column}");
        assert_eq!(digests(&t).await, known, "{column}");
    }
    let all = [
        &["id", "provider", "kind", "provider_id"][..],
        &columns,
        &["source"],
    ]
    .concat();
    let entity: Vec<String> = <cloud_resources::Column as sea_orm::Iterable>::iter()
        .map(|column| sea_orm::IdenStatic::as_str(&column).to_owned())
        .collect();
    assert_eq!(
        all, entity,
        "every column that a listing sets is tried; a row of another source is not written"
    );
}

#[tokio::test]
async fn a_resource_that_is_gone_has_no_digest_until_it_returns() {
    let t = TestApp::new().await;
    t.cloud_has(cloud(2, 0)).await;
    let known = digests(&t).await;
    t.cloud_has(cloud(1, 0)).await;
    assert_eq!(
        digests(&t).await,
        [known[0].clone(), ("web-0001".to_owned(), None)]
    );
    t.cloud_has(cloud(2, 0)).await;
    assert_eq!(digests(&t).await, known);
}

#[tokio::test]
async fn unread_fields_keep_their_values_and_cost_no_write_either() {
    let (t, log) = observed().await;
    let project = |one: &mut Listed, project: Option<&str>| {
        one.resource.project_id = project.map(str::to_owned);
        if project.is_none() {
            one.resource.unread_fields.insert("project_id");
        }
    };
    let listed = |of: Option<&str>| {
        let mut all = cloud(3, 0);
        all.iter_mut().for_each(|one| project(one, of));
        all
    };
    t.cloud_has(listed(Some("p-1"))).await;
    let before = rows(&t).await;
    for _ in 0..2 {
        t.cloud.set(listed(None));
        assert_eq!(sync(&t).await.changed, 0);
        assert_eq!(rows(&t).await, before);
    }
    log.lock().unwrap().clear();
    sync(&t).await;
    assert!(of_resources(&log.lock().unwrap()).len() <= 2);
    t.cloud.set(listed(Some("p-2")));
    assert_eq!(sync(&t).await.changed, 3);
}

#[tokio::test]
async fn ids_are_merged_in_the_order_of_their_bytes() {
    let t = TestApp::new().await;
    let names = [
        "a",
        "B",
        "_",
        "-1",
        "Z",
        "z",
        "\u{e4}",
        "\u{10000}",
        "\u{ffff}",
        "a b",
        "ab",
        "A-b",
        "10",
        "9",
    ];
    let all = || names.map(droplet);
    t.cloud_has(all()).await;
    let before = t.tables().await.resources;
    for (lacking, name) in names.iter().enumerate() {
        let mut some = all().to_vec();
        some.remove(lacking);
        t.cloud.set(some);
        let counts = sync(&t).await;
        assert_eq!(
            (counts.gone, counts.changed, counts.discovered),
            (1, 0, 0),
            "{name}"
        );
        t.cloud.set(all());
        assert_eq!(sync(&t).await.discovered, 1);
    }
    assert_eq!(t.tables().await.resources.len(), before.len());
}

/// An inventory file of this many resources, 1 KiB each, in no order.
fn file(resources: usize, size: &str) -> String {
    let one = |n: usize| {
        let kind = ["droplet", "volume"][n % 2];
        json!({ "kind": kind, "providerId": format!("{:x}", n * 2_654_435_761 % 4_294_967_291),
            "name": format!("web-{n}"), "sizeSlug": size, "tags": ["a", "b"],
            "attrs": { "text": "x".repeat(700), "disks": [{ "size": 25 }, { "size": n }] } })
    };
    let resources: Vec<_> = (0..resources).map(one).collect();
    json!({ "provider": "digitalocean", "resources": resources }).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_of_ten_times_as_many_resources_needs_no_more_memory() {
    const FEW: usize = 1_000;
    let mut peaks = Vec::new();
    for resources in [FEW, 10 * FEW] {
        let (database, db) = TestDb::migrated().await;
        let mut program = Program::new()
            .with("DATABASE_URL", &database.url)
            .with("DRIFT_INVENTORY_FILE", "inventory.json");
        for size in ["s-1", "s-1", "s-2"] {
            program = program.with_file("inventory.json", file(resources, size));
            let (peak, ended) = program.start(&["sync"]).peak_memory();
            assert_eq!(ended.code, Some(0), "{}", ended.output());
            peaks.push(peak);
        }
        let stored = cloud_resources::Entity::find().count(db.reader()).await.unwrap();
        assert_eq!(stored, resources as u64);
    }
    let most_of_few = peaks[..3].iter().max().unwrap();
    // The file has 8 MiB more, and its resources in memory would need several times as much. SQLite keeps some pages of
    // a larger database for each connection.
    let limit = most_of_few + 20 * 1024;
    assert!(peaks.iter().all(|peak| *peak > 0 && *peak < limit), "{peaks:?}");
}

#[tokio::test]
async fn a_narrowed_sync_compares_only_its_kinds() {
    let (t, log) = observed().await;
    t.cloud_has([droplet("web-1"), Listed::new("volume", "data")])
        .await;
    log.lock().unwrap().clear();
    let options = SyncOptions {
        kinds: Some(["volume".to_owned()].into()),
        ..SyncOptions::default()
    };
    t.app.jobs().run(JobRequest::Sync(options)).await.unwrap();
    assert_eq!(
        of_resources(&log.lock().unwrap()).len(),
        2,
        "the kinds, and the volumes"
    );
}

#[tokio::test]
async fn a_sync_reads_the_stored_rows_in_ranges_of_an_index() {
    const ROWS: usize = 2_500;
    let database = TestDb::create().await;
    let log: Arc<Mutex<Vec<Statement>>> = Arc::default();
    let kept = Arc::clone(&log);
    let db = database.connect_and_migrate().await;
    let db = db.observed(move |info| kept.lock().unwrap().push(info.statement.clone()));
    let t = TestApp::over(db, database);
    fleet(t.db(), ROWS, t.now()).await;
    log.lock().unwrap().clear();
    // The guard against a mass deletion reads all rows and then refuses.
    t.cloud.set([droplet("web-1")]);
    let run = t
        .app
        .jobs()
        .run(JobRequest::Sync(SyncOptions::default()))
        .await
        .unwrap();
    assert_eq!(run.outcome, Some(JobOutcome::Failed), "{:?}", run.error);
    let scans: Vec<_> = std::mem::take(&mut *log.lock().unwrap())
        .into_iter()
        .filter(|statement| statement.sql.contains("listed_digest"))
        .collect();
    assert_eq!(scans.len(), 3, "ranges of 1,000 rows: {scans:#?}");
    let is_postgres = t.database.is_postgres();
    for scan in scans {
        let how = if is_postgres {
            "EXPLAIN"
        } else {
            "EXPLAIN QUERY PLAN"
        };
        let explain = Statement {
            sql: format!("{how} {}", scan.sql),
            ..scan
        };
        let column = if is_postgres { "QUERY PLAN" } else { "detail" };
        let rows = t.db().reader().query_all_raw(explain).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.try_get("", column).unwrap()).collect();
        let uses_index = |step: &String| step.contains("uq_cloud_resources_provider_kind_provider_id");
        let sorts = |step: &String| step.contains("Sort") || step.contains("TEMP B-TREE");
        assert!(
            plan.iter().any(uses_index) && !plan.iter().any(sorts),
            "{plan:#?}"
        );
    }
}

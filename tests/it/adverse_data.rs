//! Data that costs much if it is handled badly: large values, fields that all differ, tables that were empty when their
//! plans were made, and the random ids of other programs.

use drift_inbox::services::detection::{self, Scope};
use entity::{cloud_provisioned as provisioned, cloud_resources as resources};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, Statement};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::cloud::Listed;
use crate::support::fleet::{fleet, fleet_with, live_row, wanted_row};
use crate::support::process::Program;

/// Inserts one resource with a spec, as another program would. Returns its id.
async fn insert(t: &TestApp, number: usize, id: Uuid, attrs: Value, spec: Value) -> Uuid {
    let now = t.now();
    let live = resources::ActiveModel {
        attrs: Set(attrs),
        ..live_row(number, id, now)
    };
    let wanted = provisioned::ActiveModel {
        spec: Set(spec),
        ..wanted_row(id, now)
    };
    t.db()
        .write_txn(|txn| {
            let (live, wanted) = (live.clone(), wanted.clone());
            async move {
                resources::Entity::insert(live)
                    .exec_without_returning(&*txn)
                    .await?;
                provisioned::Entity::insert(wanted)
                    .exec_without_returning(&*txn)
                    .await?;
                Ok(())
            }
        })
        .await
        .unwrap();
    id
}

/// The numbers below `length`, each once, in another order.
fn shuffled(length: u64) -> Vec<u64> {
    (0..length).map(|n| n * 7_919 % length).collect()
}

/// A map inside a map, `depth` times.
fn nested(depth: usize, leaf: &str) -> Value {
    (0..depth).fold(json!(leaf), |inner, _| json!({ "inner": inner, "enabled": true }))
}

#[tokio::test]
async fn large_values_are_equal_in_another_order_and_one_changed_element_is_found() {
    const ELEMENTS: u64 = 10_000;
    let t = TestApp::new().await;
    let text = "x".repeat(150_000);
    let attrs = json!({ "list": shuffled(ELEMENTS), "map": nested(31, "1"), "text": text });
    let spec = json!({ "list": (0..ELEMENTS).collect::<Vec<_>>(), "map": nested(31, "1"), "text": text });
    insert(&t, 1, Uuid::new_v4(), attrs.clone(), spec.clone()).await;
    let mut other = spec.clone();
    other["list"][4_711] = json!(ELEMENTS);
    other["map"] = nested(31, "2");
    other["text"] = json!(format!("{text}y"));
    let different = insert(&t, 2, Uuid::new_v4(), attrs, other).await;

    let counts = t.sweep().await;
    assert_eq!(
        (counts.resources, counts.fields_compared, counts.opened),
        (2, 6, 3)
    );
    let fields: Vec<_> = t
        .inbox()
        .await
        .into_iter()
        .map(|drift| (drift.resource_id, drift.field))
        .collect();
    let expected: Vec<_> = ["list", "map", "text"]
        .iter()
        .map(|field| (different, (*field).to_owned()))
        .collect();
    assert_eq!(fields.len(), 3);
    assert!(expected.iter().all(|drift| fields.contains(drift)), "{fields:?}");
    let drift = t.open_drift("fleet-2", "list").await;
    t.accept(&drift).await.unwrap();
    let spec = &t.spec("fleet-2").await.spec;
    assert_eq!(spec["list"].as_array().unwrap().len() as u64, ELEMENTS);
    assert_eq!(t.sweep().await.opened, 0);
}

/// Large resources that follow many small ones: the size of the rows that were read does not announce theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_holds_few_large_resources_in_memory_at_a_time() {
    const SMALL: usize = 2_500;
    const LARGE: usize = 300;
    let t = TestApp::today().await;
    fleet(t.db(), SMALL, t.now()).await;
    let program = Program::new().with("DATABASE_URL", &t.database.url);
    let (before, _) = program.start(&["detect"]).peak_memory();
    for n in 0..LARGE {
        let attrs = json!({ "text": "x".repeat(1_000_000), "backups": true });
        insert(&t, SMALL + n, Uuid::now_v7(), attrs, json!({ "backups": false })).await;
    }
    t.database.execute("DELETE FROM upkeep").await.unwrap();
    let (after, _) = program.start(&["detect"]).peak_memory();
    assert_eq!(t.inbox().await.len(), 3 * SMALL + LARGE);
    // The large resources have 300 MB. The driver of SQLite reads 50 rows ahead.
    assert!(after < before + 150 * 1024, "{before} KiB, then {after} KiB");
}

#[tokio::test]
async fn a_spec_of_which_every_field_differs_costs_no_statement_per_field() {
    const FIELDS: usize = 400;
    let t = TestApp::new().await;
    let values = |value: &str| -> Value {
        (0..FIELDS)
            .map(|n| (format!("field_{n:03}"), json!(value)))
            .collect::<Map<_, _>>()
            .into()
    };
    for n in 0..3 {
        insert(&t, n, Uuid::new_v4(), values("live"), values("desired")).await;
    }
    let statements = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&statements);
    let db = t.db().clone().observed(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let swept = detection::detect_all(&db, t.app.clock(), &Scope::All, |_| {}).await;
    assert_eq!(swept.unwrap().opened as usize, 3 * FIELDS);
    let statements = statements.load(Ordering::SeqCst);
    assert!(
        statements < 80,
        "{statements} statements for {} drifts",
        3 * FIELDS
    );
}

/// Every session plans its statements while the tables are empty and keeps the plans.
#[tokio::test]
async fn plans_that_were_made_for_empty_tables_read_no_whole_table_later() {
    const ROWS: usize = 3_000;
    let volume = |n: usize| Listed::new("volume", &format!("data-{n}"));
    let t = TestApp::new().await;
    for _ in 0..8 {
        t.cloud_has([]).await;
        t.sweep().await;
    }
    t.cloud_has((0..ROWS).map(volume)).await;
    t.cloud_has((0..ROWS).map(|n| volume(n).size("large"))).await;
    fleet(t.db(), ROWS, t.now()).await;
    assert_eq!(t.sweep().await.opened, 3 * ROWS as u64);
    assert_eq!(t.tables().await.resources.len(), 2 * ROWS);
    if !t.database.is_postgres() {
        return;
    }
    // The statistics of a session are complete once it has ended.
    t.db().clone().close().await.unwrap();
    let db = t.database.connect().await;
    let read = "SELECT relname, seq_tup_read FROM pg_stat_user_tables WHERE relname LIKE 'cloud_%' OR relname LIKE '%totals' \
        OR relname IN ('resource_states', 'sweep_marks')";
    let rows = db
        .reader()
        .query_all_raw(Statement::from_string(db.backend(), read))
        .await
        .unwrap();
    let read: Vec<(String, i64)> = rows
        .iter()
        .map(|row| {
            (
                row.try_get("", "relname").unwrap(),
                row.try_get("", "seq_tup_read").unwrap(),
            )
        })
        .collect();
    db.close().await.unwrap();
    assert!(
        read.iter().any(|(table, _)| table == "cloud_resources"),
        "{read:?}"
    );
    let most = 20 * ROWS as i64;
    assert!(read.iter().all(|(_, rows)| *rows < most), "{read:?}");
}

/// Sessions plan their pages again once the table is analyzed.
#[tokio::test]
async fn the_table_of_drifts_is_analyzed_when_a_sweep_fills_it() {
    for (resources, is_many) in [(100, false), (400, true)] {
        let t = TestApp::new().await;
        fleet(t.db(), resources, t.now()).await;
        assert_eq!(t.sweep().await.opened, 3 * resources as u64);
        if !t.database.is_postgres() {
            continue;
        }
        let sql = "SELECT last_analyze IS NOT NULL AS analyzed FROM pg_stat_user_tables WHERE relname = 'cloud_drift'";
        let statement = Statement::from_string(t.db().backend(), sql);
        let row = t.db().reader().query_one_raw(statement).await.unwrap().unwrap();
        assert_eq!(row.try_get::<bool>("", "analyzed").unwrap(), is_many);
    }
}

#[tokio::test]
async fn random_ids_are_compared_like_ordered_ones() {
    const COUNT: usize = 2_300;
    let t = TestApp::new().await;
    fleet_with(t.db(), (0..COUNT).map(|_| Uuid::new_v4()).collect(), t.now()).await;
    let counts = t.sweep().await;
    assert_eq!(
        (counts.resources, counts.opened),
        (COUNT as u64, 3 * COUNT as u64)
    );
    let counts = t.sweep().await;
    assert_eq!(
        (counts.resources, counts.opened, counts.fields_compared),
        (COUNT as u64, 0, 0)
    );
}

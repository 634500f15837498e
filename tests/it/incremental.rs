//! A sweep compares only what changed since everything was compared, and finds what a comparison of everything finds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use drift_inbox::domain::schedule::{Schedule, Schedules};
use drift_inbox::jobs::JobRequest;
use drift_inbox::services::detection::SweepCounts;
use drift_inbox::services::inventory::SyncOptions;
use drift_inbox::services::job_runs;
use drift_inbox::services::retirement::{RetireSpec, retire_spec};
use entity::cloud_drift::DriftStatus;
use entity::job_runs::{Job, JobOutcome};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;

use crate::schedule::eventually;
use crate::support::cloud::{Listed, droplet};
use crate::support::db::TestDb;
use crate::support::{ADMIN, TestApp};

/// Makes the next sweep compare everything.
async fn forget_comparisons(t: &TestApp) {
    t.database
        .execute("DELETE FROM upkeep WHERE task LIKE 'comparison of %'")
        .await
        .unwrap();
}

async fn marks(t: &TestApp) -> i64 {
    let count = Statement::from_string(t.db().backend(), "SELECT count(*) FROM sweep_marks");
    let row = t.db().reader().query_one_raw(count).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// Three droplets, one larger than in its spec, after a sweep.
async fn compared() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has(["a", "b", "c"].map(|name| droplet(name).size(if name == "a" { "large" } else { "small" })))
        .await;
    for name in ["a", "b", "c"] {
        t.record_spec(name, json!({ "size_slug": "small", "region": "nyc3" }))
            .await;
    }
    let counts = t.sweep().await;
    assert_eq!(
        (counts.resources, counts.fields_compared, counts.opened),
        (3, 6, 1)
    );
    t
}

#[tokio::test]
async fn a_second_sweep_compares_nothing_and_counts_everything() {
    let t = compared().await;
    assert_eq!(marks(&t).await, 0, "the changes of a sweep itself are not marked");
    let counts = t.sweep().await;
    let nothing = SweepCounts {
        resources: 3,
        ..SweepCounts::default()
    };
    assert_eq!(counts, nothing);
    t.later(TimeDelta::hours(24));
    assert_eq!(
        t.sweep().await.fields_compared,
        6,
        "once a day, everything is compared"
    );
}

#[tokio::test]
async fn only_what_changed_is_compared() {
    let t = compared().await;
    t.cloud_has([
        droplet("a").size("large"),
        droplet("b").size("huge"),
        droplet("c").size("small"),
    ])
    .await;
    let counts = t.sweep().await;
    assert_eq!(
        (counts.resources, counts.fields_compared, counts.opened),
        (3, 2, 1)
    );
    t.accept(&t.open_drift("b", "size_slug").await).await.unwrap();
    t.record_spec("c", json!({ "size_slug": "tiny" })).await;
    let counts = t.sweep().await;
    assert_eq!(
        (counts.resources, counts.fields_compared, counts.opened),
        (3, 3, 1)
    );
    assert_eq!(marks(&t).await, 0);
}

#[tokio::test]
async fn changes_of_other_programs_are_compared() {
    let t = compared().await;
    for (sql, opened, staled) in [
        ("DELETE FROM cloud_drift", 1, 0),
        ("UPDATE cloud_drift SET status = 'stale'", 1, 0),
        (
            "UPDATE cloud_drift SET actual = '\"other\"' WHERE status = 'open'",
            0,
            0,
        ),
        (
            "UPDATE cloud_resources SET size_slug = 'small' WHERE name = 'a'",
            0,
            1,
        ),
        (
            "UPDATE cloud_provisioned SET spec = '{\"size_slug\":\"x\"}'",
            3,
            0,
        ),
        ("DELETE FROM cloud_provisioned WHERE source <> 'none'", 0, 0),
    ] {
        t.database.execute(sql).await.unwrap();
        let counts = t.sweep().await;
        assert_eq!(
            (counts.opened, counts.staled),
            (opened, staled),
            "{sql}: {counts:?}"
        );
    }
    assert_eq!(t.sweep().await.resources, 0, "no spec is left");
}

/// A program that changes a resource with each statement that a sweep runs on marks does not keep the sweep from ending.
#[tokio::test]
async fn changes_during_a_sweep_are_left_to_the_next_one() {
    let database = TestDb::create().await;
    let changing = Arc::new(AtomicBool::new(false));
    let (is_changing, changes) = (Arc::clone(&changing), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&changes);
    let (foreign, statements) = (
        database.connect().await,
        tokio::sync::mpsc::unbounded_channel::<()>(),
    );
    let (heard, mut to_change) = statements;
    let db = database.connect_and_migrate().await.observed(move |info| {
        if is_changing.load(Ordering::SeqCst) && info.statement.sql.contains("sweep_marks") {
            counted.fetch_add(1, Ordering::SeqCst);
            heard.send(()).unwrap();
        }
    });
    tokio::spawn(async move {
        while to_change.recv().await.is_some() {
            let change = "UPDATE cloud_resources SET size_slug = size_slug || 'x' WHERE name = 'a'";
            foreign
                .write_txn(|txn| async move {
                    txn.execute_unprepared(change).await?;
                    Ok(())
                })
                .await
                .unwrap();
        }
    });
    let t = TestApp::over(db, database);
    t.cloud_has([droplet("a").size("large")]).await;
    t.record_spec("a", json!({ "size_slug": "small" })).await;
    t.sweep().await;
    changing.store(true, Ordering::SeqCst);
    t.record_spec("a", json!({ "size_slug": "tiny" })).await;
    tokio::time::timeout(Duration::from_secs(20), t.sweep())
        .await
        .unwrap();
    changing.store(false, Ordering::SeqCst);
    assert!(changes.load(Ordering::SeqCst) <= 12, "{changes:?}");
}

#[tokio::test]
async fn everything_is_compared_if_there_are_more_marks_than_specs() {
    let t = compared().await;
    let many = match t.db().backend() {
        DbBackend::Postgres => {
            "INSERT INTO sweep_marks (resource_id) SELECT id FROM cloud_resources, generate_series(1, 2000)"
        }
        _ => {
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000) \
             INSERT INTO sweep_marks (resource_id) SELECT id FROM cloud_resources, n"
        }
    };
    t.database.execute(many).await.unwrap();
    assert_eq!(t.sweep().await.fields_compared, 6);
    assert_eq!(
        marks(&t).await,
        0,
        "all were deleted, also those that were not read"
    );
}

#[tokio::test]
async fn what_a_sweep_leaves_over_is_compared_by_the_next_one() {
    let t = compared().await;
    t.imported("new").await;
    t.record_spec("new", json!({ "region": "nyc3" })).await;
    for _ in 0..3 {
        let counts = t.sweep().await;
        assert_eq!((counts.resources, counts.unsynced, counts.looked_at()), (3, 1, 4));
        assert_eq!(marks(&t).await, 1, "one mark is enough");
    }
    forget_comparisons(&t).await;
    let counts = t.sweep().await;
    assert_eq!(
        (counts.resources, counts.fields_compared, counts.unsynced),
        (3, 6, 1)
    );
    let counts = t.sweep().await;
    assert_eq!(
        (counts.resources, counts.fields_compared, counts.unsynced),
        (3, 0, 1)
    );
}

#[tokio::test]
async fn a_failed_comparison_of_everything_is_repeated() {
    let t = compared().await;
    // The row of a comparison that has begun and not ended.
    t.database
        .execute("UPDATE upkeep SET finished_at = NULL WHERE task LIKE 'comparison of %'")
        .await
        .unwrap();
    assert_eq!(t.sweep().await.fields_compared, 6);
    assert_eq!(t.sweep().await.fields_compared, 0);
}

#[tokio::test]
async fn a_table_that_was_emptied_at_once_makes_the_next_sweep_compare_everything() {
    let t = compared().await;
    let empty = if t.database.is_postgres() {
        "TRUNCATE cloud_drift"
    } else {
        "DELETE FROM cloud_drift"
    };
    t.database.execute(empty).await.unwrap();
    assert_eq!(t.sweep().await.opened, 1);
}

#[tokio::test]
async fn a_change_that_a_sync_brings_is_in_the_inbox_without_a_tick() {
    let t = compared().await;
    let server = t.scheduled(Schedules {
        detect: Some(Schedule::parse("0 0 0 1 1 *", t.now()).unwrap()),
        ..Schedules::default()
    });
    t.cloud.set([
        droplet("a").size("large"),
        droplet("b").size("huge"),
        droplet("c").size("small"),
    ]);
    t.later(TimeDelta::seconds(1));
    server
        .jobs()
        .run(JobRequest::Sync(SyncOptions::default()))
        .await
        .unwrap();
    server.jobs().drain(Duration::from_secs(60)).await.unwrap();
    assert_eq!(t.open_drift("b", "size_slug").await.actual, Some(json!("huge")));
    let sweep = t.runs().await.pop().unwrap();
    assert_eq!(
        (sweep.job, sweep.narrowed, sweep.trigger),
        (Job::DetectDrift, false, None)
    );
    assert_eq!(sweep.counts["fieldsCompared"], 2);
}

#[tokio::test]
async fn a_change_that_a_sync_brings_during_a_sweep_is_in_the_inbox_without_a_tick() {
    let t = compared().await;
    let server = t.scheduled(Schedules {
        detect: Some(Schedule::parse("0 0 0 1 1 *", t.now()).unwrap()),
        ..Schedules::default()
    });
    // A sweep of another server, which has read its marks already.
    let active = job_runs::claim(t.db(), Job::DetectDrift).await.unwrap();
    t.cloud.set([
        droplet("a").size("large"),
        droplet("b").size("huge"),
        droplet("c").size("small"),
    ]);
    t.later(TimeDelta::seconds(1));
    let sync = server.jobs().run(JobRequest::Sync(SyncOptions::default()));
    sync.await.unwrap();
    let ended = job_runs::Report {
        outcome: JobOutcome::Succeeded,
        counts: json!({}),
        error: None,
    };
    assert_eq!(t.inbox().await.len(), 1);
    job_runs::finish(t.db(), active.id, &ended).await.unwrap();
    eventually("the drift", async || t.inbox().await.len() == 2).await;
    assert_eq!(t.open_drift("b", "size_slug").await.actual, Some(json!("huge")));
    server.jobs().drain(Duration::from_secs(60)).await.unwrap();
}

/// A small generator of pseudo-random numbers, so that a history that fails can be repeated.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.throw(of.len() as u64)).unwrap()]
    }
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const SIZES: [&str; 3] = ["s", "m", "l"];

fn listed(dice: &mut Dice) -> Vec<Listed> {
    // At most one is gone, because a listing that lacks more than half of a kind is refused.
    let gone = dice.throw(12);
    (0..)
        .zip(NAMES)
        .filter(|(n, _)| *n != gone)
        .map(|(_, name)| droplet(name).size(dice.pick(&SIZES)).attr("n", dice.throw(3)))
        .collect()
}

/// One step of a history.
async fn step(t: &TestApp, dice: &mut Dice) {
    let name = dice.pick(&NAMES);
    let foreign = [
        "UPDATE cloud_resources SET size_slug = 's', revision = revision + 1 WHERE name = 'a'",
        "UPDATE cloud_resources SET attrs = '{\"n\":7}' WHERE name = 'b'",
        "UPDATE cloud_resources SET attrs = '[]' WHERE name = 'c'",
        "UPDATE cloud_resources SET attrs = '{\"n\":1}' WHERE name = 'c'",
        "UPDATE cloud_provisioned SET spec = '{\"n\":1}', not_compared = NULL",
        "UPDATE cloud_drift SET status = 'stale' WHERE field = 'n'",
        "UPDATE cloud_drift SET expected = '\"x\"' WHERE status = 'open'",
        "DELETE FROM cloud_drift WHERE field = 'size_slug'",
        "UPDATE cloud_resources SET settling_since = '2027-01-01T12:00:00+00:00' WHERE name = 'd'",
        "UPDATE cloud_resources SET settling_since = NULL",
        "UPDATE cloud_resources SET first_seen_at = NULL WHERE name = 'e'",
    ];
    match dice.throw(8) {
        0 | 1 => {
            t.cloud.set(listed(dice));
            t.sync().await;
        }
        2 | 3 => {
            let spec = json!({ "size_slug": dice.pick(&SIZES), "n": dice.throw(3) });
            t.record_spec(name, spec).await;
        }
        4 => {
            if let Some(drift) = t.inbox().await.first() {
                _ = t.accept(drift).await;
            }
        }
        5 => {
            let spec = t.spec(name).await;
            let retire = RetireSpec {
                resource_id: spec.resource_id,
                expected_version: spec.spec_version,
            };
            _ = retire_spec(t.db(), ADMIN, retire, t.now()).await;
        }
        6 => t.later(TimeDelta::minutes(9)),
        _ => {
            t.database.execute(dice.pick(&foreign)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn histories_of_changes_lead_to_the_inbox_of_a_comparison_of_everything() {
    for seed in 1..=4 {
        let mut dice = Dice(seed);
        let t = TestApp::new().await;
        t.cloud_has(NAMES.map(|name| droplet(name).size("m").attr("n", 1)))
            .await;
        for name in NAMES {
            t.record_spec(name, json!({ "size_slug": "m", "n": 1 })).await;
        }
        t.sweep().await;
        for number in 0..40 {
            for _ in 0..=dice.throw(3) {
                step(&t, &mut dice).await;
            }
            let some = t.sweep().await;
            if dice.throw(3) > 0 {
                continue;
            }
            let inbox = t.inbox().await;
            forget_comparisons(&t).await;
            let all = t.sweep().await;
            let expected = SweepCounts {
                fields_compared: all.fields_compared,
                opened: 0,
                changed: 0,
                staled: 0,
                ..some
            };
            assert_eq!(all, expected, "seed {seed}, step {number}");
            assert_eq!(t.inbox().await, inbox, "seed {seed}, step {number}");
        }
        assert!(
            t.drifts()
                .await
                .iter()
                .any(|drift| drift.status != DriftStatus::Open)
        );
    }
}

//! Purges: old rows are deleted, except decisions and rows in use.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use drift_inbox::app::App;
use drift_inbox::clock::Clock;
use drift_inbox::domain::retention::Retention;
use drift_inbox::domain::schedule::Schedules;
use drift_inbox::jobs::JobRequest;
use drift_inbox::provider::terraform::State;
use drift_inbox::services::imports::ImportOptions;
use drift_inbox::services::inventory::SyncOptions;
use drift_inbox::services::job_runs::{self, claim};
use drift_inbox::services::retention::{Purged, purge, purge_if_due};
use entity::cloud_drift::DriftStatus;
use entity::cloud_resource_events::EventType;
use entity::job_runs::{Job, JobOutcome};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbBackend, EntityTrait as _, QueryFilter as _, Statement};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};
use crate::support::db::TestDb;
use crate::support::state::droplets;

const KEEP: Retention = Retention {
    gone_resources: Some(TimeDelta::days(2)),
    events: Some(TimeDelta::days(3)),
    job_runs: Some(TimeDelta::days(2)),
    decisions: None,
};

/// Returns the number of rows of a table.
pub(crate) async fn rows(t: &TestApp, table: &str) -> u64 {
    let sql = format!("SELECT CAST(count(*) AS bigint) AS n FROM {table}");
    let counted = Statement::from_string(t.db().backend(), sql);
    let row = t.db().reader().query_one_raw(counted).await.unwrap().unwrap();
    u64::try_from(row.try_get::<i64>("", "n").unwrap()).unwrap()
}

impl TestApp {
    /// Runs a purge with these retention settings.
    async fn purge(&self, keep: Retention) -> Purged {
        let clock = Clock::Manual(self.clock.clone());
        purge(self.db(), &keep, &clock).await.unwrap()
    }

    /// Imports a state, even if it lacks most resources.
    async fn import_only(&self, state: &State) {
        let options = ImportOptions {
            allow_mass_retire: true,
            ..ImportOptions::default()
        };
        self.try_import(state, options).await.unwrap();
    }

    /// Sets the resources of the cloud and syncs them, even if most others become gone.
    async fn cloud_has_only(&self, resources: impl IntoIterator<Item = Listed>) {
        self.cloud.set(resources);
        self.later(TimeDelta::seconds(1));
        let options = SyncOptions {
            allow_mass_gone: true,
            ..SyncOptions::default()
        };
        let run = self.app.jobs().run(JobRequest::Sync(options)).await.unwrap();
        assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{:?}", run.error);
    }
}

#[tokio::test]
async fn a_thousand_autoscaled_droplets_a_day_do_not_grow_a_table() {
    let t = TestApp::new().await;
    let mut days = Vec::new();
    for day in 0..7 {
        t.cloud_has_only((0..1_000).map(|n| droplet(&format!("day-{day}-{n}"))))
            .await;
        t.sweep().await;
        t.later(TimeDelta::days(1));
        t.purge(KEEP).await;
        let mut counts = Vec::new();
        for table in ["cloud_resources", "cloud_resource_events", "job_runs"] {
            counts.push(rows(&t, table).await);
        }
        days.push(counts);
    }
    // Rows remain for the droplets of the last day, which exist, and for gone droplets that the retention still keeps.
    assert!(days.iter().all(|counts| counts[0] <= 4_000), "{days:?}");
    assert!(days.iter().all(|counts| counts[1] <= 8_000), "{days:?}");
    assert!(days.iter().all(|counts| counts[2] <= 6), "{days:?}");
    assert_eq!(days[5], days[6], "{days:?}");
}

#[tokio::test]
async fn a_fleet_declared_by_a_state_does_not_grow_a_table() {
    let t = TestApp::new().await;
    let mut counts = Vec::new();
    for day in 0..8_i64 {
        let names: Vec<String> = (0..5).map(|n| format!("day-{day}-{n}")).collect();
        let state: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "s-1vcpu-1gb")).collect();
        let options = drift_inbox::services::imports::ImportOptions {
            allow_mass_retire: true,
            ..Default::default()
        };
        t.try_import(&droplets("l-1", day + 1, &state), options)
            .await
            .unwrap();
        t.cloud_has_only(names.iter().map(|name| droplet(name))).await;
        t.sweep().await;
        t.later(TimeDelta::days(1));
        t.purge(KEEP).await;
        counts.push((
            rows(&t, "cloud_resources").await,
            rows(&t, "cloud_provisioned").await,
            rows(&t, "cloud_resource_events").await,
        ));
    }
    assert_eq!(counts[6], counts[7], "{counts:?}");
    assert!(counts[7].0 <= 20 && counts[7].1 <= 20, "{counts:?}");
}

#[tokio::test]
async fn a_drift_that_opens_and_closes_every_day_does_not_grow_a_table() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    let mut counts = Vec::new();
    for _ in 0..8 {
        for size in ["s-2", "s-1vcpu-1gb"] {
            t.cloud_has([droplet("web-1").size(size)]).await;
            t.sweep().await;
        }
        t.later(TimeDelta::days(1));
        t.purge(KEEP).await;
        counts.push((
            rows(&t, "cloud_drift").await,
            rows(&t, "cloud_resource_events").await,
        ));
    }
    assert_eq!(counts[6], counts[7], "{counts:?}");
    assert!(counts[7].0 <= 3, "{counts:?}");
}

#[tokio::test]
async fn decisions_and_events_of_their_drifts_are_kept_without_a_retention_of_decisions() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1"), droplet("web-2")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-9" })).await;
    t.sweep().await;
    t.accept(&t.open_drift("web-1", "size_slug").await).await.unwrap();
    t.cloud_has([]).await;
    t.sweep().await;
    t.accept(&t.open_drift("web-1", "*").await).await.unwrap();
    t.later(TimeDelta::days(1_000));
    let purged = t.purge(KEEP).await;
    assert_eq!(purged.resources, 1, "web-2, which has no decision");
    let kept = t.events("web-1").await;
    let wanted = BTreeSet::from(["SpecRecorded", "DriftDetected", "DriftAccepted", "SpecRetired"]);
    let names: BTreeSet<String> = kept.iter().map(|kept| format!("{kept:?}")).collect();
    assert_eq!(names, wanted.into_iter().map(str::to_owned).collect());
    assert_eq!(
        kept.iter()
            .filter(|kept| **kept == EventType::DriftDetected)
            .count(),
        2
    );
    assert!(
        t.drifts()
            .await
            .iter()
            .all(|drift| drift.status == DriftStatus::Accepted)
    );
    assert_eq!(t.drifts().await.len(), 2);
    let all = Retention {
        decisions: Some(TimeDelta::days(900)),
        ..KEEP
    };
    let purged = t.purge(all).await;
    assert_eq!((purged.resources, purged.specs, purged.drifts), (1, 1, 2));
    for table in ["cloud_resources", "cloud_drift", "cloud_resource_events"] {
        assert_eq!(rows(&t, table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn old_rows_that_are_in_use_are_kept() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1"), droplet("web-2")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-9" })).await;
    t.record_spec("web-2", json!({ "region": "nyc3" })).await;
    t.cloud_has([droplet("web-1")]).await;
    t.sweep().await;
    t.later(TimeDelta::days(1_000));
    let purged = t.purge(KEEP).await;
    assert_eq!((purged.resources, purged.drifts), (0, 0));
    assert_eq!(t.inbox().await.len(), 2, "one changed, one missing");
    let kept = t.events("web-1").await;
    assert!(kept.contains(&EventType::DriftDetected), "{kept:?}");
    assert!(!kept.contains(&EventType::ResourceDiscovered), "{kept:?}");
}

#[tokio::test]
async fn runs_that_the_schedule_depends_on_are_never_deleted() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.cloud_has([droplet("web-1")]).await;
    t.cloud.fail(Some("the cloud is down"));
    for _ in 0..3 {
        t.sync().await;
    }
    let last = job_runs::last_success(t.db(), Job::SyncInventory, None)
        .await
        .unwrap();
    t.later(TimeDelta::days(500));
    let under_way = claim(t.db(), Job::DetectDrift).await.unwrap();
    t.later(TimeDelta::days(500));
    let purged = t.purge(KEEP).await;
    assert_eq!(purged.job_runs, 3);
    assert_eq!(
        rows(&t, "job_runs").await,
        3,
        "a success, a failure and {under_way:?}"
    );
    assert_eq!(
        job_runs::last_success(t.db(), Job::SyncInventory, None)
            .await
            .unwrap(),
        last
    );
    assert!(last.is_some());
}

#[tokio::test]
async fn the_last_success_is_kept_if_a_newer_run_starts_in_the_future() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    let last = job_runs::last_success(t.db(), Job::SyncInventory, None)
        .await
        .unwrap();
    assert!(last.is_some());
    t.sync().await;
    // A server whose clock is ahead stores a start in the future.
    let ahead = t.now() + TimeDelta::days(400);
    let newest = t
        .runs()
        .await
        .into_iter()
        .max_by_key(|run| run.started_at)
        .unwrap();
    entity::job_runs::Entity::update_many()
        .col_expr(entity::job_runs::Column::StartedAt, Expr::value(ahead))
        .filter(entity::job_runs::Column::Id.eq(newest.id))
        .exec(t.db().reader())
        .await
        .unwrap();
    t.later(TimeDelta::days(10));
    assert_eq!(t.purge(KEEP).await.job_runs, 0);
    assert_eq!(
        job_runs::last_success(t.db(), Job::SyncInventory, None)
            .await
            .unwrap(),
        last
    );
}

#[tokio::test]
async fn retention_off_deletes_nothing() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.cloud_has([]).await;
    t.later(TimeDelta::days(10_000));
    let off = Retention {
        gone_resources: None,
        events: None,
        job_runs: None,
        decisions: None,
    };
    assert_eq!(t.purge(off).await, Purged::default());
    let clock = Clock::Manual(t.clock.clone());
    assert_eq!(purge_if_due(t.db(), &off, &clock).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_one_of_several_servers_deletes_old_rows_once_a_day() {
    let t = TestApp::new().await;
    let clock = Clock::Manual(t.clock.clone());
    for _ in 0..2 {
        let mut servers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (db, clock) = (t.connect().await, clock.clone());
            servers.spawn(async move { purge_if_due(&db, &KEEP, &clock).await.unwrap() });
        }
        let did = servers.join_all().await.into_iter().flatten().count();
        assert_eq!(did, 1);
        t.later(TimeDelta::hours(23));
        assert_eq!(purge_if_due(t.db(), &KEEP, &clock).await.unwrap(), None);
        t.later(TimeDelta::hours(2));
    }
}

#[tokio::test]
async fn a_server_deletes_old_rows_after_a_sweep() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.cloud_has([]).await;
    t.later(TimeDelta::days(3));
    let server: App = t.scheduled(Schedules {
        retention: Some(KEEP),
        ..Schedules::default()
    });
    server.jobs().run(JobRequest::detect_all()).await.unwrap();
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    while rows(&t, "cloud_resources").await > 0 {
        assert!(tokio::time::Instant::now() < end, "nothing was deleted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_purge_does_not_disturb_concurrent_accepts_and_sweeps() {
    let t = TestApp::new().await;
    t.cloud_has_only((0..300).map(|n| droplet(&format!("old-{n}"))))
        .await;
    let names: Vec<String> = (0..20).map(|n| format!("web-{n}")).collect();
    t.cloud_has_only(names.iter().map(|name| droplet(name).size("s-2")))
        .await;
    for name in &names {
        t.record_spec(name, json!({ "size_slug": "s-1" })).await;
    }
    t.sweep().await;
    t.later(TimeDelta::days(3));
    let server: App = t.scheduled(Schedules {
        retention: Some(KEEP),
        ..Schedules::default()
    });
    // The end of this sweep starts the purge. The accepts and the other sweep run concurrently.
    server.jobs().run(JobRequest::detect_all()).await.unwrap();
    let accept_all = async {
        for drift in t.inbox().await {
            t.accept(&drift).await.expect("an accept failed during the purge");
        }
    };
    let (sweep, ()) = tokio::join!(t.app.jobs().run(JobRequest::detect_all()), accept_all);
    sweep.expect("a sweep failed during the purge");
    server.jobs().drain(Duration::from_secs(60)).await.unwrap();
    assert_eq!(
        rows(&t, "cloud_resources").await,
        20,
        "the gone resources are deleted"
    );
    let drifts = t.drifts().await;
    assert_eq!(drifts.len(), 20);
    assert!(drifts.iter().all(|drift| drift.status == DriftStatus::Accepted));
    for name in &names {
        assert!(t.events(name).await.contains(&EventType::DriftAccepted), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_resource_that_returns_during_a_purge_is_kept() {
    let t = TestApp::new().await;
    for round in 0..12 {
        let names: Vec<String> = (0..20).map(|n| format!("round-{round}-{n}")).collect();
        let all = || names.iter().map(|name| droplet(name));
        t.cloud_has_only(all()).await;
        t.cloud_has_only([]).await;
        t.later(TimeDelta::days(3));
        t.cloud.set(all());
        let (sync, _) = tokio::join!(
            t.app.jobs().run(JobRequest::Sync(SyncOptions::default())),
            t.purge(KEEP)
        );
        let run = sync.unwrap();
        assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{:?}", run.error);
        for name in &names {
            assert_eq!(t.resource(name).await.gone_at, None, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_import_records_a_spec_even_if_a_purge_concurrently_deletes_the_resource() {
    let t = TestApp::new().await;
    for round in 0..12_i64 {
        t.cloud_has_only([droplet("web-1")]).await;
        t.cloud_has_only([]).await;
        t.later(TimeDelta::days(3));
        let state = droplets(&format!("l-{round}"), 1, &[("web-1", "s-1")]);
        let (summary, _) = tokio::join!(t.import(&state), t.purge(KEEP));
        assert_eq!(summary.recorded, 1, "{summary:?}");
        assert_eq!(t.spec("web-1").await.retired_at, None);
        let empty = droplets(&format!("l-{round}"), 2, &[]);
        t.import_only(&empty).await;
    }
}

/// The executed statements.
type Log = Arc<Mutex<Vec<Statement>>>;

async fn observed() -> (TestApp, Log) {
    let database = TestDb::create().await;
    let log = Log::default();
    let seen = Arc::clone(&log);
    let db = database
        .connect_and_migrate()
        .await
        .observed(move |info| seen.lock().unwrap().push(info.statement.clone()));
    (TestApp::over(db, database), log)
}

/// Returns the query plan of a statement. On PostgreSQL, scans of small tables are disabled, as if they had many rows.
async fn plan_of(t: &TestApp, statement: &Statement) -> String {
    let backend = t.db().backend();
    let explain = match backend {
        DbBackend::Sqlite => "EXPLAIN QUERY PLAN",
        _ => "EXPLAIN (FORMAT JSON)",
    };
    let explained = Statement {
        sql: format!("{explain} {}", statement.sql),
        ..statement.clone()
    };
    let explained = &explained;
    t.db()
        .write_txn(|txn| async move {
            if backend == DbBackend::Postgres {
                txn.execute_unprepared("SET LOCAL enable_seqscan = off").await?;
                txn.execute_unprepared("SET LOCAL enable_bitmapscan = off")
                    .await?;
            }
            let rows = txn.query_all_raw(explained.clone()).await?;
            let steps = rows.iter().map(|row| match backend {
                DbBackend::Sqlite => row.try_get::<String>("", "detail").unwrap(),
                _ => row.try_get::<Value>("", "QUERY PLAN").unwrap().to_string(),
            });
            Ok(steps.collect::<Vec<_>>().join("\n"))
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn old_rows_are_found_by_an_index_and_deleted_in_batches() {
    let (t, log) = observed().await;
    t.cloud_has([droplet("web-1")]).await;
    t.sweep().await;
    log.lock().unwrap().clear();
    let all = Retention {
        decisions: Some(TimeDelta::days(900)),
        ..KEEP
    };
    t.purge(all).await;
    let statements = std::mem::take(&mut *log.lock().unwrap());
    let wanted = [
        ("cloud_drift", "ix_cloud_drift_status_resolved_at_id"),
        (
            "cloud_resource_events",
            "ix_cloud_resource_events_type_occurred_at_id",
        ),
        ("job_runs", "ix_job_runs_started_at_id"),
        ("forgotten_resources", "ix_forgotten_resources_forgotten_at_id"),
        ("cloud_resources", "ix_cloud_resources_"),
    ];
    for (table, index) in wanted {
        let about: Vec<_> = statements
            .iter()
            .filter(|statement| {
                let sql = &statement.sql;
                sql.contains("LIMIT")
                    && (sql.starts_with(&format!("DELETE FROM \"{table}\""))
                        || sql.contains(&format!("SELECT \"{table}\"")))
            })
            .collect();
        assert!(!about.is_empty(), "{table}: {statements:#?}");
        for statement in about {
            let plan = plan_of(&t, statement).await;
            assert!(plan.contains(index), "{}\n{plan}", statement.sql);
        }
    }
    for statement in statements
        .iter()
        .filter(|statement| statement.sql.starts_with("DELETE"))
    {
        let sql = &statement.sql;
        assert!(sql.contains("LIMIT") || sql.contains(" IN "), "{sql}");
    }
}

#[tokio::test]
async fn runs_of_a_source_and_active_runs_are_found_by_an_index() {
    let (t, log) = observed().await;
    log.lock().unwrap().clear();
    claim(t.db(), Job::DetectDrift).await.unwrap();
    job_runs::last_success(t.db(), Job::SyncInventory, Some("one"))
        .await
        .unwrap();
    let statements = std::mem::take(&mut *log.lock().unwrap());
    // PostgreSQL may choose any index for an empty table.
    let under_way = match t.db().backend() {
        DbBackend::Sqlite => "ix_job_runs_unfinished_job_started_at",
        _ => "ix_job_runs_",
    };
    let wanted = [
        ("\"finished_at\" IS NULL", under_way),
        ("\"source\" = ", "ix_job_runs_job_source_started_at"),
    ];
    for (about, index) in wanted {
        let about: Vec<_> = statements
            .iter()
            .filter(|statement| statement.sql.starts_with("SELECT") && statement.sql.contains(about))
            .collect();
        assert!(!about.is_empty(), "{statements:#?}");
        for statement in about {
            let plan = plan_of(&t, statement).await;
            assert!(plan.contains(index), "{}\n{plan}", statement.sql);
        }
    }
}

//! Runs of jobs: claims, heartbeats and outcomes.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use drift_inbox::app::App;
use drift_inbox::clock::Clock;
use drift_inbox::db::Db;
use drift_inbox::error::{Error, Result};
use drift_inbox::jobs::JobRequest;
use drift_inbox::provider::{Account, InventoryProvider, Listing, Presence};
use drift_inbox::services::inventory::SyncOptions;
use drift_inbox::services::job_runs::{
    Report, RunRequest, TickClaim, claim, claim_catch_up, claim_tick, finish, heartbeat,
};
use entity::job_runs::{self, Job, JobOutcome};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use serde_json::{Map, Value, json};

use crate::schedule::eventually;
use crate::support::TestApp;
use crate::support::cloud::droplet;

const JOBS: [Job; 2] = [Job::SyncInventory, Job::DetectDrift];

fn sync() -> JobRequest {
    JobRequest::Sync(SyncOptions::default())
}

/// Starts a run that sends no heartbeats.
async fn begun(t: &TestApp, job: Job) -> job_runs::Model {
    claim(t.db(), job).await.unwrap()
}

/// Starts the run of a tick at this time. It sends no heartbeats.
async fn ticked(t: &TestApp, job: Job) -> job_runs::Model {
    match claim_tick(t.db(), job, t.now()).await.unwrap() {
        TickClaim::Run(run) => run,
        other => panic!("{other:?}"),
    }
}

async fn done(t: &TestApp, run: &job_runs::Model) -> job_runs::Model {
    let report = Report {
        outcome: JobOutcome::Succeeded,
        counts: json!({ "resources": 1 }),
        error: None,
    };
    finish(t.db(), run.id, &report).await.unwrap()
}

/// Returns the outcomes of the runs in the API, newest first.
async fn outcomes(t: &TestApp) -> Vec<Value> {
    let data = t.data("{ jobRuns { nodes { outcome } } }", json!({})).await;
    let runs = data["jobRuns"]["nodes"].as_array().unwrap();
    runs.iter().map(|run| run["outcome"].clone()).collect()
}

#[tokio::test]
async fn a_tick_that_many_servers_claim_runs_once() {
    let t = TestApp::new().await;
    let servers: Vec<Db> = join_all((0..4).map(|_| t.connect())).await;
    for job in JOBS {
        let claims = (0..16).map(|n| {
            let (db, now) = (servers[n % 4].clone(), t.now());
            tokio::spawn(async move { claim_tick(&db, job, now).await })
        });
        let claims = join_all(claims)
            .await
            .into_iter()
            .map(|claim| claim.unwrap().unwrap());
        let (won, lost): (Vec<_>, Vec<_>) = claims.partition(|claim| matches!(claim, TickClaim::Run(_)));
        assert_eq!(won.len(), 1);
        assert!(lost.iter().all(|claim| *claim == TickClaim::Taken), "{lost:?}");
    }
    assert_eq!(t.runs().await.len(), 2);
}

#[tokio::test]
async fn a_claim_of_a_tick_that_is_repeated_gets_the_run_that_it_claimed() {
    let t = TestApp::new().await;
    for job in JOBS {
        let request = RunRequest::from(job);
        let first = claim_tick(t.db(), request.clone(), t.now()).await.unwrap();
        assert!(matches!(first, TickClaim::Run(_)), "{first:?}");
        let again = claim_tick(t.db(), request, t.now()).await.unwrap();
        assert_eq!(
            again, first,
            "the confirmation of the first claim may have been lost"
        );
        let other = claim_tick(t.db(), job, t.now()).await.unwrap();
        assert_eq!(other, TickClaim::Taken);
        let skipped = RunRequest::from(job);
        t.later(TimeDelta::seconds(5));
        let first = claim_tick(t.db(), skipped.clone(), t.now()).await.unwrap();
        assert!(matches!(first, TickClaim::Skipped(_)), "{first:?}");
        assert_eq!(claim_tick(t.db(), skipped, t.now()).await.unwrap(), first);
    }
}

#[tokio::test]
async fn a_tick_during_another_run_is_skipped_and_recorded() {
    let t = TestApp::new().await;
    for job in JOBS {
        let alive = ticked(&t, job).await;
        t.later(TimeDelta::seconds(20));
        let tick = t.now();
        let TickClaim::Skipped(skipped) = claim_tick(t.db(), job, tick).await.unwrap() else {
            panic!("the tick was not skipped");
        };
        assert_eq!(skipped.outcome, Some(JobOutcome::Skipped));
        assert_eq!(
            (skipped.scheduled_for, skipped.finished_at),
            (Some(t.now()), Some(t.now()))
        );
        let error = skipped.error.clone().unwrap();
        assert!(error.contains(&alive.started_at.to_rfc3339()), "{error}");
        let stored = t.runs().await;
        assert!(stored.contains(&skipped) && stored.contains(&alive));
        assert_eq!(claim_tick(t.db(), job, tick).await.unwrap(), TickClaim::Taken);
        done(&t, &alive).await;
        let again = claim_tick(t.db(), job, tick).await.unwrap();
        assert_eq!(again, TickClaim::Taken, "a skipped tick is not run later");
    }
}

#[tokio::test]
async fn catch_up_during_another_run_stores_no_run() {
    let t = TestApp::new().await;
    for job in JOBS {
        begun(&t, job).await;
        let before = t.runs().await;
        let skipped = claim_catch_up(t.db(), job).await.unwrap();
        assert_eq!(skipped, None);
        assert_eq!(t.runs().await, before);
    }
}

#[tokio::test]
async fn a_manual_sweep_always_runs() {
    let t = TestApp::new().await;
    ticked(&t, Job::DetectDrift).await;
    begun(&t, Job::DetectDrift).await;
    begun(&t, Job::DetectDrift).await;
    assert_eq!(outcomes(&t).await, [Value::Null, Value::Null, Value::Null]);
}

#[tokio::test]
async fn a_second_manual_sync_is_refused_with_the_start_time_of_the_first() {
    let t = TestApp::new().await;
    let first = ticked(&t, Job::SyncInventory).await;
    t.later(TimeDelta::seconds(7));
    let error = t.app.jobs().start(sync()).await.unwrap_err();
    assert_eq!(error.code(), "JOB_ALREADY_RUNNING");
    assert!(matches!(error, Error::JobAlreadyRunning { since } if since == first.started_at));
    assert!(
        error.to_string().ends_with(&first.started_at.to_rfc3339()),
        "{error}"
    );
    assert_eq!(t.runs().await, std::slice::from_ref(&first));
    begun(&t, Job::DetectDrift).await;
    done(&t, &first).await;
    t.app.jobs().run(sync()).await.unwrap();
}

#[tokio::test]
async fn only_one_of_two_concurrent_syncs_runs() {
    let t = TestApp::new().await;
    let servers = [t.connect().await, t.connect().await];
    for _ in 0..10 {
        let claims = servers
            .clone()
            .map(|db| tokio::spawn(async move { claim(&db, Job::SyncInventory).await }));
        let mut won = Vec::new();
        for claim in join_all(claims).await {
            match claim.unwrap() {
                Ok(run) => won.push(run),
                Err(error) => assert_eq!(error.code(), "JOB_ALREADY_RUNNING", "{error}"),
            }
        }
        assert_eq!(won.len(), 1);
        done(&t, &won[0]).await;
        t.later(TimeDelta::seconds(1));
    }
    assert_eq!(t.runs().await.len(), 10);
}

#[tokio::test]
async fn a_run_without_a_heartbeat_for_thirty_seconds_is_abandoned() {
    let t = TestApp::new().await;
    for job in JOBS {
        let silent = begun(&t, job).await;
        t.later(TimeDelta::seconds(30));
        let claimed = claim_catch_up(t.db(), job).await.unwrap();
        assert_eq!(claimed, None, "exactly thirty seconds are permitted");
        assert_eq!(outcomes(&t).await[0], Value::Null);
        t.later(TimeDelta::microseconds(1));
        assert_eq!(
            outcomes(&t).await[0],
            "ABANDONED",
            "the API shows it before it is stored"
        );
        let next = claim_catch_up(t.db(), job).await.unwrap().unwrap();
        let row = t
            .runs()
            .await
            .into_iter()
            .find(|run| run.id == silent.id)
            .unwrap();
        assert_eq!(row.outcome, Some(JobOutcome::Abandoned));
        assert_eq!(row.finished_at, Some(t.now()));
        assert_eq!(row.error.as_deref(), Some("the run stopped sending heartbeats"));
        done(&t, &next).await;
        t.later(TimeDelta::seconds(1));
    }
}

#[tokio::test]
async fn a_person_need_not_wait_for_thirty_seconds_after_the_process_of_a_sync_was_killed() {
    let t = TestApp::new().await;
    let of = |source: &str| RunRequest {
        source: Some(source.to_owned()),
        ..Job::SyncInventory.into()
    };
    let (killed, other) = (
        claim(t.db(), of("a")).await.unwrap(),
        claim(t.db(), of("b")).await.unwrap(),
    );
    t.later(TimeDelta::seconds(15));
    let refused = claim(t.db(), of("a")).await.unwrap_err();
    assert_eq!(refused.code(), "JOB_ALREADY_RUNNING");
    t.later(TimeDelta::seconds(1));
    assert_eq!(
        claim_catch_up(t.db(), of("a")).await.unwrap(),
        None,
        "a schedule waits"
    );
    claim(t.db(), of("a")).await.unwrap();
    let runs = t.runs().await;
    let outcome = |id| runs.iter().find(|run| run.id == id).unwrap().outcome;
    assert_eq!(outcome(killed.id), Some(JobOutcome::Abandoned));
    assert_eq!(outcome(other.id), None);
}

#[tokio::test]
async fn a_late_finish_does_not_change_an_abandoned_run() {
    let t = TestApp::new().await;
    let silent = begun(&t, Job::SyncInventory).await;
    t.later(TimeDelta::seconds(31));
    begun(&t, Job::SyncInventory).await;
    let abandoned = t.runs().await.remove(0);
    t.later(TimeDelta::seconds(1));
    assert_eq!(done(&t, &silent).await, abandoned);
    heartbeat(t.db(), silent.id).await.unwrap();
    assert_eq!(t.runs().await[0], abandoned, "a late heartbeat changes nothing");
}

#[tokio::test]
async fn a_heartbeat_keeps_a_run_alive() {
    let t = TestApp::new().await;
    let alive = begun(&t, Job::SyncInventory).await;
    for _ in 0..3 {
        t.later(TimeDelta::seconds(25));
        heartbeat(t.db(), alive.id).await.unwrap();
    }
    t.later(TimeDelta::seconds(15));
    let error = claim(t.db(), Job::SyncInventory).await;
    assert_eq!(error.unwrap_err().code(), "JOB_ALREADY_RUNNING");
    assert_eq!(outcomes(&t).await, [Value::Null]);
    assert_eq!(done(&t, &alive).await.outcome, Some(JobOutcome::Succeeded));
}

#[tokio::test]
async fn a_long_run_sends_heartbeats_by_itself() {
    let t = TestApp::new().await;
    let hanging = t.cloud.hang().await;
    let handle = t.app.jobs().start(sync()).await.unwrap();
    t.later(TimeDelta::seconds(29));
    let alive_at = t.now();
    eventually("a heartbeat", async || t.runs().await[0].heartbeat_at == alive_at).await;
    t.later(TimeDelta::seconds(29));
    let skipped = claim_catch_up(t.db(), Job::SyncInventory).await.unwrap();
    assert_eq!(skipped, None, "the run is active 58 seconds after its start");
    drop(hanging);
    assert_eq!(handle.wait().await.unwrap().outcome, Some(JobOutcome::Succeeded));
}

#[tokio::test]
async fn the_outcome_of_a_run_is_stored() {
    let t = TestApp::new().await;
    let run = ticked(&t, Job::DetectDrift).await;
    assert_eq!((run.started_at, run.heartbeat_at), (t.now(), t.now()));
    let started_at = t.now();
    t.later(TimeDelta::seconds(3));
    let report = Report {
        outcome: JobOutcome::Partial,
        counts: json!({ "skipped": 2 }),
        error: Some("two rows".to_owned()),
    };
    let row = finish(t.db(), run.id, &report).await.unwrap();
    let expected = job_runs::Model {
        heartbeat_at: t.now(),
        finished_at: Some(t.now()),
        outcome: Some(JobOutcome::Partial),
        counts: json!({ "skipped": 2 }),
        error: Some("two rows".to_owned()),
        ..run
    };
    assert_eq!(row, expected);
    assert_eq!(row.started_at, started_at);
    assert_eq!(t.runs().await, [row]);
}

#[tokio::test]
async fn a_sync_fails_with_the_providers_message_and_the_next_sync_runs() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    let before = t.tables().await;
    t.cloud.fail(Some("the cloud is out for lunch"));
    let run = t.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Failed));
    assert_eq!(run.error.as_deref(), Some("the cloud is out for lunch"));
    assert_eq!(run.counts, json!({}));
    assert_eq!(t.tables().await, before);
    t.cloud.fail(None);
    assert_eq!(t.sync().await.outcome, Some(JobOutcome::Succeeded));
}

/// A provider that fails with an error whose text must not be shown.
struct Broken {
    panics: bool,
}

impl InventoryProvider for Broken {
    fn source(&self) -> String {
        "broken".to_owned()
    }

    fn account(&self) -> BoxFuture<'_, Result<Option<Account>>> {
        async { Ok(None) }.boxed()
    }

    fn list<'a>(
        &'a self,
        _: Option<&'a BTreeSet<String>>,
        _: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<Listing>> {
        async {
            assert!(!self.panics, "a secret of the machine");
            Err(Error::Internal("a secret of the machine".to_owned()))
        }
        .boxed()
    }

    fn confirm_gone<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Presence>> {
        async { Ok(Presence::Gone) }.boxed()
    }
}

#[tokio::test]
async fn a_job_that_panics_is_failed_and_does_not_block_the_next() {
    let t = TestApp::new().await;
    for panics in [true, false, true] {
        let broken: Arc<dyn InventoryProvider> = Arc::new(Broken { panics });
        let app = App::new(t.db().clone(), Clock::Manual(t.clock.clone()), Some(broken));
        let run = app.jobs().run(sync()).await.unwrap();
        assert_eq!(run.outcome, Some(JobOutcome::Failed));
        assert_eq!(run.error.as_deref(), Some("internal error"));
        assert_eq!(run.finished_at, Some(t.now()));
    }
    assert_eq!(t.sync().await.outcome, Some(JobOutcome::Succeeded));
}

#[tokio::test]
async fn messages_of_the_database_are_not_shown() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "region": "fra1" })).await;
    t.database.execute("DROP TABLE cloud_drift").await.unwrap();
    let run = t.app.jobs().run(JobRequest::detect_all()).await.unwrap();
    assert_eq!(run.outcome, Some(JobOutcome::Failed));
    assert_eq!(run.error.as_deref(), Some("internal error"));
    assert_eq!(t.sync().await.outcome, Some(JobOutcome::Succeeded));
}

#[tokio::test]
async fn a_server_without_a_source_of_the_inventory_refuses_to_sync() {
    let t = TestApp::new().await;
    let app = App::new(t.db().clone(), Clock::Manual(t.clock.clone()), None);
    let error = app.jobs().run(sync()).await.unwrap_err();
    assert_eq!(error.code(), "UPSTREAM_UNAVAILABLE");
    assert!(error.public_message().contains("DRIFT_INVENTORY_FILE"));
    assert!(t.runs().await.is_empty());
}

#[tokio::test]
async fn a_run_continues_if_its_caller_stops_waiting() {
    let t = TestApp::new().await;
    t.cloud.set([droplet("web-1")]);
    let hanging = t.cloud.hang().await;
    let handle = t.app.jobs().start(sync()).await.unwrap();
    let limit = std::time::Duration::from_millis(20);
    let seen = handle.wait_at_most(limit).await.unwrap();
    assert_eq!((seen.outcome, seen.finished_at), (None, None));
    drop(hanging);
    t.app
        .jobs()
        .drain(crate::support::process::MAX_WAIT)
        .await
        .unwrap();
    let row = t.runs().await.remove(0);
    assert_eq!((row.id, row.outcome), (seen.id, Some(JobOutcome::Succeeded)));
    assert_eq!(t.resource("web-1").await.gone_at, None);
}

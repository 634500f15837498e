//! Schedules: ticks, catch-up of missed runs, and the end of runs when a server stops.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use drift_inbox::app::App;
use drift_inbox::clock::Clock;
use drift_inbox::domain::schedule::{Schedule, Schedules};
use drift_inbox::jobs::JobRequest;
use drift_inbox::scheduler::{Scheduler, catch_up, tick};
use drift_inbox::services::detection::{Scope, SweepCounts};
use drift_inbox::services::inventory::SyncOptions;
use entity::job_runs::{self, Job, JobOutcome};
use futures_util::future::join_all;
use serde_json::json;

use crate::support::TestApp;
use crate::support::cloud::droplet;
use crate::support::process::MAX_WAIT;

fn noon() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2027-01-01T12:00:00Z")
        .unwrap()
        .into()
}

fn cron(text: &str) -> Schedule {
    Schedule::parse(text, noon()).unwrap()
}

fn hourly() -> Schedules {
    Schedules {
        sync: Some(cron("0 15 * * * *")),
        detect: Some(cron("0 20 * * * *")),
        ..Schedules::default()
    }
}

fn jobs(runs: &[job_runs::Model]) -> Vec<Job> {
    runs.iter().map(|run| run.job).collect()
}

#[tokio::test]
async fn a_tick_on_three_servers_starts_one_run() {
    let t = TestApp::new().await;
    let servers = [t.app.clone(), t.another_server().await, t.another_server().await];
    for job in [Job::SyncInventory, Job::DetectDrift] {
        let ticks = servers.clone().map(|app| {
            tokio::spawn(async move { tick(&app, JobRequest::whole(job), &cron("0 0 * * * *")).await })
        });
        join_all(ticks).await.into_iter().for_each(Result::unwrap);
    }
    for server in servers {
        server.jobs().drain(MAX_WAIT).await.unwrap();
    }
    let runs = t.runs().await;
    assert_eq!(jobs(&runs), [Job::SyncInventory, Job::DetectDrift]);
    // The sweep is partial if it starts before the sync has ended.
    let did_its_work = [Some(JobOutcome::Succeeded), Some(JobOutcome::Partial)];
    for run in runs {
        assert!(did_its_work.contains(&run.outcome), "{:?}", run.error);
        assert_eq!(run.scheduled_for, Some(noon()));
    }
}

#[tokio::test]
async fn missed_jobs_run_at_start_and_the_sweep_uses_the_new_inventory() {
    let t = TestApp::new().await;
    t.imported("web-1").await;
    t.record_spec("web-1", json!({ "region": "fra1" })).await;
    t.cloud.set([droplet("web-1")]);
    catch_up(&t.scheduled(hourly())).await;
    let runs = t.runs().await;
    assert_eq!(jobs(&runs), [Job::SyncInventory, Job::DetectDrift]);
    let counts: SweepCounts = serde_json::from_value(runs[1].counts.clone()).unwrap();
    assert_eq!((counts.opened, counts.unsynced), (1, 0));
    assert!(runs.iter().all(|run| run.scheduled_for.is_none()));
}

#[tokio::test]
async fn a_job_that_ran_within_its_interval_does_not_run_at_start() {
    let t = TestApp::new().await;
    catch_up(&t.scheduled(hourly())).await;
    t.later(TimeDelta::minutes(60));
    catch_up(&t.scheduled(hourly())).await;
    assert_eq!(t.runs().await.len(), 2);
    t.later(TimeDelta::seconds(1));
    catch_up(&t.scheduled(hourly())).await;
    assert_eq!(t.runs().await.len(), 4);
    catch_up(&t.scheduled(Schedules::default())).await;
    t.later(TimeDelta::days(1));
    let only_sweeps = Schedules {
        sync: None,
        ..hourly()
    };
    catch_up(&t.scheduled(only_sweeps)).await;
    let runs = t.runs().await;
    assert_eq!((runs.len(), runs[4].job), (5, Job::DetectDrift));
}

#[tokio::test]
async fn a_narrowed_run_does_not_count_as_a_run_of_the_job() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "region": "fra1" })).await;
    catch_up(&t.scheduled(hourly())).await;
    t.later(TimeDelta::hours(2));
    let parts = [
        JobRequest::Sync(SyncOptions {
            kinds: Some(["droplet".to_owned()].into()),
            ..SyncOptions::default()
        }),
        JobRequest::Detect {
            scope: Scope::Resources(vec![t.resource("web-1").await.id]),
            progress: None,
        },
    ];
    for part in parts {
        let run = t.app.jobs().run(part).await.unwrap();
        assert_eq!((run.outcome, run.narrowed), (Some(JobOutcome::Succeeded), true));
    }
    catch_up(&t.scheduled(hourly())).await;
    let runs = t.runs().await;
    let whole: Vec<bool> = runs.iter().rev().take(4).map(|run| !run.narrowed).collect();
    assert_eq!(whole, [true, true, false, false], "both jobs were caught up");
    let data = t
        .data("{ jobRuns(first: 3) { nodes { job narrowed } } }", json!({}))
        .await;
    let shown = data["jobRuns"]["nodes"].as_array().unwrap();
    assert_eq!(shown.iter().filter(|run| run["narrowed"] == true).count(), 1);
    let before = runs.len();
    catch_up(&t.scheduled(hourly())).await;
    assert_eq!(t.runs().await.len(), before);
}

#[tokio::test]
async fn a_job_whose_last_run_failed_or_was_abandoned_runs_at_start() {
    let t = TestApp::new().await;
    t.cloud.fail(Some("no"));
    catch_up(&t.scheduled(hourly())).await;
    let runs = t.runs().await;
    assert_eq!(runs[0].outcome, Some(JobOutcome::Failed));
    assert_eq!(
        runs[1].outcome,
        Some(JobOutcome::Partial),
        "the sweep runs after a failed sync, and is partial without an inventory"
    );
    catch_up(&t.scheduled(hourly())).await;
    assert_eq!(t.runs().await[2].job, Job::SyncInventory);

    t.cloud.fail(None);
    let hanging = t.cloud.hang().await;
    let started = t.app.jobs().start(JobRequest::Sync(SyncOptions::default()));
    started.await.unwrap();
    t.app.jobs().drain(Duration::from_millis(20)).await.unwrap();
    assert_eq!(t.runs().await[3].outcome, Some(JobOutcome::Abandoned));
    drop(hanging);
    catch_up(&t.scheduled(hourly())).await;
    let runs = t.runs().await;
    assert_eq!((runs.len(), runs[4].job), (5, Job::SyncInventory));
    assert_eq!(runs[4].outcome, Some(JobOutcome::Succeeded));
}

/// Polls until the condition is true, up to a time limit.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, is_true: impl Fn() -> F) {
    let began = Instant::now();
    while !is_true().await {
        assert!(began.elapsed() < MAX_WAIT, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn of_the_clock(runs: &[job_runs::Model]) -> usize {
    // Sweeps are partial, because no sync has run.
    let done =
        |run: &&job_runs::Model| run.scheduled_for.is_some() && run.outcome == Some(JobOutcome::Partial);
    runs.iter().filter(done).count()
}

#[tokio::test]
async fn the_scheduler_starts_a_run_for_each_tick_until_it_is_stopped() {
    let t = TestApp::new().await;
    let every_second = Schedules {
        sync: None,
        detect: Some(cron("* * * * * *")),
        ..Schedules::default()
    };
    let app = App::scheduled(t.db().clone(), Clock::System, None, every_second);
    let scheduler = Scheduler::start(&app).await.unwrap();
    eventually("two ticks", async || of_the_clock(&t.runs().await) >= 2).await;
    let runs = t.runs().await;
    let mut ticks: Vec<_> = runs.iter().filter_map(|run| run.scheduled_for).collect();
    ticks.dedup();
    assert!(ticks.iter().all(|tick| tick.timestamp_subsec_nanos() == 0));
    assert_eq!(
        ticks.len(),
        runs.iter().filter(|run| run.scheduled_for.is_some()).count()
    );
    assert_eq!(runs.len() - ticks.len(), 1, "one catch-up run");

    scheduler.stop().await.unwrap();
    app.jobs().drain(MAX_WAIT).await.unwrap();
    let (stopped, began) = (t.runs().await.len(), Instant::now());
    while began.elapsed() < Duration::from_millis(2_200) {
        let one_under_way = stopped + 1;
        assert!(t.runs().await.len() <= one_under_way, "the scheduler still runs");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn every_cron_expression_that_parses_can_be_scheduled() {
    let t = TestApp::new().await;
    let now = Clock::System.now();
    for text in [
        "20 * * * *",
        "0 20 * * * *",
        " 0  20 *  * * * ",
        "@daily",
        "0 0 12 L * ?",
        "0 0 9 * * MON#1",
    ] {
        let Ok(schedule) = Schedule::parse(text, now) else {
            continue;
        };
        let schedules = Schedules {
            sync: None,
            detect: Some(schedule),
            ..Schedules::default()
        };
        let app = t.scheduled(schedules);
        let scheduler = Scheduler::start(&app).await;
        assert!(scheduler.is_ok(), "{text:?} parses but cannot be scheduled");
        scheduler.unwrap().stop().await.unwrap();
        app.jobs().drain(MAX_WAIT).await.unwrap();
    }
}

#[tokio::test]
async fn a_stopping_server_waits_for_a_run_that_ends_in_time() {
    let t = TestApp::new().await;
    let hanging = t.cloud.hang().await;
    let started = t.app.jobs().start(JobRequest::Sync(SyncOptions::default()));
    started.await.unwrap();
    let drain = t.app.jobs().drain(MAX_WAIT);
    tokio::pin!(drain);
    let early = tokio::time::timeout(Duration::from_millis(50), &mut drain).await;
    assert!(early.is_err(), "the server did not wait");
    drop(hanging);
    drain.await.unwrap();
    assert_eq!(t.runs().await[0].outcome, Some(JobOutcome::Succeeded));
}

#[tokio::test]
async fn a_stopping_server_abandons_a_run_that_does_not_end() {
    let t = TestApp::new().await;
    t.cloud.set([droplet("web-1")]);
    let hanging = t.cloud.hang().await;
    let request = JobRequest::Sync(SyncOptions::default());
    let handle = t.app.jobs().start(request).await.unwrap();
    t.app.jobs().drain(Duration::from_millis(20)).await.unwrap();
    let row = t.runs().await.remove(0);
    assert_eq!(
        (row.outcome, row.finished_at),
        (Some(JobOutcome::Abandoned), Some(t.now()))
    );
    drop(hanging);
    assert_eq!(handle.wait().await.unwrap(), row, "a late end changes nothing");
}

#[tokio::test]
async fn the_api_returns_the_time_of_the_next_run() {
    const SCHEDULES: &str = "{ jobSchedules { job cron nextRunAt } }";
    let t = TestApp::new().await;
    let by_hand = json!([
        { "job": "SYNC_INVENTORY", "cron": null, "nextRunAt": null },
        { "job": "DETECT_DRIFT", "cron": null, "nextRunAt": null },
    ]);
    assert_eq!(t.data(SCHEDULES, json!({})).await["jobSchedules"], by_hand);

    let mut hourly_sweeps = hourly();
    hourly_sweeps.sync = None;
    let t = t.with_schedules(hourly_sweeps);
    t.later(TimeDelta::minutes(20));
    let at_a_tick = json!([
        { "job": "SYNC_INVENTORY", "cron": null, "nextRunAt": null },
        { "job": "DETECT_DRIFT", "cron": "0 20 * * * *", "nextRunAt": "2027-01-01T13:20:00+00:00" },
    ]);
    assert_eq!(t.data(SCHEDULES, json!({})).await["jobSchedules"], at_a_tick);
}

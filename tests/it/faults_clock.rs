//! The clock of the machine is set while a server runs: its schedules go on.

use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{DateTime, TimeDelta, Utc};
use drift_inbox::clock::Clock;
use drift_inbox::domain::schedule::{Schedule, Schedules};
use drift_inbox::jobs::JobRequest;
use drift_inbox::scheduler::{Scheduler, tick};
use entity::job_runs;
use sea_orm::EntityTrait as _;

use crate::schedule::eventually;
use crate::support::TestApp;
use crate::support::db::TestDb;
use crate::support::process::Program;

const SECRET: &str = "the secret of a test that runs servers";

fn hourly(now: DateTime<Utc>) -> Schedules {
    Schedules {
        sync: None,
        detect: Some(Schedule::parse("0 20 * * * *", now).unwrap()),
        ..Schedules::default()
    }
}

/// Compiles the library that changes the clock of a process.
fn wrong_clock() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/wrong_clock.c");
    let library =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("wrong_clock.{}.so", std::process::id()));
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(&source)
        .output()
        .expect("no C compiler");
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    library
}

/// Returns the ticks that were run.
async fn ticks(database: &TestDb) -> Vec<DateTime<Utc>> {
    let db = database.connect().await;
    let runs = job_runs::Entity::find().all(db.reader()).await.unwrap();
    db.close().await.unwrap();
    runs.into_iter().filter_map(|run| run.scheduled_for).collect()
}

#[tokio::test]
async fn a_server_runs_its_jobs_after_its_clock_was_set_back_or_forward_by_a_day() {
    let (database, db) = TestDb::migrated().await;
    db.close().await.unwrap();
    let program = Program::new().with_file("clock", 0_i64.to_ne_bytes());
    let clock = program.folder().join("clock");
    let program = program
        .with("DATABASE_URL", &database.url)
        .with("DRIFT_JWT_SECRET", SECRET)
        .with("DRIFT_LISTEN", "127.0.0.1:0")
        .with("DRIFT_SYNC_CRON", "off")
        .with("DRIFT_DETECT_CRON", "* * * * * *")
        .with("LD_PRELOAD", wrong_clock().display().to_string())
        .with("CLOCK", clock.display().to_string());
    let mut server = program.start(&["serve"]);
    server.address();
    for days in [0, -1, 1] {
        let set = TimeDelta::days(days);
        // The process has mapped the file, so it must not be replaced.
        let file = std::fs::OpenOptions::new().write(true).open(&clock).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &set.num_seconds().to_ne_bytes(), 0).unwrap();
        let near = Clock::System.now() + set;
        eventually("ticks run at the time that the clock shows", async || {
            let ticks = ticks(&database).await.into_iter();
            ticks
                .filter(|tick| (*tick - near).abs() < TimeDelta::minutes(5))
                .count()
                >= 2
        })
        .await;
    }
}

#[tokio::test]
async fn a_tick_that_the_clock_shows_twice_runs_twice_and_each_time_once() {
    let t = TestApp::new().await;
    let schedules = hourly(t.now());
    let app = t.scheduled(schedules.clone());
    let schedule = schedules.detect.unwrap();
    let scheduler = Scheduler::start(&app).await.unwrap();
    let ticks = async || {
        let runs = t.runs().await.into_iter();
        runs.filter(|run| run.scheduled_for.is_some()).count()
    };
    let run_tick = async || tick(&app, JobRequest::detect_all(), &schedule).await;
    run_tick().await;
    run_tick().await;
    assert_eq!(ticks().await, 1, "a tick is run once");
    // The watch needs to see the clock before it is set.
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    t.later(-TimeDelta::hours(2));
    eventually("the tick that lies ahead now is released", async || {
        ticks().await == 0
    })
    .await;
    run_tick().await;
    t.later(TimeDelta::hours(2));
    run_tick().await;
    run_tick().await;
    assert_eq!(ticks().await, 2, "the earlier tick, and the released one again");
    scheduler.stop().await.unwrap();
}

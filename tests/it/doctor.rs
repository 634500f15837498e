//! `doctor`: what it finds, what it says, and what it leaves alone.

use std::fs;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::db::TestDb;
use crate::support::process::{Ended, Program};
use crate::support::stub_do::{StubDo, TOKEN, normal_answer, response};

const SECRET: &str = "planted-0123456789-0123456789-0123456789";

/// Returns the program with an account and no schedule that could be overdue.
fn program(url: &str, stub: &StubDo) -> Program {
    Program::new()
        .with("DATABASE_URL", url)
        .with("DRIFT_JWT_SECRET", SECRET)
        .with("DIGITALOCEAN_TOKEN", TOKEN)
        .with("DIGITALOCEAN_API_URL", &stub.url)
}

/// Returns the state and the texts of each check, by name.
fn checks(ended: &Ended) -> Vec<(String, String, String)> {
    assert!(!ended.output().contains("planted"), "{}", ended.output());
    let report: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{}", ended.output()));
    assert_eq!(report["ok"], json!(ended.code == Some(0)));
    let checks = report["checks"].as_array().unwrap();
    let text = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    checks
        .iter()
        .map(|check| {
            let state = text(check, "state");
            // Whatever is not as it should be comes with what to do.
            assert_eq!(
                check["advice"].is_string(),
                state == "warning" || state == "failed",
                "{check}"
            );
            (text(check, "name"), state, text(check, "text"))
        })
        .collect()
}

fn found<'c>(checks: &'c [(String, String, String)], name: &str) -> (&'c str, &'c str) {
    let check = checks.iter().find(|(found, ..)| found == name);
    let (_, state, text) = check.unwrap_or_else(|| panic!("{name}: {checks:?}"));
    (state, text)
}

/// Runs the program beside the stub, which needs this thread's runtime.
async fn run(program: Program, arguments: &'static [&'static str]) -> (Program, Ended) {
    tokio::task::spawn_blocking(move || {
        let ended = program.run(arguments);
        (program, ended)
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_installation_passes_and_the_cloud_is_only_read() {
    let (t, stub) = (TestApp::today().await, StubDo::start().await);
    let program = program(&t.database.url, &stub);
    let (program, ended) = run(program, &["sync"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    let (program, ended) = run(program, &["detect"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    let before = stub.requests().len();
    let (program, ended) = run(program, &["doctor", "--json"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    let all = checks(&ended);
    for name in [
        "settings",
        "database",
        "migrations",
        "clock",
        "writes",
        "source digitalocean",
        "sweep",
        "notifications",
        "cloud digitalocean",
    ] {
        assert_eq!(found(&all, name).0, "ok", "{name}: {all:?}");
    }
    let version = if t.database.is_postgres() {
        "PostgreSQL 1"
    } else {
        "SQLite 3"
    };
    assert!(found(&all, "database").1.contains(version));
    assert_eq!(
        all.iter().any(|(name, ..)| name == "space"),
        !t.database.is_postgres()
    );
    let requests = stub.requests().split_off(before);
    assert!(requests.iter().all(|request| request.method == "GET"));
    assert!(requests.len() > 15 && requests.len() < 30, "{}", requests.len());
    let text = run(program, &["doctor"]).await.1;
    assert!(
        text.out.contains("ok       sweep: the last good one was"),
        "{}",
        text.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named_with_what_to_do() {
    let (t, stub) = (TestApp::today().await, StubDo::start().await);
    stub.fault(|request, normal| match request.path.as_str() {
        "volumes" => response(403, [], "{}"),
        _ => normal_answer(normal),
    });
    if !t.database.is_postgres() {
        let path = t
            .database
            .url
            .trim_start_matches("sqlite://")
            .split('?')
            .next()
            .unwrap();
        let mut mode = fs::metadata(path).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o644);
        fs::set_permissions(path, mode).unwrap();
    }
    let program = program(&t.database.url, &stub)
        .with_file("url", "https://hooks.example.com/planted")
        .with("DRIFT_LISTEN", "0.0.0.0:8080");
    let added = ["notify", "add", "hook", "--kind", "webhook", "--url-from", "url"];
    let ended = program.run(&added);
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    t.database
        .execute("UPDATE notification_targets SET secret = NULL")
        .await
        .unwrap();
    let ended = run(program, &["doctor", "--json"]).await.1;
    assert_eq!(ended.code, Some(1), "{}", ended.output());
    let all = checks(&ended);
    let (state, text) = found(&all, "cloud digitalocean");
    assert!(
        state == "warning" && text.contains("volume (/v2/volumes"),
        "{text}"
    );
    assert!(!text.contains("droplet"), "{text}");
    assert_eq!(found(&all, "sources").0, "warning");
    assert_eq!(found(&all, "sweep").0, "warning");
    assert_eq!(found(&all, "listen").0, "warning");
    let (state, text) = found(&all, "notifications");
    assert!(state == "failed" && text.contains("hook has no secret"), "{text}");
    let (state, text) = found(&all, "files");
    assert_eq!(state == "warning", !t.database.is_postgres(), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_checks_run_while_the_database_and_the_issuer_are_down() {
    let stub = StubDo::start().await;
    stub.fault(|_, _| response(401, [], "{}"));
    // Nothing listens on port 1.
    let program = program(
        "postgres://operator:planted@127.0.0.1:1/drift?password=planted",
        &stub,
    )
    .with("DRIFT_OIDC_ISSUER", "http://127.0.0.1:1")
    .with("DRIFT_OIDC_AUDIENCE", "drift");
    let ended = run(program, &["doctor", "--json"]).await.1;
    assert_eq!(ended.code, Some(1), "{}", ended.output());
    let all = checks(&ended);
    let (state, text) = found(&all, "database");
    assert!(state == "failed" && text.contains("refused"), "{text}");
    for name in ["migrations", "clock", "sources", "sweep", "notifications"] {
        assert_eq!(found(&all, name).0, "skipped", "{name}");
    }
    let (state, text) = found(&all, "cloud digitalocean");
    assert!(state == "failed" && text.contains("rejected the token"), "{text}");
    let (state, text) = found(&all, "issuer");
    assert!(state == "failed" && text.contains("refused"), "{text}");
}

#[tokio::test]
async fn a_missing_database_is_not_created_and_missing_migrations_are_counted() {
    let stub = StubDo::start().await;
    let absent = program("sqlite://absent.db?mode=rwc", &stub).with("DIGITALOCEAN_TOKEN", "");
    let ended = absent.run(&["doctor", "--json"]);
    assert_eq!(ended.code, Some(1), "{}", ended.output());
    let all = checks(&ended);
    let (state, text) = found(&all, "database");
    assert!(state == "failed" && text.contains("does not exist"), "{text}");
    assert!(!absent.folder().join("absent.db").exists());
    assert_eq!(found(&all, "cloud").0, "warning");
    let database = TestDb::create().await;
    // On SQLite this creates the file.
    database.execute("SELECT 1").await.unwrap();
    for (migrate, state) in [("on", "warning"), ("off", "failed")] {
        let program = program(&database.url, &stub)
            .with("DIGITALOCEAN_TOKEN", "")
            .with("DRIFT_MIGRATE", migrate);
        let ended = program.run(&["doctor", "--json"]);
        let all = checks(&ended);
        let (found, text) = found(&all, "migrations");
        assert!(found == state && text.contains("missing: "), "{text}");
        assert_eq!(ended.code, Some(i32::from(state == "failed")));
    }
    for (name, value) in [
        ("DRIFT_JWT_SECRET", "planted"),
        ("DRIFT_OIDC_CLIENT_ID", "page"),
        ("DRIFT_OIDC_AUDIENCE", "drift"),
        ("DRIFT_PROXY_NETWORKS", "10.0.0.0/8"),
    ] {
        let wrong = program(&database.url, &stub)
            .with("DIGITALOCEAN_TOKEN", "")
            .with(name, value);
        let ended = wrong.run(&["doctor", "--json"]);
        let all = checks(&ended);
        let (state, text) = found(&all, "settings");
        assert!(state == "failed" && text.contains(name), "{text}");
    }
}

#[tokio::test]
async fn the_clock_of_the_database_is_compared() {
    let t = TestApp::today().await;
    let difference = t.database.connect().await.clock_difference().await.unwrap();
    assert_eq!(difference.is_some(), t.database.is_postgres());
    assert!(difference.is_none_or(|difference| difference.abs() < TimeDelta::seconds(2)));
}

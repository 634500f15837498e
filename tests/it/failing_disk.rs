//! Failures of the disk of SQLite: no confirmed write is lost.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Instant;

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait as _, EntityTrait as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::disk::{EIO, ENOSPC, EROFS, Faults, OnDisk};
use crate::support::process::MAX_WAIT;

/// Confirmed writes: the last version of the spec of each resource.
type Answered = BTreeMap<String, u64>;

async fn record(server: &OnDisk, answered: &mut Answered, number: usize) -> bool {
    let resource = &server.resources[number % server.resources.len()];
    let version = server.record(resource, &format!("small-{number}")).await;
    if let Some(version) = version {
        answered.insert(resource.clone(), version);
    }
    version.is_some()
}

/// Kills the server with SIGKILL and checks that all confirmed writes are in the file.
async fn nothing_is_lost(server: &mut OnDisk, answered: &Answered) {
    server.kill();
    let db = server.database().await;
    let specs = entity::cloud_provisioned::Entity::find()
        .all(db.reader())
        .await
        .unwrap();
    let kept: BTreeMap<Uuid, u64> = specs
        .iter()
        .map(|spec| (spec.resource_id, u64::try_from(spec.spec_version).unwrap()))
        .collect();
    for (resource, version) in answered {
        let kept = kept.get(&Uuid::parse_str(resource).unwrap()).copied();
        assert!(
            kept >= Some(*version),
            "{resource}: version {version} was confirmed, but version {kept:?} is stored"
        );
    }
    db.close().await.unwrap();
}

/// Writes from another process, so that the server must read the file instead of its cache.
async fn another_process_writes(server: &OnDisk) {
    let db = server.database().await;
    db.write_txn(|txn| async move {
        let sql = "UPDATE seaql_migrations SET applied_at = applied_at + 1";
        Ok(txn.execute_unprepared(sql).await?)
    })
    .await
    .expect("the server left a lock behind");
    db.close().await.unwrap();
}

async fn nothing_is_lost_after(failures: i32) {
    let once = |writes, reads, error| Faults { writes, reads, error };
    for faults in [
        once(failures, 0, ENOSPC),
        once(failures, 0, EIO),
        once(0, failures, EIO),
    ] {
        let mut server = OnDisk::with(4).await;
        let mut answered = Answered::new();
        for number in 0..4 {
            assert!(record(&server, &mut answered, number).await);
        }
        another_process_writes(&server).await;
        server.fail(faults);
        for number in 4..200 {
            record(&server, &mut answered, number).await;
            if server.injected() >= failures {
                break;
            }
            another_process_writes(&server).await;
        }
        assert_eq!(server.injected(), failures, "{faults:?}");
        for number in 0..4 {
            assert!(record(&server, &mut answered, number).await, "{faults:?}");
        }
        server.until_ready(true).await;
        another_process_writes(&server).await;
        nothing_is_lost(&mut server, &answered).await;
    }
}

#[tokio::test]
async fn no_write_is_lost_after_one_failure_of_the_disk() {
    nothing_is_lost_after(1).await;
}

#[tokio::test]
async fn no_write_is_lost_after_two_failures_of_the_disk() {
    nothing_is_lost_after(2).await;
}

#[tokio::test]
async fn no_write_is_lost_after_twenty_failures_of_the_disk() {
    nothing_is_lost_after(20).await;
}

/// Lists the open drifts with their revisions.
async fn drifts(server: &OnDisk) -> Vec<Value> {
    let open = "{ drifts(first: 100) { nodes { id revision } } }";
    let found = server.ask(open, json!({})).await;
    found["data"]["drifts"]["nodes"].as_array().unwrap().clone()
}

/// Accepts a drift. Returns its id, or the response if it was refused.
async fn accept(server: &OnDisk, drift: &Value) -> Result<String, Value> {
    let mutation = "mutation($input: AcceptDriftInput!) { acceptDrift(input: $input) { drift { id } } }";
    let input = json!({ "input": { "driftId": drift["id"], "revision": drift["revision"] } });
    let answer = server.ask(mutation, input).await;
    let accepted = answer["data"]["acceptDrift"]["drift"]["id"].as_str();
    accepted.map(str::to_owned).ok_or(answer)
}

/// Accepts all drifts concurrently while the disk works. On a slow machine an accept may fail because the database is
/// busy; it is then repeated.
async fn accept_all(server: &OnDisk, drifts: &[Value]) -> Vec<String> {
    let mut accepts = join_all(drifts.iter().map(|drift| accept(server, drift))).await;
    for (drift, accepted) in drifts.iter().zip(&mut accepts) {
        let began = Instant::now();
        while let Err(refused) = &accepted {
            let code = &refused["errors"][0]["extensions"]["code"];
            assert!(code == "DATABASE_BUSY" && began.elapsed() < MAX_WAIT, "{refused}");
            *accepted = accept(server, drift).await;
        }
    }
    accepts.into_iter().flatten().collect()
}

/// Starts a server with 60 droplets that all differ from their specs.
async fn with_drift_everywhere() -> OnDisk {
    let server = OnDisk::with(60).await;
    for resource in &server.resources {
        assert!(server.record(resource, "small").await.is_some());
    }
    let swept = server.program().run(&["detect"]);
    assert_eq!(swept.code, Some(0), "{}", swept.output());
    server
}

async fn all_are_accepted(server: &mut OnDisk, accepted: &[String]) {
    server.killed_and_started();
    let left: Vec<Value> = drifts(server).await;
    for id in accepted {
        assert!(
            left.iter().all(|drift| drift["id"] != id.as_str()),
            "{id} is open again"
        );
    }
    assert_eq!(left.len() + accepted.len(), 60, "the other drifts are open");
}

/// Checks that accepts are kept that were confirmed before, while and after the disk is full.
async fn every_accept_that_is_answered_ok_is_kept(fill: impl AsyncFn(&OnDisk), free: impl Fn(&OnDisk)) {
    let mut server = with_drift_everywhere().await;
    let open = drifts(&server).await;
    assert_eq!(open.len(), 60);
    let mut accepted = accept_all(&server, &open[..20]).await;
    assert_eq!(accepted.len(), 20);
    fill(&server).await;
    accepted.extend(
        join_all(open[20..40].iter().map(|drift| accept(&server, drift)))
            .await
            .into_iter()
            .flatten(),
    );
    // The remaining space may be enough for a few writes.
    let mut refused = 0;
    for _ in 0..400 {
        refused += u32::from(server.record(&server.resources[0], "small").await.is_none());
        if refused == 5 {
            break;
        }
    }
    assert_eq!(refused, 5, "the disk is full");
    server.until_ready(false).await;
    assert_eq!(
        drifts(&server).await.len() + accepted.len(),
        60,
        "reads continue and are correct"
    );
    free(&server);
    server.until_ready(true).await;
    accepted.extend(accept_all(&server, &open[40..]).await);
    another_process_writes(&server).await;
    all_are_accepted(&mut server, &accepted).await;
}

#[tokio::test]
async fn accepts_confirmed_while_the_disk_fills_are_in_the_file() {
    let full = Faults {
        writes: -1,
        error: ENOSPC,
        ..Faults::default()
    };
    let fill = async |server: &OnDisk| server.fail(full);
    let free = |server: &OnDisk| server.fail(Faults::default());
    every_accept_that_is_answered_ok_is_kept(fill, free).await;
}

/// Copies the write-ahead log into the database file and empties it.
async fn empty_log(server: &OnDisk) {
    let log = server.file().with_extension("db-wal");
    let db = server.database().await;
    let began = Instant::now();
    while std::fs::metadata(&log).unwrap().len() > 0 {
        // A checkpoint does nothing while a query reads the log.
        db.reader()
            .execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)")
            .await
            .unwrap();
        assert!(began.elapsed() < MAX_WAIT, "the log is never empty");
    }
    db.close().await.unwrap();
}

/// Limits the size of files that a process may write.
fn limit_files(pid: u32, bytes: &str) {
    let limited = Command::new("prlimit")
        .args(["--pid", &pid.to_string(), &format!("--fsize={bytes}:unlimited")])
        .status();
    assert!(limited.unwrap().success());
}

#[tokio::test]
async fn accepts_confirmed_before_a_file_size_limit_are_in_the_file() {
    // SQLite copies its log into the file after 1,000 pages and then reuses its space. A log that already has this
    // size would not grow, and no write would be refused. So the log is emptied first.
    let fill = async |server: &OnDisk| {
        empty_log(server).await;
        limit_files(server.pid(), "40000");
    };
    let free = |server: &OnDisk| limit_files(server.pid(), "unlimited");
    every_accept_that_is_answered_ok_is_kept(fill, free).await;
}

#[tokio::test]
async fn a_temporarily_read_only_file_system_refuses_writes_and_answers_reads() {
    let mut server = OnDisk::with(2).await;
    let mut answered = Answered::new();
    assert!(record(&server, &mut answered, 0).await);
    let read_only = Faults {
        writes: -1,
        error: EROFS,
        ..Faults::default()
    };
    server.fail(read_only);
    for number in 1..20 {
        assert!(!record(&server, &mut answered, number).await);
        let read = server.ask("{ resources { totalCount } }", json!({})).await;
        assert_eq!(read["data"]["resources"]["totalCount"], 2, "{read}");
    }
    let body = server.until_ready(false).await;
    assert!(
        body.contains("is read-only") || body.contains("cannot be written to"),
        "{body}"
    );
    server.fail(Faults::default());
    server.until_ready(true).await;
    for number in 1..4 {
        assert!(record(&server, &mut answered, number).await, "{number}");
    }
    another_process_writes(&server).await;
    nothing_is_lost(&mut server, &answered).await;
}

#[tokio::test]
async fn writes_to_a_removed_database_file_are_refused() {
    let server = OnDisk::with(2).await;
    assert!(server.record(&server.resources[0], "small").await.is_some());
    let aside = server.file().with_extension("aside");
    std::fs::rename(server.file(), &aside).unwrap();
    for _ in 0..3 {
        assert_eq!(server.record(&server.resources[0], "small").await, None);
        let read = server.ask("{ drifts { totalCount } }", json!({})).await;
        assert_eq!(
            read["errors"][0]["extensions"]["code"], "INTERNAL_SERVER_ERROR",
            "{read}"
        );
    }
    let body = server.until_ready(false).await;
    assert!(body.contains("removed or replaced"), "{body}");
    assert!(!server.file().exists(), "no new file is made in its place");
    std::fs::rename(&aside, server.file()).unwrap();
    server.until_ready(true).await;
    assert_eq!(server.record(&server.resources[0], "small").await, Some(2));
}

#[tokio::test]
async fn writes_to_a_replaced_database_file_are_refused() {
    for part in ["", "-wal"] {
        let server = OnDisk::with(2).await;
        assert!(server.record(&server.resources[0], "small").await.is_some());
        let path = format!("{}{part}", server.file().display());
        std::fs::copy(&path, format!("{path}.copy")).unwrap();
        std::fs::rename(format!("{path}.copy"), &path).unwrap();
        assert_eq!(server.record(&server.resources[0], "small").await, None, "{part}");
        server.until_ready(false).await;
    }
}

#[tokio::test]
async fn an_emptied_or_overwritten_database_file_is_detected() {
    for size in [0, 3 * 4096] {
        let server = OnDisk::with(2).await;
        assert!(server.record(&server.resources[0], "small").await.is_some());
        // The log is copied into the file first, so that the file has all data.
        let db = server.database().await;
        db.write_txn(|txn| async move { Ok(txn.execute_unprepared("DELETE FROM write_probe").await?) })
            .await
            .unwrap();
        sea_orm::ConnectionTrait::execute_unprepared(db.reader(), "PRAGMA wal_checkpoint(TRUNCATE)")
            .await
            .unwrap();
        db.close().await.unwrap();
        std::fs::write(server.file(), vec![7; size]).unwrap();
        let body = server.until_ready(false).await;
        assert!(!body.contains("\"ok\""), "{body}");
    }
}

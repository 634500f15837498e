//! Syncs write in chunks: other writes run in between, and the results of two syncs are never mixed.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::time::Duration;

use chrono::TimeDelta;
use drift_inbox::services::inventory::{SyncOptions, sync};
use drift_inbox::services::job_runs;
use entity::inventory_kinds::ListingOutcome;
use entity::job_runs::{Job, JobOutcome};
use futures_util::future::join3;
use sea_orm::{Statement, Value};
use serde_json::json;

use crate::support::TestApp;
use crate::support::cloud::{Cloud, Listed, droplet};

/// Number of droplets that need more than six chunks.
const DROPLETS: usize = 3_200;
/// Maximum time of a wait that ends immediately if the test passes.
const A_WHILE: Duration = Duration::from_secs(60);

fn droplets(size: &str) -> Vec<Listed> {
    (0..DROPLETS)
        .map(|n| droplet(&format!("web-{n}")).size(size))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn other_writes_are_not_blocked_while_a_sync_writes() {
    let t = TestApp::new().await;
    let volume = || Listed::new("volume", "data").region("fra1");
    t.cloud_has([volume(), Listed::new("vpc", "net")]).await;
    t.record_spec("data", json!({ "region": "nyc3" })).await;
    t.sweep().await;
    let drift = t.open_drift("data", "region").await;
    let run = job_runs::claim(t.db(), Job::SyncInventory).await.unwrap();

    let (reached, mut second_chunk) = tokio::sync::mpsc::unbounded_channel();
    let (queued, both_queued) = mpsc::channel();
    let (ended, both_ended) = mpsc::channel();
    let waits = Arc::new(Mutex::new((both_queued, both_ended)));
    let (chunks, in_time) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let ended_in_time = Arc::clone(&in_time);
    let syncing = t.db().clone().observed(move |info| {
        if !info.statement.sql.starts_with(r#"INSERT INTO "cloud_resources""#) {
            return;
        }
        // The transaction of the chunk is open while this statement runs.
        match chunks.fetch_add(1, Ordering::SeqCst) {
            1 => {
                reached.send(()).unwrap();
                tokio::task::block_in_place(|| waits.lock().unwrap().0.recv_timeout(A_WHILE)).unwrap();
            }
            5 => {
                let ended = tokio::task::block_in_place(|| waits.lock().unwrap().1.recv_timeout(A_WHILE));
                ended_in_time.store(ended.is_ok(), Ordering::SeqCst);
            }
            _ => {}
        }
    });
    t.later(TimeDelta::seconds(1));
    t.cloud
        .set([droplets("s-1vcpu-1gb"), vec![volume(), Listed::new("vpc", "net")]].concat());
    let cloud = Arc::clone(&t.cloud);
    let synced = tokio::spawn(async move {
        sync(&syncing, "cloud", &*cloud, &SyncOptions::default())
            .await
            .unwrap()
    });

    second_chunk.recv().await.unwrap();
    let mut others = pin!(join3(
        t.accept(&drift),
        t.record_spec("net", json!({ "region": "fra1" })),
        job_runs::heartbeat(t.db(), run.id),
    ));
    // The first poll queues the writes for the lock, which the second chunk holds.
    let poll = std::future::poll_fn(|context| Poll::Ready(others.as_mut().poll(context))).await;
    queued.send(()).unwrap();
    let (accepted, _, is_running) = match poll {
        Poll::Ready(done) => done,
        Poll::Pending => others.await,
    };
    ended.send(()).unwrap();
    accepted.unwrap();
    assert!(is_running.unwrap());
    let counts = synced.await.unwrap();
    assert!(
        in_time.load(Ordering::SeqCst),
        "the other writes waited for the end of the sync"
    );
    assert_eq!(counts.discovered, DROPLETS as u64);
    assert_eq!(counts.outcome(), JobOutcome::Succeeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_overtaken_between_two_chunks_leaves_the_rest_to_the_newer_sync() {
    let t = TestApp::new().await;
    t.cloud_has(droplets("old")).await;
    let (older, newer) = (Cloud::default(), Arc::new(Cloud::default()));
    // One chunk has changes, and one droplet is missing.
    let changed = droplets("older").into_iter().take(500);
    older.set(changed.chain(droplets("old").into_iter().skip(500).take(DROPLETS - 501)));
    newer.set(droplets("newer"));
    let beside = t.connect().await;
    let overtaken = Arc::new(AtomicBool::new(false));
    let overtook = Arc::clone(&overtaken);
    let slow = t.db().clone().observed(move |info| {
        // The chunk is written, and the missing droplet is read without a lock.
        if !reads_missing(&info.statement.sql) || overtook.load(Ordering::SeqCst) {
            return;
        }
        tokio::task::block_in_place(|| {
            let options = SyncOptions::default();
            let synced = sync(&beside, "cloud", &*newer, &options);
            let counts = tokio::runtime::Handle::current().block_on(synced).unwrap();
            assert_eq!(counts.outcome(), JobOutcome::Succeeded);
            overtook.store(true, Ordering::SeqCst);
        });
    });
    let counts = sync(&slow, "cloud", &older, &SyncOptions::default())
        .await
        .unwrap();
    assert!(overtaken.load(Ordering::SeqCst));
    let written = (counts.superseded, counts.changed, counts.gone);
    assert_eq!(written, (1, 500, 0), "one chunk");
    assert_eq!(counts.outcome(), JobOutcome::Failed);
    let tables = t.tables().await;
    assert_eq!(tables.resources.len(), DROPLETS);
    let of_newer = |size: &Option<String>| size.as_deref() == Some("newer");
    assert!(tables.resources.iter().all(|row| of_newer(&row.size_slug)));
    assert_eq!(tables.kinds[0].listing_number, Some(3));
    assert_eq!(tables.kinds[0].outcome, Some(ListingOutcome::Complete));
}

/// Whether the statement reads rows that a listing lacks.
fn reads_missing(sql: &str) -> bool {
    sql.starts_with("SELECT") && sql.contains(r#""attrs""#) && sql.contains(r#""id" IN"#)
}

/// Returns whether the statement reads the rows of this kind, to find resources that the listing lacks.
fn scans(statement: &Statement, kind: &str) -> bool {
    let is_of_kind = || {
        let values = statement.values.iter().flat_map(|values| &values.0);
        values
            .into_iter()
            .any(|value| matches!(value, Value::String(Some(text)) if text.as_str() == kind))
    };
    statement.sql.contains(r#""gone_at" IS NULL"#) && is_of_kind()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rows_that_an_older_sync_writes_after_the_scan_of_a_newer_sync_become_gone() {
    let t = TestApp::new().await;
    let volumes = || ["data", "logs", "media"].map(|name| Listed::new("volume", name));
    let all = || [droplet("web-1"), droplet("web-2")].into_iter().chain(volumes());
    t.cloud_has(all()).await;
    // A sync before them was killed, so that kinds are compared again once they are claimed.
    let killed = "UPDATE inventory_kinds SET outcome = 'incomplete'";
    t.database.execute(killed).await.unwrap();
    let (older, newer) = (Cloud::default(), Cloud::default());
    // The older listing lacks one droplet and two volumes, and its sync confirms the droplet first.
    older.set([droplet("web-1"), droplet("extra"), Listed::new("volume", "data")]);
    newer.set(all());

    let wait = |signal: mpsc::Receiver<()>| {
        let signal = Arc::new(Mutex::new(signal));
        move || tokio::task::block_in_place(|| signal.lock().unwrap().recv_timeout(A_WHILE)).unwrap()
    };
    let ((claimed, is_claimed), (go_on, may_go_on)) = (mpsc::channel(), mpsc::channel());
    let ((wrote, has_written), (end, may_end)) = (mpsc::channel(), mpsc::channel());
    let (until_it_may_go_on, until_it_may_end) = (wait(may_go_on), wait(may_end));
    let (scans_of_older, reads_of_older) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let counters = Arc::new((scans_of_older, reads_of_older));
    let of_older = t.db().clone().observed(move |info| {
        // The second time after the claim.
        if scans(info.statement, "droplet") && counters.0.fetch_add(1, Ordering::SeqCst) == 1 {
            claimed.send(()).unwrap();
            until_it_may_go_on();
        }
        if reads_missing(&info.statement.sql) && counters.1.fetch_add(1, Ordering::SeqCst) == 0 {
            wrote.send(()).unwrap();
            until_it_may_end();
        }
    });
    let older = tokio::spawn(async move {
        sync(&of_older, "cloud", &older, &SyncOptions::default())
            .await
            .unwrap()
    });
    wait(is_claimed)();

    let (until_it_has_written, scanned) = (wait(has_written), Arc::new(AtomicUsize::new(0)));
    let of_newer = t.connect().await.observed(move |info| {
        // The scan of the droplets has ended at this point.
        if scans(info.statement, "volume") && scanned.fetch_add(1, Ordering::SeqCst) == 0 {
            go_on.send(()).unwrap();
            until_it_has_written();
        }
    });
    let counts = sync(&of_newer, "cloud", &newer, &SyncOptions::default())
        .await
        .unwrap();
    end.send(()).unwrap();
    assert_eq!(older.await.unwrap().discovered, 1, "the older sync wrote it");
    assert_eq!((counts.gone, counts.outcome()), (1, JobOutcome::Succeeded));
    assert!(t.resource("extra").await.gone_at.is_some());
    let kinds = t.tables().await.kinds;
    assert!(
        kinds
            .iter()
            .all(|kind| kind.outcome == Some(ListingOutcome::Complete))
    );
}

//! Changes between the reads and the writes of a sweep, and concurrent operations.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use drift_inbox::app::App;
use drift_inbox::clock::Clock;
use drift_inbox::error::{Error, Result};
use drift_inbox::jobs::JobRequest;
use drift_inbox::services::acceptance::{self, AcceptDrift, Accepted};
use drift_inbox::services::baseline::record_baseline;
use drift_inbox::services::detection::{Applied, Gathered, Scope, SweepCounts, apply, gather, plan};
use drift_inbox::services::locks::{self, Lock};
use drift_inbox::services::provisioning::{RecordSpec, SOURCE_API, record_provisioned};
use drift_inbox::services::resources::ResourceFilter;
use drift_inbox::services::retirement::{RetireSpec, retire_in_txn, retire_spec};
use entity::cloud_drift::{self, DriftKind, DriftStatus};
use entity::cloud_provisioned;
use entity::cloud_resource_events::EventType;
use serde_json::{Value, json};

use crate::support::cloud::{Listed, droplet};
use crate::support::together::{behind, together};
use crate::support::{ADMIN, TestApp};

const SMALL: &str = "s-1vcpu-1gb";
const LARGE: &str = "s-2vcpu-4gb";
const HUGE: &str = "s-8vcpu-16gb";

/// Creates a server with one droplet whose size differs from its spec. No sweep has run.
async fn resized() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size(LARGE)]).await;
    t.record_spec("web-1", json!({ "size_slug": SMALL })).await;
    t
}

async fn gathered(t: &TestApp) -> Gathered {
    gather(t.db(), &Scope::All).await.unwrap().expect("no specs")
}

async fn applied(t: &TestApp, batch: &Gathered) -> Applied {
    apply(t.db(), &plan(batch, t.now()), t.now()).await.unwrap()
}

/// Checks that nothing of the batch is written, because its resource has changed.
async fn moved(t: &TestApp, batch: &Gathered) {
    let before = t.drifts().await;
    let applied = applied(t, batch).await;
    assert_eq!(
        (applied.moved.len(), done(&applied.counts)),
        (1, 0),
        "{applied:?}"
    );
    assert_eq!(t.drifts().await, before);
}

/// Returns the number of drifts that a sweep wrote.
fn done(counts: &SweepCounts) -> u64 {
    counts.opened + counts.changed + counts.staled
}

async fn finds_nothing(t: &TestApp) {
    let counts = t.sweep().await;
    assert_eq!((done(&counts), counts.moved), (0, 0), "{counts:?}");
}

async fn detected(t: &TestApp, name: &str) -> usize {
    let events = t.events(name).await;
    events
        .iter()
        .filter(|event| **event == EventType::DriftDetected)
        .count()
}

#[tokio::test]
async fn a_drift_that_is_concurrently_opened_and_accepted_is_not_opened_again() {
    let t = resized().await;
    let batch = gathered(&t).await;
    assert_eq!(t.sweep().await.opened, 1);
    t.accept(&t.open_drift("web-1", "size_slug").await).await.unwrap();
    moved(&t, &batch).await;
    assert!(t.inbox().await.is_empty());
    assert_eq!(t.drifts().await.len(), 1);
    finds_nothing(&t).await;
}

#[tokio::test]
async fn a_drift_that_is_concurrently_opened_is_not_changed() {
    let t = resized().await;
    let batch = gathered(&t).await;
    assert_eq!(t.sweep().await.opened, 1);
    moved(&t, &batch).await;
    assert_eq!(detected(&t, "web-1").await, 1);
    finds_nothing(&t).await;
}

#[tokio::test]
async fn a_value_that_a_sync_changes_during_a_sweep_is_compared_by_the_next_sweep() {
    let t = resized().await;
    let batch = gathered(&t).await;
    t.cloud_has([droplet("web-1").size(HUGE)]).await;
    moved(&t, &batch).await;
    assert_eq!(t.sweep().await.opened, 1);
    let drift = t.open_drift("web-1", "size_slug").await;
    assert_eq!(drift.actual, Some(json!(HUGE)));
}

#[tokio::test]
async fn a_value_that_a_sync_corrects_during_a_sweep_opens_no_drift() {
    let t = resized().await;
    let batch = gathered(&t).await;
    t.cloud_has([droplet("web-1").size(SMALL)]).await;
    moved(&t, &batch).await;
    finds_nothing(&t).await;
    assert!(t.drifts().await.is_empty());
}

#[tokio::test]
async fn a_spec_recorded_during_a_sweep_is_compared_by_the_next_sweep() {
    let t = resized().await;
    let batch = gathered(&t).await;
    t.record_spec("web-1", json!({ "size_slug": LARGE })).await;
    moved(&t, &batch).await;
    finds_nothing(&t).await;
    assert!(t.drifts().await.is_empty());
}

#[tokio::test]
async fn a_spec_retired_during_a_sweep_opens_no_drift() {
    let t = resized().await;
    let batch = gathered(&t).await;
    let (resource, now) = (t.resource("web-1").await.id, t.now());
    t.db()
        .write_txn(|txn| async move {
            locks::resource_in_txn(&txn, resource, Lock::Share).await?;
            let spec = locks::spec_in_txn(&txn, resource, Lock::Update).await?.unwrap();
            retire_in_txn(&txn, &[spec], ADMIN, now).await
        })
        .await
        .unwrap();
    moved(&t, &batch).await;
    finds_nothing(&t).await;
    assert!(t.drifts().await.is_empty());
}

/// Another sweep compares each change of another program that raises no version, and deletes its mark. An older batch
/// must not undo the result.
#[tokio::test]
async fn an_older_batch_does_not_close_a_drift_that_another_sweep_compared_since() {
    for (right, wrong) in [
        (
            "UPDATE cloud_resources SET size_slug = 's-1vcpu-1gb'",
            "UPDATE cloud_resources SET size_slug = 's-2vcpu-4gb'",
        ),
        (
            "UPDATE cloud_provisioned SET spec = '{\"size_slug\":\"s-2vcpu-4gb\"}'",
            "UPDATE cloud_provisioned SET spec = '{\"size_slug\":\"s-1vcpu-1gb\"}'",
        ),
        (
            "UPDATE cloud_provisioned SET retired_at = recorded_at",
            "UPDATE cloud_provisioned SET retired_at = NULL",
        ),
    ] {
        let t = resized().await;
        assert_eq!(t.sweep().await.opened, 1);
        t.database.execute(right).await.unwrap();
        let batch = gathered(&t).await;
        t.database.execute(wrong).await.unwrap();
        finds_nothing(&t).await;
        moved(&t, &batch).await;
        assert_eq!(t.inbox().await.len(), 1, "{right}");
    }
}

#[tokio::test]
async fn an_older_batch_opens_no_drift_of_a_value_that_another_sweep_compared_since() {
    let t = resized().await;
    let batch = gathered(&t).await;
    let right = "UPDATE cloud_resources SET size_slug = 's-1vcpu-1gb'";
    t.database.execute(right).await.unwrap();
    finds_nothing(&t).await;
    moved(&t, &batch).await;
    assert!(t.inbox().await.is_empty());
}

#[tokio::test]
async fn a_resource_that_becomes_gone_during_a_sweep_is_missing_in_the_next_sweep() {
    let t = resized().await;
    let batch = gathered(&t).await;
    t.cloud_has([]).await;
    moved(&t, &batch).await;
    assert_eq!(t.sweep().await.opened, 1);
    assert_eq!(t.open_drift("web-1", "*").await.kind, DriftKind::Missing);
}

#[tokio::test]
async fn a_resource_that_returns_during_a_sweep_is_not_missing() {
    let t = resized().await;
    t.cloud_has([]).await;
    let batch = gathered(&t).await;
    t.cloud_has([droplet("web-1").size(LARGE)]).await;
    moved(&t, &batch).await;
    assert_eq!(t.sweep().await.opened, 1);
    let open = t.inbox().await;
    assert_eq!((open.len(), open[0].kind), (1, DriftKind::Changed));
}

#[tokio::test]
async fn a_missing_resource_accepted_during_a_sweep_stays_accepted() {
    let t = resized().await;
    t.cloud_has([]).await;
    t.sweep().await;
    let missing = t.open_drift("web-1", "*").await;
    t.cloud_has([droplet("web-1").size(LARGE)]).await;
    // Without the accept, the sweep would close the drift and open another.
    let batch = gathered(&t).await;
    t.cloud_has([]).await;
    t.accept(&missing).await.unwrap();
    moved(&t, &batch).await;
    finds_nothing(&t).await;
    assert_eq!(t.drifts().await[0].status, DriftStatus::Accepted);
}

#[tokio::test]
async fn a_drift_that_a_refused_accept_updates_during_a_sweep_changes_once() {
    let t = resized().await;
    t.sweep().await;
    let seen = t.open_drift("web-1", "size_slug").await;
    t.cloud_has([droplet("web-1").size(HUGE)]).await;
    let batch = gathered(&t).await;
    let refused = t.accept(&seen).await.unwrap_err();
    assert!(
        matches!(refused, Error::LiveValueMoved { revision: 2, .. }),
        "{refused:?}"
    );
    moved(&t, &batch).await;
    assert_eq!(t.open_drift("web-1", "size_slug").await.revision, 2);
    let events = t.events("web-1").await;
    let changed = events
        .iter()
        .filter(|event| **event == EventType::DriftChanged)
        .count();
    assert_eq!(changed, 1);
    finds_nothing(&t).await;
}

#[tokio::test]
async fn one_concurrently_changed_resource_does_not_delay_the_rest_of_its_batch() {
    let t = TestApp::new().await;
    let names = ["web-1", "web-2", "web-3"];
    t.cloud_has(names.map(|name| droplet(name).size(LARGE))).await;
    for name in names {
        t.record_spec(name, json!({ "size_slug": SMALL })).await;
    }
    let batch = gathered(&t).await;
    t.record_spec("web-2", json!({ "size_slug": HUGE })).await;
    let applied = applied(&t, &batch).await;
    assert_eq!((applied.counts.opened, applied.counts.resources), (2, 2));
    assert_eq!(applied.moved, [t.resource("web-2").await.id]);
    let counts = t.sweep().await;
    assert_eq!((counts.opened, counts.moved), (1, 0));
    assert_eq!(
        t.open_drift("web-2", "size_slug").await.expected,
        Some(json!(HUGE))
    );
}

/// Runs a sweep on another server. Each of the first `times` times that the sweep has read the batch, another spec is
/// recorded.
async fn sweep_beside_records(t: &TestApp, times: usize) -> entity::job_runs::Model {
    let (beside, resource_id, now) = (t.connect().await, t.resource("web-1").await.id, t.now());
    let left = Arc::new(AtomicUsize::new(times));
    let recorded = Arc::clone(&left);
    let swept = t.connect().await.observed(move |info| {
        let sql = &info.statement.sql;
        // The last query of a batch, before the transaction that writes.
        let has_read = sql.starts_with("SELECT")
            && sql.contains(r#"FROM "cloud_drift""#)
            && !sql.contains("cloud_provisioned")
            && sql.contains(r#""actual""#);
        let take = |left: usize| left.checked_sub(1);
        let Ok(nth) = recorded.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            take(left).filter(|_| has_read)
        }) else {
            return;
        };
        let record = RecordSpec {
            resource_id,
            spec: json!({ "size_slug": format!("s-{nth}") }),
            source: SOURCE_API.to_owned(),
            expected_version: None,
            take_over: false,
            reason: None,
        };
        tokio::task::block_in_place(|| {
            let record = record_provisioned(&beside, ADMIN, &record, now);
            tokio::runtime::Handle::current().block_on(record).unwrap();
        });
    });
    let app = App::new(swept, Clock::Manual(t.clock.clone()), None);
    let run = app.jobs().run(JobRequest::detect_all()).await.unwrap();
    assert_eq!(
        left.load(Ordering::SeqCst),
        0,
        "the batch was read fewer than {times} times"
    );
    run
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_that_changes_during_a_sweep_is_compared_again_by_the_sweep() {
    for times in [1, 2] {
        let t = resized().await;
        let run = sweep_beside_records(&t, times).await;
        let counts: SweepCounts = serde_json::from_value(run.counts).unwrap();
        assert_eq!(
            (counts.moved, counts.opened, counts.resources),
            (0, 1, 1),
            "{times}"
        );
        assert_eq!(run.outcome, Some(entity::job_runs::JobOutcome::Succeeded));
        let drift = t.open_drift("web-1", "size_slug").await;
        assert_eq!(drift.expected, Some(json!("s-1")), "the last recorded spec");
        finds_nothing(&t).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_that_keeps_changing_is_left_to_the_next_sweep_and_reported() {
    let t = resized().await;
    let run = sweep_beside_records(&t, 3).await;
    let counts: SweepCounts = serde_json::from_value(run.counts).unwrap();
    assert_eq!((counts.moved, counts.opened, counts.resources), (1, 0, 0));
    assert_eq!(run.outcome, Some(entity::job_runs::JobOutcome::Partial));
    assert!(t.inbox().await.is_empty());
    assert_eq!(t.sweep().await.opened, 1);
}

#[tokio::test]
async fn two_concurrent_retires_succeed_once_and_the_sweep_opens_no_drift() {
    let t = resized().await;
    t.sweep().await;
    let batch = gathered(&t).await;
    let (one, other, now) = (t.connect().await, t.connect().await, t.now());
    let retire = RetireSpec {
        resource_id: t.resource("web-1").await.id,
        expected_version: 1,
    };
    let (a, b) = together(
        &t,
        "web-1",
        async move { retire_spec(&one, ADMIN, retire, now).await },
        async move { retire_spec(&other, ADMIN, retire, now).await },
    )
    .await;
    let (won, lost) = if a.is_ok() { (a, b) } else { (b, a) };
    assert_eq!(won.unwrap().version, 2);
    assert!(
        matches!(lost, Err(Error::SpecVersionConflict { current: 0 })),
        "{lost:?}"
    );
    assert_eq!(
        applied(&t, &batch).await.counts,
        SweepCounts {
            resources: 1,
            fields_compared: 1,
            ..SweepCounts::default()
        }
    );
    assert!(t.inbox().await.is_empty());
    finds_nothing(&t).await;
}

/// Accepts a drift on another server, with its revision like the inbox page.
async fn accepting(
    t: &TestApp,
    drift: &cloud_drift::Model,
) -> impl Future<Output = Result<Accepted>> + Send + use<> {
    let (db, now) = (t.connect().await, t.now());
    let accept = AcceptDrift {
        drift_id: drift.id,
        revision: Some(drift.revision),
        note: None,
    };
    async move { acceptance::accept_drift(&db, ADMIN, &accept, now).await }
}

/// Records a spec on another server.
async fn recording(
    t: &TestApp,
    name: &str,
    spec: Value,
) -> impl Future<Output = Result<cloud_provisioned::Model>> + Send + use<> {
    let (db, now) = (t.connect().await, t.now());
    let record = RecordSpec {
        resource_id: t.resource(name).await.id,
        spec,
        source: SOURCE_API.to_owned(),
        expected_version: None,
        take_over: false,
        reason: None,
    };
    async move { record_provisioned(&db, ADMIN, &record, now).await }
}

#[tokio::test]
async fn two_concurrent_sweeps_open_one_drift() {
    let t = resized().await;
    let (a, b) = (Arc::new(gathered(&t).await), Arc::new(gathered(&t).await));
    let (one, other) = (t.connect().await, t.connect().await);
    let now = t.now();
    let (a, b) = together(
        &t,
        "web-1",
        async move { apply(&one, &plan(&a, now), now).await.unwrap() },
        async move { apply(&other, &plan(&b, now), now).await.unwrap() },
    )
    .await;
    assert_eq!(a.counts.opened + b.counts.opened, 1, "{a:?} {b:?}");
    assert_eq!(t.drifts().await.len(), 1);
    assert_eq!(detected(&t, "web-1").await, 1);
    finds_nothing(&t).await;
}

#[tokio::test]
async fn two_fields_of_one_resource_are_accepted_concurrently() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size(LARGE).region("ams3")]).await;
    t.record_spec("web-1", json!({ "size_slug": SMALL, "region": "nyc3" }))
        .await;
    t.sweep().await;
    let size = accepting(&t, &t.open_drift("web-1", "size_slug").await).await;
    let region = accepting(&t, &t.open_drift("web-1", "region").await).await;
    let (size, region) = together(&t, "web-1", size, region).await;
    size.unwrap();
    region.unwrap();
    let spec = t.spec("web-1").await;
    assert_eq!(spec.spec_version, 3);
    assert_eq!(spec.spec, json!({ "size_slug": LARGE, "region": "ams3" }));
    finds_nothing(&t).await;
}

#[tokio::test]
async fn two_concurrent_accepts_of_one_drift_succeed_once() {
    let t = resized().await;
    t.sweep().await;
    let drift = t.open_drift("web-1", "size_slug").await;
    let (a, b) = (accepting(&t, &drift).await, accepting(&t, &drift).await);
    let (a, b) = together(&t, "web-1", a, b).await;
    let (won, lost) = if a.is_ok() { (a, b) } else { (b, a) };
    assert_eq!(won.unwrap().drift.status, DriftStatus::Accepted);
    assert!(
        matches!(lost, Err(Error::AlreadyResolved(DriftStatus::Accepted))),
        "{lost:?}"
    );
    assert_eq!(t.spec("web-1").await.spec_version, 2);
}

#[tokio::test]
async fn an_accept_during_a_sync_records_the_seen_value_or_is_refused() {
    let t = resized().await;
    t.sweep().await;
    let seen = t.open_drift("web-1", "size_slug").await;
    t.cloud.set([droplet("web-1").size(HUGE)]);
    let server = t.another_server().await;
    t.later(chrono::TimeDelta::seconds(1));
    let sync = async move {
        let request = drift_inbox::jobs::JobRequest::whole(entity::job_runs::Job::SyncInventory);
        server.jobs().run(request).await.unwrap()
    };
    let accept = accepting(&t, &seen).await;
    let (accepted, run) = together(&t, "web-1", accept, sync).await;
    assert_eq!(run.outcome, Some(entity::job_runs::JobOutcome::Succeeded));
    let wanted = t.spec("web-1").await.spec["size_slug"].clone();
    match accepted {
        Ok(_) => assert_eq!(wanted, LARGE),
        Err(Error::LiveValueMoved { actual, .. }) => {
            assert_eq!((wanted, actual), (json!(SMALL), json!(HUGE)));
        }
        Err(other) => panic!("{other:?}"),
    }
    t.sweep().await;
    let open = t.inbox().await;
    assert_eq!((open.len(), &open[0].actual), (1, &Some(json!(HUGE))));
}

#[tokio::test]
async fn an_accept_during_a_record_precedes_it_or_is_refused() {
    let t = resized().await;
    t.sweep().await;
    let accept = accepting(&t, &t.open_drift("web-1", "size_slug").await).await;
    let record = recording(&t, "web-1", json!({ "size_slug": HUGE })).await;
    let (accepted, recorded) = together(&t, "web-1", accept, record).await;
    let version = match accepted {
        Ok(_) => 3,
        Err(Error::SpecMoved) => 2,
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!(recorded.unwrap().spec_version, version);
    assert_eq!(t.spec("web-1").await.spec, json!({ "size_slug": HUGE }));
}

#[tokio::test]
async fn two_first_specs_of_one_resource_are_versions_1_and_2() {
    let t = TestApp::new().await;
    t.cloud_has([Listed::new("volume", "data")]).await;
    let a = recording(&t, "data", json!({ "region": "nyc3" })).await;
    let b = recording(&t, "data", json!({ "region": "ams3" })).await;
    let (a, b) = together(&t, "data", a, b).await;
    let (a, b) = (a.unwrap(), b.unwrap());
    let newer = if a.spec_version > b.spec_version { &a } else { &b };
    assert_eq!(a.spec_version + b.spec_version, 3);
    assert_eq!(&t.spec("data").await, newer);
}

#[tokio::test]
async fn a_baseline_skips_resources_that_a_sync_changes_during_it() {
    for change in [
        "settling_since = CURRENT_TIMESTAMP",
        "owned = TRUE",
        "gone_at = CURRENT_TIMESTAMP",
        "first_seen_at = NULL",
    ] {
        let t = TestApp::new().await;
        t.cloud_has([droplet("web-1")]).await;
        let (db, now) = (t.connect().await, t.now());
        let baseline = async move { record_baseline(&db, ADMIN, &ResourceFilter::default(), now).await };
        let change = format!("UPDATE cloud_resources SET {change}");
        let done = behind(&t, "web-1", change, baseline).await.unwrap();
        assert!(done.recorded.is_empty() && done.skipped.is_empty(), "{done:?}");
    }
}

//! Sweeps: every spec is compared with its resource, and only changes are written.

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use drift_inbox::jobs::JobRequest;
use drift_inbox::services::detection::{Scope, SweepCounts};
use entity::cloud_drift::{DriftKind, DriftStatus};
use entity::cloud_resource_events::EventType;
use entity::job_runs::{self, JobOutcome};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};

/// Creates a server with one drift: the size of web-1.
pub(crate) async fn a_resized_droplet() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("large")]).await;
    t.record_spec("web-1", json!({ "size_slug": "small", "region": "nyc3" }))
        .await;
    assert_eq!(t.sweep().await.opened, 1);
    t.later(TimeDelta::hours(1));
    t
}

pub(crate) fn looked_at(resources: u64, fields_compared: u64) -> SweepCounts {
    SweepCounts {
        resources,
        fields_compared,
        ..SweepCounts::default()
    }
}

async fn sweep_of(t: &TestApp, ids: Vec<Uuid>) -> job_runs::Model {
    let request = JobRequest::Detect {
        scope: Scope::Resources(ids),
        progress: None,
    };
    t.app.jobs().run(request).await.unwrap()
}

#[tokio::test]
async fn each_differing_field_is_one_drift_and_fields_outside_the_spec_are_none() {
    let t = TestApp::new().await;
    let web = droplet("web-1").tags(["web"]).attr("backups", false);
    t.cloud_has([web.attr("ipv6", true).attr("region", "not looked at")])
        .await;
    let spec =
        json!({ "region": "fra1", "tags": ["web", "prod"], "backups": true, "ip": null, "vpc_uuid": "net" });
    t.record_spec("web-1", spec).await;
    let found = t.sweep().await;
    assert_eq!(
        found,
        SweepCounts {
            opened: 4,
            ..looked_at(1, 5)
        }
    );
    let inbox = t.inbox().await;
    let found: Vec<_> = inbox
        .iter()
        .map(|d| (d.field.as_str(), d.expected.clone(), d.actual.clone()))
        .collect();
    let expected = [
        ("backups", Some(json!(true)), Some(json!(false))),
        ("region", Some(json!("fra1")), Some(json!("nyc3"))),
        ("tags", Some(json!(["web", "prod"])), Some(json!(["web"]))),
        ("vpc_uuid", Some(json!("net")), None),
    ];
    assert_eq!(found, expected);
    for drift in &inbox {
        assert_eq!((drift.kind, drift.revision), (DriftKind::Changed, 1));
        assert_eq!((drift.detected_at, drift.resolved_at), (t.now(), None));
    }
    let events = t.event_rows(inbox[0].resource_id).await;
    let detected = events.iter().filter(|e| e.event_type == EventType::DriftDetected);
    let data: Vec<&Value> = detected.map(|event| &event.data).collect();
    assert_eq!(data.len(), 4);
    let first = json!({ "driftId": inbox[0].id, "field": "backups", "expected": true, "actual": false });
    assert!(data.contains(&&first));
}

#[tokio::test]
async fn a_second_sweep_over_unchanged_data_writes_only_its_run() {
    let (t, writes) = TestApp::watched().await;
    t.cloud_has([droplet("web-1").size("large"), droplet("web-2"), droplet("lost")])
        .await;
    for name in ["web-1", "web-2", "lost"] {
        t.record_spec(name, json!({ "size_slug": "small", "tags": [], "backups": 25.0 }))
            .await;
    }
    t.imported("new").await;
    t.record_spec("new", json!({ "region": "nyc3" })).await;
    let cloud = [droplet("web-1").size("large"), droplet("web-2").size("small")];
    t.cloud.set(cloud.into_iter().chain([droplet("new")]));
    t.sync().await;
    assert!(t.sweep().await.opened > 0);
    assert!(writes.tables().contains(&"cloud_drift".to_owned()));
    let (before, runs) = (t.tables().await, t.runs().await.len());
    t.later(TimeDelta::hours(23));
    assert_eq!(t.sweep().await, looked_at(4, 0));
    assert_eq!(writes.tables(), ["job_runs"]);
    assert_eq!(t.tables().await, before);
    assert_eq!(t.runs().await.len(), runs + 1);
}

#[tokio::test]
async fn a_new_live_value_updates_the_open_drift() {
    let t = a_resized_droplet().await;
    let before = t.open_drift("web-1", "size_slug").await;
    t.cloud_has([droplet("web-1").size("huge")]).await;
    let found = t.sweep().await;
    assert_eq!(
        found,
        SweepCounts {
            changed: 1,
            ..looked_at(1, 2)
        }
    );
    let after = t.open_drift("web-1", "size_slug").await;
    assert_eq!((after.id, after.revision), (before.id, 2));
    assert_eq!(after.actual, Some(json!("huge")));
    assert_eq!(after.detected_at, before.detected_at);
    let event = t.event_rows(after.resource_id).await.pop().unwrap();
    assert_eq!(event.event_type, EventType::DriftChanged);
    let data = json!({ "driftId": after.id, "field": "size_slug", "expected": "small", "actual": "huge" });
    assert_eq!(event.data, data);
}

#[tokio::test]
async fn a_new_spec_updates_the_open_drift() {
    let t = a_resized_droplet().await;
    t.record_spec("web-1", json!({ "size_slug": "tiny" })).await;
    let found = t.sweep().await;
    assert_eq!(
        found,
        SweepCounts {
            changed: 1,
            ..looked_at(1, 1)
        }
    );
    let drift = t.open_drift("web-1", "size_slug").await;
    assert_eq!((drift.revision, drift.expected), (2, Some(json!("tiny"))));
}

#[tokio::test]
async fn a_drift_with_loosely_equal_new_values_is_unchanged() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").tags(["a", "b"])]).await;
    t.record_spec("web-1", json!({ "tags": ["c", "d"] })).await;
    t.sweep().await;
    let before = t.inbox().await;
    t.record_spec("web-1", json!({ "tags": ["d", "c", "c"] })).await;
    t.cloud_has([droplet("web-1").tags(["b", "a"]).region("fra1")])
        .await;
    assert_eq!(t.sweep().await, looked_at(1, 1));
    assert_eq!(t.inbox().await, before);
}

#[tokio::test]
async fn a_drift_becomes_stale_when_the_live_value_equals_the_expected_value() {
    let t = a_resized_droplet().await;
    t.cloud_has([droplet("web-1").size("small")]).await;
    let found = t.sweep().await;
    assert_eq!(
        found,
        SweepCounts {
            staled: 1,
            ..looked_at(1, 2)
        }
    );
    let drift = t.drifts().await.pop().unwrap();
    assert_eq!(
        (drift.status, drift.resolved_at),
        (DriftStatus::Stale, Some(t.now()))
    );
    assert_eq!((drift.resolved_by, drift.revision), (None, 1));
    assert_eq!(
        drift.actual,
        Some(json!("large")),
        "a stale drift keeps its values"
    );
    let event = t.event_rows(drift.resource_id).await.pop().unwrap();
    assert_eq!(event.event_type, EventType::DriftStale);
    assert_eq!(
        event.data,
        json!({ "driftId": drift.id, "field": "size_slug", "reason": "healed" })
    );
    t.cloud_has([droplet("web-1").size("large")]).await;
    assert_eq!(t.sweep().await.opened, 1, "a new drift is opened");
    assert_eq!(t.drifts().await.len(), 2);
}

#[tokio::test]
async fn a_drift_becomes_stale_when_its_field_leaves_the_spec() {
    let t = a_resized_droplet().await;
    t.record_spec("web-1", json!({ "region": "nyc3" })).await;
    let found = t.sweep().await;
    assert_eq!(
        found,
        SweepCounts {
            staled: 1,
            ..looked_at(1, 1)
        }
    );
    assert_eq!(t.drifts().await[0].status, DriftStatus::Stale);
}

#[tokio::test]
async fn a_fleet_of_several_batches_is_compared_completely() {
    let t = TestApp::new().await;
    let name = |n: usize| format!("web-{n:03}");
    t.cloud_has((0..450).map(|n| droplet(&name(n)))).await;
    for n in 0..450 {
        t.record_spec(&name(n), json!({ "region": "fra1", "status": "active" }))
            .await;
    }
    let received = Arc::new(Mutex::new(Vec::new()));
    let sender = Arc::clone(&received);
    let request = JobRequest::Detect {
        scope: Scope::All,
        progress: Some(Arc::new(move |counts| sender.lock().unwrap().push(counts.opened))),
    };
    let run = t.app.jobs().run(request).await.unwrap();
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded));
    let counts: SweepCounts = serde_json::from_value(run.counts).unwrap();
    assert_eq!(
        counts,
        SweepCounts {
            opened: 450,
            ..looked_at(450, 900)
        }
    );
    let received = received.lock().unwrap().clone();
    assert!(received.len() > 1 && received.is_sorted(), "{received:?}");
    assert_eq!(received.last(), Some(&450));
    let mut resources: Vec<Uuid> = t.inbox().await.iter().map(|drift| drift.resource_id).collect();
    resources.dedup();
    assert_eq!(resources.len(), 450);
}

#[tokio::test]
async fn a_sweep_of_some_resources_does_not_change_drifts_of_others() {
    let t = TestApp::new().await;
    t.cloud_has(["a", "b", "c"].map(droplet)).await;
    for name in ["a", "b", "c"] {
        t.record_spec(name, json!({ "region": "fra1" })).await;
    }
    let (a, c) = (t.resource("a").await.id, t.resource("c").await.id);
    let run = sweep_of(&t, vec![c, a, c]).await;
    let counts: SweepCounts = serde_json::from_value(run.counts).unwrap();
    assert_eq!(
        counts,
        SweepCounts {
            opened: 2,
            ..looked_at(2, 2)
        }
    );
    let found: Vec<Uuid> = t.inbox().await.iter().map(|drift| drift.resource_id).collect();
    assert_eq!(found, [a, c]);
    let runs = t.runs().await.len();
    let scope = Scope::Resources(vec![a, Uuid::now_v7()]);
    let unknown = JobRequest::Detect {
        scope,
        progress: None,
    };
    assert_eq!(t.app.jobs().run(unknown).await.unwrap_err().code(), "NOT_FOUND");
    assert_eq!(t.runs().await.len(), runs, "no run was started");
}

#[tokio::test]
async fn a_new_difference_after_an_accept_is_a_new_drift_with_its_own_time() {
    let t = a_resized_droplet().await;
    let first = t.open_drift("web-1", "size_slug").await;
    let accepted = t.accept(&first).await.unwrap().drift;
    assert_eq!(accepted.detected_at, first.detected_at);
    t.later(TimeDelta::hours(1));
    t.cloud_has([droplet("web-1").size("huge")]).await;
    assert_eq!(t.sweep().await.opened, 1);
    let second = t.open_drift("web-1", "size_slug").await;
    assert_ne!(second.id, first.id);
    assert_eq!((second.detected_at, second.revision), (t.now(), 1));
    assert_eq!(second.expected, Some(json!("large")));
    assert!(
        t.drifts().await.contains(&accepted),
        "the accepted drift is unchanged"
    );
}

#[tokio::test]
async fn detected_at_never_changes() {
    let t = a_resized_droplet().await;
    let detected_at = t.open_drift("web-1", "size_slug").await.detected_at;
    for size in ["huge", "tiny", "vast"] {
        t.later(TimeDelta::hours(1));
        t.cloud_has([droplet("web-1").size(size)]).await;
        t.sweep().await;
    }
    t.cloud_has([Listed::new("droplet", "web-1").size("small")]).await;
    t.sweep().await;
    let drifts = t.drifts().await;
    let drift = drifts.iter().find(|drift| drift.field == "size_slug").unwrap();
    assert_eq!((drift.revision, drift.status), (4, DriftStatus::Stale));
    assert_eq!(drift.detected_at, detected_at);
}

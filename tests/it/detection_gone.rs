//! Sweeps over gone resources, unsynced resources and retired specs.

use chrono::TimeDelta;
use drift_inbox::services::detection::SweepCounts;
use drift_inbox::services::retirement::retire_in_txn;
use entity::cloud_drift::DriftKind;
use serde_json::json;

use crate::detection::{a_resized_droplet, looked_at};
use crate::support::cloud::droplet;
use crate::support::{ADMIN, TestApp};

#[tokio::test]
async fn a_gone_resource_has_one_missing_drift_until_it_returns() {
    let t = a_resized_droplet().await;
    t.cloud_has([]).await;
    let found = t.sweep().await;
    assert_eq!(
        found,
        SweepCounts {
            opened: 1,
            staled: 1,
            ..looked_at(1, 0)
        }
    );
    let missing = t.open_drift("web-1", "*").await;
    assert_eq!((missing.kind, missing.revision), (DriftKind::Missing, 1));
    let spec = json!({ "size_slug": "small", "region": "nyc3" });
    assert_eq!((&missing.expected, &missing.actual), (&Some(spec), &None));
    assert_eq!(t.inbox().await.len(), 1);
    assert_eq!(t.sweep().await, looked_at(1, 0));
    t.record_spec("web-1", json!({ "size_slug": "large", "backups": true }))
        .await;
    assert_eq!(
        t.sweep().await.changed,
        1,
        "the expected value of the missing drift has changed"
    );
    t.later(TimeDelta::hours(1));
    t.cloud_has([droplet("web-1").size("large")]).await;
    let found = t.sweep().await;
    assert_eq!(
        found,
        SweepCounts {
            opened: 1,
            staled: 1,
            ..looked_at(1, 2)
        }
    );
    let now = t.inbox().await;
    assert_eq!((now.len(), now[0].field.as_str()), (1, "backups"));
    assert_eq!(now[0].detected_at, t.now());
}

#[tokio::test]
async fn no_event_of_a_sweep_contains_a_whole_spec() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec(
        "web-1",
        json!({ "region": "nyc3", "user_data": "a word that is never logged" }),
    )
    .await;
    t.cloud_has([]).await;
    t.sweep().await;
    t.record_spec(
        "web-1",
        json!({ "user_data": "a word that is never logged, changed" }),
    )
    .await;
    t.sweep().await;
    let missing = t.open_drift("web-1", "*").await;
    assert_eq!(missing.revision, 2);
    t.accept(&missing).await.unwrap();
    let events = t.event_rows(missing.resource_id).await;
    let about_it = json!({ "driftId": missing.id, "field": "*" });
    let about = events.iter().filter(|event| event.data == about_it);
    assert_eq!(about.count(), 3, "detected, changed, accepted");
    for event in events {
        let data = event.data.to_string();
        assert!(!data.contains("never logged"), "{:?} {data}", event.event_type);
    }
}

#[tokio::test]
async fn an_unsynced_resource_is_counted_and_not_compared() {
    let t = TestApp::new().await;
    t.imported("web-1").await;
    t.record_spec("web-1", json!({ "region": "fra1" })).await;
    let found = t.sweep().await;
    assert_eq!(
        found,
        SweepCounts {
            unsynced: 1,
            ..SweepCounts::default()
        }
    );
    assert!(t.drifts().await.is_empty());
    t.cloud_has([droplet("web-1")]).await;
    assert_eq!(
        t.sweep().await,
        SweepCounts {
            opened: 1,
            ..looked_at(1, 1)
        }
    );
}

#[tokio::test]
async fn an_imported_resource_that_a_complete_listing_lacks_is_missing() {
    let t = TestApp::new().await;
    t.imported("web-1").await;
    t.record_spec("web-1", json!({ "region": "fra1" })).await;
    t.cloud_has([]).await;
    assert_eq!(
        t.sweep().await,
        SweepCounts {
            opened: 1,
            ..looked_at(1, 0)
        }
    );
    assert_eq!(t.inbox().await[0].kind, DriftKind::Missing);
}

#[tokio::test]
async fn drifts_of_a_retired_spec_become_stale() {
    let t = a_resized_droplet().await;
    t.cloud_has([droplet("web-1").size("large"), droplet("web-2")])
        .await;
    let (spec, now) = (t.spec("web-1").await, t.now());
    let retired = t.db().write_txn(|txn| {
        let spec = spec.clone();
        async move { retire_in_txn(&txn, &[spec], ADMIN, now).await }
    });
    retired.await.unwrap();
    assert_eq!(t.spec("web-1").await.retired_at, Some(now));
    let found = t.sweep().await;
    assert_eq!((found.staled, found.opened, found.fields_compared), (1, 0, 0));
    assert!(t.inbox().await.is_empty());
    assert_eq!(t.sweep().await, SweepCounts::default(), "no spec is in force");
}

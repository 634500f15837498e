//! Recording specs.

use drift_inbox::error::Error;
use drift_inbox::services::provisioning::{RecordSpec, SOURCE_API, record_provisioned};
use entity::cloud_resource_events::EventType;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::cloud::droplet;
use crate::support::{ADMIN, TestApp};

async fn with_a_droplet() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t
}

#[tokio::test]
async fn spec_versions_count_from_one_without_gaps() {
    let t = with_a_droplet().await;
    let first = t.record_spec("web-1", json!({ "region": "nyc3" })).await;
    let (mut wanted, created_at) = (first.clone(), t.now());
    assert_eq!((first.spec_version, first.created_at), (1, created_at));
    for version in 2..=4 {
        t.later(chrono::TimeDelta::minutes(1));
        let spec = json!({ "region": "nyc3", "n": version });
        wanted.spec = spec.clone();
        wanted.spec_version = version;
        wanted.recorded_at = t.now();
        assert_eq!(t.record_spec("web-1", spec).await, wanted);
        assert_eq!(t.spec("web-1").await, wanted);
    }
    let refused = t.try_record_spec("web-1", json!({ "*": 1 }), None).await;
    assert!(refused.is_err());
    assert_eq!(
        t.record_spec("web-1", json!({})).await.spec_version,
        5,
        "a refused record adds no version"
    );
}

#[tokio::test]
async fn recording_the_same_spec_again_adds_a_version() {
    let t = with_a_droplet().await;
    t.record_spec("web-1", json!({ "region": "nyc3" })).await;
    assert_eq!(
        t.record_spec("web-1", json!({ "region": "nyc3" }))
            .await
            .spec_version,
        2
    );
}

#[tokio::test]
async fn a_record_is_logged_with_its_version_and_its_actor_but_not_its_spec() {
    let t = with_a_droplet().await;
    let record = RecordSpec {
        resource_id: t.resource("web-1").await.id,
        spec: json!({ "secret": "value" }),
        source: "baseline".to_owned(),
        expected_version: None,
        take_over: false,
        reason: None,
    };
    let recorded = record_provisioned(t.db(), "grace", &record, t.now())
        .await
        .unwrap();
    assert_eq!(recorded.recorded_by, "grace");
    assert_eq!(recorded.source, "baseline");
    t.record_spec("web-1", json!({})).await;
    let events = t.event_rows(record.resource_id).await;
    let logged: Vec<_> = events
        .iter()
        .filter(|event| event.event_type == EventType::SpecRecorded)
        .map(|event| (event.actor.as_str(), event.data.clone(), event.occurred_at))
        .collect();
    let wanted = [
        (
            "grace",
            json!({ "specVersion": 1, "source": "baseline" }),
            t.now(),
        ),
        (ADMIN, json!({ "specVersion": 2, "source": SOURCE_API }), t.now()),
    ];
    assert_eq!(logged, wanted);
}

#[tokio::test]
async fn a_record_that_expects_another_version_is_refused() {
    let t = with_a_droplet().await;
    let conflict = async |expected: i32| match t.try_record_spec("web-1", json!({}), Some(expected)).await {
        Err(Error::SpecVersionConflict { current }) => current,
        other => panic!("{expected}: {other:?}"),
    };
    for expected in [1, -1, i32::MAX] {
        assert_eq!(conflict(expected).await, 0);
    }
    assert_eq!(
        t.try_record_spec("web-1", json!({}), Some(0))
            .await
            .unwrap()
            .spec_version,
        1
    );
    for expected in [0, 2, i32::MIN] {
        assert_eq!(conflict(expected).await, 1);
    }
    assert_eq!(
        t.try_record_spec("web-1", json!({}), Some(1))
            .await
            .unwrap()
            .spec_version,
        2
    );
    let id = t.resource("web-1").await.id;
    assert_eq!(t.event_rows(id).await.len(), 3, "a refusal is not logged");
}

#[tokio::test]
async fn a_retired_spec_counts_as_version_0_and_the_next_version_continues() {
    let t = with_a_droplet().await;
    t.record_spec("web-1", json!({ "region": "nyc3" })).await;
    t.cloud_has([]).await;
    t.sweep().await;
    t.accept(&t.open_drift("web-1", "*").await).await.unwrap();
    for expected in [1, 2] {
        let refused = t.try_record_spec("web-1", json!({}), Some(expected)).await;
        assert!(
            matches!(refused, Err(Error::SpecVersionConflict { current: 0 })),
            "{refused:?}"
        );
    }
    let recorded = t.try_record_spec("web-1", json!({}), Some(0)).await.unwrap();
    assert_eq!((recorded.spec_version, recorded.retired_at), (3, None));
    let refused = t.try_record_spec("web-1", json!({}), Some(0)).await;
    assert!(
        matches!(refused, Err(Error::SpecVersionConflict { current: 3 })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_spec_for_a_gone_resource_opens_a_missing_drift() {
    let t = with_a_droplet().await;
    t.cloud_has([]).await;
    let spec = json!({ "region": "nyc3" });
    assert_eq!(t.record_spec("web-1", spec.clone()).await.spec_version, 1);
    assert_eq!(t.sweep().await.opened, 1);
    assert_eq!(t.open_drift("web-1", "*").await.expected, Some(spec));
    t.cloud_has([droplet("web-1")]).await;
    assert_eq!(t.sweep().await.staled, 1);
    assert!(t.inbox().await.is_empty());
}

#[tokio::test]
async fn drift_of_a_field_removed_from_the_spec_leaves_the_inbox() {
    let t = with_a_droplet().await;
    t.record_spec("web-1", json!({ "region": "fra1", "status": "off" }))
        .await;
    t.sweep().await;
    t.record_spec("web-1", json!({ "status": "off" })).await;
    let counts = t.sweep().await;
    assert_eq!((counts.staled, counts.opened, counts.changed), (1, 0, 0));
    assert_eq!(t.inbox().await.len(), 1);
    t.record_spec("web-1", json!({ "status": "archived" })).await;
    assert_eq!(t.sweep().await.changed, 1);
    assert_eq!(t.open_drift("web-1", "status").await.revision, 2);
}

#[tokio::test]
async fn an_unknown_resource_is_not_found() {
    let t = TestApp::new().await;
    let record = RecordSpec {
        resource_id: Uuid::nil(),
        spec: json!({}),
        source: SOURCE_API.to_owned(),
        expected_version: Some(0),
        take_over: false,
        reason: None,
    };
    let refused = record_provisioned(t.db(), ADMIN, &record, t.now()).await;
    assert!(matches!(refused, Err(Error::NotFound("resource"))), "{refused:?}");
}

#[tokio::test]
async fn an_invalid_spec_is_refused_before_the_database_is_read() {
    let t = with_a_droplet().await;
    let deep = (0..32).fold(json!(1), |inner, _| json!([inner]));
    let beyond: Value = serde_json::from_str("-9223372036854775809").unwrap();
    let bad = [
        json!(null),
        json!([]),
        json!({ "": 1 }),
        json!({ "*": 1 }),
        json!({ "a\tb": 1 }),
        json!({ "a": "\0" }),
        json!({ "x".repeat(257): 1 }),
        json!({ "a": deep }),
        json!({ "a": "x".repeat(256 * 1024) }),
        json!({ "a": beyond }),
    ];
    for spec in bad {
        let shown: String = spec.to_string().chars().take(40).collect();
        let refused = t.try_record_spec("web-1", spec, Some(0)).await;
        assert!(
            matches!(refused, Err(Error::BadUserInput(_))),
            "{shown} {refused:?}"
        );
    }
    let events = t.events("web-1").await;
    assert_eq!(events, [EventType::ResourceDiscovered]);
    t.try_record_spec("web-1", json!({ "a": 1 }), Some(0))
        .await
        .unwrap();
}

#[tokio::test]
async fn concurrent_records_get_two_versions_or_one_is_refused_for_its_expected_version() {
    let t = with_a_droplet().await;
    let (a, b) = tokio::join!(
        t.try_record_spec("web-1", json!({ "n": 1 }), None),
        t.try_record_spec("web-1", json!({ "n": 2 }), None)
    );
    let mut versions = [a.unwrap().spec_version, b.unwrap().spec_version];
    versions.sort_unstable();
    assert_eq!(versions, [1, 2]);
    let (a, b) = tokio::join!(
        t.try_record_spec("web-1", json!({ "n": 3 }), Some(2)),
        t.try_record_spec("web-1", json!({ "n": 4 }), Some(2))
    );
    let (won, lost) = if a.is_ok() { (a, b) } else { (b, a) };
    assert_eq!(won.unwrap().spec_version, 3);
    assert!(
        matches!(lost, Err(Error::SpecVersionConflict { current: 3 })),
        "{lost:?}"
    );
}

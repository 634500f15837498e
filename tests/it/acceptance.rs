//! Accepting drifts: success and every refusal.

use drift_inbox::error::Error;
use drift_inbox::services::acceptance::{AcceptDrift, accept_drift};
use entity::cloud_drift::{self, DriftStatus};
use entity::cloud_resource_events::EventType;
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, EntityTrait as _, IntoActiveModel as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::cloud::{Listed, droplet};
use crate::support::{ADMIN, TestApp};

/// Creates a server with the droplet web-1 and a spec for it, and runs a sweep.
async fn swept(live: Listed, spec: Value) -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([live]).await;
    t.record_spec("web-1", spec).await;
    t.sweep().await;
    t
}

async fn row(t: &TestApp, id: Uuid) -> cloud_drift::Model {
    let row = cloud_drift::Entity::find_by_id(id).one(t.db().reader()).await;
    row.unwrap().unwrap()
}

/// Accepts without a revision.
async fn accept_blindly(t: &TestApp, drift: &cloud_drift::Model) -> Result<(), Error> {
    let accept = AcceptDrift {
        drift_id: drift.id,
        revision: None,
        note: None,
    };
    accept_drift(t.db(), ADMIN, &accept, t.now()).await.map(|_| ())
}

async fn last_events<const N: usize>(t: &TestApp) -> [EventType; N] {
    let events = t.events("web-1").await;
    events[events.len() - N..].try_into().unwrap()
}

#[tokio::test]
async fn accepting_copies_the_live_value_into_the_spec() {
    let live = droplet("web-1").attr("rules", json!([{ "port": 80, "from": [] }, { "port": 22 }]));
    let t = swept(live, json!({ "rules": [{ "port": 22 }], "region": "nyc3" })).await;
    let drift = t.open_drift("web-1", "rules").await;
    let accepted = t.accept(&drift).await.unwrap();
    let spec = json!({ "rules": [{ "port": 80, "from": [] }, { "port": 22 }], "region": "nyc3" });
    assert_eq!(accepted.provisioned, Some(t.spec("web-1").await));
    assert_eq!(
        (t.spec("web-1").await.spec, t.spec("web-1").await.spec_version),
        (spec, 2)
    );
    let closed = row(&t, drift.id).await;
    assert_eq!(closed, accepted.drift);
    assert_eq!(
        (closed.status, closed.resolved_at),
        (DriftStatus::Accepted, Some(t.now()))
    );
    assert_eq!(closed.resolved_by.as_deref(), Some(ADMIN));
    assert_eq!((closed.detected_at, closed.revision), (drift.detected_at, 1));
    let event = t.event_rows(drift.resource_id).await.pop().unwrap();
    assert_eq!(
        (event.event_type, event.actor.as_str()),
        (EventType::DriftAccepted, ADMIN)
    );
    let data = json!({ "driftId": drift.id, "field": "rules", "expected": drift.expected,
        "actual": drift.actual, "specVersion": 2 });
    assert_eq!(event.data, data);
    assert_eq!(t.sweep().await.opened, 0);
}

#[tokio::test]
async fn an_absent_live_value_is_accepted_as_null_and_stays_compared() {
    let t = swept(droplet("web-1"), json!({ "backups": true })).await;
    let drift = t.open_drift("web-1", "backups").await;
    assert_eq!(drift.actual, None);
    t.accept(&drift).await.unwrap();
    assert_eq!(t.spec("web-1").await.spec, json!({ "backups": null }));
    let counts = t.sweep().await;
    assert_eq!((counts.fields_compared, counts.opened), (1, 0));
    t.cloud_has([droplet("web-1").attr("backups", true)]).await;
    assert_eq!(t.sweep().await.opened, 1, "the field must stay unset");
}

#[tokio::test]
async fn the_note_of_an_accept_is_stored() {
    let t = swept(droplet("web-1"), json!({ "region": "fra1" })).await;
    let drift = t.open_drift("web-1", "region").await;
    let accept = AcceptDrift {
        drift_id: drift.id,
        revision: Some(1),
        note: Some("moved\nfor good ✓".to_owned()),
    };
    accept_drift(t.db(), "grace", &accept, t.now()).await.unwrap();
    let closed = row(&t, drift.id).await;
    assert_eq!(closed.resolution_note, accept.note);
    assert_eq!(closed.resolved_by.as_deref(), Some("grace"));
    assert_eq!(t.spec("web-1").await.recorded_by, "grace");
}

#[tokio::test]
async fn accepting_a_missing_resource_retires_its_spec() {
    let t = swept(droplet("web-1"), json!({ "region": "nyc3" })).await;
    t.cloud_has([]).await;
    t.sweep().await;
    let accepted = t.accept(&t.open_drift("web-1", "*").await).await.unwrap();
    assert_eq!(accepted.provisioned, None);
    assert_eq!(accepted.drift.status, DriftStatus::Accepted);
    let retired = t.spec("web-1").await;
    assert_eq!((retired.spec_version, retired.retired_at), (2, Some(t.now())));
    assert_eq!(
        last_events(&t).await,
        [EventType::SpecRetired, EventType::DriftAccepted]
    );
    let read = t
        .data("{ resources { nodes { provisioned { id } } } }", json!({}))
        .await;
    assert_eq!(read["resources"]["nodes"], json!([{ "provisioned": null }]));
    assert_eq!(t.sweep().await.opened, 0, "no spec is in force");
    let recorded = t.record_spec("web-1", json!({ "region": "fra1" })).await;
    assert_eq!((recorded.spec_version, recorded.retired_at), (3, None));
    assert_eq!(t.sweep().await.opened, 1, "the resource is missing again");
}

#[tokio::test]
async fn a_missing_resource_that_returned_is_not_accepted() {
    let t = swept(droplet("web-1"), json!({ "region": "nyc3" })).await;
    t.cloud_has([]).await;
    t.sweep().await;
    let missing = t.open_drift("web-1", "*").await;
    t.cloud_has([droplet("web-1")]).await;
    let refused = t.accept(&missing).await.unwrap_err();
    let stale = matches!(
        refused,
        Error::LiveValueMoved {
            status: DriftStatus::Stale,
            ..
        }
    );
    assert!(stale, "{refused:?}");
    assert_eq!(row(&t, missing.id).await.status, DriftStatus::Stale);
    assert_eq!(
        last_events(&t).await,
        [EventType::ResourceDiscovered, EventType::DriftStale]
    );
    assert_eq!(t.spec("web-1").await.retired_at, None);
}

#[tokio::test]
async fn a_missing_resource_with_a_newer_spec_is_not_accepted() {
    let t = swept(droplet("web-1"), json!({ "region": "nyc3" })).await;
    t.cloud_has([]).await;
    t.sweep().await;
    let missing = t.open_drift("web-1", "*").await;
    t.record_spec("web-1", json!({ "region": "fra1" })).await;
    let refused = t.accept(&missing).await.unwrap_err();
    assert!(matches!(refused, Error::SpecMoved), "{refused:?}");
    // Another version of the spec does not prevent an accept if its values are loosely equal.
    t.record_spec("web-1", json!({ "region": "nyc3", "tags": [] }))
        .await;
    t.accept(&missing).await.unwrap();
}

#[tokio::test]
async fn a_closed_drift_cannot_be_accepted_again() {
    let t = swept(droplet("web-1"), json!({ "region": "fra1", "status": "off" })).await;
    let region = t.open_drift("web-1", "region").await;
    let status = t.open_drift("web-1", "status").await;
    t.accept(&region).await.unwrap();
    t.cloud_has([droplet("web-1").status("off")]).await;
    t.sweep().await;
    let mut reverted = row(&t, status.id).await.into_active_model();
    for (drift, wanted) in [(&region, DriftStatus::Accepted), (&status, DriftStatus::Stale)] {
        let refused = t.accept(drift).await.unwrap_err();
        assert!(
            matches!(refused, Error::AlreadyResolved(now) if now == wanted),
            "{refused:?}"
        );
    }
    reverted.status = Set(DriftStatus::Reverted);
    reverted.update(t.db().reader()).await.unwrap();
    let refused = t.accept(&status).await.unwrap_err();
    assert!(
        matches!(refused, Error::AlreadyResolved(DriftStatus::Reverted)),
        "{refused:?}"
    );
    assert_eq!(t.spec("web-1").await.spec_version, 2);
}

#[tokio::test]
async fn an_accept_of_a_changed_live_value_is_refused_and_updates_the_drift() {
    let t = swept(droplet("web-1"), json!({ "region": "fra1" })).await;
    let seen = t.open_drift("web-1", "region").await;
    t.cloud_has([droplet("web-1").region("ams3")]).await;
    let refused = t.accept(&seen).await.unwrap_err();
    let Error::LiveValueMoved {
        actual,
        revision,
        status,
    } = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!((actual, revision, status), (json!("ams3"), 2, DriftStatus::Open));
    let now = row(&t, seen.id).await;
    assert_eq!((&now.actual, now.revision), (&Some(json!("ams3")), 2));
    assert_eq!(now.detected_at, seen.detected_at);
    let event = t.event_rows(seen.resource_id).await.pop().unwrap();
    assert_eq!(
        (event.event_type, event.actor.as_str()),
        (EventType::DriftChanged, "system")
    );
    let counts = t.sweep().await;
    assert_eq!(
        (counts.changed, counts.opened),
        (0, 0),
        "the refused accept has updated the drift"
    );
    assert!(t.accept(&seen).await.is_err(), "the revision is outdated");
    t.accept(&now).await.unwrap();
    assert_eq!(t.spec("web-1").await.spec["region"], "ams3");
}

#[tokio::test]
async fn a_live_value_that_equals_the_expected_value_again_makes_the_drift_stale() {
    let t = swept(droplet("web-1"), json!({ "region": "fra1" })).await;
    let seen = t.open_drift("web-1", "region").await;
    t.cloud_has([droplet("web-1").region("fra1")]).await;
    let refused = accept_blindly(&t, &seen).await.unwrap_err();
    let stale = matches!(&refused, Error::LiveValueMoved { actual, status: DriftStatus::Stale, .. }
        if *actual == json!("fra1"));
    assert!(stale, "{refused:?}");
    let now = row(&t, seen.id).await;
    assert_eq!((now.status, now.resolved_at), (DriftStatus::Stale, Some(t.now())));
    assert_eq!(now.resolved_by, None);
    assert_eq!(last_events(&t).await, [EventType::DriftStale]);
    assert_eq!(t.spec("web-1").await.spec_version, 1);
}

#[tokio::test]
async fn a_loosely_equal_live_value_does_not_prevent_an_accept() {
    let t = swept(
        droplet("web-1").attr("ports", json!([80, 443])),
        json!({ "ports": [22] }),
    )
    .await;
    let seen = t.open_drift("web-1", "ports").await;
    t.cloud_has([droplet("web-1").attr("ports", json!(["443", 80.0, 80]))])
        .await;
    t.accept(&seen).await.unwrap();
    assert_eq!(t.sweep().await.opened, 0);
}

#[tokio::test]
async fn an_accept_with_another_revision_is_refused_and_changes_nothing() {
    let t = swept(droplet("web-1"), json!({ "region": "fra1" })).await;
    let seen = t.open_drift("web-1", "region").await;
    for revision in [0, 2, -1, i32::MAX] {
        let other = cloud_drift::Model {
            revision,
            ..seen.clone()
        };
        let refused = t.accept(&other).await.unwrap_err();
        let same = matches!(&refused, Error::LiveValueMoved { actual, revision: 1, status: DriftStatus::Open }
            if *actual == json!("nyc3"));
        assert!(same, "{refused:?}");
    }
    assert_eq!(row(&t, seen.id).await, seen);
    assert_eq!(last_events(&t).await, [EventType::DriftDetected]);
}

#[tokio::test]
async fn a_field_drift_of_a_gone_resource_is_refused_and_becomes_stale() {
    let t = swept(droplet("web-1"), json!({ "region": "fra1" })).await;
    let seen = t.open_drift("web-1", "region").await;
    t.cloud_has([]).await;
    let refused = t.accept(&seen).await.unwrap_err();
    let stale = matches!(
        &refused,
        Error::LiveValueMoved {
            actual: Value::Null,
            status: DriftStatus::Stale,
            ..
        }
    );
    assert!(stale, "{refused:?}");
    assert_eq!(row(&t, seen.id).await.status, DriftStatus::Stale);
    t.sweep().await;
    assert_eq!(
        t.open_drift("web-1", "*").await.expected,
        Some(json!({ "region": "fra1" }))
    );
}

#[tokio::test]
async fn an_unset_field_of_a_gone_resource_is_refused() {
    let t = swept(droplet("web-1"), json!({ "backups": true })).await;
    let seen = t.open_drift("web-1", "backups").await;
    t.cloud_has([]).await;
    let refused = t.accept(&seen).await.unwrap_err();
    assert!(matches!(refused, Error::LiveValueMoved { .. }), "{refused:?}");
    assert_eq!(t.spec("web-1").await.spec_version, 1);
}

#[tokio::test]
async fn an_accept_is_refused_if_the_spec_changed_the_field() {
    for spec in [
        json!({ "region": "ams3" }),
        json!({ "size_slug": "s-1vcpu-1gb" }),
        json!({}),
    ] {
        let t = swept(droplet("web-1"), json!({ "region": "fra1" })).await;
        let seen = t.open_drift("web-1", "region").await;
        t.record_spec("web-1", spec.clone()).await;
        let refused = t.accept(&seen).await.unwrap_err();
        assert!(matches!(refused, Error::SpecMoved), "{spec} {refused:?}");
        assert_eq!(row(&t, seen.id).await, seen);
        assert_eq!(t.spec("web-1").await.spec_version, 2);
    }
}

#[tokio::test]
async fn an_accept_is_refused_if_the_spec_was_retired() {
    let t = swept(droplet("web-1"), json!({ "region": "fra1" })).await;
    let seen = t.open_drift("web-1", "region").await;
    let mut spec = t.spec("web-1").await.into_active_model();
    spec.retired_at = Set(Some(t.now()));
    spec.update(t.db().reader()).await.unwrap();
    let refused = t.accept(&seen).await.unwrap_err();
    assert!(matches!(refused, Error::SpecMoved), "{refused:?}");
}

#[tokio::test]
async fn an_accept_is_not_refused_if_the_spec_changed_another_field() {
    let t = swept(droplet("web-1"), json!({ "region": "fra1", "status": "off" })).await;
    let region = t.open_drift("web-1", "region").await;
    let status = t.open_drift("web-1", "status").await;
    t.accept(&status).await.unwrap();
    t.record_spec("web-1", json!({ "region": "fra1", "backups": false }))
        .await;
    t.accept(&region).await.unwrap();
    let spec = t.spec("web-1").await;
    assert_eq!(spec.spec, json!({ "region": "nyc3", "backups": false }));
    assert_eq!(spec.spec_version, 4);
}

#[tokio::test]
async fn an_accept_that_makes_the_spec_too_large_is_refused_and_changes_nothing() {
    let live = droplet("web-1").attr("big", "x".repeat(200 * 1024));
    let t = swept(live, json!({ "other": "y".repeat(100 * 1024), "big": "small" })).await;
    let seen = t.open_drift("web-1", "big").await;
    let before = (t.spec("web-1").await, t.events("web-1").await);
    let refused = t.accept(&seen).await.unwrap_err();
    assert!(matches!(refused, Error::BadUserInput(_)), "{refused:?}");
    assert_eq!((t.spec("web-1").await, t.events("web-1").await), before);
    assert_eq!(row(&t, seen.id).await, seen);
}

#[tokio::test]
async fn an_unknown_drift_is_not_found() {
    let t = TestApp::new().await;
    let accept = AcceptDrift {
        drift_id: Uuid::nil(),
        revision: None,
        note: None,
    };
    let refused = accept_drift(t.db(), ADMIN, &accept, t.now()).await.unwrap_err();
    assert!(matches!(refused, Error::NotFound("drift")), "{refused:?}");
}

#[tokio::test]
async fn a_sweep_after_each_accept_finds_nothing() {
    let live = droplet("web-1")
        .tags(["a", "b"])
        .attr("m", json!({ "x": [1, null], "y": {} }));
    let spec = json!({ "tags": [], "m": null, "region": "fra1", "size_slug": 1, "backups": 0 });
    let t = swept(live, spec).await;
    let mut open = t.inbox().await;
    assert_eq!(open.len(), 5);
    while let Some(drift) = open.pop() {
        t.accept(&drift).await.unwrap();
        let counts = t.sweep().await;
        assert_eq!((counts.opened, counts.changed, counts.staled), (0, 0, 0));
        assert_eq!(t.inbox().await.len(), open.len());
    }
    assert_eq!(t.spec("web-1").await.spec_version, 6);
}

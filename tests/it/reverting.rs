//! Drifts whose live value is put back on purpose.

use drift_inbox::error::Error;
use drift_inbox::services::reverting::note_revert;
use entity::cloud_drift::{CloseReason, DriftStatus};
use entity::cloud_resource_events::EventType;
use serde_json::json;

use crate::support::cloud::droplet;
use crate::support::{ADMIN, TestApp};

async fn resized() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("l")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s" })).await;
    t.sweep().await;
    t
}

#[tokio::test]
async fn a_marked_drift_whose_value_is_put_back_is_reverted_by_its_person() {
    let t = resized().await;
    let drift = t.open_drift("web-1", "size_slug").await;
    let query = "mutation($input: MarkRevertingInput!) { markReverting(input: $input) { drift {
        status revision revertingBy revertingNote } } }";
    let input = json!({ "input": { "driftId": drift.id, "note": "doctl, ticket 7" } });
    let marked = t.data(query, input).await["markReverting"]["drift"].clone();
    let wanted =
        json!({ "status": "OPEN", "revision": 1, "revertingBy": ADMIN, "revertingNote": "doctl, ticket 7" });
    assert_eq!(marked, wanted);
    let counts = t.sweep().await;
    assert_eq!(
        (counts.staled, counts.changed),
        (0, 0),
        "nothing was put back yet"
    );
    t.cloud_has([droplet("web-1").size("s")]).await;
    assert_eq!(t.sweep().await.staled, 1);
    let closed = t.drifts().await.remove(0);
    assert_eq!(
        (closed.status, closed.close_reason),
        (DriftStatus::Reverted, Some(CloseReason::Reverted))
    );
    assert_eq!(closed.resolved_by.as_deref(), Some(ADMIN));
    assert_eq!(closed.resolution_note.as_deref(), Some("doctl, ticket 7"));
    let events = t.events("web-1").await;
    assert_eq!(events.last(), Some(&EventType::DriftReverted));
    assert!(events.contains(&EventType::RevertMarked) && !events.contains(&EventType::DriftStale));
}

#[tokio::test]
async fn a_drift_without_a_mark_or_closed_for_another_reason_is_stale() {
    for (mark, unmark, heal) in [(false, false, true), (true, true, true), (true, false, false)] {
        let t = resized().await;
        let id = t.open_drift("web-1", "size_slug").await.id;
        if mark {
            note_revert(t.db(), (ADMIN, None), id, true, t.now())
                .await
                .unwrap();
        }
        if unmark {
            let drift = note_revert(t.db(), ("grace", None), id, false, t.now())
                .await
                .unwrap()
                .drift;
            assert_eq!((drift.reverting_by, drift.reverting_at), (None, None));
        }
        if heal {
            t.cloud_has([droplet("web-1").size("s")]).await;
        } else {
            t.record_spec("web-1", json!({ "size_slug": "l" })).await;
        }
        t.sweep().await;
        let closed = t.drifts().await.remove(0);
        assert_eq!((closed.status, closed.resolved_by), (DriftStatus::Stale, None));
        let refused = note_revert(t.db(), (ADMIN, None), id, true, t.now()).await;
        assert!(matches!(refused, Err(Error::AlreadyResolved(DriftStatus::Stale))));
    }
}

#[tokio::test]
async fn a_missing_resource_that_is_created_again_is_reverted() {
    let t = resized().await;
    t.cloud_has([]).await;
    t.sweep().await;
    let id = t.open_drift("web-1", "*").await.id;
    note_revert(t.db(), (ADMIN, None), id, true, t.now())
        .await
        .unwrap();
    t.cloud_has([droplet("web-1").size("s")]).await;
    t.sweep().await;
    let closed = t.drifts().await.into_iter().find(|drift| drift.id == id).unwrap();
    assert_eq!(closed.status, DriftStatus::Reverted);
    assert!(t.inbox().await.is_empty());
}

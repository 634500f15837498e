//! Which events are notified, and the least severity of a target.

use drift_inbox::domain::notifications::Transition;
use drift_inbox::scheduler::notify;
use entity::cloud_resource_events::{self as events, EventType};
use sea_orm::{ActiveEnum as _, ActiveModelTrait as _, ConnectionTrait as _, Iterable as _, Set, Statement};
use serde_json::json;
use uuid::Uuid;

use crate::notifications::{app, drift, target};
use crate::support::TestApp;
use crate::support::cloud::droplet;
use crate::support::receiver::Receiver;

/// Decides by name for each type of event whether targets are notified of it. A new type has to be added here.
fn is_notified(event: EventType) -> bool {
    match event {
        EventType::DriftDetected
        | EventType::DriftChanged
        | EventType::DriftAccepted
        | EventType::AcceptUndone
        | EventType::DriftReverted
        | EventType::DriftStale => true,
        // An intent, a snooze, an assignee and a comment close no drift, an ignored difference is expected, and specs and resources have no receiver: a drift
        // that they cause is notified.
        EventType::RevertMarked
        | EventType::DriftSnoozed
        | EventType::SnoozeEnded
        | EventType::DriftAssigned
        | EventType::DriftUnassigned
        | EventType::DriftCommented
        | EventType::RevertUnmarked
        | EventType::DifferenceIgnored
        | EventType::SpecRecorded
        | EventType::SpecRetired
        | EventType::ResourceDiscovered
        | EventType::ResourceChanged
        | EventType::ResourceGone => false,
    }
}

async fn outbox(t: &TestApp) -> Vec<String> {
    let sql = "SELECT type FROM notification_outbox ORDER BY id";
    let rows = t
        .db()
        .reader()
        .query_all_raw(Statement::from_string(t.db().backend(), sql))
        .await
        .unwrap();
    rows.iter().map(|row| row.try_get("", "type").unwrap()).collect()
}

#[tokio::test]
async fn each_type_of_event_is_notified_or_silent() {
    let (t, receiver) = (app().await, Receiver::start().await);
    t.cloud_has([droplet("web-1")]).await;
    let resource = t.resource("web-1").await.id;
    target(&t, "WEBHOOK", receiver.url("/"), json!({})).await;
    for event in EventType::iter() {
        let row = events::ActiveModel {
            id: Set(Uuid::now_v7()),
            resource_id: Set(resource),
            event_type: Set(event),
            actor: Set("alice@example.com".to_owned()),
            data: Set(json!({ "field": "size_slug", "expected": 1, "actual": 2 })),
            occurred_at: Set(t.now()),
        };
        row.insert(t.db().reader()).await.unwrap();
        let word = event.to_value();
        let written = outbox(&t).await;
        let expected: &[String] = if is_notified(event) {
            std::slice::from_ref(&word)
        } else {
            &[]
        };
        assert_eq!(written, expected, "{event:?}");
        assert_eq!(
            Transition::of_word(&word).is_some(),
            is_notified(event),
            "{event:?} and the transitions differ"
        );
        notify(&t.app).await.unwrap();
        let messages = receiver.take();
        assert_eq!(messages.len(), expected.len(), "{event:?}");
        for message in messages {
            let transitions = &message.json()["data"]["transitions"];
            assert_eq!(transitions, &json!({ word.to_uppercase(): 1 }));
        }
        assert_eq!(outbox(&t).await, Vec::<String>::new(), "{event:?}");
    }
}

#[tokio::test]
async fn a_target_with_a_least_severity_is_notified_of_urgent_drifts_only() {
    let (t, receiver, all) = (app().await, Receiver::start().await, Receiver::start().await);
    let filter = json!({ "filter": { "minSeverity": "HIGH" } });
    let (urgent, _) = target(&t, "WEBHOOK", receiver.url("/"), filter).await;
    target(&t, "WEBHOOK", all.url("/"), json!({})).await;
    // A changed size is NORMAL, and a missing droplet is CRITICAL.
    drift(&t, &["web-1", "web-2"]).await;
    notify(&t.app).await.unwrap();
    assert_eq!((receiver.take().len(), all.take().len()), (0, 1));
    t.cloud_has([droplet("web-1")]).await;
    t.sweep().await;
    notify(&t.app).await.unwrap();
    let messages = receiver.take();
    assert_eq!(messages.len(), 1, "{messages:#?}");
    let data = &messages[0].json()["data"];
    assert_eq!(data["transitions"], json!({ "DRIFT_DETECTED": 1 }), "{data:#}");
    assert_eq!(data["groups"][0]["missing"], true);
    // The drifts of the fields close, which only the other target is notified of.
    assert_eq!(
        all.take()[0].json()["data"]["transitions"],
        json!({ "DRIFT_DETECTED": 1, "DRIFT_STALE": 1 })
    );

    let change = "mutation($input: UpdateNotificationTargetInput!) {
        updateNotificationTarget(input: $input) { target { filter { minSeverity transitions } } } }";
    let set = async |filter| {
        let input = json!({ "targetId": urgent, "filter": filter });
        t.data(change, json!({ "input": input })).await["updateNotificationTarget"]["target"]["filter"]
            .clone()
    };
    let wanted = json!({ "minSeverity": "CRITICAL", "transitions": ["DRIFT_ACCEPTED"] });
    assert_eq!(set(wanted.clone()).await, wanted);
    assert_eq!(
        set(json!({})).await,
        json!({ "minSeverity": null, "transitions": [] })
    );
    t.accept(&t.open_drift("web-1", "size_slug").await).await.unwrap();
    notify(&t.app).await.unwrap();
    assert_eq!((receiver.take().len(), all.take().len()), (1, 1));
}

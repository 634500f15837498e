//! Accepts of some members of a list: the others stay open, and each accept can be undone.

use drift_inbox::domain::snooze::Snooze;
use drift_inbox::error::{Error, Result};
use drift_inbox::services::acceptance::{AcceptMembers, MembersAccepted, accept_members_of};
use drift_inbox::services::undo::{UndoAccept, undo_accept};
use entity::cloud_drift::{self, DriftStatus};
use entity::cloud_resource_events::EventType;
use serde_json::{Value, json};

use crate::support::cloud::droplet;
use crate::support::{ADMIN, TestApp};

/// A server on which the rules of web-1 should be a, b and c, and are b, x and y.
async fn drifted() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").attr("rules", json!(["x", "b", "y"]))])
        .await;
    t.record_spec("web-1", json!({ "rules": ["a", "b", "c"], "region": "nyc3" }))
        .await;
    t.sweep().await;
    t
}

async fn accept(t: &TestApp, drift: &cloud_drift::Model, members: &[Value]) -> Result<MembersAccepted> {
    let accept = AcceptMembers {
        drift_id: drift.id,
        revision: drift.revision,
        members: members.to_vec(),
        note: Some("agreed".to_owned()),
    };
    accept_members_of(t.db(), ADMIN, &accept, t.now()).await
}

#[tokio::test]
async fn accepted_members_are_expected_and_the_others_stay_open() {
    let t = drifted().await;
    let drift = t.open_drift("web-1", "rules").await;
    let done = accept(&t, &drift, &[json!("y"), json!("a")]).await.unwrap();
    let spec = t.spec("web-1").await;
    assert_eq!(
        (spec.spec_version, &spec.spec["rules"]),
        (2, &json!(["b", "c", "y"]))
    );
    let open = t.open_drift("web-1", "rules").await;
    assert_eq!((open.id, open.detected_at), (drift.id, drift.detected_at));
    assert_eq!(open.revision, drift.revision + 1);
    assert_eq!(open.expected, Some(json!(["b", "c", "y"])));
    assert_eq!(open.actual, drift.actual);
    assert_eq!(done.open, Some(open.clone()));
    let record = done.accepted.drift;
    assert_eq!(record.status, DriftStatus::Accepted);
    assert_eq!(
        (&record.expected, &record.actual),
        (&drift.expected, &Some(json!(["b", "c", "y"])))
    );
    assert_eq!(record.spec_version, Some(2));
    let events = t.events("web-1").await;
    assert_eq!(
        events[events.len() - 2..],
        [EventType::DriftAccepted, EventType::DriftChanged]
    );
    let counts = t.sweep().await;
    assert_eq!((counts.opened, counts.changed, counts.staled), (0, 0, 0));
    // What is left can be accepted, and then the drift itself is closed.
    let done = accept(&t, &open, &[json!("c"), json!("x")]).await.unwrap();
    assert_eq!((done.open, done.accepted.drift.id), (None, drift.id));
    assert!(t.inbox().await.is_empty());
    assert_eq!(t.spec("web-1").await.spec["rules"], json!(["x", "b", "y"]));
}

#[tokio::test]
async fn an_accept_of_members_is_undone_like_any_other() {
    let t = drifted().await;
    let before = t.spec("web-1").await.spec;
    let drift = t.open_drift("web-1", "rules").await;
    let first = accept(&t, &drift, &[json!("y")]).await.unwrap();
    let open = first.open.unwrap();
    let second = accept(&t, &open, &[json!("x")]).await.unwrap();
    let undo = async |drift: &cloud_drift::Model| {
        let undo = UndoAccept {
            drift_id: drift.id,
            reason: None,
        };
        undo_accept(t.db(), ADMIN, &undo, t.now()).await
    };
    // The second accept stands in the way of the first one.
    let refused = undo(&first.accepted.drift).await;
    assert!(matches!(refused, Err(Error::NotUndoable(_))), "{refused:?}");
    let undone = undo(&second.accepted.drift).await.unwrap();
    assert_eq!(undone.open.len(), 1);
    assert_eq!(undone.open[0].id, drift.id);
    undo(&first.accepted.drift).await.unwrap();
    assert_eq!(t.spec("web-1").await.spec, before);
    let open = t.open_drift("web-1", "rules").await;
    assert_eq!(
        (open.id, &open.expected, &open.actual),
        (drift.id, &drift.expected, &drift.actual)
    );
    assert_eq!(t.sweep().await.changed, 0);
}

#[tokio::test]
async fn what_is_not_compared_in_a_member_that_stays_is_not_compared_afterwards() {
    let t = TestApp::new().await;
    let (web, api) = (json!({ "name": "web", "port": 8080 }), json!({ "name": "api" }));
    let (a, b) = (json!({ "name": "a" }), json!({ "name": "b" }));
    let has = async |rules: [&Value; 4]| {
        t.cloud_has([droplet("web-1").attr("rules", json!(rules))]).await;
    };
    has([&web, &api, &a, &b]).await;
    t.record_spec("web-1", json!({ "rules": [{ "name": "web" }, api] }))
        .await;
    let open = json!({ "specVersion": 1, "paths": { "rules": [[{ "name": "web" }, "port"]] } });
    let sql = format!("UPDATE cloud_provisioned SET not_compared = '{open}'");
    t.database.execute(sql).await.unwrap();
    assert_eq!(t.sweep().await.opened, 1);
    let drift = t.open_drift("web-1", "rules").await;
    let first = accept(&t, &drift, std::slice::from_ref(&a)).await.unwrap();
    assert_eq!(
        t.spec("web-1").await.spec["rules"],
        json!([{ "name": "web" }, api, a])
    );
    let left = "query($id: ID!) { drift(id: $id) { members { side value } } }";
    let of_b = json!([{ "side": "ADDED", "value": b }]);
    let answer = t.data(left, json!({ "id": drift.id })).await;
    assert_eq!(
        answer["drift"]["members"], of_b,
        "only what was not accepted differs"
    );
    let counts = t.sweep().await;
    assert_eq!((counts.opened, counts.changed, counts.staled), (0, 0, 0));
    // It is still so after the undo, and when the other member is gone.
    let undo = UndoAccept {
        drift_id: first.accepted.drift.id,
        reason: None,
    };
    undo_accept(t.db(), ADMIN, &undo, t.now()).await.unwrap();
    let answer = t.data(left, json!({ "id": drift.id })).await;
    assert_eq!(answer["drift"]["members"].as_array().unwrap().len(), 2);
    has([&web, &api, &api, &web]).await;
    t.sweep().await;
    assert!(t.inbox().await.is_empty(), "{:?}", t.inbox().await);
}

#[tokio::test]
async fn the_change_of_what_is_left_is_that_of_the_user_and_ends_no_snooze() {
    let t = drifted().await;
    let drift = t.open_drift("web-1", "rules").await;
    let until_change = Snooze {
        until: None,
        until_change: true,
    };
    let drift = t.snooze(&drift, until_change).await.unwrap();
    let done = accept(&t, &drift, &[json!("y")]).await.unwrap();
    let open = done.open.unwrap();
    let is_kept = |open: &cloud_drift::Model| {
        (
            open.snoozed,
            open.snoozed_until_change,
            open.snoozed_at,
            open.snooze_reason.clone(),
        )
    };
    assert_eq!(is_kept(&open), is_kept(&drift));
    assert!(open.snoozed && open.revision == drift.revision + 1);
    let last = async || {
        let mut events = t.event_rows(open.resource_id).await;
        let last = events.pop().unwrap();
        (
            last.event_type,
            last.actor,
            last.data["driftId"].clone(),
            last.data["decidedDriftId"].clone(),
        )
    };
    let record = done.accepted.drift.id;
    let by_user = (
        EventType::DriftChanged,
        ADMIN.to_owned(),
        json!(drift.id),
        json!(record),
    );
    assert_eq!(last().await, by_user);
    let undo = UndoAccept {
        drift_id: record,
        reason: None,
    };
    undo_accept(t.db(), ADMIN, &undo, t.now()).await.unwrap();
    assert_eq!(last().await, by_user);
    let open = t.open_drift("web-1", "rules").await;
    assert_eq!(is_kept(&open), is_kept(&drift));
    assert_eq!(t.ends("web-1").await, Vec::<Value>::new());
    // The cloud still ends it.
    t.cloud_has([droplet("web-1").attr("rules", json!(["x", "b"]))])
        .await;
    t.sweep().await;
    assert_eq!(t.ends("web-1").await, [json!("change")]);
    assert!(!t.open_drift("web-1", "rules").await.snoozed);
}

#[tokio::test]
async fn no_drift_is_returned_as_open_if_a_rule_covers_what_is_left() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").attr("rules", json!(["a", "b", "k8s:1"]))])
        .await;
    t.record_spec("web-1", json!({ "rules": ["a"] })).await;
    let rule = "mutation { createIgnoreRule(input: { reason: \"of the cluster\",
        definition: { field: \"rules\", pointer: \"/k8s:*\" } }) { rule { id } } }";
    t.data(rule, json!({})).await;
    t.sweep().await;
    let drift = t.open_drift("web-1", "rules").await;
    let accept = "mutation($input: AcceptDriftMembersInput!) { acceptDriftMembers(input: $input) {
        accepted { status } drift { id } } }";
    let input = json!({ "driftId": drift.id, "revision": drift.revision, "members": ["b"] });
    let done = t.data(accept, json!({ "input": input })).await["acceptDriftMembers"].clone();
    assert_eq!(
        done,
        json!({ "accepted": { "status": "ACCEPTED" }, "drift": null })
    );
    assert!(t.inbox().await.is_empty());
}

#[tokio::test]
async fn nothing_is_accepted_if_one_member_was_not_seen() {
    let t = drifted().await;
    let drift = t.open_drift("web-1", "rules").await;
    let before = t.tables().await;
    for members in [vec![json!("y"), json!("b")], vec![json!("y"), json!("z")], vec![]] {
        let refused = accept(&t, &drift, &members).await;
        assert!(matches!(refused, Err(Error::BadUserInput(_))), "{refused:?}");
    }
    assert_eq!(t.tables().await, before);
    t.cloud_has([droplet("web-1").attr("rules", json!(["x", "b", "y", "z"]))])
        .await;
    let refused = accept(&t, &drift, &[json!("y")]).await;
    assert!(
        matches!(refused, Err(Error::LiveValueMoved { .. })),
        "{refused:?}"
    );
    assert_eq!(t.spec("web-1").await.spec_version, 1);
    // The drift was brought up to date.
    assert_eq!(t.open_drift("web-1", "rules").await.revision, drift.revision + 1);
}

#[tokio::test]
async fn a_value_that_is_no_list_is_accepted_as_a_whole() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("l")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s" })).await;
    t.sweep().await;
    let drift = t.open_drift("web-1", "size_slug").await;
    let refused = accept(&t, &drift, &[json!("l")]).await;
    assert!(matches!(refused, Err(Error::BadUserInput(_))), "{refused:?}");
}

#[tokio::test]
async fn of_two_accepts_at_once_one_sees_the_other() {
    let t = drifted().await;
    let drift = t.open_drift("web-1", "rules").await;
    let (y, x) = ([json!("y")], [json!("x")]);
    let (one, other) = tokio::join!(accept(&t, &drift, &y), accept(&t, &drift, &x));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    assert_eq!(t.spec("web-1").await.spec_version, 2);
    assert_eq!(t.sweep().await.changed, 0);
}

#[tokio::test]
async fn the_api_lists_and_accepts_members() {
    let t = drifted().await;
    let drift = t.open_drift("web-1", "rules").await;
    let members =
        "query($id: ID!) { drift(id: $id) { members { side value } splitFrom { id } occurrences } }";
    let found = t.data(members, json!({ "id": drift.id })).await["drift"].clone();
    let listed = [("REMOVED", "a"), ("REMOVED", "c"), ("ADDED", "x"), ("ADDED", "y")];
    let listed = listed.map(|(side, value)| json!({ "side": side, "value": value }));
    assert_eq!(
        found,
        json!({ "members": listed, "splitFrom": null, "occurrences": 1 })
    );
    let accept = "mutation($input: AcceptDriftMembersInput!) { acceptDriftMembers(input: $input) {
        accepted { id status splitFrom { id } predecessor { id } occurrences }
        drift { status members { side value } occurrences } provisioned { specVersion } } }";
    let input = json!({ "driftId": drift.id, "revision": drift.revision, "members": ["x", "c"] });
    let done = t.data(accept, json!({ "input": input })).await["acceptDriftMembers"].clone();
    assert_eq!(done["accepted"]["splitFrom"]["id"], json!(drift.id));
    assert_eq!(done["drift"]["status"], "OPEN");
    assert_eq!(done["drift"]["members"], json!([listed[0], listed[3]]));
    assert_eq!(done["drift"]["occurrences"], 1);
    assert_eq!(done["provisioned"]["specVersion"], 2);
}

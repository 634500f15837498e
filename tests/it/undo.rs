//! Undo of accepts: the earlier value is wanted again, the difference is open again, and nothing else changes.

use drift_inbox::domain::undo::UndoRefusal;
use drift_inbox::error::{Error, Result};
use drift_inbox::services::detection::{Scope, apply, gather, plan};
use drift_inbox::services::provisioning::{RecordSpec, SOURCE_API, record_provisioned};
use drift_inbox::services::retirement::{RetireSpec, retire_spec};
use drift_inbox::services::undo::{UndoAccept, Undone, undo_accept};
use entity::cloud_drift::{self, DriftStatus};
use entity::cloud_resource_events::EventType;
use entity::spec_versions;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::cloud::droplet;
use crate::support::together::together;
use crate::support::{ADMIN, TestApp};

async fn undo(t: &TestApp, drift: &cloud_drift::Model) -> Result<Undone> {
    let undo = UndoAccept {
        drift_id: drift.id,
        reason: None,
    };
    undo_accept(t.db(), ADMIN, &undo, t.now()).await
}

/// Creates a server on which the size and the region of web-1 differ from its spec, and accepts these fields.
async fn accepted(fields: &[&str]) -> (TestApp, Vec<cloud_drift::Model>) {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")
        .size("l")
        .region("ams3")
        .attr("rules", json!(["b", "a", 1.5]))])
        .await;
    let spec = json!({ "size_slug": "s", "region": "nyc3", "rules": [1.5, "a"], "tags": ["x"] });
    t.record_spec("web-1", spec).await;
    t.sweep().await;
    let mut drifts = Vec::new();
    for field in fields {
        drifts.push(t.accept(&t.open_drift("web-1", field).await).await.unwrap().drift);
    }
    (t, drifts)
}

async fn row(t: &TestApp, id: Uuid) -> cloud_drift::Model {
    let row = cloud_drift::Entity::find_by_id(id).one(t.db().reader()).await;
    row.unwrap().unwrap()
}

fn refusal(outcome: Result<Undone>) -> (&'static str, UndoRefusal) {
    match outcome {
        Err(error @ Error::NotUndoable(_)) => {
            let code = error.code();
            let Error::NotUndoable(why) = error else {
                unreachable!()
            };
            (code, why)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_undo_restores_its_field_keeps_later_accepts_and_opens_the_difference_again() {
    let (t, drifts) = accepted(&["rules", "size_slug"]).await;
    let undone = undo(&t, &drifts[0]).await.unwrap();
    let spec = t.spec("web-1").await;
    assert_eq!(spec.spec_version, 4);
    let wanted = json!({ "size_slug": "l", "region": "nyc3", "rules": [1.5, "a"], "tags": ["x"] });
    assert_eq!(spec.spec, wanted);
    assert_eq!(undone.provisioned, Some(spec));
    let old = row(&t, drifts[0].id).await;
    assert_eq!(old.status, DriftStatus::Accepted);
    assert_eq!(
        (old.undone_at, old.undone_by.as_deref(), old.undone_version),
        (Some(t.now()), Some(ADMIN), Some(4))
    );
    assert_eq!(undone.drifts, [old]);
    let open = t.open_drift("web-1", "rules").await;
    assert_ne!(open.id, drifts[0].id);
    assert_eq!(undone.open, std::slice::from_ref(&open));
    assert_eq!(
        (&open.expected, &open.actual),
        (&Some(json!([1.5, "a"])), &drifts[0].actual)
    );
    let events = t.events("web-1").await;
    assert_eq!(
        events[events.len() - 2..],
        [EventType::AcceptUndone, EventType::DriftDetected]
    );
    let counts = t.sweep().await;
    assert_eq!(
        (counts.opened, counts.changed, counts.staled),
        (0, 0, 0),
        "{counts:?}"
    );
}

#[tokio::test]
async fn an_undo_is_a_decision_with_a_reason_and_a_link_to_the_earlier_drift() {
    let (t, drifts) = accepted(&["size_slug"]).await;
    let query = "mutation($input: UndoAcceptInput!) { undoAccept(input: $input) {
        drift { status undoneBy specVersion } provisioned { specVersion } openDrift { status predecessor { id } } } }";
    let input = json!({ "input": { "driftId": drifts[0].id, "reason": "too early" } });
    let answer = t.data(query, input.clone()).await["undoAccept"].clone();
    let wanted = json!({ "drift": { "status": "ACCEPTED", "undoneBy": ADMIN, "specVersion": 2 },
        "provisioned": { "specVersion": 3 },
        "openDrift": { "status": "OPEN", "predecessor": { "id": drifts[0].id } } });
    assert_eq!(answer, wanted);
    assert_eq!(
        t.data(query, input).await["undoAccept"],
        wanted,
        "the second undo changes nothing"
    );
    let resource = t.resource("web-1").await.id;
    let event = t
        .event_rows(resource)
        .await
        .into_iter()
        .find(|e| e.event_type == EventType::AcceptUndone)
        .unwrap();
    let data = json!({ "driftId": drifts[0].id, "field": "size_slug", "expected": "s", "actual": "l", "specVersion": 3,
        "reason": "too early" });
    assert_eq!((event.actor.as_str(), event.data), (ADMIN, data));
    let query = "query($id: ID!) { resource(id: $id) { specAt(version: 3) { reason undoneDrifts { id } } } }";
    let version = t.data(query, json!({ "id": resource })).await["resource"]["specAt"].clone();
    assert_eq!(
        version,
        json!({ "reason": "too early", "undoneDrifts": [{ "id": drifts[0].id }] })
    );
}

#[tokio::test]
async fn an_undone_accept_can_be_accepted_and_undone_again() {
    let (t, drifts) = accepted(&["size_slug"]).await;
    let first = t.spec("web-1").await.spec;
    undo(&t, &drifts[0]).await.unwrap();
    let again = t.accept(&t.open_drift("web-1", "size_slug").await).await.unwrap();
    assert_eq!(t.spec("web-1").await.spec, first);
    undo(&t, &drifts[0]).await.unwrap();
    assert_eq!(
        t.spec("web-1").await.spec,
        first,
        "only the later accept is in force"
    );
    undo(&t, &again.drift).await.unwrap();
    assert_eq!(t.spec("web-1").await.spec["size_slug"], "s");
    assert_eq!(t.spec("web-1").await.spec_version, 5);
}

#[tokio::test]
async fn an_undo_whose_value_is_the_live_one_opens_nothing() {
    let (t, drifts) = accepted(&["size_slug"]).await;
    t.cloud_has([droplet("web-1")
        .size("s")
        .region("ams3")
        .attr("rules", json!(["b", "a", 1.5]))])
        .await;
    t.sweep().await;
    assert_eq!(
        t.open_drift("web-1", "size_slug").await.expected,
        Some(json!("l"))
    );
    let undone = undo(&t, &drifts[0]).await.unwrap();
    assert!(undone.open.is_empty());
    assert!(t.inbox().await.iter().all(|drift| drift.field != "size_slug"));
}

#[tokio::test]
async fn an_undo_changes_the_expected_value_of_a_drift_that_is_open() {
    let (t, drifts) = accepted(&["size_slug"]).await;
    t.cloud_has([droplet("web-1")
        .size("xl")
        .region("ams3")
        .attr("rules", json!(["b", "a", 1.5]))])
        .await;
    t.sweep().await;
    let before = t.open_drift("web-1", "size_slug").await;
    undo(&t, &drifts[0]).await.unwrap();
    let after = t.open_drift("web-1", "size_slug").await;
    assert_eq!(
        (after.id, after.revision, after.expected),
        (before.id, 2, Some(json!("s")))
    );
}

#[tokio::test]
async fn the_spec_of_a_missing_resource_is_in_force_again_and_the_resource_is_missing_again() {
    let (t, _) = accepted(&[]).await;
    let first = t.spec("web-1").await;
    t.cloud_has([]).await;
    t.sweep().await;
    let missing = t.accept(&t.open_drift("web-1", "*").await).await.unwrap().drift;
    assert_eq!(missing.spec_version, Some(2));
    let undone = undo(&t, &missing).await.unwrap();
    let spec = t.spec("web-1").await;
    assert_eq!(
        (spec.spec_version, spec.retired_at, &spec.spec),
        (3, None, &first.spec)
    );
    assert_eq!(undone.open, [t.open_drift("web-1", "*").await]);
    let events = t.events("web-1").await;
    let wanted = [
        EventType::SpecRecorded,
        EventType::AcceptUndone,
        EventType::DriftDetected,
    ];
    assert_eq!(events[events.len() - 3..], wanted);
    let counts = t.sweep().await;
    assert_eq!((counts.opened, counts.staled), (0, 0));
}

#[tokio::test]
async fn the_undo_of_a_missing_resource_that_returned_opens_what_differs() {
    let (t, _) = accepted(&[]).await;
    t.cloud_has([]).await;
    t.sweep().await;
    let missing = t.accept(&t.open_drift("web-1", "*").await).await.unwrap().drift;
    t.cloud_has([droplet("web-1")
        .size("l")
        .region("nyc3")
        .attr("rules", json!(["a", 1.5]))])
        .await;
    let undone = undo(&t, &missing).await.unwrap();
    let fields: Vec<&str> = undone.open.iter().map(|drift| drift.field.as_str()).collect();
    assert_eq!(fields, ["size_slug", "tags"]);
}

#[tokio::test]
async fn each_refused_undo_says_what_moved_and_changes_nothing() {
    let (t, drifts) = accepted(&["size_slug", "region"]).await;
    let query = "mutation($input: UndoAcceptInput!) { undoAccept(input: $input) { drift { id } } }";
    let ask = async |t: &TestApp, drift: Uuid| {
        let answer = t.ask(query, json!({ "input": { "driftId": drift } })).await;
        assert_eq!(answer["data"], json!({ "undoAccept": null }));
        answer["errors"][0]["extensions"].clone()
    };
    let open = t.open_drift("web-1", "rules").await;
    let wanted = json!({ "code": "NOT_UNDOABLE", "reason": "NOT_ACCEPTED", "currentStatus": "OPEN" });
    assert_eq!(ask(&t, open.id).await, wanted);

    t.record_spec("web-1", json!({ "size_slug": "m", "region": "ams3" }))
        .await;
    let wanted =
        json!({ "code": "SPEC_MOVED", "reason": "VALUE_CHANGED", "field": "size_slug", "expected": "m" });
    assert_eq!(ask(&t, drifts[0].id).await, wanted);
    t.database
        .execute("UPDATE cloud_provisioned SET source = 'terraform:prod'")
        .await
        .unwrap();
    let wanted = json!({ "code": "SPEC_MOVED", "reason": "TAKEN_OVER", "source": "terraform:prod" });
    assert_eq!(ask(&t, drifts[1].id).await, wanted);
    let before = t.tables().await;
    assert_eq!(ask(&t, drifts[1].id).await, wanted);
    assert_eq!(t.tables().await, before);

    let (resource, now) = (t.resource("web-1").await.id, t.now());
    let retire = RetireSpec {
        resource_id: resource,
        expected_version: 4,
    };
    retire_spec(t.db(), ADMIN, retire, now).await.unwrap();
    let why = refusal(undo(&t, &drifts[1]).await);
    assert_eq!(why, ("SPEC_MOVED", UndoRefusal::Retired { at: now }));
    spec_versions::Entity::delete_many()
        .exec(t.db().reader())
        .await
        .unwrap();
    assert_eq!(
        refusal(undo(&t, &drifts[0]).await),
        ("NOT_UNDOABLE", UndoRefusal::NotKept)
    );
    let unknown = t.ask(query, json!({ "input": { "driftId": resource } })).await;
    assert_eq!(unknown["errors"][0]["extensions"]["code"], "NOT_FOUND");
}

#[tokio::test]
async fn an_accept_of_a_server_of_the_previous_release_is_not_undone_by_guessing() {
    let (t, drifts) = accepted(&["size_slug"]).await;
    t.database
        .execute("UPDATE cloud_drift SET spec_version = NULL")
        .await
        .unwrap();
    assert_eq!(
        refusal(undo(&t, &drifts[0]).await),
        ("NOT_UNDOABLE", UndoRefusal::NotKept)
    );
}

#[tokio::test]
async fn accepts_of_several_fields_undone_in_reverse_order_leave_the_first_spec() {
    let (t, drifts) = accepted(&["size_slug", "rules", "tags", "region"]).await;
    for drift in drifts.iter().rev() {
        undo(&t, drift).await.unwrap();
    }
    let first = spec_versions::Entity::find().all(t.db().reader()).await.unwrap();
    let first = first.iter().find(|row| row.spec_version == 1).unwrap();
    assert_eq!(t.spec("web-1").await.spec.to_string(), first.spec.to_string());
    assert_eq!(t.inbox().await.len(), 4);
}

/// Undoes an accept on another server.
async fn undoing(
    t: &TestApp,
    drift: &cloud_drift::Model,
) -> impl Future<Output = Result<Undone>> + Send + use<> {
    let (db, now, drift_id) = (t.connect().await, t.now(), drift.id);
    async move {
        undo_accept(
            &db,
            ADMIN,
            &UndoAccept {
                drift_id,
                reason: None,
            },
            now,
        )
        .await
    }
}

#[tokio::test]
async fn two_concurrent_undos_of_one_accept_make_one_version() {
    let (t, drifts) = accepted(&["size_slug"]).await;
    let (a, b) = (undoing(&t, &drifts[0]).await, undoing(&t, &drifts[0]).await);
    let (a, b) = together(&t, "web-1", a, b).await;
    assert_eq!(a.unwrap().drifts, b.unwrap().drifts);
    assert_eq!(t.spec("web-1").await.spec_version, 3);
    let undone = t
        .events("web-1")
        .await
        .into_iter()
        .filter(|event| *event == EventType::AcceptUndone);
    assert_eq!(undone.count(), 1);
}

#[tokio::test]
async fn two_undos_of_one_resource_are_both_done() {
    let (t, drifts) = accepted(&["size_slug", "region"]).await;
    let (a, b) = (undoing(&t, &drifts[0]).await, undoing(&t, &drifts[1]).await);
    let (a, b) = together(&t, "web-1", a, b).await;
    a.unwrap();
    b.unwrap();
    let spec = t.spec("web-1").await;
    assert_eq!(
        (spec.spec_version, &spec.spec["size_slug"], &spec.spec["region"]),
        (5, &json!("s"), &json!("nyc3"))
    );
}

#[tokio::test]
async fn an_undo_during_a_record_precedes_it_or_is_refused() {
    let (t, drifts) = accepted(&["size_slug"]).await;
    let (db, now) = (t.connect().await, t.now());
    let record = RecordSpec {
        resource_id: drifts[0].resource_id,
        spec: json!({ "size_slug": "m" }),
        source: SOURCE_API.to_owned(),
        expected_version: None,
        take_over: false,
        reason: None,
    };
    let recording = async move { record_provisioned(&db, ADMIN, &record, now).await };
    let (undone, recorded) = together(&t, "web-1", undoing(&t, &drifts[0]).await, recording).await;
    let version = match undone {
        Ok(_) => 4,
        Err(Error::NotUndoable(UndoRefusal::ValueChanged { current, .. })) => {
            assert_eq!(current, Some(json!("m")));
            3
        }
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!(recorded.unwrap().spec_version, version);
    assert_eq!(t.spec("web-1").await.spec, json!({ "size_slug": "m" }));
}

#[tokio::test]
async fn an_undo_beside_an_accept_of_another_field_loses_neither() {
    let (t, drifts) = accepted(&["size_slug"]).await;
    let region = t.open_drift("web-1", "region").await;
    let (db, now) = (t.connect().await, t.now());
    let accept = drift_inbox::services::acceptance::AcceptDrift {
        drift_id: region.id,
        revision: Some(1),
        note: None,
    };
    let accepting =
        async move { drift_inbox::services::acceptance::accept_drift(&db, ADMIN, &accept, now).await };
    let (undone, accepted) = together(&t, "web-1", undoing(&t, &drifts[0]).await, accepting).await;
    undone.unwrap();
    accepted.unwrap();
    let spec = t.spec("web-1").await.spec;
    assert_eq!(
        (&spec["size_slug"], &spec["region"]),
        (&json!("s"), &json!("ams3"))
    );
    assert_eq!(
        t.open_drift("web-1", "size_slug").await.expected,
        Some(json!("s"))
    );
}

#[tokio::test]
async fn a_sweep_that_read_the_spec_before_an_undo_writes_nothing() {
    let (t, drifts) = accepted(&["size_slug"]).await;
    t.cloud_has([droplet("web-1")
        .size("xl")
        .region("ams3")
        .attr("rules", json!(["b", "a", 1.5]))])
        .await;
    let batch = gather(t.db(), &Scope::All).await.unwrap().expect("no specs");
    undo(&t, &drifts[0]).await.unwrap();
    let before = t.drifts().await;
    let applied = apply(t.db(), &plan(&batch, t.now()), t.now()).await.unwrap();
    assert_eq!(applied.moved.len(), 1, "{applied:?}");
    assert_eq!(t.drifts().await, before);
    let open = t.open_drift("web-1", "size_slug").await;
    assert_eq!(
        (open.expected, open.actual),
        (Some(json!("s")), Some(json!("xl")))
    );
}

#[tokio::test]
async fn an_undo_beside_a_sync_leaves_no_difference_unseen() {
    let (t, drifts) = accepted(&["size_slug"]).await;
    t.cloud.set([droplet("web-1")
        .size("xl")
        .region("ams3")
        .attr("rules", json!(["b", "a", 1.5]))]);
    let server = t.another_server().await;
    t.later(chrono::TimeDelta::seconds(1));
    let sync = async move {
        let request = drift_inbox::jobs::JobRequest::whole(entity::job_runs::Job::SyncInventory);
        server.jobs().run(request).await.unwrap()
    };
    let (undone, run) = together(&t, "web-1", undoing(&t, &drifts[0]).await, sync).await;
    undone.unwrap();
    assert_eq!(run.outcome, Some(entity::job_runs::JobOutcome::Succeeded));
    t.sweep().await;
    let open = t.open_drift("web-1", "size_slug").await;
    assert_eq!(
        (open.expected, open.actual),
        (Some(json!("s")), Some(json!("xl")))
    );
}

#[tokio::test]
async fn live_changes_contain_the_undone_drift() {
    let (t, drifts) = accepted(&["size_slug"]).await;
    undo(&t, &drifts[0]).await.unwrap();
    let query = "{ drifts(filter: { status: [ACCEPTED] }) { nodes { specVersion undoneAt undoneBy } } }";
    let rows = t.data(query, json!({})).await["drifts"]["nodes"].clone();
    let at: Value = serde_json::to_value(t.now()).unwrap();
    let shown = rows[0]["undoneAt"]
        .as_str()
        .unwrap()
        .parse::<chrono::DateTime<chrono::Utc>>()
        .unwrap();
    assert_eq!(
        (serde_json::to_value(shown).unwrap(), &rows[0]["undoneBy"]),
        (at, &json!(ADMIN))
    );
}

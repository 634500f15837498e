//! Refusals of mutations as data, beside the errors that documents without `refusal` get; and accepts that are repeated.

use chrono::TimeDelta;
use drift_inbox::error::{Error, Result};
use drift_inbox::services::acceptance::{AcceptDrift, Accepted, accept_drift, accept_drift_once};
use drift_inbox::services::undo::{UndoAccept, undo_accept};
use entity::cloud_drift::{self, DriftStatus};
use entity::cloud_resource_events::EventType;
use serde_json::{Value, json};

use crate::http_client::codes;
use crate::support::cloud::droplet;
use crate::support::together::together;
use crate::support::{ADMIN, TestApp};

const REFUSAL: &str = "refusal { code reason currentStatus revision field expected actual specVersion source since \
    drift { field status revision actual } }";

/// Creates a server with two open drifts: the size and the region of web-1.
async fn drifted() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("l").region("ams3")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s", "region": "nyc3" }))
        .await;
    t.sweep().await;
    t.later(TimeDelta::minutes(1));
    t
}

fn accept(drift: &cloud_drift::Model) -> AcceptDrift {
    AcceptDrift {
        drift_id: drift.id,
        revision: Some(drift.revision),
        note: None,
    }
}

/// Runs a mutation without `refusal`, which must fail, and then with it, which must not. Both must say the same. Returns
/// the payload without nulls.
pub(crate) async fn refused(t: &TestApp, mutation: &str, input: Value, shown: &str) -> Value {
    let capital = mutation[..1].to_uppercase() + &mutation[1..];
    let document = |fields: &str| {
        format!("mutation($input: {capital}Input!) {{ {mutation}(input: $input) {{ {fields} }} }}")
    };
    let variables = json!({ "input": input });
    let old = t.ask(&document("__typename"), variables.clone()).await;
    assert_eq!(old["data"][mutation], Value::Null, "{mutation}: {old}");
    let fields = format!("{shown} ... on {capital}Payload {{ {REFUSAL} }}");
    let new = t.ask(&document(&fields), variables).await;
    assert_eq!(new.get("errors"), None, "{mutation}: {new}");
    let mut payload = new["data"][mutation].clone();
    let refusal = payload["refusal"].as_object_mut().unwrap();
    let code = match refusal["code"].as_str().unwrap() {
        "NAME_IN_USE" | "LIMIT_REACHED" | "RULE_ENDED" | "TARGET_OFF" | "STATE_REFUSED" => "BAD_USER_INPUT",
        same => same,
    };
    assert_eq!(codes(&old), [code], "{mutation}");
    let extensions = &old["errors"][0]["extensions"];
    for fact in [
        "reason",
        "currentStatus",
        "revision",
        "field",
        "expected",
        "actual",
        "specVersion",
        "source",
    ] {
        assert_eq!(extensions[fact], refusal[fact], "{mutation}: {fact}");
    }
    refusal.retain(|_, value| !value.is_null());
    payload
}

#[tokio::test]
async fn a_document_that_selects_the_refusal_gets_it_instead_of_an_error() {
    let t = drifted().await;
    let size = t.open_drift("web-1", "size_slug").await;
    let resource = size.resource_id;
    let input = json!({ "driftId": size.id, "revision": 7 });
    let moved = refused(
        &t,
        "acceptDrift",
        input,
        "drift { id revision } provisioned { id } replayed",
    )
    .await;
    let now = json!({ "field": "size_slug", "status": "OPEN", "revision": 1, "actual": "l" });
    assert_eq!(
        moved,
        json!({ "drift": { "id": size.id, "revision": 1 }, "provisioned": null, "replayed": false,
            "refusal": { "code": "LIVE_VALUE_MOVED", "currentStatus": "OPEN", "revision": 1, "actual": "l", "drift": now } })
    );
    // The refused accept writes the value that moved, and the answer has it.
    t.cloud_has([droplet("web-1").size("xl").region("ams3")]).await;
    let document = format!(
        "mutation($input: AcceptDriftInput!) {{ acceptDrift(input: $input) {{ drift {{ revision }} {REFUSAL} }} }}"
    );
    let input = json!({ "input": { "driftId": size.id, "revision": 1 } });
    let payload = t.data(&document, input).await["acceptDrift"].clone();
    assert_eq!(
        (
            &payload["drift"]["revision"],
            &payload["refusal"]["drift"]["actual"]
        ),
        (&json!(2), &json!("xl"))
    );

    let record = json!({ "resourceId": resource, "spec": {}, "expectedSpecVersion": 3 });
    let conflict = refused(&t, "recordSpec", record, "provisioned { specVersion }").await;
    assert_eq!(
        conflict,
        json!({ "provisioned": { "specVersion": 1 }, "refusal": { "code": "SPEC_VERSION_CONFLICT", "specVersion": 1 } })
    );
    let retire = json!({ "resourceId": resource, "expectedSpecVersion": 3 });
    let conflict = refused(&t, "retireSpec", retire, "specVersion resource { id }").await;
    assert_eq!(
        conflict,
        json!({ "specVersion": 1, "resource": { "id": resource },
            "refusal": { "code": "SPEC_VERSION_CONFLICT", "specVersion": 1 } })
    );
    let forget = json!({ "resourceId": resource });
    let kept = refused(&t, "forgetResource", forget, "forgotten { id }").await;
    assert_eq!(
        kept,
        json!({ "forgotten": null, "refusal": { "code": "NOT_FORGETTABLE", "reason": "STILL_THERE" } })
    );

    let undo = json!({ "driftId": size.id });
    let open = refused(
        &t,
        "undoAccept",
        undo.clone(),
        "drift { status } openDrift { id }",
    )
    .await;
    assert_eq!(open["refusal"]["code"], "NOT_UNDOABLE");
    assert_eq!(
        (&open["refusal"]["reason"], &open["openDrift"]),
        (&json!("NOT_ACCEPTED"), &Value::Null)
    );
    t.accept(&t.open_drift("web-1", "size_slug").await).await.unwrap();
    t.record_spec("web-1", json!({ "size_slug": "m", "region": "nyc3" }))
        .await;
    let changed = refused(&t, "undoAccept", undo, "drift { status }").await;
    assert_eq!(
        changed,
        json!({ "drift": { "status": "ACCEPTED" }, "refusal": { "code": "SPEC_MOVED", "reason": "VALUE_CHANGED",
            "field": "size_slug", "expected": "m",
            "drift": { "field": "size_slug", "status": "ACCEPTED", "revision": 2, "actual": "xl" } } })
    );
    for mutation in ["markReverting", "unmarkReverting"] {
        let closed = refused(
            &t,
            mutation,
            json!({ "driftId": size.id }),
            "drift { status } replayed",
        )
        .await;
        assert_eq!(
            (
                &closed["refusal"]["code"],
                &closed["refusal"]["currentStatus"],
                &closed["drift"]["status"]
            ),
            (&json!("ALREADY_RESOLVED"), &json!("ACCEPTED"), &json!("ACCEPTED"))
        );
    }
}

#[tokio::test]
async fn the_refusals_of_ignore_rules_and_bulks_have_the_same_shape() {
    let t = drifted().await;
    let rule = json!({ "definition": { "field": "tags" }, "reason": "expected", "name": "tags" });
    let create = "mutation($input: CreateIgnoreRuleInput!) { createIgnoreRule(input: $input) { rule { name } refusal { code } } }";
    let first = t.data(create, json!({ "input": rule })).await;
    assert_eq!(
        first["createIgnoreRule"],
        json!({ "rule": { "name": "tags" }, "refusal": null })
    );
    let taken = refused(&t, "createIgnoreRule", rule, "rule { name } closed").await;
    assert_eq!(
        taken,
        json!({ "rule": null, "closed": null, "refusal": { "code": "NAME_IN_USE" } })
    );

    let preview = "mutation { previewAcceptDrifts(input: { filter: {} }) { token } }";
    let token = t.data(preview, json!({})).await["previewAcceptDrifts"]["token"].clone();
    let stale = t.data(preview, json!({})).await["previewAcceptDrifts"]["token"].clone();
    t.accept(&t.open_drift("web-1", "region").await).await.unwrap();
    let execute =
        "mutation($token: ID!) { acceptDrifts(input: { token: $token }) { refusal { code } run { refused
        items(outcome: REFUSED) { refusal { code message drift { status } } } } } }";
    let done = t.data(execute, json!({ "token": token })).await["acceptDrifts"].clone();
    assert_eq!(
        (&done["refusal"], &done["run"]["refused"]),
        (&Value::Null, &json!(1))
    );
    let refusal = &done["run"]["items"][0]["refusal"];
    assert_eq!(
        (&refusal["code"], &refusal["drift"]["status"]),
        (&json!("ALREADY_RESOLVED"), &json!("ACCEPTED"))
    );
    let change = json!({ "resourceId": t.resource("web-1").await.id, "spec": { "size_slug": "m" } });
    let record = "mutation($input: RecordSpecInput!) { recordSpec(input: $input) { provisioned { id } } }";
    t.data(record, json!({ "input": change })).await;
    let undo = "mutation($id: ID!) { undoBulk(input: { bulkId: $id }) { refused { code refusal { code reason expected } } } }";
    let undone = t.data(undo, json!({ "id": token })).await["undoBulk"]["refused"].clone();
    assert_eq!(
        undone,
        json!([{ "code": "SPEC_MOVED", "refusal": { "code": "SPEC_MOVED", "reason": "VALUE_CHANGED", "expected": "m" } }])
    );
    t.later(TimeDelta::hours(2));
    let expired = refused(&t, "acceptDrifts", json!({ "token": stale }), "run { id }").await;
    assert_eq!(
        expired,
        json!({ "run": null, "refusal": { "code": "PREVIEW_EXPIRED" } })
    );
}

#[tokio::test]
async fn other_errors_stay_errors_and_a_skipped_refusal_is_not_selected() {
    let t = drifted().await;
    let size = t.open_drift("web-1", "size_slug").await;
    let document = format!(
        "mutation($input: AcceptDriftInput!, $on: Boolean!) {{ acceptDrift(input: $input) {{ drift {{ id }} \
         ...R @include(if: $on) }} }} fragment R on AcceptDriftPayload {{ {REFUSAL} }}"
    );
    for (input, code) in [
        (json!({ "driftId": "x" }), "BAD_USER_INPUT"),
        (json!({ "driftId": size.resource_id }), "NOT_FOUND"),
    ] {
        let answer = t.ask(&document, json!({ "input": input, "on": true })).await;
        assert_eq!(codes(&answer), [code]);
    }
    let other = json!({ "driftId": size.id, "revision": 7 });
    let skipped = t.ask(&document, json!({ "input": other, "on": false })).await;
    assert_eq!(codes(&skipped), ["LIVE_VALUE_MOVED"]);
    let included = t.ask(&document, json!({ "input": other, "on": true })).await;
    assert_eq!(
        included["data"]["acceptDrift"]["refusal"]["code"],
        "LIVE_VALUE_MOVED"
    );
    // No spec is in force, and the type of `provisioned` does not allow null: only this field fails.
    t.cloud_has([droplet("web-1").size("l").region("ams3"), droplet("web-2")])
        .await;
    let input = json!({ "resourceId": t.resource("web-2").await.id, "spec": {}, "expectedSpecVersion": 2 });
    let record = |fields: &str| {
        format!("mutation($input: RecordSpecInput!) {{ recordSpec(input: $input) {{ {fields} }} }}")
    };
    let none = t
        .ask(&record("refusal { specVersion }"), json!({ "input": input }))
        .await;
    assert_eq!(none["data"]["recordSpec"]["refusal"]["specVersion"], 0);
    let both = t
        .ask(
            &record("refusal { code } provisioned { id }"),
            json!({ "input": input }),
        )
        .await;
    assert_eq!(codes(&both), ["SPEC_VERSION_CONFLICT"]);
}

#[tokio::test]
async fn a_repeated_accept_that_selects_it_gets_the_first_answer() {
    let t = drifted().await;
    let size = t.open_drift("web-1", "size_slug").await;
    let document = "mutation($input: AcceptDriftInput!) { acceptDrift(input: $input) {
        drift { id status resolvedAt resolutionNote } provisioned { specVersion recordedAt } warning replayed } }";
    let input = json!({ "input": { "driftId": size.id, "revision": size.revision, "note": "needed" } });
    let mut first = t.data(document, input.clone()).await;
    assert_eq!(first["acceptDrift"]["replayed"], false);
    let events = t.events("web-1").await.len();
    t.later(TimeDelta::minutes(5));
    t.sweep().await;
    let again = t.data(document, input.clone()).await;
    first["acceptDrift"]["replayed"] = json!(true);
    assert_eq!(again, first);
    assert_eq!(
        t.events("web-1").await.len(),
        events,
        "a repetition is no decision"
    );
    let old = document.replace(" replayed", "");
    assert_eq!(codes(&t.ask(&old, input).await), ["ALREADY_RESOLVED"]);
    let unpinned = json!({ "input": { "driftId": size.id } });
    assert_eq!(codes(&t.ask(document, unpinned).await), ["ALREADY_RESOLVED"]);
}

#[tokio::test]
async fn an_accept_is_replayed_only_to_its_actor_and_while_its_result_stands() {
    let t = drifted().await;
    let size = t.open_drift("web-1", "size_slug").await;
    let once = |actor: &'static str, revision: i32| {
        let accept = AcceptDrift {
            revision: Some(revision),
            ..accept(&size)
        };
        let t = &t;
        async move { accept_drift_once(t.db(), actor, &accept, t.now()).await }
    };
    let is_resolved =
        |refused: Result<Accepted>| matches!(refused, Err(Error::AlreadyResolved(DriftStatus::Accepted)));
    assert!(!once(ADMIN, 1).await.unwrap().replayed);
    assert!(once(ADMIN, 1).await.unwrap().replayed);
    assert!(is_resolved(once("grace", 1).await));
    assert!(is_resolved(once(ADMIN, 2).await));
    // Another accept makes another version: the answer of the first one would not be true any more.
    let region = t.open_drift("web-1", "region").await;
    accept_drift(t.db(), "grace", &accept(&region), t.now())
        .await
        .unwrap();
    assert!(is_resolved(once(ADMIN, 1).await));
    let undo = UndoAccept {
        drift_id: size.id,
        reason: None,
    };
    assert!(!undo_accept(t.db(), ADMIN, &undo, t.now()).await.unwrap().replayed);
    assert!(undo_accept(t.db(), ADMIN, &undo, t.now()).await.unwrap().replayed);
    assert!(
        is_resolved(once(ADMIN, 1).await),
        "an undone accept does not stand"
    );
}

#[tokio::test]
async fn callers_without_an_email_get_no_answers_of_each_other() {
    let t = drifted().await;
    let size = t.open_drift("web-1", "size_slug").await;
    let token = t.token(None, &["platform_admin"]);
    let ask = async |query: &str, input: Value| {
        let answer = t.ask_as(Some(&token), query, json!({ "input": input })).await;
        let errors: Vec<String> = codes(&answer).into_iter().map(str::to_owned).collect();
        (errors, answer["data"].clone())
    };
    let mark = "mutation($input: MarkRevertingInput!) { markReverting(input: $input) { replayed } }";
    for _ in 0..2 {
        let (errors, done) = ask(mark, json!({ "driftId": size.id })).await;
        assert_eq!(
            (errors.len(), &done["markReverting"]["replayed"]),
            (0, &json!(false))
        );
    }
    let accept = "mutation($input: AcceptDriftInput!) { acceptDrift(input: $input) { replayed } }";
    let input = |note: &str| json!({ "driftId": size.id, "revision": 1, "note": note });
    let (errors, done) = ask(accept, input("mine")).await;
    assert_eq!(
        (errors.len(), &done["acceptDrift"]["replayed"]),
        (0, &json!(false))
    );
    let (errors, _) = ask(accept, input("theirs")).await;
    assert_eq!(errors, ["ALREADY_RESOLVED"]);
}

#[tokio::test]
async fn the_accept_of_a_missing_resource_is_replayed_while_its_spec_is_retired() {
    let t = drifted().await;
    t.cloud_has([]).await;
    t.sweep().await;
    let missing = t.open_drift("web-1", "*").await;
    let first = accept_drift_once(t.db(), ADMIN, &accept(&missing), t.now())
        .await
        .unwrap();
    let again = accept_drift_once(t.db(), ADMIN, &accept(&missing), t.now())
        .await
        .unwrap();
    assert_eq!((first.provisioned, first.replayed), (None, false));
    assert_eq!((again.provisioned, again.replayed), (None, true));
    assert_eq!(again.drift, first.drift);
    t.record_spec("web-1", json!({ "size_slug": "s" })).await;
    let refused = accept_drift_once(t.db(), ADMIN, &accept(&missing), t.now()).await;
    assert!(matches!(refused, Err(Error::AlreadyResolved(_))), "{refused:?}");
}

#[tokio::test]
async fn concurrent_duplicates_are_one_decision() {
    let t = drifted().await;
    let size = t.open_drift("web-1", "size_slug").await;
    let (one, other, now) = (t.connect().await, t.connect().await, t.now());
    let (first, second) = (accept(&size), accept(&size));
    let a = async move { accept_drift_once(&one, ADMIN, &first, now).await };
    let b = async move { accept_drift_once(&other, ADMIN, &second, now).await };
    let (a, b) = together(&t, "web-1", a, b).await;
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!([a.replayed, b.replayed].iter().filter(|is| **is).count(), 1);
    assert_eq!((&a.drift, &a.provisioned), (&b.drift, &b.provisioned));
    assert_eq!(t.spec("web-1").await.spec_version, 2);
    let accepted = t.events("web-1").await;
    let accepted = accepted
        .iter()
        .filter(|event| **event == EventType::DriftAccepted);
    assert_eq!(accepted.count(), 1);
}

#[tokio::test]
async fn an_intent_that_is_noted_twice_is_one_event() {
    let t = drifted().await;
    let id = t.open_drift("web-1", "size_slug").await.id;
    let document = "mutation($input: MarkRevertingInput!) { markReverting(input: $input) { replayed drift { revertingNote } } }";
    let mark = async |note: &str| {
        let input = json!({ "input": { "driftId": id, "note": note } });
        t.data(document, input).await["markReverting"].clone()
    };
    for (note, replayed) in [("doctl", false), ("doctl", true), ("the console", false)] {
        let wanted = json!({ "replayed": replayed, "drift": { "revertingNote": note } });
        assert_eq!(mark(note).await, wanted);
    }
    let marks = t.events("web-1").await;
    assert_eq!(
        marks
            .iter()
            .filter(|event| **event == EventType::RevertMarked)
            .count(),
        2
    );
    let withdraw = "mutation($id: ID!) { unmarkReverting(input: { driftId: $id }) { replayed } }";
    for replayed in [false, true] {
        let answer = t.data(withdraw, json!({ "id": id })).await;
        assert_eq!(answer["unmarkReverting"]["replayed"], replayed);
    }
}

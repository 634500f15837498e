//! Accepting many drifts: exactly those of the preview, whatever happens meanwhile.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use drift_inbox::clock::Clock;
use drift_inbox::error::Error;
use drift_inbox::jobs::JobRequest;
use drift_inbox::services::acceptance::{AcceptDrift, accept_drift};
use drift_inbox::services::bulks::{self, Decider, Selected};
use drift_inbox::services::inbox::DriftFilter;
use entity::bulk_items::{self, ItemOutcome};
use entity::cloud_drift::{self, DriftStatus};
use entity::cloud_provisioned as provisioned;
use entity::cloud_resource_events::EventType;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::cloud::droplet;
use crate::support::fleet::fleet;
use crate::support::{ADMIN, TestApp};

const ADA: Decider<'static> = Decider {
    name: ADMIN,
    subject: "user-1",
};

async fn preview_all(t: &TestApp) -> bulks::Preview {
    let all = Selected::Filter(Box::default());
    bulks::preview_accept(t.db(), ADA, &all, t.now()).await.unwrap()
}

async fn items(t: &TestApp, bulk: Uuid) -> HashMap<Uuid, bulk_items::Model> {
    let items = bulks::items_of(t.db().reader(), bulk, None).await.unwrap();
    items.into_iter().map(|item| (item.drift_id, item)).collect()
}

/// Returns the specs by resource.
async fn specs(t: &TestApp) -> BTreeMap<Uuid, provisioned::Model> {
    let specs = provisioned::Entity::find().all(t.db().reader()).await.unwrap();
    specs.into_iter().map(|spec| (spec.resource_id, spec)).collect()
}

/// Returns the ids of the drifts that a bulk closed.
async fn closed_by(t: &TestApp, bulk: Uuid) -> Vec<Uuid> {
    let of_bulk = cloud_drift::Entity::find().filter(ExprTrait::eq(Expr::col("bulk_id"), bulk));
    let drifts = of_bulk.all(t.db().reader()).await.unwrap();
    drifts.into_iter().map(|drift| drift.id).collect()
}

#[tokio::test]
async fn a_thousand_drifts_are_accepted_beside_sweeps_syncs_and_other_accepts() {
    let t = TestApp::new().await;
    fleet(t.db(), 334, t.now()).await;
    assert_eq!(t.sweep().await.opened, 1_002);
    let preview = preview_all(&t).await;
    let seen: HashMap<Uuid, cloud_drift::Model> = preview
        .resources
        .iter()
        .flat_map(|of| of.drifts.iter().map(|drift| (drift.id, drift.clone())))
        .collect();
    assert_eq!((seen.len(), preview.matching), (1_000, 1_002));
    // Some values move and are swept before the execution begins, others have moved without a sweep.
    let moves = |digit: char, size: &str| {
        format!(
            "UPDATE cloud_resources SET size_slug = '{size}', revision = revision + 1 WHERE provider_id LIKE '%{digit}'"
        )
    };
    t.database.execute(moves('7', "moved-and-swept")).await.unwrap();
    assert!(t.sweep().await.changed > 20);
    t.database.execute(moves('4', "moved")).await.unwrap();
    let token = preview.bulk.id;
    let bulk = bulks::begin(t.db(), ADA, token, Some("as planned"), t.now())
        .await
        .unwrap();
    // The other work goes on until the bulk ends.
    let ended = Arc::new(AtomicBool::new(false));
    let sweeps = {
        let (app, ended) = (t.another_server().await, Arc::clone(&ended));
        tokio::spawn(async move {
            while !ended.load(Ordering::SeqCst) {
                app.jobs().run(JobRequest::detect_all()).await.unwrap();
            }
        })
    };
    let singles = {
        let (db, now) = (t.connect().await, t.now());
        let mut mine: Vec<cloud_drift::Model> = seen.values().cloned().collect();
        mine.retain(|drift| drift.field == "region");
        mine.sort_by_key(|drift| std::cmp::Reverse(drift.resource_id));
        mine.truncate(60);
        tokio::spawn(async move {
            let mut accepted = Vec::new();
            for drift in mine {
                let accept = AcceptDrift {
                    drift_id: drift.id,
                    revision: Some(drift.revision),
                    note: None,
                };
                match accept_drift(&db, "bob@example.com", &accept, now).await {
                    Ok(_) => accepted.push(drift.id),
                    Err(Error::AlreadyResolved(DriftStatus::Accepted)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            accepted
        })
    };
    let (db, clock) = (t.connect().await, Clock::Manual(t.clock.clone()));
    let executing = tokio::spawn(async move { bulks::execute(&db, &clock, &bulk).await });
    for digit in ['1', '9'] {
        t.database.execute(moves(digit, "moved-meanwhile")).await.unwrap();
    }
    executing.await.unwrap().unwrap();
    ended.store(true, Ordering::SeqCst);
    sweeps.await.unwrap();
    let singles = singles.await.unwrap();
    t.sweep().await;

    let items = items(&t, token).await;
    let run = bulks::find(t.db().reader(), token).await.unwrap().unwrap();
    assert_eq!((run.done + run.refused, run.pending), (1_000, 0));
    assert!(run.bulk.finished_at.is_some());
    assert!(run.refused >= 66 && run.done > 700, "{run:?}");
    let (drifts, specs) = (t.drifts().await, specs(&t).await);
    let mut closed = closed_by(&t, token).await;
    closed.sort();
    let mut done: Vec<Uuid> = items
        .values()
        .filter(|item| item.outcome == Some(ItemOutcome::Done))
        .map(|item| item.drift_id)
        .collect();
    done.sort();
    assert_eq!(done, closed);
    for drift in &drifts {
        let Some(seen) = seen.get(&drift.id) else {
            assert!(
                !closed.contains(&drift.id),
                "a drift outside the preview was accepted"
            );
            continue;
        };
        let item = &items[&drift.id];
        let spec = &specs[&drift.resource_id];
        if item.outcome == Some(ItemOutcome::Done) {
            assert_eq!(drift.status, DriftStatus::Accepted);
            assert_eq!(
                (drift.revision, &drift.actual, &drift.expected),
                (seen.revision, &seen.actual, &seen.expected)
            );
            assert_eq!(drift.resolution_note.as_deref(), Some("as planned"));
            assert_eq!(spec.spec.get(&drift.field), seen.actual.as_ref());
        } else {
            let code = item.code.as_deref().unwrap();
            assert!(
                ["LIVE_VALUE_MOVED", "ALREADY_RESOLVED"].contains(&code),
                "{item:?}"
            );
            assert_eq!(
                singles.contains(&drift.id),
                code == "ALREADY_RESOLVED",
                "{item:?}"
            );
        }
    }
    // All fields of a resource in the bulk are one version, and each single accept is one.
    for (resource, spec) in &specs {
        let of = |drift: &&cloud_drift::Model| drift.resource_id == *resource;
        let bulk = drifts.iter().filter(of).any(|drift| closed.contains(&drift.id));
        let single = drifts
            .iter()
            .filter(of)
            .filter(|drift| singles.contains(&drift.id));
        assert_eq!(spec.spec_version, 1 + i32::from(bulk) + single.count() as i32);
    }
    // What is open now is what still differs.
    for drift in drifts.iter().filter(|drift| drift.status == DriftStatus::Open) {
        let spec = &specs[&drift.resource_id].spec;
        assert_ne!(spec.get(&drift.field), drift.actual.as_ref());
    }
    let open = drifts
        .iter()
        .filter(|drift| drift.status == DriftStatus::Open)
        .count();
    assert!(open >= 66, "{open}");
}

#[tokio::test]
async fn several_fields_of_a_resource_are_one_version_with_an_event_each() {
    let t = TestApp::new().await;
    fleet(t.db(), 2, t.now()).await;
    t.sweep().await;
    let preview = "mutation($input: PreviewAcceptDriftsInput!) { previewAcceptDrifts(input: $input) { token count matching
        resources { resource { name } specVersion retiresSpec warning drifts { drift { id field expected actual } } } } }";
    let filter = json!({ "input": { "filter": { "where": { "field": { "notIn": ["backups"] } } } } });
    let shown = t.data(preview, filter).await["previewAcceptDrifts"].clone();
    assert_eq!((&shown["count"], &shown["matching"]), (&json!(4), &json!(4)));
    let first = &shown["resources"][0];
    assert_eq!(
        (&first["specVersion"], &first["warning"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(first["drifts"][0]["drift"]["field"], "region");
    assert_eq!(t.inbox().await.len(), 6, "a preview changes nothing");
    let accept = "mutation($token: ID!) { acceptDrifts(input: { token: $token, note: \"ok\" }) { run { id action actor note
        startedAt finishedAt total done refused pending items { driftId outcome code specVersion } } } }";
    let token = json!({ "token": shown["token"] });
    let run = t.data(accept, token.clone()).await["acceptDrifts"]["run"].clone();
    assert_eq!(
        (&run["total"], &run["done"], &run["pending"]),
        (&json!(4), &json!(4), &json!(0))
    );
    assert_eq!((&run["actor"], &run["note"]), (&json!(ADMIN), &json!("ok")));
    assert!(
        run["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|item| item["specVersion"] == 2)
    );
    for spec in specs(&t).await.values() {
        assert_eq!(spec.spec_version, 2);
        assert_eq!(
            spec.spec,
            json!({ "backups": true, "region": "nyc3", "size_slug": "s-2vcpu-4gb" })
        );
        let events = t.event_rows(spec.resource_id).await;
        let accepted: Vec<_> = events
            .iter()
            .filter(|event| event.event_type == EventType::DriftAccepted)
            .collect();
        assert_eq!(accepted.len(), 2);
        assert!(
            accepted
                .iter()
                .all(|event| event.data["bulkId"] == run["id"] && event.data["specVersion"] == 2)
        );
    }
    assert_eq!(t.inbox().await.len(), 2);
    // The same token again gives the same answer and changes nothing.
    t.later(TimeDelta::hours(5));
    assert_eq!(t.data(accept, token).await["acceptDrifts"]["run"], run);
    assert!(specs(&t).await.values().all(|spec| spec.spec_version == 2));
    let node = "query($id: ID!) { node(id: $id) { ... on BulkRun { done } } bulkRun(id: $id) { done items(outcome: REFUSED) { code } } }";
    let found = t.data(node, json!({ "id": run["id"] })).await;
    assert_eq!(
        (&found["node"]["done"], &found["bulkRun"]["items"]),
        (&json!(4), &json!([]))
    );
}

#[tokio::test]
async fn a_token_is_of_one_user_and_expires() {
    let t = TestApp::new().await;
    fleet(t.db(), 1, t.now()).await;
    t.sweep().await;
    let token = preview_all(&t).await.bulk.id;
    let as_other = |name, subject| Decider { name, subject };
    for other in [as_other("eve@example.com", "user-1"), as_other(ADMIN, "user-2")] {
        let refused = bulks::begin(t.db(), other, token, None, t.now())
            .await
            .unwrap_err();
        assert_eq!(refused.code(), "NOT_FOUND");
    }
    // A preview is not shown as a bulk, and the token of another user tells nothing.
    assert!(bulks::find(t.db().reader(), token).await.unwrap().is_none());
    let accept = "mutation($token: ID!) { acceptDrifts(input: { token: $token }) { run { id } } }";
    t.later(TimeDelta::hours(1));
    assert_eq!(
        t.refusal(accept, json!({ "token": token })).await,
        "PREVIEW_EXPIRED"
    );
    assert_eq!(t.inbox().await.len(), 3);
    // The next preview deletes the expired one.
    t.later(TimeDelta::seconds(1));
    let next = preview_all(&t).await.bulk.id;
    assert_eq!(t.refusal(accept, json!({ "token": token })).await, "NOT_FOUND");
    let run = t.data(accept, json!({ "token": next })).await;
    assert_eq!(run["acceptDrifts"]["run"]["id"], json!(next));
    assert!(t.inbox().await.is_empty());
}

#[tokio::test]
async fn selections_that_are_not_clear_are_refused() {
    let t = TestApp::new().await;
    fleet(t.db(), 1, t.now()).await;
    t.sweep().await;
    let preview =
        "mutation($input: PreviewAcceptDriftsInput!) { previewAcceptDrifts(input: $input) { count closed {
        driftId status } } }";
    let drifts = t.inbox().await;
    let id = drifts[0].id;
    for input in [
        json!({}),
        json!({ "driftIds": [] }),
        json!({ "driftIds": [id, id] }),
        json!({ "driftIds": [id], "filter": {} }),
        json!({ "filter": { "status": ["OPEN", "STALE"] } }),
        json!({ "driftIds": (0..1_001).map(|_| Uuid::now_v7()).collect::<Vec<_>>() }),
    ] {
        assert_eq!(
            t.refusal(preview, json!({ "input": input })).await,
            "BAD_USER_INPUT",
            "{input}"
        );
    }
    let unknown = json!({ "input": { "driftIds": [Uuid::now_v7()] } });
    assert_eq!(t.refusal(preview, unknown).await, "NOT_FOUND");
    t.accept(&drifts[0]).await.unwrap();
    let ids: Vec<Uuid> = drifts.iter().map(|drift| drift.id).collect();
    let shown = t.data(preview, json!({ "input": { "driftIds": ids } })).await["previewAcceptDrifts"].clone();
    let closed = json!([{ "driftId": id, "status": "ACCEPTED" }]);
    assert_eq!((&shown["count"], &shown["closed"]), (&json!(2), &closed));
}

/// The task of a bulk ends in the middle, as with a crash. Two other servers do the rest at the same time.
#[tokio::test]
async fn a_bulk_goes_on_after_its_server_stopped() {
    let t = TestApp::new().await;
    fleet(t.db(), 40, t.now()).await;
    t.sweep().await;
    let token = preview_all(&t).await.bulk.id;
    let bulk = bulks::begin(t.db(), ADA, token, Some("first"), t.now())
        .await
        .unwrap();
    let (db, clock, stopped) = (t.connect().await, Clock::Manual(t.clock.clone()), bulk.clone());
    let first = tokio::spawn(async move { bulks::execute(&db, &clock, &stopped).await });
    loop {
        let run = bulks::find(t.db().reader(), token).await.unwrap().unwrap();
        if run.done > 5 {
            break;
        }
        tokio::task::yield_now().await;
    }
    first.abort();
    _ = first.await;
    let again = bulks::begin(t.db(), ADA, token, Some("second"), t.now())
        .await
        .unwrap();
    assert_eq!(again.note.as_deref(), Some("first"));
    let mut servers = Vec::new();
    for _ in 0..2 {
        let (db, clock, bulk) = (t.connect().await, Clock::Manual(t.clock.clone()), again.clone());
        servers.push(tokio::spawn(
            async move { bulks::execute(&db, &clock, &bulk).await },
        ));
    }
    for server in servers {
        server.await.unwrap().unwrap();
    }
    let run = bulks::find(t.db().reader(), token).await.unwrap().unwrap();
    assert_eq!((run.done, run.refused, run.pending), (120, 0, 0));
    assert!(specs(&t).await.values().all(|spec| spec.spec_version == 2));
    assert_eq!(closed_by(&t, token).await.len(), 120);
}

#[tokio::test]
async fn a_bulk_retires_the_specs_of_missing_resources_and_leaves_what_returned() {
    let t = TestApp::new().await;
    t.cloud_has(["a", "b"].map(|name| droplet(name).size("large")))
        .await;
    for name in ["a", "b"] {
        t.record_spec(name, json!({ "size_slug": "large" })).await;
    }
    t.cloud_has([]).await;
    t.sweep().await;
    let filter = DriftFilter {
        field: Some("*".to_owned()),
        ..DriftFilter::default()
    };
    let selected = Selected::Filter(Box::new(filter));
    let preview = bulks::preview_accept(t.db(), ADA, &selected, t.now())
        .await
        .unwrap();
    assert_eq!(preview.resources.len(), 2);
    t.cloud_has([droplet("b").size("large")]).await;
    let token = preview.bulk.id;
    let bulk = bulks::begin(t.db(), ADA, token, None, t.now()).await.unwrap();
    let clock = Clock::Manual(t.clock.clone());
    bulks::execute(t.db(), &clock, &bulk).await.unwrap();
    let refused: Vec<Option<String>> = items(&t, token)
        .await
        .into_values()
        .filter(|item| item.outcome == Some(ItemOutcome::Refused))
        .map(|item| item.code)
        .collect();
    assert_eq!(refused, [Some("LIVE_VALUE_MOVED".to_owned())]);
    assert!(t.spec("a").await.retired_at.is_some());
    assert!(t.spec("b").await.retired_at.is_none());
    assert!(t.inbox().await.is_empty());
}

#[tokio::test]
async fn a_bulk_is_undone_with_one_version_per_resource_and_later_changes_stay() {
    const UNDO: &str = "mutation($id: ID!) { undoBulk(input: {bulkId: $id, reason: \"too early\"}) { \
         undone refused { driftId code } } }";
    let t = TestApp::new().await;
    let names = ["web-1", "web-2", "web-3"];
    t.cloud_has(names.map(|name| droplet(name).size("large").region("fra1")))
        .await;
    for name in names {
        t.record_spec(
            name,
            json!({ "size_slug": "small", "region": "nyc3", "ip": null }),
        )
        .await;
    }
    t.sweep().await;
    let before = specs(&t).await;
    let preview = preview_all(&t).await;
    let accept = "mutation($token: ID!) { acceptDrifts(input: {token: $token}) { run { id } } }";
    t.data(accept, json!({ "token": preview.bulk.id })).await;
    assert!(t.inbox().await.is_empty());
    // Another size is recorded for web-3 afterwards.
    t.record_spec(
        "web-3",
        json!({ "size_slug": "huge", "region": "fra1", "ip": null }),
    )
    .await;
    t.sweep().await;
    let undone = t.data(UNDO, json!({ "id": preview.bulk.id })).await["undoBulk"].clone();
    assert_eq!(undone["undone"], 4);
    let codes: Vec<&Value> = undone["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refused| &refused["code"])
        .collect();
    assert_eq!(codes, ["SPEC_MOVED", "SPEC_MOVED"]);
    let after = specs(&t).await;
    for name in ["web-1", "web-2"] {
        let id = t.resource(name).await.id;
        assert_eq!(after[&id].spec, before[&id].spec);
        assert_eq!(
            after[&id].spec_version,
            before[&id].spec_version + 2,
            "one version for both fields"
        );
    }
    assert_eq!(
        t.inbox().await.len(),
        5,
        "four fields again, and the size of web-3"
    );
    let again = t.data(UNDO, json!({ "id": preview.bulk.id })).await["undoBulk"].clone();
    assert_eq!(again["undone"], 4);
    assert_eq!(specs(&t).await, after, "a repeated undo changes nothing");
    let unknown = t.refusal(UNDO, json!({ "id": Uuid::now_v7() })).await;
    assert_eq!(unknown, "NOT_FOUND");
}

#[tokio::test]
async fn an_undo_does_not_open_what_a_rule_ignores() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("large")]).await;
    t.record_spec("web-1", json!({ "size_slug": "small" })).await;
    t.sweep().await;
    let drift = t.open_drift("web-1", "size_slug").await;
    t.accept(&drift).await.unwrap();
    let rule = "mutation { createIgnoreRule(input: {definition: {field: \"size_slug\"}, reason: \"expected\"}) { rule { id } } }";
    t.data(rule, json!({})).await;
    let undo =
        "mutation($id: ID!) { undoAccept(input: {driftId: $id}) { openDrift { id } provisioned { spec } } }";
    let undone = t.data(undo, json!({ "id": drift.id })).await["undoAccept"].clone();
    assert_eq!(
        undone,
        json!({ "openDrift": null, "provisioned": { "spec": { "size_slug": "small" } } })
    );
    let explain =
        "query($id: ID!) { explain(resourceId: $id, field: \"size_slug\") { verdict ignoredBy { reason } } }";
    let explained = t.data(explain, json!({ "id": drift.resource_id })).await["explain"].clone();
    assert_eq!(
        explained,
        json!({ "verdict": "IGNORED", "ignoredBy": { "reason": "expected" } })
    );
}

#[tokio::test]
async fn what_of_an_undone_bulk_was_not_accepted_yet_is_never_accepted() {
    use drift_inbox::services::undo::undo_bulk;
    let t = TestApp::new().await;
    t.cloud_has(["web-1", "web-2"].map(|name| droplet(name).size("large")))
        .await;
    for name in ["web-1", "web-2"] {
        t.record_spec(name, json!({ "size_slug": "small" })).await;
    }
    t.sweep().await;
    let token = preview_all(&t).await.bulk.id;
    // The server stops after it has begun the bulk; then a user undoes it, and a client repeats its call.
    bulks::begin(t.db(), ADA, token, None, t.now()).await.unwrap();
    let undone = undo_bulk(t.db(), ADMIN, token, None, t.app.clock())
        .await
        .unwrap();
    assert_eq!((undone.undone, undone.refused.len()), (0, 0));
    let bulk = bulks::begin(t.db(), ADA, token, None, t.now()).await.unwrap();
    bulks::execute(t.db(), &Clock::Manual(t.clock.clone()), &bulk)
        .await
        .unwrap();
    assert_eq!(t.inbox().await.len(), 2);
    let codes: Vec<Option<String>> = items(&t, token)
        .await
        .into_values()
        .map(|item| item.code)
        .collect();
    assert_eq!(codes, vec![Some("BULK_UNDONE".to_owned()); 2]);
}

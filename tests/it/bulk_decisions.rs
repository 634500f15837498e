//! Bulks that snooze, assign and ignore: exactly the drifts of the preview, and undone as one.

use chrono::TimeDelta;
use drift_inbox::domain::snooze::Snooze;
use drift_inbox::error::Error;
use drift_inbox::services::bulks::{self, Action, Decider, RuleTerms, Selected};
use drift_inbox::services::undo::{BulkUndone, undo_bulk};
use drift_inbox::services::{assignments, retention, snoozes};
use entity::bulk_items::ItemOutcome;
use entity::cloud_drift::{self, CloseReason};
use entity::{bulk_items, cloud_resources, ignore_rules};
use sea_orm::{DbBackend, EntityTrait as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::cloud::droplet;
use crate::support::{ADMIN, TestApp};

const ADA: Decider<'static> = Decider {
    name: ADMIN,
    subject: "user-1",
};

impl TestApp {
    /// Previews and executes an action on drifts, and returns the bulk.
    pub(crate) async fn bulk(&self, drifts: &[Uuid], action: &Action) -> bulks::BulkRun {
        let selected = Selected::Drifts(drifts.to_vec());
        let preview = bulks::preview(self.db(), ADA, &selected, action, self.now())
            .await
            .unwrap();
        self.execute(preview.bulk.id).await
    }

    async fn execute(&self, token: Uuid) -> bulks::BulkRun {
        let bulk = bulks::begin(self.db(), ADA, token, Some("as agreed"), self.now())
            .await
            .unwrap();
        bulks::execute(self.db(), self.app.clock(), &bulk).await.unwrap();
        bulks::find(self.db().reader(), token).await.unwrap().unwrap()
    }

    pub(crate) async fn undo_bulk(&self, bulk: Uuid) -> BulkUndone {
        undo_bulk(self.db(), ADMIN, bulk, Some("a mistake"), self.app.clock())
            .await
            .unwrap()
    }

    async fn name_of(&self, drift: &cloud_drift::Model) -> String {
        let resource = cloud_resources::Entity::find_by_id(drift.resource_id);
        resource.one(self.db().reader()).await.unwrap().unwrap().name
    }

    async fn outcomes(&self, bulk: Uuid) -> Vec<(String, Option<ItemOutcome>, Option<String>)> {
        let items = bulks::items_of(self.db().reader(), bulk, None).await.unwrap();
        let mut found: Vec<_> = items
            .into_iter()
            .map(|item| (item.field, item.outcome, item.code))
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }
}

/// Creates a server with five droplets, of which the size and the region differ from their specs.
async fn drifted() -> (TestApp, Vec<cloud_drift::Model>) {
    let t = TestApp::new().await;
    let names: Vec<String> = (1..=5).map(|n| format!("web-{n}")).collect();
    t.cloud_has(names.iter().map(|name| droplet(name).size("l").region("ams3")))
        .await;
    for name in &names {
        t.record_spec(name, json!({ "size_slug": "s", "region": "nyc3" }))
            .await;
    }
    assert_eq!(t.sweep().await.opened, 10);
    let drifts = t.inbox().await;
    (t, drifts)
}

fn until_change() -> Action {
    Action::Snooze(Snooze {
        until: None,
        until_change: true,
    })
}

#[tokio::test]
async fn a_bulk_snoozes_what_the_preview_has_and_its_undo_restores_the_snoozes_before() {
    let (t, drifts) = drifted().await;
    let earlier = Snooze {
        until: Some(t.now() + TimeDelta::hours(5)),
        until_change: false,
    };
    t.snooze(&drifts[0], earlier).await.unwrap();
    let ids: Vec<Uuid> = drifts.iter().map(|drift| drift.id).collect();
    let before = t.inbox().await;
    let run = t.bulk(&ids, &until_change()).await;
    assert_eq!((run.done, run.refused, run.pending), (10, 0, 0));
    assert!(run.bulk.finished_at.is_some());
    let snoozed = t.inbox().await;
    assert!(
        snoozed
            .iter()
            .all(|drift| drift.snoozed && drift.snoozed_until_change)
    );
    assert!(
        snoozed
            .iter()
            .all(|drift| drift.snooze_reason.as_deref() == Some("as agreed"))
    );
    let again = t.execute(run.bulk.id).await;
    assert_eq!(again.done, 10, "the same token does nothing more");
    for _ in 0..2 {
        let undone = t.undo_bulk(run.bulk.id).await;
        assert_eq!((undone.undone, undone.refused.len()), (10, 0));
    }
    let mut after = t.inbox().await;
    assert_eq!(after[0].snoozed_until, earlier.until);
    assert_eq!(after[0].snooze_reason.as_deref(), Some("known"));
    after[0].snoozed_by.clone_from(&before[0].snoozed_by);
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_bulk_leaves_what_moved_and_its_undo_what_was_decided_since() {
    let (t, drifts) = drifted().await;
    let of_one: Vec<&cloud_drift::Model> = drifts.iter().take(2).collect();
    let ids = [of_one[0].id, of_one[1].id, drifts[2].id, drifts[3].id];
    let selected = Selected::Drifts(ids.to_vec());
    let preview = bulks::preview(t.db(), ADA, &selected, &until_change(), t.now())
        .await
        .unwrap();
    t.accept(of_one[0]).await.unwrap();
    let name = t.name_of(of_one[0]).await;
    let moves =
        format!("UPDATE cloud_resources SET size_slug = 'xl', revision = revision + 1 WHERE name = '{name}'");
    t.database.execute(moves).await.unwrap();
    t.sweep().await;
    let run = t.execute(preview.bulk.id).await;
    assert_eq!((run.done, run.refused), (2, 2));
    let codes: Vec<Option<String>> = t
        .outcomes(run.bulk.id)
        .await
        .into_iter()
        .map(|(_, _, code)| code)
        .collect();
    assert!(codes.contains(&Some("ALREADY_RESOLVED".to_owned())), "{codes:?}");
    assert!(codes.contains(&Some("LIVE_VALUE_MOVED".to_owned())), "{codes:?}");
    let third = t
        .inbox()
        .await
        .into_iter()
        .find(|drift| drift.id == drifts[2].id)
        .unwrap();
    let later = Snooze {
        until: Some(t.now() + TimeDelta::hours(1)),
        until_change: false,
    };
    t.snooze(&third, later).await.unwrap();
    let undone = t.undo_bulk(run.bulk.id).await;
    assert_eq!(undone.undone, 1);
    let refused: Vec<_> = undone
        .refused
        .iter()
        .map(|(id, error)| (*id, error.code()))
        .collect();
    assert_eq!(refused, [(drifts[2].id, "NOT_UNDOABLE")]);
    let third = t
        .inbox()
        .await
        .into_iter()
        .find(|drift| drift.id == drifts[2].id)
        .unwrap();
    assert_eq!(third.snoozed_until, later.until);
}

#[tokio::test]
async fn the_undo_of_a_bulk_restores_the_snooze_before_also_if_that_of_the_bulk_has_ended() {
    let (t, drifts) = drifted().await;
    let for_hours = |hours: i64| Snooze {
        until: Some(t.now() + TimeDelta::hours(hours)),
        until_change: false,
    };
    let (long, short) = (for_hours(48), for_hours(3));
    t.snooze(&drifts[0], long).await.unwrap();
    t.snooze(&drifts[1], short).await.unwrap();
    let ids: Vec<Uuid> = drifts.iter().take(5).map(|drift| drift.id).collect();
    let bulk = t.bulk(&ids, &Action::Snooze(for_hours(24))).await.bulk.id;
    // A user wakes the third one, and snoozes the fourth one again.
    snoozes::unsnooze_drift(t.db(), (ADMIN, None), ids[2], t.now())
        .await
        .unwrap();
    snoozes::snooze_drift(t.db(), (ADMIN, None), (ids[3], None), for_hours(1), t.now())
        .await
        .unwrap();
    t.later(TimeDelta::hours(25));
    snoozes::end_due(t.db(), t.now()).await.unwrap();
    assert!(t.inbox().await.iter().all(|drift| !drift.snoozed));
    for _ in 0..2 {
        let undone = t.undo_bulk(bulk).await;
        assert_eq!(undone.undone, 3);
        let mut refused: Vec<_> = undone
            .refused
            .iter()
            .map(|(id, error)| (*id, error.code()))
            .collect();
        refused.sort_unstable();
        let mut decided = [(ids[2], "NOT_UNDOABLE"), (ids[3], "NOT_UNDOABLE")];
        decided.sort_unstable();
        assert_eq!(refused, decided);
        let open = t.inbox().await;
        let snoozed: Vec<_> = open.iter().filter(|drift| drift.snoozed).collect();
        assert_eq!(snoozed.len(), 1);
        assert_eq!((snoozed[0].id, snoozed[0].snoozed_until), (ids[0], long.until));
    }
    // The undo itself is no decision that stands in the way of another call.
    let bulk = t.bulk(&ids[1..2], &until_change()).await.bulk.id;
    for _ in 0..2 {
        let undone = t.undo_bulk(bulk).await;
        assert_eq!((undone.undone, undone.refused.len()), (1, 0));
    }
    snoozes::unsnooze_drift(t.db(), (ADMIN, None), ids[0], t.now())
        .await
        .unwrap();
    let bulk = t.bulk(&ids[..1], &until_change()).await.bulk.id;
    snoozes::unsnooze_drift(t.db(), (ADMIN, None), ids[0], t.now())
        .await
        .unwrap();
    assert_eq!(t.undo_bulk(bulk).await.refused.len(), 1);
}

#[tokio::test]
async fn a_bulk_assigns_and_its_undo_gives_each_drift_back_to_its_assignee() {
    let (t, drifts) = drifted().await;
    let ids: Vec<Uuid> = drifts.iter().map(|drift| drift.id).collect();
    assignments::assign_drift(t.db(), ADMIN, ids[0], Some("bob@example.com"), t.now())
        .await
        .unwrap();
    let before = t.inbox().await;
    let run = t
        .bulk(&ids, &Action::Assign(Some("eve@example.com".to_owned())))
        .await;
    assert_eq!(run.done, 10);
    let all_of_eve = |drifts: &[cloud_drift::Model]| {
        drifts
            .iter()
            .all(|drift| drift.assignee.as_deref() == Some("eve@example.com"))
    };
    assert!(all_of_eve(&t.inbox().await));
    assert_eq!(t.undo_bulk(run.bulk.id).await.undone, 10);
    assert_eq!(t.inbox().await, before);
}

const PREVIEW: &str =
    "mutation($input: PreviewBulkInput!) { previewBulk(input: $input) { token count matching fields
    resources { resource { name } drifts { drift { field } } } closed { driftId } } }";
const EXECUTE: &str =
    "mutation($token: ID!, $note: String) { executeBulk(input: { token: $token, note: $note }) {
    run { action done refused pending finishedAt } } }";

#[tokio::test]
async fn a_bulk_ignores_exactly_the_selected_fields_of_the_selected_resources_and_ends_as_one() {
    let (t, drifts) = drifted().await;
    let is_selected = |drift: &&cloud_drift::Model| {
        drift.field == "size_slug" && drift.id != drifts[0].id && drift.id != drifts[1].id
    };
    let mut selected: Vec<Uuid> = drifts.iter().filter(is_selected).map(|drift| drift.id).collect();
    selected.push(drifts.iter().find(|drift| drift.field == "region").unwrap().id);
    assert_eq!(selected.len(), 5);
    let input = json!({ "driftIds": selected, "action": "IGNORE", "owner": "shop" });
    let preview = t.data(PREVIEW, json!({ "input": input })).await["previewBulk"].clone();
    assert_eq!((&preview["count"], &preview["fields"]), (&json!(5), &json!(2)));
    let token = preview["token"].clone();
    let refused = t.ask(EXECUTE, json!({ "token": token, "note": " " })).await;
    assert_eq!(
        refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
        "a rule needs a reason"
    );
    let wrong = "mutation($token: ID!) { acceptDrifts(input: { token: $token }) { run { id } } }";
    let refused = t.ask(wrong, json!({ "token": token })).await;
    assert_eq!(
        refused["errors"][0]["extensions"]["code"], "NOT_FOUND",
        "nothing is accepted"
    );
    let run = t
        .data(EXECUTE, json!({ "token": token, "note": "resized at will" }))
        .await;
    let run = &run["executeBulk"]["run"];
    assert_eq!(
        (&run["action"], &run["done"], &run["refused"], &run["pending"]),
        (&json!("IGNORE"), &json!(5), &json!(0), &json!(0))
    );
    let closed = |drifts: Vec<cloud_drift::Model>| -> Vec<Uuid> {
        let mut closed = drifts;
        closed.retain(|drift| drift.close_reason == Some(CloseReason::Ignored));
        closed.into_iter().map(|drift| drift.id).collect()
    };
    let mut ignored = closed(t.drifts().await);
    ignored.sort();
    selected.sort();
    assert_eq!(ignored, selected);
    assert_eq!(t.inbox().await.len(), 5);
    let rules = ignore_rules::Entity::find().all(t.db().reader()).await.unwrap();
    assert_eq!(rules.len(), 2, "one for each field");
    assert!(
        rules
            .iter()
            .all(|rule| rule.reason == "resized at will" && rule.owner.as_deref() == Some("shop"))
    );
    let shown = t
        .data("{ ignoreRules { nodes { field resourceIds } } }", json!({}))
        .await;
    let of_sizes = shown["ignoreRules"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|rule| rule["field"] == "size_slug");
    assert_eq!(of_sizes.unwrap()["resourceIds"].as_array().unwrap().len(), 4);
    let token = Uuid::try_parse(token.as_str().unwrap()).unwrap();
    assert_eq!(t.undo_bulk(token).await.undone, 5);
    assert_eq!(t.inbox().await.len(), 10, "the differences are open again");
    let ended = ignore_rules::Entity::find().all(t.db().reader()).await.unwrap();
    assert!(
        ended
            .iter()
            .all(|rule| rule.ended_at.is_some() && rule.end_reason.as_deref() == Some("a mistake"))
    );
    assert_eq!(t.undo_bulk(token).await.undone, 5, "it can be repeated");
}

#[tokio::test]
async fn a_drift_that_moved_after_the_preview_is_in_no_rule() {
    let (t, drifts) = drifted().await;
    let ids: Vec<Uuid> = drifts.iter().take(4).map(|drift| drift.id).collect();
    let action = Action::Ignore(RuleTerms::default());
    let preview = bulks::preview(t.db(), ADA, &Selected::Drifts(ids.clone()), &action, t.now())
        .await
        .unwrap();
    t.accept(&drifts[0]).await.unwrap();
    let run = t.execute(preview.bulk.id).await;
    assert_eq!((run.done, run.refused), (3, 1));
    let rules = ignore_rules::Entity::find().all(t.db().reader()).await.unwrap();
    let covered: usize = rules
        .iter()
        .map(|rule| rule.definition["resourceIds"].as_array().unwrap().len())
        .sum();
    assert_eq!(covered, 3);
}

#[tokio::test]
async fn inputs_that_an_action_does_not_use_are_refused() {
    let (t, drifts) = drifted().await;
    let before = t.tables().await;
    for input in [
        json!({ "action": "SNOOZE" }),
        json!({ "action": "SNOOZE", "untilChange": true, "assignee": "a" }),
        json!({ "action": "ACCEPT", "untilChange": true }),
        json!({ "action": "ASSIGN" }),
        json!({ "action": "ASSIGN", "assignee": "" }),
        json!({ "action": "UNASSIGN", "assignee": "a" }),
        json!({ "action": "IGNORE", "expiresAt": "2020-01-01T00:00:00Z" }),
        json!({ "action": "IGNORE", "owner": "" }),
    ] {
        let mut input = input;
        input["driftIds"] = json!([drifts[0].id]);
        let answer = t.ask(PREVIEW, json!({ "input": input })).await;
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
            "{input} {answer}"
        );
    }
    assert_eq!(t.tables().await, before);
}

#[tokio::test]
async fn a_row_of_a_bulk_that_cannot_be_read_is_reported_and_the_others_are_done() {
    let (t, drifts) = drifted().await;
    if t.db().backend() == DbBackend::Postgres {
        // The types of its columns keep such rows out.
        return;
    }
    let ids: Vec<Uuid> = drifts.iter().map(|drift| drift.id).collect();
    for action in [Action::Accept, until_change()] {
        let preview = bulks::preview(t.db(), ADA, &Selected::Drifts(ids.clone()), &action, t.now())
            .await
            .unwrap();
        let of = |n: usize| ids[n].simple().to_string();
        for sql in [
            format!(
                "UPDATE bulk_items SET revision = 'x' WHERE drift_id = unhex('{}')",
                of(0)
            ),
            format!(
                "UPDATE bulk_items SET resource_id = 'none' WHERE drift_id = unhex('{}')",
                of(2)
            ),
        ] {
            t.database.execute(sql).await.unwrap();
        }
        let run = t.execute(preview.bulk.id).await;
        // The second preview has only the two drifts that the first bulk left.
        let done = if action == Action::Accept { 8 } else { 0 };
        assert_eq!((run.done, run.refused, run.pending), (done, 2, 0), "{action:?}");
        assert!(run.bulk.finished_at.is_some());
    }
    assert_eq!(t.inbox().await.len(), 2);
}

#[tokio::test]
async fn old_bulks_are_purged_and_those_of_a_forgotten_resource_are_forgotten() {
    let (t, drifts) = drifted().await;
    let ids: Vec<Uuid> = drifts.iter().map(|drift| drift.id).collect();
    let old = t.bulk(&ids, &until_change()).await.bulk.id;
    t.later(TimeDelta::days(30));
    let young = t
        .bulk(&ids[..4], &Action::Assign(Some("bob".to_owned())))
        .await
        .bulk
        .id;
    let keep = drift_inbox::domain::retention::Retention {
        decisions: Some(TimeDelta::days(10)),
        gone_resources: None,
        events: None,
        job_runs: None,
    };
    let db = t.connect().await;
    let purged = retention::purge(&db, &keep, t.app.clock()).await.unwrap();
    assert_eq!(purged.bulks, 1);
    assert!(bulks::find(t.db().reader(), old).await.unwrap().is_none());
    let items = async || bulk_items::Entity::find().all(t.db().reader()).await.unwrap();
    assert_eq!(items().await.len(), 4, "the rows of a bulk go with it");
    assert!(bulks::find(t.db().reader(), young).await.unwrap().is_some());
    let resource = drifts[0].resource_id;
    let name = t.name_of(&drifts[0]).await;
    let gone = format!("UPDATE cloud_resources SET gone_at = first_seen_at WHERE name = '{name}'");
    t.database.execute(gone).await.unwrap();
    let retire = "mutation($id: ID!) { retireSpec(input: { resourceId: $id, expectedSpecVersion: 1 }) { resource { id } } }";
    t.data(retire, json!({ "id": resource })).await;
    let forget = "mutation($id: ID!) { forgetResource(input: { resourceId: $id, includeHistory: true }) { forgotten { id } } }";
    t.data(forget, json!({ "id": resource })).await;
    assert!(items().await.iter().all(|item| item.resource_id != resource));
    assert_eq!(items().await.len(), 2);
    let missing = bulks::preview(
        t.db(),
        ADA,
        &Selected::Drifts(vec![drifts[0].id]),
        &until_change(),
        t.now(),
    )
    .await;
    assert!(matches!(missing, Err(Error::NotFound("drift"))));
    let _: Value = t
        .data(
            "query($id: ID!) { bulkRun(id: $id) { items { driftId } } }",
            json!({ "id": young }),
        )
        .await;
}

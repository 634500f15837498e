//! Snoozes, assignees and comments of drifts: a snoozed drift is still open, and its snooze ends when it should.

use chrono::{DateTime, TimeDelta, Utc};
use drift_inbox::domain::snooze::Snooze;
use drift_inbox::error::{Error, Result};
use drift_inbox::services::{comments, snoozes};
use entity::cloud_drift::{self, DriftStatus};
use entity::cloud_resource_events::EventType;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};

use crate::support::cloud::droplet;
use crate::support::together::behind;
use crate::support::{ADMIN, TestApp};

const UNTIL_CHANGE: Snooze = Snooze {
    until: None,
    until_change: true,
};

impl TestApp {
    pub(crate) async fn snooze(
        &self,
        drift: &cloud_drift::Model,
        snooze: Snooze,
    ) -> Result<cloud_drift::Model> {
        let by = (ADMIN, Some("known"));
        snoozes::snooze_drift(
            self.db(),
            by,
            (drift.id, Some(drift.revision)),
            snooze,
            self.now(),
        )
        .await
    }

    /// Snoozes a drift for a number of hours.
    async fn snooze_for(&self, drift: &cloud_drift::Model, hours: i64) -> cloud_drift::Model {
        let snooze = Snooze {
            until: Some(self.now() + TimeDelta::hours(hours)),
            until_change: false,
        };
        self.snooze(drift, snooze).await.unwrap()
    }

    async fn row(&self, drift: &cloud_drift::Model) -> cloud_drift::Model {
        let row = cloud_drift::Entity::find_by_id(drift.id)
            .one(self.db().reader())
            .await;
        row.unwrap().unwrap()
    }

    /// Returns how the snoozes of the resource with this name ended, oldest first.
    pub(crate) async fn ends(&self, name: &str) -> Vec<Value> {
        let id = self.resource(name).await.id;
        let mut rows = self.event_rows(id).await;
        rows.retain(|event| event.event_type == EventType::SnoozeEnded);
        rows.into_iter().map(|event| event.data["end"].clone()).collect()
    }
}

/// Creates a server on which the size and the region of web-1 differ from its spec.
async fn drifted() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("l").region("ams3")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s", "region": "nyc3" }))
        .await;
    t.sweep().await;
    t
}

const LISTS: &str = "{ all: drifts { totalCount nodes { field } }
    awake: drifts(filter: { snoozed: false }) { totalCount nodes { field snoozed } }
    asleep: drifts(filter: { snoozed: true }) { totalCount
        nodes { field snoozed snoozedAt snoozedBy snoozedUntil snoozedUntilChange snoozeReason } }
    freshness { vouched } driftFacets(filter: { snoozed: false }) { snoozed fields { value count } } }";

#[tokio::test]
async fn a_snoozed_drift_is_open_and_in_neither_half_twice() {
    let t = drifted().await;
    let size = t.open_drift("web-1", "size_slug").await;
    let until = t.now() + TimeDelta::hours(2);
    let snooze =
        "mutation($input: SnoozeDriftInput!) { snoozeDrift(input: $input) { drift { snoozed status } } }";
    let input = json!({ "driftId": size.id, "revision": 1, "until": until, "reason": "after the sale" });
    let answer = t.data(snooze, json!({ "input": input })).await;
    assert_eq!(
        answer["snoozeDrift"]["drift"],
        json!({ "snoozed": true, "status": "OPEN" })
    );
    let lists = t.data(LISTS, json!({})).await;
    assert_eq!(lists["all"]["totalCount"], 2);
    let awake = json!({ "totalCount": 1, "nodes": [{ "field": "region", "snoozed": false }] });
    assert_eq!(lists["awake"], awake);
    let asleep = &lists["asleep"]["nodes"][0];
    assert_eq!(lists["asleep"]["totalCount"], 1);
    let read = |name: &str| asleep[name].clone();
    assert_eq!(
        (
            read("field"),
            read("snoozed"),
            read("snoozedBy"),
            read("snoozeReason")
        ),
        (
            json!("size_slug"),
            json!(true),
            json!(ADMIN),
            json!("after the sale")
        )
    );
    assert_eq!(read("snoozedUntilChange"), json!(false));
    let time = |name: &str| read(name).as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    assert_eq!((time("snoozedAt"), time("snoozedUntil")), (t.now(), until));
    let facets = json!({ "snoozed": 1, "fields": [{ "value": "region", "count": 1 }] });
    assert_eq!(lists["driftFacets"], facets);
    let undo =
        "mutation($id: ID!) { unsnoozeDrift(input: { driftId: $id }) { drift { snoozed snoozedAt } } }";
    for _ in 0..2 {
        let answer = t.data(undo, json!({ "id": size.id })).await;
        let drift = json!({ "snoozed": false, "snoozedAt": null });
        assert_eq!(answer["unsnoozeDrift"]["drift"], drift);
    }
    assert_eq!(
        t.ends("web-1").await,
        [json!("user")],
        "the second call changes nothing"
    );
    assert_eq!(t.data(LISTS, json!({})).await["awake"]["totalCount"], 2);
}

#[tokio::test]
async fn a_snooze_ends_at_its_time_without_a_sweep_and_once() {
    let t = drifted().await;
    let size = t.open_drift("web-1", "size_slug").await;
    t.snooze_for(&size, 2).await;
    t.later(TimeDelta::hours(1));
    assert_eq!(snoozes::end_due(t.db(), t.now()).await.unwrap(), 0);
    assert!(t.row(&size).await.snoozed);
    t.later(TimeDelta::hours(1));
    let other = t.another_server().await;
    let (now, mine) = (t.now(), t.db().clone());
    let both = tokio::join!(snoozes::end_due(&mine, now), snoozes::end_due(other.db(), now));
    assert_eq!(both.0.unwrap() + both.1.unwrap(), 1);
    let row = t.row(&size).await;
    assert_eq!(
        (row.snoozed, row.snoozed_at, row.snoozed_until, row.status),
        (false, None, None, DriftStatus::Open)
    );
    assert_eq!(t.ends("web-1").await, [json!("time")]);
    t.snooze_for(&size, 1).await;
    t.later(TimeDelta::hours(3));
    t.sweep().await;
    assert!(!t.row(&size).await.snoozed, "a sweep ends it too");
}

#[tokio::test]
async fn a_snooze_that_is_renewed_while_its_end_is_written_stays() {
    let t = drifted().await;
    let size = t.open_drift("web-1", "size_slug").await;
    t.snooze_for(&size, 1).await;
    t.later(TimeDelta::hours(2));
    let (db, now) = (t.db().clone(), t.now());
    let until = now + TimeDelta::hours(3);
    let renew = format!(
        "UPDATE cloud_drift SET snoozed_until = '{}' WHERE field = 'size_slug'",
        until.to_rfc3339()
    );
    let ended = behind(
        &t,
        "web-1",
        renew,
        async move { snoozes::end_due(&db, now).await },
    )
    .await;
    assert_eq!(ended.unwrap(), 0);
    let row = t.row(&size).await;
    assert_eq!((row.snoozed, row.snoozed_until), (true, Some(until)));
    assert!(t.ends("web-1").await.is_empty());
}

#[tokio::test]
async fn a_change_ends_a_snooze_that_waits_for_it_and_no_other() {
    let t = drifted().await;
    let (size, region) = (
        t.open_drift("web-1", "size_slug").await,
        t.open_drift("web-1", "region").await,
    );
    t.snooze(&size, UNTIL_CHANGE).await.unwrap();
    t.snooze_for(&region, 24).await;
    t.sweep().await;
    assert!(t.row(&size).await.snoozed, "nothing has changed");
    t.cloud_has([droplet("web-1").size("xl").region("fra1")]).await;
    t.sweep().await;
    let row = t.row(&size).await;
    assert_eq!((row.snoozed, row.snoozed_at, row.revision), (false, None, 2));
    assert!(t.row(&region).await.snoozed);
    assert_eq!(t.ends("web-1").await, [json!("change")]);
    let types = t.events("web-1").await;
    assert!(types.contains(&EventType::DriftSnoozed));
    // A change of the expected value counts, too.
    let size = t.row(&size).await;
    t.snooze(&size, UNTIL_CHANGE).await.unwrap();
    t.record_spec("web-1", json!({ "size_slug": "m", "region": "nyc3" }))
        .await;
    t.sweep().await;
    assert!(!t.row(&size).await.snoozed);
}

#[tokio::test]
async fn a_closed_drift_is_not_snoozed_and_neither_is_the_one_that_returns() {
    let t = drifted().await;
    let (size, region) = (
        t.open_drift("web-1", "size_slug").await,
        t.open_drift("web-1", "region").await,
    );
    t.snooze_for(&size, 24).await;
    t.snooze_for(&region, 24).await;
    let accepted = t.accept(&region).await.unwrap().drift;
    assert_eq!((accepted.snoozed, accepted.snoozed_until), (false, None));
    t.cloud_has([droplet("web-1").size("s").region("ams3")]).await;
    t.sweep().await;
    let row = t.row(&size).await;
    assert_eq!(
        (row.status, row.snoozed, row.snoozed_at),
        (DriftStatus::Stale, false, None)
    );
    assert_eq!(t.ends("web-1").await, [json!("closed"), json!("closed")]);
    t.cloud_has([droplet("web-1").size("l").region("ams3")]).await;
    t.sweep().await;
    assert!(!t.open_drift("web-1", "size_slug").await.snoozed);
    let late = snoozes::snooze_drift(t.db(), (ADMIN, None), (size.id, None), UNTIL_CHANGE, t.now()).await;
    assert!(
        matches!(late, Err(Error::AlreadyResolved(DriftStatus::Stale))),
        "{late:?}"
    );
}

#[tokio::test]
async fn a_server_that_does_not_know_snoozes_ends_them_and_the_next_one_logs_it() {
    let t = drifted().await;
    let (size, region) = (
        t.open_drift("web-1", "size_slug").await,
        t.open_drift("web-1", "region").await,
    );
    t.snooze(&size, UNTIL_CHANGE).await.unwrap();
    t.snooze(&region, UNTIL_CHANGE).await.unwrap();
    for sql in [
        "UPDATE cloud_drift SET revision = revision + 1 WHERE field = 'size_slug'",
        "UPDATE cloud_drift SET status = 'stale', resolved_at = detected_at WHERE field = 'region'",
    ] {
        t.database.execute(sql).await.unwrap();
    }
    assert_eq!(
        (t.row(&size).await.snoozed, t.row(&region).await.snoozed),
        (false, false)
    );
    assert!(t.ends("web-1").await.is_empty());
    assert_eq!(snoozes::end_due(t.db(), t.now()).await.unwrap(), 2);
    let mut ends: Vec<String> = t.ends("web-1").await.iter().map(Value::to_string).collect();
    ends.sort();
    assert_eq!(ends, ["\"change\"", "\"closed\""]);
    assert_eq!(snoozes::end_due(t.db(), t.now()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_snooze_of_something_that_was_not_seen_or_without_an_end_is_refused() {
    let t = drifted().await;
    let size = t.open_drift("web-1", "size_slug").await;
    t.cloud_has([droplet("web-1").size("xl").region("ams3")]).await;
    t.sweep().await;
    let moved = t.snooze(&size, UNTIL_CHANGE).await;
    assert!(
        matches!(&moved, Err(Error::LiveValueMoved { actual, revision: 2, .. }) if actual == "xl"),
        "{moved:?}"
    );
    let before = t.tables().await;
    let until = |hours| Some(t.now() + TimeDelta::hours(hours));
    for snooze in [
        Snooze {
            until: None,
            until_change: false,
        },
        Snooze {
            until: until(0),
            until_change: true,
        },
        Snooze {
            until: until(24 * 400),
            until_change: false,
        },
    ] {
        let refused = snoozes::snooze_drift(t.db(), (ADMIN, None), (size.id, None), snooze, t.now()).await;
        assert!(matches!(refused, Err(Error::BadUserInput(_))), "{refused:?}");
    }
    assert_eq!(t.tables().await, before);
}

#[tokio::test]
async fn drifts_are_taken_assigned_and_found_by_their_assignee() {
    let t = drifted().await;
    let (size, region) = (
        t.open_drift("web-1", "size_slug").await,
        t.open_drift("web-1", "region").await,
    );
    let take = "mutation($id: ID!) { takeDrift(input: { driftId: $id }) { drift { assignee } } }";
    let taken = t.data(take, json!({ "id": size.id })).await;
    assert_eq!(taken["takeDrift"]["drift"]["assignee"], ADMIN);
    let assign = "mutation($id: ID!, $to: String!) { assignDrift(input: { driftId: $id, assignee: $to }) { drift { assignee } } }";
    let assigned = t
        .data(assign, json!({ "id": region.id, "to": "bob@example.com" }))
        .await;
    assert_eq!(assigned["assignDrift"]["drift"]["assignee"], "bob@example.com");
    let fields = async |filter: Value| {
        let list = "query($f: DriftFilter) { drifts(filter: $f) { totalCount nodes { field } } }";
        let answer = t.data(list, json!({ "f": filter })).await;
        let nodes = answer["drifts"]["nodes"].as_array().unwrap().clone();
        assert_eq!(answer["drifts"]["totalCount"], nodes.len());
        nodes
            .iter()
            .map(|node| node["field"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let by = |assignee: Value| json!({ "where": { "assignee": assignee } });
    assert_eq!(fields(by(json!({ "in": [ADMIN] }))).await, ["size_slug"]);
    assert_eq!(fields(by(json!({ "notIn": [ADMIN] }))).await, ["region"]);
    assert_eq!(
        fields(by(json!({ "in": [ADMIN, "bob@example.com"] })))
            .await
            .len(),
        2
    );
    assert_eq!(fields(json!({ "assigned": false })).await.len(), 0);
    let facets = "{ driftFacets { assignees { value count } } }";
    let counts = t.data(facets, json!({})).await["driftFacets"]["assignees"].clone();
    assert_eq!(counts.as_array().unwrap().len(), 2);
    let unassign = "mutation($id: ID!) { unassignDrift(input: { driftId: $id }) { drift { assignee } } }";
    for _ in 0..2 {
        let answer = t.data(unassign, json!({ "id": size.id })).await;
        assert_eq!(answer["unassignDrift"]["drift"]["assignee"], Value::Null);
    }
    assert_eq!(fields(json!({ "assigned": false })).await, ["size_slug"]);
    assert_eq!(
        fields(by(json!({ "notIn": ["bob@example.com"] }))).await,
        ["size_slug"]
    );
    let types = t.events("web-1").await;
    let count = |wanted| types.iter().filter(|found| **found == wanted).count();
    assert_eq!(
        (count(EventType::DriftAssigned), count(EventType::DriftUnassigned)),
        (2, 1),
        "a call that changes nothing leaves no event"
    );
    t.accept(&region).await.unwrap();
    let refused = t
        .ask(assign, json!({ "id": region.id, "to": "eve@example.com" }))
        .await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "ALREADY_RESOLVED");
    assert_eq!(t.row(&region).await.assignee.as_deref(), Some("bob@example.com"));
}

#[tokio::test]
async fn severities_are_a_filter_and_a_facet() {
    let t = drifted().await;
    t.database
        .execute("UPDATE cloud_drift SET severity = 'critical' WHERE field = 'region'")
        .await
        .unwrap();
    let query = "query($in: [Severity!], $not: [Severity!]) {
        drifts(filter: { where: { severity: { in: $in, notIn: $not } } }) { totalCount nodes { field severity } } }";
    let list = async |r#in: Value, not: Value| {
        let answer = t.data(query, json!({ "in": r#in, "not": not })).await["drifts"].clone();
        let nodes = answer["nodes"].as_array().unwrap().clone();
        assert_eq!(answer["totalCount"], nodes.len());
        nodes
            .iter()
            .map(|node| node["field"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(list(json!(["CRITICAL"]), Value::Null).await, ["region"]);
    assert_eq!(list(Value::Null, json!(["CRITICAL"])).await, ["size_slug"]);
    assert_eq!(
        list(json!(["CRITICAL", "NORMAL", "HIGH"]), Value::Null)
            .await
            .len(),
        2
    );
    assert!(list(json!(["CRITICAL"]), json!(["CRITICAL"])).await.is_empty());
    let facets =
        "{ driftFacets(filter: { where: { severity: { in: [LOW] } } }) { severities { value count } } }";
    let mut counts = t.data(facets, json!({})).await["driftFacets"]["severities"].clone();
    counts.as_array_mut().unwrap().sort_by_key(ToString::to_string);
    let expected = json!([{ "value": "CRITICAL", "count": 1 }, { "value": "NORMAL", "count": 1 }]);
    assert_eq!(counts, expected, "the severities of the filter are ignored");
}

#[tokio::test]
async fn comments_stay_with_their_drift_and_are_in_the_timeline() {
    let t = drifted().await;
    let size = t.open_drift("web-1", "size_slug").await;
    let add = "mutation($id: ID!, $body: String!) { addComment(input: { driftId: $id, body: $body }) {
        comment { id driftId author body createdAt } } }";
    let first = t
        .data(add, json!({ "id": size.id, "body": " asked the shop\n" }))
        .await;
    let first = &first["addComment"]["comment"];
    assert_eq!(
        (&first["body"], &first["author"]),
        (&json!("asked the shop"), &json!(ADMIN))
    );
    t.accept(&size).await.unwrap();
    t.later(TimeDelta::minutes(1));
    t.data(add, json!({ "id": size.id, "body": "they wanted it" }))
        .await;
    let list = "query($id: ID!) { drift(id: $id) { comments(first: 1) { totalCount nodes { id body }
        pageInfo { hasNextPage endCursor } } resource { events(first: 1) { nodes { type data } } } } }";
    let answer = t.data(list, json!({ "id": size.id })).await["drift"].clone();
    assert_eq!(answer["comments"]["totalCount"], 2);
    assert_eq!(
        answer["comments"]["nodes"],
        json!([{ "id": first["id"], "body": "asked the shop" }])
    );
    assert_eq!(answer["comments"]["pageInfo"]["hasNextPage"], true);
    let event = &answer["resource"]["events"]["nodes"][0];
    assert_eq!(
        (&event["type"], &event["data"]["body"]),
        (&json!("DRIFT_COMMENTED"), &json!("they wanted it"))
    );
    let node = "query($id: ID!) { node(id: $id) { __typename ... on DriftComment { body } } }";
    let node = t.data(node, json!({ "id": first["id"] })).await["node"].clone();
    assert_eq!(
        node,
        json!({ "__typename": "DriftComment", "body": "asked the shop" })
    );
    for body in ["", " \n", &"a".repeat(4_097), "a\0b"] {
        let refused = comments::add(t.db(), ADMIN, size.id, body, t.now()).await;
        assert!(matches!(refused, Err(Error::BadUserInput(_))), "{refused:?}");
    }
    // A program that deletes the drift, such as an older server, deletes its comments.
    t.database.execute("DELETE FROM cloud_drift").await.unwrap();
    let left = entity::drift_comments::Entity::find().all(t.db().reader()).await;
    assert!(left.unwrap().is_empty());
}

//! Fields that keep drifting: the mark, and the rules that make a difference wait for several sweeps.

use chrono::TimeDelta;
use entity::cloud_drift::DriftStatus;
use entity::cloud_resource_events::EventType;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};

fn big() -> Listed {
    droplet("web-1").size("big")
}

async fn a_server() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    t.sweep().await;
    t
}

/// Makes the size drift, and heal an hour later.
async fn drift_and_heal(t: &TestApp) -> bool {
    t.cloud_has([big()]).await;
    t.sweep().await;
    let flapping = t.open_drift("web-1", "size_slug").await.flapping;
    t.later(TimeDelta::hours(1));
    t.cloud_has([droplet("web-1")]).await;
    t.sweep().await;
    flapping
}

#[tokio::test]
async fn the_third_drift_of_a_field_within_a_week_is_marked() {
    let t = a_server().await;
    assert!(!drift_and_heal(&t).await);
    assert!(!drift_and_heal(&t).await);
    assert!(drift_and_heal(&t).await);
    // A week without.
    t.later(TimeDelta::days(8));
    assert!(!drift_and_heal(&t).await);
    let query = "query($f: DriftFilter) { drifts(filter: $f) { totalCount nodes { flapping } } }";
    for (flapping, count) in [(true, 1), (false, 3)] {
        let filter = json!({ "status": ["STALE"], "flapping": flapping });
        let page = t.data(query, json!({ "f": filter })).await;
        assert_eq!(page["drifts"]["totalCount"], count);
        let nodes = page["drifts"]["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), usize::try_from(count).unwrap());
        assert!(nodes.iter().all(|node| node["flapping"] == flapping));
    }
}

#[tokio::test]
async fn a_drift_that_was_decided_is_no_flapping() {
    let t = a_server().await;
    for size in ["one", "two", "three"] {
        t.cloud_has([droplet("web-1").size(size)]).await;
        t.sweep().await;
        let drift = t.open_drift("web-1", "size_slug").await;
        assert!(!drift.flapping);
        t.accept(&drift).await.unwrap();
    }
}

/// Makes differences of sizes wait.
async fn wait(t: &TestApp, sweeps: i32) -> String {
    let made = t
        .data(
            "mutation($n: Int) { createIgnoreRule(input: { reason: \"settles by itself\",
                definition: { field: \"size_slug\", openAfterSweeps: $n } }) { closed rule { id openAfterSweeps } } }",
            json!({ "n": sweeps }),
        )
        .await;
    assert_eq!(made["createIgnoreRule"]["rule"]["openAfterSweeps"], sweeps);
    made["createIgnoreRule"]["rule"]["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The sweeps that saw each difference that waits, and the number of waiting ones in the coverage.
async fn waiting(t: &TestApp) -> (Vec<Value>, i64) {
    let found = t
        .data(
            "{ ignoredDifferences(waiting: true) { totalCount nodes { field sweeps expected actual } }
               coverage { kind waiting } }",
            json!({}),
        )
        .await;
    let nodes = found["ignoredDifferences"]["nodes"].as_array().unwrap();
    assert_eq!(found["ignoredDifferences"]["totalCount"], json!(nodes.len()));
    let sweeps = nodes.iter().map(|node| node["sweeps"].clone()).collect();
    let coverage = found["coverage"].as_array().unwrap();
    (
        sweeps,
        coverage
            .iter()
            .map(|kind| kind["waiting"].as_i64().unwrap())
            .sum(),
    )
}

#[tokio::test]
async fn a_difference_opens_when_enough_sweeps_in_a_row_saw_it() {
    let t = a_server().await;
    wait(&t, 3).await;
    t.cloud_has([big()]).await;
    // Sweeps that compare only what has changed count, too.
    for sweeps in 1..=2 {
        assert_eq!(t.sweep().await.opened, 0);
        assert_eq!(waiting(&t).await, (vec![json!(sweeps)], 1));
    }
    assert!(t.inbox().await.is_empty());
    assert_eq!(t.sweep().await.opened, 1);
    assert_eq!(waiting(&t).await, (vec![], 0));
    // The drift stays open, whatever the rule says.
    assert_eq!(t.sweep().await.staled, 0);
    assert_eq!(t.inbox().await.len(), 1);
    let events = t.events("web-1").await;
    let ignored = events
        .iter()
        .filter(|event| **event == EventType::DifferenceIgnored)
        .count();
    assert_eq!(ignored, 1);
}

#[tokio::test]
async fn sweeps_of_everything_count_the_same_way() {
    let t = a_server().await;
    wait(&t, 3).await;
    t.cloud_has([big()]).await;
    for (sweeps, opened) in [(1, 0), (2, 0), (0, 1)] {
        // After a day, a sweep compares everything.
        t.later(TimeDelta::hours(25));
        assert_eq!(t.sweep().await.opened, opened);
        let expected = if sweeps == 0 { vec![] } else { vec![json!(sweeps)] };
        assert_eq!(waiting(&t).await.0, expected);
    }
}

#[tokio::test]
async fn the_count_begins_again_when_the_values_were_equal() {
    let t = a_server().await;
    wait(&t, 2).await;
    for _ in 0..3 {
        t.cloud_has([big()]).await;
        assert_eq!(t.sweep().await.opened, 0);
        assert_eq!(waiting(&t).await, (vec![json!(1)], 1));
        t.cloud_has([droplet("web-1")]).await;
        t.sweep().await;
        assert_eq!(waiting(&t).await, (vec![], 0));
    }
    // Another value is still a difference.
    t.cloud_has([big()]).await;
    t.sweep().await;
    t.cloud_has([droplet("web-1").size("huge")]).await;
    assert_eq!(t.sweep().await.opened, 1);
    assert_eq!(
        t.open_drift("web-1", "size_slug").await.actual,
        Some(json!("huge"))
    );
}

#[tokio::test]
async fn a_rule_that_only_delays_closes_nothing_and_its_end_opens_what_waits() {
    let t = a_server().await;
    t.cloud_has([big()]).await;
    t.sweep().await;
    let rule = wait(&t, 2).await;
    assert_eq!(t.inbox().await.len(), 1);
    let preview = t
        .data(
            "{ previewIgnoreRule(definition: { field: \"size_slug\", openAfterSweeps: 5 }) { openCount pastCount } }",
            json!({}),
        )
        .await;
    assert_eq!(
        preview["previewIgnoreRule"],
        json!({ "openCount": 0, "pastCount": 0 })
    );
    t.cloud_has([droplet("web-1")]).await;
    t.sweep().await;
    t.cloud_has([big()]).await;
    t.sweep().await;
    let id = t.resource("web-1").await.id;
    let explained = t
        .data(
            "query($id: ID!) { explain(resourceId: $id, field: \"size_slug\") { verdict } }",
            json!({ "id": id }),
        )
        .await;
    assert_eq!(explained["explain"]["verdict"], "WAITING");
    assert!(t.inbox().await.is_empty());
    assert_eq!(end_rule(&t, &rule).await, 1);
    assert_eq!(t.inbox().await.len(), 1);
}

#[tokio::test]
async fn an_undone_accept_does_not_wait() {
    let t = a_server().await;
    t.cloud_has([big()]).await;
    t.sweep().await;
    let drift = t.open_drift("web-1", "size_slug").await;
    t.accept(&drift).await.unwrap();
    wait(&t, 5).await;
    let undo = "mutation($id: ID!) { undoAccept(input: { driftId: $id }) { drift { id } } }";
    t.data(undo, json!({ "id": drift.id })).await;
    assert_eq!(t.inbox().await.len(), 1);
    t.sweep().await;
    assert!(
        t.drifts()
            .await
            .iter()
            .any(|drift| drift.status == DriftStatus::Open)
    );
}

#[tokio::test]
async fn a_decision_about_one_field_opens_no_other_that_waits() {
    let t = TestApp::new().await;
    t.cloud_has([big().region("ams3").attr("rules", json!(["a", "b"]))])
        .await;
    t.record_spec("web-1", json!({ "region": "nyc3", "rules": [] }))
        .await;
    t.sweep().await;
    // The size waits, and one sweep has seen it.
    wait(&t, 3).await;
    let spec = json!({ "region": "nyc3", "rules": [], "size_slug": "s-1vcpu-1gb" });
    t.record_spec("web-1", spec).await;
    assert_eq!(t.sweep().await.opened, 0);
    let waits = (vec![json!(1)], 1);
    assert_eq!(waiting(&t).await, waits);
    let open = async || {
        let open = t.inbox().await;
        open.into_iter().map(|drift| drift.field).collect::<Vec<_>>()
    };
    // Some members, an accept and its undo.
    let rules = t.open_drift("web-1", "rules").await;
    let accept =
        "mutation($input: AcceptDriftMembersInput!) { acceptDriftMembers(input: $input) { drift { id } } }";
    let input = json!({ "driftId": rules.id, "revision": rules.revision, "members": ["a"] });
    t.data(accept, json!({ "input": input })).await;
    assert_eq!(open().await, ["region", "rules"]);
    assert_eq!(waiting(&t).await, waits);
    let region = t.open_drift("web-1", "region").await;
    t.accept(&region).await.unwrap();
    assert_eq!(open().await, ["rules"]);
    let undo = "mutation($id: ID!) { undoAccept(input: { driftId: $id }) { openDrift { field } } }";
    let undone = t.data(undo, json!({ "id": region.id })).await;
    assert_eq!(undone["undoAccept"]["openDrift"]["field"], "region");
    assert_eq!(open().await, ["region", "rules"]);
    assert_eq!(waiting(&t).await, waits, "only sweeps count");
    // The next sweeps count on.
    assert_eq!(t.sweep().await.opened, 0);
    assert_eq!(waiting(&t).await, (vec![json!(2)], 1));
    assert_eq!(t.sweep().await.opened, 1);
    assert_eq!(open().await, ["region", "rules", "size_slug"]);
}

#[tokio::test]
async fn a_difference_that_no_sweep_has_seen_does_not_open_with_a_decision_about_another() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").region("ams3")]).await;
    t.record_spec("web-1", json!({ "region": "nyc3", "size_slug": "s-1vcpu-1gb" }))
        .await;
    t.sweep().await;
    wait(&t, 2).await;
    let region = t.open_drift("web-1", "region").await;
    t.accept(&region).await.unwrap();
    t.cloud_has([big().region("ams3")]).await;
    let undo = "mutation($id: ID!) { undoAccept(input: { driftId: $id }) { openDrift { field } } }";
    t.data(undo, json!({ "id": region.id })).await;
    assert_eq!(t.inbox().await.len(), 1);
    assert_eq!(waiting(&t).await, (vec![], 0));
    assert_eq!(t.sweep().await.opened, 0);
    assert_eq!(waiting(&t).await, (vec![json!(1)], 1));
    assert_eq!(t.sweep().await.opened, 1);
}

#[tokio::test]
async fn no_field_waits_after_the_undo_of_a_retirement() {
    let t = a_server().await;
    t.cloud_has([droplet("web-2")]).await;
    t.sweep().await;
    let missing = t.open_drift("web-1", "*").await;
    t.accept(&missing).await.unwrap();
    wait(&t, 5).await;
    t.cloud_has([big(), droplet("web-2")]).await;
    let undo = "mutation($id: ID!) { undoAccept(input: { driftId: $id }) { openDrift { field } } }";
    t.data(undo, json!({ "id": missing.id })).await;
    t.open_drift("web-1", "size_slug").await;
}

async fn end_rule(t: &TestApp, rule: &str) -> Value {
    let end = "mutation($id: ID!) { endIgnoreRule(input: { ruleId: $id }) { opened } }";
    t.data(end, json!({ "id": rule })).await["endIgnoreRule"]["opened"].clone()
}

/// Makes differences of sizes wait by a changed rule. Returns its id, and how many drifts it opened.
async fn wait_instead(t: &TestApp, rule: &str, sweeps: i32) -> (String, Value) {
    let replace =
        "mutation($id: ID!, $n: Int) { replaceIgnoreRule(input: { ruleId: $id, rule: {
        reason: \"settles by itself\", definition: { field: \"size_slug\", openAfterSweeps: $n } } }) { opened rule { id } } }";
    let made = t.data(replace, json!({ "id": rule, "n": sweeps })).await;
    let made = &made["replaceIgnoreRule"];
    (
        made["rule"]["id"].as_str().unwrap().to_owned(),
        made["opened"].clone(),
    )
}

async fn ignore(t: &TestApp, field: &str) -> String {
    let create = "mutation($f: String!) { createIgnoreRule(input: { reason: \"expected\",
        definition: { field: $f } }) { rule { id } } }";
    let made = t.data(create, json!({ "f": field })).await;
    made["createIgnoreRule"]["rule"]["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_change_of_a_rule_is_no_sweep() {
    let t = TestApp::new().await;
    t.cloud_has([big().region("ams3")]).await;
    t.record_spec("web-1", json!({ "region": "nyc3" })).await;
    t.sweep().await;
    let rule = wait(&t, 3).await;
    t.record_spec("web-1", json!({ "region": "nyc3", "size_slug": "s-1vcpu-1gb" }))
        .await;
    t.sweep().await;
    let once = (vec![json!(1)], 1);
    assert_eq!(waiting(&t).await, once);
    // A rule about another field of the resource closes its drift, and opens it again.
    for _ in 0..3 {
        let region = ignore(&t, "region").await;
        assert_eq!((t.inbox().await.len(), waiting(&t).await), (0, once.clone()));
        assert_eq!(end_rule(&t, &region).await, 1);
        assert_eq!((t.inbox().await.len(), waiting(&t).await), (1, once.clone()));
    }
    // The count goes on under the rule that replaces it.
    let (rule, opened) = wait_instead(&t, &rule, 4).await;
    assert_eq!((opened, waiting(&t).await), (json!(0), once));
    assert_eq!(t.sweep().await.opened, 0);
    assert_eq!(waiting(&t).await, (vec![json!(2)], 1));
    let (rule, opened) = wait_instead(&t, &rule, 3).await;
    assert_eq!((opened, waiting(&t).await), (json!(0), (vec![json!(2)], 1)));
    // As many as the changed rule asks for have seen it.
    let (_, opened) = wait_instead(&t, &rule, 2).await;
    assert_eq!((opened, waiting(&t).await), (json!(1), (vec![], 0)));
    assert_eq!(t.inbox().await.len(), 2);
}

#[tokio::test]
async fn a_difference_that_was_ignored_waits_from_the_end_of_its_rule() {
    let t = a_server().await;
    let rule = ignore(&t, "size_slug").await;
    t.cloud_has([big()]).await;
    t.sweep().await;
    wait(&t, 2).await;
    t.sweep().await;
    assert_eq!(waiting(&t).await, (vec![], 0));
    assert_eq!(end_rule(&t, &rule).await, 0);
    for sweeps in 0..2 {
        assert_eq!(waiting(&t).await, (vec![json!(sweeps)], 1));
        assert_eq!(t.sweep().await.opened, u64::from(sweeps == 1));
    }
}

#[tokio::test]
async fn the_differences_of_a_retired_spec_do_not_wait() {
    let t = a_server().await;
    wait(&t, 3).await;
    t.cloud_has([big()]).await;
    t.sweep().await;
    assert_eq!(waiting(&t).await, (vec![json!(1)], 1));
    let retire =
        "mutation($id: ID!) { retireSpec(input: {resourceId: $id, expectedSpecVersion: 1}) { specVersion } }";
    t.data(retire, json!({ "id": t.resource("web-1").await.id }))
        .await;
    assert_eq!(waiting(&t).await, (vec![], 0));
    // Another spec begins anew.
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    t.sweep().await;
    assert_eq!(waiting(&t).await, (vec![json!(1)], 1));
}

#[tokio::test]
async fn the_number_of_sweeps_is_checked() {
    let t = a_server().await;
    for sweeps in [-1, 0, 1, 1_001] {
        let answer = t
            .ask(
                "query($n: Int) { previewIgnoreRule(definition: { field: \"f\", openAfterSweeps: $n }) { openCount } }",
                json!({ "n": sweeps }),
            )
            .await;
        assert!(answer.to_string().contains("BAD_USER_INPUT"), "{answer}");
    }
}

//! The log of actions that a provider keeps: what was done to a resource while its value changed.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use drift_inbox::services::retention::purge;
use entity::cloud_actions;
use entity::job_runs::JobOutcome;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::support::account::{Account, counts, droplet};
use crate::support::stub_do::{normal_answer, response};

/// An action of the API on a droplet. It takes ten seconds.
fn action(number: i64, of: u64, what: &str, at: DateTime<Utc>) -> Value {
    let text = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    json!({
        "id": number, "status": "completed", "type": what, "started_at": text(at),
        "completed_at": text(at + TimeDelta::seconds(10)), "resource_id": of, "resource_type": "droplet",
        "region": { "slug": "nyc3" }, "region_slug": "nyc3"
    })
}

async fn stored(account: &Account) -> Vec<i64> {
    let rows = cloud_actions::Entity::find()
        .all(account.t.db().reader())
        .await
        .unwrap();
    let mut numbers: Vec<i64> = rows.into_iter().map(|row| row.number).collect();
    numbers.sort_unstable();
    numbers
}

const DRIFT: &str = "{ drifts(first: 5) { nodes { lastSeenEqualAt firstSeenDifferentAt
    cloudActions(first: 10) { totalCount nodes { actionId type status region startedAt completedAt } }
    resource { cloudActions(first: 10) { totalCount nodes { actionId type } } } } } }";

#[tokio::test]
async fn a_drift_has_the_actions_of_its_window() {
    let account = Account::new().await;
    let t = &account.t;
    account.stub.has("droplets", [droplet(1), droplet(2)]);
    account.sync().await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    let before = t.now() - TimeDelta::minutes(1);
    t.later(TimeDelta::minutes(10));
    let between = t.now();
    t.later(TimeDelta::minutes(10));
    account.stub.change("droplets", 0, |droplet| {
        droplet["size_slug"] = json!("s-2vcpu-2gb")
    });
    account.stub.has(
        "actions",
        [
            action(44, 1, "snapshot", t.now() + TimeDelta::hours(1)),
            action(43, 2, "resize", between),
            action(42, 1, "resize", between),
            action(41, 1, "power_off", between - TimeDelta::minutes(3)),
            action(40, 1, "create", before),
        ],
    );
    let run = account.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{:?}", run.error);
    assert_eq!(counts(&run).actions.unwrap().stored, 5);
    t.sweep().await;
    let page = t.data(DRIFT, json!({})).await;
    let drift = &page["drifts"]["nodes"][0];
    let text = |time: DateTime<Utc>| time.to_rfc3339();
    assert_eq!(
        drift["cloudActions"]["nodes"],
        json!([
            { "actionId": "42", "type": "resize", "status": "completed", "region": "nyc3",
              "startedAt": text(between), "completedAt": text(between + TimeDelta::seconds(10)) },
            { "actionId": "41", "type": "power_off", "status": "completed", "region": "nyc3",
              "startedAt": text(between - TimeDelta::minutes(3)),
              "completedAt": text(between - TimeDelta::minutes(3) + TimeDelta::seconds(10)) },
        ])
    );
    assert_eq!(drift["cloudActions"]["totalCount"], 2);
    assert_eq!(drift["resource"]["cloudActions"]["totalCount"], 4);
    let all = &drift["resource"]["cloudActions"]["nodes"];
    assert_eq!(all[0], json!({ "actionId": "44", "type": "snapshot" }));
}

#[tokio::test]
async fn a_sync_reads_only_what_is_new() {
    let account = Account::new().await;
    let now = account.t.now();
    let mut running = action(900, 1, "resize", now);
    running["status"] = json!("in-progress");
    running["completed_at"] = Value::Null;
    let older = |from: i64, to: i64| {
        (from..to)
            .rev()
            .map(move |number| action(number, 1, "reboot", now))
    };
    account
        .stub
        .has("actions", [running.clone()].into_iter().chain(older(300, 899)));
    assert_eq!(counts(&account.sync().await).actions.unwrap().stored, 600);
    let pages = |account: &Account| {
        let requests = account.stub.requests();
        let pages = requests
            .iter()
            .filter(|request| request.path == "actions")
            .count();
        account.stub.clear_requests();
        pages
    };
    assert_eq!(pages(&account), 3);
    // The action that was running is read again.
    account.stub.change("actions", 0, |action| {
        *action = self::action(900, 1, "resize", now)
    });
    assert_eq!(counts(&account.sync().await).actions.unwrap().stored, 1);
    assert_eq!(pages(&account), 1);
    let rows = cloud_actions::Entity::find()
        .all(account.t.db().reader())
        .await
        .unwrap();
    assert!(rows.iter().all(|row| row.ended && row.status == "completed"));
    assert_eq!(counts(&account.sync().await).actions.unwrap().stored, 0);
    // More than a sync reads: the newest are stored, and the report says that others are missing.
    account.stub.has("actions", older(1_000, 3_000));
    let report = counts(&account.sync().await).actions.unwrap();
    assert_eq!((report.stored, report.truncated), (1_000, true));
    assert_eq!(stored(&account).await.last(), Some(&2_999));
}

#[tokio::test]
async fn a_token_without_the_scope_lists_the_resources_nevertheless() {
    let account = Account::new().await;
    account.stub.has("droplets", [droplet(1)]);
    account.stub.fault(|request, normal| match request.path.as_str() {
        "actions" => response(
            403,
            [],
            r#"{"id":"forbidden","message":"You are not authorized."}"#,
        ),
        _ => normal_answer(normal),
    });
    let run = account.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{:?}", run.error);
    assert_eq!(account.present("droplet").await.len(), 1);
    let why = counts(&run).actions.unwrap().not_readable.unwrap();
    assert!(why.contains("actions:read"), "{why}");
    // A server error is no failure of the sync either.
    account.stub.fault(|request, normal| match request.path.as_str() {
        "actions" => response(500, [], "down"),
        _ => normal_answer(normal),
    });
    let run = account.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{:?}", run.error);
    assert!(counts(&run).actions.unwrap().not_readable.is_some());
}

#[tokio::test]
async fn old_actions_are_purged() {
    let account = Account::new().await;
    let now = account.t.now();
    account.stub.has(
        "actions",
        [
            action(2, 1, "resize", now),
            action(1, 1, "create", now - TimeDelta::days(500)),
        ],
    );
    account.sync().await;
    let keep = drift_inbox::domain::retention::Retention::default();
    let clock = drift_inbox::clock::Clock::Manual(account.t.clock.clone());
    let purged = purge(account.t.db(), &keep, &clock).await.unwrap();
    assert_eq!((purged.actions, stored(&account).await), (1, vec![2]));
}

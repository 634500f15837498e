//! The refusals of mutations that are about no single value: jobs, sources, imports, rules, views and notifications.

use chrono::TimeDelta;
use drift_inbox::services::job_runs::{RunRequest, claim};
use drift_inbox::services::saved_views::MAX_VIEWS;
use entity::job_runs::Job;
use entity::notification_deliveries::{self as deliveries, DeliveryKind, DeliveryState};
use sea_orm::{ActiveValue::Set, EntityTrait as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::refusals::refused;
use crate::support::TestApp;
use crate::support::cloud::droplet;
use crate::support::state::state_file;

async fn drifted() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("l")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s" })).await;
    t.sweep().await;
    t
}

#[tokio::test]
async fn decisions_about_a_closed_drift_are_refused_with_the_drift_as_it_is() {
    let t = drifted().await;
    let drift = t.open_drift("web-1", "size_slug").await;
    let id = drift.id;
    let moved = refused(
        &t,
        "snoozeDrift",
        json!({ "driftId": id, "revision": 7, "untilChange": true }),
        "drift { status snoozed }",
    )
    .await;
    assert_eq!(
        (&moved["refusal"]["code"], &moved["refusal"]["revision"]),
        (&json!("LIVE_VALUE_MOVED"), &json!(1))
    );
    t.accept(&drift).await.unwrap();
    for (mutation, input) in [
        ("snoozeDrift", json!({ "driftId": id, "untilChange": true })),
        ("assignDrift", json!({ "driftId": id, "assignee": "grace" })),
        ("takeDrift", json!({ "driftId": id })),
        ("unassignDrift", json!({ "driftId": id })),
    ] {
        let payload = refused(&t, mutation, input, "drift { status assignee }").await;
        assert_eq!(
            payload["drift"],
            json!({ "status": "ACCEPTED", "assignee": null }),
            "{mutation}"
        );
        let refusal = &payload["refusal"];
        assert_eq!(
            (&refusal["code"], &refusal["currentStatus"]),
            (&json!("ALREADY_RESOLVED"), &json!("ACCEPTED")),
            "{mutation}"
        );
    }
}

#[tokio::test]
async fn a_sync_that_is_refused_returns_the_active_run() {
    let t = drifted().await;
    let sync = "mutation { syncInventory { run { source } refusal { code } } }";
    let done = t.data(sync, json!({})).await["syncInventory"].clone();
    assert_eq!(done["refusal"], Value::Null);
    let source = done["run"]["source"].as_str().unwrap().to_owned();
    t.later(TimeDelta::seconds(1));
    let request = RunRequest {
        source: Some(source.clone()),
        ..Job::SyncInventory.into()
    };
    let active = claim(t.db(), request).await.unwrap();
    let payload = refused(&t, "syncInventory", json!({}), "run { id outcome }").await;
    assert_eq!(payload["run"], json!({ "id": active.id, "outcome": null }));
    let refusal = &payload["refusal"];
    assert_eq!(refusal["code"], "JOB_ALREADY_RUNNING");
    assert_eq!(
        serde_json::from_value::<chrono::DateTime<chrono::Utc>>(refusal["since"].clone()).unwrap(),
        active.started_at
    );
    let retired = refused(&t, "retireSource", json!({ "name": source }), "resources specs").await;
    assert_eq!((&retired["resources"], &retired["specs"]), (&json!(0), &json!(0)));
    let other = json!({ "name": source, "newName": "other" });
    let renamed = refused(&t, "renameSource", other, "resources").await;
    assert_eq!(
        (&renamed["resources"], &renamed["refusal"]["code"]),
        (&json!(0), &json!("JOB_ALREADY_RUNNING"))
    );
    assert_eq!(t.resource("web-1").await.gone_at, None);
}

#[tokio::test]
async fn refused_imports_have_a_reason() {
    let t = drifted().await;
    let plan = json!({ "plan": { "a": 1 }, "state": "prod" });
    let payload = refused(&t, "importTerraformPlan", plan, "summary { state }").await;
    assert_eq!(
        payload,
        json!({ "summary": null, "refusal": { "code": "PLAN_REFUSED", "reason": "NOT_A_PLAN" } })
    );
    let instances = |count: usize| {
        (0..count).map(|n| {
            let attributes = json!({ "id": format!("app-{n}"), "name": format!("app-{n}"), "size": "s" });
            ("digitalocean_droplet", format!("web{n}"), attributes)
        })
    };
    let import = "mutation($input: ImportTerraformStateInput!) { importTerraformState(input: $input) {
        summary { recorded } refusal { code } } }";
    let first = json!({ "input": { "state": state_file("prod", 3, instances(20)) } });
    let done = t.data(import, first).await["importTerraformState"].clone();
    assert_eq!(
        (&done["refusal"], done["summary"]["recorded"].as_i64()),
        (&Value::Null, Some(20))
    );
    for (serial, count, reason) in [(2, 20, "OLDER"), (4, 1, "MASS_RETIRE")] {
        let state = json!({ "state": state_file("prod", serial, instances(count)) });
        let payload = refused(&t, "importTerraformState", state, "summary { recorded }").await;
        assert_eq!(
            payload,
            json!({ "summary": null, "refusal": { "code": "STATE_REFUSED", "reason": reason } })
        );
    }
}

#[tokio::test]
async fn rules_that_ended_or_share_a_name_are_refused() {
    let t = drifted().await;
    let create =
        "mutation($input: CreateIgnoreRuleInput!) { createIgnoreRule(input: $input) { rule { id } } }";
    let presets = t.data("{ ignoreRulePresets { name } }", json!({})).await;
    let preset = presets["ignoreRulePresets"][0]["name"].clone();
    let rule =
        |name: &Value| json!({ "definition": { "field": "tags" }, "reason": "expected", "name": name });
    let mut ids = Vec::new();
    for name in [&preset, &json!("tags")] {
        let made = t.data(create, json!({ "input": rule(name) })).await;
        ids.push(made["createIgnoreRule"]["rule"]["id"].clone());
    }
    let taken = json!({ "refusal": { "code": "NAME_IN_USE" }, "rule": null, "closed": null });
    let applied = refused(
        &t,
        "applyIgnoreRulePreset",
        json!({ "name": preset }),
        "rule { id } closed",
    )
    .await;
    assert_eq!(applied, taken);
    let replace = |name: &Value| json!({ "ruleId": ids[1], "rule": rule(name) });
    let replaced = refused(&t, "replaceIgnoreRule", replace(&preset), "rule { id } closed").await;
    assert_eq!(replaced, taken);
    // The refused replacement has not ended the old rule.
    let end = "mutation($id: ID!) { endIgnoreRule(input: { ruleId: $id }) { rule { endedBy } opened } }";
    t.data(end, json!({ "id": ids[1] })).await;
    let ended = refused(
        &t,
        "replaceIgnoreRule",
        replace(&json!("free")),
        "rule { id } opened",
    )
    .await;
    assert_eq!(
        ended,
        json!({ "refusal": { "code": "RULE_ENDED" }, "rule": null, "opened": null })
    );
}

#[tokio::test]
async fn a_full_list_and_a_target_that_is_switched_off_are_refused() {
    let t = drifted().await;
    let save =
        "mutation($input: SaveViewInput!) { saveView(input: $input) { view { name } refusal { code } } }";
    for n in 0..MAX_VIEWS {
        let input = json!({ "name": format!("view {n}"), "link": "" });
        t.data(save, json!({ "input": input })).await;
    }
    let more = refused(
        &t,
        "saveView",
        json!({ "name": "more", "link": "" }),
        "view { name }",
    )
    .await;
    assert_eq!(
        more,
        json!({ "view": null, "refusal": { "code": "LIMIT_REACHED" } })
    );

    let create =
        "mutation($input: CreateNotificationTargetInput!) { createNotificationTarget(input: $input) {
        target { id } } }";
    let target = |name: &str| json!({ "name": name, "kind": "WEBHOOK", "url": "https://example.com/hook" });
    let mut ids = Vec::new();
    for name in ["one", "two"] {
        let made = t.data(create, json!({ "input": target(name) })).await;
        ids.push(made["createNotificationTarget"]["target"]["id"].clone());
    }
    let taken = json!({ "target": null, "secret": null, "refusal": { "code": "NAME_IN_USE" } });
    let shown = "target { id } secret";
    assert_eq!(
        refused(&t, "createNotificationTarget", target("one"), shown).await,
        taken
    );
    let rename = json!({ "targetId": ids[1], "name": "one", "rotateSecret": true });
    assert_eq!(
        refused(&t, "updateNotificationTarget", rename, shown).await,
        taken
    );

    let sent = Uuid::now_v7();
    let target_id = ids[0].as_str().unwrap().parse().unwrap();
    let now = t.now();
    let insert = |txn: std::sync::Arc<drift_inbox::db::DatabaseTransaction>| async move {
        let message = deliveries::ActiveModel {
            id: Set(sent),
            target_id: Set(target_id),
            kind: Set(DeliveryKind::Test),
            body: Set("{}".to_owned()),
            state: Set(DeliveryState::Failed),
            attempts: Set(1),
            created_at: Set(now),
            next_attempt_at: Set(None),
            give_up_at: Set(now),
            ended_at: Set(Some(now)),
            status_code: Set(None),
            error: Set(None),
        };
        deliveries::Entity::insert(message)
            .exec_without_returning(&*txn)
            .await?;
        Ok(())
    };
    t.db().write_txn(insert).await.unwrap();
    let off = json!({ "input": { "targetId": ids[0], "enabled": false } });
    let change =
        "mutation($input: UpdateNotificationTargetInput!) { updateNotificationTarget(input: $input) {
        target { enabled } refusal { code } } }";
    let off = t.data(change, off).await["updateNotificationTarget"].clone();
    assert_eq!(off, json!({ "target": { "enabled": false }, "refusal": null }));
    let resent = refused(
        &t,
        "resendNotification",
        json!({ "deliveryId": sent }),
        "delivery { id }",
    )
    .await;
    assert_eq!(
        resent,
        json!({ "delivery": null, "refusal": { "code": "TARGET_OFF" } })
    );
}

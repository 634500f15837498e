//! Rules that are replaced, and the rules that the program offers.

use entity::cloud_drift::DriftStatus;
use serde_json::{Value, json};

use crate::detection::a_resized_droplet;
use crate::support::cloud::Listed;
use crate::support::{ADMIN, TestApp};

const CREATE: &str =
    "mutation($input: CreateIgnoreRuleInput!) { createIgnoreRule(input: $input) { closed rule { id } } }";
const REPLACE: &str = "mutation($id: ID!, $rule: CreateIgnoreRuleInput!) {
    replaceIgnoreRule(input: { ruleId: $id, rule: $rule }) { closed opened rule { id name field namePattern reason } } }";
const RULES: &str = "{ ignoreRules { nodes { reason endedBy endReason origin createdBy ignoredCount } } }";
const PRESETS: &str =
    "{ ignoreRulePresets { name reason source kind field pointer rule { origin } preview { openCount } } }";
const APPLY: &str = "mutation($name: String!) {
    applyIgnoreRulePreset(input: { name: $name, owner: \"platform\" }) { closed rule { name owner origin sameMinorVersion } } }";

fn rule(pattern: &str, name: &str) -> Value {
    json!({ "definition": { "field": "size_slug", "kind": "droplet", "namePattern": pattern },
        "reason": format!("sizes of {pattern}"), "name": name })
}

async fn id_of_new(t: &TestApp, rule: Value) -> Value {
    t.data(CREATE, json!({ "input": rule })).await["createIgnoreRule"]["rule"]["id"].clone()
}

#[tokio::test]
async fn a_replaced_rule_ends_and_a_difference_that_both_cover_stays_ignored() {
    let t = a_resized_droplet().await;
    let id = id_of_new(&t, rule("web-*", "sizes")).await;
    assert_eq!(t.drifts().await[0].status, DriftStatus::Stale);
    let replaced = t
        .data(REPLACE, json!({ "id": id, "rule": rule("w*", "sizes") }))
        .await;
    let replaced = &replaced["replaceIgnoreRule"];
    assert_eq!((&replaced["closed"], &replaced["opened"]), (&json!(0), &json!(0)));
    assert_eq!(replaced["rule"]["namePattern"], "w*");
    assert_eq!(t.drifts().await.len(), 1, "no drift comes back");
    let rules = t.data(RULES, json!({})).await["ignoreRules"]["nodes"].clone();
    let rules = rules.as_array().unwrap();
    assert_eq!(rules.len(), 2);
    assert_eq!(
        rules[0],
        json!({ "reason": "sizes of w*", "endedBy": null, "endReason": null, "origin": "api",
        "createdBy": ADMIN, "ignoredCount": 1 })
    );
    assert_eq!(
        (
            &rules[1]["endedBy"],
            &rules[1]["endReason"],
            &rules[1]["ignoredCount"]
        ),
        (&json!(ADMIN), &json!("replaced"), &json!(0))
    );

    // One that covers less brings the difference back.
    let second = replaced["rule"]["id"].clone();
    let narrow = t
        .data(REPLACE, json!({ "id": second, "rule": rule("db-*", "sizes") }))
        .await;
    let narrow = &narrow["replaceIgnoreRule"];
    assert_eq!((&narrow["closed"], &narrow["opened"]), (&json!(0), &json!(1)));
    let open = t.open_drift("web-1", "size_slug").await;
    assert_eq!(open.status, DriftStatus::Open);
}

#[tokio::test]
async fn a_rule_that_cannot_be_replaced_stays_as_it_is() {
    let t = a_resized_droplet().await;
    let id = id_of_new(&t, rule("web-*", "sizes")).await;
    id_of_new(&t, rule("db-*", "others")).await;
    let refusal = async |id: &Value, rule: Value| {
        let answer = t.ask(REPLACE, json!({ "id": id, "rule": rule })).await;
        let error = &answer["errors"][0];
        (
            error["extensions"]["code"].as_str().unwrap().to_owned(),
            error["message"].as_str().unwrap().to_owned(),
        )
    };
    let (code, message) = refusal(&id, rule("w*", "others")).await;
    assert_eq!(code, "BAD_USER_INPUT");
    assert!(message.contains("others"), "{message}");
    let unreasoned = json!({ "definition": { "field": "size_slug" }, "reason": " " });
    assert_eq!(refusal(&id, unreasoned).await.0, "BAD_USER_INPUT");
    let unknown = json!("00000000-0000-7000-8000-000000000000");
    assert_eq!(refusal(&unknown, rule("w*", "sizes")).await.0, "NOT_FOUND");
    let rules = t.data(RULES, json!({})).await["ignoreRules"]["nodes"].clone();
    assert!(
        rules
            .as_array()
            .unwrap()
            .iter()
            .all(|rule| rule["endedBy"].is_null()),
        "{rules}"
    );
    t.data(
        "mutation($id: ID!) { endIgnoreRule(input: { ruleId: $id }) { opened } }",
        json!({ "id": id }),
    )
    .await;
    let (code, message) = refusal(&id, rule("w*", "sizes")).await;
    assert_eq!(code, "BAD_USER_INPUT");
    assert!(message.contains("has ended"), "{message}");
    assert_eq!(
        t.data(RULES, json!({})).await["ignoreRules"]["nodes"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn a_preset_is_off_until_it_is_applied() {
    let t = TestApp::new().await;
    let cluster = |version: &str| Listed::new("kubernetes_cluster", "k8s-1").attr("version", version);
    t.cloud_has([cluster("1.33.2-do.0")]).await;
    t.record_spec("k8s-1", json!({ "version": "1.33.1-do.0" })).await;
    t.sweep().await;
    let presets = t.data(PRESETS, json!({})).await["ignoreRulePresets"].clone();
    let presets = presets.as_array().unwrap();
    assert!(presets.len() >= 3, "{presets:#?}");
    let patch = presets
        .iter()
        .find(|preset| preset["field"] == "version")
        .unwrap();
    assert_eq!(patch["kind"], "kubernetes_cluster");
    assert!(
        patch["source"]
            .as_str()
            .unwrap()
            .starts_with("https://docs.digitalocean.com/")
    );
    assert_eq!(
        (&patch["rule"], &patch["preview"]["openCount"]),
        (&Value::Null, &json!(1))
    );
    assert_eq!(t.open_drift("k8s-1", "version").await.status, DriftStatus::Open);

    let variables = json!({ "name": patch["name"] });
    let applied = t.data(APPLY, variables.clone()).await["applyIgnoreRulePreset"].clone();
    assert_eq!(applied["closed"], 1);
    let rule =
        json!({ "name": patch["name"], "owner": "platform", "origin": "preset", "sameMinorVersion": true });
    assert_eq!(applied["rule"], rule);
    assert_eq!(t.drifts().await[0].status, DriftStatus::Stale);
    let one = "query($name: String!) { ignoreRulePresets(name: $name) { rule { origin } } }";
    let one = t.data(one, variables.clone()).await["ignoreRulePresets"].clone();
    assert_eq!(one, json!([{ "rule": { "origin": "preset" } }]));
    let again = t.ask(APPLY, variables).await;
    assert_eq!(again["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    let unknown = t.ask(APPLY, json!({ "name": "none" })).await;
    assert_eq!(unknown["errors"][0]["extensions"]["code"], "NOT_FOUND");
}

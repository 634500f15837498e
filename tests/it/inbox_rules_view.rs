//! The view of ignore rules on the inbox page.

use chrono::TimeDelta;
use entity::cloud_drift::DriftStatus;
use entity::ignore_rules;
use sea_orm::sea_query::Expr;
use sea_orm::{EntityTrait as _, QueryOrder as _};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::browser::{Browser, ENTER, ESCAPE};
use crate::support::cloud::Listed;
use crate::support::page::{ALL_SCREENS, look_at, signed_in, signed_in_as, three_differences};
use crate::support::served::Served;

const VIEW: &str = "[data-testid=view-rules]";
const RULE: &str = "[data-testid=rule]";
const DIALOG: &str = "[data-testid=rule-dialog]";
const PREVIEW: &str = "[data-testid=rule-preview]";
const NOTICE: &str = "[data-testid=notice]";
const SELECT_DETECTIONS: &str = "const field = document.querySelector('[data-testid=rule-openAfterSweeps]'); field.focus(); field.select()";
const CREATE: &str =
    "mutation($input: CreateIgnoreRuleInput!) { createIgnoreRule(input: $input) { rule { id } } }";

async fn make_rule(served: &Served, definition: Value, reason: &str) {
    let input = json!({ "definition": definition, "reason": reason, "owner": "platform" });
    served.data(CREATE, json!({ "input": input })).await;
}

async fn rules(served: &Served) -> Vec<ignore_rules::Model> {
    let newest = ignore_rules::Entity::find().order_by_desc(ignore_rules::Column::Id);
    newest.all(served.db().reader()).await.unwrap()
}

/// Fills a field of the dialog, and waits for the count of what it would close.
async fn type_in(browser: &Browser, field: &str, text: &str, effect: &str) {
    browser.fill(&format!("[data-testid=rule-{field}]"), text).await;
    browser.see_text(PREVIEW, effect).await;
}

#[tokio::test]
async fn a_rule_is_made_changed_and_ended_with_keys() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.press("g").await;
    browser.press("u").await;
    browser
        .see_text("[data-testid=empty]", "No ignore rule is in force")
        .await;
    look_at(&browser, "rules-empty", &ALL_SCREENS[..1]).await;

    browser.press("n").await;
    browser.see(DIALOG).await;
    browser.see("[data-testid=save-rule][disabled]").await;
    type_in(
        &browser,
        "field",
        "size_slug",
        "Closes 1 open drift of 1 resource.",
    )
    .await;
    type_in(&browser, "kind", "volume", "Closes 0 open drifts").await;
    type_in(&browser, "kind", "droplet", "Closes 1 open drift").await;
    type_in(&browser, "namePattern", "web-*", "Closes 1 open drift").await;
    browser.see("[data-testid=save-rule][disabled]").await;
    browser
        .fill("[data-testid=rule-reason]", "sizes are changed at will")
        .await;
    browser.see("[data-testid=save-rule]:not([disabled])").await;
    look_at(&browser, "rules-dialog", &ALL_SCREENS).await;
    browser.click("[data-testid=rule-reason]").await;
    browser.press(ENTER).await;
    browser.see_none(DIALOG).await;
    browser.see_text(NOTICE, "Ignored 1 drift").await;
    browser.see_text(RULE, "1 ignored").await;
    let made = rules(&served).await.remove(0);
    assert_eq!(
        (made.field.as_str(), made.reason.as_str()),
        ("size_slug", "sizes are changed at will")
    );
    assert_eq!(made.definition["namePattern"], "web-*");

    // What it hides, with both values.
    browser.click(&format!("{RULE} .rule-head")).await;
    browser.see_text("[data-testid=ignored]", "web-1").await;
    browser.see_text("[data-testid=ignored]", "s-96vcpu-768gb").await;
    assert!(browser.path().await.contains(&format!("rule={}", made.id)));
    browser.press(ESCAPE).await;
    browser.see_none("[data-testid=ignored]").await;
    browser.click(&format!("{RULE} .rule-head")).await;
    browser.see("[data-testid=ignored]").await;
    look_at(&browser, "rules-open", &ALL_SCREENS).await;

    // A changed rule replaces it, and its difference comes back.
    browser.press("e").await;
    browser.see_text(PREVIEW, "Closes 0 open drifts").await;
    browser.fill("[data-testid=rule-namePattern]", "db-*").await;
    browser.see("[data-testid=save-rule]:not([disabled])").await;
    browser.press(ENTER).await;
    browser.see_none(DIALOG).await;
    browser
        .see_text("[data-testid=hides-nothing]", "no difference")
        .await;
    browser.see_text(RULE, "name db-*").await;
    let back = served.open_drift("web-1", "size_slug").await;
    assert_eq!(back.status, DriftStatus::Open);
    let replaced = rules(&served).await;
    assert_eq!(
        (replaced.len(), replaced[0].reason.as_str()),
        (2, "sizes are changed at will")
    );
    assert_eq!(replaced[1].end_reason.as_deref(), Some("replaced"));

    // Enter confirms the end.
    browser.press("x").await;
    browser.see("[data-testid=confirm-dialog]").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.shoot("rules-end").await;
    browser.press("no longer needed").await;
    browser.press(ENTER).await;
    browser.see_none("[data-testid=confirm-dialog]").await;
    browser.see_text(NOTICE, "The rule has ended").await;
    let ended = rules(&served).await.remove(0);
    assert_eq!(ended.end_reason.as_deref(), Some("no longer needed"));
    browser.go("/?view=rules&show=ended").await;
    browser.see_text(RULE, "ended").await;
    assert_eq!(browser.count(RULE).await, 2);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_number_of_detections_that_is_not_valid_is_refused_at_its_field() {
    let served = three_differences().await;
    make_rule(
        &served,
        json!({ "field": "size_slug", "openAfterSweeps": 3 }),
        "settles by itself",
    )
    .await;
    let browser = signed_in(&served).await;
    browser.go("/?view=rules").await;
    browser.click(&format!("{RULE} .rule-head")).await;
    browser.click("[data-testid=edit-rule]").await;
    browser.see("[data-testid=save-rule]:not([disabled])").await;
    let problem = "[data-testid=rule-openAfterSweeps-problem]";
    // The browser hands out an empty text for what is not a number.
    for typed in ["0", "-3", "--", "e", "1001", "2.5"] {
        browser.run(SELECT_DETECTIONS).await;
        browser.press(typed).await;
        browser.see_text(problem, "whole number from 2 to 1000").await;
        browser.see("[data-testid=save-rule][disabled]").await;
    }
    look_at(&browser, "rules-detections", &[(390, "light"), (1280, "dark")]).await;
    browser.run(SELECT_DETECTIONS).await;
    browser.press("4").await;
    browser.see_none(problem).await;
    browser.see("[data-testid=save-rule]:not([disabled])").await;
    browser.click("[data-testid=save-rule]").await;
    browser.see_none(DIALOG).await;
    browser.see_text(RULE, "opens after 4 detections").await;
    assert_eq!(rules(&served).await[0].definition["openAfterSweeps"], 4);
}

#[tokio::test]
async fn a_linked_rule_is_listed_once() {
    let served = three_differences().await;
    for number in 0..60 {
        let definition = json!({ "field": format!("field_{number}") });
        make_rule(&served, definition, "expected").await;
        served.later(TimeDelta::seconds(1));
    }
    let all = rules(&served).await;
    for rule in &all {
        let end = "mutation($id: ID!) { endIgnoreRule(input: { ruleId: $id }) { rule { id } } }";
        served.data(end, json!({ "id": rule.id })).await;
    }
    let oldest = all.last().unwrap().id;
    let browser = signed_in(&served).await;
    browser
        .go(&format!("/?view=rules&show=ended&rule={oldest}"))
        .await;
    browser.see("[data-testid=rule-detail]").await;
    assert_eq!(browser.count(RULE).await, 51);
    browser.click("[data-testid=show-more]").await;
    browser.see_none("[data-testid=show-more]").await;
    browser
        .until(&format!("document.querySelectorAll('{RULE}').length === 60"))
        .await;
    browser
        .until(&format!(
            "document.querySelectorAll('[data-rule=\"{oldest}\"]').length === 1"
        ))
        .await;
}

#[tokio::test]
async fn rules_are_filtered_and_those_that_need_a_look_are_marked() {
    let served = three_differences().await;
    make_rule(
        &served,
        json!({ "field": "size_slug", "kind": "droplet" }),
        "resized at will",
    )
    .await;
    make_rule(&served, json!({ "field": "name", "tag": "team:*" }), "renamed").await;
    let old = served.now() - TimeDelta::days(40);
    ignore_rules::Entity::update_many()
        .col_expr(ignore_rules::Column::CreatedAt, Expr::value(old))
        .exec(served.db().reader())
        .await
        .unwrap();
    let browser = signed_in_as(&served, &["platform_viewer"]).await;
    browser.go("/?view=rules").await;
    browser.see_text(VIEW, "resized at will").await;
    assert_eq!(browser.count(RULE).await, 2);
    browser.see_text(RULE, "no hit in 30 days").await;
    browser.fill("[data-testid=rule-filter]", "team renamed").await;
    browser
        .until(&format!("document.querySelectorAll('{RULE}').length === 1"))
        .await;
    browser.see_text(RULE, "tag team:*").await;
    browser.fill("[data-testid=rule-filter]", "nothing such").await;
    browser.see_text("[data-testid=empty]", "No rule matches").await;
    browser.click("[data-testid=empty] button").await;
    browser
        .until(&format!("document.querySelectorAll('{RULE}').length === 2"))
        .await;
    browser.click(".lists a[href*=attention]").await;
    browser.see_text(RULE, "no hit in 30 days").await;
    // A viewer reads only.
    browser.click(&format!("{RULE} .rule-head")).await;
    browser.see("[data-testid=rule-detail]").await;
    for button in ["new-rule", "edit-rule", "end-rule"] {
        assert_eq!(
            browser.count(&format!("[data-testid={button}]")).await,
            0,
            "{button}"
        );
    }
    browser.run("document.activeElement.blur()").await;
    browser.press("n").await;
    browser.press("x").await;
    browser.see_none("dialog[open]").await;
    look_at(&browser, "rules-viewer", &ALL_SCREENS[..2]).await;
}

#[tokio::test]
async fn a_preset_is_applied_and_undone() {
    let t = TestApp::new().await;
    t.later(drift_inbox::clock::Clock::System.now() - t.now());
    t.cloud_has([Listed::new("kubernetes_cluster", "k8s-1").attr("version", "1.33.2-do.0")])
        .await;
    t.record_spec("k8s-1", json!({ "version": "1.33.1-do.0" })).await;
    t.sweep().await;
    let served = Served::start(t).await;
    let browser = signed_in(&served).await;
    browser.go("/?view=rules").await;
    browser.click("[data-testid=empty] a").await;
    browser
        .see_text("[data-testid=presets]", "Would close 1 open drift")
        .await;
    look_at(&browser, "rules-presets", &ALL_SCREENS).await;
    browser
        .click("[data-testid=apply-preset][aria-label*='patch versions']")
        .await;
    browser.see("[data-testid=preset-on]").await;
    browser.see_text(NOTICE, "Ignored 1 drift").await;
    assert!(served.inbox().await.is_empty());
    browser.press("z").await;
    browser.see_none("[data-testid=preset-on]").await;
    assert_eq!(
        served.open_drift("k8s-1", "version").await.status,
        DriftStatus::Open
    );
}

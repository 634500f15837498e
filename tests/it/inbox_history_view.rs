//! The history of a spec and the explanations on the inbox page, and links to a revision that is not the newest.

use drift_inbox::services::acceptance::{AcceptDrift, accept_drift};
use serde_json::json;

use crate::support::ADMIN;
use crate::support::browser::ESCAPE;
use crate::support::cloud::droplet;
use crate::support::page::{ALL_SCREENS, look_at, row, signed_in, signed_in_as, three_differences};
use crate::support::served::Served;

const VERSION: &str = "[data-testid=version]";
const EXPLAIN: &str = "[data-testid=explain-dialog]";
const DIFFERENCE: &str = "[data-testid=spec-difference]";
const NOTICE: &str = "[data-testid=notice]";

/// Accepts the size of web-1 with a note.
async fn accept_size(served: &Served) {
    let drift = served.open_drift("web-1", "size_slug").await;
    let accept = AcceptDrift {
        drift_id: drift.id,
        revision: None,
        note: Some("resized for the sale".to_owned()),
    };
    accept_drift(served.db(), ADMIN, &accept, served.now())
        .await
        .unwrap();
}

#[tokio::test]
async fn each_version_is_compared_copied_and_its_accept_undone() {
    let served = three_differences().await;
    accept_size(&served).await;
    served.later(chrono::TimeDelta::minutes(1));
    let tags = json!({ "size_slug": "s-1vcpu-1gb", "tags": ["prod"], "region": "nyc3" });
    served.record_spec("web-1", tags).await;
    let browser = signed_in(&served).await;
    let open = row(&served, "web-1", "tags").await;
    browser.click(&format!("{open} .row-link")).await;
    browser.see("[data-testid=versions]").await;
    browser.press("v").await;
    browser.see(VERSION).await;
    let texts = browser.texts(VERSION).await;
    assert_eq!(texts.len(), 3, "{texts:#?}");
    assert!(
        texts[0].contains("Version 3") && texts[0].contains("in force"),
        "{}",
        texts[0]
    );
    assert!(
        texts[1].contains("resized for the sale")
            && texts[1].contains(ADMIN)
            && texts[1].contains("size_slug"),
        "{}",
        texts[1]
    );
    browser
        .see_text("[data-testid=resource-name]", "open drift: tags")
        .await;

    // A version beside the one before it.
    browser
        .click(&format!(
            "{VERSION}[data-version='2'] [data-testid=compare-before]"
        ))
        .await;
    browser
        .see_text(DIFFERENCE, "From version 1 to version 2: 1 field differs")
        .await;
    browser.see_text(DIFFERENCE, "s-96vcpu-768gb").await;
    browser
        .click(&format!(
            "{VERSION}[data-version='3'] [data-testid=compare-before]"
        ))
        .await;
    browser
        .see_text(DIFFERENCE, "From version 2 to version 3: 2 fields differ")
        .await;
    browser.see_text(DIFFERENCE, "added").await;
    assert!(browser.path().await.contains("from=2&to=3"));
    browser
        .click(&format!("{VERSION}[data-version='2'] [data-testid=version-json]"))
        .await;
    browser
        .see_text("[data-testid=version-text]", "s-1vcpu-1gb")
        .await;
    look_at(&browser, "history-versions", &ALL_SCREENS).await;
    let text = browser.texts("[data-testid=version-text]").await.concat();
    let spec: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(spec["tags"], json!(["prod", "web"]));

    // The size is what the accept made it, so the accept can be undone.
    browser.click("[data-testid=undo-accept]").await;
    browser
        .see_text(NOTICE, "Undid the accept of size_slug of web-1")
        .await;
    browser
        .until(&format!("document.querySelectorAll('{VERSION}').length === 4"))
        .await;
    browser
        .see_text("[data-testid=version-undoes]", "size_slug")
        .await;
    browser.see_none("[data-testid=undo-accept]").await;
    assert_eq!(served.spec("web-1").await.spec["size_slug"], "s-96vcpu-768gb");
    assert_eq!(
        served.spec("web-1").await.spec["tags"],
        json!(["prod"]),
        "other fields stay"
    );
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_viewer_cannot_undo_and_unknown_versions_and_resources_are_named() {
    let served = three_differences().await;
    accept_size(&served).await;
    let id = served.resource("web-1").await.id;
    let browser = signed_in_as(&served, &["platform_viewer"]).await;
    browser.go(&format!("/?view=resource&id={id}")).await;
    browser.see_text(VERSION, "accepted").await;
    assert_eq!(browser.count("[data-testid=undo-accept]").await, 0);
    browser.go(&format!("/?view=resource&id={id}&from=1&to=9")).await;
    browser.see_text("[data-testid=no-difference]", "not kept").await;
    browser
        .go("/?view=resource&id=00000000-0000-7000-8000-000000000000")
        .await;
    browser.see_text("[data-testid=empty]", "does not exist").await;
}

#[tokio::test]
async fn one_key_explains_a_field_and_every_other_of_the_resource() {
    let served = three_differences().await;
    let web_2 = served.resource("web-2").await.id;
    let create =
        "mutation($input: CreateIgnoreRuleInput!) { createIgnoreRule(input: $input) { rule { id } } }";
    let input = json!({ "definition": { "field": "tags" }, "reason": "tags are free", "name": "free tags" });
    served.data(create, json!({ "input": input })).await;
    let browser = signed_in(&served).await;
    let open = row(&served, "web-1", "size_slug").await;
    browser.see(&open).await;
    browser.press("j").await;
    browser
        .until("document.activeElement.closest('[data-drift-id]') !== null")
        .await;
    browser.press("e").await;
    browser.see(EXPLAIN).await;
    browser.see_text("[data-testid=verdict]", "different").await;
    look_at(&browser, "explain-list", &ALL_SCREENS).await;
    browser.press(ESCAPE).await;
    browser.see_none(EXPLAIN).await;

    browser.click(&format!("{open} .row-link")).await;
    browser.see("[data-testid=events]").await;
    browser.press("e").await;
    browser
        .see_text(
            "[data-testid=sentence]",
            "The canonical forms differ, so the field has drifted.",
        )
        .await;
    browser
        .see_text("[data-testid=explain-expected]", "s-96vcpu-768gb")
        .await;
    browser.see_text("[data-testid=actual-form]", "s-1vcpu-1gb").await;
    // A field of the same resource that a rule ignores.
    choose_field(&browser, "tags").await;
    browser.see_text("[data-testid=verdict]", "ignored").await;
    browser.see_text("[data-testid=ignored-by]", "free tags").await;
    look_at(&browser, "explain-ignored", &ALL_SCREENS).await;
    // One that the spec does not name.
    choose_field(&browser, "region").await;
    browser.see_text("[data-testid=verdict]", "not in the spec").await;
    choose_field(&browser, "tags").await;
    browser.click("[data-testid=ignored-by] a").await;
    browser.see_none(EXPLAIN).await;
    browser
        .see_text("[data-testid=rule-detail]", "Made over the API")
        .await;

    // A resource without drift.
    browser.go(&format!("/?view=resource&id={web_2}")).await;
    browser.see(VERSION).await;
    browser.press("e").await;
    browser.see_text("[data-testid=verdict]", "exists").await;
    choose_field(&browser, "region").await;
    browser.see_text("[data-testid=verdict]", "equal").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

async fn choose_field(browser: &crate::support::browser::Browser, field: &str) {
    let option = format!(
        "[...document.querySelectorAll('[data-testid=explain-field] option')].some(({{ value }}) => value === '{field}')"
    );
    browser.until(&option).await;
    browser
        .run(&format!(
            "const select = document.querySelector('[data-testid=explain-field]'); select.value = '{field}'; \
             select.dispatchEvent(new Event('change', {{ bubbles: true }}))"
        ))
        .await;
}

#[tokio::test]
async fn a_link_to_an_earlier_revision_says_that_the_drift_has_changed() {
    let served = three_differences().await;
    let drift = served.open_drift("web-1", "size_slug").await;
    let browser = signed_in(&served).await;
    let newer = "[data-testid=newer-revision]";
    browser.go(&format!("/?drift={}&revision=1", drift.id)).await;
    browser.see("[data-testid=events]").await;
    browser.see_none(newer).await;
    assert_eq!(
        browser
            .count("[data-testid=unread-parameters]:not([hidden])")
            .await,
        0
    );

    served.later(chrono::TimeDelta::minutes(1));
    let data_1 = crate::support::cloud::Listed::new("volume", "data-1")
        .region("fra1")
        .attr("size_gigabytes", 100);
    served
        .cloud_has([droplet("web-1").size("s-2vcpu-2gb"), droplet("web-2"), data_1])
        .await;
    served.sweep().await;
    browser.go(&format!("/?drift={}&revision=1", drift.id)).await;
    browser
        .see_text(newer, "The link is to revision 1. This is revision 2")
        .await;
    look_at(&browser, "newer-revision", &ALL_SCREENS[..2]).await;
    // Another drift has no revision in its address.
    browser.press(ESCAPE).await;
    let other = row(&served, "web-1", "tags").await;
    browser.click(&format!("{other} .row-link")).await;
    browser.see("[data-testid=events]").await;
    assert!(!browser.path().await.contains("revision"));
    browser.see_none(newer).await;
}

//! Triage on the inbox page: the severity, the undo of an accept, and ignore rules.

use entity::cloud_drift::DriftStatus;
use serde_json::json;

use crate::support::browser::{ENTER, ESCAPE};
use crate::support::cloud::droplet;
use crate::support::page::{
    CONFIRM, DIALOG, ROW, TOTAL, about_to_accept, row, signed_in, signed_in_as, three_differences,
};
use crate::support::served::Served;
use crate::support::{ADMIN, TestApp};

const IGNORE: &str = "[data-testid=ignore-dialog]";
const NOTICE: &str = "[data-testid=notice]";
const PREVIEW: &str = "[data-testid=ignore-preview]";
const CONFIRM_IGNORE: &str = "[data-testid=confirm-ignore]";

#[tokio::test]
async fn the_severity_has_a_shape_and_words() {
    let t = TestApp::new().await;
    t.later(drift_inbox::clock::Clock::System.now() - t.now());
    t.cloud_has([droplet("web-1"), droplet("web-2")]).await;
    for name in ["web-1", "web-2"] {
        t.record_spec(name, json!({ "size_slug": "s-9" })).await;
    }
    t.sweep().await;
    t.cloud_has([droplet("web-1")]).await;
    t.later(chrono::TimeDelta::hours(1));
    t.sweep().await;
    let served = Served::start(t).await;
    let browser = signed_in(&served).await;
    let missing = row(&served, "web-2", "*").await;
    let mark = format!("{missing} [data-severity=CRITICAL]");
    browser.see(&mark).await;
    let title = browser
        .run(&format!("return document.querySelector({}).title", json!(mark)))
        .await;
    let title = title.as_str().unwrap().to_owned();
    assert!(title.starts_with("Critical: "), "{title}");
    assert!(
        browser.texts(&mark).await[0].contains("Critical"),
        "the mark has a text"
    );
    let changed = row(&served, "web-1", "size_slug").await;
    browser.see(&format!("{changed} [data-severity=NORMAL]")).await;
    browser.shoot("severity").await;
    browser.click(&format!("{missing} .row-link")).await;
    browser
        .see_text("[data-testid=detail-severity]", "Critical: ")
        .await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.shoot("severity-detail").await;
    browser.prefer("dark").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.shoot("severity-detail-dark").await;
    browser.resize(390, 800).await;
    browser.shoot("severity-detail-phone").await;
    browser.press(ESCAPE).await;
    browser.see(ROW).await;
    browser.shoot("severity-phone").await;
}

#[tokio::test]
async fn one_key_undoes_the_accept_before() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    about_to_accept(&served, &browser, "web-1", "size_slug").await;
    browser.click(CONFIRM).await;
    browser.see_none(DIALOG).await;
    browser.see(&format!("{NOTICE} [data-testid=notice-undo]")).await;
    browser.shoot("undo-offered").await;
    // The clock of the tests stands still, and drifts of one time have no order.
    served.later(chrono::TimeDelta::minutes(1));
    browser.press("z").await;
    browser.see_text(NOTICE, "It is open again").await;
    browser.see_text(TOTAL, "3 open").await;
    assert_eq!(served.spec("web-1").await.spec["size_slug"], "s-96vcpu-768gb");
    let again = row(&served, "web-1", "size_slug").await;
    browser.see(&again).await;
    // The accepted drift says that its accept was undone, and the open one links to it.
    browser.click(&format!("{again} .row-link")).await;
    browser
        .see_text("[data-testid=occurrences]", "2 times in 30 days")
        .await;
    browser.click("[data-testid=predecessor]").await;
    browser.see_text("[data-testid=undone]", ADMIN).await;
    browser
        .see_text("[data-testid=close-reason]", "made the expected one")
        .await;
    browser.see_text("[data-testid=events]", "accept undone").await;
    browser.see_none("[data-testid=undo]").await;
}

#[tokio::test]
async fn an_undo_that_came_too_late_is_explained() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    about_to_accept(&served, &browser, "web-1", "size_slug").await;
    browser.click(CONFIRM).await;
    browser.see_none(DIALOG).await;
    browser.click("[data-testid=notice-action]").await;
    browser.see("[data-testid=undo]").await;
    served
        .record_spec(
            "web-1",
            json!({ "size_slug": "s-other", "tags": ["prod", "web"] }),
        )
        .await;
    browser.click("[data-testid=undo]").await;
    browser
        .see_text(NOTICE, "Not undone. The expected value of the field has changed")
        .await;
    assert_eq!(served.spec("web-1").await.spec["size_slug"], "s-other");
}

#[tokio::test]
async fn two_keys_and_a_reason_ignore_a_difference_after_its_preview() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    let size = row(&served, "web-1", "size_slug").await;
    browser
        .run(&format!(
            "document.querySelector({}).focus()",
            json!(format!("{size} .row-link"))
        ))
        .await;
    browser.press("i").await;
    browser
        .see_text(PREVIEW, "Closes 1 open drift of 1 resource")
        .await;
    browser.see(&format!("{CONFIRM_IGNORE}:disabled")).await;
    browser.press("resized at will").await;
    browser.see(&format!("{CONFIRM_IGNORE}:enabled")).await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.shoot("ignore").await;
    browser.press(ENTER).await;
    browser.see_none(IGNORE).await;
    browser.see_text(NOTICE, "Ignored 1 drift").await;
    browser.see_text(TOTAL, "2 open").await;
    browser.see_none(&size).await;
    let open = served
        .drifts()
        .await
        .into_iter()
        .filter(|drift| drift.status == DriftStatus::Open);
    assert_eq!(open.count(), 2);
    browser.press("z").await;
    browser.see_text(NOTICE, "The rule has ended").await;
    served.sweep().await;
    browser.see_text(TOTAL, "3 open").await;
}

#[tokio::test]
async fn a_pattern_is_counted_before_it_can_be_used() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    let size = row(&served, "web-1", "size_slug").await;
    browser.click(&format!("{size} .row-link")).await;
    browser.click("[data-testid=ignore]").await;
    browser.fill("[data-testid=ignore-reason]", "on purpose").await;
    browser.click("[data-testid=ignore-many]").await;
    browser.fill("[data-testid=ignore-pattern]", "db-*").await;
    browser.see_text(PREVIEW, "Closes 0 open drifts").await;
    browser.hold_back("query PreviewRule").await;
    browser.fill("[data-testid=ignore-pattern]", "web-*").await;
    browser.until("typeof window.letGo === 'function'").await;
    browser.see(&format!("{CONFIRM_IGNORE}:disabled")).await;
    browser.run("window.letGo()").await;
    browser.see_text(PREVIEW, "Closes 1 open drift").await;
    browser.click(CONFIRM_IGNORE).await;
    browser.see_none(IGNORE).await;
    browser
        .see_text("[data-testid=close-reason]", "An ignore rule covers")
        .await;
    browser
        .see_text("[data-testid=closed-by-rule]", "on purpose")
        .await;
    browser
        .see_text("[data-testid=events]", "difference ignored")
        .await;
}

#[tokio::test]
async fn a_viewer_cannot_ignore() {
    let served = three_differences().await;
    let browser = signed_in_as(&served, &["platform_viewer"]).await;
    browser.see(ROW).await;
    browser.press("j").await;
    browser.press("i").await;
    browser.press(ENTER).await;
    browser.see("[data-testid=read-only]").await;
    browser.see_none(IGNORE).await;
    assert_eq!(browser.count("[data-testid=ignore]").await, 0);
}

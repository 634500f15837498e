//! The view of notifications on the inbox page: targets and the log of deliveries.

use drift_inbox::scheduler::notify;
use entity::notification_targets;
use sea_orm::EntityTrait as _;
use serde_json::json;

use crate::notifications::{app, drift, target};
use crate::support::browser::{Browser, ENTER, ESCAPE};
use crate::support::page::{ALL_SCREENS, look_at, signed_in, signed_in_as};
use crate::support::receiver::{Answer, Receiver};
use crate::support::served::Served;

const TARGET: &str = "[data-testid=target]";
const DIALOG: &str = "[data-testid=target-dialog]";
const MESSAGE: &str = "[data-testid=message]";
const NOTICE: &str = "[data-testid=notice]";

async fn server() -> Served {
    let t = app().await;
    t.later(drift_inbox::clock::Clock::System.now() - t.now());
    Served::start(t).await
}

/// Chooses a value of a select element.
async fn choose(browser: &Browser, css: &str, value: &str) {
    browser.see(css).await;
    let script = "const select = document.querySelector(CSS); select.value = VALUE; \
                  select.dispatchEvent(new Event('change', { bubbles: true })); return select.value";
    let script = script
        .replace("CSS", &json!(css).to_string())
        .replace("VALUE", &json!(value).to_string());
    assert_eq!(browser.run(&script).await, value, "{css} has no such value");
}

async fn stored(served: &Served) -> Vec<notification_targets::Model> {
    notification_targets::Entity::find()
        .all(served.db().reader())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_target_is_added_tested_changed_and_deleted() {
    let (served, receiver) = (server().await, Receiver::start().await);
    let browser = signed_in(&served).await;
    browser.press("g").await;
    browser.press("n").await;
    browser
        .see_text("[data-testid=empty]", "There is no target of notifications")
        .await;
    browser.press("n").await;
    browser.see(DIALOG).await;
    browser.fill("[data-testid=target-name]", "ops").await;
    browser
        .fill("[data-testid=target-url]", &receiver.url("/hook?token=s3cret"))
        .await;
    choose(&browser, "[data-testid=target-severity]", "HIGH").await;
    browser.fill("[data-testid=target-fields]", "size_slug, *").await;
    look_at(&browser, "notifications-dialog", &ALL_SCREENS).await;
    browser.click("[data-testid=target-fields]").await;
    browser.press(ENTER).await;
    browser.see("[data-testid=target-secret]").await;
    let secret = browser
        .run("return document.querySelector('[data-testid=target-secret]').value")
        .await;
    assert!(secret.as_str().unwrap().starts_with("whsec_"), "{secret}");
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.click("[data-testid=secret-done]").await;
    browser.see_none(DIALOG).await;
    browser.see_text(TARGET, "severity high or more").await;
    browser.see_text(TARGET, "fields size_slug, *").await;
    assert!(!browser.texts("body").await.concat().contains("s3cret"));
    let made = stored(&served).await.remove(0);
    assert_eq!(
        made.filter,
        json!({ "minSeverity": "high", "fields": ["size_slug", "*"] })
    );

    browser.click("[data-testid=test-target]").await;
    browser
        .see_text(NOTICE, "ops confirmed the test with status 200")
        .await;
    assert_eq!(receiver.take()[0].json()["type"], "test");
    browser.see_text(MESSAGE, "delivered").await;
    receiver.answers(Answer::Status(500, ""));
    browser.click("[data-testid=test-target]").await;
    browser.see_text(NOTICE, "did not confirm the test").await;

    browser.click("[data-testid=edit-target]").await;
    browser.see(DIALOG).await;
    choose(&browser, "[data-testid=target-severity]", "").await;
    browser.click("[name=transitions][value=DRIFT_DETECTED]").await;
    browser
        .run("document.querySelector('[data-testid=target-digest]').value = '08:00'")
        .await;
    browser.click("[data-testid=save-target]").await;
    browser.see_none(DIALOG).await;
    browser.see_text(TARGET, "Receives drift detected; fields").await;
    browser.see_text(TARGET, "digest daily at 08:00 UTC").await;
    let changed = stored(&served).await.remove(0);
    assert_eq!(
        (changed.filter, changed.digest_minute),
        (
            json!({ "transitions": ["DRIFT_DETECTED"], "fields": ["size_slug", "*"] }),
            Some(480)
        )
    );
    assert_eq!(changed.url.0, made.url.0, "the address stays");

    browser.click("[data-testid=switch-target]").await;
    browser.see("[data-testid=target-off]").await;
    assert!(!stored(&served).await[0].enabled);
    browser.click("[data-testid=switch-target]").await;
    browser.see_none("[data-testid=target-off]").await;
    browser.click("[data-testid=delete-target]").await;
    browser.see("[data-testid=confirm-dialog]").await;
    browser.press(ESCAPE).await;
    browser.see_none("[data-testid=confirm-dialog]").await;
    assert_eq!(stored(&served).await.len(), 1);
    browser.click("[data-testid=delete-target]").await;
    browser.see("[data-testid=confirm-dialog]").await;
    browser.press(ENTER).await;
    browser
        .see_text("[data-testid=empty]", "There is no target")
        .await;
    assert_eq!(stored(&served).await.len(), 0);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_delivery_log_has_each_attempt_and_a_message_is_sent_again() {
    let (served, up, down) = (server().await, Receiver::start().await, Receiver::start().await);
    down.answers(Answer::Status(410, ""));
    target(&served, "WEBHOOK", up.url("/"), json!({ "name": "up" })).await;
    target(
        &served,
        "SLACK",
        down.url("/"),
        json!({ "name": "down", "digestAt": "07:30" }),
    )
    .await;
    target(
        &served,
        "HEARTBEAT",
        up.url("/beat"),
        json!({ "name": "monitor", "method": "GET", "enabled": false }),
    )
    .await;
    drift(&served, &["web-1", "web-2"]).await;
    notify(&served.app).await.unwrap();
    assert_eq!((up.take().len(), down.take().len()), (1, 1));
    let browser = signed_in(&served).await;
    browser.go("/?view=notifications").await;
    browser.see_text("[data-testid=log]", "delivered").await;
    assert_eq!(browser.count(MESSAGE).await, 2);
    browser.see_text(TARGET, "Receives all transitions").await;
    choose(&browser, "[data-testid=log-state]", "failed").await;
    browser
        .until(&format!("document.querySelectorAll('{MESSAGE}').length === 1"))
        .await;
    browser.see_text(MESSAGE, "down").await;
    browser.click(&format!("{MESSAGE} .message-head")).await;
    browser.see_text("[data-testid=attempts]", "410").await;
    browser
        .see_text("[data-testid=message-detail]", "drift.transitions")
        .await;
    look_at(&browser, "notifications-log", &ALL_SCREENS).await;

    down.answers(Answer::Status(200, ""));
    browser.click("[data-testid=resend]").await;
    browser.see_text(NOTICE, "pending again").await;
    notify(&served.app).await.unwrap();
    assert_eq!(down.take().len(), 1);
    choose(&browser, "[data-testid=log-state]", "delivered").await;
    browser
        .until(&format!("document.querySelectorAll('{MESSAGE}').length === 2"))
        .await;
    choose(&browser, "[data-testid=log-state]", "pending").await;
    browser
        .see_text("[data-testid=no-messages]", "No message matches")
        .await;
}

#[tokio::test]
async fn a_viewer_reads_targets_and_the_log_only() {
    let (served, up) = (server().await, Receiver::start().await);
    target(&served, "WEBHOOK", up.url("/"), json!({ "name": "up" })).await;
    drift(&served, &["web-1"]).await;
    notify(&served.app).await.unwrap();
    let browser = signed_in_as(&served, &["platform_viewer"]).await;
    browser.go("/?view=notifications").await;
    browser.click(&format!("{MESSAGE} .message-head")).await;
    browser.see_text("[data-testid=attempts]", "status 200").await;
    for button in [
        "new-target",
        "test-target",
        "edit-target",
        "switch-target",
        "delete-target",
        "resend",
    ] {
        assert_eq!(
            browser.count(&format!("[data-testid={button}]")).await,
            0,
            "{button}"
        );
    }
    browser.run("document.activeElement.blur()").await;
    browser.press("n").await;
    browser.see_none("dialog[open]").await;
}

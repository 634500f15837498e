//! Snoozes, assignees and comments on the inbox page.

use serde_json::json;

use crate::support::ADMIN;
use crate::support::browser::{Browser, ENTER, ESCAPE};
use crate::support::cloud::{Listed, droplet};
use crate::support::page::{
    ALL_SCREENS, ROW, TOTAL, about_to_accept, look_at, row, signed_in, three_differences,
};
use crate::support::served::Served;

const SNOOZE: &str = "[data-testid=snooze-dialog]";
const MEMBERS: &str = "[data-testid=members-dialog]";
const NOTICE: &str = "[data-testid=notice]";

/// Moves the focus to a row of the list.
async fn focus(browser: &Browser, row: &str) {
    let link = json!(format!("{row} .row-link"));
    browser.see(row).await;
    browser
        .run(&format!("document.querySelector({link}).focus()"))
        .await;
}

#[tokio::test]
async fn a_drift_is_snoozed_in_two_keys_and_comes_back_with_one() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    let size = row(&served, "web-1", "size_slug").await;
    focus(&browser, &size).await;
    browser.press("s").await;
    browser.see(SNOOZE).await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.shoot("snooze-dialog").await;
    browser.press(ENTER).await;
    browser.see_none(SNOOZE).await;
    browser.see_text(NOTICE, "Snoozed until").await;
    browser.see_text(TOTAL, "2 open").await;
    browser.see_none(&size).await;
    browser.press("z").await;
    browser.see_text(TOTAL, "3 open").await;
    browser.see(&size).await;
    assert!(!served.open_drift("web-1", "size_slug").await.snoozed);
}

#[tokio::test]
async fn snoozed_drifts_are_shown_by_a_filter_and_an_inbox_of_them_is_not_all_well() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see(ROW).await;
    browser.press("*").await;
    browser
        .see_text("[data-testid=selected-count]", "3 selected")
        .await;
    browser.press("s").await;
    browser.see("[data-testid=confirm-bulk]:enabled").await;
    browser.click("[data-testid=bulk-snooze-change]").await;
    browser.click("[data-testid=confirm-bulk]").await;
    browser.see_none("[data-testid=bulk-dialog]").await;
    browser
        .see_text("[data-testid=empty]", "3 open drifts are snoozed")
        .await;
    browser.shoot("snoozed-all").await;
    browser.click("[data-testid=show-snoozed]").await;
    browser.see_text(TOTAL, "3 open").await;
    browser.see("[data-testid=row-snoozed]").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.shoot("snoozed-list").await;
    browser.resize(390, 800).await;
    browser.shoot("snoozed-list-phone").await;
    browser.resize(1920, 1080).await;
    browser.prefer("dark").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.shoot("snoozed-list-dark").await;
    browser.press("z").await;
    browser.see_none(ROW).await;
    assert!(served.inbox().await.iter().all(|drift| !drift.snoozed));
}

#[tokio::test]
async fn a_drift_is_taken_with_one_key_and_commented_on() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    let size = row(&served, "web-1", "size_slug").await;
    focus(&browser, &size).await;
    browser.press("t").await;
    browser.see(&format!("{size} [data-testid=row-assignee]")).await;
    assert_eq!(
        served.open_drift("web-1", "size_slug").await.assignee.as_deref(),
        Some(ADMIN)
    );
    browser.click(&format!("{size} .row-link")).await;
    browser.see_text("[data-testid=assignee]", ADMIN).await;
    browser.fill("[data-testid=comment]", "asked the shop").await;
    browser.click("[data-testid=add-comment]").await;
    browser.see_text("[data-testid=events]", "asked the shop").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.shoot("comment").await;
    browser.prefer("dark").await;
    browser.resize(390, 800).await;
    browser.shoot("comment-phone-dark").await;
    browser.press(ESCAPE).await;
    browser.resize(1280, 800).await;
    browser.go("/?assignee=me").await;
    browser.see_text(TOTAL, "1 open").await;
    browser.see(&size).await;
}

/// Assigns the drift of a row to another user.
async fn assigned_to_bob(served: &Served, name: &str, field: &str) {
    let id = served.open_drift(name, field).await.id;
    let assign = "mutation($id: ID!) { assignDrift(input: { driftId: $id, assignee: \"bob@example.com\" }) { drift { id } } }";
    served.data(assign, json!({ "id": id })).await;
}

#[tokio::test]
async fn a_comment_that_is_being_typed_stays_while_the_drift_changes() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    let size = row(&served, "web-1", "size_slug").await;
    browser.click(&format!("{size} .row-link")).await;
    let comment = "document.querySelector('[data-testid=comment]')";
    let typing = format!("document.activeElement === {comment}");
    browser.fill("[data-testid=comment]", "we resized").await;
    browser.run(&format!("{comment}.setSelectionRange(3, 3)")).await;

    // Another user assigns it, and its values change.
    assigned_to_bob(&served, "web-1", "size_slug").await;
    browser
        .see_text("[data-testid=assignee]", "bob@example.com")
        .await;
    browser.until(&typing).await;
    browser.press("tat ").await;
    let changed = droplet("web-1").size("s-8vcpu-16gb");
    let volume = Listed::new("volume", "data-1")
        .region("fra1")
        .attr("size_gigabytes", 100);
    served.cloud_has([changed, droplet("web-2"), volume]).await;
    served.sweep().await;
    browser.see_text("[data-testid=detail]", "s-8vcpu-16gb").await;
    browser.until(&typing).await;
    browser.press("ta ").await;
    let typed = browser.run(&format!("return {comment}.value")).await;
    assert_eq!(typed, json!("we tat ta resized"));
    let drift = served.open_drift("web-1", "size_slug").await;
    assert_eq!(drift.assignee.as_deref(), Some("bob@example.com"));

    // The server cannot be reached for a while.
    browser.offline(true).await;
    browser
        .see("[data-testid=connection]:not([data-state=live])")
        .await;
    browser.offline(false).await;
    browser.see("[data-testid=connection][data-state=live]").await;
    browser.until(&typing).await;
    browser.shoot("comment-kept").await;
    // Another drift in between.
    browser.press(ESCAPE).await;
    let region = row(&served, "data-1", "size_gigabytes").await;
    browser.click(&format!("{region} .row-link")).await;
    browser
        .until(&format!("{comment} !== null && {comment}.value === ''"))
        .await;
    browser.click(&format!("{size} .row-link")).await;
    browser
        .until(&format!("{comment}?.value === 'we tat ta resized'"))
        .await;
    browser.click("[data-testid=add-comment]").await;
    browser
        .see_text("[data-testid=events]", "we tat ta resized")
        .await;
    browser
        .until(&format!("{comment}.value === '' && {typing}"))
        .await;
}

#[tokio::test]
async fn the_focus_and_a_link_that_is_being_copied_stay_while_the_drift_changes() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    let size = row(&served, "web-1", "size_slug").await;
    browser.click(&format!("{size} .row-link")).await;
    browser.see("[data-testid=comment]").await;
    // A browser that refuses to copy gets the link in a field.
    browser
        .run("navigator.clipboard.writeText = () => Promise.reject(new Error('refused'))")
        .await;
    browser.click("[data-testid=copy-link]").await;
    browser
        .until("document.activeElement.matches('.link-field')")
        .await;
    assigned_to_bob(&served, "web-1", "size_slug").await;
    browser
        .see_text("[data-testid=assignee]", "bob@example.com")
        .await;
    browser
        .until("document.activeElement.matches('.link-field') && document.activeElement.selectionEnd > 0")
        .await;
    // A button is drawn again and keeps the focus.
    browser
        .run("document.querySelector('[data-testid=snooze]').focus()")
        .await;
    assigned_to_bob(&served, "web-1", "tags").await;
    let changed = droplet("web-1").size("s-8vcpu-16gb");
    served.cloud_has([changed, droplet("web-2")]).await;
    served.sweep().await;
    browser.see_text("[data-testid=detail]", "s-8vcpu-16gb").await;
    browser
        .until("document.activeElement.matches('[data-testid=detail] [data-testid=snooze]')")
        .await;
}

#[tokio::test]
async fn an_undo_without_an_answer_is_tried_again_before_an_earlier_decision() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    for name in ["web-1", "data-1"] {
        let field = if name == "web-1" {
            "size_slug"
        } else {
            "size_gigabytes"
        };
        about_to_accept(&served, &browser, name, field).await;
        browser.click("[data-testid=confirm-accept]").await;
        browser.see_none("[data-testid=accept-dialog]").await;
        served.later(chrono::TimeDelta::minutes(1));
    }
    browser
        .run(
            "window.reach = window.fetch;
             window.fetch = (address, options) => options.body.includes('undoAccept') ? Promise.reject(new TypeError('lost')) : window.reach(address, options);",
        )
        .await;
    browser.press("z").await;
    browser.see_text(NOTICE, "not known").await;
    browser.see_text(NOTICE, "Try again").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.shoot("undo-again").await;
    browser.run("window.fetch = window.reach").await;
    browser.press("z").await;
    browser
        .see_text(NOTICE, "Undid the accept of size_gigabytes")
        .await;
    assert_eq!(served.spec("data-1").await.spec["size_gigabytes"], 50);
    assert_ne!(served.spec("web-1").await.spec["size_slug"], "s-96vcpu-768gb");
    browser.press("z").await;
    browser.see_text(NOTICE, "Undid the accept of size_slug").await;
}

#[tokio::test]
async fn some_members_of_a_list_are_accepted_and_the_others_stay_open() {
    let served = three_differences().await;
    let volume = Listed::new("volume", "data-1").region("fra1");
    served
        .cloud_has([
            droplet("web-1").attr("rules", json!(["x", "b", "y"])),
            droplet("web-2"),
            volume,
        ])
        .await;
    served.record_spec("web-1", json!({ "rules": ["a", "b"] })).await;
    served.sweep().await;
    let before = served.spec("web-1").await.spec;
    let drift = served.open_drift("web-1", "rules").await;
    let browser = signed_in(&served).await;
    let rules = row(&served, "web-1", "rules").await;
    focus(&browser, &rules).await;
    browser.press("m").await;
    browser.see_text(MEMBERS, "Members that differ").await;
    assert_eq!(browser.texts("[data-testid=member]").await.len(), 3);
    assert_eq!(browser.axe().await, Vec::<String>::new());
    look_at(&browser, "members-dialog", &ALL_SCREENS).await;
    browser.resize(1280, 900).await;
    // The first member is the removed one, the second the first added one.
    browser.click("#member-0").await;
    browser.click("#member-1").await;
    browser
        .see_text("[data-testid=confirm-members]", "Accept 2 members")
        .await;
    browser.click("[data-testid=confirm-members]").await;
    browser
        .see_text(NOTICE, "Accepted 2 members: rules of web-1. The others stay open")
        .await;
    let open = served.open_drift("web-1", "rules").await;
    assert_eq!((open.id, &open.expected), (drift.id, &Some(json!(["b", "x"]))));
    browser.press("z").await;
    browser
        .see_text(NOTICE, "Undid the accept of rules of web-1")
        .await;
    assert_eq!(served.spec("web-1").await.spec, before);
}

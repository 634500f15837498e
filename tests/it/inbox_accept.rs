//! Accepting drifts on the inbox page: only values that the page has shown are accepted.

use drift_inbox::services::acceptance::{AcceptDrift, accept_drift};
use entity::cloud_drift::DriftStatus;
use serde_json::json;

use crate::support::browser::{Browser, ENTER, ESCAPE};
use crate::support::cloud::{Listed, droplet};
use crate::support::page::{
    CONFIRM, DIALOG, REFUSAL, ROW, TOTAL, about_to_accept, row, signed_in, signed_in_as, three_differences,
};
use crate::support::served::Served;
use crate::support::state::droplets;
use crate::support::{ADMIN, TestApp};

#[tokio::test]
async fn the_dialog_accepts_the_value_that_it_shows() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    about_to_accept(&served, &browser, "web-1", "size_slug").await;
    browser
        .see_text("[data-testid=accept-value]", "s-1vcpu-1gb")
        .await;
    browser.see_text("[data-testid=accept-effect]", "1 → 2").await;
    browser.fill("[data-testid=note]", "on purpose").await;
    browser.click(CONFIRM).await;
    browser.see_none(DIALOG).await;
    browser.see_text(TOTAL, "2 open").await;
    let spec = served.spec("web-1").await;
    assert_eq!(spec.spec["size_slug"], "s-1vcpu-1gb");
    let drifts = served.drifts().await;
    let accepted = drifts
        .iter()
        .find(|drift| drift.status == DriftStatus::Accepted)
        .unwrap();
    assert_eq!(accepted.resolved_by.as_deref(), Some(ADMIN));
    assert_eq!(accepted.resolution_note.as_deref(), Some("on purpose"));
    browser
        .see_none(&format!("[data-drift-id='{}']", accepted.id))
        .await;
}

#[tokio::test]
async fn a_second_accept_shows_who_accepted_first() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    about_to_accept(&served, &browser, "data-1", "size_gigabytes").await;
    let drift = served.open_drift("data-1", "size_gigabytes").await;
    served.accept(&drift).await.unwrap();
    browser.see_text(REFUSAL, "already closed").await;
    browser.see_text(REFUSAL, ADMIN).await;
    browser.see_none(CONFIRM).await;
    browser.shoot("accept-too-late").await;
    browser.click("[data-testid=cancel-accept]").await;
    browser.see_text(TOTAL, "2 open").await;
}

#[tokio::test]
async fn the_server_refuses_the_later_of_two_accepts() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    // The dialog queries the drift when it opens. The response must arrive before the other accept.
    browser
        .run(
            "const text = Response.prototype.text;
             Response.prototype.text = async function () {
               const answer = await text.call(this);
               if (answer.startsWith('{\"data\":{\"drift\":')) setTimeout(() => { window.lookedUp = true }, 50);
               return answer;
             }",
        )
        .await;
    about_to_accept(&served, &browser, "data-1", "size_gigabytes").await;
    browser.until("window.lookedUp").await;
    // The page reads no more events, so only the refusal reports the other accept.
    browser.run("TextDecoder.prototype.decode = () => ''").await;
    // By another user: an accept that the same user repeats gets its first answer again.
    let accept = AcceptDrift {
        drift_id: served.open_drift("data-1", "size_gigabytes").await.id,
        revision: None,
        note: None,
    };
    accept_drift(served.db(), "grace@example.com", &accept, served.now())
        .await
        .unwrap();
    browser.click(CONFIRM).await;
    browser.see_text(REFUSAL, "already closed").await;
    browser.see_none(CONFIRM).await;
}

#[tokio::test]
async fn a_value_that_was_not_shown_is_not_accepted() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    about_to_accept(&served, &browser, "data-1", "size_gigabytes").await;
    browser.see_text("[data-testid=accept-value]", "100").await;
    // The volume is resized again. A sync stores its size, but no sweep compares it yet.
    let grown = Listed::new("volume", "data-1")
        .region("fra1")
        .attr("size_gigabytes", 250);
    served
        .cloud_has([droplet("web-1"), droplet("web-2"), grown.clone()])
        .await;
    browser.click(CONFIRM).await;
    browser.see_text(REFUSAL, "Review the current value").await;
    browser.see_text("[data-testid=accept-value]", "250").await;
    browser.shoot("accept-value-moved").await;
    let confirm = browser
        .run(&format!("return document.querySelector('{CONFIRM}').disabled"))
        .await;
    assert_eq!(confirm, json!(true), "the new value must be reviewed first");
    assert_eq!(served.spec("data-1").await.spec["size_gigabytes"], 50);

    browser.click("[data-testid=accept-review]").await;
    browser.click(CONFIRM).await;
    browser.see_none(DIALOG).await;
    assert_eq!(served.spec("data-1").await.spec["size_gigabytes"], 250);

    // While the dialog is open, a sweep finds another value, and the dialog reports it.
    about_to_accept(&served, &browser, "web-1", "size_slug").await;
    served
        .cloud_has([droplet("web-1").size("s-8vcpu-16gb"), droplet("web-2"), grown])
        .await;
    served.sweep().await;
    browser
        .see_text(REFUSAL, "changed while the dialog was open")
        .await;
    browser
        .see_text("[data-testid=accept-value]", "s-8vcpu-16gb")
        .await;
    browser.see(&format!("{CONFIRM}:disabled")).await;
}

#[tokio::test]
async fn a_viewer_sees_no_accept_button() {
    let served = three_differences().await;
    let browser = signed_in_as(&served, &["platform_viewer"]).await;
    browser.see(ROW).await;
    assert_eq!(browser.count("[data-testid=row-accept]").await, 0);
    browser.press("j").await;
    browser.press("a").await;
    browser.see_none(DIALOG).await;
    browser.press(ENTER).await;
    browser.see("[data-testid=read-only]").await;
    assert_eq!(browser.count("[data-testid=accept]").await, 0);
}

/// Two numbers above 2^53 that differ in the last digit: JavaScript cannot represent both.
#[tokio::test]
async fn numbers_are_shown_with_all_their_digits() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").attr("quota", 9_007_199_254_740_993_u64)])
        .await;
    t.record_spec("web-1", json!({ "quota": 9_007_199_254_740_992_u64 }))
        .await;
    t.sweep().await;
    let served = Served::start(t).await;
    let browser = signed_in(&served).await;
    let quota = row(&served, "web-1", "quota").await;
    browser.see_text(&quota, "9007199254740992").await;
    browser.see_text(&quota, "9007199254740993").await;
    about_to_accept(&served, &browser, "web-1", "quota").await;
    browser
        .see_text("[data-testid=accept-value]", "9007199254740993")
        .await;
}

#[tokio::test]
async fn a_held_key_accepts_nothing() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see(ROW).await;
    browser.press("j").await;
    browser.hold("a", 65, "a").await;
    browser.see(DIALOG).await;
    let note = browser
        .run("return document.querySelector('[data-testid=note]').value")
        .await;
    assert_eq!(note, json!(""), "the key is not typed into the note");
    browser.press(ESCAPE).await;
    browser.see_none(DIALOG).await;

    about_to_accept(&served, &browser, "data-1", "size_gigabytes").await;
    let grown = Listed::new("volume", "data-1")
        .region("fra1")
        .attr("size_gigabytes", 250);
    served
        .cloud_has([droplet("web-1"), droplet("web-2"), grown])
        .await;
    served.sweep().await;
    browser
        .see_text(REFUSAL, "changed while the dialog was open")
        .await;
    browser
        .run("document.querySelector('[data-testid=accept-review]').focus()")
        .await;
    browser.hold("Enter", 13, "\r").await;
    browser.see(&format!("{CONFIRM}:enabled")).await;
    assert_eq!(served.spec("data-1").await.spec["size_gigabytes"], 50);
}

#[tokio::test]
async fn a_late_response_updates_only_the_drift_of_its_request() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    about_to_accept(&served, &browser, "data-1", "size_gigabytes").await;
    let grown = Listed::new("volume", "data-1")
        .region("fra1")
        .attr("size_gigabytes", 250);
    served
        .cloud_has([droplet("web-1"), droplet("web-2"), grown])
        .await;
    browser.hold_back("mutation Accept").await;
    browser.click(CONFIRM).await;
    browser.until("window.letGo").await;
    browser.press(ESCAPE).await;
    browser.see_none(DIALOG).await;
    about_to_accept(&served, &browser, "web-1", "size_slug").await;
    browser.fill("[data-testid=note]", "on purpose").await;
    browser.run("window.letGo()").await;
    // The row shows the response. The dialog of another drift does not.
    browser
        .see_text(&row(&served, "data-1", "size_gigabytes").await, "250")
        .await;
    browser.see_text(DIALOG, "web-1").await;
    assert_eq!(browser.texts(REFUSAL).await, [""]);
    let note = browser
        .run("return document.querySelector('[data-testid=note]').value")
        .await;
    assert_eq!(note, json!("on purpose"));
}

#[tokio::test]
async fn the_count_in_the_header_drops_before_the_server_returns_the_new_count() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    browser.hold_back("query Total").await;
    about_to_accept(&served, &browser, "web-1", "size_slug").await;
    browser.click(CONFIRM).await;
    browser.see_none(DIALOG).await;
    // Responses with a count are held back, so the page has computed this number itself.
    browser.see_text(TOTAL, "2 open").await;
    browser.until("document.title.startsWith('(2)')").await;
    browser.until("typeof window.letGo === 'function'").await;
    browser.run("window.letGo()").await;
    browser.see_text(TOTAL, "2 open").await;
}

#[tokio::test]
async fn an_accept_warns_that_the_next_apply_of_a_state_undoes_it() {
    let t = TestApp::new().await;
    t.later(drift_inbox::clock::Clock::System.now() - t.now());
    t.cloud_has([droplet("web-1").size("s-2"), droplet("web-2").size("s-2")])
        .await;
    t.import(&droplets("prod", 1, &[("web-1", "s-1")])).await;
    t.record_spec("web-2", json!({ "size_slug": "s-1" })).await;
    t.sweep().await;
    let served = Served::start(t).await;
    let browser = signed_in(&served).await;
    about_to_accept(&served, &browser, "web-1", "size_slug").await;
    browser
        .see_text(
            "[data-testid=accept-owner]",
            "The next apply of \u{201c}prod\u{201d} sets the expected value again",
        )
        .await;
    browser.shoot("accept-owned-by-a-state").await;
    browser.press(ESCAPE).await;
    browser.see_none(DIALOG).await;
    about_to_accept(&served, &browser, "web-2", "size_slug").await;
    browser.see("[data-testid=accept-effect]").await;
    browser.see_none("[data-testid=accept-owner]").await;
    browser.press(ESCAPE).await;
    browser.see_none("[data-testid=notice] p").await;
    about_to_accept(&served, &browser, "web-1", "size_slug").await;
    browser.click(CONFIRM).await;
    browser
        .see_text("[data-testid=notice]", "The Terraform state prod owns this spec")
        .await;
    browser.shoot("accepted-owned-by-a-state").await;
    // The warning stays after the next accept, but the key undoes that one.
    about_to_accept(&served, &browser, "web-2", "size_slug").await;
    browser.click(CONFIRM).await;
    browser
        .see_text("[data-testid=notice]", "Accepted size_slug of web-2")
        .await;
    browser
        .see_text("[data-testid=notice]", "The Terraform state prod owns this spec")
        .await;
    browser.press("z").await;
    browser
        .see_text("[data-testid=notice]", "Undid the accept of size_slug of web-2")
        .await;
    assert_eq!(served.spec("web-1").await.spec["size_slug"], "s-2");
    assert_eq!(served.spec("web-2").await.spec["size_slug"], "s-1");
    browser.click("[data-testid=close-notice]").await;
    browser.see_none("[data-testid=notice] p").await;
}

/// Returns the ids of the rows, in the order of the list.
async fn listed(browser: &Browser) -> Vec<String> {
    let ids = format!("return [...document.querySelectorAll('{ROW}')].map((row) => row.dataset.driftId)");
    serde_json::from_value(browser.run(&ids).await).unwrap()
}

/// Returns the ids of the open drifts in the database.
async fn open(served: &Served) -> Vec<String> {
    let drifts = served.drifts().await.into_iter();
    drifts
        .filter(|drift| drift.status == DriftStatus::Open)
        .map(|drift| drift.id.to_string())
        .collect()
}

#[tokio::test]
async fn enter_accepts_the_shown_value_and_the_next_row_has_the_focus() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    let ids = listed(&browser).await;
    browser.press("j").await;
    browser.press("a").await;
    browser.see(DIALOG).await;
    assert_eq!(open(&served).await.len(), 3);
    browser.press(ENTER).await;
    browser.see_none(DIALOG).await;
    browser.see_text("[data-testid=notice]", "Accepted").await;
    assert!(!open(&served).await.contains(&ids[0]));
    browser
        .until(&format!(
            "document.activeElement.closest('[data-drift-id]')?.dataset.driftId === '{}'",
            ids[1]
        ))
        .await;
    browser.see_text(TOTAL, "2 open").await;
    browser.click("[data-testid=notice-action]").await;
    browser.see_text("[data-testid=detail-status]", "accepted").await;
}

#[tokio::test]
async fn a_review_shows_each_drift_before_one_key_accepts_it() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    let ids = listed(&browser).await;
    let drifts = served.drifts().await;
    browser.press("j").await;
    browser.press("A").await;
    for (reviewed, id) in ids.iter().enumerate() {
        let shown = drifts.iter().find(|drift| drift.id.to_string() == *id).unwrap();
        browser.see_text(DIALOG, &shown.field).await;
        browser
            .see_text("[data-testid=review-progress]", &format!("{reviewed} drift"))
            .await;
        // A drift that replaced another one cannot be accepted before it was visible for a moment.
        browser.see(&format!("{CONFIRM}:enabled")).await;
        let left = open(&served).await;
        assert_eq!(left.len(), 3 - reviewed);
        assert!(left.contains(id));
        browser.press(ENTER).await;
    }
    browser.see_none(DIALOG).await;
    browser.see("[data-testid=empty]").await;
    assert_eq!(open(&served).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_review_skips_a_drift_without_accepting_it() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    let ids = listed(&browser).await;
    browser.press("j").await;
    browser.press("A").await;
    browser.see(DIALOG).await;
    browser.click("[data-testid=skip]").await;
    browser.see_text("[data-testid=review-progress]", "1 drift").await;
    browser.press(ESCAPE).await;
    browser.see_none(DIALOG).await;
    browser
        .until(&format!(
            "document.activeElement.closest('[data-drift-id]')?.dataset.driftId === '{}'",
            ids[1]
        ))
        .await;
    assert_eq!(open(&served).await.len(), 3);
}

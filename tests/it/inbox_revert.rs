//! The dialog that shows how a drift is reverted.

use crate::support::ADMIN;
use crate::support::browser::ESCAPE;
use crate::support::page::{ALL_SCREENS, ROW, look_at, row, signed_in, signed_in_as, three_differences};

const PLAN: &str = "[data-testid=plan-dialog]";

#[tokio::test]
async fn one_key_shows_how_a_drift_is_reverted_and_another_notes_the_intent() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    let size = row(&served, "web-1", "size_slug").await;
    browser.click(&format!("{size} .row-link")).await;
    browser.see("[data-testid=plan]").await;
    browser.press("p").await;
    browser.see_text(PLAN, "How to revert").await;
    browser.see_text(PLAN, "The resource is powered off").await;
    let calls = browser.texts("[data-testid=plan-call]").await;
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert!(
        calls[1].contains("POST /v2/droplets/web-1/actions"),
        "{}",
        calls[1]
    );
    browser
        .see_text(
            "[data-testid=plan-command]",
            "doctl compute droplet-action shutdown web-1 --wait",
        )
        .await;
    browser.click("[data-testid=copy-plan-command]").await;
    look_at(&browser, "revert-plan", &ALL_SCREENS).await;
    browser.resize(1280, 900).await;
    browser.click("[data-testid=mark-reverting]").await;
    browser.see_text("[data-testid=plan-marked]", ADMIN).await;
    let drift = served.open_drift("web-1", "size_slug").await;
    assert_eq!(drift.reverting_by.as_deref(), Some(ADMIN));
    browser.press(ESCAPE).await;
    browser.see_none(&format!("{PLAN}[open]")).await;
    // What cannot be put back says why.
    browser.press(ESCAPE).await;
    browser.see(ROW).await;
    let volume = row(&served, "data-1", "size_gigabytes").await;
    browser.click(&format!("{volume} .row-link")).await;
    browser.see("[data-testid=plan]").await;
    browser.press("p").await;
    browser.see_text(PLAN, "A volume cannot become smaller").await;
    browser.see_none("[data-testid=plan-call]").await;
    browser.shoot("revert-plan-cannot").await;
}

#[tokio::test]
async fn a_mark_is_withdrawn_and_a_viewer_only_reads() {
    let served = three_differences().await;
    let drift = served.open_drift("web-1", "tags").await;
    drift_inbox::services::reverting::note_revert(served.db(), ("grace", None), drift.id, true, served.now())
        .await
        .unwrap();
    let browser = signed_in_as(&served, &["platform_viewer"]).await;
    browser.go(&format!("/?drift={}", drift.id)).await;
    browser.click("[data-testid=plan]").await;
    browser.see_text("[data-testid=plan-marked]", "grace").await;
    browser.see_none("[data-testid=mark-reverting]").await;
    browser.see_none("[data-testid=unmark-reverting]").await;
    let browser = signed_in(&served).await;
    browser.go(&format!("/?drift={}", drift.id)).await;
    browser.click("[data-testid=plan]").await;
    browser.click("[data-testid=unmark-reverting]").await;
    browser.see("[data-testid=mark-reverting]").await;
    assert_eq!(served.open_drift("web-1", "tags").await.reverting_by, None);
}

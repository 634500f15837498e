//! The inbox page in a browser: signing in, filters, jobs, the keyboard and links.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::browser::{Browser, ENTER, ESCAPE};
use crate::support::cloud::droplet;
use crate::support::page::{CONFIRM, DIALOG, ROW, TOTAL, filter_by, signed_in, three_differences};
use crate::support::process::Program;
use crate::support::served::Served;
use crate::support::{ADMIN, TestApp};

#[tokio::test]
async fn the_token_of_a_sign_in_stays_in_the_tab() {
    let served = three_differences().await;
    let browser = Browser::open(&served.address).await;
    browser.go("/").await;
    browser.see("[data-testid=sign-in-form]").await;
    browser.fill("[data-testid=token-input]", "no token at all").await;
    browser.click("[data-testid=sign-in]").await;
    browser
        .see_text("[data-testid=sign-in-error]", "does not accept this token")
        .await;
    let refused = browser.complaints().await;
    assert!(refused.iter().all(|line| line.contains("401")), "{refused:?}");

    let stranger = served.token(Some("eve@example.com"), &[]);
    browser.fill("[data-testid=token-input]", &stranger).await;
    browser.click("[data-testid=sign-in]").await;
    browser
        .see_text("[data-testid=sign-in-error]", "platform_viewer")
        .await;

    let token = served.token(Some(ADMIN), &["platform_admin"]);
    browser
        .fill("[data-testid=token-input]", &format!("Bearer {token}"))
        .await;
    browser.press(ENTER).await;
    browser.see_text("[data-testid=who]", ADMIN).await;
    browser.see_text(TOTAL, "3").await;
    assert_eq!(browser.path().await, "/");
    let kept = browser
        .run("return [document.cookie, JSON.stringify(localStorage), location.href, document.documentElement.outerHTML]")
        .await;
    assert!(!kept.to_string().contains(&token), "{kept}");

    // The tab keeps the token after a reload, and forgets it after signing out.
    browser.go("/").await;
    browser.see_text(TOTAL, "3").await;
    browser.click("[data-testid=sign-out]").await;
    browser.see("[data-testid=sign-in-form]").await;
    assert_eq!(browser.count(ROW).await, 0);
    browser.go("/").await;
    browser.see("[data-testid=sign-in-form]").await;
    assert_eq!(browser.foreign_requests().await, Default::default());
}

#[tokio::test]
async fn drifts_of_the_demo_can_be_viewed_and_accepted() {
    let program = Program::new().with("DRIFT_LISTEN", "127.0.0.1:0");
    let folder = program.folder().display().to_string();
    let program = program.with("TMPDIR", folder);
    let mut demo = program.start(&["demo"]);
    let address = demo.address();
    let token = demo.wait_for_line(&format!("  http://{address}/#token="));
    let browser = Browser::open(&address).await;
    browser.go(&format!("/#token={}", token.trim())).await;
    browser.see_text("[data-testid=who]", "you@example.com").await;
    assert_eq!(browser.path().await, "/", "the token is removed from the URL");
    browser.see_text(TOTAL, "open").await;
    let all = browser.count(ROW).await;
    assert_eq!(browser.texts(TOTAL).await, [format!("{all} open")]);
    browser.shoot("inbox").await;

    filter_by(&browser, "kind", "firewall").await;
    browser.until("location.search.includes('kind=firewall')").await;
    browser
        .until(&format!("document.querySelectorAll('{ROW}').length < {all}"))
        .await;
    browser.see_text(ROW, "0.0.0.0/0").await;
    browser.shoot("inbox-firewalls").await;

    browser.press("j").await;
    browser.press(ENTER).await;
    browser.see_text("[data-testid=detail]", "bastion").await;
    browser.see_text("[data-testid=events]", "detected").await;
    browser.shoot("detail").await;
    let link = browser.path().await;
    assert!(link.contains("drift=") && !link.contains("token"), "{link}");

    browser.press("a").await;
    browser.see_text(DIALOG, "0.0.0.0/0").await;
    browser
        .fill("[data-testid=note]", "the office moved; ticket 4711")
        .await;
    browser.shoot("accept").await;
    browser.click(CONFIRM).await;
    browser.see_none(DIALOG).await;
    browser.see_text("[data-testid=detail-status]", "ccepted").await;
    browser
        .see_text("[data-testid=resolution]", "the office moved; ticket 4711")
        .await;
    browser.go("/?view=history").await;
    browser.see_text(ROW, "you@example.com").await;
    browser.shoot("history").await;
    browser.go(&link).await;
    browser.see_text("[data-testid=detail]", "ticket 4711").await;
    assert_eq!(browser.foreign_requests().await, Default::default());
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_url_contains_the_filters_and_the_back_button_restores_them() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    filter_by(&browser, "region", "fra1").await;
    browser.see_text(TOTAL, "1 open").await;
    browser.run("history.back()").await;
    browser.see_text(TOTAL, "3 open").await;
    browser.go("/?region=fra1").await;
    browser.see_text(TOTAL, "1 open").await;
    browser.click("[data-testid=clear-filters]").await;
    browser.see_text(TOTAL, "3 open").await;
    browser.go("/").await;
    browser.see(ROW).await;
    browser.press("/").await;
    browser.press("WEB-1").await;
    browser.see_text(TOTAL, "2 open").await;
    assert!(browser.path().await.contains("q=WEB-1"));
    browser.fill("[data-testid=search]", "region:fra1 data").await;
    browser.see_text("[data-testid=chip]", "fra1").await;
    browser.see_text(TOTAL, "1 open").await;
    assert_eq!(browser.path().await, "/?region=fra1&q=data");
    browser.click("[data-testid=remove-region]").await;
    browser.until("location.search === '?q=data'").await;
    browser.fill("[data-testid=search]", "nothing is called so").await;
    browser.see("[data-testid=empty]").await;
    browser.shoot("inbox-nothing-found").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_expired_session_shows_a_message_and_keeps_the_view() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    let link = format!("/?drift={}", served.open_drift("web-1", "tags").await.id);
    browser.go(&link).await;
    browser.see_text("[data-testid=detail]", "web-1").await;
    served.later(TimeDelta::hours(2));
    browser
        .see_text("[data-testid=sign-in-reason]", "session has ended")
        .await;
    assert_eq!(browser.count(ROW).await, 0, "the rows are removed");
    browser.shoot("session-ended").await;
    let token = served.token(Some(ADMIN), &["platform_admin"]);
    browser.fill("[data-testid=token-input]", &token).await;
    browser.press(ENTER).await;
    browser.see_text("[data-testid=detail]", "web-1").await;
    assert_eq!(browser.path().await, link);
}

#[tokio::test]
async fn jobs_show_their_results_and_are_started_by_a_button() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.press("g").await;
    browser.press("r").await;
    browser.see("[data-testid=run-hour]").await;
    let before = browser.count("[data-testid=run]").await;
    served.later(TimeDelta::seconds(1));
    browser.click("[data-testid=sync-now]").await;
    browser
        .until(&format!(
            "document.querySelectorAll('[data-testid=run]').length === {}",
            before + 1
        ))
        .await;
    browser.click("[data-testid=detect-now]").await;
    browser
        .until(&format!(
            "document.querySelectorAll('[data-testid=run]').length === {}",
            before + 2
        ))
        .await;
    browser.see("[data-testid=schedule]").await;
    browser.shoot("runs").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_page_can_be_used_with_the_keyboard_alone() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see(ROW).await;
    let focused = "document.activeElement.closest('[data-drift-id]')";
    browser.press("j").await;
    let first = browser.run(&format!("return {focused}.dataset.driftId")).await;
    browser.press("j").await;
    let second = browser.run(&format!("return {focused}.dataset.driftId")).await;
    assert_ne!(first, second);
    browser.press("k").await;
    assert_eq!(
        browser.run(&format!("return {focused}.dataset.driftId")).await,
        first
    );
    browser.press("?").await;
    browser.see("[data-testid=help-dialog]").await;
    browser.press(ESCAPE).await;
    browser.see_none("[data-testid=help-dialog]").await;
    browser.press("o").await;
    browser.see("[data-testid=detail]").await;
    browser.press("a").await;
    browser.see(DIALOG).await;
    browser.press("jk/?").await;
    let note = browser
        .run("return document.querySelector('[data-testid=note]').value")
        .await;
    assert_eq!(note, json!("jk/?"), "keys are typed into the note");
    browser.press(ESCAPE).await;
    browser.see_none(DIALOG).await;
    browser.press(ESCAPE).await;
    browser.see_none("[data-testid=detail]").await;
    assert_eq!(
        browser.run(&format!("return {focused}?.dataset.driftId")).await,
        first
    );
}

#[tokio::test]
async fn names_from_the_cloud_are_never_interpreted_as_markup() {
    let t = TestApp::new().await;
    let name = "<img src=x onerror=\"window.hit=1\"><script>window.hit=1</script>";
    t.cloud_has([droplet(name).attr("note", "</li><b>bold</b>")])
        .await;
    t.record_spec(
        name,
        json!({ "note": "<i>\u{202e}gnp.exe</i>", "<svg onload=window.hit=1>": 1 }),
    )
    .await;
    t.sweep().await;
    let served = Served::start(t).await;
    let browser = signed_in(&served).await;
    browser.see_text(ROW, "</li><b>bold</b>").await;
    browser.press("j").await;
    browser.press(ENTER).await;
    browser.see_text("[data-testid=detail]", name).await;
    browser.press("a").await;
    browser.see(DIALOG).await;
    assert_eq!(browser.run("return window.hit ?? null").await, Value::Null);
    assert_eq!(
        browser
            .count("main img, main b, main script, main svg[onload]")
            .await,
        0
    );
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_run_is_reported_as_started_even_if_it_cannot_be_followed() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.go("/?view=runs").await;
    browser.see("[data-testid=run-hour]").await;
    browser
        .run(
            "const ask = window.fetch;
              window.fetch = async (address, options) => {
                if (options.body.includes('query Run(')) throw new TypeError('cut off');
                const answer = await ask(address, options);
                if (!options.body.includes('mutation Sync')) return answer;
                const text = await answer.text();
                return new Response(text.replace('\"SUCCEEDED\"', 'null'), answer);
              };",
        )
        .await;
    browser.click("[data-testid=sync-now]").await;
    browser
        .see_text("[data-testid=run-message]", "cannot be reached")
        .await;
    let message = browser.texts("[data-testid=run-message]").await.concat();
    assert!(message.contains("continues"), "{message}");
    assert!(!message.contains("did not start"), "{message}");
}

#[tokio::test]
async fn a_link_with_a_rejected_token_shows_why_it_is_rejected() {
    let served = three_differences().await;
    let reason = "[data-testid=sign-in-reason]";
    let good = served.token(Some(ADMIN), &["platform_admin"]);
    served.later(TimeDelta::hours(-3));
    let expired = served.token(Some(ADMIN), &["platform_admin"]);
    served.later(TimeDelta::hours(3));
    let cut_off = &good[..good.len() - 10];
    for (token, why) in [
        (expired.as_str(), "has expired"),
        (cut_off, "is not valid"),
        ("rubbish", "is not valid"),
    ] {
        let browser = Browser::open(&served.address).await;
        browser.go(&format!("/#token={token}")).await;
        browser
            .see_text(reason, &format!("The token in this link {why}"))
            .await;
        // The token is removed: after a reload the page shows the sign-in form without a reason.
        browser.go("/").await;
        browser.see("[data-testid=sign-in-form]").await;
        browser.see_none(reason).await;
    }
}

#[tokio::test]
async fn an_unknown_parameter_in_the_url_is_reported() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    let notice = "[data-testid=unread-parameters]";
    browser.see_text(TOTAL, "3 open").await;
    browser.see_none(&format!("{notice}:not([hidden])")).await;
    browser.go("/?regoin=fra1").await;
    browser
        .see_text(notice, "do not filter the list: \u{201c}regoin\u{201d}")
        .await;
    browser.shoot("unread-parameters").await;
    // After a view is selected, the URL contains only parameters that the page uses.
    browser.click("a[data-view=history]").await;
    browser.see_none(&format!("{notice}:not([hidden])")).await;
}

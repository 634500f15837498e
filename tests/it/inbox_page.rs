//! The inbox page in a browser: a real server, a real database, and somebody who looks and clicks.

use chrono::TimeDelta;
use entity::cloud_drift::DriftStatus;
use serde_json::{Value, json};

use crate::support::browser::{Browser, ENTER, ESCAPE};
use crate::support::cloud::{Listed, droplet};
use crate::support::process::Program;
use crate::support::served::Served;
use crate::support::{ADMIN, TestApp};

pub(crate) const ROW: &str = "[data-testid=row]";
pub(crate) const DIALOG: &str = "[data-testid=accept-dialog]";
const CONFIRM: &str = "[data-testid=confirm-accept]";
const REFUSAL: &str = "[data-testid=refusal]";
pub(crate) const TOTAL: &str = "[data-testid=total]";

/// Two droplets and a volume. web-1 differs in size and in tags, data-1 in its size; web-2 is as wanted.
pub(crate) async fn three_differences() -> Served {
    let t = TestApp::new().await;
    t.later(drift_inbox::clock::Clock::System.now() - t.now());
    let data_1 = Listed::new("volume", "data-1")
        .region("fra1")
        .attr("size_gigabytes", 100);
    t.cloud_has([droplet("web-1"), droplet("web-2"), data_1]).await;
    let asked_for = [
        (
            "web-1",
            json!({ "size_slug": "s-96vcpu-768gb", "tags": ["prod", "web"] }),
        ),
        ("web-2", json!({ "region": "nyc3" })),
        ("data-1", json!({ "size_gigabytes": 50 })),
    ];
    for (name, spec) in asked_for {
        t.asked_for(name, spec).await;
    }
    t.sweep().await;
    Served::start(t).await
}

/// The inbox, signed in with these roles by a link.
async fn signed_in_as(served: &Served, roles: &[&str]) -> Browser {
    let browser = Browser::open(&served.address).await;
    let token = served.token(Some(ADMIN), roles);
    browser.go(&format!("/#token={token}")).await;
    browser.see("[data-testid=list]").await;
    browser
}

pub(crate) async fn signed_in(served: &Served) -> Browser {
    let browser = signed_in_as(served, &["platform_admin"]).await;
    browser.see("[data-testid=connection][data-state=live]").await;
    browser
}

/// The row of this drift.
async fn row(served: &Served, name: &str, field: &str) -> String {
    format!("[data-drift-id='{}']", served.open_drift(name, field).await.id)
}

/// Opens the dialog that accepts a drift.
pub(crate) async fn about_to_accept(served: &Served, browser: &Browser, name: &str, field: &str) {
    let row = row(served, name, field).await;
    browser.click(&format!("{row} [data-testid=row-accept]")).await;
    browser.see(DIALOG).await;
}

#[tokio::test]
async fn somebody_signs_in_with_a_token_that_stays_in_the_tab() {
    let served = three_differences().await;
    let browser = Browser::open(&served.address).await;
    browser.go("/").await;
    browser.see("[data-testid=sign-in-form]").await;
    browser.fill("[data-testid=token-input]", "no token at all").await;
    browser.click("[data-testid=sign-in]").await;
    browser
        .see_text("[data-testid=sign-in-error]", "does not take this token")
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

    // The same tab knows it after a reload, another one does not, and nobody does after signing out.
    browser.go("/").await;
    browser.see_text(TOTAL, "3").await;
    browser.click("[data-testid=sign-out]").await;
    browser.see("[data-testid=sign-in-form]").await;
    assert_eq!(browser.count(ROW).await, 0);
    browser.go("/").await;
    browser.see("[data-testid=sign-in-form]").await;
    assert_eq!(browser.strangers().await, Default::default());
}

#[tokio::test]
async fn the_demo_can_be_looked_through_and_decided_upon() {
    let program = Program::new().with("DRIFT_LISTEN", "127.0.0.1:0");
    let folder = program.folder().display().to_string();
    let program = program.with("TMPDIR", folder);
    let mut demo = program.start(&["demo"]);
    let address = demo.address();
    let token = demo.says(&format!("  http://{address}/#token="));
    let browser = Browser::open(&address).await;
    browser.go(&format!("/#token={}", token.trim())).await;
    browser.see_text("[data-testid=who]", "you@example.com").await;
    assert_eq!(browser.path().await, "/", "the token has left the address");
    browser.see_text(TOTAL, "open").await;
    let all = browser.count(ROW).await;
    assert_eq!(browser.texts(TOTAL).await, [format!("{all} open")]);
    browser.shoot("inbox").await;

    browser.choose("[data-testid=filter-kind]", "firewall").await;
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
    assert_eq!(browser.strangers().await, Default::default());
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn filters_are_in_the_address_and_so_is_the_way_back() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    browser.choose("[data-testid=filter-region]", "fra1").await;
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
    browser.fill("[data-testid=search]", "nothing is called so").await;
    browser.see("[data-testid=empty]").await;
    browser.shoot("inbox-nothing-found").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_accepted_is_what_the_dialog_shows() {
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
async fn who_is_too_late_learns_who_was_faster() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    about_to_accept(&served, &browser, "data-1", "size_gigabytes").await;
    let drift = served.open_drift("data-1", "size_gigabytes").await;
    served.accept(&drift).await.unwrap();
    browser.see_text(REFUSAL, "Somebody was faster").await;
    browser.see_text(REFUSAL, ADMIN).await;
    browser.see_none(CONFIRM).await;
    browser.shoot("accept-too-late").await;
    browser.click("[data-testid=cancel-accept]").await;
    browser.see_text(TOTAL, "2 open").await;
}

#[tokio::test]
async fn the_loser_of_a_race_is_told_by_the_server_too() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    about_to_accept(&served, &browser, "data-1", "size_gigabytes").await;
    // What comes by itself is not read any more: the page learns of it from the refusal alone.
    browser.run("TextDecoder.prototype.decode = () => ''").await;
    let drift = served.open_drift("data-1", "size_gigabytes").await;
    served.accept(&drift).await.unwrap();
    browser.click(CONFIRM).await;
    browser.see_text(REFUSAL, "Somebody was faster").await;
    browser.see_none(CONFIRM).await;
}

#[tokio::test]
async fn nobody_accepts_a_value_that_he_has_not_seen() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    about_to_accept(&served, &browser, "data-1", "size_gigabytes").await;
    browser.see_text("[data-testid=accept-value]", "100").await;
    // Somebody resizes it once more, and the inventory has it before any sweep compares.
    let grown = Listed::new("volume", "data-1")
        .region("fra1")
        .attr("size_gigabytes", 250);
    served
        .cloud_has([droplet("web-1"), droplet("web-2"), grown.clone()])
        .await;
    browser.click(CONFIRM).await;
    browser.see_text(REFUSAL, "look again").await;
    browser.see_text("[data-testid=accept-value]", "250").await;
    browser.shoot("accept-value-moved").await;
    let confirm = browser
        .run(&format!("return document.querySelector('{CONFIRM}').disabled"))
        .await;
    assert_eq!(confirm, json!(true), "not before the new value was looked at");
    assert_eq!(served.spec("data-1").await.spec["size_gigabytes"], 50);

    browser.click("[data-testid=accept-review]").await;
    browser.click(CONFIRM).await;
    browser.see_none(DIALOG).await;
    assert_eq!(served.spec("data-1").await.spec["size_gigabytes"], 250);

    // While the dialog is open, a sweep finds another value: the same.
    about_to_accept(&served, &browser, "web-1", "size_slug").await;
    served
        .cloud_has([droplet("web-1").size("s-8vcpu-16gb"), droplet("web-2"), grown])
        .await;
    served.sweep().await;
    browser.see_text(REFUSAL, "changed while you were looking").await;
    browser
        .see_text("[data-testid=accept-value]", "s-8vcpu-16gb")
        .await;
    browser.see(&format!("{CONFIRM}:disabled")).await;
}

#[tokio::test]
async fn drift_appears_changes_and_leaves_as_it_happens() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    browser.run("window.notReloaded = true").await;
    let other_server = served.another_server().await;

    let moved = [
        droplet("web-1"),
        droplet("web-2").region("ams3"),
        Listed::new("volume", "data-1")
            .region("fra1")
            .attr("size_gigabytes", 100),
    ];
    served.cloud_has(moved.clone()).await;
    let run = other_server
        .run(drift_inbox::app::JobRequest::detect_all())
        .await
        .unwrap();
    assert_eq!(run.error, None);
    browser
        .see_text(&row(&served, "web-2", "region").await, "ams3")
        .await;
    browser.see_text(TOTAL, "4 open").await;
    browser.shoot("inbox-live").await;

    let [web_1, web_2, data_1] = moved;
    served
        .cloud_has([web_1.clone(), web_2.region("lon1"), data_1.clone()])
        .await;
    let before = row(&served, "web-2", "region").await;
    served.sweep().await;
    browser.see_text(&before, "lon1").await;

    served.cloud_has([web_1, droplet("web-2"), data_1]).await;
    served.sweep().await;
    browser.see_none(&before).await;
    browser.see_text(TOTAL, "3 open").await;
    assert_eq!(browser.run("return window.notReloaded").await, json!(true));
}

#[tokio::test]
async fn what_happened_while_the_connection_was_down_is_caught_up_with() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.offline(true).await;
    browser
        .see("[data-testid=connection]:not([data-state=live])")
        .await;
    let size = row(&served, "data-1", "size_gigabytes").await;
    let drift = served.open_drift("data-1", "size_gigabytes").await;
    served.accept(&drift).await.unwrap();
    served.asked_for("web-2", json!({ "region": "tor1" })).await;
    served.sweep().await;
    browser.offline(false).await;
    browser.see("[data-testid=connection][data-state=live]").await;
    browser
        .see_text(&row(&served, "web-2", "region").await, "tor1")
        .await;
    browser.see_none(&size).await;
    browser.see_text(TOTAL, "3 open").await;
}

#[tokio::test]
async fn who_may_only_look_is_shown_no_button() {
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

#[tokio::test]
async fn a_session_that_has_ended_says_so_and_keeps_the_place() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    let link = format!("/?drift={}", served.open_drift("web-1", "tags").await.id);
    browser.go(&link).await;
    browser.see_text("[data-testid=detail]", "web-1").await;
    served.later(TimeDelta::hours(2));
    browser
        .see_text("[data-testid=sign-in-reason]", "session has ended")
        .await;
    assert_eq!(browser.count(ROW).await, 0, "nothing is left for who comes next");
    browser.shoot("session-ended").await;
    let token = served.token(Some(ADMIN), &["platform_admin"]);
    browser.fill("[data-testid=token-input]", &token).await;
    browser.press(ENTER).await;
    browser.see_text("[data-testid=detail]", "web-1").await;
    assert_eq!(browser.path().await, link);
}

#[tokio::test]
async fn jobs_are_shown_with_what_they_did_and_started_by_a_button() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.press("g").await;
    browser.press("r").await;
    browser.see("[data-testid=run]").await;
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
async fn the_keyboard_is_enough() {
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
    assert_eq!(note, json!("jk/?"), "letters that are typed are letters");
    browser.press(ESCAPE).await;
    browser.see_none(DIALOG).await;
    browser.press(ESCAPE).await;
    browser.see_none("[data-testid=detail]").await;
    assert_eq!(
        browser.run(&format!("return {focused}?.dataset.driftId")).await,
        first
    );
}

/// A quota beyond what JavaScript's numbers hold, and one that differs in the last digit.
#[tokio::test]
async fn numbers_are_shown_with_all_their_digits() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").attr("quota", 9_007_199_254_740_993_u64)])
        .await;
    t.asked_for("web-1", json!({ "quota": 9_007_199_254_740_992_u64 }))
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

/// Names that would be markup elsewhere are text here.
#[tokio::test]
async fn what_the_cloud_says_is_never_taken_for_markup() {
    let t = TestApp::new().await;
    let name = "<img src=x onerror=\"window.hit=1\"><script>window.hit=1</script>";
    t.cloud_has([droplet(name).attr("note", "</li><b>bold</b>")])
        .await;
    t.asked_for(
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
async fn a_key_that_is_held_decides_nothing() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see(ROW).await;
    browser.press("j").await;
    browser.hold("a", 65, "a").await;
    browser.see(DIALOG).await;
    let note = browser
        .run("return document.querySelector('[data-testid=note]').value")
        .await;
    assert_eq!(note, json!(""), "what opened the dialog is not written into it");
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
    browser.see_text(REFUSAL, "changed while you were looking").await;
    browser
        .run("document.querySelector('[data-testid=accept-review]').focus()")
        .await;
    browser.hold("Enter", 13, "\r").await;
    browser.see(&format!("{CONFIRM}:enabled")).await;
    assert_eq!(served.spec("data-1").await.spec["size_gigabytes"], 50);
}

#[tokio::test]
async fn a_late_answer_is_about_the_drift_that_it_was_asked_for() {
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
    // The row is told of it, and the dialog is not.
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
async fn drift_of_a_clock_that_is_behind_appears_too() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    served.later(TimeDelta::seconds(-30));
    served.asked_for("web-2", json!({ "region": "tor1" })).await;
    served.sweep().await;
    let late = row(&served, "web-2", "region").await;
    browser.see_text(&late, "tor1").await;
    // At its place by its time, below what is newer.
    let last = format!("[...document.querySelectorAll('{ROW}')].at(-1).matches(\"{late}\")");
    assert_eq!(browser.run(&format!("return {last}")).await, json!(true));
}

#[tokio::test]
async fn drift_that_is_heard_of_before_the_first_page_comes_is_not_lost() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    browser.hold_back("query Page").await;
    browser.choose("[data-testid=filter-kind]", "droplet").await;
    browser.until("window.letGo").await;
    browser
        .run(
            "window.heard = 0; const decode = TextDecoder.prototype.decode;
              TextDecoder.prototype.decode = function (...of) {
                const text = decode.apply(this, of);
                if (text.includes('tor1')) setTimeout(() => { window.heard = 1; }, 300);
                return text;
              };",
        )
        .await;
    served.asked_for("web-2", json!({ "region": "tor1" })).await;
    served.sweep().await;
    browser.until("window.heard").await;
    browser.run("window.letGo()").await;
    browser
        .see_text(&row(&served, "web-2", "region").await, "tor1")
        .await;
}

#[tokio::test]
async fn a_run_that_cannot_be_watched_has_begun_all_the_same() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.go("/?view=runs").await;
    browser.see("[data-testid=run]").await;
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
    assert!(message.contains("goes on"), "{message}");
    assert!(!message.contains("did not start"), "{message}");
}

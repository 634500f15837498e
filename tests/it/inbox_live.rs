//! Live updates of the inbox page: the page is not reloaded, and no change is missed.

use chrono::TimeDelta;
use serde_json::json;

use crate::support::cloud::{Listed, droplet};
use crate::support::page::{ROW, TOTAL, filter_by, row, signed_in, three_differences};

#[tokio::test]
async fn drifts_appear_change_and_disappear_without_a_reload() {
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
        .jobs()
        .run(drift_inbox::jobs::JobRequest::detect_all())
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
async fn changes_during_a_lost_connection_are_shown_after_reconnecting() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.offline(true).await;
    browser
        .see("[data-testid=connection]:not([data-state=live])")
        .await;
    let size = row(&served, "data-1", "size_gigabytes").await;
    let drift = served.open_drift("data-1", "size_gigabytes").await;
    served.accept(&drift).await.unwrap();
    served.record_spec("web-2", json!({ "region": "tor1" })).await;
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
async fn drift_of_a_server_whose_clock_is_behind_appears() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    served.later(TimeDelta::seconds(-30));
    served.record_spec("web-2", json!({ "region": "tor1" })).await;
    served.sweep().await;
    let late = row(&served, "web-2", "region").await;
    browser.see_text(&late, "tor1").await;
    // The list is ordered by time, so the new row is below newer drifts.
    let last = format!("[...document.querySelectorAll('{ROW}')].at(-1).matches(\"{late}\")");
    assert_eq!(browser.run(&format!("return {last}")).await, json!(true));
}

#[tokio::test]
async fn drift_that_is_announced_before_the_first_page_is_not_lost() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    browser.hold_back("query Page").await;
    filter_by(&browser, "kind", "droplet").await;
    browser.until("window.letGo").await;
    browser
        .run(
            "window.received = 0; const decode = TextDecoder.prototype.decode;
              TextDecoder.prototype.decode = function (...of) {
                const text = decode.apply(this, of);
                if (text.includes('tor1')) setTimeout(() => { window.received = 1; }, 300);
                return text;
              };",
        )
        .await;
    served.record_spec("web-2", json!({ "region": "tor1" })).await;
    served.sweep().await;
    browser.until("window.received").await;
    browser.run("window.letGo()").await;
    browser
        .see_text(&row(&served, "web-2", "region").await, "tor1")
        .await;
}

#[tokio::test]
async fn what_another_user_snoozes_or_takes_is_shown_at_once() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    let size = row(&served, "web-1", "size_slug").await;
    let of = json!({ "id": served.open_drift("web-1", "size_slug").await.id });
    let assign = "mutation($id: ID!) { assignDrift(input: { driftId: $id, assignee: \"grace@example.com\" }) { drift { id } } }";
    served.data(assign, of.clone()).await;
    browser
        .see_text(&format!("{size} [data-testid=row-assignee]"), "grace")
        .await;
    let snooze =
        "mutation($id: ID!) { snoozeDrift(input: { driftId: $id, untilChange: true }) { drift { id } } }";
    served.data(snooze, of).await;
    browser.see(&format!("{size} [data-testid=row-snoozed]")).await;
    // The inbox has no snoozed drifts.
    browser.see_text(TOTAL, "2 open").await;
    browser.see_none(&size).await;
}

#[tokio::test]
async fn a_run_appears_without_polling() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    let log = "window.asked = []; const send = window.fetch; \
        window.fetch = (url, init) => { window.asked.push(JSON.parse(init.body).query.match(/\\w+ (\\w+)/)[1]); return send(url, init); }";
    browser.run(log).await;
    browser.press("gr").await;
    browser.see("[data-testid=run-hour]").await;
    // The runs are loaded when the view is shown, and when the subscription is open.
    let loads = "window.asked.filter((name) => name === 'Runs').length";
    browser
        .until(&format!("window.asked.includes('RunChanged') && {loads} === 2"))
        .await;
    let runs = browser.count("[data-testid=run]").await;
    served.sweep().await;
    browser
        .until(&format!(
            "document.querySelectorAll('[data-testid=run]').length === {}",
            runs + 1
        ))
        .await;
    assert_eq!(browser.run(&format!("return {loads}")).await, json!(2));
}

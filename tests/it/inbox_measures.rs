//! The view of measures.

use chrono::TimeDelta;
use serde_json::json;

use crate::support::TestApp;
use crate::support::cloud::droplet;
use crate::support::page::{ALL_SCREENS, look_at, signed_in, signed_in_as};
use crate::support::served::Served;

const FIGURES: &str = "[data-testid=measure-figures]";

/// Starts a server on which two drifts were opened three days ago, one of which was accepted after six hours.
async fn measured() -> Served {
    let t = TestApp::new().await;
    t.later(drift_inbox::clock::Clock::System.now() - TimeDelta::days(3) - t.now());
    t.cloud_has([droplet("web-1").size("l").region("ams3")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s", "region": "nyc3" }))
        .await;
    t.sweep().await;
    t.later(TimeDelta::hours(6));
    t.accept(&t.open_drift("web-1", "region").await).await.unwrap();
    t.later(TimeDelta::hours(66));
    Served::start(t).await
}

#[tokio::test]
async fn measures_have_charts_and_the_same_numbers_as_tables() {
    let served = measured().await;
    let browser = signed_in(&served).await;
    browser.press("g").await;
    browser.press("m").await;
    browser.see_text(FIGURES, "Opened").await;
    let figures = browser.texts(&format!("{FIGURES} dd")).await;
    assert_eq!(figures, ["2", "1", "1", "6 h", "6 h", "3 days"]);
    let bars = "return [...document.querySelectorAll('[data-testid=measure-chart]')].map((chart) => \
        [...chart.querySelectorAll('rect')].filter((bar) => Number(bar.getAttribute('height')) > 0).length).join()";
    assert_eq!(browser.run(bars).await, json!("1,1"));
    browser.see_text("[data-testid=measure-group]", "droplet").await;
    look_at(&browser, "measures", &ALL_SCREENS).await;
    let choose = "const list = document.querySelector('[data-testid=measure-range]'); list.value = '7'; \
        list.dispatchEvent(new Event('change', { bubbles: true }))";
    browser.run(choose).await;
    browser
        .until("document.querySelectorAll('.measure-days tbody tr').length === 7")
        .await;
    assert_eq!(
        browser.run("return location.search").await,
        json!("?view=measures&range=7")
    );
}

#[tokio::test]
async fn the_drifts_of_the_range_are_downloaded_with_the_token_of_the_page() {
    let served = measured().await;
    let browser = signed_in(&served).await;
    browser.go("/?view=measures").await;
    browser.see("[data-testid=download-csv]").await;
    // The test keeps what the page would save.
    let keep = "const make = URL.createObjectURL; \
        URL.createObjectURL = (blob) => { void blob.text().then((text) => { window.saved = text; }); return make(blob); }; \
        HTMLAnchorElement.prototype.click = function () { window.savedAs = this.download; }";
    browser.run(keep).await;
    browser.click("[data-testid=download-csv]").await;
    browser.until("window.saved !== undefined").await;
    let csv = browser.run("return window.saved").await;
    let lines: Vec<&str> = csv.as_str().unwrap().trim_end().split("\r\n").collect();
    assert!(lines[0].starts_with("id,resource_id,"), "{csv}");
    assert_eq!(lines.len(), 3, "{csv}");
    let name = browser.run("return window.savedAs").await;
    assert!(name.as_str().unwrap().ends_with(".csv"), "{name}");
    browser.see("[data-testid=download-json]:not(:disabled)").await;
    browser.run("window.saved = undefined").await;
    browser.click("[data-testid=download-json]").await;
    browser.until("window.saved !== undefined").await;
    let count = browser.run("return JSON.parse(window.saved).count").await;
    assert_eq!(count, json!(2));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    // The export needs a role that a viewer does not have.
    let viewer = signed_in_as(&served, &["platform_viewer"]).await;
    viewer.go("/?view=measures").await;
    viewer.see(FIGURES).await;
    viewer.see_none("[data-testid=download-csv]").await;
}

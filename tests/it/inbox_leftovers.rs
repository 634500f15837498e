//! The view of leftovers.

use chrono::TimeDelta;
use sea_orm::EntityTrait as _;
use sea_orm::sea_query::Expr;
use serde_json::json;

use crate::support::TestApp;
use crate::support::browser::Browser;
use crate::support::cloud::{Listed, droplet};
use crate::support::page::{ALL_SCREENS, SCREENS, look_at, signed_in};
use crate::support::served::Served;

const ROW: &str = "[data-testid=leftover]";
const SUMMARY: &str = "[data-testid=leftover-summary]";

/// Chooses an option of a list.
async fn choose(browser: &Browser, id: &str, value: &str) {
    let script = format!(
        "const list = document.querySelector('[data-testid={id}]'); list.value = '{value}'; \
         list.dispatchEvent(new Event('change', {{ bubbles: true }}))"
    );
    browser.run(&script).await;
}

/// Starts a server with leftovers of 40 days and one of today.
async fn leftovers() -> Served {
    let t = TestApp::new().await;
    t.later(drift_inbox::clock::Clock::System.now() - TimeDelta::days(40) - t.now());
    let volume = |name: &str| {
        Listed::new("volume", name)
            .region("fra1")
            .attr("size_gigabytes", 500)
    };
    let old = vec![
        droplet("web-1"),
        volume("media-import-2024"),
        Listed::new("reserved_ip", "203.0.113.7").region("nyc3"),
        Listed::new("snapshot", "before-upgrade")
            .attr("resource_type", "droplet")
            .attr("resource_id", "7")
            .attr("size_gigabytes", 12.5),
        Listed::new("vpc", "experiment").region("ams3"),
    ];
    t.cloud_has(old.clone()).await;
    t.later(TimeDelta::days(40));
    t.cloud_has([old, vec![volume("new")]].concat()).await;
    Served::start(t).await
}

#[tokio::test]
async fn leftovers_are_listed_with_their_reasons_and_prices() {
    let served = leftovers().await;
    let browser = signed_in(&served).await;
    browser.press("g").await;
    browser.press("l").await;
    browser.see(ROW).await;
    let rows = browser.texts(ROW).await;
    assert_eq!(rows.len(), 3, "{rows:?}");
    let all = rows.join("\n");
    for text in [
        "media-import-2024",
        "It is attached to no droplet.",
        "$50.00",
        "203.0.113.7",
        "$5.00",
        "before-upgrade",
        "$0.75",
    ] {
        assert!(all.contains(text), "{text}: {all}");
    }
    browser.see_text(SUMMARY, "3 leftovers").await;
    browser.see_text(SUMMARY, "$55.75").await;
    look_at(&browser, "leftovers", &ALL_SCREENS).await;
    browser.resize(1280, 900).await;
    // The clock of the tests stands still.
    served.later(TimeDelta::minutes(1));
    choose(&browser, "leftover-days", "0").await;
    browser.see_text(SUMMARY, "4 leftovers").await;
    choose(&browser, "leftover-state", "unknown").await;
    browser.see_text(ROW, "experiment").await;
    browser
        .see_text(ROW, "The source does not list load_balancer.")
        .await;
    look_at(&browser, "leftovers-unknown", &SCREENS).await;
    let address = browser.run("return location.search").await;
    assert_eq!(address, json!("?view=leftovers&days=0&state=unknown"));
}

#[tokio::test]
async fn an_account_without_leftovers_says_so() {
    let t = TestApp::new().await;
    t.later(drift_inbox::clock::Clock::System.now() - t.now());
    t.cloud_has([droplet("web-1")]).await;
    let served = Served::start(t).await;
    let browser = signed_in(&served).await;
    browser.go("/?view=leftovers").await;
    browser.see_text("[data-testid=empty]", "nothing").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
}

#[tokio::test]
async fn resources_of_a_provider_without_rules_are_not_said_to_be_checked() {
    let t = TestApp::new().await;
    t.later(drift_inbox::clock::Clock::System.now() - t.now());
    t.cloud_has([droplet("web-1")]).await;
    let change_all = async |provider: &str| {
        let column = entity::cloud_resources::Column::Provider;
        entity::cloud_resources::Entity::update_many()
            .col_expr(column, Expr::value(provider))
            .exec(t.db().reader())
            .await
            .unwrap();
    };
    change_all("aws").await;
    let answer = t.data("{ leftoverSummary { providers } }", json!({})).await;
    assert_eq!(answer["leftoverSummary"]["providers"], json!(["digitalocean"]));
    let served = Served::start(t).await;
    let browser = signed_in(&served).await;
    browser.go("/?view=leftovers").await;
    browser.see_text("[data-testid=empty]", "not checked").await;
    browser
        .see_text("[data-testid=empty]", "rules for DigitalOcean only")
        .await;
    browser.see_text("[data-testid=empty]", "AWS").await;
    look_at(&browser, "leftovers-not-checked", &SCREENS).await;
}

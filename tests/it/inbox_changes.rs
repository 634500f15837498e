//! The view of changes, the window of a drift in its timeline, the mark of flapping fields, and what waits.

use chrono::TimeDelta;
use serde_json::json;

use crate::support::TestApp;
use crate::support::browser::Browser;
use crate::support::cloud::{Listed, droplet};
use crate::support::page::{ALL_SCREENS, SCREENS, look_at, row, signed_in};
use crate::support::served::Served;

const CHANGE: &str = "[data-testid=account-change]";

/// Waits until this number of changes is shown.
async fn see_count(browser: &Browser, count: usize) {
    browser
        .until(&format!(
            "document.querySelectorAll('{CHANGE}').length === {count}"
        ))
        .await;
}

async fn today() -> TestApp {
    let t = TestApp::new().await;
    let ago = drift_inbox::clock::Clock::System.now() - t.now() - TimeDelta::hours(3);
    t.later(ago);
    t
}

#[tokio::test]
async fn what_syncs_saw_change_is_a_view_with_filters() {
    let t = today().await;
    t.cloud_has([
        droplet("web-1"),
        droplet("web-2"),
        Listed::new("domain_record", "www").attr("data", "192.0.2.1"),
    ])
    .await;
    t.later(TimeDelta::minutes(40));
    let record = Listed::new("domain_record", "www").attr("data", "192.0.2.77");
    t.cloud_has([
        droplet("web-1").size("s-8vcpu-16gb").tags(["prod", "web"]),
        record,
        Listed::new("volume", "data-1").region("ams3"),
    ])
    .await;
    t.later(TimeDelta::minutes(60));
    let served = Served::start(t).await;
    let browser = signed_in(&served).await;
    browser.press("g").await;
    browser.press("d").await;
    browser.see(CHANGE).await;
    assert_eq!(browser.count(CHANGE).await, 5);
    let text = browser.texts(CHANGE).await.join("\n");
    for part in ["192.0.2.1", "192.0.2.77", "s-8vcpu-16gb", "appeared", "is gone"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    look_at(&browser, "view-changes", &ALL_SCREENS).await;
    // A condition is part of the address.
    browser.fill("[name=kind]", "droplet").await;
    browser.click(".change-filters button[type=submit]").await;
    see_count(&browser, 3).await;
    let address = browser.run("return location.search").await;
    assert_eq!(address, "?view=changes&kind=droplet");
    browser.run("document.querySelector('[name=type]').value = 'gone'; document.querySelector('[name=type]').dispatchEvent(new Event('change'))").await;
    see_count(&browser, 1).await;
    browser.fill("[name=field]", "nothing").await;
    browser.click(".change-filters button[type=submit]").await;
    browser.see_text("[data-testid=empty]", "No change matches").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_row_shows_the_part_of_a_long_value_that_changed() {
    let t = today().await;
    let rule = |ports: &str, addresses: Vec<String>| json!({ "protocol": "tcp", "ports": ports, "sources": { "addresses": addresses } });
    let offices = |more: &[&str]| {
        let all = (1..30).map(|number| format!("198.51.100.{number}/32"));
        all.chain(more.iter().map(|&one| one.to_owned())).collect()
    };
    let rules = |more: &[&str]| json!([rule("443", offices(&[])), rule("22", offices(more))]);
    let firewall = |more: &[&str]| Listed::new("firewall", "bastion").attr("inbound_rules", rules(more));
    let spec = |count: u32| {
        let long = "x".repeat(90);
        json!({ "domains": [{ "domain": "gifts.example.com", "type": "PRIMARY" }], "name": long,
            "services": [{ "name": "web", "instance_count": count }] })
    };
    let app = |count| Listed::new("app", "gift-cards").attr("spec", spec(count));
    t.cloud_has([firewall(&[]), app(1)]).await;
    t.later(TimeDelta::minutes(40));
    t.cloud_has([firewall(&["0.0.0.0/0"]), app(3)]).await;
    t.later(TimeDelta::minutes(5));
    let served = Served::start(t).await;
    let browser = signed_in(&served).await;
    for width in [1280, 390] {
        browser.resize(width, 900).await;
        browser.go("/?view=changes&type=changed").await;
        see_count(&browser, 2).await;
        let text = browser.texts(CHANGE).await.join("\n");
        assert!(text.contains("0.0.0.0/0"), "{text}");
        assert!(!text.contains("198.51.100"), "only what changed: {text}");
        assert!(text.contains("services[web].instance_count"), "{text}");
        let cut = "[...document.querySelectorAll('.change-what')].some((what) => what.scrollWidth > what.clientWidth + 1)";
        assert_eq!(
            browser.run(&format!("return {cut}")).await,
            json!(false),
            "{width}"
        );
    }
    look_at(&browser, "changes-parts", &ALL_SCREENS[..4]).await;
    // All of it is one click away.
    browser.click("[data-testid=whole-values] summary").await;
    browser
        .until("document.querySelectorAll('.whole-value').length === 2")
        .await;
    look_at(&browser, "changes-whole", &SCREENS).await;
}

#[tokio::test]
async fn the_filter_of_kinds_takes_the_name_that_the_page_shows() {
    let t = today().await;
    t.cloud_has([
        Listed::new("load_balancer", "lb-1").attr("ip", "192.0.2.9"),
        droplet("web-1"),
    ])
    .await;
    t.later(TimeDelta::minutes(40));
    t.cloud_has([
        Listed::new("load_balancer", "lb-1").attr("ip", "192.0.2.10"),
        droplet("web-1").size("s-8vcpu-16gb"),
    ])
    .await;
    let served = Served::start(t).await;
    let browser = signed_in(&served).await;
    for (name, kind) in [("load balancer", "load_balancer"), ("Droplet", "droplet")] {
        browser.go("/?view=changes").await;
        see_count(&browser, 2).await;
        assert_eq!(browser.count("#change-kinds option").await, 2);
        browser.fill("[name=kind]", name).await;
        browser.click(".change-filters button[type=submit]").await;
        see_count(&browser, 1).await;
        let address = browser.run("return location.search").await;
        assert_eq!(address, json!(format!("?view=changes&kind={kind}")));
    }
}

#[tokio::test]
async fn a_drift_shows_when_it_came_into_being_and_that_it_flaps() {
    let t = today().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    for _ in 0..3 {
        t.later(TimeDelta::minutes(10));
        t.cloud_has([droplet("web-1").size("big")]).await;
        t.sweep().await;
        t.later(TimeDelta::minutes(10));
        t.cloud_has([droplet("web-1")]).await;
        t.sweep().await;
    }
    t.later(TimeDelta::minutes(10));
    t.cloud_has([droplet("web-1").size("big")]).await;
    t.sweep().await;
    let served = Served::start(t).await;
    let browser = signed_in(&served).await;
    let drift = row(&served, "web-1", "size_slug").await;
    browser.see(&format!("{drift} [data-testid=flapping]")).await;
    look_at(&browser, "flapping", &SCREENS).await;
    browser.click(&format!("{drift} .row-link")).await;
    browser
        .see_text(
            "[data-testid=window]",
            "The live value changed between the listing",
        )
        .await;
    browser.see("[data-testid=detail-flapping]").await;
    look_at(&browser, "window", &SCREENS).await;
}

#[tokio::test]
async fn the_coverage_says_what_waits() {
    let t = today().await;
    t.cloud_has([droplet("web-1"), droplet("web-2")]).await;
    for name in ["web-1", "web-2"] {
        t.record_spec(name, json!({ "size_slug": "s-1vcpu-1gb" })).await;
    }
    t.sweep().await;
    t.data(
        "mutation { createIgnoreRule(input: { reason: \"settles by itself\",
            definition: { field: \"size_slug\", openAfterSweeps: 3 } }) { closed } }",
        json!({}),
    )
    .await;
    t.cloud_has([droplet("web-1").size("big"), droplet("web-2").size("big")])
        .await;
    t.sweep().await;
    let served = Served::start(t).await;
    let browser = signed_in(&served).await;
    browser.press("g").await;
    browser.press("c").await;
    browser
        .see_text(
            "[data-testid=waiting]",
            "2 differences wait until more detections have seen them",
        )
        .await;
    look_at(&browser, "coverage-waiting", &SCREENS).await;
}

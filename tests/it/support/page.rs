//! The setup of tests of the inbox page.

use serde_json::json;

use super::browser::Browser;
use super::cloud::{Listed, droplet};
use super::served::Served;
use super::{ADMIN, TestApp};

pub(crate) const ROW: &str = "[data-testid=row]";
pub(crate) const DIALOG: &str = "[data-testid=accept-dialog]";
pub(crate) const CONFIRM: &str = "[data-testid=confirm-accept]";
pub(crate) const REFUSAL: &str = "[data-testid=refusal]";
pub(crate) const TOTAL: &str = "[data-testid=total]";

/// Starts a server with three open drifts: the size and the tags of web-1, and the size of the volume data-1. web-2
/// equals its spec.
pub(crate) async fn three_differences() -> Served {
    Served::start(with_three_differences().await).await
}

/// Creates the server of [`three_differences`] without starting it.
pub(crate) async fn with_three_differences() -> TestApp {
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
        t.record_spec(name, spec).await;
    }
    t.sweep().await;
    t
}

/// Opens the inbox page through a sign-in link with these roles.
pub(crate) async fn signed_in_as(served: &Served, roles: &[&str]) -> Browser {
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

/// Returns the selector for the row of a drift.
pub(crate) async fn row(served: &Served, name: &str, field: &str) -> String {
    format!("[data-drift-id='{}']", served.open_drift(name, field).await.id)
}

/// Opens the dialog that accepts a drift.
pub(crate) async fn about_to_accept(served: &Served, browser: &Browser, name: &str, field: &str) {
    let row = row(served, name, field).await;
    browser.click(&format!("{row} [data-testid=row-accept]")).await;
    browser.see(DIALOG).await;
}

/// Filters the list by a value in the filter panel.
pub(crate) async fn filter_by(browser: &Browser, dimension: &str, value: &str) {
    if browser
        .count("[data-testid=filter-toggle][aria-expanded=true]")
        .await
        == 0
    {
        browser.click("[data-testid=filter-toggle]").await;
    }
    browser
        .click(&format!("[data-testid=facet-{dimension}][data-value='{value}']"))
        .await;
}

/// Width in pixels and colour scheme.
type Screen = (u32, &'static str);

/// A phone, a large screen, and a laptop in dark mode: for the states of a view.
pub(crate) const SCREENS: [Screen; 3] = [(360, "light"), (1920, "light"), (1280, "dark")];

/// All widths in both schemes: for each view once.
pub(crate) const ALL_SCREENS: [Screen; 6] = [
    (390, "light"),
    (390, "dark"),
    (1280, "light"),
    (1280, "dark"),
    (1920, "light"),
    (1920, "dark"),
];

/// Checks a view on screens: no accessibility violation, and nothing outside the screen. Stores a screenshot of each.
pub(crate) async fn look_at(browser: &Browser, view: &str, screens: &[Screen]) {
    for (width, scheme) in screens {
        browser.prefer(scheme).await;
        browser.resize(*width, 900).await;
        let found = browser.axe().await;
        assert!(found.is_empty(), "{view} at {width}, {scheme}: {found:#?}");
        let wide = browser.run("return document.documentElement.scrollWidth").await;
        assert!(
            wide.as_u64().unwrap() <= u64::from(*width),
            "{view} is {wide} wide on {width}"
        );
        browser.shoot(&format!("{view}-{width}-{scheme}")).await;
    }
    browser.prefer("light").await;
    browser.resize(1280, 900).await;
}

//! Every view of the inbox page: accessibility, screen sizes, empty lists and 10,000 rows.

use entity::inventory_kinds;
use entity::job_runs::JobOutcome;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait as _, EntityTrait as _, IntoActiveModel as _, Set};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::browser::ESCAPE;
use crate::support::cloud::droplet;
use crate::support::page::{
    DIALOG, ROW, SCREENS, TOTAL, about_to_accept, look_at, signed_in, three_differences,
};
use crate::support::served::Served;
use crate::support::state::droplets;

#[tokio::test]
async fn lists_and_details_are_accessible() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    look_at(&browser, "view-inbox", &SCREENS).await;
    browser.click("[data-testid=filter-toggle]").await;
    browser.click("[data-testid=facet-kind]").await;
    browser.see("[data-testid=chip]").await;
    look_at(&browser, "view-filters", &SCREENS).await;
    browser.click("[data-testid=clear-filters]").await;
    browser.see_text(TOTAL, "3 open").await;
    browser.click("[data-testid=filter-toggle]").await;
    browser.run("document.activeElement.blur()").await;
    browser.press("j").await;
    browser.press("o").await;
    browser.see("[data-testid=events]").await;
    look_at(&browser, "view-detail", &SCREENS).await;
    browser.press(ESCAPE).await;
    about_to_accept(&served, &browser, "web-1", "tags").await;
    look_at(&browser, "view-accept", &SCREENS).await;
    browser.press(ESCAPE).await;
    browser.see_none(DIALOG).await;
    let drift = served.open_drift("web-1", "tags").await;
    served.accept(&drift).await.unwrap();
    browser.go("/?view=history").await;
    browser.see(ROW).await;
    look_at(&browser, "view-history", &SCREENS).await;
}

#[tokio::test]
async fn all_other_views_are_accessible() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.go("/?view=runs").await;
    browser.click("[data-testid=run-hour] summary").await;
    browser.see("[data-testid=run]").await;
    look_at(&browser, "view-runs", &SCREENS).await;
    browser.go("/?view=coverage").await;
    browser.see_text("[data-testid=coverage]", "droplet").await;
    look_at(&browser, "view-coverage", &SCREENS).await;
    browser.press("?").await;
    browser.see("[data-testid=help-dialog]").await;
    look_at(&browser, "view-help", &SCREENS).await;
    browser.press(ESCAPE).await;
    browser.click("[data-testid=sign-out]").await;
    browser.see("[data-testid=sign-in-form]").await;
    look_at(&browser, "view-signed-out", &SCREENS).await;
}

#[tokio::test]
async fn an_empty_inbox_explains_the_next_step() {
    let served = Served::start(TestApp::new().await).await;
    let browser = signed_in(&served).await;
    browser.see_text("[data-testid=empty]", "drift-inbox sync").await;
    look_at(&browser, "view-no-inventory", &SCREENS).await;

    served.cloud_has([droplet("web-1")]).await;
    browser.go("/").await;
    browser.see_text("[data-testid=empty]", "import-terraform").await;
    look_at(&browser, "view-no-specs", &SCREENS).await;

    served.record_spec("web-1", json!({ "region": "nyc3" })).await;
    served.sweep().await;
    browser.go("/").await;
    browser.see_text("[data-testid=empty]", "Nothing differs").await;
    look_at(&browser, "view-nothing-differs", &SCREENS).await;

    // web-2 has not been compared yet.
    served.cloud_has([droplet("web-1"), droplet("web-2")]).await;
    served.record_spec("web-2", json!({ "region": "nyc3" })).await;
    browser.go("/").await;
    browser
        .see_text("[data-testid=empty]", "1 of 2 managed resources")
        .await;
    served.sweep().await;
    browser.go("/").await;
    browser
        .see_text("[data-testid=empty]", "All 2 managed resources match their specs")
        .await;
    // A failed sweep does not show that nothing differs.
    let mut sweep = served.runs().await.pop().unwrap().into_active_model();
    sweep.outcome = Set(Some(JobOutcome::Failed));
    sweep.error = Set(Some("the disk is full".to_owned()));
    sweep.update(served.db().reader()).await.unwrap();
    browser.go("/").await;
    browser.see_text("[data-testid=empty]", "the disk is full").await;
    let text = browser.texts("[data-testid=empty]").await.concat();
    assert!(
        !text.contains("Nothing differs") && !text.contains("match their specs"),
        "{text}"
    );
    look_at(&browser, "view-sweep-failed", &SCREENS).await;
}

#[tokio::test]
async fn an_empty_inbox_warns_if_the_inventory_is_overdue_or_incomplete() {
    let served = Served::start(TestApp::new().await).await;
    served.cloud_has([droplet("web-1")]).await;
    served.record_spec("web-1", json!({ "region": "nyc3" })).await;
    served.sweep().await;
    let browser = signed_in(&served).await;
    browser.see_text("[data-testid=empty]", "Nothing differs").await;

    let doubts = "[data-testid=doubts]";
    let three_hours_ago = served.now() - chrono::TimeDelta::hours(3);
    inventory_kinds::Entity::update_many()
        .col_expr(inventory_kinds::Column::CompletedAt, Expr::value(three_hours_ago))
        .exec(served.db().reader())
        .await
        .unwrap();
    browser.go("/").await;
    browser.see_text(doubts, "was last listed too long ago").await;
    let text = browser.texts("[data-testid=empty]").await.concat();
    assert!(
        !text.contains("Nothing differs") && !text.contains("match their specs"),
        "{text}"
    );
    look_at(&browser, "view-overdue", &SCREENS).await;

    let unread = drift_inbox::provider::KindListing::NotReadable("no scope".to_owned());
    served.cloud.unread([("droplet", unread)]);
    served.sync().await;
    served.sweep().await;
    browser.go("/").await;
    browser.see_text(doubts, "could not be read").await;
    let text = browser.texts("[data-testid=empty]").await.concat();
    assert!(
        !text.contains("Nothing differs") && !text.contains("match their specs"),
        "{text}"
    );
}

#[tokio::test]
async fn an_empty_inbox_shows_that_settling_resources_were_not_compared() {
    let served = Served::start(TestApp::new().await).await;
    served
        .cloud_has([droplet("web-1"), droplet("web-2").status("resizing").settling()])
        .await;
    served.record_spec("web-1", json!({ "region": "nyc3" })).await;
    served.record_spec("web-2", json!({ "region": "fra1" })).await;
    served.sweep().await;
    let browser = signed_in(&served).await;
    let not_compared =
        "1 resource with a spec: the last detection did not compare it, because it is settling";
    browser.see_text("[data-testid=doubts]", not_compared).await;
    let text = browser.texts("[data-testid=empty]").await.concat();
    assert!(
        !text.contains("Nothing differs") && !text.contains("match their specs"),
        "{text}"
    );
}

#[tokio::test]
async fn an_unreachable_server_does_not_leave_a_blank_page() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.offline(true).await;
    browser.press("g").await;
    browser.press("h").await;
    browser.see("[data-testid=list-error]").await;
    look_at(&browser, "view-unreachable", &SCREENS).await;
    browser.offline(false).await;
    // The page reconnects without a click.
    browser.see("[data-testid=empty]").await;
}

#[tokio::test]
async fn ten_thousand_changes_scroll_without_rendering_them_all() {
    let t = TestApp::new().await;
    let names: Vec<String> = (0..100).map(|n| format!("web-{n:04}")).collect();
    t.cloud_has(names.iter().map(|name| droplet(name))).await;
    let spec: Value = (0..100)
        .map(|n| (format!("field_{n:02}"), json!(n)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    for name in &names {
        t.record_spec(name, spec.clone()).await;
    }
    assert_eq!(t.sweep().await.opened, 10_000);
    let served = Served::start(t).await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "10,000 open").await;
    let rows = format!("document.querySelectorAll('{ROW}').length");
    let (mut seen, mut most) = (std::collections::BTreeSet::new(), 0);
    // Scroll to the end as fast as pages arrive.
    loop {
        let step = format!(
            "const rows = [...document.querySelectorAll('{ROW}')].map((row) => row.dataset.driftId);
             window.scrollTo(0, document.documentElement.scrollHeight);
             return [rows, document.body.innerText.includes('End of list')]"
        );
        let step = browser.run(&step).await;
        let ids: Vec<String> = serde_json::from_value(step[0].clone()).unwrap();
        most = most.max(ids.len());
        seen.extend(ids);
        if step[1] == json!(true) {
            break;
        }
        browser
            .until("document.querySelector('[data-testid=list]').ariaBusy === 'false'")
            .await;
    }
    assert_eq!(seen.len(), 10_000, "every row is rendered once");
    assert!(most <= 800, "{most} rows at a time");
    browser.shoot("ten-thousand-end").await;
    browser
        .run("window.scrollTo(0, document.documentElement.scrollHeight / 2)")
        .await;
    browser
        .until(&format!(
            "[...document.querySelectorAll('{ROW}')].some((row) => {{
               const {{ top, bottom }} = row.getBoundingClientRect();
               return bottom > 0 && top < innerHeight }})"
        ))
        .await;
    browser.shoot("ten-thousand-middle").await;
    browser.run("window.scrollTo(0, 0)").await;
    browser.until(&format!("{rows} <= 500 && scrollY === 0")).await;
    browser.see(ROW).await;
}

#[tokio::test]
async fn a_missing_resource_of_a_state_shows_its_address_and_the_commands() {
    let t = TestApp::new().await;
    t.later(drift_inbox::clock::Clock::System.now() - t.now());
    t.cloud_has([droplet("web-1"), droplet("web-2")]).await;
    t.import(&droplets("prod", 1, &[("web-1", "s-1")])).await;
    t.cloud_has([droplet("web-2")]).await;
    t.sweep().await;
    let served = Served::start(t).await;
    let browser = signed_in(&served).await;
    browser
        .see_text("[data-testid=address]", "digitalocean_droplet.web-1")
        .await;
    browser.click(&format!("{ROW} a.row-link")).await;
    browser
        .see_text("[data-testid=detail-address]", "digitalocean_droplet.web-1")
        .await;
    browser
        .see_text(
            "[data-testid=terraform-line]",
            "terraform apply -target='digitalocean_droplet.web-1'",
        )
        .await;
    browser
        .see_text("[data-testid=spec]", "the Terraform state prod, serial 1")
        .await;
    browser.shoot("missing-with-commands").await;
    // A long address is broken, so that the page is not wider than a phone.
    let long = format!(
        "UPDATE cloud_provisioned SET address = 'module.{}.a.b'",
        "long_".repeat(40)
    );
    served.database.execute(long).await.unwrap();
    browser.go("/").await;
    browser.see_text("[data-testid=address]", "long_long").await;
    look_at(&browser, "list-with-address", &SCREENS).await;
    browser.click(&format!("{ROW} a.row-link")).await;
    browser
        .see_text("[data-testid=detail-address]", "long_long")
        .await;
    look_at(&browser, "detail-with-address", &SCREENS).await;
}

//! Sources on the inbox page: those that are not up to date, the table in the runs view, and the filter.

use chrono::TimeDelta;
use drift_inbox::clock::Clock;
use drift_inbox::services::sources::{Registration, register};
use entity::job_runs::{self, Job, JobOutcome, RunTrigger};
use entity::sources::SourceKind;
use sea_orm::{ActiveModelTrait as _, Set};
use serde_json::json;
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::browser::Browser;
use crate::support::cloud::droplet;
use crate::support::page::{ROW, filter_by, signed_in, three_differences};
use crate::support::served::Served;

const STATES: &str = "[data-testid=source-states]";
const STATE: &str = "[data-testid=source-state]";
const TABLE: &str = "[data-testid=sources-table]";

/// Registers a source that is listed each hour.
async fn source(t: &TestApp, name: &str, kind: SourceKind) {
    let registration = Registration {
        name: name.to_owned(),
        kind,
        schedule: None,
        interval: Some(TimeDelta::hours(1)),
    };
    register(t.db(), &[registration]).await.unwrap();
}

/// Records that a sync of the source ended some minutes ago.
async fn synced(t: &TestApp, source: &str, minutes: i64, outcome: JobOutcome, error: Option<&str>) {
    let at = t.now() - TimeDelta::minutes(minutes);
    let run = job_runs::ActiveModel {
        id: Set(Uuid::new_v4()),
        job: Set(Job::SyncInventory),
        narrowed: Set(false),
        source: Set(Some(source.to_owned())),
        trigger: Set(Some(RunTrigger::Hand)),
        scheduled_for: Set(None),
        started_at: Set(at),
        heartbeat_at: Set(at),
        finished_at: Set(Some(at)),
        outcome: Set(Some(outcome)),
        counts: Set(json!({})),
        error: Set(error.map(str::to_owned)),
    };
    run.insert(t.db().reader()).await.unwrap();
}

/// Checks that a view fits three widths and has no accessibility violation.
async fn look_at(browser: &Browser, view: &str) {
    for width in [390, 1100, 1600] {
        browser.resize(width, 900).await;
        let found = browser.axe().await;
        assert!(found.is_empty(), "{view} at {width}: {found:#?}");
        let wide = browser.run("return document.documentElement.scrollWidth").await;
        assert!(
            wide.as_u64().unwrap() <= width.into(),
            "{view} is {wide} wide on {width}"
        );
        browser.shoot(&format!("sources-{view}-{width}")).await;
    }
    browser.resize(1280, 900).await;
}

#[tokio::test]
async fn a_page_without_other_sources_names_none() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see(ROW).await;
    browser.go("/?view=runs").await;
    browser.see_text(TABLE, "up to date").await;
    browser.see("[data-testid=sync-now]").await;
    browser.go("/").await;
    browser.see(ROW).await;
    assert_eq!(browser.count("[data-testid=row-source]").await, 0);
    browser.click("[data-testid=filter-toggle]").await;
    browser.see("[data-testid=facet-kind]").await;
    assert_eq!(browser.count("[data-testid=facet-source]").await, 0);
    browser
        .until(&format!("document.querySelector('{STATES}').hidden"))
        .await;
}

#[tokio::test]
async fn each_source_that_is_not_up_to_date_is_a_line_on_every_view() {
    let served = three_differences().await;
    source(&served, "lab", SourceKind::File).await;
    synced(&served, "lab", 30, JobOutcome::Succeeded, None).await;
    synced(
        &served,
        "lab",
        1,
        JobOutcome::Failed,
        Some("lab.json: no such file"),
    )
    .await;
    source(&served, "hetzner", SourceKind::Lines).await;
    synced(&served, "hetzner", 300, JobOutcome::Succeeded, None).await;
    source(&served, "half", SourceKind::Lines).await;
    synced(&served, "half", 1, JobOutcome::Partial, None).await;
    let browser = signed_in(&served).await;
    browser.see_text(STATES, "5 hours ago").await;
    let lines = browser.texts(STATE).await;
    let starts: Vec<&str> = lines
        .iter()
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(starts, ["failed", "overdue", "partial"], "{lines:?}");
    assert!(lines[0].contains("lab.json: no such file"), "{lines:?}");
    assert_eq!(browser.count("[data-testid=more-sources]").await, 0);

    source(&served, "billing", SourceKind::TerraformPlan).await;
    for path in ["/", "/?view=history", "/?view=coverage"] {
        browser.go(path).await;
        browser.see_text(STATES, "and 1 more").await;
        assert_eq!(browser.count(STATE).await, 3, "{path}");
    }
    browser.go("/").await;
    browser.see_text("[data-testid=row-source]", "cloud").await;
    look_at(&browser, "inbox").await;
    browser.press("j").await;
    browser.press("o").await;
    browser.see_text("[data-testid=detail-source]", "cloud").await;
    look_at(&browser, "detail").await;
    browser.click("[data-testid=more-sources]").await;
    browser.see_text(TABLE, "never listed").await;
    assert_eq!(browser.count("[data-testid=source]").await, 5);
    look_at(&browser, "runs").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_list_is_filtered_by_source() {
    let served = three_differences().await;
    source(&served, "lab", SourceKind::File).await;
    let browser = signed_in(&served).await;
    browser.see_text("[data-testid=row-source]", "cloud").await;
    filter_by(&browser, "source", "lab").await;
    browser
        .see_text("[data-testid=empty]", "No drifts match these filters")
        .await;
    assert_eq!(browser.path().await, "/?source=lab");
    filter_by(&browser, "source", "cloud").await;
    browser.see(ROW).await;
    assert_eq!(browser.count(ROW).await, 3);
}

#[tokio::test]
async fn each_listed_source_has_a_button_if_there_are_several() {
    let served = three_differences().await;
    source(&served, "lab", SourceKind::File).await;
    source(&served, "hetzner", SourceKind::Lines).await;
    let browser = signed_in(&served).await;
    browser.go("/?view=runs").await;
    browser.see("[data-source=cloud] [data-testid=sync-source]").await;
    // Lines are sent to the server, which cannot list them.
    assert_eq!(browser.count("[data-testid=sync-source]").await, 2);
    assert_eq!(browser.count("[data-testid=sync-now]").await, 0);
    served.later(TimeDelta::seconds(1));
    browser
        .click("[data-source=cloud] [data-testid=sync-source]")
        .await;
    browser
        .see_text("[data-testid=run-message]", "Sync succeeded")
        .await;
}

#[tokio::test]
async fn an_empty_inbox_names_the_sources_that_were_not_listed() {
    let t = TestApp::new().await;
    t.later(Clock::System.now() - t.now());
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "region": "nyc3" })).await;
    t.sweep().await;
    source(&t, "lab", SourceKind::File).await;
    synced(&t, "lab", 1, JobOutcome::Succeeded, None).await;
    let served = Served::start(t).await;
    let browser = signed_in(&served).await;
    browser.see_text("[data-testid=empty]", "Nothing differs").await;

    served.later(TimeDelta::seconds(1));
    synced(&served, "lab", 0, JobOutcome::Failed, Some("the disk is full")).await;
    browser.go("/").await;
    let doubt = "Source lab could not be listed: the disk is full";
    browser.see_text("[data-testid=doubts]", doubt).await;
    browser
        .see_text("[data-testid=recent-sources]", "Recent inventory: cloud.")
        .await;
    let text = browser.texts("[data-testid=empty]").await.concat();
    assert!(!text.contains("Nothing differs"), "{text}");
    // The failed sync is named once.
    assert_eq!(text.matches("the disk is full").count(), 1, "{text}");
}

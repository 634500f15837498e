//! Incomplete listings: resources that were not read do not become gone.

use chrono::TimeDelta;
use drift_inbox::jobs::JobRequest;
use drift_inbox::provider::{KindListing, Presence};
use drift_inbox::services::inventory::SyncOptions;
use entity::job_runs::JobOutcome;
use serde_json::json;

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};

fn incomplete() -> KindListing {
    KindListing::Incomplete("page 2 of 3 could not be read".to_owned())
}

fn not_readable() -> KindListing {
    KindListing::NotReadable("the token may not read it".to_owned())
}

#[tokio::test]
async fn a_kind_that_could_not_be_read_keeps_its_inventory_and_makes_the_run_partial() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1"), Listed::new("volume", "data")])
        .await;
    let synced = t.now();
    t.cloud.set([droplet("web-1").size("s-2vcpu-4gb")]);
    for (unread, outcome) in [(incomplete(), "incomplete"), (not_readable(), "not_readable")] {
        t.cloud.unread([("volume", unread)]);
        let run = t.sync().await;
        assert_eq!(run.outcome, Some(JobOutcome::Partial));
        assert_eq!(run.counts["kinds"]["volume"]["outcome"], outcome);
        assert!(run.counts["kinds"]["volume"]["reason"].is_string());
        assert_eq!(
            run.counts["kinds"]["droplet"],
            json!({ "outcome": "complete", "resources": 1 })
        );
        assert_eq!(t.resource("data").await.gone_at, None);
        assert_eq!(
            t.resource("web-1").await.size_slug.as_deref(),
            Some("s-2vcpu-4gb"),
            "other kinds are updated"
        );
    }
    let query = r#"{ resources(filter: {kind: "volume"}) { nodes { syncedAt } } }"#;
    let data = t.data(query, json!({})).await;
    assert_eq!(
        data["resources"]["nodes"][0]["syncedAt"],
        synced.to_rfc3339(),
        "the time of the last complete listing"
    );
}

#[tokio::test]
async fn a_run_that_cannot_read_any_kind_fails() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.cloud.unread([("droplet", not_readable())]);
    let run = t.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Failed));
    assert!(run.error.is_some());
    assert_eq!(t.resource("web-1").await.gone_at, None);
}

#[tokio::test]
async fn an_unlisted_resource_is_gone_only_if_the_provider_confirms_it() {
    let t = TestApp::new().await;
    t.cloud_has([
        droplet("hidden"),
        droplet("unclear"),
        droplet("gone"),
        Listed::new("volume", "lost"),
    ])
    .await;
    let hidden = Box::new(droplet("hidden").size("s-8vcpu-16gb").resource);
    t.cloud
        .set_presence("droplet", "hidden", Presence::Exists(hidden));
    t.cloud.set([droplet("unclear"), Listed::new("volume", "other")]);
    let run = t.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded));
    let hidden = t.resource("hidden").await;
    assert_eq!(
        (hidden.gone_at, hidden.size_slug.as_deref()),
        (None, Some("s-8vcpu-16gb")),
        "the resource is not gone, and updated"
    );
    assert!(t.resource("gone").await.gone_at.is_some());
    assert!(t.resource("lost").await.gone_at.is_some());

    t.cloud.set_presence(
        "droplet",
        "unclear",
        Presence::Unknown("it answered 500".to_owned()),
    );
    t.cloud.set([]);
    let run = t.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial));
    let droplets = &run.counts["kinds"]["droplet"];
    assert_eq!(
        (&droplets["outcome"], &droplets["unconfirmed"]),
        (&json!("incomplete"), &json!(1))
    );
    let why = droplets["reason"].as_str().unwrap();
    assert!(
        why.ends_with("keeps its last known values: \"unclear\": it answered 500"),
        "{why}"
    );
    assert_eq!(t.resource("unclear").await.gone_at, None);
    assert!(
        t.resource("other").await.gone_at.is_some(),
        "other kinds are updated"
    );
}

#[tokio::test]
async fn a_sync_of_another_account_changes_nothing() {
    let t = TestApp::new().await;
    t.cloud.set_account_id("f81d4fae");
    t.cloud_has([droplet("web-1")]).await;
    t.cloud.set_account_id("00000000");
    t.cloud.set([droplet("theirs")]);
    let run = t.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Failed));
    let error = run.error.unwrap();
    assert!(
        error.contains("f81d4fae") && error.contains("00000000"),
        "{error}"
    );
    assert_eq!(t.resource("web-1").await.gone_at, None);
    t.cloud.set_account_id("f81d4fae");
    t.cloud_has([droplet("web-1")]).await;
}

#[tokio::test]
async fn a_listing_that_lacks_most_of_a_kind_is_applied_only_with_allow_mass_gone() {
    let t = TestApp::new().await;
    let droplets = |count: usize| (0..count).map(|n| droplet(&format!("web-{n}")));
    t.cloud_has(droplets(20).chain([Listed::new("volume", "data")]))
        .await;
    t.cloud.set(droplets(9).map(|listed| listed.size("s-8vcpu-16gb")));
    let run = t.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Failed));
    assert!(run.error.unwrap().contains("11 of 20"));
    assert_eq!(
        t.resource("web-0").await.size_slug.as_deref(),
        Some("s-1vcpu-1gb"),
        "no resource is changed"
    );
    assert_eq!(t.resource("data").await.gone_at, None);
    t.later(TimeDelta::seconds(1));
    let options = SyncOptions {
        allow_mass_gone: true,
        ..SyncOptions::default()
    };
    let run = t.app.jobs().run(JobRequest::Sync(options)).await.unwrap();
    assert_eq!(
        (run.outcome, &run.counts["gone"]),
        (Some(JobOutcome::Succeeded), &json!(12))
    );
}

#[tokio::test]
async fn drift_of_a_settling_resource_waits_for_at_most_30_minutes() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    let resizing = |size| droplet("web-1").size(size).status("resizing").settling();
    t.cloud_has([resizing("s-2vcpu-4gb")]).await;
    let counts = t.sweep().await;
    assert_eq!((counts.settling, counts.opened), (1, 0));
    t.later(TimeDelta::minutes(20));
    t.cloud_has([resizing("s-4vcpu-8gb")]).await;
    assert_eq!(t.sweep().await.opened, 0, "the resource is still settling");
    t.later(TimeDelta::minutes(10));
    t.cloud_has([resizing("s-4vcpu-8gb")]).await;
    assert_eq!(
        t.sweep().await.opened,
        1,
        "the 30 minutes start at the first sync of the status"
    );
    t.cloud_has([droplet("web-1")]).await;
    assert_eq!(t.resource("web-1").await.settling_since, None);
    assert_eq!(t.sweep().await.staled, 1);
}

#[tokio::test]
async fn drift_of_a_settling_resource_is_not_opened_before_the_next_listing() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb", "region": "nyc3" }))
        .await;
    let resizing = |size| droplet("web-1").size(size).status("off").settling();
    t.cloud_has([resizing("s-2vcpu-4gb")]).await;
    for minutes in [31, 600] {
        t.later(TimeDelta::minutes(minutes));
        // An incomplete listing does not update the resource.
        t.cloud.unread([("droplet", incomplete())]);
        t.sync().await;
        let counts = t.sweep().await;
        assert_eq!((counts.settling, counts.opened), (1, 0), "{minutes}");
    }
    t.cloud.unread([]);
    t.cloud_has([resizing("s-2vcpu-4gb")]).await;
    assert_eq!(
        t.sweep().await.opened,
        1,
        "another listing contains the status after 30 minutes"
    );
}

#[tokio::test]
async fn a_firewall_is_never_treated_as_settling() {
    let t = TestApp::new().await;
    let firewall = |ports: &str| Listed::new("firewall", "fw").attr("ports", ports);
    t.cloud_has([firewall("443")]).await;
    t.record_spec("fw", json!({ "ports": "443" })).await;
    t.cloud_has([firewall("22").settling()]).await;
    assert_eq!(t.sweep().await.opened, 1);
}

#[tokio::test]
async fn unsynced_resources_can_all_become_gone_at_once() {
    let t = TestApp::new().await;
    for number in 0..12 {
        t.imported(&format!("imported-{number}")).await;
    }
    t.cloud.set([droplet("web-1")]);
    let run = t.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{:?}", run.error);
    assert_eq!(run.counts["gone"], 12, "a complete listing lacks them");
}

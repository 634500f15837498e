//! Syncs: the listing of the cloud becomes the inventory, and only changes are written.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use drift_inbox::jobs::JobRequest;
use drift_inbox::provider::{InventoryProvider as _, Listing};

use drift_inbox::domain::inventory::Place;
use drift_inbox::services::inventory::{SyncCounts, SyncOptions, apply_listing, draw};
use entity::cloud_resource_events::EventType::{ResourceChanged, ResourceDiscovered, ResourceGone};
use entity::job_runs::{self, JobOutcome};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};

fn counts(run: &job_runs::Model) -> SyncCounts {
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{:?}", run.error);
    let counts = serde_json::from_value(run.counts.clone()).unwrap();
    // Other tests cover the results of each kind.
    SyncCounts {
        kinds: BTreeMap::new(),
        ..counts
    }
}

/// Returns a listing that starts now.
async fn listed(t: &TestApp) -> (Listing, Place) {
    let place = draw(t.db()).await.unwrap();
    (t.cloud.list(None, place.began_at).await.unwrap(), place)
}

async fn applied(t: &TestApp, (listing, place): (Listing, Place)) -> SyncCounts {
    let options = SyncOptions::default();
    apply_listing(t.db(), "cloud", &*t.cloud, &listing, place, &options)
        .await
        .unwrap()
}

fn droplets(count: usize) -> impl Iterator<Item = Listed> {
    (0..count).map(|n| droplet(&format!("web-{n:02}")))
}

fn volume(name: &str) -> Listed {
    Listed::new("volume", name)
}

/// Runs a sync, after a second on the clock.
async fn sync_with(t: &TestApp, options: SyncOptions) -> job_runs::Model {
    t.later(TimeDelta::seconds(1));
    t.app.jobs().run(JobRequest::Sync(options)).await.unwrap()
}

fn only<const N: usize>(kinds: [&str; N]) -> SyncOptions {
    SyncOptions {
        kinds: Some(kinds.map(str::to_owned).into()),
        ..SyncOptions::default()
    }
}

#[tokio::test]
async fn a_resource_is_discovered_by_the_first_listing_that_has_it() {
    let t = TestApp::new().await;
    t.cloud
        .set([droplet("web-1").tags(["web"]).attr("backups", true)]);
    let found = counts(&t.sync().await);
    assert_eq!(
        found,
        SyncCounts {
            resources: 1,
            discovered: 1,
            ..SyncCounts::default()
        }
    );
    let row = t.resource("web-1").await;
    assert_eq!(
        (row.provider.as_str(), row.kind.as_str()),
        ("digitalocean", "droplet")
    );
    assert_eq!((row.revision, row.first_seen_at), (1, Some(t.now())));
    assert_eq!(row.size_slug.as_deref(), Some("s-1vcpu-1gb"));
    assert_eq!(
        (row.tags, row.attrs),
        (json!(["web"]), json!({ "backups": true }))
    );
    let events = t.event_rows(row.id).await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].event_type, events[0].actor.as_str()),
        (ResourceDiscovered, "system")
    );
}

#[tokio::test]
async fn a_change_raises_the_revision_and_its_event_names_the_fields() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").attr("ipv6", true).attr("disk", 25)])
        .await;
    let first_seen = t.resource("web-1").await.first_seen_at;
    let resized = droplet("web-1").size("s-2vcpu-4gb").tags(["web"]);
    t.cloud.set([resized.attr("ipv6", false).attr("memory", 4096)]);
    let found = counts(&t.sync().await);
    assert_eq!((found.changed, found.discovered, found.gone), (1, 0, 0));
    let row = t.resource("web-1").await;
    assert_eq!((row.revision, row.first_seen_at), (2, first_seen));
    assert_eq!(row.attrs, json!({ "ipv6": false, "memory": 4096 }));
    let event = t.event_rows(row.id).await.pop().unwrap();
    assert_eq!(event.event_type, ResourceChanged);
    let fields = json!({ "fields": ["size_slug", "tags", "attrs.disk", "attrs.ipv6", "attrs.memory"] });
    assert_eq!(event.data, fields);
}

#[tokio::test]
async fn an_unchanged_inventory_writes_no_resource() {
    let (t, writes) = TestApp::watched().await;
    t.cloud_has(droplets(30).chain([volume("data")])).await;
    assert!(writes.tables().contains(&"cloud_resources".to_owned()));
    let before = t.tables().await;
    let found = counts(&t.sync().await);
    assert_eq!(
        found,
        SyncCounts {
            resources: 31,
            ..SyncCounts::default()
        }
    );
    assert_eq!(
        writes.tables(),
        ["inventory_kinds", "inventory_listings", "job_runs"]
    );
    let after = t.tables().await;
    assert_eq!(before.resources, after.resources);
    assert_eq!(before.events, after.events);
}

#[tokio::test]
async fn loosely_equal_content_is_not_a_change() {
    let t = TestApp::new().await;
    let numbers: Value =
        serde_json::from_str("[1e3, 25.0, 1.50, -0.0, 1e19, 1152921504606846976.0, 1e-7, 5e-324]").unwrap();
    let words = droplet("web-1").tags(["a", "b"]).attr("numbers", numbers);
    t.cloud_has([words
        .attr("none", Value::Null)
        .attr("rules", json!([{"p": 1}, {"p": 2}]))])
        .await;
    let before = t.tables().await;
    let others: Value = serde_json::from_str(
        "[1000, 25, 1.5, 0, 10000000000000000000, 1.152921504606847e18, 0.0000001, 5e-324]",
    )
    .unwrap();
    let words = droplet("web-1").tags(["b", "a", "b"]).attr("numbers", others);
    let mut words = words.attr("rules", json!([{"p": 2, "q": null}, {"p": 1.0}]));
    words.resource.ip = Some(String::new());
    t.cloud.set([words]);
    let found = counts(&t.sync().await);
    assert_eq!((found.resources, found.changed), (1, 0));
    let after = t.tables().await;
    assert_eq!((before.resources, before.events), (after.resources, after.events));
}

#[tokio::test]
async fn a_resource_that_is_no_longer_listed_becomes_gone_once() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1"), droplet("web-2")]).await;
    t.cloud.set([droplet("web-2")]);
    assert_eq!(counts(&t.sync().await).gone, 1);
    let row = t.resource("web-1").await;
    assert_eq!((row.gone_at, row.revision), (Some(t.now()), 2));
    assert_eq!(t.events("web-1").await, [ResourceDiscovered, ResourceGone]);
    assert_eq!(t.resource("web-2").await.gone_at, None);
    assert_eq!(counts(&t.sync().await).gone, 0, "the resource is already gone");
    assert_eq!(t.resource("web-1").await, row);
}

#[tokio::test]
async fn a_returning_resource_is_discovered_again_and_keeps_first_seen_at() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    let before = t.resource("web-1").await;
    t.cloud_has([]).await;
    t.cloud.set([droplet("web-1").size("s-4vcpu-8gb")]);
    let found = counts(&t.sync().await);
    assert_eq!((found.discovered, found.changed), (1, 0));
    let after = t.resource("web-1").await;
    assert_eq!((after.id, after.first_seen_at), (before.id, before.first_seen_at));
    assert_eq!((after.gone_at, after.revision), (None, 3));
    assert_eq!(after.size_slug.as_deref(), Some("s-4vcpu-8gb"));
    assert_eq!(
        t.events("web-1").await,
        [ResourceDiscovered, ResourceGone, ResourceDiscovered]
    );
}

#[tokio::test]
async fn a_kind_without_resources_counts_as_listed_empty() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1"), volume("data")]).await;
    t.cloud.set([droplet("web-1")]);
    assert_eq!(counts(&t.sync().await).gone, 1);
    assert!(t.resource("data").await.gone_at.is_some());
    let volumes = &t.tables().await.kinds[1];
    assert_eq!(
        (volumes.kind.as_str(), volumes.completed_at),
        ("volume", Some(t.now()))
    );
}

#[tokio::test]
async fn only_resources_of_the_listed_provider_become_gone() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.cloud.set([droplet("elsewhere")]);
    let (mut listing, place) = listed(&t).await;
    listing.provider = "hetzner".to_owned();
    let found = applied(&t, (listing, place)).await;
    assert_eq!((found.discovered, found.gone), (1, 0));
    assert_eq!(t.resource("web-1").await.gone_at, None);
    t.cloud_has([]).await;
    assert!(t.resource("web-1").await.gone_at.is_some());
    assert_eq!(t.resource("elsewhere").await.gone_at, None);
}

#[tokio::test]
async fn a_narrowed_sync_replaces_only_its_kinds() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1"), volume("data")]).await;
    let before = t.tables().await;
    t.cloud.set([
        droplet("web-2"),
        volume("data").region("fra1"),
        Listed::new("vpc", "net"),
    ]);
    let found = counts(&sync_with(&t, only(["droplet"])).await);
    assert_eq!(
        (found.resources, found.discovered, found.changed, found.gone),
        (1, 1, 0, 1)
    );
    let after = t.tables().await;
    assert_eq!(after.resources.len(), 3, "two droplets and the volume");
    assert_eq!(t.resource("data").await.region, None);
    assert_eq!(after.kinds[1], before.kinds[1], "volumes were not listed");
    assert!(after.kinds[0].completed_at > before.kinds[0].completed_at);
}

#[tokio::test]
async fn the_refusal_of_an_unknown_kind_contains_its_name() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    let before = t.tables().await;
    t.cloud.set([]);
    let run = sync_with(&t, only(["droplet", "dropplet"])).await;
    assert_eq!(run.outcome, Some(JobOutcome::Failed));
    assert!(run.error.unwrap().contains("\"dropplet\""));
    assert_eq!(t.tables().await, before);
}

#[tokio::test]
async fn an_older_listing_never_overwrites_a_newer_one() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1"), volume("data")]).await;
    t.cloud.set([droplet("web-1").size("old"), droplet("old")]);
    let older = listed(&t).await;
    t.cloud_has([droplet("web-1").size("new"), volume("data")]).await;
    let before = t.tables().await;
    t.later(TimeDelta::seconds(1));
    let found = applied(&t, older).await;
    assert_eq!((found.superseded, found.resources), (2, 0));
    assert_eq!(
        found.outcome(),
        JobOutcome::Failed,
        "a sync whose kinds are all superseded fails"
    );
    assert!(
        found
            .failure()
            .unwrap()
            .contains("later listings are already stored")
    );
    assert_eq!(t.tables().await, before);
    // A slow listing of one kind does not delay kinds without a newer listing.
    t.later(TimeDelta::seconds(1));
    t.cloud
        .set([droplet("web-1").size("older"), volume("data").region("fra1")]);
    let slow = listed(&t).await;
    t.cloud.set([droplet("web-1").size("newer"), volume("data")]);
    counts(&sync_with(&t, only(["droplet"])).await);
    let found = applied(&t, slow).await;
    assert_eq!((found.superseded, found.changed), (1, 1));
    assert_eq!(found.outcome(), JobOutcome::Partial);
    assert_eq!(t.resource("web-1").await.size_slug.as_deref(), Some("newer"));
    assert_eq!(t.resource("data").await.region.as_deref(), Some("fra1"));
}

#[tokio::test]
async fn ten_resources_may_become_gone_at_once_even_if_there_are_no_others() {
    let t = TestApp::new().await;
    t.cloud_has(droplets(10)).await;
    t.cloud.set([]);
    assert_eq!(counts(&t.sync().await).gone, 10);
    let t = TestApp::new().await;
    t.cloud_has(droplets(19)).await;
    t.cloud.set(droplets(9));
    assert_eq!(counts(&t.sync().await).gone, 10);
}

#[tokio::test]
async fn a_listing_that_lacks_more_than_half_of_a_kind_fails_and_changes_no_kind() {
    let t = TestApp::new().await;
    t.cloud_has(droplets(20).chain([volume("data"), volume("old")]))
        .await;
    let before = t.tables().await;
    let shrunk = || {
        let changed = droplet("web-00").size("s-4vcpu-8gb");
        let rest = droplets(9).skip(1).chain([volume("data").region("fra1")]);
        rest.chain([changed, Listed::new("alert", "new")])
    };
    t.cloud.set(shrunk());
    let run = t.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Failed));
    let error = run.error.unwrap();
    assert!(error.contains("11 of 20") && error.contains("droplet"), "{error}");
    assert!(error.contains("--allow-mass-gone"), "{error}");
    let kinds = serde_json::from_value::<SyncCounts>(run.counts).unwrap().kinds;
    assert_eq!(
        kinds["droplet"].reason.as_ref(),
        Some(&error),
        "the reason is stored for the kind"
    );
    assert_eq!(kinds["volume"].reason, None);
    assert_eq!(t.tables().await, before);
    let allowed = SyncOptions {
        allow_mass_gone: true,
        ..SyncOptions::default()
    };
    let found = counts(&sync_with(&t, allowed).await);
    assert_eq!((found.gone, found.changed, found.discovered), (12, 2, 1));
}

#[tokio::test]
async fn gone_resources_do_not_count_towards_the_half_of_a_kind() {
    let t = TestApp::new().await;
    t.cloud_has(droplets(26)).await;
    t.cloud_has(droplets(22)).await;
    t.cloud.set(droplets(11));
    assert_eq!(
        counts(&t.sync().await).gone,
        11,
        "exactly half of the 22 present resources"
    );
    let t = TestApp::new().await;
    t.cloud_has(droplets(26)).await;
    t.cloud_has(droplets(21)).await;
    t.cloud.set(droplets(10));
    let run = t.sync().await;
    assert!(run.error.unwrap().contains("11 of 21"));
}

#[tokio::test]
async fn an_imported_resource_is_discovered_by_a_listing_that_has_it() {
    let t = TestApp::new().await;
    t.imported("web-1").await;
    t.cloud.set([droplet("web-1")]);
    assert_eq!(counts(&t.sync().await).discovered, 1);
    let row = t.resource("web-1").await;
    assert_eq!((row.first_seen_at, row.revision), (Some(t.now()), 2));
    assert_eq!(row.region.as_deref(), Some("nyc3"));
    assert_eq!(t.events("web-1").await, [ResourceDiscovered]);
}

#[tokio::test]
async fn an_imported_resource_is_gone_when_a_complete_listing_lacks_it() {
    let t = TestApp::new().await;
    t.imported("web-1").await;
    t.cloud.set([]);
    assert_eq!(counts(&t.sync().await).gone, 1);
    let row = t.resource("web-1").await;
    assert_eq!((row.first_seen_at, row.gone_at), (None, Some(t.now())));
    assert_eq!(t.events("web-1").await, [ResourceGone]);
    t.cloud_has([droplet("web-1")]).await;
    let row = t.resource("web-1").await;
    assert_eq!((row.first_seen_at, row.gone_at), (Some(t.now()), None));
}

#[tokio::test]
async fn synced_at_is_the_time_of_the_last_complete_listing() {
    let t = TestApp::new().await;
    let seen = "{ resources { nodes { name firstSeenAt syncedAt } } }";
    t.imported("web-1").await;
    let before = t.data(seen, json!({})).await;
    assert_eq!(before["resources"]["nodes"][0]["syncedAt"], Value::Null);
    t.cloud_has([droplet("web-1"), volume("data")]).await;
    t.later(TimeDelta::minutes(5));
    counts(&sync_with(&t, only(["droplet"])).await);
    let data = t.data(seen, json!({})).await;
    let of = |name: &str, what: &str| {
        let nodes = data["resources"]["nodes"].as_array().unwrap();
        let node = nodes.iter().find(|node| node["name"] == name).unwrap();
        let at = chrono::DateTime::parse_from_rfc3339(node[what].as_str().unwrap()).unwrap();
        at.format("%H:%M:%S").to_string()
    };
    assert_eq!(of("web-1", "firstSeenAt"), "12:00:01");
    assert_eq!(of("web-1", "syncedAt"), "12:05:02");
    assert_eq!(of("data", "syncedAt"), "12:00:01");
}

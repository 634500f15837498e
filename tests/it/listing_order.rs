//! The order of listings: numbers of the database decide which of two listings is newer, not the clocks of servers.

use chrono::TimeDelta;
use drift_inbox::app::App;
use drift_inbox::clock::{Clock, ManualClock};
use drift_inbox::jobs::JobRequest;
use drift_inbox::provider::InventoryProvider as _;
use drift_inbox::services::inventory::{KindOutcome, SyncOptions, apply_listing, draw};
use entity::inventory_listings;
use entity::job_runs::JobOutcome;
use sea_orm::EntityTrait as _;

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};

async fn last_number(t: &TestApp) -> Option<i64> {
    let row = inventory_listings::Entity::find().one(t.db().reader()).await;
    row.unwrap().map(|row| row.last_number)
}

async fn size_of(t: &TestApp, name: &str) -> Option<String> {
    t.resource(name).await.size_slug
}

#[tokio::test]
async fn a_server_whose_clock_is_ahead_does_not_block_later_listings() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    let ahead = Clock::Manual(ManualClock::at(t.now() + TimeDelta::days(400)));
    t.cloud.set([droplet("web-1").size("s-2vcpu-4gb")]);
    let server = App::new(t.db().clone(), ahead, Some(t.cloud.clone()));
    let of_ahead = server.jobs().run(JobRequest::Sync(SyncOptions::default())).await;
    assert_eq!(of_ahead.unwrap().counts["changed"], 1);
    let kind = t.tables().await.kinds.remove(0);
    assert_eq!(
        kind.completed_at,
        Some(t.now()),
        "the time of the database is stored"
    );
    t.cloud.set([droplet("web-1").size("s-4vcpu-8gb")]);
    let run = t.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{}", run.counts);
    assert_eq!(run.counts["changed"], 1);
    assert_eq!(size_of(&t, "web-1").await.as_deref(), Some("s-4vcpu-8gb"));
}

#[tokio::test]
async fn a_listing_stored_with_a_future_time_is_replaced_and_reported() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1"), Listed::new("volume", "data")])
        .await;
    // The previous release writes no numbers.
    for numbers in ["", ", listing_number = NULL, numbered_at = NULL"] {
        let ahead = "UPDATE inventory_kinds SET listing_started_at = '2099-01-01T00:00:00+00:00'";
        let sql = format!("{ahead}{numbers} WHERE kind = 'droplet'");
        t.database.execute(sql).await.unwrap();
        let size = format!("size-{}", numbers.len());
        t.cloud
            .set([droplet("web-1").size(&size), Listed::new("volume", "data")]);
        let run = t.sync().await;
        assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{}", run.counts);
        assert_eq!(size_of(&t, "web-1").await, Some(size));
        let note = run.counts["kinds"]["droplet"]["note"].as_str().unwrap();
        assert!(
            note.contains("2099-01-01") && note.contains("start in the future"),
            "{note}"
        );
        assert!(run.counts["kinds"]["volume"]["note"].is_null());
        let again = t.sync().await;
        assert!(
            again.counts["kinds"]["droplet"]["note"].is_null(),
            "the next sync does not report it"
        );
        let kind = t.tables().await.kinds.remove(0);
        assert_eq!(
            (kind.listing_started_at, kind.numbered_at),
            (Some(t.now()), Some(t.now()))
        );
    }
}

#[tokio::test]
async fn a_concurrent_listing_of_the_previous_release_is_not_overwritten() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    let options = SyncOptions::default();
    let place = draw(t.db()).await.unwrap();
    t.cloud.set([droplet("web-1").size("older")]);
    let listing = t.cloud.list(None, place.began_at).await.unwrap();
    // The listing of the previous release starts later and is stored first.
    t.later(TimeDelta::seconds(1));
    let sql = format!(
        "UPDATE inventory_kinds SET listing_started_at = '{}'",
        t.now().to_rfc3339()
    );
    t.database.execute(sql).await.unwrap();
    t.later(TimeDelta::seconds(1));
    let applied = apply_listing(t.db(), "cloud", &*t.cloud, &listing, place, &options).await;
    let counts = applied.unwrap();
    assert_eq!((counts.superseded, counts.changed), (1, 0));
    assert_eq!(counts.kinds["droplet"].outcome, KindOutcome::Superseded);
    assert_ne!(size_of(&t, "web-1").await.as_deref(), Some("older"));
    // The next listing of this release continues the numbers.
    t.cloud_has([droplet("web-1").size("newer")]).await;
    assert_eq!(size_of(&t, "web-1").await.as_deref(), Some("newer"));
}

#[tokio::test]
async fn a_lost_counter_continues_above_the_applied_numbers() {
    let t = TestApp::new().await;
    for _ in 0..3 {
        t.cloud_has([droplet("web-1")]).await;
    }
    t.database
        .execute("DELETE FROM inventory_listings")
        .await
        .unwrap();
    t.cloud_has([droplet("web-1").size("s-8vcpu-16gb")]).await;
    assert_eq!(size_of(&t, "web-1").await.as_deref(), Some("s-8vcpu-16gb"));
    assert_eq!(t.tables().await.kinds[0].listing_number, Some(4));
}

#[tokio::test]
async fn listing_numbers_rise_and_use_the_time_of_the_database() {
    let t = TestApp::new().await;
    let (one, other) = (t.database.connect().await, t.database.connect().await);
    let mut before = draw(&one).await.unwrap();
    for db in [&other, &one, &other] {
        let next = draw(db).await.unwrap();
        assert_eq!(next.number, before.number + 1);
        assert!(next.began_at >= before.began_at);
        before = next;
    }
    let apart = before.began_at - Clock::System.now();
    assert!(apart.abs() < TimeDelta::hours(1), "the clocks differ by {apart}");
}

#[tokio::test]
async fn a_sync_whose_kinds_are_all_superseded_fails() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    let gate = t.cloud.hang().await;
    let slow = App::new(
        t.db().clone(),
        Clock::Manual(t.clock.clone()),
        Some(t.cloud.clone()),
    );
    let slow = tokio::spawn(async move { slow.jobs().run(JobRequest::Sync(SyncOptions::default())).await });
    // The counter rises when the slow listing has its number.
    while last_number(&t).await < Some(2) {
        tokio::task::yield_now().await;
    }
    let sql = "UPDATE inventory_kinds SET listing_number = 99, numbered_at = listing_started_at";
    t.database.execute(sql).await.unwrap();
    drop(gate);
    let run = slow.await.unwrap().unwrap();
    assert_eq!(run.outcome, Some(JobOutcome::Failed));
    assert!(run.error.unwrap().contains("later listings are already stored"));
    assert_eq!(run.counts["superseded"], 1);
}

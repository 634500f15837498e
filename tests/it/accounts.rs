//! The account of the inventory: a sync of another account replaces it only with `allow_other_account`.

use chrono::TimeDelta;
use drift_inbox::jobs::JobRequest;
use drift_inbox::provider::InventoryProvider as _;
use drift_inbox::services::inventory::{SyncOptions, apply_listing, draw};
use entity::job_runs::JobOutcome;

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};

#[tokio::test]
async fn a_sync_changes_nothing_if_a_concurrent_sync_stored_another_account() {
    let t = TestApp::new().await;
    t.cloud.set([droplet("ours")]);
    t.later(TimeDelta::seconds(5));
    let mut listing = t.cloud.list(None, t.now()).await.unwrap();
    listing.account = Some("ours".to_owned());
    t.later(TimeDelta::seconds(-5));
    t.cloud.set_account_id("theirs");
    t.cloud_has([droplet("theirs")]).await;
    let options = SyncOptions::default();
    let place = draw(t.db()).await.unwrap();
    let applied = apply_listing(t.db(), "cloud", &*t.cloud, &listing, place, &options).await;
    let refused = applied.unwrap_err().error.to_string();
    assert!(refused.contains("belongs to account theirs"), "{refused}");
    assert_eq!(t.tables().await.resources.len(), 1);
}

#[tokio::test]
async fn a_file_and_a_token_replace_each_other_only_if_permitted() {
    for (before, after, expected) in [
        (
            None,
            Some("ada"),
            "the token belongs to account ada, but the stored inventory came from a file",
        ),
        (
            Some("ada"),
            None,
            "the inventory file names no account, but the stored inventory belongs to account ada",
        ),
    ] {
        let t = TestApp::new().await;
        t.cloud.set_account(before);
        t.cloud_has([droplet("web-1"), Listed::new("volume", "data")])
            .await;
        t.cloud.set_account(after);
        t.cloud.set([droplet("web-2")]);
        let tables = t.tables().await;
        let run = t.sync().await;
        assert_eq!(run.outcome, Some(JobOutcome::Failed));
        let error = run.error.unwrap();
        assert!(
            error.starts_with(expected) && error.contains("--allow-other-account"),
            "{error}"
        );
        assert_eq!(t.tables().await, tables);
        t.later(TimeDelta::seconds(1));
        let options = SyncOptions {
            allow_other_account: true,
            kinds: Some(["droplet".to_owned()].into()),
            ..SyncOptions::default()
        };
        let run = t.app.jobs().run(JobRequest::Sync(options)).await.unwrap();
        assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{:?}", run.error);
        let kinds = t.tables().await.kinds;
        assert!(
            kinds.iter().all(|kind| kind.account.as_deref() == after),
            "every kind has the new account"
        );
        t.cloud_has([droplet("web-2")]).await;
    }
}

#[tokio::test]
async fn after_a_killed_first_sync_another_account_is_still_refused() {
    let t = TestApp::new().await;
    t.cloud.set_account_id("ours");
    t.cloud_has([droplet("ours")]).await;
    // The state of the table after a kill between two chunks.
    let killed = "UPDATE inventory_kinds SET completed_at = NULL, outcome = 'incomplete'";
    t.database.execute(killed).await.unwrap();
    t.cloud.set_account_id("theirs");
    t.cloud.set([droplet("theirs")]);
    let run = t.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Failed));
    assert!(run.error.unwrap().contains("belongs to account ours"));
    assert_eq!(t.resource("ours").await.gone_at, None);
}

//! Unconfirmed resources: they stay unchanged, other resources are updated, and each run confirms more of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use drift_inbox::error::Result;
use drift_inbox::provider::digitalocean::Limits;
use drift_inbox::provider::{Account as Whose, InventoryProvider, Listing, Presence};
use drift_inbox::services::inventory::{KindOutcome, SyncOptions, sync};
use entity::inventory_kinds::ListingOutcome;
use entity::job_runs::JobOutcome;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use tokio::sync::Barrier;

use crate::support::TestApp;
use crate::support::account::{Account, counts, droplet, limits};
use crate::support::cloud::{Cloud, droplet as named};
use crate::support::fleet::fleet;
use crate::support::stub_do::{Answer, normal_answer, response};

#[tokio::test]
async fn an_unconfirmed_resource_does_not_prevent_writing_others() {
    for (status, why) in [
        (422, "the response status is 422"),
        (403, "the token may not read it (403)"),
        (500, "the response status is 500"),
    ] {
        let account = Account::new().await;
        account.stub.has("droplets", (1..=4).map(droplet));
        account.sync().await;
        let before = account.present("droplet").await.remove(0);
        account.stub.delete("droplets", 0);
        account.stub.delete("droplets", 0);
        account
            .stub
            .change("droplets", 0, |three| three["size_slug"] = "s-8vcpu-16gb".into());
        account
            .stub
            .has("volumes", [json!({ "id": "v-1", "name": "data" })]);
        account
            .stub
            .fault(move |request, value| match request.path.as_str() {
                "droplets/1" => response(status, [], "{}"),
                _ => normal_answer(value),
            });
        let run = account.sync().await;
        assert_eq!(run.outcome, Some(JobOutcome::Partial), "{}", run.counts);
        let found = counts(&run);
        assert_eq!((found.gone, found.changed, found.discovered), (1, 1, 1));
        let report = &found.kinds["droplet"];
        assert_eq!(
            (report.outcome, report.unconfirmed),
            (KindOutcome::Incomplete, Some(1))
        );
        let reason = report.reason.as_deref().unwrap();
        assert!(reason.contains(why) && reason.contains("\"1\""), "{reason}");
        let present = account.present("droplet").await;
        assert_eq!(present[0], before, "the unconfirmed resource is unchanged");
        let ids: Vec<&str> = present.iter().map(|row| row.provider_id.as_str()).collect();
        assert_eq!(ids, ["1", "3", "4"]);
        let kind = droplets(&account).await;
        assert_eq!(
            (kind.outcome, kind.unconfirmed, kind.completed_at),
            (Some(ListingOutcome::Incomplete), Some(1), Some(account.t.now()))
        );
        account.stub.fault(|_, value| normal_answer(value));
        let run = account.sync().await;
        assert_eq!((run.outcome, counts(&run).gone), (Some(JobOutcome::Succeeded), 1));
        let kind = droplets(&account).await;
        assert_eq!(
            (kind.outcome, kind.unconfirmed),
            (Some(ListingOutcome::Complete), Some(0))
        );
    }
}

async fn droplets(account: &Account) -> entity::inventory_kinds::Model {
    let mut kinds = account.t.tables().await.kinds;
    kinds.retain(|kind| kind.kind == "droplet");
    kinds.remove(0)
}

/// The interval of the rate limit in this test. It is longer than the maximum wait of a request.
const HOUR: Duration = Duration::from_secs(1);

/// Responds to 5,000 requests, the limit of the API per hour, and then with status 429 and the start of the next
/// interval.
fn hourly_limit(account: &Account, asked_for: &Arc<Mutex<BTreeMap<String, u64>>>) {
    const AN_HOUR: usize = 5_000;
    let (left, counted) = (AtomicUsize::new(AN_HOUR), Arc::clone(asked_for));
    let next_hour = (account.t.now().timestamp() + 1 + HOUR.as_secs() as i64).to_string();
    account.stub.fault(move |request, value| {
        let take = |left: usize| left.checked_sub(1);
        if left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
            .is_err()
        {
            return response(429, [("ratelimit-reset", next_hour.as_str())], "{}");
        }
        if request.path.starts_with("droplets/") && request.path != "droplets/autoscale" {
            *counted.lock().unwrap().entry(request.path.clone()).or_default() += 1;
        }
        normal_answer(value)
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_deleted_resources_are_confirmed_in_several_runs() {
    const GONE: u64 = 10_000;
    let account = Account::new().await;
    fleet(account.t.db(), GONE as usize, account.t.now()).await;
    let owned = "UPDATE cloud_resources SET source = 'digitalocean'";
    account.t.database.execute(owned).await.unwrap();
    account.stub.has("droplets", (1..=5).map(droplet));
    let refused = account.sync().await;
    assert_eq!(
        refused.outcome,
        Some(JobOutcome::Failed),
        "a sync without permission is refused"
    );
    let asked_for = Arc::default();
    let (mut missing, mut runs) = (GONE, 0);
    loop {
        runs += 1;
        assert!(runs <= 3, "each run must confirm more than 4,900 resources");
        hourly_limit(&account, &asked_for);
        let allowed = SyncOptions {
            allow_mass_gone: true,
            ..SyncOptions::default()
        };
        let run = account.sync_with(allowed).await;
        // Five droplets are listed.
        let now = account.present("droplet").await.len() as u64 - 5;
        assert_eq!(counts(&run).gone, missing - now);
        assert!(now < missing, "the run confirmed no resource");
        missing = now;
        let report = counts(&run).kinds.remove("droplet").unwrap();
        if run.outcome == Some(JobOutcome::Succeeded) {
            assert_eq!((now, report.unconfirmed), (0, None));
            break;
        }
        assert_eq!(run.outcome, Some(JobOutcome::Partial), "{:?}", run.error);
        assert_eq!(report.unconfirmed, Some(now));
        let why = report.reason.unwrap();
        assert!(why.contains("the rate limit is exhausted (429)"), "{why}");
        // The last response delays every request until the next interval.
        tokio::time::sleep(HOUR + Duration::from_millis(200)).await;
    }
    let asked_for = asked_for.lock().unwrap();
    assert_eq!(asked_for.len() as u64, GONE);
    assert!(asked_for.values().all(|times| *times == 1));
}

#[tokio::test]
async fn resources_left_unconfirmed_with_allow_mass_gone_need_no_second_permission() {
    let account = Account::new().await;
    account.stub.has("droplets", (1..=40).map(droplet));
    account.sync().await;
    account.stub.has("droplets", (1..=10).map(droplet));
    account.stub.fault(|request, value| match request.path.as_str() {
        "droplets/autoscale" => normal_answer(value),
        path if path.starts_with("droplets/") => response(500, [], "{}"),
        _ => normal_answer(value),
    });
    let allowed = SyncOptions {
        allow_mass_gone: true,
        ..SyncOptions::default()
    };
    let run = account.sync_with(allowed).await;
    assert_eq!((run.outcome, counts(&run).gone), (Some(JobOutcome::Partial), 0));
    assert_eq!(droplets(&account).await.unconfirmed, Some(30));
    account.stub.fault(|_, value| normal_answer(value));
    let run = account.sync().await;
    assert_eq!(
        (run.outcome, counts(&run).gone),
        (Some(JobOutcome::Succeeded), 30)
    );
    // If a later listing lacks most droplets, `allow_mass_gone` must be set again.
    account.stub.has("droplets", []);
    account.t.later(chrono::TimeDelta::seconds(1));
    account.stub.has("droplets", (11..=40).map(droplet));
    account.sync().await;
    account.stub.has("droplets", (1..=1).map(droplet));
    assert_eq!(account.sync().await.outcome, Some(JobOutcome::Failed));
}

#[tokio::test]
async fn a_listing_that_lacks_most_of_a_kind_is_refused_before_confirmations() {
    let account = Account::new().await;
    account.stub.has("droplets", (1..=30).map(droplet));
    account
        .stub
        .has("volumes", [json!({ "id": "v-1", "name": "data" })]);
    account.sync().await;
    let before = account.t.tables().await;
    account.stub.has("droplets", (1..=14).map(droplet));
    // Changes of kinds before and after the droplets must not be written either.
    account
        .stub
        .has("volumes", [json!({ "id": "v-1", "name": "renamed" })]);
    account
        .stub
        .has("certificates", [json!({ "id": "c-1", "name": "new" })]);
    account.stub.clear_requests();
    let run = account.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Failed));
    assert!(
        run.error
            .unwrap()
            .contains("16 of 30 resources of the kind droplet")
    );
    let single = |request: &crate::support::stub_do::ReceivedRequest| request.path.starts_with("droplets/1");
    assert!(!account.stub.requests().iter().any(single));
    assert_eq!(account.t.tables().await, before);
}

#[tokio::test]
async fn confirmations_before_a_token_is_refused_are_kept() {
    let account = Account::new().await;
    account.stub.has("droplets", (1..=300).map(droplet));
    account.sync().await;
    account.stub.has("droplets", (121..=300).map(droplet));
    let left = AtomicUsize::new(105);
    account.stub.fault(move |request, value| {
        let single = request.path.starts_with("droplets/") && request.path != "droplets/autoscale";
        let take = |left: usize| left.checked_sub(1);
        if single
            && left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
                .is_err()
        {
            return response(401, [], "{}");
        }
        normal_answer(value)
    });
    let run = account.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial));
    let gone = counts(&run).gone;
    assert!((100..=105).contains(&gone), "{gone}");
    let report = counts(&run).kinds.remove("droplet").unwrap();
    assert_eq!(report.unconfirmed, Some(120 - gone));
    assert!(report.reason.unwrap().contains("rejected the token (401)"));
}

/// A provider that confirms a resource only when four confirmations run concurrently.
struct FourAtOnce {
    cloud: Arc<Cloud>,
    four: Barrier,
}

impl InventoryProvider for FourAtOnce {
    fn source(&self) -> String {
        self.cloud.source()
    }

    fn account(&self) -> BoxFuture<'_, Result<Option<Whose>>> {
        self.cloud.account()
    }

    fn list<'a>(
        &'a self,
        kinds: Option<&'a BTreeSet<String>>,
        now: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<Listing>> {
        self.cloud.list(kinds, now)
    }

    fn confirm_gone<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Presence>> {
        async {
            self.four.wait().await;
            Ok(Presence::Gone)
        }
        .boxed()
    }
}

#[tokio::test]
async fn confirmations_are_requested_concurrently() {
    let t = TestApp::new().await;
    t.cloud_has((0..8).map(|n| named(&format!("web-{n}")))).await;
    t.cloud.set([]);
    let provider = FourAtOnce {
        cloud: Arc::clone(&t.cloud),
        four: Barrier::new(4),
    };
    let options = SyncOptions::default();
    let synced = sync(t.db(), "cloud", &provider, &options);
    let synced = tokio::time::timeout(Duration::from_secs(60), synced).await;
    assert_eq!(
        synced
            .expect("fewer than four confirmations ran concurrently")
            .unwrap()
            .gone,
        8
    );
}

#[tokio::test]
async fn the_number_of_concurrent_confirmations_is_limited() {
    let account = Account::with(Limits {
        in_flight: 2,
        confirming: Duration::from_secs(2),
        request_timeout: Duration::from_secs(60),
        ..limits()
    })
    .await;
    account.stub.has("droplets", (1..=30).map(droplet));
    account.sync().await;
    account.stub.has("droplets", (11..=30).map(droplet));
    account.stub.clear_requests();
    account.stub.fault(|request, value| {
        if request.path.starts_with("droplets/") && request.path != "droplets/autoscale" {
            return Answer::Hang;
        }
        normal_answer(value)
    });
    let run = account.sync().await;
    assert_eq!(counts(&run).kinds["droplet"].unconfirmed, Some(10));
    let single = account.stub.requests().into_iter();
    let single = single
        .filter(|request| request.path.starts_with("droplets/") && request.path != "droplets/autoscale");
    assert_eq!(single.count(), 2, "the others had no turn");
}

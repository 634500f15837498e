//! Syncs of an account whose API fails.

use drift_inbox::provider::digitalocean::Limits;
use entity::job_runs::{self, JobOutcome};
use serde_json::{Value, json};

use super::account::{Account, counts, droplet};
use super::stub_do::{Answer, ReceivedRequest, normal_answer};

pub(crate) const DROPLETS: usize = 450;

/// Creates an account with three pages of droplets and a volume, and syncs it.
pub(crate) async fn account_with(limits: Limits) -> Account {
    let account = Account::with(limits).await;
    account.stub.has("droplets", (1..=DROPLETS as u64).map(droplet));
    account.stub.has(
        "volumes",
        [json!({ "id": "v-1", "name": "data", "size_gigabytes": 10 })],
    );
    let run = account.sync().await;
    assert_eq!(
        run.outcome,
        Some(JobOutcome::Succeeded),
        "{:?} {}",
        run.error,
        run.counts
    );
    account.stub.clear_requests();
    account
}

/// Syncs with a fault. Checks that no resource is gone. Returns the run, and the outcome of the kind `droplet` with its
/// reason.
pub(crate) async fn sync_with(
    account: &Account,
    fault: impl Fn(&ReceivedRequest, Option<Value>) -> Answer + Send + Sync + 'static,
) -> (job_runs::Model, String) {
    account.stub.fault(fault);
    let run = account.sync().await;
    assert_eq!(account.present("droplet").await.len(), DROPLETS);
    assert_eq!(account.present("volume").await.len(), 1);
    let droplets = counts(&run).kinds.remove("droplet");
    let reason = droplets.map(|kind| match kind.reason {
        Some(reason) => format!("{}: {reason}", kind.outcome.label()),
        None => kind.outcome.label().to_owned(),
    });
    (run, reason.unwrap_or_default())
}

/// Syncs a new account while page 2 of the droplets has this answer. See [`page_2_of`].
pub(crate) async fn page_2_answers(
    limits: Limits,
    answer: impl Fn() -> Answer + Send + Sync + 'static,
) -> String {
    page_2_of(&account_with(limits).await, answer).await
}

/// Syncs while page 2 of the droplets has this answer. Checks that the droplets stay unchanged and that other kinds are
/// read. Returns the outcome of the kind `droplet` with its reason.
pub(crate) async fn page_2_of(
    account: &Account,
    answer: impl Fn() -> Answer + Send + Sync + 'static,
) -> String {
    account.stub.change("volumes", 0, |volume| {
        volume["size_gigabytes"] = (volume["size_gigabytes"].as_u64().unwrap() + 1).into();
    });
    let (run, reason) = sync_with(account, move |request, value| {
        if request.is_droplets(2) {
            answer()
        } else {
            normal_answer(value)
        }
    })
    .await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial), "{:?}", run.error);
    assert_eq!(counts(&run).changed, 1, "the volume");
    assert_eq!(counts(&run).gone, 0);
    reason
}

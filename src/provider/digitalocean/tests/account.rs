use std::io::{self, Write};
use std::sync::Mutex as StdMutex;

use serde_json::json;

use super::server::{Answer, Server, json, list, not_found, status, time};
use super::*;
use crate::domain::inventory::PROJECT_ID;

/// Returns the account id from this response, or the error text.
async fn account_id_of(answer: Answer) -> std::result::Result<String, String> {
    let server = Server::with([("account", answer)]).await;
    let account = server.account(quick()).account().await;
    match account {
        Ok(account) => {
            let account = account.unwrap();
            assert_eq!(account.provider, DIGITALOCEAN);
            Ok(account.id)
        }
        Err(Error::Upstream(why)) => Err(why),
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_account_id_is_that_of_the_team_or_else_of_the_user() {
    let user = json!({ "account": { "uuid": "ada" } });
    let team = json!({ "account": { "uuid": "ada", "team": { "uuid": "team-1" } } });
    assert_eq!(account_id_of(json(user)).await, Ok("ada".to_owned()));
    assert_eq!(account_id_of(json(team)).await, Ok("team-1".to_owned()));
}

#[tokio::test]
async fn the_error_for_an_unreadable_account_has_a_reason_and_a_hint() {
    for (answer, expected) in [
        (json(json!({ "account": {} })), "the response has no account id"),
        (status(403, ""), "it needs the scope account:read"),
        (not_found(), "not found (404)"),
        (status(422, ""), "the response status is 422"),
    ] {
        let why = account_id_of(answer).await.unwrap_err();
        assert!(
            why.contains("so nothing was changed: /v2/account: ") && why.ends_with(expected),
            "{why}"
        );
    }
    let why = account_id_of(status(401, "")).await.unwrap_err();
    assert!(
        why.contains("rejected the token (401)") && why.contains("Set another DIGITALOCEAN_TOKEN"),
        "{why}"
    );
}

#[tokio::test]
async fn a_listing_contains_only_the_requested_kinds() {
    let server = Server::with([
        ("volumes", list("volumes", json!([{ "id": "v-1" }]))),
        ("firewalls", list("firewalls", json!([{ "id": "f-1" }]))),
        ("projects", status(403, "")),
    ])
    .await;
    let account = server.account(quick());
    assert_eq!(account.source(), "digitalocean");
    let kinds = ["volume", "firewall", "snapshot"].map(str::to_owned).into();
    let listing = account.list(Some(&kinds), time()).await.unwrap();
    assert_eq!(
        (listing.provider.as_str(), listing.started_at, listing.exhaustive),
        ("digitalocean", time(), false)
    );
    let listed: Vec<String> = listing
        .kinds
        .iter()
        .map(|(kind, result)| match result {
            KindListing::Complete(listed) => format!("{kind}: {}", listed.to_vec().unwrap()[0].provider_id),
            KindListing::Incomplete(_) => format!("{kind}: incomplete"),
            KindListing::NotReadable(_) => format!("{kind}: not readable"),
        })
        .collect();
    assert_eq!(listed, ["firewall: f-1", "snapshot: not readable", "volume: v-1"]);
    assert_eq!(listing.notes.keys().collect::<Vec<_>>(), ["volume"]);
    assert_eq!(
        listing.unread_fields,
        [("volume".to_owned(), [PROJECT_ID].into())].into(),
        "specs that set it cannot be vouched for"
    );
}

#[tokio::test]
async fn an_unfiltered_listing_has_every_kind() {
    let server = Server::in_turn([not_found()]).await;
    let listing = server.account(quick()).list(None, time()).await.unwrap();
    assert_eq!(listing.kinds.len(), KINDS.len());
    let server = Server::in_turn([status(401, "")]).await;
    let refused = server.account(quick()).list(None, time()).await;
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("rejected the token (401)"), "{why}");
}

#[tokio::test]
async fn a_new_listing_repeats_requests_for_unlisted_objects() {
    let server = Server::with([
        ("domains", list("domains", json!([{ "name": "shop.example" }]))),
        (
            "domains/shop.example/records",
            list("domain_records", json!([{ "id": 12, "type": "A" }])),
        ),
    ])
    .await;
    let (account, last) = (server.account(quick()), Map::new());
    let presence_of = async |id| account.confirm_gone("domain_record", id, &last).await.unwrap();
    assert!(matches!(presence_of("12").await, Presence::Exists(_)));
    assert!(matches!(presence_of("13").await, Presence::Gone));
    assert_eq!(server.times("domains"), 1, "once for all questions of a listing");
    account.list(Some(&BTreeSet::new()), time()).await.unwrap();
    assert!(matches!(presence_of("12").await, Presence::Exists(_)));
    assert_eq!(server.times("domains"), 2);
}

/// The log output of the current thread.
#[derive(Clone, Default)]
struct Log(Arc<StdMutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_gives_the_reason_for_an_incomplete_kind() {
    let server = Server::with([
        ("volumes", list("volumes", json!([{ "id": "v-1" }]))),
        ("projects", status(403, "")),
        ("snapshots", status(422, "")),
    ])
    .await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let log_guard = tracing::subscriber::set_default(subscriber);
    let kinds = ["volume", "snapshot", "project"].map(str::to_owned).into();
    server.account(quick()).list(Some(&kinds), time()).await.unwrap();
    drop(log_guard);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for (event, kind, why) in [
        (
            "kind.fields_not_readable",
            "volume",
            "/v2/projects: the token may not read",
        ),
        (
            "kind.incomplete",
            "snapshot",
            "/v2/snapshots: the response status is 422",
        ),
        (
            "kind.not_readable",
            "project",
            "/v2/projects: the token may not read",
        ),
    ] {
        let line = log.lines().find(|line| line.contains(event));
        let line = line.unwrap_or_else(|| panic!("{event}: {log}"));
        assert!(
            line.contains("WARN") && line.contains(kind) && line.contains(why),
            "{line}"
        );
    }
}

//! Syncs from DigitalOcean: every kind is listed in the fewest calls, and tokens of other accounts are refused.

use std::collections::{BTreeMap, BTreeSet};

use drift_inbox::services::inventory::{KindOutcome, SyncOptions};
use entity::job_runs::JobOutcome;
use serde_json::{Value, json};

use crate::support::account::{Account, counts, droplet};
use crate::support::stub_do::{ReceivedRequest, normal_answer, response};

fn numbered(count: u64, item: impl Fn(u64) -> Value) -> Vec<Value> {
    (1..=count).map(item).collect()
}

/// Returns a resource with only an id and a name.
fn plain(kind: &str, number: u64) -> Value {
    json!({ "id": format!("{kind}-{number}"), "name": format!("{kind} {number}") })
}

fn record(number: u64) -> Value {
    json!({ "id": number, "type": "A", "name": format!("host{number}"), "data": "203.0.113.9", "ttl": 1800 })
}

/// Fills the account with 1,000 resources of all kinds.
fn thousand(account: &Account) {
    let stub = &account.stub;
    stub.has("droplets", numbered(450, droplet));
    stub.has("gpus", numbered(2, |number| droplet(1000 + number)));
    stub.has("volumes", numbered(242, |number| plain("volume", number)));
    stub.has("load_balancers", numbered(12, |number| plain("lb", number)));
    stub.has("databases", numbered(10, |number| plain("db", number)));
    stub.has("firewalls", numbered(20, |number| plain("firewall", number)));
    stub.has("vpcs", numbered(8, |number| plain("vpc", number)));
    stub.has(
        "domains",
        numbered(5, |number| json!({ "name": format!("d{number}.example") })),
    );
    stub.has("domains/d1.example/records", numbered(201, record));
    stub.has("domains/d2.example/records", [record(901)]);
    let cluster = json!({ "id": "c-1", "name": "main", "node_pools": [plain("pool", 1), plain("pool", 2)] });
    stub.has("kubernetes/clusters", [cluster]);
    stub.has("reserved_ips", [json!({ "ip": "203.0.113.1" })]);
    stub.has("apps", [json!({ "id": "app-1", "spec": { "name": "shop" } })]);
    stub.has("certificates", numbered(2, |number| plain("certificate", number)));
    for kind in ["cdn/endpoints", "projects", "snapshots", "uptime/checks"] {
        stub.has(kind, numbered(5, |number| plain(kind, number)));
    }
    stub.has(
        "images",
        numbered(11, |number| json!({ "id": number, "name": "image" })),
    );
    stub.has("registries", [json!({ "name": "registry" })]);
}

#[tokio::test]
async fn a_thousand_resources_are_listed_in_the_fewest_calls() {
    let account = Account::new().await;
    thousand(&account);
    let run = account.sync().await;
    assert_eq!(
        run.outcome,
        Some(JobOutcome::Succeeded),
        "{:?} {}",
        run.error,
        run.counts
    );
    assert_eq!(counts(&run).resources, 1000);
    assert_eq!(counts(&run).kinds.len(), 20);

    // The account, and each list once with 200 items per page; an empty list has one page. Droplets with a GPU have
    // their own list, and node pools are part of their cluster. Then the records of each domain, the trusted sources of
    // each database, the autoscale pools, and the resources of each project. The log of actions comes last.
    let pages = |items: u64| items.div_ceil(200).max(1);
    let paged = [450, 2, 242, 12, 20, 8, 5, 1, 1, 1, 2, 5, 5, 5, 11, 5];
    let (databases_and_registries, records, databases) = (2, [201, 1, 0, 0, 0], 10);
    let (pools, projects) = (1, 5);
    let fewest = 1
        + paged.into_iter().map(pages).sum::<u64>()
        + databases_and_registries
        + records.into_iter().map(pages).sum::<u64>()
        + databases
        + pools
        + projects
        + 1;
    assert_eq!(account.stub.requests().len() as u64, fewest);
    let requests = account.stub.requests();
    assert!(requests.iter().all(|request| request.method == "GET"));
    assert!(
        requests
            .iter()
            .filter(|request| request.query.contains_key("page"))
            .all(|request| request.query["per_page"] == "200")
    );

    // A second sync of the unchanged account changes no resource.
    account.stub.clear_requests();
    let again = counts(&account.sync().await);
    assert_eq!(
        (again.resources, again.discovered, again.changed, again.gone),
        (1000, 0, 0, 0)
    );
    assert_eq!(account.stub.requests().len() as u64, fewest);
}

#[tokio::test]
async fn a_narrowed_sync_requests_only_its_kinds() {
    let account = Account::new().await;
    thousand(&account);
    let wanted = |kinds: &[&str]| SyncOptions {
        kinds: Some(kinds.iter().map(ToString::to_string).collect()),
        ..SyncOptions::default()
    };
    let run = account
        .sync_with(wanted(&["snapshot", "database_firewall"]))
        .await;
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded));
    let paths: BTreeSet<String> = account
        .stub
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(paths.len(), 1 + 1 + 1 + 10, "{paths:?}");
    let unknown = account.sync_with(wanted(&["snapshot", "toaster"])).await;
    assert_eq!(unknown.error.as_deref(), Some("unknown kind \"toaster\""));
}

#[tokio::test]
async fn a_deleted_resource_of_any_kind_is_confirmed_once_and_becomes_gone() {
    let account = Account::new().await;
    thousand(&account);
    account.stub.has(
        "databases/db-1/firewall",
        [json!({ "type": "tag", "value": "web" })],
    );
    account.sync().await;
    let lists = [
        "droplets",
        "gpus",
        "volumes",
        "load_balancers",
        "databases",
        "firewalls",
        "vpcs",
        "domains",
        "reserved_ips",
        "apps",
        "certificates",
        "cdn/endpoints",
        "projects",
        "snapshots",
        "images",
        "registries",
        "uptime/checks",
        "domains/d2.example/records",
    ];
    for list in lists {
        // The last domain has no records; deleting another domain would also delete its records.
        account.stub.delete(list, if list == "domains" { 4 } else { 0 });
    }
    account.stub.change("kubernetes/clusters", 0, |cluster| {
        cluster["node_pools"].as_array_mut().unwrap().remove(0);
    });
    account.stub.clear_requests();
    let run = account.sync().await;
    assert_eq!(
        run.outcome,
        Some(JobOutcome::Succeeded),
        "{:?} {}",
        run.error,
        run.counts
    );
    // Deleting the database also deletes its trusted sources; a pool of the cluster is deleted as well.
    assert_eq!(counts(&run).gone, lists.len() as u64 + 2, "{}", run.counts);
    // One request per resource; the certificate is requested by its name. For a database that is gone, its trusted
    // sources are requested, too: a read-only replica has trusted sources, but is in no list.
    let single = |request: &&ReceivedRequest| {
        !request.query.contains_key("page") || request.query.contains_key("name")
    };
    let all = account.stub.requests();
    // The other requests without a page: the account, two lists, and the trusted sources of nine databases.
    let whole = 1 + 2 + 9;
    assert_eq!(all.iter().filter(single).count(), lists.len() + 3 + whole);
}

#[tokio::test]
async fn the_token_of_another_account_changes_nothing() {
    let account = Account::new().await;
    account.stub.has("droplets", numbered(3, droplet));
    account.stub.set_account_id("ada", Some("team-1"));
    assert_eq!(account.sync().await.outcome, Some(JobOutcome::Succeeded));
    // The token of another user of the same team.
    account.stub.set_account_id("grace", Some("team-1"));
    assert_eq!(account.sync().await.outcome, Some(JobOutcome::Succeeded));
    // The user's personal account, and another team.
    for team in [None, Some("team-2")] {
        account.stub.set_account_id("grace", team);
        account.stub.has("droplets", [droplet(9)]);
        account.stub.clear_requests();
        let run = account.sync().await;
        assert_eq!(run.outcome, Some(JobOutcome::Failed));
        let paths: Vec<String> = account
            .stub
            .requests()
            .into_iter()
            .map(|request| request.path)
            .collect();
        assert_eq!(paths, ["account"], "nothing of it is looked at");
        assert!(run.error.unwrap().starts_with("the token belongs to account "));
        assert_eq!(account.present("droplet").await.len(), 3);
    }
}

#[tokio::test]
async fn a_revoked_token_ends_the_run_with_a_message() {
    let account = Account::new().await;
    account.stub.has("droplets", numbered(3, droplet));
    account.sync().await;
    for refused in ["account", "volumes"] {
        account.stub.clear_requests();
        account.stub.fault(move |request, value| {
            if request.path == refused {
                response(401, [], r#"{"id":"unauthorized"}"#)
            } else {
                normal_answer(value)
            }
        });
        let run = account.sync().await;
        assert_eq!(run.outcome, Some(JobOutcome::Failed));
        let error = run.error.unwrap();
        assert!(
            error.starts_with("DigitalOcean rejected the token (401)"),
            "{error}"
        );
        let tries = account
            .stub
            .requests()
            .iter()
            .filter(|request| request.path == refused)
            .count();
        assert_eq!(tries, 1, "a refused token is not tried again");
        assert_eq!(account.present("droplet").await.len(), 3);
    }
}

#[tokio::test]
async fn a_token_revoked_during_a_sync_keeps_the_result_of_each_kind() {
    let account = Account::new().await;
    account.stub.has("droplets", numbered(3, droplet));
    account.sync().await;
    account.stub.delete("droplets", 0);
    account.stub.fault(|request, value| match request.path.as_str() {
        "droplets/1" => response(401, [], "{}"),
        "firewalls" => response(403, [], "{}"),
        _ => normal_answer(value),
    });
    let run = account.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial));
    let kinds = counts(&run).kinds;
    assert_eq!(kinds.len(), 20);
    assert_eq!(kinds["droplet"].outcome, KindOutcome::Incomplete);
    let why = kinds["droplet"].reason.as_deref().unwrap();
    assert!(why.contains("DigitalOcean rejected the token (401)"), "{why}");
    assert_eq!(kinds["firewall"].outcome, KindOutcome::NotReadable);
    assert_eq!(kinds["volume"].outcome, KindOutcome::Complete);
    assert_eq!(account.present("droplet").await.len(), 3);
}

#[tokio::test]
async fn a_node_pool_that_is_read_alone_settles_with_its_cluster() {
    let account = Account::new().await;
    let cluster = |state: &str| {
        json!({ "id": "c-1", "name": "main", "status": { "state": state },
                "node_pools": [plain("pool", 1), plain("pool", 2)] })
    };
    account.stub.has("kubernetes/clusters", [cluster("running")]);
    account.sync().await;
    account.stub.has("kubernetes/clusters", [cluster("upgrading")]);
    account.stub.fault(|request, value| {
        let mut value = value.unwrap_or_default();
        if request.path == "kubernetes/clusters" {
            value["kubernetes_clusters"][0]["node_pools"]
                .as_array_mut()
                .unwrap()
                .remove(0);
        }
        normal_answer(Some(value).filter(|value| !value.is_null()))
    });
    let run = account.sync().await;
    assert_eq!((run.outcome, counts(&run).gone), (Some(JobOutcome::Succeeded), 0));
    let pools = account.present("kubernetes_node_pool").await;
    assert!(
        pools.iter().all(|pool| pool.settling_since.is_some()),
        "{pools:?}"
    );
}

#[tokio::test]
async fn a_kind_that_is_not_readable_keeps_its_inventory() {
    let account = Account::new().await;
    account.stub.has("droplets", numbered(3, droplet));
    account.stub.has(
        "domains",
        [json!({ "name": "d1.example" }), json!({ "name": "d2.example" })],
    );
    account.stub.has("domains/d1.example/records", [record(1)]);
    account.sync().await;
    let outcomes = async |status: u16, path: &'static str| {
        account.stub.fault(move |request, value| {
            if request.path == path {
                response(status, [], "{}")
            } else {
                normal_answer(value)
            }
        });
        let run = account.sync().await;
        assert_eq!(run.outcome, Some(JobOutcome::Partial), "{path}");
        assert_eq!(counts(&run).gone, 0);
        assert_eq!(account.present("droplet").await.len(), 3);
        assert_eq!(account.present("domain_record").await.len(), 1);
        let unread = counts(&run)
            .kinds
            .into_iter()
            .filter(|(_, kind)| kind.reason.is_some());
        unread
            .map(|(kind, report)| (kind, report.outcome))
            .collect::<BTreeMap<_, _>>()
    };
    let unread = |kinds: &[(&str, KindOutcome)]| -> BTreeMap<String, KindOutcome> {
        kinds
            .iter()
            .map(|(kind, outcome)| (kind.to_string(), *outcome))
            .collect()
    };
    for status in [403, 404] {
        assert_eq!(
            outcomes(status, "droplets").await,
            unread(&[("droplet", KindOutcome::NotReadable)])
        );
    }
    assert_eq!(
        outcomes(403, "domains").await,
        unread(&[
            ("domain", KindOutcome::NotReadable),
            ("domain_record", KindOutcome::NotReadable)
        ])
    );
    // A child list that fails makes only its own kind incomplete.
    for status in [404, 500] {
        let path = "domains/d2.example/records";
        assert_eq!(
            outcomes(status, path).await,
            unread(&[("domain_record", KindOutcome::Incomplete)])
        );
    }

    account.stub.fault(|request, value| {
        if request.path == "account" {
            normal_answer(value)
        } else {
            response(403, [], "{}")
        }
    });
    let run = account.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Failed), "no kind could be listed");
    account.stub.fault(|_, _| response(403, [], "{}"));
    let run = account.sync().await;
    assert!(run.error.unwrap().contains("it needs the scope account:read"));
    assert_eq!(account.present("droplet").await.len(), 3);
}

#[tokio::test]
async fn a_resource_whose_absence_cannot_be_confirmed_is_not_gone() {
    let account = Account::new().await;
    account.stub.has("droplets", numbered(3, droplet));
    account.sync().await;
    account.stub.delete("droplets", 0);
    for status in [403, 500, 302] {
        account.stub.fault(move |request, value| {
            if request.path == "droplets/1" {
                response(status, [], "{}")
            } else {
                normal_answer(value)
            }
        });
        let run = account.sync().await;
        assert_eq!(run.outcome, Some(JobOutcome::Partial), "{status}");
        assert_eq!(counts(&run).kinds["droplet"].outcome, KindOutcome::Incomplete);
        assert_eq!(account.present("droplet").await.len(), 3);
    }
    // A response about another resource confirms nothing.
    account.stub.fault(|request, value| {
        if request.path == "droplets/1" {
            normal_answer(Some(json!({ "droplet": droplet(2) })))
        } else {
            normal_answer(value)
        }
    });
    assert_eq!(
        counts(&account.sync().await).kinds["droplet"].outcome,
        KindOutcome::Incomplete
    );
    account.stub.fault(|_, value| normal_answer(value));
    assert_eq!(counts(&account.sync().await).gone, 1);
}

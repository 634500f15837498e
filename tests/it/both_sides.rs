//! One account, synced from its API and imported from the Terraform state that created it. Both sources give every
//! field the same format, so there is no drift until a value changes.

use std::collections::BTreeSet;

use drift_inbox::provider::terraform::{State, parse_value};
use entity::cloud_resources;
use entity::job_runs::JobOutcome;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::support::account::Account;
use crate::support::one_account;
use crate::support::state::state_file;

fn state() -> State {
    let instances = one_account::instances();
    let named = instances
        .into_iter()
        .enumerate()
        .map(|(number, (type_name, attributes))| (type_name, format!("r{number}"), attributes));
    parse_value(state_file("l-1", 1, named)).unwrap()
}

/// Returns the kind, id and field of every open drift.
async fn open(account: &Account) -> BTreeSet<(String, String, String)> {
    let rows = cloud_resources::Entity::find()
        .all(account.t.db().reader())
        .await
        .unwrap();
    let drifts = account.t.inbox().await;
    let named = drifts.into_iter().map(|drift| {
        let row = rows.iter().find(|row| row.id == drift.resource_id).unwrap();
        (row.kind.clone(), row.provider_id.clone(), drift.field)
    });
    named.collect()
}

async fn sync(account: &Account) {
    let run = account.sync().await;
    assert_eq!(
        run.outcome,
        Some(JobOutcome::Succeeded),
        "{:?} {}",
        run.error,
        run.counts
    );
}

async fn imported(account: &Account) {
    let summary = account.t.import(&state()).await;
    assert_eq!(summary.refused, []);
    assert_eq!(summary.skipped.unsupported, Default::default());
    assert_eq!((summary.skipped.unattached, summary.skipped.without_id), (0, 0));
}

#[tokio::test]
async fn an_account_that_matches_its_state_has_no_drift() {
    for import_first in [true, false] {
        let account = Account::new().await;
        one_account::fill(&account.stub);
        if import_first {
            imported(&account).await;
            sync(&account).await;
        } else {
            sync(&account).await;
            imported(&account).await;
        }
        let counts = account.t.sweep().await;
        let inbox: Vec<Value> = account
            .t
            .inbox()
            .await
            .into_iter()
            .map(|drift| json!([drift.field, drift.expected, drift.actual]))
            .collect();
        assert_eq!(inbox, Vec::<Value>::new());
        assert_eq!((counts.unsynced, counts.skipped), (0, 0));
        let kinds: BTreeSet<String> = state()
            .desired
            .iter()
            .map(|desired| desired.kind.to_owned())
            .collect();
        assert_eq!(kinds.len(), 20, "{kinds:?}");
    }
}

/// A change of the cloud: list, index, change, and the kind, id and field of the expected drift.
type Change = (&'static str, usize, fn(&mut Value), [&'static str; 3]);

const CHANGES: [Change; 25] = [
    (
        "droplets",
        0,
        |it| it["size_slug"] = "s-4vcpu-8gb".into(),
        ["droplet", "101", "size_slug"],
    ),
    (
        "droplets",
        1,
        |it| it["features"] = json!(["backups", "private_networking"]),
        ["droplet", "102", "backups"],
    ),
    (
        "volumes",
        0,
        |it| it["size_gigabytes"] = 200.into(),
        ["volume", "vol-1", "size_gigabytes"],
    ),
    (
        "volumes",
        1,
        |it| it["droplet_ids"] = json!([]),
        ["volume", "vol-2", "droplet_ids"],
    ),
    (
        "load_balancers",
        0,
        |it| it["forwarding_rules"][1]["target_port"] = 8080.into(),
        ["load_balancer", "lb-1", "forwarding_rules"],
    ),
    (
        "load_balancers",
        1,
        |it| it["tag"] = "other".into(),
        ["load_balancer", "lb-2", "tag"],
    ),
    (
        "databases",
        0,
        |it| it["num_nodes"] = 3.into(),
        ["database", "db-1", "num_nodes"],
    ),
    (
        "databases",
        1,
        |it| it["size"] = "db-s-8vcpu-16gb".into(),
        ["database", "db-2", "size_slug"],
    ),
    (
        "databases/db-1/firewall",
        0,
        |it| it["value"] = "0.0.0.0/0".into(),
        ["database_firewall", "db-1", "rules"],
    ),
    (
        "firewalls",
        0,
        |it| it["inbound_rules"][0]["sources"]["addresses"] = json!(["0.0.0.0/0"]),
        ["firewall", "fw-1", "inbound_rules"],
    ),
    (
        "vpcs",
        0,
        |it| it["description"] = "by hand".into(),
        ["vpc", "vpc-1", "description"],
    ),
    (
        "domains/example.com/records",
        0,
        |it| it["data"] = "203.0.113.66".into(),
        ["domain_record", "1", "data"],
    ),
    (
        "domains/example.com/records",
        4,
        |it| it["port"] = 5061.into(),
        ["domain_record", "5", "port"],
    ),
    (
        "kubernetes/clusters",
        0,
        |it| it["control_plane_firewall"]["enabled"] = false.into(),
        ["kubernetes_cluster", "k-1", "control_plane_firewall"],
    ),
    (
        "kubernetes/clusters",
        0,
        |it| it["node_pools"][0]["count"] = 5.into(),
        ["kubernetes_node_pool", "pool-1", "count"],
    ),
    (
        "kubernetes/clusters",
        0,
        |it| it["node_pools"][1]["max_nodes"] = 50.into(),
        ["kubernetes_node_pool", "pool-2", "max_nodes"],
    ),
    (
        "reserved_ips",
        0,
        |it| it["droplet"] = Value::Null,
        ["reserved_ip", "203.0.113.101", "droplet_id"],
    ),
    (
        "reserved_ips",
        1,
        |it| it["droplet"] = json!({ "id": 101 }),
        ["reserved_ip", "203.0.113.102", "droplet_id"],
    ),
    (
        "apps",
        0,
        |it| it["spec"]["services"][0]["git"]["branch"] = "wip".into(),
        ["app", "app-1", "spec"],
    ),
    (
        "certificates",
        0,
        |it| it["dns_names"] = json!(["example.com"]),
        ["certificate", "shop", "dns_names"],
    ),
    (
        "cdn/endpoints",
        0,
        |it| it["certificate_id"] = "".into(),
        ["cdn_endpoint", "cdn-1", "certificate_name"],
    ),
    (
        "projects",
        1,
        |it| it["purpose"] = "Web Application".into(),
        ["project", "p-1", "purpose"],
    ),
    (
        "snapshots",
        0,
        |it| it["name"] = "renamed".into(),
        ["snapshot", "6372321", "name"],
    ),
    (
        "images",
        0,
        |it| it["description"] = "golden".into(),
        ["image", "7555620", "description"],
    ),
    (
        "uptime/checks",
        0,
        |it| it["enabled"] = false.into(),
        ["uptime_check", "up-1", "enabled"],
    ),
];

#[tokio::test]
async fn each_change_of_the_cloud_opens_exactly_one_drift() {
    let account = Account::new().await;
    one_account::fill(&account.stub);
    imported(&account).await;
    sync(&account).await;
    let mut expected = BTreeSet::new();
    for (list, index, change, [kind, id, field]) in CHANGES {
        account.stub.change(list, index, change);
        expected.insert((kind.to_owned(), id.to_owned(), field.to_owned()));
    }
    // A registry cannot be changed, and no state declares a field of a domain. So the registry is replaced, and the
    // domain moves to another project.
    account
        .stub
        .change("registries", 0, |it| it["region"] = "nyc3".into());
    expected.insert(("registry".to_owned(), "shop".to_owned(), "region".to_owned()));
    let moved = account.stub.delete("projects/p-1/resources", 0);
    assert_eq!(moved["urn"], "do:domain:example.com");
    account.stub.has("projects/p-0/resources", [moved]);
    expected.insert((
        "domain".to_owned(),
        "example.com".to_owned(),
        "project_id".to_owned(),
    ));
    sync(&account).await;
    account.t.sweep().await;
    assert_eq!(open(&account).await, expected);
}

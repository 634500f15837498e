//! Trusted sources of read-only replicas. No list contains a replica, but its firewall can be read by its id.

use drift_inbox::provider::terraform;
use serde_json::{Value, json};

use crate::support::account::Account;
use crate::support::state::state_file;

fn rules(addresses: &[&str]) -> Vec<Value> {
    let rule = |address: &&str| {
        json!({ "uuid": format!("rule-{address}"), "cluster_uuid": "replica-1", "type": "ip_addr",
            "value": address, "created_at": "2026-11-01T00:00:00Z" })
    };
    addresses.iter().map(rule).collect()
}

/// Creates an account with a cluster and its replica, and imports a state that declares the trusted sources of the
/// replica.
async fn with_a_replica() -> Account {
    let account = Account::new().await;
    account.stub.has(
        "databases",
        [
            json!({ "id": "db-1", "name": "main", "engine": "pg", "version": "16",
        "num_nodes": 1, "size": "db-s-1vcpu-1gb", "region": "nyc3", "status": "online" }),
        ],
    );
    account.stub.has("replicas", [json!({ "id": "replica-1" })]);
    account
        .stub
        .has("databases/replica-1/firewall", rules(&["203.0.113.7"]));
    let declared = json!({ "id": "replica-1-20261101", "cluster_id": "replica-1",
        "rule": [{ "uuid": "rule-203.0.113.7", "type": "ip_addr", "value": "203.0.113.7", "description": "",
            "created_at": "2026-11-01T00:00:00Z" }] });
    let state = state_file(
        "l-1",
        1,
        [("digitalocean_database_firewall", "replica".to_owned(), declared)],
    );
    account.t.import(&terraform::parse_value(state).unwrap()).await;
    account
}

async fn open_fields(account: &Account) -> Vec<String> {
    let inbox = account.t.inbox().await;
    inbox.into_iter().map(|drift| drift.field).collect()
}

#[tokio::test]
async fn trusted_sources_of_a_replica_are_compared_and_never_missing() {
    let account = with_a_replica().await;
    for _ in 0..2 {
        account.sync().await;
        account.t.sweep().await;
        assert_eq!(
            open_fields(&account).await,
            [""; 0],
            "the rules equal the declared ones"
        );
    }
    account
        .stub
        .has("databases/replica-1/firewall", rules(&["203.0.113.7", "0.0.0.0"]));
    account.sync().await;
    account.t.sweep().await;
    assert_eq!(open_fields(&account).await, ["rules"]);
}

#[tokio::test]
async fn trusted_sources_of_a_deleted_replica_are_missing() {
    let account = with_a_replica().await;
    account.sync().await;
    account.stub.has("replicas", []);
    account.sync().await;
    account.t.sweep().await;
    assert_eq!(open_fields(&account).await, ["*"]);
}

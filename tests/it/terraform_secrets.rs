//! Secrets in Terraform states: no secret is stored in a table or returned by the API.

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;

use crate::support::TestApp;
use crate::support::state::state_file;

const SECRET: &str = "hunter2-of-the-state";

/// Returns the content of all tables.
async fn everything(t: &TestApp) -> String {
    let reader = t.db().reader();
    let tables = match t.db().backend() {
        DbBackend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
        _ => "SELECT table_name::text AS name FROM information_schema.tables WHERE table_schema = 'public'",
    };
    let tables = reader
        .query_all_raw(Statement::from_string(t.db().backend(), tables))
        .await
        .unwrap();
    let mut all = String::new();
    for table in tables {
        let table: String = table.try_get("", "name").unwrap();
        all.push_str(&table);
        let rows = match t.db().backend() {
            DbBackend::Sqlite => {
                let columns = format!(
                    "SELECT group_concat('quote(\"' || name || '\")', ' || ') AS c FROM pragma_table_info('{table}')"
                );
                let columns = reader
                    .query_one_raw(Statement::from_string(DbBackend::Sqlite, columns))
                    .await
                    .unwrap()
                    .unwrap();
                let columns: String = columns.try_get("", "c").unwrap();
                format!("SELECT {columns} AS row FROM \"{table}\"")
            }
            _ => format!("SELECT t::text AS row FROM \"{table}\" t"),
        };
        for row in reader
            .query_all_raw(Statement::from_string(t.db().backend(), rows))
            .await
            .unwrap()
        {
            all.push_str(
                &row.try_get::<Option<String>>("", "row")
                    .unwrap()
                    .unwrap_or_default(),
            );
        }
    }
    all
}

#[tokio::test]
async fn no_secret_of_a_state_is_in_any_table_or_response() {
    let t = TestApp::new().await;
    let variables = || json!([{"key": "TOKEN", "value": SECRET, "type": "SECRET"}, {"key": "A", "value": SECRET, "type": "GENERAL"}]);
    let instances = [
        (
            "digitalocean_droplet",
            json!({"id": "1", "name": "a", "user_data": SECRET, "ssh_keys": [SECRET], "root_password": SECRET}),
        ),
        (
            "digitalocean_database_cluster",
            json!({"id": "2", "name": "b", "engine": "pg", "password": SECRET, "ui_password": SECRET,
                "uri": format!("postgres://doadmin:{SECRET}@host"), "private_uri": SECRET, "ui_uri": SECRET,
                "backup_restore": [{"database_name": SECRET}]}),
        ),
        (
            "digitalocean_database_user",
            json!({"id": "3", "name": "c", "password": SECRET, "access_key": SECRET}),
        ),
        (
            "digitalocean_kubernetes_cluster",
            json!({"id": "4", "name": "d", "kube_config": [{"token": SECRET, "raw_config": SECRET, "client_key": SECRET}],
                "node_pool": [{"id": "5", "name": "e", "secret": SECRET}]}),
        ),
        (
            "digitalocean_certificate",
            json!({"id": "6", "name": "f", "type": "custom", "private_key": SECRET, "leaf_certificate": SECRET,
                "certificate_chain": SECRET}),
        ),
        (
            "digitalocean_app",
            json!({"id": "7", "spec": [{"name": "g", "env": variables(), "service": [{"name": "h", "env": variables(),
                "image": [{"registry_credentials": SECRET, "repository": "r"}],
                "log_destination": [{"name": "l", "logtail": [{"token": SECRET}], "datadog": [{"api_key": SECRET}],
                    "open_search": [{"basic_auth": [{"password": SECRET}]}]}],
                "git": [{"repo_clone_url": format!("https://{SECRET}@example.com/r.git"), "branch": "main"}],
                "alert": [{"rule": "X", "destinations": [{"slack_webhooks": [{"url": SECRET}]}]}]}]}]}),
        ),
        (
            "digitalocean_custom_image",
            json!({"id": "8", "name": "i", "url": format!("https://x/?token={SECRET}")}),
        ),
        (
            "digitalocean_uptime_check",
            json!({"id": "9", "name": "j", "target": format!("https://u:{SECRET}@x")}),
        ),
        (
            "digitalocean_spaces_key",
            json!({"id": "10", "name": "k", "secret_key": SECRET}),
        ),
        (
            "digitalocean_monitor_alert",
            json!({"id": "11", "alerts": [{"slack": [{"url": SECRET}]}]}),
        ),
        (
            "digitalocean_droplet_autoscale",
            json!({"id": "12", "droplet_template": [{"user_data": SECRET}]}),
        ),
        (
            "digitalocean_reserved_ip",
            json!({"id": "192.0.2.1", "ip_address": "192.0.2.1", "secret": SECRET}),
        ),
    ];
    let count = instances.len();
    let instances = instances
        .into_iter()
        .enumerate()
        .map(|(place, (type_name, attributes))| (type_name, format!("r{place}"), attributes));
    let mut file = state_file("l-1", 1, instances);
    file["outputs"] = json!({"password": {"value": SECRET, "type": "string", "sensitive": true}});
    let import = "mutation($state: JSON!) { importTerraformState(input: { state: $state }) {
        summary { recorded refused { reason } skipped { unsupported } } } }";
    let data = t.data(import, json!({ "state": file })).await;
    let summary = &data["importTerraformState"]["summary"];
    assert_eq!(summary["skipped"]["unsupported"], 4);
    // The node pool inside the cluster is another resource.
    assert_eq!(summary["recorded"], count - 4 + 1);
    t.sync().await;
    t.sweep().await;
    let all = everything(&t).await;
    assert!(
        all.contains("cloud_provisioned") && all.contains("terraform:l-1"),
        "the tables were not read"
    );
    assert!(!all.contains(SECRET));
    let shown = t
        .data(
            "{ resources { nodes { name attrs provisioned { spec } events { nodes { data } } } } }",
            json!({}),
        )
        .await;
    assert!(!shown.to_string().contains(SECRET));
}

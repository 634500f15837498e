//! No secret reaches the database, a log or a response: only allowed fields are read, and bodies of errors are
//! discarded.

use std::process::{Command, Output};

use sea_orm::{ConnectionTrait as _, Database, DbBackend, Statement};
use serde_json::json;

use crate::support::account::{Account, droplet};
use crate::support::stub_do::{TOKEN, normal_answer, response};

/// Every planted secret contains this text.
const PLANTED: &str = "hunter2";

/// Fills the account with secrets in all fields of the API that can contain one, and in unknown fields.
fn plant(account: &Account) {
    let stub = &account.stub;
    let secret = |what: &str| format!("{PLANTED}-{what}");
    let mut web = droplet(1);
    web["user_data"] = secret("user-data").into();
    web["image"]["novel"] = json!({ "password": secret("novel") });
    web["kernel"] = json!({ "name": secret("kernel") });
    stub.has("droplets", [web]);
    let template = json!({ "user_data": secret("template"), "size": "s-1vcpu-1gb" });
    stub.has(
        "droplets/autoscale",
        [json!({ "id": "p-1", "name": "pool", "droplet_template": template })],
    );
    stub.has(
        "droplets/autoscale/p-1/members",
        [json!({ "droplet_id": 1, "novel": secret("member") })],
    );
    let connection = json!({ "uri": secret("uri"), "password": secret("password"), "host": "db.example" });
    stub.has(
        "databases",
        [json!({
            "id": "db-1", "name": "main", "engine": "pg", "connection": connection,
            "private_connection": connection, "ui_connection": connection, "standby_connection": connection,
            "schema_registry_connection": connection, "db_names": [secret("name")],
            "users": [{ "name": "doadmin", "password": secret("user"), "access_key": secret("key"),
                        "access_cert": secret("cert") }],
            "maintenance_window": { "day": "monday", "hour": "13:00", "description": [secret("window")] },
        })],
    );
    let rule = json!({ "type": "ip_addr", "value": "203.0.113.5", "description": secret("rule") });
    stub.has("databases/db-1/firewall", [rule]);
    let component = json!({
        "name": "web", "envs": [
            { "key": "API_KEY", "type": "SECRET", "value": secret("env") },
            { "key": "URL", "type": "GENERAL", "value": secret("general") },
        ],
        "image": { "registry_type": "GHCR", "repository": "shop", "registry_credentials": secret("registry") },
        "git": { "repo_clone_url": format!("https://ada:{}@git.example.com/shop.git", secret("git")), "branch": "main" },
        "log_destinations": [{ "name": "logs", "logtail": { "token": secret("logtail") },
            "datadog": { "api_key": secret("datadog") }, "papertrail": { "endpoint": secret("papertrail") },
            "open_search": { "basic_auth": { "user": "ada", "password": secret("opensearch") } } }],
        "alerts": [{ "rule": "CPU_UTILIZATION", "value": 80, "slack_webhooks": [{ "url": secret("slack") }] }],
    });
    let spec = json!({ "name": "shop", "services": [component], "workers": [component], "jobs": [component],
        "functions": [component], "static_sites": [component], "envs": component["envs"],
        "ingress": { "secure_header": { "key": "x-secret", "value": secret("header") } },
        "alerts": component["alerts"] });
    let deployment = json!({ "id": "d-1", "phase": "ACTIVE", "spec": spec, "cause": secret("cause") });
    stub.has(
        "apps",
        [json!({ "id": "app-1", "spec": spec, "active_deployment": deployment })],
    );
    stub.has(
        "kubernetes/clusters",
        [json!({ "id": "c-1", "name": "main", "kubeconfig": secret("kubeconfig"),
            "credentials": { "token": secret("k8s") }, "sso": { "client_secret": secret("sso"), "enabled": true },
            "node_pools": [{ "id": "p-1", "name": "pool", "size": "s-2vcpu-4gb", "user_data": secret("pool") }] })],
    );
    stub.has(
        "certificates",
        [json!({ "id": "cert-1", "name": "web", "private_key": secret("private-key"), "leaf_certificate": secret("leaf") })],
    );
    let check = json!({ "id": "check-1", "name": "home", "type": "https",
        "target": format!("https://ada:{}@shop.example/", secret("target")),
        "alerts": [{ "notifications": { "slack": [{ "url": secret("hook") }] } }] });
    stub.has("uptime/checks", [check]);
    stub.has(
        "registries",
        [json!({ "name": "shop", "docker_credentials": secret("docker") })],
    );
    stub.has(
        "domains",
        [json!({ "name": "shop.example", "ttl": 1800, "zone_file": secret("zone") })],
    );
}

/// Runs `drift-inbox sync` at the most detailed log level and returns its output.
async fn sync_at_trace(account: &Account) -> String {
    let (url, database) = (account.stub.url.clone(), account.t.database.url.clone());
    let output: Output = tokio::task::spawn_blocking(move || {
        Command::new(env!("CARGO_BIN_EXE_drift-inbox"))
            .args(["sync", "--kinds"])
            .arg(
                "droplet,database,database_firewall,app,kubernetes_cluster,kubernetes_node_pool,certificate,\
                 uptime_check,registry,domain,domain_record",
            )
            .env("DATABASE_URL", database)
            .env("DIGITALOCEAN_TOKEN", TOKEN)
            .env("DIGITALOCEAN_API_URL", url)
            .env("RUST_LOG", "trace")
            .env_remove("DRIFT_INVENTORY_FILE")
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    let (out, log) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    format!("{out}\n{log}")
}

fn assert_clean(what: &str, text: &str) {
    for secret in [PLANTED, TOKEN] {
        if let Some(at) = text.find(secret) {
            let around: String = text.chars().skip(at.saturating_sub(200)).take(400).collect();
            panic!("{what} has {secret}: ... {around} ...");
        }
    }
}

/// Returns the content of all tables.
async fn everything_in(account: &Account) -> String {
    let database = &account.t.database;
    if !database.is_postgres() {
        let path = database
            .url
            .trim_start_matches("sqlite://")
            .split('?')
            .next()
            .unwrap()
            .to_owned();
        return [path.clone(), format!("{path}-wal")]
            .iter()
            .filter_map(|path| std::fs::read(path).ok())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .collect();
    }
    let connection = Database::connect(&database.url).await.unwrap();
    let rows = async |sql: String| {
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        let rows = connection.query_all_raw(statement).await.unwrap();
        rows.iter()
            .map(|row| row.try_get_by_index::<String>(0).unwrap())
            .collect::<Vec<_>>()
    };
    let tables = rows(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'".to_owned(),
    );
    let mut all = String::new();
    for table in tables.await {
        all.extend(rows(format!("SELECT row_to_json(t)::text FROM \"{table}\" t")).await);
    }
    connection.close().await.unwrap();
    all
}

async fn answers(account: &Account) -> String {
    let resources = "{ resources(first: 200) { nodes { kind providerId urn name region status tags attrs
        events(first: 20) { nodes { type data } } } } jobRuns { nodes { counts error } } }";
    account.t.data(resources, json!({})).await.to_string()
}

#[tokio::test]
async fn planted_secrets_reach_no_table_log_or_response() {
    let account = Account::new().await;
    plant(&account);
    let log = sync_at_trace(&account).await;
    assert!(log.contains("sync: succeeded") && log.contains("TRACE"), "{log}");
    assert_clean("the log", &log);
    let kept = everything_in(&account).await;
    assert!(
        kept.contains("web-1") && kept.contains("API_KEY") && kept.contains("monitoring"),
        "{kept}"
    );
    assert_clean("the database", &kept);
    let responses = answers(&account).await;
    assert!(
        responses.contains("API_KEY") && responses.contains("ip_addr"),
        "{responses}"
    );
    assert_clean("an answer", &responses);
}

#[tokio::test]
async fn bodies_of_errors_reach_no_table_log_or_response() {
    let account = Account::new().await;
    plant(&account);
    account.stub.fault(|request, value| {
        let body = format!(r#"{{"id":"{PLANTED}","message":"{PLANTED} for {TOKEN}"}}"#);
        match request.path.as_str() {
            "droplets" => response(403, [], &body),
            "apps" => response(422, [], &body),
            "registries" => response(302, [("location", "http://127.0.0.1:1/hunter2")], &body),
            "domains" => response(404, [], &body),
            "uptime/checks" => normal_answer(Some(
                json!({ "checks": [{ "id": PLANTED, "name": "\0" }], "meta": { "total": 2 } }),
            )),
            _ => normal_answer(value),
        }
    });
    let log = sync_at_trace(&account).await;
    assert!(log.contains("sync: partial") && log.contains("422"), "{log}");
    for (what, text) in [
        ("the log", log),
        ("the database", everything_in(&account).await),
        ("an answer", answers(&account).await),
    ] {
        assert_clean(what, &text);
    }
    account.stub.fault(|_, _| response(401, [], PLANTED));
    let log = sync_at_trace(&account).await;
    assert!(
        log.contains("sync: failed: DigitalOcean rejected the token (401)"),
        "{log}"
    );
    assert_clean("the log", &log);
}

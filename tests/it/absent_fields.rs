//! Parts that are not compared because a Terraform state leaves them open, and defaults that a state implies.

use drift_inbox::services::acceptance::{AcceptDrift, accept_drift};
use serde_json::{Value, json};

use crate::support::account::{Account, droplet};
use crate::support::state::state_file;
use crate::support::{ADMIN, one_account};

fn state(serial: i64, type_name: &'static str, attributes: Value) -> Value {
    state_file("l-1", serial, [(type_name, "r".to_owned(), attributes)])
}

async fn import(account: &Account, state: Value) -> drift_inbox::services::imports::ImportSummary {
    let state = drift_inbox::provider::terraform::parse_value(state).unwrap();
    let summary = account.t.import(&state).await;
    assert_eq!(summary.refused, []);
    summary
}

/// Syncs and sweeps. Returns the field, the expected and the live value of every open drift.
async fn drift(account: &Account) -> Vec<Value> {
    let run = account.sync().await;
    assert!(run.error.is_none(), "{:?} {}", run.error, run.counts);
    account.t.sweep().await;
    let inbox = account.t.inbox().await;
    inbox
        .into_iter()
        .map(|row| json!([row.field, row.expected, row.actual]))
        .collect()
}

async fn fields(account: &Account) -> Vec<String> {
    let all = drift(account).await;
    all.iter()
        .map(|row| row[0].as_str().unwrap().to_owned())
        .collect()
}

fn none() -> Vec<Value> {
    Vec::new()
}

/// Returns a state with an app as the Terraform provider writes it: deprecated domain names, zeros and empty strings.
fn app(serial: i64) -> Value {
    let service = json!({ "name": "web", "http_port": 0, "internal_ports": [], "instance_count": 0, "routes": [],
        "build_command": "", "env": [{ "key": "LEVEL", "scope": "RUN_TIME", "type": "", "value": "info" }],
        "image": [{ "registry_type": "DOCR", "repository": "web", "tag": "main", "deploy_on_push": [] }] });
    let spec = json!({ "name": "shop", "region": "ams", "features": [], "domain": [], "ingress": [],
        "domains": ["www.shop.example", "shop.example"], "disable_edge_cache": false, "service": [service],
        "worker": [], "env": [] });
    state(
        serial,
        "digitalocean_app",
        json!({ "id": "a-1", "project_id": null, "spec": [spec] }),
    )
}

fn live_app() -> Value {
    json!({ "id": "a-1", "region": { "slug": "ams" }, "active_deployment": { "phase": "ACTIVE" }, "spec": {
        "name": "shop", "region": "ams", "features": ["buildpack-stack=ubuntu-22"],
        "domains": [{ "domain": "shop.example", "type": "PRIMARY" },
                    { "domain": "www.shop.example", "type": "ALIAS", "wildcard": true, "zone": "shop.example" }],
        "ingress": { "rules": [{ "match": { "path": { "prefix": "/" } }, "component": { "name": "web" } }] },
        "services": [{ "name": "web", "http_port": 8080, "internal_ports": [9090], "instance_count": 1,
            "image": { "registry_type": "DOCR", "repository": "web", "tag": "main",
                "deploy_on_push": { "enabled": true } },
            "envs": [{ "key": "LEVEL", "value": "info", "scope": "RUN_TIME" }] }] } })
}

#[tokio::test]
async fn an_app_with_deprecated_domains_has_no_drift_until_a_domain_is_added() {
    for import_first in [true, false] {
        let account = Account::new().await;
        account.stub.has("apps", [live_app()]);
        if !import_first {
            account.sync().await;
        }
        import(&account, app(1)).await;
        assert_eq!(drift(&account).await, none());
        import(&account, app(2)).await;
        assert_eq!(drift(&account).await, none());
        account.stub.change("apps", 0, |app| {
            let domains = app["spec"]["domains"].as_array_mut().unwrap();
            domains.push(json!({ "domain": "api.shop.example", "type": "ALIAS" }));
        });
        assert_eq!(fields(&account).await, ["spec"]);
    }
}

#[tokio::test]
async fn declared_fields_of_an_app_are_compared_beside_undeclared_ones() {
    let account = Account::new().await;
    account.stub.has("apps", [live_app()]);
    let summary = import(&account, app(1)).await;
    for attribute in [
        "spec.ingress",
        "spec.features",
        "spec.service.http_port",
        "spec.domain.type",
        "spec.env.type",
    ] {
        let attribute = match attribute {
            "spec.env.type" => "digitalocean_app.spec.service.env.type".to_owned(),
            attribute => format!("digitalocean_app.{attribute}"),
        };
        assert_eq!(summary.not_compared.get(&attribute), Some(&1), "{attribute}");
    }
    let changes: [fn(&mut Value); 4] = [
        |app| {
            app["spec"]["services"][0]["envs"] =
                json!([{ "key": "LEVEL", "scope": "RUN_TIME" }, { "key": "MORE" }])
        },
        |app| app["spec"]["services"][0]["instance_count"] = 2.into(),
        |app| app["spec"]["workers"] = json!([{ "name": "mails", "instance_count": 1 }]),
        |app| app["spec"]["services"][0]["image"]["tag"] = "wip".into(),
    ];
    for change in changes {
        let before = live_app();
        account.stub.change("apps", 0, change);
        assert_eq!(fields(&account).await, ["spec"]);
        account.stub.change("apps", 0, |app| *app = live_app());
        assert_eq!(drift(&account).await, none(), "{before}");
    }
}

#[tokio::test]
async fn an_accept_compares_the_whole_value_until_the_next_import() {
    let account = Account::new().await;
    account.stub.has("apps", [live_app()]);
    import(&account, app(1)).await;
    account
        .stub
        .change("apps", 0, |app| app["spec"]["disable_edge_cache"] = true.into());
    assert_eq!(fields(&account).await, ["spec"]);
    let row = account.t.inbox().await.remove(0);
    let accept = AcceptDrift {
        drift_id: row.id,
        revision: Some(row.revision),
        note: None,
    };
    accept_drift(account.t.db(), ADMIN, &accept, account.t.now())
        .await
        .unwrap();
    assert_eq!(drift(&account).await, none());
    // The accept made the whole value the expected one, so a removed feature is drift.
    account
        .stub
        .change("apps", 0, |app| app["spec"]["features"] = json!([]));
    assert_eq!(fields(&account).await, ["spec"]);
    // After the import, features are no longer compared. The flag is compared: the state declares it as off.
    import(&account, app(2)).await;
    assert_eq!(fields(&account).await, ["spec"]);
    account
        .stub
        .change("apps", 0, |app| app["spec"]["disable_edge_cache"] = false.into());
    assert_eq!(drift(&account).await, none());
    assert_eq!(
        import(&account, app(2)).await.unchanged,
        1,
        "a second import changes nothing"
    );
}

#[tokio::test]
async fn a_tag_on_a_droplet_that_declares_none_is_drift() {
    let account = Account::new().await;
    account
        .stub
        .has("droplets", [json!({ "tags": [], "features": ["droplet_agent"] })]);
    account.stub.change("droplets", 0, |it| {
        let mut live = droplet(101);
        live["tags"] = json!([]);
        live["features"] = json!(["droplet_agent", "private_networking"]);
        *it = live;
    });
    let attributes = json!({ "id": "101", "name": "web-101", "region": "nyc3", "size": "s-1vcpu-1gb", "tags": null,
        "backups": false, "monitoring": null, "ipv6": null, "private_networking": true, "vpc_uuid": "vpc-1",
        "droplet_agent": null, "ssh_keys": null, "user_data": null, "volume_ids": [] });
    import(&account, state(1, "digitalocean_droplet", attributes)).await;
    assert_eq!(drift(&account).await, none());
    account
        .stub
        .change("droplets", 0, |it| it["tags"] = json!(["Allow-SSH"]));
    let found = drift(&account).await;
    assert_eq!(found, [json!(["tags", null, ["allow-ssh"]])]);
    account.stub.change("droplets", 0, |it| {
        it["tags"] = json!([]);
        it["features"] = json!(["monitoring", "private_networking"]);
    });
    assert_eq!(drift(&account).await, [json!(["monitoring", false, true])]);
}

#[tokio::test]
async fn a_flag_absent_from_the_response_counts_as_off() {
    let account = Account::new().await;
    account.stub.has(
        "load_balancers",
        [
            json!({ "id": "lb-1", "name": "front", "size": "lb-small", "status": "active",
        "region": { "slug": "nyc3" }, "droplet_ids": [101], "tag": "", "vpc_uuid": "v-1",
        "redirect_http_to_https": false, "forwarding_rules": [{ "entry_protocol": "http", "entry_port": 80,
            "target_protocol": "http", "target_port": 80, "certificate_id": "" }] }),
        ],
    );
    let attributes = json!({ "id": "lb-1", "name": "front", "region": "nyc3", "size": "lb-small", "size_unit": 1,
        "droplet_ids": [101], "droplet_tag": "", "forwarding_rule": [{ "entry_protocol": "http", "entry_port": 80,
            "target_protocol": "http", "target_port": 80, "certificate_id": "", "certificate_name": "",
            "tls_passthrough": false }],
        "sticky_sessions": [{ "type": "none", "cookie_name": "", "cookie_ttl_seconds": 0 }], "vpc_uuid": "v-1",
        "redirect_http_to_https": false, "enable_proxy_protocol": false, "enable_backend_keepalive": false,
        "disable_lets_encrypt_dns_records": false, "http_idle_timeout_seconds": null, "firewall": [],
        "target_load_balancer_ids": [], "project_id": null });
    import(&account, state(1, "digitalocean_loadbalancer", attributes)).await;
    assert_eq!(drift(&account).await, none());
    account.stub.change("load_balancers", 0, |it| {
        it["disable_lets_encrypt_dns_records"] = true.into()
    });
    assert_eq!(
        drift(&account).await,
        [json!(["disable_lets_encrypt_dns_records", false, true])]
    );
}

#[tokio::test]
async fn an_undeclared_node_count_is_not_compared_but_the_pool_bounds_are() {
    let account = Account::new().await;
    let pool = json!({ "id": "p-1", "name": "default", "size": "s-2vcpu-2gb", "count": 4, "auto_scale": false,
        "tags": ["k8s", "k8s:k-1"], "labels": null, "taints": [] });
    account.stub.has("kubernetes/clusters", [json!({ "id": "k-1", "name": "main", "region": "nyc3",
        "version": "1.33.1-do.0", "vpc_uuid": "vpc-1", "status": { "state": "running" }, "tags": ["k8s"],
        "maintenance_policy": { "day": "any", "start_time": "04:00" }, "surge_upgrade": true, "node_pools": [pool] })]);
    let pool = json!({ "id": "p-1", "name": "default", "size": "s-2vcpu-2gb", "node_count": 0, "auto_scale": null,
        "min_nodes": 0, "max_nodes": null, "labels": null, "tags": [], "taint": [], "actual_node_count": 4 });
    let attributes = json!({ "id": "k-1", "name": "main", "region": "nyc3", "version": "1.33.1-do.0", "tags": null,
        "vpc_uuid": "vpc-1", "auto_upgrade": null, "surge_upgrade": null, "ha": null, "node_pool": [pool],
        "maintenance_policy": [{ "day": "", "start_time": "04:00", "duration": "" }],
        "cluster_autoscaler_configuration": [], "routing_agent": [{ "enabled": false }] });
    let summary = import(&account, state(1, "digitalocean_kubernetes_cluster", attributes)).await;
    let count = "digitalocean_kubernetes_cluster.node_pool.node_count";
    assert_eq!(summary.not_compared.get(count), Some(&1));
    assert_eq!(drift(&account).await, none());
    account.stub.change("kubernetes/clusters", 0, |it| {
        it["maintenance_policy"]["start_time"] = "05:00".into();
        it["cluster_autoscaler_configuration"] = json!({ "expanders": ["random"] });
        it["routing_agent"] = json!({ "enabled": true });
        it["node_pools"][0]["count"] = 9.into();
        it["node_pools"][0]["max_nodes"] = 9.into();
        it["node_pools"][0]["labels"] = json!({ "team": "web" });
        it["node_pools"][0]["taints"] = json!([{ "key": "k", "value": "v", "effect": "NoSchedule" }]);
        it["node_pools"][0]["tags"] = json!(["k8s", "mine"]);
    });
    let mut found = fields(&account).await;
    found.sort_unstable();
    let expected = [
        "cluster_autoscaler_configuration",
        "labels",
        "maintenance_policy",
        "max_nodes",
        "routing_agent",
        "tags",
        "taints",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn repeated_imports_before_or_after_syncs_open_no_drift() {
    for import_first in [true, false] {
        let account = Account::new().await;
        one_account::fill(&account.stub);
        for serial in [1, 2] {
            let instances = one_account::instances().into_iter().enumerate();
            let named = instances.map(|(number, (of, attributes))| (of, format!("r{number}"), attributes));
            let file = state_file("l-1", serial, named);
            if import_first {
                import(&account, file).await;
                assert_eq!(drift(&account).await, none());
            } else {
                account.sync().await;
                import(&account, file).await;
                assert_eq!(drift(&account).await, none());
            }
        }
    }
}

use serde_json::json;

use super::*;

#[test]
fn a_droplet_is_mapped_to_its_declared_fields() {
    let attributes = json!({
        "id": "3164444", "name": "web-1", "region": "NYC3", "size": "S-1vcpu-1gb", "tags": ["Web", "env:prod"],
        "backups": true, "ipv6": false, "monitoring": null, "private_networking": true, "public_networking": true,
        "vpc_uuid": "v-1", "volume_ids": ["b", "a"], "image": "ubuntu-20-04-x64", "user_data": "s3cret",
        "ssh_keys": ["1"], "memory": 1024, "status": "active", "ipv4_address": "192.0.2.1", "price_monthly": 5,
        "created_at": "2020-07-21T18:37:44Z", "droplet_agent": true, "resize_disk": true, "urn": "do:droplet:3164444",
    });
    let expected = json!({
        "name": "web-1", "region": "nyc3", "size_slug": "s-1vcpu-1gb", "tags": ["env:prod", "web"],
        "backups": true, "ipv6": false, "monitoring": false, "private_networking": true, "public_networking": true,
        "vpc_uuid": "v-1",
    });
    assert_eq!(
        one("digitalocean_droplet", attributes),
        ("droplet", "3164444".to_owned(), expected)
    );
}

#[test]
fn an_attachment_is_part_of_the_volume_and_of_the_droplet() {
    let volume = json!({"id": "vol", "name": "data", "region": "nyc1", "size": 50, "description": "",
        "tags": null, "droplet_ids": [], "filesystem_type": "ext4", "snapshot_id": "s"});
    let droplet = json!({"id": "7", "name": "web-1", "volume_ids": []});
    let attachment = json!({"id": "7-vol-2", "droplet_id": 7, "volume_id": "vol"});
    let elsewhere = json!({"id": "7-other", "droplet_id": 7, "volume_id": "other"});
    let state = state([
        ("digitalocean_volume_attachment", attachment),
        ("digitalocean_volume", volume.clone()),
        ("digitalocean_droplet", droplet),
        ("digitalocean_volume_attachment", elsewhere),
    ]);
    let specs: Vec<Value> = state
        .desired
        .iter()
        .map(|d| Value::Object(d.spec.clone()))
        .collect();
    assert_eq!(
        specs,
        [
            json!({"name": "web-1", "volume_ids": ["other", "vol"]}),
            json!({"name": "data", "region": "nyc1", "size_gigabytes": 50, "description": "", "tags": null, "droplet_ids": [7]}),
        ]
    );
    let declared: Vec<(&str, &str, Value)> = state
        .declared
        .iter()
        .map(|it| (it.provider_id.as_str(), it.field.as_str(), it.value.clone()))
        .collect();
    assert_eq!(
        declared,
        [
            ("7", "volume_ids", json!("other")),
            ("7", "volume_ids", json!("vol")),
            ("other", "droplet_ids", json!(7)),
            ("vol", "droplet_ids", json!(7)),
        ]
    );
    let (.., alone) = one("digitalocean_volume", volume);
    assert_eq!(alone.get("droplet_ids"), None, "what is computed is not declared");
}

#[test]
fn a_load_balancer_is_mapped_to_the_shape_of_the_api() {
    let attributes = json!({
        "id": "lb", "name": "lb-1", "region": "nyc3", "size": "lb-small", "size_unit": null, "algorithm": "round_robin",
        "droplet_ids": [2, 1], "droplet_tag": "", "status": "new", "type": "regional", "ip": "192.0.2.1",
        "redirect_http_to_https": false, "project_id": "", "vpc_uuid": "v", "http_idle_timeout_seconds": 0,
        "forwarding_rule": [{"entry_protocol": "HTTPS", "entry_port": 443, "target_protocol": "http", "target_port": 80,
            "tls_passthrough": false, "certificate_id": "cert-1", "certificate_name": "cert-1"}],
        "healthcheck": [{"protocol": "http", "port": 80, "path": "/", "check_interval_seconds": 10}],
        "sticky_sessions": [{"type": "none", "cookie_name": "", "cookie_ttl_seconds": 0}],
        "firewall": [{"allow": ["ip:2", "ip:1"], "deny": null}], "network": null, "glb_settings": [], "domains": [],
    });
    let expected = json!({
        "name": "lb-1", "region": "nyc3", "size_slug": "1", "type": "REGIONAL", "droplet_ids": [1, 2],
        "redirect_http_to_https": false, "vpc_uuid": "v",
        "forwarding_rules": [{"entry_protocol": "https", "entry_port": 443, "target_protocol": "http",
            "target_port": 80, "tls_passthrough": false, "certificate_name": "cert-1"}],
        "health_check": {"protocol": "http", "port": 80, "path": "/", "check_interval_seconds": 10},
        "sticky_sessions": null, "tag": null, "firewall": {"allow": ["ip:1", "ip:2"]},
    });
    assert_eq!(
        one("digitalocean_loadbalancer", attributes),
        ("load_balancer", "lb".to_owned(), expected)
    );
    let global = json!({
        "id": "lb", "type": "GLOBAL", "region": "nyc3", "droplet_tag": "Web", "droplet_ids": [1],
        "sticky_sessions": [{"type": "cookies", "cookie_name": "LB", "cookie_ttl_seconds": 300}],
        "domains": [{"name": "Example.com", "is_managed": true, "certificate_id": "c", "certificate_name": "",
            "verification_error_reasons": []}],
        "glb_settings": [{"target_protocol": "HTTP", "target_port": 80, "failover_threshold": 0,
            "region_priorities": {"NYC3": 1}, "cdn": [{"is_enabled": true}]}],
    });
    let (.., spec) = one("digitalocean_loadbalancer", global);
    let expected = json!({
        "type": "GLOBAL", "tag": "web", "forwarding_rules": [],
        "sticky_sessions": {"type": "cookies", "cookie_name": "LB", "cookie_ttl_seconds": 300},
        "domains": [{"name": "example.com", "is_managed": true}],
        "glb_settings": {"target_protocol": "http", "target_port": 80, "region_priorities": {"nyc3": 1},
            "cdn": {"is_enabled": true}},
    });
    assert_eq!(spec, expected);
}

#[test]
fn a_database_is_mapped_without_its_credentials() {
    let attributes = json!({
        "id": "db", "name": "backend", "engine": "pg", "version": "16", "size": "db-s-2vcpu-4gb", "region": "nyc3",
        "node_count": 2, "tags": ["Production"], "private_network_uuid": "n", "project_id": "",
        "storage_size_mib": "61440", "maintenance_window": [{"day": "Monday", "hour": "13:00"}],
        "storage_autoscale": [], "password": "s3cret", "uri": "postgres://u:s3cret@h", "private_uri": "s3cret",
        "ui_password": "s3cret", "host": "h", "port": 25060, "user": "doadmin", "eviction_policy": null,
    });
    let expected = json!({
        "name": "backend", "engine": "pg", "version": "16", "size_slug": "db-s-2vcpu-4gb", "region": "nyc3",
        "num_nodes": 2, "tags": ["production"], "private_network_uuid": "n", "storage_size_mib": 61440,
        "maintenance_window": {"day": "monday", "hour": "13:00:00"},
    });
    assert_eq!(
        one("digitalocean_database_cluster", attributes),
        ("database", "db".to_owned(), expected)
    );
    let cache = json!({"id": "c", "engine": "redis", "version": "7", "storage_size_mib": "10",
        "storage_autoscale": [{"enabled": true, "threshold_percent": 80}]});
    assert_eq!(
        one("digitalocean_database_cluster", cache).2,
        json!({"engine": "valkey"})
    );
    let firewall = json!({"id": "db-2026", "cluster_id": "db", "rule": [
        {"type": "ip_addr", "value": "192.0.2.1", "uuid": "u", "created_at": "2019"},
        {"type": "tag", "value": "Backend", "uuid": "u", "created_at": "2019"}]});
    let rules =
        json!({"rules": [{"type": "ip_addr", "value": "192.0.2.1"}, {"type": "tag", "value": "backend"}]});
    assert_eq!(
        one("digitalocean_database_firewall", firewall),
        ("database_firewall", "db".to_owned(), rules)
    );
}

#[test]
fn a_firewall_is_mapped_to_the_shape_of_the_api() {
    let attributes = json!({
        "id": "fw", "name": "web", "droplet_ids": [9, 8], "tags": [], "status": "waiting", "pending_changes": [],
        "inbound_rule": [{"protocol": "tcp", "port_range": "22", "source_addresses": ["192.0.2.0/24"],
            "source_droplet_ids": [3], "source_kubernetes_ids": [], "source_load_balancer_uids": ["lb"],
            "source_tags": ["Gateway"]}],
        "outbound_rule": [{"protocol": "icmp", "port_range": "", "destination_addresses": ["::/0", "0.0.0.0/0"]},
            {"protocol": "udp", "port_range": "0", "destination_addresses": ["::/0"]}],
    });
    let expected = json!({
        "name": "web", "droplet_ids": [8, 9], "tags": [],
        "inbound_rules": [{"protocol": "tcp", "ports": "22", "sources": {"addresses": ["192.0.2.0/24"],
            "droplet_ids": [3], "load_balancer_uids": ["lb"], "tags": ["gateway"]}}],
        "outbound_rules": [{"protocol": "icmp", "destinations": {"addresses": ["0.0.0.0/0", "::/0"]}},
            {"protocol": "udp", "ports": "all", "destinations": {"addresses": ["::/0"]}}],
    });
    assert_eq!(
        one("digitalocean_firewall", attributes),
        ("firewall", "fw".to_owned(), expected)
    );
}

#[test]
fn networks_domains_and_addresses_are_mapped() {
    let vpc = json!({"id": "v", "name": "prod", "region": "nyc1", "description": null, "ip_range": "10.0.0.0/24",
        "default": false, "created_at": "2020-03-13 19:20:47 +0000 UTC"});
    let expected = json!({"name": "prod", "region": "nyc1", "description": null, "ip_range": "10.0.0.0/24"});
    assert_eq!(one("digitalocean_vpc", vpc), ("vpc", "v".to_owned(), expected));
    let domain = json!({"id": "example.com", "name": "example.com", "ttl": 1800, "ip_address": "192.0.2.1"});
    assert_eq!(
        one("digitalocean_domain", domain),
        ("domain", "example.com".to_owned(), json!({"name": "example.com"}))
    );
    let apex = json!({"id": "1", "domain": "example.com", "type": "NS", "name": "@", "value": "ns1.example.net.",
        "ttl": 1800, "priority": 0, "port": 0, "weight": 0, "flags": 0, "tag": "", "fqdn": "example.com"});
    let expected = json!({"type": "NS", "name": "@", "data": "ns1.example.net", "ttl": 1800, "priority": null,
        "port": null, "weight": null, "flags": null, "tag": ""});
    assert_eq!(
        one("digitalocean_record", apex),
        ("domain_record", "1".to_owned(), expected)
    );
    let mail = json!({"id": 2, "domain": "example.com", "type": "mx", "name": "mail.example.com.", "value": "@",
        "ttl": 0, "priority": 10});
    let expected = json!({"type": "MX", "name": "mail", "data": "example.com", "priority": 10});
    assert_eq!(
        one("digitalocean_record", mail),
        ("domain_record", "2".to_owned(), expected)
    );
    let service = json!({"id": "3", "domain": "example.com", "type": "SRV", "name": "_sip._tcp", "value": "sip.",
        "ttl": 60, "priority": 0, "port": 5060, "weight": 5});
    let expected = json!({"type": "SRV", "name": "_sip._tcp", "data": "sip", "ttl": 60, "priority": null,
        "port": 5060, "weight": 5});
    assert_eq!(one("digitalocean_record", service).2, expected);
    let address = json!({"id": "192.0.2.9", "ip_address": "192.0.2.9", "region": "NYC3", "droplet_id": null});
    let assigned = state([
        ("digitalocean_reserved_ip", address.clone()),
        (
            "digitalocean_reserved_ip_assignment",
            json!({"id": "x", "ip_address": "192.0.2.9", "droplet_id": 7}),
        ),
    ]);
    assert_eq!(
        Value::Object(assigned.desired[0].spec.clone()),
        json!({"region": "nyc3", "droplet_id": 7})
    );
    assert_eq!(
        one("digitalocean_floating_ip", address),
        ("reserved_ip", "192.0.2.9".to_owned(), json!({"region": "nyc3"}))
    );
}

#[test]
fn the_default_pool_of_a_cluster_is_mapped_like_any_pool() {
    let cluster = json!({
        "id": "k", "name": "prod", "region": "nyc3", "version": "1.31.1-do.0", "auto_upgrade": true, "ha": null,
        "surge_upgrade": true, "tags": ["k8s", "k8s:k", "Team"], "vpc_uuid": "v", "cluster_subnet": "10.244.0.0/16",
        "maintenance_policy": [{"day": "Sunday", "start_time": "04:00", "duration": "4h0m0s"}],
        "control_plane_firewall": [{"enabled": true, "allowed_addresses": ["b", "a"]}],
        "rdma_shared_device_plugin": [{"enabled": false}], "registry_integration": true,
        "kube_config": [{"token": "s3cret", "client_key": "s3cret", "raw_config": "s3cret"}],
        "node_pool": [{"id": "p1", "name": "default", "size": "s-2vcpu-2gb", "node_count": 3, "actual_node_count": 3,
            "auto_scale": false, "min_nodes": 0, "max_nodes": 0, "labels": {"a": "b"}, "tags": ["terraform:default-node-pool"],
            "taint": [{"key": "k", "value": "v", "effect": "NoSchedule"}], "nodes": [{"id": "n"}]}],
    });
    let pool = json!({"id": "p2", "cluster_id": "k", "name": "more", "size": "s", "auto_scale": true, "node_count": 4,
        "min_nodes": 1, "max_nodes": 5, "labels": null, "tags": null});
    let state = state([
        ("digitalocean_kubernetes_cluster", cluster),
        ("digitalocean_kubernetes_node_pool", pool),
    ]);
    let all: Vec<(&str, Value)> = state
        .desired
        .iter()
        .map(|d| (d.address.as_str(), Value::Object(d.spec.clone())))
        .collect();
    assert_eq!(
        all,
        [
            (
                "digitalocean_kubernetes_cluster.r0",
                json!({"name": "prod", "region": "nyc3", "auto_upgrade": true, "surge_upgrade": true, "tags": ["team"],
                    "vpc_uuid": "v", "cluster_subnet": "10.244.0.0/16",
                    "maintenance_policy": {"day": "sunday", "start_time": "04:00"},
                    "control_plane_firewall": {"enabled": true, "allowed_addresses": ["a", "b"]},
                    "rdma_shared_dev_plugin": {"enabled": false}})
            ),
            (
                "digitalocean_kubernetes_cluster.r0.node_pool[0]",
                json!({"name": "default", "size_slug": "s-2vcpu-2gb", "count": 3, "auto_scale": false, "min_nodes": 0, "max_nodes": 0,
                    "labels": {"a": "b"}, "tags": [], "taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]})
            ),
            (
                "digitalocean_kubernetes_node_pool.r1",
                json!({"name": "more", "size_slug": "s", "auto_scale": true, "min_nodes": 1, "max_nodes": 5, "labels": null,
                    "tags": null})
            ),
        ]
    );
}

#[test]
fn an_app_is_mapped_without_values_of_environment_variables() {
    let attributes = json!({"id": "a", "live_url": "https://x", "project_id": "p", "spec": [{
        "name": "shop", "region": "nyc", "features": ["b"], "domains": ["old"],
        "domain": [{"name": "shop.example.com", "type": "PRIMARY", "wildcard": false, "zone": ""}],
        "env": [{"key": "TOKEN", "value": "s3cret", "type": "SECRET", "scope": "RUN_TIME"}],
        "service": [{"name": "web", "instance_count": 2, "http_port": 8080, "run_command": "",
            "env": [{"key": "A", "value": "s3cret", "type": "GENERAL", "scope": "RUN_TIME"}],
            "github": [{"repo": "a/b", "branch": "main", "deploy_on_push": true}],
            "image": [], "routes": [{"path": "/", "preserve_path_prefix": false}],
            "log_destination": [{"name": "l", "datadog": [{"api_key": "s3cret"}]}],
            "alert": [{"rule": "CPU_UTILIZATION", "value": 75, "operator": "GREATER_THAN", "window": "TEN_MINUTES",
                "disabled": false, "destinations": [{"emails": ["a@b"], "slack_webhooks": [{"url": "s3cret"}]}]}]}],
        "ingress": [{"rule": [{"match": [{"path": [{"prefix": "/"}]}], "component": [{"name": "web"}]}]}],
    }]});
    let expected = json!({"name": "shop", "spec": {
        "name": "shop", "region": "nyc", "features": ["b"],
        "domains": [{"domain": "shop.example.com", "type": "PRIMARY"}],
        "envs": [{"key": "TOKEN", "type": "SECRET", "scope": "RUN_TIME"}],
        "services": [{"name": "web", "instance_count": 2, "http_port": 8080, "envs": [{"key": "A", "scope": "RUN_TIME"}],
            "github": {"repo": "a/b", "branch": "main", "deploy_on_push": true}, "routes": [{"path": "/"}],
            "log_destinations": [{"name": "l"}], "alerts": [{"rule": "CPU_UTILIZATION", "value": 75,
                "operator": "GREATER_THAN", "window": "TEN_MINUTES"}]}],
        "ingress": {"rules": [{"match": {"path": {"prefix": "/"}}, "component": {"name": "web"}}]},
    }});
    assert_eq!(
        one("digitalocean_app", attributes),
        ("app", "a".to_owned(), expected)
    );
}

#[test]
fn the_other_kinds_are_mapped() {
    let cases = [
        (
            "digitalocean_certificate",
            json!({"id": "c", "uuid": "u", "name": "c", "type": "lets_encrypt", "domains": ["b", "a"],
                "private_key": "s3cret", "leaf_certificate": "x", "not_after": "2027", "state": "verified"}),
            (
                "certificate",
                "c",
                json!({"name": "c", "type": "lets_encrypt", "dns_names": ["a", "b"]}),
            ),
        ),
        (
            "digitalocean_certificate",
            json!({"id": "c", "name": "c", "type": "custom", "domains": ["a"], "private_key": "s3cret"}),
            ("certificate", "c", json!({"name": "c", "type": "custom"})),
        ),
        (
            "digitalocean_cdn",
            json!({"id": "e", "origin": "b.nyc3.digitaloceanspaces.com", "ttl": 3600, "custom_domain": "",
                "certificate_id": "c", "certificate_name": "c", "endpoint": "x"}),
            (
                "cdn_endpoint",
                "e",
                json!({"origin": "b.nyc3.digitaloceanspaces.com", "ttl": 3600, "custom_domain": "", "certificate_name": "c"}),
            ),
        ),
        (
            "digitalocean_project",
            json!({"id": "p", "name": "prod", "description": "d", "purpose": "Web", "environment": "PRODUCTION",
                "is_default": false, "resources": ["do:droplet:1"], "owner_id": 1}),
            (
                "project",
                "p",
                json!({"name": "prod", "description": "d", "purpose": "Web", "environment": "Production", "is_default": false}),
            ),
        ),
        (
            "digitalocean_container_registry",
            json!({"id": "reg", "name": "reg", "region": "nyc3", "subscription_tier_slug": "basic"}),
            ("registry", "reg", json!({"name": "reg", "region": "nyc3"})),
        ),
        (
            "digitalocean_uptime_check",
            json!({"id": "u", "name": "up", "target": "https://ada:s3cret@example.com", "type": "https",
                "regions": ["us_east", "EU_west"], "enabled": true}),
            (
                "uptime_check",
                "u",
                json!({"name": "up", "target": "https://example.com", "type": "https", "regions": ["eu_west", "us_east"],
                    "enabled": true}),
            ),
        ),
        (
            "digitalocean_volume_snapshot",
            json!({"id": "s", "name": "snap", "tags": ["A"], "volume_id": "v", "size": 3}),
            ("snapshot", "s", json!({"name": "snap", "tags": ["a"]})),
        ),
        (
            "digitalocean_custom_image",
            json!({"id": "7", "image_id": 7, "name": "img", "url": "https://x/?token=s3cret", "tags": null}),
            ("image", "7", json!({"name": "img", "tags": null})),
        ),
    ];
    for (type_name, attributes, (kind, id, spec)) in cases {
        assert_eq!(
            one(type_name, attributes),
            (kind, id.to_owned(), spec),
            "{type_name}"
        );
    }
}

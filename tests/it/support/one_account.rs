//! One account in two forms: the responses of DigitalOcean's API, and the Terraform state that created the account.
//!
//! The forms differ: the API reorders sets and adds undeclared values. The state has upper case, zeros, empty strings,
//! trailing dots and blocks.

use serde_json::{Value, json};

use super::stub_do::StubDo;

fn region() -> Value {
    json!({ "name": "New York 3", "slug": "nyc3", "features": ["backups"], "available": true, "sizes": ["s-1vcpu-1gb"] })
}

fn droplet(id: u64, name: &str, features: &[&str], volumes: &[&str]) -> Value {
    json!({
        "id": id, "name": name, "memory": 1024, "vcpus": 1, "disk": 25, "locked": false, "status": "active",
        "kernel": null, "created_at": "2026-01-01T00:00:00Z", "features": features, "backup_ids": [5],
        "next_backup_window": null, "snapshot_ids": [], "size_slug": "s-1vcpu-1gb", "size": { "slug": "s-1vcpu-1gb" },
        "image": { "id": 7, "slug": "debian-13-x64", "public": true, "regions": ["nyc3"] }, "volume_ids": volumes,
        "networks": {
            "v4": [{ "ip_address": "10.0.0.2", "type": "private", "gateway": "nil" },
                   { "ip_address": "203.0.113.7", "type": "public" }],
            "v6": [{ "ip_address": "2001:DB8::7", "netmask": 64, "type": "public" }] },
        "region": region(), "tags": ["web", "env:prod"], "vpc_uuid": "vpc-1",
    })
}

fn load_balancers() -> [Value; 2] {
    let rule = |entry: &str, port: u16, certificate: &str| {
        json!({ "entry_protocol": entry, "entry_port": port, "target_protocol": "http", "target_port": 80,
                "certificate_id": certificate, "tls_passthrough": false })
    };
    let common = json!({
        "ip": "203.0.113.3", "ipv6": "", "algorithm": "round_robin", "status": "active", "region": region(),
        "created_at": "2026-01-01T00:00:00Z", "enable_proxy_protocol": false, "enable_backend_keepalive": false,
        "vpc_uuid": "vpc-1", "disable_lets_encrypt_dns_records": false, "project_id": "p-1", "type": "REGIONAL",
        "network": "EXTERNAL", "network_stack": "IPV4", "tls_cipher_policy": "DEFAULT", "domains": [],
        "target_load_balancer_ids": [], "http_idle_timeout_seconds": 60,
    });
    let with = |own: Value| {
        let mut all = common.clone();
        all.as_object_mut()
            .unwrap()
            .extend(own.as_object().unwrap().clone());
        all
    };
    [
        with(json!({
            "id": "lb-1", "name": "front", "size": "lb-small", "size_unit": 1, "tag": "", "droplet_ids": [102, 101],
            "forwarding_rules": [rule("https", 443, "cert-1"), rule("http", 80, "")],
            "health_check": { "protocol": "http", "port": 80, "path": "/", "check_interval_seconds": 10,
                "response_timeout_seconds": 5, "healthy_threshold": 5, "unhealthy_threshold": 3 },
            "sticky_sessions": { "type": "none" }, "redirect_http_to_https": true,
            "firewall": { "deny": [], "allow": ["ip:1.2.3.4", "cidr:2.3.0.0/16"] },
        })),
        with(json!({
            "id": "lb-2", "name": "by-tag", "size": "lb-medium", "size_unit": 3, "tag": "web", "droplet_ids": [101],
            "forwarding_rules": [rule("http", 80, "")],
            "health_check": { "protocol": "tcp", "port": 80, "path": "", "check_interval_seconds": 10,
                "response_timeout_seconds": 5, "healthy_threshold": 5, "unhealthy_threshold": 3 },
            "sticky_sessions": { "type": "cookies", "cookie_name": "LB", "cookie_ttl_seconds": 300 },
            "redirect_http_to_https": false, "firewall": { "deny": [], "allow": [] },
        })),
    ]
}

fn databases() -> [Value; 2] {
    let connection = json!({ "uri": "postgres://doadmin:hunter2@db", "password": "hunter2" });
    [
        json!({
            "id": "db-1", "name": "backend", "engine": "pg", "version": "16", "semantic_version": "16.4",
            "num_nodes": 2, "size": "db-s-2vcpu-4gb", "region": "nyc3", "status": "online", "tags": ["production"],
            "private_network_uuid": "vpc-1", "connection": connection, "users": [{ "password": "hunter2" }],
            "maintenance_window": { "day": "saturday", "hour": "08:45:00", "pending": true, "description": ["soon"] },
            "storage_size_mib": 61440, "project_id": "p-1", "db_names": ["defaultdb"],
        }),
        json!({
            "id": "db-2", "name": "cache", "engine": "valkey", "version": "8", "num_nodes": 1,
            "size": "db-s-1vcpu-1gb", "region": "nyc3", "status": "online", "tags": null, "project_id": "p-1",
            "private_network_uuid": "vpc-1", "maintenance_window": null, "storage_size_mib": 10240,
        }),
    ]
}

fn firewall() -> Value {
    json!({
        "id": "fw-1", "name": "web", "status": "succeeded", "pending_changes": [], "created_at": "2026",
        "droplet_ids": [102, 101], "tags": ["Web"],
        "inbound_rules": [
            { "protocol": "tcp", "ports": "443", "sources": { "load_balancer_uids": ["lb-1"], "addresses": ["::/0", "10.0.0.0/8"] } },
            { "protocol": "icmp", "ports": "0", "sources": { "tags": ["Ops"] } },
            { "protocol": "udp", "ports": "0", "sources": { "droplet_ids": [101], "kubernetes_ids": ["k-1"] } },
        ],
        "outbound_rules": [{ "protocol": "tcp", "ports": "0", "destinations": { "addresses": ["0.0.0.0/0", "::/0"] } }],
    })
}

fn records() -> Vec<Value> {
    let record = |id: u64, kind: &str, name: &str, data: &str| {
        json!({ "id": id, "type": kind, "name": name, "data": data, "ttl": 1800, "priority": null, "port": null,
                "weight": null, "flags": null, "tag": null })
    };
    let mut all = vec![
        record(1, "A", "www", "203.0.113.7"),
        record(2, "AAAA", "www", "2001:DB8:0::7"),
        record(3, "CNAME", "shop", "@"),
        record(4, "MX", "@", "mail.example.com"),
        record(5, "SRV", "_sip._tcp", "sip.example.com"),
        record(6, "CAA", "@", "letsencrypt.org"),
        record(7, "TXT", "@", "v=spf1 -all"),
        record(8, "NS", "sub", "ns1.example.net"),
        record(9, "SOA", "@", "1800"),
        record(10, "NS", "@", "ns1.digitalocean.com"),
    ];
    all[3]["priority"] = 10.into();
    for (field, value) in [("priority", 10), ("port", 5060), ("weight", 0)] {
        all[4][field] = value.into();
    }
    all[5]["flags"] = 0.into();
    all[5]["tag"] = "issue".into();
    all
}

fn cluster() -> Value {
    let node = json!({ "id": "n-1", "name": "n-1", "status": { "state": "running" }, "droplet_id": "900" });
    json!({
        "id": "k-1", "name": "main", "region": "nyc3", "version": "1.33.1-do.0", "cluster_subnet": "10.244.0.0/16",
        "service_subnet": "10.245.0.0/16", "vpc_uuid": "vpc-1", "ipv4": "203.0.113.20", "endpoint": "https://k",
        "tags": ["k8s", "k8s:k-1", "team"], "auto_upgrade": false, "surge_upgrade": true, "ha": false,
        "status": { "state": "running", "message": "" }, "registry_enabled": true, "updated_at": "2026",
        "maintenance_policy": { "start_time": "04:00", "duration": "4h0m0s", "day": "sunday" },
        "control_plane_firewall": { "enabled": true, "allowed_addresses": ["203.0.113.9/32", "10.0.0.0/8"] },
        "cluster_autoscaler_configuration": { "scale_down_utilization_threshold": 0.65,
            "scale_down_unneeded_time": "1m0s", "expanders": ["priority", "random"] },
        "routing_agent": { "enabled": true }, "amd_gpu_device_plugin": { "enabled": false },
        "node_pools": [
            { "id": "pool-1", "name": "default", "size": "s-2vcpu-2gb", "count": 3, "auto_scale": false,
              "min_nodes": 0, "max_nodes": 0, "labels": null, "nodes": [node],
              "tags": ["k8s", "k8s:k-1", "k8s:worker", "terraform:default-node-pool"],
              "taints": [{ "key": "k", "value": "v", "effect": "NoSchedule" }] },
            { "id": "pool-2", "name": "more", "size": "s-4vcpu-8gb", "count": 4, "auto_scale": true,
              "min_nodes": 1, "max_nodes": 5, "labels": { "team": "web" }, "taints": [], "nodes": [node],
              "tags": ["k8s", "k8s:k-1", "k8s:worker", "team"] },
        ],
    })
}

fn app() -> Value {
    json!({
        "id": "app-1", "owner_uuid": "o", "default_ingress": "https://x", "tier_slug": "basic", "project_id": "p-1",
        "region": { "slug": "nyc" }, "active_deployment": { "id": "d-1", "phase": "ACTIVE", "cause": "manual" },
        "spec": {
            "name": "shop", "region": "nyc",
            "domains": [{ "domain": "shop.example.com", "type": "PRIMARY" }],
            "alerts": [{ "rule": "DEPLOYMENT_FAILED" }],
            "envs": [{ "key": "LEVEL", "value": "info", "scope": "RUN_AND_BUILD_TIME" },
                     { "key": "TOKEN", "value": "EV[1:abc:def]", "scope": "RUN_TIME", "type": "SECRET" }],
            "services": [{ "name": "web", "http_port": 8080, "instance_count": 2, "instance_size_slug": "apps-s-1vcpu-1gb",
                "git": { "repo_clone_url": "https://git.example.com/shop.git", "branch": "main" },
                "health_check": { "http_path": "/healthz" } }],
            "ingress": { "rules": [{ "component": { "name": "web" }, "match": { "path": { "prefix": "/" } } }] },
        },
    })
}

/// Fills the stub with the account.
pub(crate) fn fill(stub: &StubDo) {
    let all = [
        "private_networking",
        "droplet_agent",
        "ipv6",
        "backups",
        "monitoring",
    ];
    stub.has(
        "droplets",
        [
            droplet(101, "web-1", &all, &["vol-2", "vol-1"]),
            droplet(102, "web-2", &["droplet_agent", "private_networking"], &[]),
        ],
    );
    let volume = |id: &str, name: &str, filesystem: &str| {
        json!({ "id": id, "name": name, "region": region(), "size_gigabytes": 100, "description": "", "tags": ["data"],
                "droplet_ids": [101], "filesystem_type": filesystem, "filesystem_label": "", "created_at": "2026" })
    };
    stub.has(
        "volumes",
        [volume("vol-1", "data", "ext4"), volume("vol-2", "logs", "")],
    );
    stub.has("load_balancers", load_balancers());
    stub.has("databases", databases());
    stub.has("databases/db-1/firewall", [
        json!({ "uuid": "r-1", "cluster_uuid": "db-1", "type": "ip_addr", "value": "192.0.2.1", "created_at": "2026" }),
        json!({ "uuid": "r-2", "cluster_uuid": "db-1", "type": "tag", "value": "Web", "description": "all" }),
        json!({ "uuid": "r-3", "cluster_uuid": "db-1", "type": "droplet", "value": "101" }),
    ]);
    stub.has("firewalls", [firewall()]);
    stub.has(
        "vpcs",
        [
            json!({ "id": "vpc-1", "urn": "do:vpc:vpc-1", "name": "main", "region": "nyc3", "description": "",
        "ip_range": "10.0.0.0/20", "default": false, "created_at": "2026" }),
        ],
    );
    stub.has(
        "domains",
        [json!({ "name": "example.com", "ttl": 1800, "zone_file": "$ORIGIN example.com." })],
    );
    stub.has("domains/example.com/records", records());
    stub.has("kubernetes/clusters", [cluster()]);
    let address = |ip: &str, droplet: u64| {
        json!({ "ip": ip, "region": region(), "locked": false, "project_id": "p-0",
        "droplet": { "id": droplet, "name": "web", "tags": ["noise"] } })
    };
    stub.has(
        "reserved_ips",
        [address("203.0.113.101", 101), address("203.0.113.102", 102)],
    );
    stub.has("apps", [app()]);
    stub.has(
        "certificates",
        [
            json!({ "id": "cert-1", "name": "shop", "type": "lets_encrypt", "state": "verified",
        "dns_names": ["www.example.com", "example.com"], "not_after": "2027", "sha1_fingerprint": "ab" }),
        ],
    );
    stub.has(
        "cdn/endpoints",
        [
            json!({ "id": "cdn-1", "origin": "files.nyc3.digitaloceanspaces.com", "ttl": 3600,
        "endpoint": "files.nyc3.cdn.digitaloceanspaces.com", "certificate_id": "cert-1",
        "custom_domain": "static.example.com", "created_at": "2026" }),
        ],
    );
    stub.has("projects", [
        json!({ "id": "p-0", "name": "first", "purpose": "Other", "environment": "", "is_default": true }),
        json!({ "id": "p-1", "name": "shop", "description": "Shoes", "purpose": "Other: selling shoes",
            "environment": "Production", "is_default": false, "owner_id": 1, "updated_at": "2026" }),
    ]);
    let in_project = [
        "do:domain:example.com",
        "do:droplet:101",
        "do:volume:vol-1",
        "do:kubernetes:k-1",
        "do:loadbalancer:lb-1",
        "do:loadbalancer:lb-2",
        "do:dbaas:db-1",
        "do:dbaas:db-2",
        "do:app:app-1",
        "do:space:files",
    ];
    stub.has(
        "projects/p-1/resources",
        in_project.map(|urn| json!({ "urn": urn, "assigned_at": "2026", "status": "ok" })),
    );
    let snapshot = |id: &str, kind: &str, of: &str, tags: &[&str]| {
        json!({ "id": id, "name": "before", "regions": ["nyc3"],
        "min_disk_size": 25, "size_gigabytes": 2.34, "resource_id": of, "resource_type": kind, "tags": tags })
    };
    stub.has(
        "snapshots",
        [
            snapshot("6372321", "droplet", "101", &[]),
            snapshot("snap-2", "volume", "vol-1", &["data"]),
        ],
    );
    stub.has("images", [json!({ "id": 7_555_620, "name": "golden", "distribution": "Debian", "slug": null, "public": false,
        "type": "custom", "regions": ["nyc3"], "min_disk_size": 20, "size_gigabytes": 2.34, "description": "",
        "tags": ["base"], "status": "available" })]);
    stub.has(
        "registries",
        [json!({ "name": "shop", "region": "fra1", "storage_usage_bytes": 9, "created_at": "2026" })],
    );
    stub.has(
        "uptime/checks",
        [
            json!({ "id": "up-1", "name": "home", "type": "https", "target": "https://example.com",
        "regions": ["us_west", "eu_west"], "enabled": true }),
        ],
    );
}

/// Returns the resources of the Terraform state: types and attributes.
pub(crate) fn instances() -> Vec<(&'static str, Value)> {
    let mut all = machines();
    all.extend(networks());
    all.extend(names());
    all.extend(platforms());
    all
}

fn machines() -> Vec<(&'static str, Value)> {
    let droplet = |id: &str, name: &str, on: bool, volumes: &[&str]| {
        json!({ "id": id, "name": name, "region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64",
            "backups": on, "ipv6": on, "monitoring": on, "private_networking": true, "public_networking": true,
            "tags": ["ENV:prod", "web"], "vpc_uuid": "vpc-1", "volume_ids": volumes, "ssh_keys": ["1"],
            "user_data": "hunter2", "droplet_agent": null, "resize_disk": true, "graceful_shutdown": false,
            "ipv4_address": "203.0.113.7", "ipv6_address": "2001:db8::7", "memory": 1024, "status": "active",
            "locked": false, "urn": format!("do:droplet:{id}"), "price_hourly": 0.009 })
    };
    let volume = |id: &str, name: &str, filesystem: &str| {
        json!({ "id": id, "name": name, "region": "nyc3", "size": 100, "description": "", "tags": ["Data"],
            "droplet_ids": [101], "initial_filesystem_type": filesystem, "filesystem_type": filesystem,
            "filesystem_label": "", "snapshot_id": "", "urn": format!("do:volume:{id}") })
    };
    let attachment =
        |volume: &str| json!({ "id": format!("101-{volume}-2026"), "droplet_id": 101, "volume_id": volume });
    vec![
        (
            "digitalocean_droplet",
            droplet("101", "web-1", true, &["vol-1", "vol-2"]),
        ),
        ("digitalocean_droplet", droplet("102", "web-2", false, &[])),
        ("digitalocean_volume", volume("vol-1", "data", "ext4")),
        ("digitalocean_volume", volume("vol-2", "logs", "")),
        ("digitalocean_volume_attachment", attachment("vol-1")),
        ("digitalocean_volume_attachment", attachment("vol-2")),
        (
            "digitalocean_droplet_snapshot",
            json!({ "id": "6372321", "name": "before", "droplet_id": "101",
            "regions": ["nyc3"], "size": 2.34, "min_disk_size": 25 }),
        ),
        (
            "digitalocean_volume_snapshot",
            json!({ "id": "snap-2", "name": "before", "volume_id": "vol-1",
            "tags": ["data"], "size": 2.34 }),
        ),
        (
            "digitalocean_custom_image",
            json!({ "id": "7555620", "image_id": 7_555_620, "name": "golden",
            "url": "https://example.com/?token=hunter2", "regions": ["nyc3"], "description": "", "tags": ["Base"] }),
        ),
        (
            "digitalocean_reserved_ip",
            json!({ "id": "203.0.113.101", "ip_address": "203.0.113.101", "region": "nyc3",
            "droplet_id": 101, "urn": "do:reservedip:203.0.113.101" }),
        ),
        (
            "digitalocean_reserved_ip",
            json!({ "id": "203.0.113.102", "ip_address": "203.0.113.102", "region": "nyc3",
            "droplet_id": null, "urn": "do:reservedip:203.0.113.102" }),
        ),
        (
            "digitalocean_reserved_ip_assignment",
            json!({ "id": "102-203.0.113.102-2026", "droplet_id": 102,
            "ip_address": "203.0.113.102" }),
        ),
    ]
}

fn networks() -> Vec<(&'static str, Value)> {
    let rule = |entry: &str, port: u16, certificate: &str| {
        json!({ "entry_protocol": entry, "entry_port": port, "target_protocol": "http", "target_port": 80,
            "certificate_id": certificate, "certificate_name": certificate, "tls_passthrough": false })
    };
    let check = |protocol: &str, path: &str| {
        json!([{ "protocol": protocol, "port": 80, "path": path, "check_interval_seconds": 10,
            "response_timeout_seconds": 5, "healthy_threshold": 5, "unhealthy_threshold": 3 }])
    };
    let balancer = |id: &str, name: &str, own: Value| {
        let mut all = json!({ "id": id, "name": name, "region": "nyc3", "algorithm": "round_robin", "type": "REGIONAL",
            "enable_proxy_protocol": false, "enable_backend_keepalive": false, "vpc_uuid": "vpc-1",
            "disable_lets_encrypt_dns_records": false, "http_idle_timeout_seconds": 60, "project_id": "p-1",
            "domains": [], "glb_settings": [], "target_load_balancer_ids": [], "network": null, "network_stack": null,
            "tls_cipher_policy": null, "ip": "203.0.113.3", "ipv6": "", "status": "active",
            "urn": format!("do:loadbalancer:{id}") });
        all.as_object_mut()
            .unwrap()
            .extend(own.as_object().unwrap().clone());
        ("digitalocean_loadbalancer", all)
    };
    vec![
        balancer(
            "lb-1",
            "front",
            json!({ "size": "lb-small", "size_unit": 1, "droplet_tag": "", "droplet_ids": [101, 102],
            "forwarding_rule": [rule("http", 80, ""), rule("https", 443, "shop")], "healthcheck": check("http", "/"),
            "sticky_sessions": [{ "type": "none", "cookie_name": "", "cookie_ttl_seconds": 0 }],
            "redirect_http_to_https": true, "firewall": [{ "allow": ["cidr:2.3.0.0/16", "ip:1.2.3.4"], "deny": [] }] }),
        ),
        balancer(
            "lb-2",
            "by-tag",
            json!({ "size": "lb-medium", "size_unit": 3, "droplet_tag": "Web",
            "droplet_ids": [101], "forwarding_rule": [rule("http", 80, "")], "healthcheck": check("tcp", ""),
            "sticky_sessions": [{ "type": "cookies", "cookie_name": "LB", "cookie_ttl_seconds": 300 }],
            "redirect_http_to_https": false, "firewall": [] }),
        ),
        (
            "digitalocean_firewall",
            json!({ "id": "fw-1", "name": "web", "droplet_ids": [101, 102], "tags": ["web"],
            "status": "succeeded", "pending_changes": [], "created_at": "2026",
            "inbound_rule": [
                { "protocol": "icmp", "port_range": "", "source_addresses": [], "source_droplet_ids": [],
                  "source_kubernetes_ids": [], "source_load_balancer_uids": [], "source_tags": ["ops"] },
                { "protocol": "udp", "port_range": "all", "source_addresses": [], "source_droplet_ids": [101],
                  "source_kubernetes_ids": ["k-1"], "source_load_balancer_uids": [], "source_tags": [] },
                { "protocol": "tcp", "port_range": "443", "source_addresses": ["10.0.0.0/8", "::/0"],
                  "source_droplet_ids": [], "source_kubernetes_ids": [], "source_load_balancer_uids": ["lb-1"],
                  "source_tags": [] }],
            "outbound_rule": [{ "protocol": "tcp", "port_range": "all", "destination_addresses": ["::/0", "0.0.0.0/0"],
                "destination_droplet_ids": [], "destination_kubernetes_ids": [], "destination_load_balancer_uids": [],
                "destination_tags": [] }] }),
        ),
        (
            "digitalocean_vpc",
            json!({ "id": "vpc-1", "name": "main", "region": "nyc3", "description": "",
            "ip_range": "10.0.0.0/20", "default": false, "urn": "do:vpc:vpc-1", "timeouts": null }),
        ),
    ]
}

fn names() -> Vec<(&'static str, Value)> {
    let record = |id: &str, kind: &str, name: &str, value: &str, own: Value| {
        let mut all = json!({ "id": id, "domain": "example.com", "type": kind, "name": name, "value": value,
            "ttl": 1800, "priority": 0, "port": 0, "weight": 0, "flags": 0, "tag": "", "fqdn": "noise" });
        all.as_object_mut()
            .unwrap()
            .extend(own.as_object().unwrap().clone());
        ("digitalocean_record", all)
    };
    vec![
        (
            "digitalocean_domain",
            json!({ "id": "example.com", "name": "example.com", "ip_address": null, "ttl": 1800,
            "urn": "do:domain:example.com" }),
        ),
        record("1", "A", "www", "203.0.113.7", json!({})),
        record("2", "AAAA", "www.example.com.", "2001:db8::7", json!({})),
        record("3", "CNAME", "shop", "example.com.", json!({})),
        record("4", "MX", "@", "mail.example.com.", json!({ "priority": 10 })),
        record(
            "5",
            "SRV",
            "_sip._tcp",
            "sip.example.com.",
            json!({ "priority": 10, "port": 5060 }),
        ),
        record("6", "CAA", "@", "letsencrypt.org.", json!({ "tag": "issue" })),
        record("7", "TXT", "@", "v=spf1 -all", json!({})),
        record("8", "NS", "sub", "ns1.example.net.", json!({})),
        (
            "digitalocean_certificate",
            json!({ "id": "shop", "uuid": "cert-1", "name": "shop", "type": "lets_encrypt",
            "domains": ["example.com", "www.example.com"], "private_key": null, "state": "verified",
            "not_after": "2027" }),
        ),
        (
            "digitalocean_cdn",
            json!({ "id": "cdn-1", "origin": "files.nyc3.digitaloceanspaces.com", "ttl": 3600,
            "endpoint": "files.nyc3.cdn.digitaloceanspaces.com", "certificate_id": "shop", "certificate_name": "shop",
            "custom_domain": "static.example.com", "created_at": "2026" }),
        ),
        (
            "digitalocean_project",
            json!({ "id": "p-1", "name": "shop", "description": "Shoes", "purpose": "selling shoes",
            "environment": "production", "is_default": false, "resources": ["do:domain:example.com"] }),
        ),
        (
            "digitalocean_project_resources",
            json!({ "id": "p-1", "project": "p-1", "resources": ["do:domain:example.com",
            "do:droplet:101", "do:volume:vol-1", "do:kubernetes:k-1", "do:loadbalancer:lb-1", "do:space:files"] }),
        ),
        (
            "digitalocean_uptime_check",
            json!({ "id": "up-1", "name": "home", "type": "https",
            "target": "https://example.com", "regions": ["eu_west", "us_west"], "enabled": true }),
        ),
    ]
}

fn platforms() -> Vec<(&'static str, Value)> {
    let database = |id: &str, own: Value| {
        let mut all = json!({ "id": id, "region": "nyc3", "private_network_uuid": "vpc-1", "project_id": "p-1",
            "eviction_policy": "", "sql_mode": "", "storage_autoscale": [], "backup_restore": [], "host": "db",
            "password": "hunter2", "uri": "postgres://doadmin:hunter2@db", "port": 25060, "urn": format!("do:dbaas:{id}") });
        all.as_object_mut()
            .unwrap()
            .extend(own.as_object().unwrap().clone());
        ("digitalocean_database_cluster", all)
    };
    let default_pool = json!([{ "id": "pool-1", "name": "default", "size": "s-2vcpu-2gb", "node_count": 3,
                "actual_node_count": 3, "auto_scale": false, "min_nodes": 0, "max_nodes": 0, "labels": {}, "tags": [],
                "taint": [{ "key": "k", "value": "v", "effect": "NoSchedule" }], "nodes": [{ "id": "n-1" }] }]);
    vec![
        database(
            "db-1",
            json!({ "name": "backend", "engine": "pg", "version": "16", "size": "db-s-2vcpu-4gb",
            "node_count": 2, "tags": ["Production"], "storage_size_mib": "61440",
            "maintenance_window": [{ "day": "Saturday", "hour": "08:45" }] }),
        ),
        database(
            "db-2",
            json!({ "name": "cache", "engine": "redis", "version": "7", "size": "db-s-1vcpu-1gb",
            "node_count": 1, "tags": null, "storage_size_mib": "10240", "maintenance_window": [] }),
        ),
        (
            "digitalocean_database_firewall",
            json!({ "id": "db-1-2026", "cluster_id": "db-1", "rule": [
            { "uuid": "r-3", "type": "droplet", "value": "101", "created_at": "2026" },
            { "uuid": "r-2", "type": "tag", "value": "web", "created_at": "2026" },
            { "uuid": "r-1", "type": "ip_addr", "value": "192.0.2.1", "created_at": "2026" }] }),
        ),
        (
            "digitalocean_kubernetes_cluster",
            json!({ "id": "k-1", "name": "main", "region": "nyc3",
            "version": "1.33.1-do.0", "cluster_subnet": "10.244.0.0/16", "service_subnet": "10.245.0.0/16",
            "vpc_uuid": "vpc-1", "tags": ["team"], "auto_upgrade": false, "surge_upgrade": true, "ha": false,
            "registry_integration": false, "destroy_all_associated_resources": false, "kubeconfig_expire_seconds": 0,
            "maintenance_policy": [{ "day": "sunday", "start_time": "04:00", "duration": "4h0m0s" }],
            "control_plane_firewall": [{ "enabled": true, "allowed_addresses": ["10.0.0.0/8", "203.0.113.9/32"] }],
            "cluster_autoscaler_configuration": [{ "scale_down_utilization_threshold": 0.65,
                "scale_down_unneeded_time": "1m0s", "expanders": ["priority", "random"] }],
            "routing_agent": [{ "enabled": true }], "amd_gpu_device_plugin": [{ "enabled": false }], "sso": [],
            "kube_config": [{ "token": "hunter2" }], "ipv4_address": "203.0.113.20", "endpoint": "https://k",
            "status": "running", "urn": "do:kubernetes:k-1",
            "node_pool": default_pool }),
        ),
        (
            "digitalocean_kubernetes_node_pool",
            json!({ "id": "pool-2", "cluster_id": "k-1", "name": "more",
            "size": "s-4vcpu-8gb", "node_count": 1, "actual_node_count": 4, "auto_scale": true, "min_nodes": 1,
            "max_nodes": 5, "labels": { "team": "web" }, "tags": ["team"], "taint": [], "nodes": [{ "id": "n-1" }] }),
        ),
        (
            "digitalocean_container_registry",
            json!({ "id": "shop", "name": "shop", "region": "fra1",
            "subscription_tier_slug": "basic", "endpoint": "registry.digitalocean.com/shop" }),
        ),
        (
            "digitalocean_app",
            json!({ "id": "app-1", "project_id": "p-1", "live_url": "https://x", "urn": "do:app:app-1",
            "active_deployment_id": "d-1", "spec": [{
                "name": "shop", "region": "nyc", "domains": [], "features": [],
                "domain": [{ "name": "shop.example.com", "type": "PRIMARY", "wildcard": false, "zone": "" }],
                "alert": [{ "rule": "DEPLOYMENT_FAILED", "disabled": false, "destinations": [] }],
                "env": [{ "key": "TOKEN", "value": "EV[1:abc:def]", "scope": "RUN_TIME", "type": "SECRET" },
                        { "key": "LEVEL", "value": "info", "scope": "RUN_AND_BUILD_TIME", "type": "GENERAL" }],
                "service": [{ "name": "web", "http_port": 8080, "instance_count": 2,
                    "instance_size_slug": "apps-s-1vcpu-1gb", "build_command": "", "run_command": "",
                    "git": [{ "repo_clone_url": "https://ci:hunter2@git.example.com/shop.git", "branch": "main" }],
                    "github": [], "gitlab": [], "image": [], "env": [], "internal_ports": [], "routes": [],
                    "health_check": [{ "http_path": "/healthz", "port": 0, "initial_delay_seconds": 0 }] }],
                "ingress": [{ "rule": [{ "component": [{ "name": "web", "preserve_path_prefix": false, "rewrite": "" }],
                    "match": [{ "path": [{ "prefix": "/" }] }], "cors": [], "redirect": [] }] }],
                "static_site": [], "worker": [], "job": [], "database": [] }] }),
        ),
    ]
}

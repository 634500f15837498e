//! Load balancers, firewalls and VPCs.

use serde_json::{Map, Value};

use super::certificates::name_certificate;
use super::{Context, Shape, items, named, pick, text};
use crate::domain::inventory::ListedResource;
use crate::provider::digitalocean::map::shape::{Field, as_set};
use crate::provider::normalize;

pub(super) const LOAD_BALANCER: &[Field] = &[
    ("type", Shape::Plain),
    ("forwarding_rules", Shape::Object(FORWARDING_RULE)),
    ("health_check", Shape::Object(HEALTH_CHECK)),
    ("sticky_sessions", Shape::Object(STICKY_SESSIONS)),
    ("droplet_ids", Shape::Number),
    ("tag", Shape::Lower),
    ("redirect_http_to_https", Shape::Switch),
    ("enable_proxy_protocol", Shape::Switch),
    ("enable_backend_keepalive", Shape::Switch),
    ("disable_lets_encrypt_dns_records", Shape::Switch),
    ("http_idle_timeout_seconds", Shape::Plain),
    (
        "firewall",
        Shape::Object(&[("allow", Shape::Plain), ("deny", Shape::Plain)]),
    ),
    ("domains", Shape::Object(DOMAIN)),
    ("glb_settings", Shape::Object(GLB_SETTINGS)),
    ("target_load_balancer_ids", Shape::Plain),
    ("network", Shape::Plain),
    ("network_stack", Shape::Plain),
    ("tls_cipher_policy", Shape::Plain),
];

const FORWARDING_RULE: &[Field] = &[
    ("entry_protocol", Shape::Lower),
    ("entry_port", Shape::Plain),
    ("target_protocol", Shape::Lower),
    ("target_port", Shape::Plain),
    ("certificate_id", Shape::Plain),
    ("tls_passthrough", Shape::Switch),
];

const HEALTH_CHECK: &[Field] = &[
    ("protocol", Shape::Lower),
    ("port", Shape::Plain),
    ("path", Shape::Plain),
    ("check_interval_seconds", Shape::Plain),
    ("response_timeout_seconds", Shape::Plain),
    ("healthy_threshold", Shape::Plain),
    ("unhealthy_threshold", Shape::Plain),
];

const STICKY_SESSIONS: &[Field] = &[
    ("type", Shape::Lower),
    ("cookie_name", Shape::Plain),
    ("cookie_ttl_seconds", Shape::Plain),
];

const DOMAIN: &[Field] = &[
    ("name", Shape::Lower),
    ("is_managed", Shape::Switch),
    ("certificate_id", Shape::Plain),
];

const GLB_SETTINGS: &[Field] = &[
    ("target_protocol", Shape::Lower),
    ("target_port", Shape::Plain),
    ("cdn", Shape::Switched(&[("is_enabled", Shape::Switch)])),
    ("region_priorities", Shape::Labels),
    ("failover_threshold", Shape::Plain),
];

pub(in super::super) fn load_balancer(item: &Value, context: &Context) -> Option<ListedResource> {
    let mut balancer = named(item, "loadbalancer", LOAD_BALANCER)?;
    balancer.ip = text(item, "/ip");
    let size_unit = item.get("size_unit").and_then(Value::as_i64);
    balancer.size_slug = normalize::load_balancer_size(size_unit, text(item, "/size").as_deref());
    // The tag selects the droplets, so their ids are not compared.
    if balancer.attrs.contains_key("tag") {
        balancer.attrs.remove("droplet_ids");
    }
    if item
        .pointer("/sticky_sessions/type")
        .is_some_and(|kind| kind == "none")
    {
        balancer.attrs.remove("sticky_sessions");
    }
    name_certificates(&mut balancer, "domains", context);
    name_certificates(&mut balancer, "forwarding_rules", context);
    Some(balancer)
}

fn name_certificates(balancer: &mut ListedResource, list: &str, context: &Context) {
    let Some(Value::Array(entries)) = balancer.attrs.get_mut(list) else {
        return;
    };
    for fields in entries.iter_mut().filter_map(Value::as_object_mut) {
        name_certificate(fields, context);
    }
    *entries = as_set(std::mem::take(entries));
}

pub(in super::super) fn firewall(item: &Value, _: &Context) -> Option<ListedResource> {
    let mut firewall = named(item, "firewall", &[("droplet_ids", Shape::Number)])?;
    // Changed rules take effect at once, so a firewall never settles.
    firewall.settling = false;
    for (rules, peers) in [("inbound_rules", "sources"), ("outbound_rules", "destinations")] {
        let all = items(item, &format!("/{rules}"))
            .iter()
            .map(|item| firewall_rule(item, peers))
            .collect();
        firewall.with_attr(rules, as_set(all));
    }
    Some(firewall)
}

const PEERS: &[Field] = &[
    ("addresses", Shape::Plain),
    ("droplet_ids", Shape::Number),
    ("load_balancer_uids", Shape::Plain),
    ("kubernetes_ids", Shape::Plain),
    ("tags", Shape::Lower),
];

fn firewall_rule(item: &Value, peers: &str) -> Value {
    let protocol = super::lower(item, "/protocol").unwrap_or_default();
    let ports = item.get("ports").and_then(super::id_text).unwrap_or_default();
    let mut rule = Map::new();
    if let Some(ports) = normalize::ports(&protocol, &ports) {
        rule.insert("ports".to_owned(), ports.into());
    }
    rule.insert("protocol".to_owned(), protocol.into());
    let all = item.get(peers).and_then(|item| pick(item, &Shape::Object(PEERS)));
    if let Some(all) = all {
        rule.insert(peers.to_owned(), all);
    }
    Value::Object(rule)
}

pub(super) const VPC: &[Field] = &[
    ("description", Shape::Plain),
    ("ip_range", Shape::Plain),
    ("default", Shape::Plain),
];

pub(in super::super) fn vpc(item: &Value, _: &Context) -> Option<ListedResource> {
    let mut vpc = named(item, "vpc", VPC)?;
    vpc.ip = text(item, "/ip_range");
    Some(vpc)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::shown;
    use super::*;

    fn certificates() -> Context {
        Context {
            certificates: [("id-1".to_owned(), "shop".to_owned())].into(),
        }
    }

    #[test]
    fn a_load_balancer_is_mapped() {
        let item = json!({
            "id": "lb-1", "name": "front", "ip": "203.0.113.3", "ipv6": "2001:db8::3", "size": "lb-small",
            "size_unit": 3, "algorithm": "round_robin", "status": "active", "region": { "slug": "nyc3" },
            "forwarding_rules": [
                { "entry_protocol": "HTTPS", "entry_port": 443, "target_protocol": "http", "target_port": 80,
                  "certificate_id": "id-1", "tls_passthrough": false },
                { "entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 80,
                  "certificate_id": "" },
            ],
            "health_check": { "protocol": "http", "port": 80, "path": "/", "novel": 1 },
            "sticky_sessions": { "type": "none" }, "tag": "", "droplet_ids": [9, 3],
            "redirect_http_to_https": true, "vpc_uuid": "vpc-1", "project_id": "p-1", "type": "REGIONAL",
            "firewall": { "deny": ["ip:198.51.100.1"], "allow": [] }, "domains": [],
        });
        assert_eq!(
            shown(load_balancer(&item, &certificates())),
            json!({
                "id": "lb-1", "urn": "do:loadbalancer:lb-1", "name": "front", "region": "nyc3",
                "size_slug": "3", "status": "active", "ip": "203.0.113.3", "vpc_uuid": "vpc-1",
                "project_id": "p-1",
                "attrs": {
                    "type": "REGIONAL", "redirect_http_to_https": true, "droplet_ids": [3, 9],
                    "enable_proxy_protocol": false, "enable_backend_keepalive": false,
                    "disable_lets_encrypt_dns_records": false,
                    "forwarding_rules": [
                        { "entry_protocol": "https", "entry_port": 443, "target_protocol": "http",
                          "target_port": 80, "tls_passthrough": false, "certificate_name": "shop" },
                        { "entry_protocol": "http", "entry_port": 80, "target_protocol": "http",
                          "target_port": 80, "tls_passthrough": false },
                    ],
                    "health_check": { "protocol": "http", "port": 80, "path": "/" },
                    "firewall": { "deny": ["ip:198.51.100.1"] },
                },
            })
        );
        assert_eq!(super::super::certificates::certificates_of(&item), ["id-1"]);
    }

    #[test]
    fn a_load_balancer_with_a_tag_has_no_droplet_ids() {
        let item = json!({
            "id": "lb-1", "status": "new", "size": "lb-medium", "tag": "Web", "droplet_ids": [1],
            "sticky_sessions": { "type": "cookies", "cookie_name": "DO-LB", "cookie_ttl_seconds": 300 },
        });
        let balancer = load_balancer(&item, &Context::default()).unwrap();
        assert!(balancer.settling);
        assert_eq!(balancer.size_slug.as_deref(), Some("3"));
        assert_eq!(
            Value::Object(balancer.attrs),
            json!({ "tag": "web", "sticky_sessions":
                { "type": "cookies", "cookie_name": "DO-LB", "cookie_ttl_seconds": 300 },
                "redirect_http_to_https": false, "enable_proxy_protocol": false,
                "enable_backend_keepalive": false, "disable_lets_encrypt_dns_records": false })
        );
    }

    #[test]
    fn a_firewall_is_mapped_and_never_settling() {
        let item = json!({
            "id": "fw-1", "name": "web", "status": "waiting", "pending_changes": [{ "droplet_id": 1 }],
            "droplet_ids": [2, 1], "tags": ["Web"],
            "inbound_rules": [
                { "protocol": "tcp", "ports": "22", "sources": { "addresses": ["::/0", "0.0.0.0/0"], "tags": [] } },
                { "protocol": "icmp", "ports": "0", "sources": { "tags": ["Ops"] } },
            ],
            "outbound_rules": [{ "protocol": "udp", "ports": "0", "destinations": { "droplet_ids": [7] } }],
        });
        let firewall = firewall(&item, &Context::default()).unwrap();
        assert!(!firewall.settling);
        assert_eq!(firewall.tags, ["web"]);
        assert_eq!(
            Value::Object(firewall.attrs),
            json!({
                "droplet_ids": [1, 2],
                "inbound_rules": [
                    { "protocol": "tcp", "ports": "22", "sources": { "addresses": ["0.0.0.0/0", "::/0"] } },
                    { "protocol": "icmp", "sources": { "tags": ["ops"] } },
                ],
                "outbound_rules": [{ "protocol": "udp", "ports": "all", "destinations": { "droplet_ids": [7] } }],
            })
        );
    }

    #[test]
    fn a_vpc_is_mapped() {
        let item = json!({ "id": "vpc-1", "name": "main", "region": "NYC1", "ip_range": "10.1.0.0/20",
            "description": "", "default": false, "created_at": "2026" });
        assert_eq!(
            shown(vpc(&item, &Context::default())),
            json!({ "id": "vpc-1", "urn": "do:vpc:vpc-1", "name": "main", "region": "nyc1", "ip": "10.1.0.0/20",
                    "attrs": { "ip_range": "10.1.0.0/20", "default": false } })
        );
    }
}

//! Load balancers.

use serde_json::{Map, Value};

use super::Said;
use super::fields::{Row, Take, block, blocks, desired, id, id_number, take, text};
use super::file::Instance;
use crate::provider::normal;

const LOAD_BALANCER: [Row; 12] = [
    ("name", "name", Take::Text),
    ("region", "region", Take::Slug),
    ("type", "type", Take::Upper),
    ("vpc_uuid", "vpc_uuid", Take::Known),
    ("project_id", "project_id", Take::Known),
    ("redirect_http_to_https", "redirect_http_to_https", Take::Flag),
    ("enable_proxy_protocol", "enable_proxy_protocol", Take::Flag),
    ("enable_backend_keepalive", "enable_backend_keepalive", Take::Flag),
    (
        "disable_lets_encrypt_dns_records",
        "disable_lets_encrypt_dns_records",
        Take::Flag,
    ),
    (
        "http_idle_timeout_seconds",
        "http_idle_timeout_seconds",
        Take::Positive,
    ),
    (
        "target_load_balancer_ids",
        "target_load_balancer_ids",
        Take::Texts,
    ),
    ("droplet_ids", "droplet_ids", Take::Ids),
];

/// Certificates by name: their ids change with every renewal.
const FORWARDING_RULE: [Row; 6] = [
    ("entry_protocol", "entry_protocol", Take::Slug),
    ("entry_port", "entry_port", Take::Number),
    ("target_protocol", "target_protocol", Take::Slug),
    ("target_port", "target_port", Take::Number),
    ("tls_passthrough", "tls_passthrough", Take::Flag),
    ("certificate_name", "certificate_name", Take::Known),
];

const HEALTH_CHECK: [Row; 7] = [
    ("protocol", "protocol", Take::Slug),
    ("port", "port", Take::Number),
    ("path", "path", Take::Text),
    ("check_interval_seconds", "check_interval_seconds", Take::Number),
    (
        "response_timeout_seconds",
        "response_timeout_seconds",
        Take::Number,
    ),
    ("healthy_threshold", "healthy_threshold", Take::Number),
    ("unhealthy_threshold", "unhealthy_threshold", Take::Number),
];

const STICKY_SESSIONS: [Row; 3] = [
    ("type", "type", Take::Slug),
    ("cookie_name", "cookie_name", Take::Known),
    ("cookie_ttl_seconds", "cookie_ttl_seconds", Take::Positive),
];

const FIREWALL: [Row; 2] = [("allow", "allow", Take::Texts), ("deny", "deny", Take::Texts)];

const DOMAIN: [Row; 3] = [
    ("name", "name", Take::Slug),
    ("is_managed", "is_managed", Take::Flag),
    ("certificate_name", "certificate_name", Take::Known),
];

const GLOBAL: [Row; 3] = [
    ("target_protocol", "target_protocol", Take::Slug),
    ("target_port", "target_port", Take::Number),
    ("failover_threshold", "failover_threshold", Take::Positive),
];

pub(super) fn load_balancer(instance: &Instance) -> Option<Vec<Said>> {
    let attributes = &instance.attributes;
    let mut spec = take(attributes, &LOAD_BALANCER);
    let size_unit = attributes.get("size_unit").and_then(id_number);
    if let Some(size) = normal::load_balancer_size(size_unit, text(attributes, "size")) {
        spec.insert("size_slug".to_owned(), size.into());
    }
    // A tag chooses the droplets: which they are is not declared.
    if let Some(tag) = text(attributes, "droplet_tag") {
        spec.remove("droplet_ids");
        spec.insert("tag".to_owned(), normal::slug(tag).into());
    }
    if text(&spec, "type") == Some("GLOBAL") {
        spec.remove("region");
    }
    let rules = blocks(attributes, "forwarding_rule")
        .map(forwarding_rule)
        .collect();
    spec.insert("forwarding_rules".to_owned(), Value::Array(rules));
    if let Some(check) = block(attributes, "healthcheck") {
        spec.insert("health_check".to_owned(), take(check, &HEALTH_CHECK).into());
    }
    if let Some(sticky) = block(attributes, "sticky_sessions") {
        spec.insert("sticky_sessions".to_owned(), sticky_sessions(sticky));
    }
    if let Some(firewall) = attributes.get("firewall").filter(|firewall| firewall.is_array()) {
        let rules = firewall.as_array().and_then(|blocks| blocks.first()?.as_object());
        let rules = rules.map(|rules| take(rules, &FIREWALL)).unwrap_or_default();
        spec.insert("firewall".to_owned(), rules.into());
    }
    let domains: Vec<Value> = blocks(attributes, "domains")
        .map(|domain| take(domain, &DOMAIN).into())
        .collect();
    if !domains.is_empty() {
        spec.insert("domains".to_owned(), domains.into());
    }
    if let Some(global) = block(attributes, "glb_settings") {
        spec.insert("glb_settings".to_owned(), global_settings(global));
    }
    let id = id(attributes, "id")?;
    Some(vec![Said::Resource(desired(instance, "load_balancer", id, spec))])
}

/// `tls_passthrough` is always there in the API.
fn forwarding_rule(rule: &Map<String, Value>) -> Value {
    let mut rule = take(rule, &FORWARDING_RULE);
    rule.entry("tls_passthrough").or_insert(Value::Bool(false));
    rule.into()
}

/// None is a type of its own, and the same as no block.
fn sticky_sessions(block: &Map<String, Value>) -> Value {
    let sticky = take(block, &STICKY_SESSIONS);
    match text(&sticky, "type") {
        None | Some("none") => Value::Null,
        Some(_) => sticky.into(),
    }
}

fn global_settings(settings: &Map<String, Value>) -> Value {
    let mut global = take(settings, &GLOBAL);
    if let Some(priorities) = settings.get("region_priorities").and_then(Value::as_object) {
        let priorities = priorities
            .iter()
            .filter(|(_, priority)| priority.is_number())
            .map(|(region, priority)| (normal::slug(region), priority.clone()))
            .collect();
        global.insert("region_priorities".to_owned(), Value::Object(priorities));
    }
    if let Some(cdn) = block(settings, "cdn") {
        let cdn = take(cdn, &[("is_enabled", "is_enabled", Take::Flag)]);
        global.insert("cdn".to_owned(), cdn.into());
    }
    global.into()
}

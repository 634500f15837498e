//! Load balancers.

use serde_json::Value;

use super::Said;
use super::fields::{Block, Reading, Row, Take, desired, id, id_number, take, text};
use super::instance::Instance;
use crate::provider::normalize;

const LOAD_BALANCER: [Row; 13] = [
    ("name", "name", Take::Text),
    ("region", "region", Take::Slug),
    ("type", "type", Take::Upper),
    ("vpc_uuid", "vpc_uuid", Take::Text),
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
    ("droplet_tag", "tag", Take::Slug),
];

/// The name identifies a certificate, because its id changes with each renewal.
const FORWARDING_RULE: [Row; 6] = [
    ("entry_protocol", "entry_protocol", Take::Slug),
    ("entry_port", "entry_port", Take::Number),
    ("target_protocol", "target_protocol", Take::Slug),
    ("target_port", "target_port", Take::Number),
    ("tls_passthrough", "tls_passthrough", Take::Flag),
    ("certificate_name", "certificate_name", Take::Text),
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
    ("cookie_name", "cookie_name", Take::Text),
    ("cookie_ttl_seconds", "cookie_ttl_seconds", Take::Positive),
];

const FIREWALL: [Row; 2] = [("allow", "allow", Take::Texts), ("deny", "deny", Take::Texts)];

const DOMAIN: [Row; 3] = [
    ("name", "name", Take::Slug),
    ("is_managed", "is_managed", Take::Flag),
    ("certificate_name", "certificate_name", Take::Text),
];

const GLOBAL: [Row; 4] = [
    ("target_protocol", "target_protocol", Take::Slug),
    ("target_port", "target_port", Take::Number),
    ("failover_threshold", "failover_threshold", Take::Positive),
    ("region_priorities", "region_priorities", Take::Priorities),
];

const CDN: [Row; 1] = [("is_enabled", "is_enabled", Take::Flag)];

pub(super) fn load_balancer(instance: &Instance) -> Option<Vec<Said>> {
    let (root, attributes) = (Block::of(instance), &instance.attributes);
    let mut reading = take(&root, &LOAD_BALANCER);
    let size_unit = attributes.get("size_unit").and_then(id_number);
    match normalize::load_balancer_size(size_unit, text(attributes, "size")) {
        Some(size) => reading.set("size_slug", size),
        None => reading.leave_open(&root, "size_unit", "size_slug"),
    }
    // With a tag, the configuration does not declare the droplets themselves.
    if text(&reading.fields, "tag").is_some() {
        reading.fields.remove("droplet_ids");
    }
    if text(&reading.fields, "type") == Some("GLOBAL") {
        reading.fields.remove("region");
    }
    let rules = root
        .blocks("forwarding_rule")
        .map(|rule| take(&rule, &FORWARDING_RULE));
    reading.members("forwarding_rules", rules.collect());
    if let Some(check) = reading.block(&root, "healthcheck", "health_check") {
        reading.object("health_check", take(&check, &HEALTH_CHECK));
    }
    if let Some(sticky) = reading.block(&root, "sticky_sessions", "sticky_sessions") {
        sticky_sessions(&mut reading, take(&sticky, &STICKY_SESSIONS));
    }
    if let Some(firewall) = reading.block(&root, "firewall", "firewall") {
        reading.object("firewall", take(&firewall, &FIREWALL));
    }
    if reading.block(&root, "domains", "domains").is_some() {
        let domains = root.blocks("domains").map(|domain| take(&domain, &DOMAIN));
        reading.members("domains", domains.collect());
    }
    if let Some(global) = reading.block(&root, "glb_settings", "glb_settings") {
        let mut settings = take(&global, &GLOBAL);
        if let Some(cdn) = settings.block(&global, "cdn", "cdn") {
            settings.object("cdn", take(&cdn, &CDN));
        }
        reading.object("glb_settings", settings);
    }
    let id = id(attributes, "id")?;
    Some(vec![Said::Resource(desired(
        instance,
        "load_balancer",
        id,
        reading,
    ))])
}

/// Sets `sticky_sessions`. The type `none` means the same as a missing block.
fn sticky_sessions(reading: &mut Reading, sticky: Reading) {
    if text(&sticky.fields, "type") == Some("none") {
        reading.set("sticky_sessions", Value::Null);
    } else {
        reading.object("sticky_sessions", sticky);
    }
}

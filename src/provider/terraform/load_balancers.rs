//! Load balancers.

use serde_json::Value;

use super::Mapped;
use super::fields::{Block, Conversion, Reading, Row, desired, id, id_number, read_attributes, text};
use super::instance::Instance;
use crate::provider::normalize;

const LOAD_BALANCER: [Row; 13] = [
    ("name", "name", Conversion::Text),
    ("region", "region", Conversion::Slug),
    ("type", "type", Conversion::Upper),
    ("vpc_uuid", "vpc_uuid", Conversion::Text),
    ("project_id", "project_id", Conversion::Known),
    (
        "redirect_http_to_https",
        "redirect_http_to_https",
        Conversion::Flag,
    ),
    ("enable_proxy_protocol", "enable_proxy_protocol", Conversion::Flag),
    (
        "enable_backend_keepalive",
        "enable_backend_keepalive",
        Conversion::Flag,
    ),
    (
        "disable_lets_encrypt_dns_records",
        "disable_lets_encrypt_dns_records",
        Conversion::Flag,
    ),
    (
        "http_idle_timeout_seconds",
        "http_idle_timeout_seconds",
        Conversion::Positive,
    ),
    (
        "target_load_balancer_ids",
        "target_load_balancer_ids",
        Conversion::Texts,
    ),
    ("droplet_ids", "droplet_ids", Conversion::Ids),
    ("droplet_tag", "tag", Conversion::Slug),
];

/// The name identifies a certificate, because its id changes with each renewal.
const FORWARDING_RULE: [Row; 6] = [
    ("entry_protocol", "entry_protocol", Conversion::Slug),
    ("entry_port", "entry_port", Conversion::Number),
    ("target_protocol", "target_protocol", Conversion::Slug),
    ("target_port", "target_port", Conversion::Number),
    ("tls_passthrough", "tls_passthrough", Conversion::Flag),
    ("certificate_name", "certificate_name", Conversion::Text),
];

const HEALTH_CHECK: [Row; 7] = [
    ("protocol", "protocol", Conversion::Slug),
    ("port", "port", Conversion::Number),
    ("path", "path", Conversion::Text),
    (
        "check_interval_seconds",
        "check_interval_seconds",
        Conversion::Number,
    ),
    (
        "response_timeout_seconds",
        "response_timeout_seconds",
        Conversion::Number,
    ),
    ("healthy_threshold", "healthy_threshold", Conversion::Number),
    ("unhealthy_threshold", "unhealthy_threshold", Conversion::Number),
];

const STICKY_SESSIONS: [Row; 3] = [
    ("type", "type", Conversion::Slug),
    ("cookie_name", "cookie_name", Conversion::Text),
    ("cookie_ttl_seconds", "cookie_ttl_seconds", Conversion::Positive),
];

const FIREWALL: [Row; 2] = [
    ("allow", "allow", Conversion::Texts),
    ("deny", "deny", Conversion::Texts),
];

const DOMAIN: [Row; 3] = [
    ("name", "name", Conversion::Slug),
    ("is_managed", "is_managed", Conversion::Flag),
    ("certificate_name", "certificate_name", Conversion::Text),
];

const GLOBAL: [Row; 4] = [
    ("target_protocol", "target_protocol", Conversion::Slug),
    ("target_port", "target_port", Conversion::Number),
    ("failover_threshold", "failover_threshold", Conversion::Positive),
    ("region_priorities", "region_priorities", Conversion::Priorities),
];

const CDN: [Row; 1] = [("is_enabled", "is_enabled", Conversion::Flag)];

pub(super) fn load_balancer(instance: &Instance) -> Option<Vec<Mapped>> {
    let (root, attributes) = (Block::of(instance), &instance.attributes);
    let mut reading = read_attributes(&root, &LOAD_BALANCER);
    let size_unit = attributes.get("size_unit").and_then(id_number);
    match normalize::load_balancer_size(size_unit, text(attributes, "size")) {
        Some(size) => reading.set("size_slug", size),
        None => reading.add_not_compared(&root, "size_unit", "size_slug"),
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
        .map(|rule| read_attributes(&rule, &FORWARDING_RULE));
    reading.members("forwarding_rules", rules.collect());
    if let Some(check) = reading.block(&root, "healthcheck", "health_check") {
        reading.object("health_check", read_attributes(&check, &HEALTH_CHECK));
    }
    if let Some(sticky) = reading.block(&root, "sticky_sessions", "sticky_sessions") {
        sticky_sessions(&mut reading, read_attributes(&sticky, &STICKY_SESSIONS));
    }
    if let Some(firewall) = reading.block(&root, "firewall", "firewall") {
        reading.object("firewall", read_attributes(&firewall, &FIREWALL));
    }
    if reading.block(&root, "domains", "domains").is_some() {
        let domains = root
            .blocks("domains")
            .map(|domain| read_attributes(&domain, &DOMAIN));
        reading.members("domains", domains.collect());
    }
    if let Some(global) = reading.block(&root, "glb_settings", "glb_settings") {
        let mut settings = read_attributes(&global, &GLOBAL);
        if let Some(cdn) = settings.block(&global, "cdn", "cdn") {
            settings.object("cdn", read_attributes(&cdn, &CDN));
        }
        reading.object("glb_settings", settings);
    }
    let id = id(attributes, "id")?;
    Some(vec![Mapped::Resource(desired(
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

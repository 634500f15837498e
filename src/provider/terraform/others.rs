//! Certificates, CDN endpoints, projects, registries and uptime checks.

use serde_json::{Map, Value};

use super::Said;
use super::fields::{Row, Take, desired, id, take, text};
use super::file::Instance;

const CERTIFICATE: [Row; 3] = [
    ("name", "name", Take::Text),
    ("type", "type", Take::Slug),
    ("domains", "dns_names", Take::Texts),
];

/// Certificates go by name: their ids change with every renewal.
pub(super) fn certificate(instance: &Instance) -> Option<Vec<Said>> {
    let mut spec = take(&instance.attributes, &CERTIFICATE);
    // Those of a certificate of one's own are in the certificate.
    if text(&spec, "type") == Some("custom") {
        spec.remove("dns_names");
    }
    let name = text(&spec, "name")?.to_owned();
    Some(vec![Said::Resource(desired(instance, "certificate", name, spec))])
}

const CDN: [Row; 4] = [
    ("origin", "origin", Take::Text),
    ("ttl", "ttl", Take::Positive),
    ("custom_domain", "custom_domain", Take::Text),
    ("certificate_name", "certificate_name", Take::Known),
];

pub(super) fn cdn_endpoint(instance: &Instance) -> Option<Vec<Said>> {
    let spec = take(&instance.attributes, &CDN);
    let id = id(&instance.attributes, "id")?;
    let mut endpoint = desired(instance, "cdn_endpoint", id, spec);
    if let Some(origin) = text(&endpoint.spec, "origin") {
        endpoint.name = origin.to_owned();
    }
    Some(vec![Said::Resource(endpoint)])
}

const PROJECT: [Row; 4] = [
    ("name", "name", Take::Text),
    ("description", "description", Take::Text),
    ("purpose", "purpose", Take::Text),
    ("is_default", "is_default", Take::Flag),
];

pub(super) fn project(instance: &Instance) -> Option<Vec<Said>> {
    let mut spec: Map<String, Value> = take(&instance.attributes, &PROJECT);
    if let Some(environment) = text(&instance.attributes, "environment") {
        spec.insert("environment".to_owned(), capitalised(environment).into());
    }
    let id = id(&instance.attributes, "id")?;
    Some(vec![Said::Resource(desired(instance, "project", id, spec))])
}

/// As the API writes it, in whatever case it was declared.
fn capitalised(word: &str) -> String {
    let word = word.to_lowercase();
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

const REGISTRY: [Row; 2] = [("name", "name", Take::Text), ("region", "region", Take::Slug)];

pub(super) fn registry(instance: &Instance) -> Option<Vec<Said>> {
    let spec = take(&instance.attributes, &REGISTRY);
    let name = text(&spec, "name")?.to_owned();
    Some(vec![Said::Resource(desired(instance, "registry", name, spec))])
}

const UPTIME_CHECK: [Row; 5] = [
    ("name", "name", Take::Text),
    ("type", "type", Take::Slug),
    ("target", "target", Take::Url),
    ("regions", "regions", Take::Tags),
    ("enabled", "enabled", Take::Flag),
];

pub(super) fn uptime_check(instance: &Instance) -> Option<Vec<Said>> {
    let spec = take(&instance.attributes, &UPTIME_CHECK);
    let id = id(&instance.attributes, "id")?;
    Some(vec![Said::Resource(desired(instance, "uptime_check", id, spec))])
}

//! Certificates and CDN endpoints.

use super::Said;
use super::fields::{Block, Row, Take, desired, id, take, text};
use super::instance::Instance;

const CERTIFICATE: [Row; 3] = [
    ("name", "name", Take::Text),
    ("type", "type", Take::Slug),
    ("domains", "dns_names", Take::Texts),
];

/// Maps a certificate. Its name identifies it, because its id changes with each renewal.
pub(super) fn certificate(instance: &Instance) -> Option<Vec<Said>> {
    let mut spec = take(&Block::of(instance), &CERTIFICATE);
    // The names of a custom certificate are in the certificate, not in the configuration.
    if text(&spec.fields, "type") == Some("custom") {
        spec.fields.remove("dns_names");
    }
    let name = text(&spec.fields, "name")?.to_owned();
    Some(vec![Said::Resource(desired(instance, "certificate", name, spec))])
}

const CDN: [Row; 4] = [
    ("origin", "origin", Take::Text),
    ("ttl", "ttl", Take::Positive),
    ("custom_domain", "custom_domain", Take::Text),
    ("certificate_name", "certificate_name", Take::Text),
];

pub(super) fn cdn_endpoint(instance: &Instance) -> Option<Vec<Said>> {
    let spec = take(&Block::of(instance), &CDN);
    let id = id(&instance.attributes, "id")?;
    let mut endpoint = desired(instance, "cdn_endpoint", id, spec);
    if let Some(origin) = text(&endpoint.spec, "origin") {
        endpoint.name = origin.to_owned();
    }
    Some(vec![Said::Resource(endpoint)])
}

//! Certificates and CDN endpoints.

use super::Mapped;
use super::fields::{Block, Conversion, Row, desired, id, read_attributes, text};
use super::instance::Instance;

const CERTIFICATE: [Row; 3] = [
    ("name", "name", Conversion::Text),
    ("type", "type", Conversion::Slug),
    ("domains", "dns_names", Conversion::Texts),
];

/// Maps a certificate. Its name identifies it, because its id changes with each renewal.
pub(super) fn certificate(instance: &Instance) -> Option<Vec<Mapped>> {
    let mut spec = read_attributes(&Block::of(instance), &CERTIFICATE);
    // The DNS names of a custom certificate come from the certificate itself, not from the configuration.
    if text(&spec.fields, "type") == Some("custom") {
        spec.fields.remove("dns_names");
    }
    let name = text(&spec.fields, "name")?.to_owned();
    Some(vec![Mapped::Resource(desired(
        instance,
        "certificate",
        name,
        spec,
    ))])
}

const CDN: [Row; 4] = [
    ("origin", "origin", Conversion::Text),
    ("ttl", "ttl", Conversion::Positive),
    ("custom_domain", "custom_domain", Conversion::Text),
    ("certificate_name", "certificate_name", Conversion::Text),
];

pub(super) fn cdn_endpoint(instance: &Instance) -> Option<Vec<Mapped>> {
    let spec = read_attributes(&Block::of(instance), &CDN);
    let id = id(&instance.attributes, "id")?;
    let mut endpoint = desired(instance, "cdn_endpoint", id, spec);
    if let Some(origin) = text(&endpoint.spec, "origin") {
        endpoint.name = origin.to_owned();
    }
    Some(vec![Mapped::Resource(endpoint)])
}

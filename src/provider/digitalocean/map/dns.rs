//! Domains and their records.

use serde_json::Value;

use super::{Context, Shape, id_text, resource, text};
use crate::domain::inventory::ListedResource;
use crate::provider::digitalocean::map::shape::{Field, pick_fields};
use crate::provider::normal;

pub(in super::super) fn domain(item: &Value, _: &Context) -> Option<ListedResource> {
    let name = text(item, "/name")?.to_lowercase();
    let mut domain = resource(item, "domain", &name, None);
    domain.attrs = pick_fields(item, &[("ttl", Shape::Plain)]);
    Some(domain)
}

const RECORD: &[Field] = &[
    ("ttl", Shape::Plain),
    ("priority", Shape::Plain),
    ("port", Shape::Plain),
    ("weight", Shape::Plain),
    ("flags", Shape::Plain),
    ("tag", Shape::Plain),
];

/// A record of `domain`. The SOA record is DigitalOcean's: its serial rises with every change of another.
pub(in super::super) fn record(item: &Value, domain: &str) -> Option<ListedResource> {
    let id = item.get("id").and_then(id_text)?;
    let kind = text(item, "/type").unwrap_or_default().to_uppercase();
    let name = normal::record_name(&text(item, "/name").unwrap_or_default(), domain);
    let mut record = resource(item, "domain_record", &id, Some(name));
    record.attrs = pick_fields(item, RECORD);
    // Zero, where Terraform cannot tell it from unset.
    record.attrs.retain(|_, value| *value != 0);
    record.settling = false;
    if let Some(data) = text(item, "/data") {
        record.with_attr("data", normal::record_data(&kind, &data, domain));
    }
    record.with_attr("type", kind);
    record.with_attr("domain", domain);
    Some(record)
}

/// Whether a record is one that is kept.
pub(in super::super) fn is_kept(item: &Value) -> bool {
    !text(item, "/type").is_some_and(|kind| kind.eq_ignore_ascii_case("SOA"))
}

//! Domains and their records.

use std::net::Ipv6Addr;

use serde_json::Value;

use super::{Context, Shape, id_text, resource, text};
use crate::domain::inventory::ListedResource;
use crate::provider::digitalocean::map::shape::{Field, pick_fields};

/// What follows the domain's name in a text that is relative to it.
const APEX: &str = "@";
/// Types whose data is a name. DigitalOcean's Terraform provider writes these with a dot at the end.
const NAMES: [&str; 5] = ["CNAME", "MX", "NS", "SRV", "CAA"];

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
    let name = text(item, "/name").unwrap_or_else(|| APEX.to_owned());
    let mut record = resource(item, "domain_record", &id, Some(relative(&name, domain)));
    record.attrs = pick_fields(item, RECORD);
    record.settling = false;
    if let Some(data) = text(item, "/data") {
        record.with_attr("data", normal_data(&kind, &data, domain));
    }
    record.with_attr("type", kind);
    record.with_attr("domain", domain);
    Some(record)
}

/// Whether a record is one that is kept.
pub(in super::super) fn is_kept(item: &Value) -> bool {
    !text(item, "/type").is_some_and(|kind| kind.eq_ignore_ascii_case("SOA"))
}

/// `www.example.com.` is `www`, and the domain itself is `@`.
fn relative(name: &str, domain: &str) -> String {
    let name = name.trim_end_matches('.');
    if name.is_empty() || name.eq_ignore_ascii_case(domain) {
        return APEX.to_owned();
    }
    let suffix = format!(".{domain}");
    let cut = name.len().saturating_sub(suffix.len());
    match name.get(cut..) {
        Some(end) if cut > 0 && end.eq_ignore_ascii_case(&suffix) => name[..cut].to_owned(),
        _ => name.to_owned(),
    }
}

fn normal_data(kind: &str, data: &str, domain: &str) -> String {
    match kind {
        "AAAA" => data
            .parse::<Ipv6Addr>()
            .map_or_else(|_| data.to_owned(), |address| address.to_string()),
        kind if NAMES.contains(&kind) && data == APEX => domain.to_owned(),
        kind if NAMES.contains(&kind) && data != "." => data.trim_end_matches('.').to_owned(),
        _ => data.to_owned(),
    }
}

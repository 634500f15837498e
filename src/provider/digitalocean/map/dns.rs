//! Domains and their records.

use serde_json::Value;

use super::{Context, Shape, id_text, resource, text};
use crate::domain::inventory::ListedResource;
use crate::provider::digitalocean::map::shape::{Field, pick_fields};
use crate::provider::normalize;

pub(in super::super) fn domain(item: &Value, _: &Context) -> Option<ListedResource> {
    let name = text(item, "/name")?.to_lowercase();
    let mut domain = resource(item, "domain", &name, None);
    domain.attrs = pick_fields(item, &[("ttl", Shape::Plain)]);
    Some(domain)
}

pub(super) const RECORD: &[Field] = &[
    ("ttl", Shape::Plain),
    ("priority", Shape::Plain),
    ("port", Shape::Plain),
    ("weight", Shape::Plain),
    ("flags", Shape::Plain),
    ("tag", Shape::Plain),
];

/// Maps a record of `domain`.
pub(in super::super) fn record(item: &Value, domain: &str) -> Option<ListedResource> {
    let id = item.get("id").and_then(id_text)?;
    let kind = text(item, "/type").unwrap_or_default().to_uppercase();
    let name = normalize::record_name(&text(item, "/name").unwrap_or_default(), domain);
    let mut record = resource(item, "domain_record", &id, Some(name));
    record.attrs = pick_fields(item, RECORD);
    // Zeros are dropped, because Terraform does not distinguish zero from unset.
    record.attrs.retain(|_, value| *value != 0);
    record.settling = false;
    if let Some(data) = text(item, "/data") {
        record.with_attr("data", normalize::record_data(&kind, &data, domain));
    }
    record.with_attr("type", kind);
    record.with_attr("domain", domain);
    Some(record)
}

/// Returns whether a record is listed. DigitalOcean changes the SOA record with each change of another record.
pub(in super::super) fn is_kept(item: &Value) -> bool {
    !text(item, "/type").is_some_and(|kind| kind.eq_ignore_ascii_case("SOA"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::shown;
    use super::*;

    fn record_of(item: Value) -> Value {
        shown(record(&item, "shop.example"))
    }

    #[test]
    fn a_domain_is_mapped() {
        let item = json!({ "name": "Shop.example", "ttl": 1800, "zone_file": "$ORIGIN shop.example." });
        assert_eq!(
            shown(domain(&item, &Context::default())),
            json!({ "id": "shop.example", "urn": "do:domain:shop.example", "name": "shop.example",
                    "attrs": { "ttl": 1800 } })
        );
    }

    #[test]
    fn record_names_are_relative_to_their_domain() {
        let item = json!({ "id": 12, "type": "a", "name": "www.shop.example.", "data": "203.0.113.5", "ttl": 60,
            "priority": null, "port": 0, "weight": null, "flags": 0, "tag": null });
        assert_eq!(
            record_of(item),
            json!({ "id": "12", "urn": "do:domain_record:12", "name": "www",
                    "attrs": { "type": "A", "data": "203.0.113.5", "ttl": 60, "domain": "shop.example" } })
        );
        let data = |kind: &str, data: &str| {
            record_of(json!({ "id": 1, "type": kind, "name": "@", "data": data }))["attrs"]["data"].clone()
        };
        assert_eq!(data("CNAME", "@"), "shop.example");
        assert_eq!(data("MX", "mail.shop.example."), "mail.shop.example");
        assert_eq!(data("AAAA", "2001:DB8:0:0::1"), "2001:db8::1");
        assert_eq!(data("TXT", "v=spf1 -all."), "v=spf1 -all.");
    }

    #[test]
    fn only_soa_records_are_omitted() {
        assert!(!is_kept(&json!({ "type": "SOA" })));
        assert!(is_kept(
            &json!({ "type": "NS", "name": "@", "data": "ns1.digitalocean.com" })
        ));
        assert!(is_kept(&json!({ "type": "NOVEL" })));
    }
}

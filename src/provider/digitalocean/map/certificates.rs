//! Certificates and CDN endpoints.

use serde_json::{Map, Value};

use super::{Context, Shape, items, named, resource, text};
use crate::domain::inventory::ListedResource;
use crate::provider::digitalocean::map::shape::{Field, pick_fields};

/// Returns the ids of the certificates that a load balancer or CDN endpoint refers to.
pub(in super::super) fn certificates_of(item: &Value) -> Vec<&str> {
    let within = ["/forwarding_rules", "/domains"]
        .into_iter()
        .flat_map(|list| items(item, list));
    std::iter::once(item)
        .chain(within)
        .filter_map(|entry| entry.get("certificate_id")?.as_str())
        .filter(|id| !id.is_empty())
        .collect()
}

/// Replaces `certificate_id` by `certificate_name`. The id takes the place of an unknown name.
pub(super) fn name_certificate(fields: &mut Map<String, Value>, context: &Context) {
    if let Some(id) = fields.remove("certificate_id") {
        let name = id.as_str().and_then(|id| context.certificates.get(id));
        fields.insert(
            "certificate_name".to_owned(),
            name.map_or(id.clone(), |name| name.clone().into()),
        );
    }
}

/// Maps a certificate. Its name serves as the id, because each renewal by Let's Encrypt changes the id and the dates.
pub(in super::super) fn certificate(item: &Value, _: &Context) -> Option<ListedResource> {
    let name = text(item, "/name")?;
    let mut certificate = resource(item, "certificate", &name, None);
    certificate.status = text(item, "/state");
    certificate.settling = certificate.status.as_deref().is_some_and(super::is_temporary);
    let fields: &[Field] = &[("type", Shape::Plain), ("dns_names", Shape::Plain)];
    certificate.attrs = pick_fields(item, fields);
    Some(certificate)
}

pub(super) const CDN_ENDPOINT: &[Field] = &[
    ("origin", Shape::Plain),
    ("endpoint", Shape::Plain),
    ("ttl", Shape::Plain),
    ("custom_domain", Shape::Plain),
    ("certificate_id", Shape::Plain),
];

pub(in super::super) fn cdn_endpoint(item: &Value, context: &Context) -> Option<ListedResource> {
    let mut endpoint = named(item, "cdn_endpoint", CDN_ENDPOINT)?;
    if let Some(name) = text(item, "/origin") {
        endpoint.name = name;
    }
    name_certificate(&mut endpoint.attrs, context);
    Some(endpoint)
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
    fn a_certificate_is_identified_by_its_name() {
        let item = json!({ "id": "id-1", "name": "shop", "state": "pending", "type": "lets_encrypt",
            "dns_names": ["www.shop.example", "shop.example"], "not_after": "2027", "sha1_fingerprint": "ab" });
        assert_eq!(
            shown(certificate(&item, &Context::default())),
            json!({ "id": "shop", "urn": "do:certificate:shop", "name": "shop", "status": "pending",
                    "settling": true,
                    "attrs": { "type": "lets_encrypt", "dns_names": ["shop.example", "www.shop.example"] } })
        );
    }

    #[test]
    fn a_cdn_endpoint_is_mapped() {
        let item = json!({ "id": "e-1", "origin": "b.nyc3.digitaloceanspaces.com", "ttl": 3600,
            "endpoint": "b.nyc3.cdn.digitaloceanspaces.com", "certificate_id": "id-1", "custom_domain": "" });
        let endpoint = cdn_endpoint(&item, &certificates()).unwrap();
        assert_eq!(endpoint.name, "b.nyc3.digitaloceanspaces.com");
        assert_eq!(
            Value::Object(endpoint.attrs),
            json!({ "origin": "b.nyc3.digitaloceanspaces.com", "endpoint": "b.nyc3.cdn.digitaloceanspaces.com",
                    "ttl": 3600, "certificate_name": "shop" })
        );
    }
}

//! Maps objects of the API to resources, with an allow-list of fields for each kind.
//!
//! All other fields are dropped, so that passwords, keys, tokens and user data are never stored, not even in fields
//! that the API adds later. Fields keep the API's names. Nested objects are reduced to fields that a spec can set.
//! Nulls, empty strings and empty lists are removed. Lists are sorted and have no duplicates.

#[cfg(test)]
mod absent_fields;
pub(super) mod account;
pub(super) mod app;
pub(super) mod certificates;
pub(super) mod compute;
pub(super) mod database;
pub(super) mod dns;
pub(super) mod kubernetes;
pub(super) mod network;
mod shape;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use self::shape::{Field, Shape, pick, pick_fields};
use crate::domain::inventory::ListedResource;
use crate::provider::normalize;

/// Statuses that count as temporary, for all kinds.
const TEMPORARY_STATUSES: [&str; 18] = [
    "new",
    "creating",
    "resizing",
    "upgrading",
    "migrating",
    "waiting",
    "provisioning",
    "pending",
    "forking",
    "restoring",
    "deleting",
    "draining",
    "configuring",
    "pending_build",
    "building",
    "pending_deploy",
    "deploying",
    "updating",
];

/// Data from other lists that the mapping of an object needs.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    /// Names of the certificates by id. Names are compared, because Let's Encrypt changes the id with each renewal.
    pub(super) certificates: BTreeMap<String, String>,
}

/// Returns an id as text. Ids of the API are numbers, UUIDs or names.
pub(super) fn id_text(id: &Value) -> Option<String> {
    match id {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

fn text(item: &Value, pointer: &str) -> Option<String> {
    let text = item.pointer(pointer)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

fn lower(item: &Value, pointer: &str) -> Option<String> {
    text(item, pointer).map(|text| text.to_lowercase())
}

fn flag(item: &Value, pointer: &str) -> bool {
    item.pointer(pointer).and_then(Value::as_bool).unwrap_or_default()
}

fn items<'a>(item: &'a Value, pointer: &str) -> &'a [Value] {
    item.pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn tags(item: &Value) -> Vec<String> {
    normalize::tags(items(item, "/tags").iter().filter_map(Value::as_str))
}

fn is_temporary(status: &str) -> bool {
    TEMPORARY_STATUSES.contains(&status.to_lowercase().as_str())
}

/// Maps the fields that most kinds have. `urn_type` is TYPE in DigitalOcean's uniform names, `do:TYPE:ID`.
fn resource(item: &Value, urn_type: &str, id: &str, name: Option<String>) -> ListedResource {
    let status = text(item, "/status");
    ListedResource {
        provider_id: id.to_owned(),
        urn: format!("do:{urn_type}:{}", id.to_lowercase()),
        name: name.unwrap_or_else(|| id.to_owned()),
        region: lower(item, "/region/slug").or_else(|| lower(item, "/region")),
        size_slug: None,
        settling: status.as_deref().is_some_and(is_temporary),
        status,
        tags: tags(item),
        ip: None,
        vpc_uuid: text(item, "/vpc_uuid"),
        project_id: text(item, "/project_id"),
        attrs: Map::new(),
        unread_fields: BTreeSet::new(),
    }
}

/// Maps an item that has `id` and `name`, with these fields as attributes.
fn named(item: &Value, urn_type: &str, fields: &[Field]) -> Option<ListedResource> {
    let id = item.get("id").and_then(id_text)?;
    let mut resource = resource(item, urn_type, &id, text(item, "/name"));
    resource.attrs = pick_fields(item, fields);
    Some(resource)
}

impl ListedResource {
    fn with_attr(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        if !shape::is_unset(&value) {
            self.attrs.insert(name.to_owned(), value);
        }
    }
}

/// Returns the names of the compared fields of each kind: the schema fields that its mapping sets, and its attributes.
#[cfg(test)]
pub(super) fn compared_fields() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let kinds: [(&str, &[Field], &[&str]); 20] = [
        ("droplet", compute::DROPLET, compute::OTHER_DROPLET_FIELDS),
        ("volume", compute::VOLUME, &[]),
        (
            "load_balancer",
            network::LOAD_BALANCER,
            &["ip", "size_slug", "vpc_uuid", "project_id"],
        ),
        (
            "database",
            database::DATABASE,
            &["engine", "size_slug", "maintenance_window", "project_id"],
        ),
        ("database_firewall", &[], &["rules"]),
        (
            "firewall",
            &[],
            &["droplet_ids", "inbound_rules", "outbound_rules"],
        ),
        ("vpc", network::VPC, &["ip"]),
        ("domain", &[], &["ttl", "project_id"]),
        ("domain_record", dns::RECORD, &["data", "type", "domain"]),
        (
            "kubernetes_cluster",
            kubernetes::CLUSTER,
            &["ip", "vpc_uuid", "project_id"],
        ),
        (
            "kubernetes_node_pool",
            kubernetes::POOL,
            &["cluster_id", "size_slug"],
        ),
        ("reserved_ip", &[], &["droplet_id", "ip", "project_id"]),
        ("app", &[], &["spec", "project_id"]),
        ("certificate", &[], &["type", "dns_names"]),
        ("cdn_endpoint", certificates::CDN_ENDPOINT, &["certificate_name"]),
        ("project", account::PROJECT, &["purpose"]),
        ("snapshot", compute::SNAPSHOT, &[]),
        ("image", compute::IMAGE, &[]),
        ("registry", &[], &["subscription_tier_slug"]),
        ("uptime_check", account::UPTIME_CHECK, &[]),
    ];
    let all = kinds.into_iter().map(|(kind, fields, others)| {
        let own = fields.iter().map(|(name, _)| *name);
        // The name of a certificate takes the place of its id.
        let own = own.filter(|name| *name != "certificate_id");
        (
            kind,
            own.chain(others.iter().copied())
                .chain(["name", "status"])
                .collect(),
        )
    });
    all.collect()
}

/// Returns the kind and the name of each field that a Terraform state with all attributes declares, or that an account which
/// matches it has.
#[cfg(test)]
pub(super) fn fields_of_full_accounts() -> BTreeSet<(&'static str, String)> {
    absent_fields::fields_of_full_accounts()
}

/// Returns a mapped resource as JSON, without unset values.
#[cfg(test)]
fn shown(resource: Option<ListedResource>) -> Value {
    let Some(r) = resource else {
        return Value::Null;
    };
    let all = serde_json::json!({
        "id": r.provider_id, "urn": r.urn, "name": r.name, "region": r.region, "size_slug": r.size_slug,
        "status": r.status, "tags": r.tags, "ip": r.ip, "vpc_uuid": r.vpc_uuid, "project_id": r.project_id,
        "attrs": r.attrs, "settling": r.settling,
    });
    let Value::Object(mut all) = all else {
        return Value::Null;
    };
    all.retain(|_, value| !shape::is_unset(value) && *value != false);
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_is_a_string_or_an_integer() {
        for (id, text) in [
            (json!("a"), "a"),
            (json!(7), "7"),
            (json!(-7), "-7"),
            (json!(u64::MAX), "18446744073709551615"),
        ] {
            assert_eq!(id_text(&id).as_deref(), Some(text));
        }
        for id in [
            json!(1.5),
            json!(7.0),
            json!(""),
            json!(null),
            json!(true),
            json!(["a"]),
        ] {
            assert_eq!(id_text(&id), None, "{id}");
        }
    }
}

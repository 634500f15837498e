//! Generates the responses of the API for an account that matches a Terraform state.

use std::collections::BTreeMap;

use entity::cloud_resources;
use serde_json::{Map, Value, json};

use super::super::{Context, account, app, certificates, compute, database, dns, kubernetes, network};
use crate::domain::inventory::ListedResource;

/// Converts a block to the format of the API. A list of blocks becomes an object, unless `lists` contains its name.
fn object(attributes: &Map<String, Value>, rename: &[(&str, &str)], lists: &[&str]) -> Value {
    let mut all = Map::new();
    for (name, value) in attributes {
        let renamed = rename
            .iter()
            .find(|(from, _)| from == name)
            .map_or(name.as_str(), |(_, to)| to);
        let value = match value {
            Value::Array(items) if items.iter().any(Value::is_object) => {
                let items: Vec<Value> = items
                    .iter()
                    .filter_map(Value::as_object)
                    .map(|item| object(item, rename, lists))
                    .collect();
                if lists.contains(&renamed) {
                    items.into()
                } else {
                    items[0].clone()
                }
            }
            Value::Array(items) if items.iter().any(Value::is_null) => Value::Null,
            value => value.clone(),
        };
        all.insert(renamed.to_owned(), value);
    }
    all.into()
}

const APP_LISTS: [(&str, &str); 11] = [
    ("service", "services"),
    ("static_site", "static_sites"),
    ("worker", "workers"),
    ("job", "jobs"),
    ("function", "functions"),
    ("database", "databases"),
    ("domain", "domains"),
    ("alert", "alerts"),
    ("env", "envs"),
    ("log_destination", "log_destinations"),
    ("rule", "rules"),
];

/// Returns the response of the API for a resource with these attributes.
pub(super) fn answer(type_name: &str, state: &Map<String, Value>) -> Value {
    let own = |rename: &[(&str, &str)], lists: &[&str]| object(state, rename, lists);
    match type_name {
        "droplet" => {
            let mut all = own(&[("size", "size_slug")], &[]);
            let on = |name: &&str| state.get(*name) == Some(&json!(true));
            let features = ["backups", "ipv6", "monitoring", "private_networking"];
            all["features"] = features.into_iter().filter(on).collect();
            all["networks"] =
                json!({ "v4": [on(&"public_networking").then(|| json!({ "type": "public" }))] });
            all
        }
        "volume" => own(&[("size", "size_gigabytes")], &[]),
        "database_cluster" => own(&[("node_count", "num_nodes")], &[]),
        "loadbalancer" => {
            let mut all = own(
                &[
                    ("healthcheck", "health_check"),
                    ("droplet_tag", "tag"),
                    ("forwarding_rule", "forwarding_rules"),
                    ("certificate_name", "certificate_id"),
                    ("certificate_id", "ignored"),
                ],
                &["forwarding_rules", "domains"],
            );
            all["size"] = Value::Null;
            all
        }
        "firewall" => firewall_answer(state),
        "record" => own(&[("value", "data")], &[]),
        "reserved_ip" => {
            json!({ "ip": state["ip_address"], "region": state["region"], "droplet": { "id": 7 } })
        }
        "kubernetes_cluster" => own(&[("rdma_shared_device_plugin", "rdma_shared_dev_plugin")], &[]),
        "kubernetes_node_pool" => own(&[("node_count", "count"), ("taint", "taints")], &["taints"]),
        "certificate" => own(&[("domains", "dns_names")], &[]),
        "cdn" => own(
            &[
                ("certificate_id", "ignored"),
                ("certificate_name", "certificate_id"),
            ],
            &[],
        ),
        "app" => app_answer(state),
        _ => own(&[], &[]),
    }
}

fn firewall_answer(state: &Map<String, Value>) -> Value {
    let mut all = json!({ "id": state["id"], "name": state["name"], "tags": state.get("tags"),
        "droplet_ids": state.get("droplet_ids") });
    let sides = [
        ("inbound_rule", "source_", "sources"),
        ("outbound_rule", "destination_", "destinations"),
    ];
    for (block, prefix, peers) in sides {
        let blocks = state.get(block).and_then(Value::as_array).into_iter().flatten();
        let rules = blocks.filter_map(Value::as_object).map(|rule| {
            let named = rule
                .iter()
                .filter_map(|(name, list)| Some((name.strip_prefix(prefix)?.to_owned(), list.clone())));
            json!({ "protocol": rule["protocol"], "ports": rule.get("port_range"),
                peers: Value::Object(named.collect()) })
        });
        all[format!("{block}s")] = rules.collect();
    }
    all
}

fn app_answer(state: &Map<String, Value>) -> Value {
    let mut lists: Vec<&str> = APP_LISTS.iter().map(|(_, plural)| *plural).collect();
    lists.extend(["routes", "allow_origins"]);
    let blocks = state.get("spec").and_then(|spec| spec[0].as_object());
    let mut spec = blocks.map_or(Value::Null, |spec| object(spec, &APP_LISTS, &lists));
    let names = blocks.and_then(|spec| spec.get("domains")?.as_array());
    let is_known = |block: &Value| block.as_array().is_some_and(|blocks| !blocks.is_empty());
    if let Some(all) = spec.as_object_mut() {
        if blocks.and_then(|spec| spec.get("domain")).is_some_and(is_known) {
            let blocks = all["domains"].as_array_mut().into_iter().flatten();
            for domain in blocks.filter_map(Value::as_object_mut) {
                if let Some(name) = domain.remove("name") {
                    domain.insert("domain".to_owned(), name);
                }
            }
        } else {
            let names = names.into_iter().flatten();
            let domains = names.map(|name| json!({ "domain": name, "type": "ALIAS", "zone": "example.com" }));
            all.insert("domains".to_owned(), domains.collect());
        }
        fix_alerts(&mut spec);
    }
    json!({ "id": state["id"], "spec": spec })
}

/// Renames `rules` back to `rule` in alerts, where it is a string. Terraform uses `rule` for alerts and ingresses; the
/// API uses `rules` for ingresses.
fn fix_alerts(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(fix_alerts),
        Value::Object(map) => {
            if let Some(rule @ Value::String(_)) = map.get("rules").cloned() {
                map.remove("rules");
                map.insert("rule".to_owned(), rule);
            }
            map.values_mut().for_each(fix_alerts);
        }
        _ => {}
    }
}

pub(super) fn listed(type_name: &str, state: &Map<String, Value>) -> Vec<(&'static str, ListedResource)> {
    let item = answer(type_name, state);
    let certificates = ["certificate_name-1"].map(|name| (name.to_owned(), name.to_owned()));
    let context = Context {
        certificates: BTreeMap::from(certificates),
    };
    let one = |kind: &'static str, map: fn(&Value, &Context) -> Option<ListedResource>| {
        vec![(kind, map(&item, &context).unwrap())]
    };
    match type_name {
        "droplet" => one("droplet", compute::droplet),
        "volume" => one("volume", compute::volume),
        "volume_snapshot" => one("snapshot", compute::snapshot),
        "custom_image" => one("image", compute::image),
        "loadbalancer" => one("load_balancer", network::load_balancer),
        "database_cluster" => one("database", database::database),
        "database_firewall" => {
            let rules: Vec<Value> = item["rule"]
                .as_object()
                .map(|rule| json!(rule))
                .into_iter()
                .collect();
            let cluster = state["cluster_id"].as_str().unwrap();
            vec![("database_firewall", database::firewall(cluster, None, &rules))]
        }
        "firewall" => one("firewall", network::firewall),
        "vpc" => one("vpc", network::vpc),
        "domain" => one("domain", dns::domain),
        "record" => vec![(
            "domain_record",
            dns::record(&item, state["domain"].as_str().unwrap()).unwrap(),
        )],
        "reserved_ip" => one("reserved_ip", compute::reserved_ip),
        "kubernetes_cluster" => {
            let mut all = one("kubernetes_cluster", kubernetes::cluster);
            if let Some(pool) = state.get("node_pool").and_then(|pool| pool[0].as_object()) {
                all.extend(listed("kubernetes_node_pool", pool));
            }
            all
        }
        "kubernetes_node_pool" => vec![("kubernetes_node_pool", kubernetes::pool(&item, "k-1").unwrap())],
        "app" => one("app", app::app),
        "certificate" => one("certificate", certificates::certificate),
        "cdn" => one("cdn_endpoint", certificates::cdn_endpoint),
        "project" => one("project", account::project),
        "uptime_check" => one("uptime_check", account::uptime_check),
        other => panic!("{other}"),
    }
}

pub(super) fn row(kind: &str, listed: ListedResource) -> cloud_resources::Model {
    cloud_resources::Model {
        id: uuid::Uuid::nil(),
        provider: "digitalocean".to_owned(),
        kind: kind.to_owned(),
        provider_id: listed.provider_id,
        urn: listed.urn,
        name: listed.name,
        region: listed.region,
        size_slug: listed.size_slug,
        status: listed.status,
        tags: json!(listed.tags),
        ip: listed.ip,
        vpc_uuid: listed.vpc_uuid,
        project_id: listed.project_id,
        attrs: listed.attrs.into(),
        revision: 1,
        first_seen_at: None,
        gone_at: None,
        settling_since: None,
        owned: false,
        source: String::new(),
    }
}

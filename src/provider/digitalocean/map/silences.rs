//! Every attribute of every type with every silence on either side: no false alarm, no missed change.
//!
//! A state that tells every attribute is made from the table of attributes, and the account's answers are made from
//! a state, so that an account is unchanged, or changed in one attribute, by construction.

use std::collections::{BTreeMap, BTreeSet};

use entity::cloud_resources;
use serde_json::{Map, Value, json};

use super::{Context, account, app, certificates, compute, database, dns, kubernetes, network};
use crate::domain::compare::differences;
use crate::domain::inventory::ListedResource;
use crate::provider::terraform::schema::attributes;
use crate::provider::terraform::{Desired, parse_value};
use crate::provider::traits;

/// Types that only add to other resources, or that have nothing to be silent about.
const TYPES: [&str; 19] = [
    "droplet",
    "volume",
    "volume_snapshot",
    "custom_image",
    "loadbalancer",
    "database_cluster",
    "database_firewall",
    "firewall",
    "vpc",
    "domain",
    "record",
    "reserved_ip",
    "kubernetes_cluster",
    "kubernetes_node_pool",
    "app",
    "certificate",
    "cdn",
    "project",
    "uptime_check",
];

/// Attributes that exclude others: each group is silent while the others of a type are looked at, and is looked at
/// in a state of its own.
const EXCLUSIVE: [(&str, &[&str], &[&str]); 6] = [
    ("loadbalancer", &["droplet_tag"], &["droplet_ids"]),
    (
        "kubernetes_cluster",
        &["node_pool.auto_scale"],
        &["node_pool.node_count", "auto_upgrade"],
    ),
    ("kubernetes_node_pool", &["auto_scale"], &["node_count"]),
    (
        "app",
        &["spec.service.autoscaling", "spec.worker.autoscaling"],
        &["spec.service.instance_count", "spec.worker.instance_count"],
    ),
    (
        "app",
        &[
            "spec.service.image.digest",
            "spec.worker.image.digest",
            "spec.job.image.digest",
        ],
        &[
            "spec.service.image.tag",
            "spec.worker.image.tag",
            "spec.job.image.tag",
        ],
    ),
    ("app", &["spec.domains"], &["spec.domain"]),
];

/// A value that is no default.
fn told(type_name: &str, path: &str, form: &str) -> Value {
    let name = path.rsplit('.').next().unwrap_or(path);
    match (type_name, path) {
        ("loadbalancer", "type") => return json!("REGIONAL_NETWORK"),
        ("loadbalancer", "sticky_sessions.type") => return json!("cookies"),
        ("loadbalancer", "size") => return json!("lb-medium"),
        ("loadbalancer", "size_unit") => return json!(3),
        ("record", "type") => return json!("TXT"),
        ("database_cluster", "engine") => return json!("pg"),
        ("database_cluster", "storage_size_mib") => return json!("61440"),
        ("certificate", "type") => return json!("lets_encrypt"),
        ("reserved_ip", "ip_address" | "id") => return json!("203.0.113.7"),
        ("project", "environment") => return json!("Staging"),
        ("droplet" | "custom_image", "id" | "image_id") => return json!("7"),
        (_, path) if path.ends_with("rule.protocol") => return json!("tcp"),
        _ => {}
    }
    match form {
        "bool" => (name != "surge_upgrade" && name != "enabled" || type_name == "app").into(),
        "number" => 7.into(),
        "list" | "set" if name.ends_with("droplet_ids") || name == "internal_ports" => json!([7, 8]),
        "list" | "set" => json!([format!("{name}-1"), format!("{name}-2")]),
        "map" if name == "region_priorities" => json!({ "nyc3": 1 }),
        "map" => json!({ "team": "web" }),
        _ => format!("{name}-1").into(),
    }
}

/// A block that tells everything but these attributes.
fn full(type_name: &str, block: &str, silent: &[&str]) -> Map<String, Value> {
    let mut all = Map::new();
    for attribute in attributes(type_name, block) {
        let path = joined(block, attribute.name);
        if silent.contains(&path.as_str()) || attribute.word == "secret" || attribute.word == "unlisted" {
            continue;
        }
        let value = match attribute.form {
            "block" => json!([full(type_name, &path, silent)]),
            form => told(type_name, &path, form),
        };
        all.insert(attribute.name.to_owned(), value);
    }
    all
}

fn joined(block: &str, name: &str) -> String {
    if block.is_empty() {
        name.to_owned()
    } else {
        format!("{block}.{name}")
    }
}

/// Sets the attribute at a path, or takes it away.
fn with(mut all: Map<String, Value>, path: &str, value: Option<&Value>) -> Map<String, Value> {
    let (blocks, name) = path.rsplit_once('.').unwrap_or(("", path));
    let mut at = &mut all;
    for block in blocks.split('.').filter(|block| !block.is_empty()) {
        at = at[block][0].as_object_mut().unwrap();
    }
    match value {
        Some(value) => _ = at.insert(name.to_owned(), value.clone()),
        None => _ = at.remove(name),
    }
    all
}

/// A block as the API has it: lists of one block are objects, unless they are lists there too.
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

/// What the API answers of an account that is as these attributes say.
fn answer(type_name: &str, state: &Map<String, Value>) -> Value {
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
            for domain in all["domains"].as_array_mut().into_iter().flatten() {
                domain["domain"] = domain["name"].take();
            }
        } else {
            let names = names.into_iter().flatten();
            let domains = names.map(|name| json!({ "domain": name, "type": "ALIAS", "zone": "example.com" }));
            all.insert("domains".to_owned(), domains.collect());
        }
        // Only the scalars of an alert have a rule that is a text.
        fix_alerts(&mut spec);
    }
    json!({ "id": state["id"], "spec": spec })
}

/// The rule of an alert is a text, and the rules of an ingress are a list: they have one name in Terraform.
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

fn listed(type_name: &str, state: &Map<String, Value>) -> Vec<(&'static str, ListedResource)> {
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

fn row(kind: &str, listed: ListedResource) -> cloud_resources::Model {
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
    }
}

fn desired(type_name: &str, state: &Map<String, Value>) -> Vec<Desired> {
    let resource = json!({ "mode": "managed", "type": format!("digitalocean_{type_name}"), "name": "r",
        "provider": "provider[\"registry.terraform.io/digitalocean/digitalocean\"]",
        "instances": [{ "schema_version": 0, "attributes": state }] });
    let file = json!({ "version": 4, "serial": 1, "lineage": "l-1", "resources": [resource] });
    parse_value(file).unwrap().desired
}

/// The account that is as these attributes say.
fn account_of(type_name: &str, state: &Map<String, Value>) -> Vec<cloud_resources::Model> {
    let listed = listed(type_name, state).into_iter();
    listed.map(|(kind, resource)| row(kind, resource)).collect()
}

/// The fields that differ between a state and an account, with both values.
fn differing(desired: &[Desired], account: &[cloud_resources::Model]) -> Vec<String> {
    assert!(!desired.is_empty());
    let mut found = Vec::new();
    for resource in desired {
        let Some(live) = account.iter().find(|row| row.kind == resource.kind) else {
            panic!("{}", resource.kind)
        };
        let traits = traits::rules(&live.provider, &live.kind);
        let all = differences(&resource.spec, &resource.not_compared, live, &traits);
        found.extend(
            all.into_iter()
                .map(|one| format!("{}: {} | {}", one.field, one.expected, one.actual)),
        );
    }
    found
}

fn drift(type_name: &str, state: &Map<String, Value>, account: &Map<String, Value>) -> Vec<String> {
    differing(&desired(type_name, state), &account_of(type_name, account))
}

/// An attribute that may be silent.
struct Case {
    path: String,
    form: &'static str,
    word: &'static str,
}

fn cases(type_name: &str, block: &str, all: &mut Vec<Case>, left_out: &mut BTreeMap<&'static str, u64>) {
    for attribute in attributes(type_name, block) {
        let path = joined(block, attribute.name);
        let word = attribute.word;
        if matches!(
            word,
            "secret" | "unlisted" | "never" | "computed" | "identity" | "elsewhere" | "twin"
        ) {
            *left_out.entry(word).or_default() += 1;
            continue;
        }
        if word != "required" {
            all.push(Case {
                path: path.clone(),
                form: attribute.form,
                word,
            });
        }
        if attribute.form == "block" {
            cases(type_name, &path, all, left_out);
        }
    }
}

fn silences(form: &str) -> Vec<Option<Value>> {
    let values = match form {
        "block" => vec![json!(null), json!([]), json!([null])],
        _ => vec![json!(null), json!(0), json!(""), json!([]), json!({})],
    };
    values.into_iter().map(Some).chain([None]).collect()
}

/// How an answer leaves a value out.
fn left_out(form: &str) -> Vec<Option<Value>> {
    let empty = match form {
        "string" => json!(""),
        "number" => json!(0),
        "bool" => json!(false),
        "map" => json!({}),
        _ => json!([]),
    };
    vec![None, Some(Value::Null), Some(empty)]
}

/// Attributes that are compared through another one, or whose absence is no absence in the account.
fn is_bound(type_name: &str, path: &str) -> bool {
    // The size of a load balancer is in `size_unit` too; every rule has ports.
    matches!(
        (type_name, path),
        ("loadbalancer", "size") | ("app", "spec.domains")
    )
}

#[derive(Default)]
struct Covered {
    attributes: BTreeSet<(&'static str, String)>,
    quiet: u64,
    seen: u64,
    open: BTreeMap<&'static str, BTreeSet<(&'static str, String)>>,
    wrong: Vec<String>,
}

/// Whether an attribute that is not there at all is left open.
fn is_open_if_absent(type_name: &str, path: &str) -> bool {
    // Rules are compared in any case.
    let rules = matches!(
        (type_name, path),
        ("loadbalancer", "forwarding_rule") | ("firewall", "inbound_rule" | "outbound_rule")
    );
    let block = path.rsplit_once('.').map_or("", |(block, _)| block);
    !rules && matches!(block, "" | "node_pool")
}

fn check(type_name: &'static str, base: &Map<String, Value>, case: &Case, covered: &mut Covered) {
    let path = case.path.as_str();
    let default = case
        .word
        .strip_prefix('=')
        .map(|default| serde_json::from_str::<Value>(default).unwrap());
    let always_open = matches!(case.word, "open" | "inside" | "told");
    let account = |value: Option<&Value>| account_of(type_name, &with(base.clone(), path, value));
    let as_told = account_of(type_name, base);
    let absent: Vec<_> = left_out(case.form)
        .iter()
        .map(|absent| account(absent.as_ref()))
        .collect();
    let by_default: Vec<_> = default.iter().map(|default| account(Some(default))).collect();
    for silence in silences(case.form) {
        let desired = desired(type_name, &with(base.clone(), path, silence.as_ref()));
        let open = always_open || (silence.is_none() && is_open_if_absent(type_name, path));
        let said = format!("{type_name} {path} ({}) {silence:?}", case.word);
        let mut unchanged: Vec<_> = by_default.iter().collect();
        if open {
            unchanged.push(&as_told);
            covered
                .open
                .entry(case.word)
                .or_default()
                .insert((type_name, path.to_owned()));
        } else if default.as_ref().is_none_or(is_off) {
            unchanged.extend(&absent);
        }
        for account in unchanged {
            let found = differing(&desired, account);
            if !found.is_empty() {
                covered.wrong.push(format!("false alarm: {said}: {found:?}"));
            }
            covered.quiet += 1;
        }
        if !open {
            if differing(&desired, &as_told).is_empty() {
                covered.wrong.push(format!("missed change: {said}"));
            }
            covered.seen += 1;
        }
    }
    // The other way about: the state tells it, and the account has lost it.
    let has_default = default.as_ref().is_some_and(|default| !is_off(default));
    if case.word == "unset" || (default.is_some() && !has_default) {
        let desired = desired(type_name, base);
        for account in &absent {
            if differing(&desired, account).is_empty() {
                covered.wrong.push(format!("missed loss: {type_name} {path}"));
            }
            covered.seen += 1;
        }
    }
    covered.attributes.insert((type_name, path.to_owned()));
}

/// A state that tells all but these; of an app no more than the parts that the attribute is in.
fn base(type_name: &str, silent: &[&str], case: &Case) -> Map<String, Value> {
    let mut silent: Vec<String> = silent.iter().map(|path| (*path).to_owned()).collect();
    if type_name == "app" && case.path.starts_with("spec.") {
        let parts = attributes(type_name, "spec")
            .iter()
            .filter(|part| part.form == "block");
        let parts = parts.map(|part| joined("spec", part.name));
        silent.extend(parts.filter(|part| !format!("{}.", case.path).starts_with(&format!("{part}."))));
    }
    let silent: Vec<&str> = silent.iter().map(String::as_str).collect();
    full(type_name, "", &silent)
}

fn is_off(default: &Value) -> bool {
    *default == false || *default == 0
}

#[test]
fn every_attribute_with_every_silence_on_either_side() {
    let (mut covered, mut not_asked) = (Covered::default(), BTreeMap::new());
    for type_name in TYPES {
        let mut all = Vec::new();
        cases(type_name, "", &mut all, &mut not_asked);
        let groups: Vec<_> = EXCLUSIVE.iter().filter(|(of, ..)| *of == type_name).collect();
        let first: Vec<&str> = groups
            .iter()
            .flat_map(|(_, first, _)| first.iter().copied())
            .collect();
        let second: Vec<&str> = groups
            .iter()
            .flat_map(|(.., second)| second.iter().copied())
            .collect();
        for silent in [first, second] {
            let whole = full(type_name, "", &silent);
            assert_eq!(
                drift(type_name, &whole, &whole),
                Vec::<String>::new(),
                "{type_name}"
            );
            for case in &all {
                let is_silent = silent
                    .iter()
                    .any(|silent| case.path == *silent || case.path.starts_with(&format!("{silent}.")));
                let done = covered.attributes.contains(&(type_name, case.path.clone()));
                if !is_silent && !done && !is_bound(type_name, &case.path) {
                    check(type_name, &base(type_name, &silent, case), case, &mut covered);
                }
            }
        }
        for case in &all {
            let done = covered.attributes.contains(&(type_name, case.path.clone()));
            assert!(
                done || is_bound(type_name, &case.path),
                "{type_name} {} was not looked at",
                case.path
            );
        }
    }
    assert!(
        covered.wrong.is_empty(),
        "{} wrong:\n{}",
        covered.wrong.len(),
        covered.wrong.join("\n")
    );
    println!(
        "{} attributes, {} combinations: {} without an alarm, {} changes seen",
        covered.attributes.len(),
        covered.quiet + covered.seen,
        covered.quiet,
        covered.seen
    );
    println!("not asked, by reason: {not_asked:?}");
    for (word, attributes) in &covered.open {
        println!("not compared where the state is silent ({word}): {attributes:?}");
    }
    assert!(covered.attributes.len() > 380, "{}", covered.attributes.len());
    assert!(
        covered.quiet > 2_000 && covered.seen > 1_000,
        "{} {}",
        covered.quiet,
        covered.seen
    );
}

#[test]
fn what_is_told_beside_a_silence_stays_compared_whole() {
    for (type_name, silent, list) in [
        ("app", "spec.service.http_port", "spec.service"),
        ("app", "spec.env.type", "spec.env"),
        ("app", "spec.ingress.rule.redirect", "spec.ingress.rule"),
        (
            "loadbalancer",
            "forwarding_rule.certificate_name",
            "forwarding_rule",
        ),
        ("loadbalancer", "domains.is_managed", "domains"),
    ] {
        let base = full(
            type_name,
            "",
            &["spec.domains", "droplet_tag", "spec.service.autoscaling"],
        );
        let state = with(base.clone(), silent, Some(&Value::Null));
        assert_eq!(
            drift(type_name, &state, &base),
            Vec::<String>::new(),
            "{type_name} {silent}"
        );
        let mut more = full(type_name, list, &[]);
        for key in ["name", "key", "entry_port"] {
            if let Some(value) = more.get_mut(key) {
                *value = if key == "entry_port" {
                    8443.into()
                } else {
                    "another".into()
                };
            }
        }
        if list.ends_with("rule") && type_name == "app" {
            more["match"] = json!([{ "path": [{ "prefix": "/another" }] }]);
        }
        let mut two = with(base.clone(), list, None);
        let mut at = &mut two;
        let (blocks, name) = list.rsplit_once('.').unwrap_or(("", list));
        for block in blocks.split('.').filter(|block| !block.is_empty()) {
            at = at[block][0].as_object_mut().unwrap();
        }
        at.insert(name.to_owned(), json!([full(type_name, list, &[]), more]));
        assert_ne!(
            drift(type_name, &state, &two),
            Vec::<String>::new(),
            "{type_name} {list} gained a member"
        );
    }
}

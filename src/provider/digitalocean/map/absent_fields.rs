//! Tests each attribute with each form of a missing value, in the Terraform state and in the responses of the API: an
//! unchanged account has no differences, and each change is found. An absent attribute is null, empty, zero or missing.
//!
//! A state with all attributes is generated from `schema.tsv`, and the responses of the API from a state. So an account
//! equals its state or differs from it in one attribute, by construction.

mod answers;
mod states;

use std::collections::{BTreeMap, BTreeSet};

use entity::cloud_resources;
use serde_json::{Map, Value, json};

use self::answers::{listed, row};
use self::states::{full, joined, with};
use crate::domain::compare::differences;
use crate::provider::terraform::schema::attributes;
use crate::provider::terraform::{Desired, parse_value};
use crate::provider::traits;

/// Terraform types to test. The others only add to other resources, or have almost no attribute that can be empty.
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

/// Pairs of groups of attributes that exclude each other. Each group is tested with a state in which the other group is
/// empty.
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

fn desired(type_name: &str, state: &Map<String, Value>) -> Vec<Desired> {
    let resource = json!({ "mode": "managed", "type": format!("digitalocean_{type_name}"), "name": "r",
        "provider": "provider[\"registry.terraform.io/digitalocean/digitalocean\"]",
        "instances": [{ "schema_version": 0, "attributes": state }] });
    let file = json!({ "version": 4, "serial": 1, "lineage": "l-1", "resources": [resource] });
    parse_value(file).unwrap().desired
}

/// Returns the inventory of an account that matches a state.
fn account_of(type_name: &str, state: &Map<String, Value>) -> Vec<cloud_resources::Model> {
    let listed = listed(type_name, state).into_iter();
    listed.map(|(kind, resource)| row(kind, resource)).collect()
}

/// Returns the fields that differ between a state and an account, with both values.
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

/// Returns the kind and the name of each field that a state with all attributes declares, or that its account has.
pub(super) fn fields_of_full_accounts() -> BTreeSet<(&'static str, String)> {
    let mut fields = BTreeSet::new();
    for type_name in TYPES {
        let exclusive = EXCLUSIVE.iter().filter(|(name, ..)| *name == type_name);
        let omitted = exclusive.flat_map(|(_, one, other)| [*one, *other]);
        for omitted in std::iter::once(&[][..]).chain(omitted) {
            let state = full(type_name, "", omitted);
            for desired in desired(type_name, &state) {
                fields.extend(desired.spec.keys().map(|field| (desired.kind, field.clone())));
            }
            for (kind, resource) in listed(type_name, &state) {
                fields.extend(resource.attrs.keys().map(|field| (kind, field.clone())));
            }
        }
    }
    fields
}

/// An attribute that may be empty.
struct Case {
    path: String,
    form: &'static str,
    word: &'static str,
}

fn cases(type_name: &str, block: &str, all: &mut Vec<Case>, skipped: &mut BTreeMap<&'static str, u64>) {
    for attribute in attributes(type_name, block) {
        let path = joined(block, attribute.name);
        let word = attribute.word;
        if matches!(
            word,
            "secret" | "unlisted" | "never" | "computed" | "identity" | "other_resource" | "duplicate"
        ) {
            *skipped.entry(word).or_default() += 1;
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
            cases(type_name, &path, all, skipped);
        }
    }
}

fn absent_forms(form: &str) -> Vec<Option<Value>> {
    let values = match form {
        "block" => vec![json!(null), json!([]), json!([null])],
        _ => vec![json!(null), json!(0), json!(""), json!([]), json!({})],
    };
    values.into_iter().map(Some).chain([None]).collect()
}

/// Returns the forms in which a response of the API has no value.
fn empty_response_forms(form: &str) -> Vec<Option<Value>> {
    let empty = match form {
        "string" => json!(""),
        "number" => json!(0),
        "bool" => json!(false),
        "map" => json!({}),
        _ => json!([]),
    };
    vec![None, Some(Value::Null), Some(empty)]
}

/// Returns whether an attribute is not tested by itself, because another attribute has the same value.
fn is_covered_by_other(type_name: &str, path: &str) -> bool {
    // `size_unit` has the size of a load balancer, and `spec.domain` has the domains of an app.
    matches!(
        (type_name, path),
        ("loadbalancer", "size") | ("app", "spec.domains")
    )
}

#[derive(Default)]
struct Covered {
    attributes: BTreeSet<(&'static str, String)>,
    unchanged: u64,
    detected: u64,
    not_compared: BTreeMap<&'static str, BTreeSet<(&'static str, String)>>,
    wrong: Vec<String>,
}

/// Returns whether an attribute is not compared if the state lacks it altogether.
fn is_not_compared_if_absent(type_name: &str, path: &str) -> bool {
    // Rules are always compared.
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
    let is_never_compared = matches!(case.word, "not_compared" | "in_computed_block" | "if_declared");
    let account = |value: Option<&Value>| account_of(type_name, &with(base.clone(), path, value));
    let as_in_state = account_of(type_name, base);
    let accounts_without: Vec<_> = empty_response_forms(case.form)
        .iter()
        .map(|absent| account(absent.as_ref()))
        .collect();
    let by_default: Vec<_> = default.iter().map(|default| account(Some(default))).collect();
    for absent in absent_forms(case.form) {
        let desired = desired(type_name, &with(base.clone(), path, absent.as_ref()));
        let not_compared =
            is_never_compared || (absent.is_none() && is_not_compared_if_absent(type_name, path));
        let label = format!("{type_name} {path} ({}) {absent:?}", case.word);
        let mut unchanged: Vec<_> = by_default.iter().collect();
        if not_compared {
            unchanged.push(&as_in_state);
            covered
                .not_compared
                .entry(case.word)
                .or_default()
                .insert((type_name, path.to_owned()));
        } else if default.as_ref().is_none_or(is_off) {
            unchanged.extend(&accounts_without);
        }
        for account in unchanged {
            let found = differing(&desired, account);
            if !found.is_empty() {
                covered.wrong.push(format!("false alarm: {label}: {found:?}"));
            }
            covered.unchanged += 1;
        }
        if !not_compared {
            if differing(&desired, &as_in_state).is_empty() {
                covered.wrong.push(format!("missed change: {label}"));
            }
            covered.detected += 1;
        }
    }
    // The opposite case: the state has a value, and the account has lost it.
    let has_default = default.as_ref().is_some_and(|default| !is_off(default));
    if case.word == "unset" || (default.is_some() && !has_default) {
        let desired = desired(type_name, base);
        for account in &accounts_without {
            if differing(&desired, account).is_empty() {
                covered.wrong.push(format!("missed loss: {type_name} {path}"));
            }
            covered.detected += 1;
        }
    }
    covered.attributes.insert((type_name, path.to_owned()));
}

/// Returns a state with all attributes except `omitted`. An app has only the block of its `spec` that is tested.
fn base(type_name: &str, omitted: &[&str], case: &Case) -> Map<String, Value> {
    let mut omitted: Vec<String> = omitted.iter().map(|path| (*path).to_owned()).collect();
    if type_name == "app" && case.path.starts_with("spec.") {
        let parts = attributes(type_name, "spec")
            .iter()
            .filter(|part| part.form == "block");
        let parts = parts.map(|part| joined("spec", part.name));
        omitted.extend(parts.filter(|part| !format!("{}.", case.path).starts_with(&format!("{part}."))));
    }
    let omitted: Vec<&str> = omitted.iter().map(String::as_str).collect();
    full(type_name, "", &omitted)
}

fn is_off(default: &Value) -> bool {
    *default == false || *default == 0
}

#[test]
fn every_absent_form_of_every_attribute_is_compared_correctly() {
    let (mut covered, mut skipped) = (Covered::default(), BTreeMap::new());
    for type_name in TYPES {
        let mut all = Vec::new();
        cases(type_name, "", &mut all, &mut skipped);
        let groups: Vec<_> = EXCLUSIVE.iter().filter(|(of, ..)| *of == type_name).collect();
        let first: Vec<&str> = groups
            .iter()
            .flat_map(|(_, first, _)| first.iter().copied())
            .collect();
        let second: Vec<&str> = groups
            .iter()
            .flat_map(|(.., second)| second.iter().copied())
            .collect();
        for omitted in [first, second] {
            let whole = full(type_name, "", &omitted);
            assert_eq!(
                drift(type_name, &whole, &whole),
                Vec::<String>::new(),
                "{type_name}"
            );
            for case in &all {
                let is_omitted = omitted
                    .iter()
                    .any(|omitted| case.path == *omitted || case.path.starts_with(&format!("{omitted}.")));
                let done = covered.attributes.contains(&(type_name, case.path.clone()));
                if !is_omitted && !done && !is_covered_by_other(type_name, &case.path) {
                    check(type_name, &base(type_name, &omitted, case), case, &mut covered);
                }
            }
        }
        for case in &all {
            let done = covered.attributes.contains(&(type_name, case.path.clone()));
            assert!(
                done || is_covered_by_other(type_name, &case.path),
                "{type_name} {} was not tested",
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
        covered.unchanged + covered.detected,
        covered.unchanged,
        covered.detected
    );
    println!("not tested, by reason: {skipped:?}");
    for (word, attributes) in &covered.not_compared {
        println!("not compared if the state is empty ({word}): {attributes:?}");
    }
    assert!(covered.attributes.len() > 380, "{}", covered.attributes.len());
    assert!(
        covered.unchanged > 2_000 && covered.detected > 1_000,
        "{} {}",
        covered.unchanged,
        covered.detected
    );
}

#[test]
fn fields_beside_an_absent_one_are_still_compared() {
    for (type_name, omitted, list) in [
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
        let state = with(base.clone(), omitted, Some(&Value::Null));
        assert_eq!(
            drift(type_name, &state, &base),
            Vec::<String>::new(),
            "{type_name} {omitted}"
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

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::*;
use crate::domain::severity::Rated;
use crate::provider::{digitalocean, terraform};

fn rules_of(kind: &str) -> KindTraits {
    rules(DIGITALOCEAN, kind)
}

fn attrs(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn names() -> BTreeSet<&'static str> {
    KINDS.iter().map(|kind| kind.name).collect()
}

/// Kinds that have no Terraform type. None so far.
const LIVE_ONLY: [&str; 0] = [];

#[test]
fn every_kind_has_one_row_a_listing_and_a_terraform_type() {
    assert_eq!(names().len(), KINDS.len(), "one row for each");
    let listed: Vec<&str> = digitalocean::listed_kinds().collect();
    assert_eq!(listed.len(), KINDS.len(), "one listing for each");
    assert_eq!(BTreeSet::from_iter(listed), names());
    let declared = terraform::declared_kinds().chain(LIVE_ONLY);
    assert_eq!(declared.collect::<BTreeSet<_>>(), names());
    let also_declared: Vec<&str> = terraform::declared_kinds()
        .filter(|kind| LIVE_ONLY.contains(kind))
        .collect();
    assert_eq!(also_declared, [""; 0], "not live-only");
}

#[test]
fn kinds_in_projects_have_unique_urn_types() {
    let mut by_type = BTreeMap::new();
    for kind in KINDS {
        let is_listed = kind.projects != Projects::Never;
        assert_eq!(!kind.urn_types.is_empty(), is_listed, "{}", kind.name);
        assert!(kind.declared_elsewhere.contains(&PROJECT_ID), "{}", kind.name);
        for urn_type in kind.urn_types {
            assert_eq!(by_type.insert(urn_type, kind.name), None, "{urn_type}");
        }
    }
}

#[test]
fn only_firewalls_domains_and_records_never_settle() {
    let never = KINDS.iter().filter(|kind| !kind.rules.settles);
    let never: Vec<&str> = never.map(|kind| kind.name).collect();
    assert_eq!(
        never,
        ["database_firewall", "firewall", "domain", "domain_record"]
    );
}

#[test]
fn an_unset_project_is_unread_for_digitalocean_only() {
    for kind in ["droplet", "novel"] {
        assert!(rules_of(kind).unset_project_is_unread, "{kind}");
        assert!(!rules("elsewhere", kind).unset_project_is_unread, "{kind}");
    }
}

#[test]
fn fields_that_the_provider_sets_are_volatile() {
    let volatile = |kind: &str, attrs: Value| (rules_of(kind).volatile_fields)(&attrs);
    assert_eq!(volatile("droplet", json!({})), ["image", AUTOSCALE_POOL_ID]);
    for (upgrades, fields) in [
        (json!(true), &["version"][..]),
        (json!(false), &[]),
        (json!(null), &[]),
    ] {
        assert_eq!(
            volatile("kubernetes_cluster", json!({"auto_upgrade": upgrades})),
            fields
        );
    }
    for (engine, fields) in [("valkey", &["version"][..]), ("redis", &["version"]), ("pg", &[])] {
        assert_eq!(volatile("database", json!({"engine": engine})), fields);
    }
    assert_eq!(
        volatile("novel", json!({"auto_upgrade": true, "engine": "redis"})),
        [""; 0]
    );
}

/// A resource without tags and attributes.
fn listed() -> ListedResource {
    ListedResource {
        provider_id: "1".to_owned(),
        urn: String::new(),
        name: String::new(),
        region: None,
        size_slug: None,
        status: None,
        tags: Vec::new(),
        ip: None,
        vpc_uuid: None,
        project_id: None,
        attrs: Map::new(),
        settling: false,
        unread_fields: BTreeSet::new(),
    }
}

#[test]
fn resources_maintained_by_another_part_of_the_cloud_are_owned() {
    let named = |name: &str, region: Option<&str>, tags: &[&str], attributes: Value| ListedResource {
        name: name.to_owned(),
        region: region.map(str::to_owned),
        tags: tags.iter().map(ToString::to_string).collect(),
        attrs: attrs(attributes),
        ..listed()
    };
    let none = json!({});
    let owned = [
        ("droplet", named("pool-1", None, &["k8s"], none.clone())),
        ("droplet", named("pool-1", None, &["K8S:abc"], none.clone())),
        (
            "droplet",
            named("a", None, &[], json!({"autoscale_pool_id": "p"})),
        ),
        ("load_balancer", named("lb", None, &["k8s:abc"], none.clone())),
        ("volume", named("pvc-1", None, &[], none.clone())),
        ("vpc", named("default-nyc1", Some("nyc1"), &[], none.clone())),
        ("vpc", named("mine", None, &[], json!({"default": true}))),
        ("project", named("first", None, &[], json!({"is_default": true}))),
        ("image", named("2027-01-01", None, &[], json!({"type": "backup"}))),
        ("snapshot", named("weekly", None, &[], json!({"type": "backup"}))),
        ("domain_record", named("@", None, &[], json!({"type": "SOA"}))),
        (
            "domain_record",
            named(
                "@",
                None,
                &[],
                json!({"type": "NS", "data": "ns3.digitalocean.com."}),
            ),
        ),
        ("database_firewall", named("db", None, &[], json!({"rules": []}))),
    ];
    for (kind, resource) in &owned {
        assert!((rules_of(kind).is_owned)(resource), "{kind} {resource:?}");
    }
    let not_owned = [
        ("droplet", named("k8s-like", None, &["k8s-old"], none.clone())),
        ("droplet", named("pvc-1", None, &[], none.clone())),
        ("volume", named("data", None, &[], none.clone())),
        ("image", named("golden", None, &[], json!({"type": "custom"}))),
        ("snapshot", named("before-upgrade", None, &[], none.clone())),
        (
            "vpc",
            named("default-nyc1", Some("nyc3"), &[], json!({"default": false})),
        ),
        (
            "domain_record",
            named("@", None, &[], json!({"type": "NS", "data": "ns1.example.net"})),
        ),
        (
            "domain_record",
            named(
                "a",
                None,
                &[],
                json!({"type": "NS", "data": "ns1.digitalocean.com"}),
            ),
        ),
        (
            "database_firewall",
            named("db", None, &[], json!({"rules": [{"type": "tag", "value": "a"}]})),
        ),
        ("firewall", named("fw", None, &["k8s:abc"], none)),
    ];
    for (kind, resource) in &not_owned {
        assert!(!(rules_of(kind).is_owned)(resource), "{kind} {resource:?}");
    }
}

fn rated(
    kind: &str,
    field: &str,
    expected: Value,
    actual: Value,
    live: Value,
) -> (Severity, Option<&'static str>) {
    let drift = if field == "*" {
        DriftKind::Missing
    } else {
        DriftKind::Changed
    };
    let rated = Rated {
        kind: drift,
        field,
        expected: &expected,
        actual: &actual,
        live: &|field| live.get(field).cloned(),
    };
    let rating = crate::domain::severity::rate(&rules_of(kind), &rated);
    (rating.severity, rating.rule)
}

#[test]
fn differences_that_open_a_resource_or_take_it_away_are_urgent() {
    use Severity::{Critical, High, Normal};
    let trusted = |sources: &[&str]| -> Value {
        sources
            .iter()
            .map(|source| json!({ "type": "droplet", "value": source }))
            .collect()
    };
    let none = || json!({});
    let apex = || json!({ "name": "@", "type": "A" });
    let www = || json!({ "name": "www", "type": "A" });
    let mail = || json!({ "name": "mail", "type": "MX" });
    for (kind, field, expected, actual, live, severity) in [
        ("droplet", "backups", json!(true), json!(false), none(), High),
        ("droplet", "backups", json!(false), json!(true), none(), Normal),
        ("droplet", "size_slug", json!("a"), json!("b"), none(), Normal),
        (
            "database_firewall",
            "rules",
            trusted(&["1"]),
            json!([]),
            none(),
            Critical,
        ),
        (
            "database_firewall",
            "rules",
            trusted(&["1"]),
            trusted(&["1", "2"]),
            none(),
            High,
        ),
        (
            "database_firewall",
            "rules",
            trusted(&["1", "2"]),
            trusted(&["1"]),
            none(),
            Normal,
        ),
        ("firewall", "droplet_ids", json!([1]), json!([]), none(), High),
        ("domain_record", "data", json!("a"), json!("b"), apex(), High),
        ("domain_record", "data", json!("a"), json!("b"), mail(), High),
        ("domain_record", "data", json!("a"), json!("b"), www(), Normal),
        ("domain_record", "ttl", json!(1), json!(2), apex(), Normal),
    ] {
        assert_eq!(
            rated(kind, field, expected, actual.clone(), live).0,
            severity,
            "{kind} {field} {actual}"
        );
    }
    for kind in KINDS {
        let (severity, rule) = rated(kind.name, "*", json!({}), json!(null), json!({}));
        assert!(severity >= High, "{} is missing: {rule:?}", kind.name);
    }
    assert_eq!(rated("database", "*", json!({}), json!(null), none()).0, Critical);
}

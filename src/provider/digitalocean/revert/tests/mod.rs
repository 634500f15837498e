//! Every compared field of every kind has calls or a reason why not, and every call is one that DigitalOcean's API has.

mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use entity::cloud_resources;
use serde_json::{Map, Value, json};

use self::samples::{SAMPLES, resource};
use super::calls::{doctl, escape};
use super::{KINDS, Rule, Target, outcome};
use crate::domain::revert::{Call, Effect, Method, Obstacle, Outcome};
use crate::provider::digitalocean::{kinds, map};
use crate::provider::traits;

/// The calls that the API has, extracted from DigitalOcean's OpenAPI specification.
const CONTRACT: &str = include_str!("contract.tsv");

fn planned(resource: &cloud_resources::Model, field: &str, expected: &Value) -> Outcome {
    together(resource, &[(field, expected.clone())]).remove(0)
}

fn together(resource: &cloud_resources::Model, fields: &[(&str, Value)]) -> Vec<Outcome> {
    let expected: BTreeMap<String, Value> = fields
        .iter()
        .map(|(field, value)| ((*field).to_owned(), value.clone()))
        .collect();
    let target = Target {
        resource,
        expected: &expected,
    };
    fields.iter().map(|(field, _)| outcome(target, field)).collect()
}

fn calls(outcome: Outcome) -> Vec<Call> {
    match outcome {
        Outcome::Calls(calls) => calls,
        Outcome::Cannot(obstacle, why) => panic!("{obstacle:?}: {why}"),
    }
}

fn obstacle(outcome: &Outcome) -> Option<Obstacle> {
    match outcome {
        Outcome::Calls(_) => None,
        Outcome::Cannot(obstacle, why) => {
            assert!(why.ends_with('.'), "{why}");
            Some(*obstacle)
        }
    }
}

#[test]
fn every_compared_field_of_every_kind_has_calls_or_a_reason() {
    let names: BTreeSet<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
    let listed: BTreeSet<&str> = kinds::KINDS.iter().map(|kind| kind.name).collect();
    let with_traits: BTreeSet<&str> = traits::KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!(names, listed);
    assert_eq!(names, with_traits);
    let mut compared = map::compared_fields();
    assert_eq!(compared.keys().copied().collect::<BTreeSet<_>>(), names);
    for (kind, field) in map::fields_of_full_accounts() {
        compared.entry(kind).or_default().insert(field.leak());
    }
    let mut count = 0;
    for (kind, fields) in compared {
        let resource = resource(kind);
        for field in fields {
            count += 1;
            let planned = planned(&resource, field, &json!("x"));
            assert_ne!(obstacle(&planned), Some(Obstacle::UnknownField), "{kind}.{field}");
        }
    }
    assert!(count > 150, "{count} fields");
    let unknown = planned(&resource("droplet"), "novel", &json!(1));
    assert_eq!(obstacle(&unknown), Some(Obstacle::UnknownField));
    let unknown = planned(&resource("novel"), "name", &json!("x"));
    assert_eq!(obstacle(&unknown), Some(Obstacle::UnknownField));
}

#[test]
fn every_field_with_calls_has_some_and_the_api_has_each_of_them() {
    let mut planned_fields = BTreeSet::new();
    let mut used = BTreeSet::new();
    for (kind, field, expected) in SAMPLES {
        let expected: Value = serde_json::from_str(expected).expect(expected);
        for call in calls(planned(&resource(kind), field, &expected)) {
            planned_fields.insert((*kind, *field));
            used.insert(check(&call));
            assert!(!call.source.is_empty(), "{kind}.{field} has no source");
            assert!(call.curl.is_some(), "{kind}.{field}");
        }
    }
    let by_calls: BTreeSet<(&str, &str)> = KINDS
        .iter()
        .flat_map(|(kind, fields)| fields.iter().map(move |(field, rule)| (*kind, *field, rule)))
        .filter(|(_, _, rule)| matches!(rule, Rule::By(_)))
        .map(|(kind, field, _)| (kind, field))
        .collect();
    assert_eq!(planned_fields, by_calls);
    let contract: BTreeSet<usize> = (0..contract().len()).collect();
    assert_eq!(used, contract, "a row of the contract is not used");
}

/// Methods and paths with the properties of the body.
struct Permitted {
    method: &'static str,
    path: Vec<&'static str>,
    action: &'static str,
    required: Vec<&'static str>,
    optional: Vec<&'static str>,
}

fn contract() -> Vec<Permitted> {
    let names = |column: &'static str| column.split(',').filter(|name| *name != "-").collect();
    CONTRACT
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [method, path, action, required, optional] = columns[..] else {
                panic!("{line}")
            };
            Permitted {
                method,
                path: path.split('/').collect(),
                action,
                required: names(required),
                optional: names(optional),
            }
        })
        .collect()
}

/// Checks a call against the contract and returns the number of its row.
fn check(call: &Call) -> usize {
    let path = call.path.split('?').next().unwrap();
    let segments: Vec<&str> = path.split('/').collect();
    let empty = Map::new();
    let body = call
        .body
        .as_ref()
        .map_or(&empty, |body| body.as_object().unwrap());
    let rows = contract();
    let fits = |row: &Permitted| {
        let same = |(segment, wanted): (&&str, &&str)| match wanted.starts_with('{') {
            true => !segment.is_empty(),
            false => segment == wanted,
        };
        row.method == call.method.word()
            && row.path.len() == segments.len()
            && segments.iter().zip(&row.path).all(same)
            && (row.action == "-" || body.get("type").is_some_and(|action| action == row.action))
    };
    let Some(at) = rows.iter().position(fits) else {
        panic!("the API has no {} {path} with {body:?}", call.method.word())
    };
    let row = &rows[at];
    for name in &row.required {
        assert!(body.contains_key(*name), "{path} needs {name}: {body:?}");
    }
    for name in body.keys() {
        let is_known = row.required.contains(&name.as_str()) || row.optional.contains(&name.as_str());
        assert!(is_known, "{path} has no {name}");
    }
    check_members(body);
    at
}

/// Checks the required properties of list members.
fn check_members(body: &Map<String, Value>) {
    for (list, required) in [
        (
            "forwarding_rules",
            &["entry_protocol", "entry_port", "target_protocol", "target_port"][..],
        ),
        ("inbound_rules", &["protocol", "ports", "sources"]),
        ("outbound_rules", &["protocol", "ports", "destinations"]),
        ("rules", &["type", "value"]),
    ] {
        for member in body.get(list).and_then(Value::as_array).into_iter().flatten() {
            for name in required {
                assert!(
                    member.get(name).is_some(),
                    "a member of {list} needs {name}: {member}"
                );
            }
        }
    }
    for ids in [
        "droplet_ids",
        "droplet_id",
        "size_gigabytes",
        "num_nodes",
        "size_unit",
    ] {
        for id in body.get(ids).into_iter().flat_map(|ids| match ids {
            Value::Array(ids) => ids.iter().collect(),
            one => vec![one],
        }) {
            assert!(id.is_u64(), "{ids} are numbers: {id}");
        }
    }
}

#[test]
fn what_cannot_be_put_back_says_why() {
    for (kind, field, expected, why) in [
        ("droplet", "region", json!("ams3"), Obstacle::NeedsReplacement),
        ("droplet", "ip", json!("203.0.113.9"), Obstacle::ReadOnly),
        ("droplet", "ipv6", json!(false), Obstacle::OneWay),
        ("droplet", "monitoring", json!(true), Obstacle::NoCall),
        ("droplet", "size_slug", json!(7), Obstacle::InvalidValue),
        ("droplet", "backups", json!("maybe"), Obstacle::InvalidValue),
        ("droplet", "status", json!("archive"), Obstacle::ReadOnly),
        ("volume", "size_gigabytes", json!(5), Obstacle::OneWay),
        ("volume", "name", json!("other"), Obstacle::NeedsReplacement),
        ("volume", "droplet_ids", json!([1, 2, 3]), Obstacle::InvalidValue),
        ("database", "version", json!("15"), Obstacle::OneWay),
        ("database", "storage_size_mib", json!(1), Obstacle::OneWay),
        ("kubernetes_cluster", "ha", json!(false), Obstacle::OneWay),
        (
            "kubernetes_cluster",
            "version",
            json!("1.31.9-do.0"),
            Obstacle::OneWay,
        ),
        ("kubernetes_cluster", "sso", Value::Null, Obstacle::NoCall),
        (
            "kubernetes_node_pool",
            "size_slug",
            json!("s-8"),
            Obstacle::NeedsReplacement,
        ),
        (
            "kubernetes_node_pool",
            "min_nodes",
            json!(0),
            Obstacle::InvalidValue,
        ),
        ("app", "spec", json!({ "name": "shop" }), Obstacle::Secret),
        (
            "certificate",
            "dns_names",
            json!(["a.example"]),
            Obstacle::NeedsReplacement,
        ),
        ("image", "regions", json!(["ams3"]), Obstacle::OneWay),
        ("vpc", "default", json!(false), Obstacle::OneWay),
        ("domain_record", "data", Value::Null, Obstacle::InvalidValue),
        ("domain_record", "type", json!("A"), Obstacle::NeedsReplacement),
        ("uptime_check", "regions", json!([]), Obstacle::InvalidValue),
    ] {
        assert_eq!(
            obstacle(&planned(&resource(kind), field, &expected)),
            Some(why),
            "{kind}.{field}"
        );
    }
}

#[test]
fn lists_are_put_back_member_by_member() {
    let shown = |call: &Call| (call.method, call.path.clone(), call.body.clone().unwrap());
    let droplets = calls(planned(&resource("firewall"), "droplet_ids", &json!([1, 3])));
    let path = "/v2/firewalls/fw-1/droplets".to_owned();
    assert_eq!(
        droplets.iter().map(shown).collect::<Vec<_>>(),
        [
            (Method::Post, path.clone(), json!({ "droplet_ids": [3] })),
            (Method::Delete, path, json!({ "droplet_ids": [2] })),
        ]
    );
    assert_eq!(
        droplets[0].command.as_deref(),
        Some("doctl compute firewall add-droplets fw-1 --droplet-ids=3")
    );
    let rule =
        |port: &str| json!({ "protocol": "tcp", "ports": port, "sources": { "addresses": ["0.0.0.0/0"] } });
    let rules = calls(planned(
        &resource("firewall"),
        "inbound_rules",
        &json!([rule("22"), rule("all")]),
    ));
    let path = "/v2/firewalls/fw-1/rules".to_owned();
    assert_eq!(
        rules.iter().map(shown).collect::<Vec<_>>(),
        [
            (
                Method::Post,
                path.clone(),
                json!({ "inbound_rules": [rule("0")] })
            ),
            (Method::Delete, path, json!({ "inbound_rules": [rule("80")] })),
        ]
    );
    let tags = calls(planned(&resource("droplet"), "tags", &json!(["prod", "new:tag"])));
    assert_eq!(
        tags.iter().map(|call| call.path.as_str()).collect::<Vec<_>>(),
        ["/v2/tags", "/v2/tags/new:tag/resources", "/v2/tags/web/resources"]
    );
}

#[test]
fn a_call_that_replaces_the_whole_object_keeps_the_other_values() {
    let balancer = resource("load_balancer");
    let fields = [
        ("name", json!("front-2")),
        ("redirect_http_to_https", json!(true)),
    ];
    let outcomes: Vec<Vec<Call>> = together(&balancer, &fields).into_iter().map(calls).collect();
    assert_eq!(outcomes[0], outcomes[1], "one call puts back both");
    let update = outcomes[0].last().unwrap();
    let body = update.body.as_ref().unwrap();
    assert_eq!(
        (&body["name"], &body["redirect_http_to_https"]),
        (&json!("front-2"), &json!(true))
    );
    assert_eq!(
        (&body["size_unit"], &body["droplet_ids"]),
        (&json!(2), &json!([1, 2]))
    );
    // The id of a certificate is not stored: it is read first and filled in.
    assert_eq!(
        (outcomes[0][0].method, outcomes[0][0].path.as_str()),
        (Method::Get, "/v2/certificates?name=shop")
    );
    let placeholder = body["forwarding_rules"][0]["certificate_id"].as_str().unwrap();
    assert_eq!(update.placeholders[0].text, placeholder);
    assert_eq!(update.command, None);
    // A tag and ids exclude each other.
    let tagged = calls(planned(&balancer, "tag", &json!("web")));
    let body = tagged.last().unwrap().body.clone().unwrap();
    assert_eq!((&body["tag"], body.get("droplet_ids")), (&json!("web"), None));
}

#[test]
fn a_resize_says_that_the_droplet_is_off_meanwhile_and_a_rebuild_that_data_is_lost() {
    let resize = calls(planned(&resource("droplet"), "size_slug", &json!("s-1")));
    let shown: Vec<(Effect, &Value)> = resize
        .iter()
        .map(|call| (call.effect, &call.body.as_ref().unwrap()["type"]))
        .collect();
    assert_eq!(
        shown,
        [
            (Effect::PowersOff, &json!("shutdown")),
            (Effect::PowersOff, &json!("resize")),
            (Effect::None, &json!("power_on")),
        ]
    );
    let mut off = resource("droplet");
    off.status = Some("off".to_owned());
    assert_eq!(calls(planned(&off, "size_slug", &json!("s-1"))).len(), 1);
    let rebuild = calls(planned(
        &off,
        "image",
        &json!({ "id": 7, "slug": "debian-13-x64" }),
    ));
    assert_eq!(rebuild[0].effect, Effect::DestroysData);
    assert_eq!(rebuild[0].body, Some(json!({ "type": "rebuild", "image": 7 })));
}

#[test]
fn host_names_of_records_end_with_a_dot() {
    let record = resource("domain_record");
    let call = calls(planned(&record, "data", &json!("shop.example"))).remove(0);
    assert_eq!(call.path, "/v2/domains/shop.example/records/12");
    assert_eq!(
        call.body,
        Some(json!({ "type": "CNAME", "data": "shop.example." }))
    );
    assert_eq!(
        call.command.as_deref(),
        Some(
            "doctl compute domain records update shop.example --record-id=12 --record-type=CNAME --record-name=www \
             --record-data=shop.example. --record-ttl=60"
        )
    );
}

const HOSTILE: &str = "x'; touch pwned; $(touch pwned) `touch pwned` \" \\ ~ * #";

/// Runs a line in a shell in which `doctl` and curl print their arguments.
fn arguments(line: &str) -> Vec<String> {
    let script = format!(
        "set -f; DIGITALOCEAN_ACCESS_TOKEN=t; doctl() {{ printf '%s\\0' \"$@\"; }}; curl() {{ printf '%s\\0' \"$@\"; }}; {line}"
    );
    let dir = tempfile::tempdir().unwrap();
    let ran = Command::new("sh")
        .arg("-c")
        .arg(script)
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "{line} created a file"
    );
    let text = String::from_utf8(ran.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn a_shell_passes_hostile_values_on_unchanged() {
    let mut droplet = resource("droplet");
    droplet.provider_id = HOSTILE.to_owned();
    let mut seen = 0;
    for (resource, field, expected) in [
        (&droplet, "name", json!(HOSTILE)),
        (&droplet, "tags", json!([HOSTILE])),
        (&droplet, "project_id", json!(HOSTILE)),
        (&resource("domain_record"), "name", json!(HOSTILE)),
        (&resource("firewall"), "tags", json!([HOSTILE])),
        (&resource("project"), "description", json!(HOSTILE)),
    ] {
        for call in calls(planned(resource, field, &expected)) {
            for line in [call.command.as_ref(), call.curl.as_ref()].into_iter().flatten() {
                seen += 1;
                let arguments = arguments(line);
                let text = arguments.join("\n");
                let escaped = json!(HOSTILE).to_string();
                let has = [HOSTILE, escaped.trim_matches('"'), &escape(HOSTILE)];
                assert!(
                    has.iter().any(|wanted| text.contains(wanted)) || !line.contains("pwned"),
                    "{line}"
                );
            }
            assert!(!call.path.contains([' ', '\'', '$', '`', ';']), "{}", call.path);
        }
    }
    assert!(seen >= 12, "{seen}");
}

#[test]
fn what_cannot_be_pasted_safely_has_no_line() {
    for name in ["a\nreboot", "\u{1b}]0;x\u{7}", "\u{9b}31m"] {
        let call = calls(planned(&resource("droplet"), "name", &json!(name))).remove(0);
        assert_eq!(call.command, None, "{name:?}");
    }
    assert_eq!(doctl("compute tag create", &["--force"], &[]), None);
    assert_eq!(escape("../.."), "..%2F..");
    assert_eq!(
        (escape("."), escape("..")),
        ("%2E".to_owned(), "%2E%2E".to_owned())
    );
    assert_eq!(escape("a b/ü?"), "a%20b%2F%C3%BC%3F");
}

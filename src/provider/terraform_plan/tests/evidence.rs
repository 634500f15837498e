use std::io::Write as _;

use serde_json::{Value, json};

use super::builder::{Builder, element, is, options, plan, refers, spool};
use crate::provider::terraform_plan::{Limits, Plan, Refusal, Skipped, Spool};

fn small() -> Builder {
    plan().has(
        "a",
        json!({ "size": is(json!(1)) }),
        json!({ "id": "a", "size": 1 }),
    )
}

fn refused(text: &[u8]) -> Option<Refusal> {
    Plan::read(spool(text), options()).err()
}

#[test]
fn a_plan_says_when_it_was_made() {
    let read = small().read().unwrap();
    let outline = read.outline();
    assert_eq!(outline.timestamp.to_rfc3339(), "2026-11-25T20:18:06+00:00");
    assert_eq!(
        (outline.terraform_version.as_str(), outline.instances),
        ("1.11.4", 1)
    );
    assert_eq!(outline.skipped, Skipped::default());
}

#[test]
fn what_is_not_evidence_is_refused() {
    let whole = small();
    let mut errored = whole
        .clone()
        .set("", "errored", json!(true))
        .set("", "complete", json!(false));
    errored.0["resource_changes"] = json!([]);
    assert_eq!(errored.refusal(), Some(Refusal::Errored), "looked at first");
    let normal = whole.clone().changes(&[]);
    assert_eq!(normal.refusal(), Some(Refusal::NotRefreshOnly));
    let planned = json!({ "resources": [element("net_thing.a", json!({}))] });
    let planned = whole.clone().set("/planned_values", "root_module", planned);
    assert_eq!(planned.refusal(), Some(Refusal::NotRefreshOnly));
    for key in ["complete", "errored"] {
        let mut without = whole.clone();
        without.0.as_object_mut().unwrap().remove(key);
        assert_eq!(without.refusal(), Some(Refusal::Incomplete), "{key}");
    }
    let partial = whole.clone().set("", "complete", json!(false));
    assert_eq!(partial.refusal(), Some(Refusal::Incomplete));
    for key in ["configuration", "format_version", "timestamp"] {
        let mut without = whole.clone();
        without.0.as_object_mut().unwrap().remove(key);
        assert_eq!(without.refusal(), Some(Refusal::NotAPlan), "{key}");
    }
    let mut empty = whole;
    empty.0.as_object_mut().unwrap().remove("prior_state");
    assert_eq!(empty.refusal(), Some(Refusal::Empty));
    let lost = empty.lost("net_thing.a", json!({ "id": "a" }));
    assert_eq!(
        lost.refusal(),
        None,
        "everything is gone, which is no empty state"
    );
}

#[test]
fn other_files_are_refused() {
    let text = small().0.to_string();
    assert_eq!(refused(b""), Some(Refusal::NotJson));
    assert_eq!(refused(b"Terraform will perform"), Some(Refusal::NotJson));
    assert_eq!(
        refused(&text.as_bytes()[..text.len() - 1]),
        Some(Refusal::NotJson)
    );
    assert_eq!(
        refused(format!("{text}{text}").as_bytes()),
        Some(Refusal::NotJson)
    );
    assert_eq!(refused(b"[]"), Some(Refusal::NotAPlan));
    assert_eq!(refused(b"null"), Some(Refusal::NotAPlan));
    let state = json!({ "format_version": "1.0", "values": { "root_module": {} } });
    assert_eq!(refused(state.to_string().as_bytes()), Some(Refusal::NotAPlan));
    let lines = "{\"@level\":\"info\"}\n{\"@level\":\"info\"}\n";
    assert_eq!(refused(lines.as_bytes()), Some(Refusal::NotAPlan));
    let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    assert_eq!(refused(&marked), None, "a byte order mark is skipped");
    let mut broken = text.into_bytes();
    let at = broken.iter().position(|byte| *byte == b'a').unwrap();
    broken[at] = 0xff;
    assert_eq!(refused(&broken), Some(Refusal::NotJson));
}

#[test]
fn duplicates_and_deep_nesting_are_refused() {
    let twice = small().reads("net_thing.a", json!({ "id": "b" }));
    assert_eq!(twice.refusal(), Some(Refusal::NotAPlan));
    let text = small().0.to_string();
    let key = text.replacen("\"errored\":false", "\"errored\":true,\"errored\":false", 1);
    assert_eq!(refused(key.as_bytes()), Some(Refusal::NotAPlan));
    let inner = text.replacen("\"id\":\"a\"", "\"id\":\"a\",\"id\":\"b\"", 1);
    assert_eq!(refused(inner.as_bytes()), Some(Refusal::NotAPlan));
    let deep = format!("\"id\":{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let values = text.replacen("\"id\":\"a\"", &deep, 1);
    assert_eq!(refused(values.as_bytes()), Some(Refusal::NotAPlan));
    let modules = format!(
        "\"child_modules\":{}{}",
        "[{\"child_modules\":".repeat(500),
        "[]".to_owned() + &"}]".repeat(500)
    );
    let modules = text.replacen("\"child_modules\":[]", &modules, 1);
    assert_eq!(refused(modules.as_bytes()), Some(Refusal::NotJson));
}

#[test]
fn sizes_are_limited() {
    let limits = Limits {
        plain: 4_000_000,
        compressed: 300_000,
        element: 100_000,
    };
    let mut noise = 1u64;
    let mut random = move |_| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (noise >> 56) as u8
    };
    let mut incompressible = Spool::new(limits);
    let bytes: Vec<u8> = (0..1_000_000).map(&mut random).collect();
    assert_eq!(incompressible.push(&bytes), Err(Refusal::TooLarge));
    let mut long = Spool::new(limits);
    assert!(long.write_all(&vec![b' '; 4_000_001]).is_err());
    let large = small().reads("net_thing.b", json!({ "text": "x".repeat(300_000) }));
    let mut spool = Spool::new(limits);
    spool.push(large.0.to_string().as_bytes()).unwrap();
    assert_eq!(Plan::read(spool, options()).err(), Some(Refusal::TooLarge));
    let skipped = small().set("", "relevant_attributes", json!(["x".repeat(300_000)]));
    let mut spool = Spool::new(limits);
    spool.push(skipped.0.to_string().as_bytes()).unwrap();
    assert!(
        Plan::read(spool, options()).is_ok(),
        "what is skipped is not held"
    );
}

#[test]
fn what_is_not_compared_is_counted() {
    let mut data = element("data.net_thing.d", json!({}));
    data["mode"] = json!("data");
    let mut deposed = element("net_thing.a", json!({ "id": "old" }));
    deposed["deposed_key"] = json!("0a1b2c3d");
    let counted =
        json!({ "mode": "managed", "type": "net_thing", "name": "n", "count_expression": is(json!(2)) });
    let state = "/prior_state/values/root_module/resources";
    let plan = small()
        .push(state, data)
        .push(state, deposed)
        .push("/configuration/root_module/resources", counted)
        .reads("net_thing.removed", json!({ "id": "r" }))
        .reads("net_thing.n[1]", json!({ "id": "n1" }))
        .reads("net_thing.n[2]", json!({ "id": "n2" }))
        .reads("???", json!({ "id": "q" }));
    let read = plan.read().unwrap();
    let skipped = Skipped {
        data: 1,
        deposed: 1,
        without_configuration: 2,
        unreadable: 1,
    };
    assert_eq!((read.outline().instances, read.outline().skipped), (2, skipped));
    let addresses: Vec<String> = plan
        .instances()
        .into_iter()
        .map(|instance| instance.address)
        .collect();
    assert_eq!(addresses, ["net_thing.a", "net_thing.n[1]"]);
}

#[test]
fn modules_are_found_without_their_keys() {
    let inner = json!({
        "module": { "resources": [
            { "mode": "managed", "type": "net_thing", "name": "t", "expressions": { "size": refers() } }
        ] },
        "for_each_expression": is(json!({ "x.y": 1 })),
    });
    let outer = json!({ "module": { "module_calls": { "b": inner } } });
    let at = |address: &str| element(address, json!({ "size": 1 }));
    let module = |address: &str, resources: Value| json!({ "address": address, "resources": resources });
    let mut outermost = module("module.a[0]", json!([]));
    outermost["child_modules"] = json!([module(
        "module.a[0].module.b[\"x.y\"]",
        json!([
            at("module.a[0].module.b[\"x.y\"].net_thing.t"),
            at("module.a[0].module.b[\"z\"].net_thing.t"),
        ])
    )]);
    let plan = small()
        .set("/configuration/root_module/module_calls", "a", outer)
        .push("/prior_state/values/root_module/child_modules", outermost);
    let addresses: Vec<String> = plan
        .instances()
        .into_iter()
        .map(|instance| instance.address)
        .collect();
    // Parts of a module are in the order of their names here.
    assert_eq!(
        addresses,
        ["module.a[0].module.b[\"x.y\"].net_thing.t", "net_thing.a"]
    );
}

#[test]
fn every_refusal_names_a_command_in_one_sentence() {
    for refusal in Refusal::ALL {
        let sentence = refusal.to_string();
        assert!(sentence.contains("`terraform "), "{sentence}");
        assert!(sentence.ends_with('.') && !sentence.contains(". "), "{sentence}");
        assert!(refusal.code().chars().all(|c| c.is_ascii_uppercase() || c == '_'));
    }
}

use proptest::prelude::*;
use serde_json::{Value, json};

use super::builder::{element, is, options, plan, refers, spool};
use crate::provider::terraform_plan::{NormalPlan, Plan};

/// Returns a plan with all parts.
fn rich() -> String {
    let expressions = json!({ "size": is(json!(1)), "check": [{ "path": refers() }], "env": {} });
    let values = json!({
        "id": "a", "size": 2, "check": [{ "path": "/", "t": 1 }], "env": { "A": "b" }, "r": [{ "x": 1 }],
    });
    let child = json!([{ "address": "module.m", "resources": [element("module.m.net_thing.t", json!({ "id": 1 }))] }]);
    let module = json!({ "m": { "expressions": { "v": is(json!(1)) }, "module": {
        "resources": [{ "mode": "managed", "type": "net_thing", "name": "t" }],
        "variables": { "v": { "sensitive": true } },
    } } });
    let plan = plan()
        .has("a", expressions, values)
        .was(
            "net_thing.a",
            json!({ "id": "a", "size": 1, "check": [], "env": null, "r": [] }),
        )
        .marks("net_thing.a", &json!({ "env": { "A": true } }))
        .declares("b", json!({ "size": {} }))
        .lost("net_thing.b", json!({ "size": 1 }))
        .set("/prior_state/values/root_module", "child_modules", child)
        .set("/configuration/root_module", "module_calls", module)
        .set(
            "",
            "variables",
            json!({ "x": { "value": [1, { "a": "\u{e9}" }] } }),
        );
    plan.0.to_string()
}

/// Reads a file to its end in both ways.
fn reads(bytes: &[u8]) {
    if let Ok(plan) = Plan::read(spool(bytes), options()) {
        let instances = plan.instances(&|_| None).filter_map(Result::ok);
        assert!(instances.count() <= plan.outline().instances);
    }
    _ = NormalPlan::read(spool(bytes));
}

/// Returns the pointers to all values of a document.
fn pointers(value: &Value, at: &str, into: &mut Vec<String>) {
    into.push(at.to_owned());
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, &format!("{at}/{index}"), into);
            }
        }
        Value::Object(map) => {
            for (key, member) in map {
                pointers(
                    member,
                    &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")),
                    into,
                );
            }
        }
        _ => {}
    }
}

#[test]
fn any_value_may_have_any_type() {
    let whole: Value = serde_json::from_str(&rich()).unwrap();
    let mut all = Vec::new();
    pointers(&whole, "", &mut all);
    for pointer in all {
        for other in [
            json!(null),
            json!(-1),
            json!("x"),
            json!([]),
            json!({}),
            json!([{}]),
            json!({ "a": [1] }),
        ] {
            let mut document = whole.clone();
            *document.pointer_mut(&pointer).unwrap() = other;
            reads(document.to_string().as_bytes());
        }
    }
}

proptest! {
    #[test]
    fn mutated_bytes_never_make_it_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..6),
    ) {
        let mut bytes = rich().into_bytes();
        for (at, byte, how) in edits {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes[at] = b"{}[]\",:0"[usize::from(byte % 8)],
            }
        }
        reads(&bytes);
    }

    #[test]
    fn a_truncated_plan_is_refused(length in any::<prop::sample::Index>()) {
        let bytes = rich().into_bytes();
        let length = length.index(bytes.len());
        prop_assert!(Plan::read(spool(&bytes[..length]), options()).is_err());
    }
}

use serde_json::{Value, json};

use super::builder::{Builder, is, plan, refers};
use crate::provider::terraform_plan::{Instance, Sides};

/// Returns a plan in which one attribute changed, or not.
fn changed(expression: Value, before: Value, now: Value) -> Builder {
    plan()
        .has("a", json!({ "it": expression }), json!({ "id": "a", "it": now }))
        .was("net_thing.a", json!({ "id": "a", "it": before }))
}

fn is_row(expression: Value, before: Value, now: Value) -> bool {
    !changed(expression, before, now).rows().is_empty()
}

fn only(plan: &Builder) -> Instance {
    let mut instances = plan.instances();
    assert_eq!(instances.len(), 1);
    instances.remove(0)
}

#[test]
fn a_change_outside_is_a_row() {
    let instance = only(&changed(refers(), json!(1), json!(2)));
    let sides = Sides::Shown {
        desired: json!(1),
        live: json!(2),
    };
    assert!(instance.fields[0].sides == sides);
    assert!(!instance.fields[0].swallowed && !instance.gone && !instance.decided);
    assert_eq!(instance.provider, super::builder::PROVIDER);
    assert_eq!(instance.cloud_id.as_deref(), Some("a"));
}

#[test]
fn only_what_is_declared_is_compared() {
    let with = |expressions: Value| {
        let plan = plan().has("a", expressions, json!({ "id": "a", "it": 2 }));
        plan.was("net_thing.a", json!({ "id": "a", "it": 1 }))
    };
    let undeclared = with(json!({ "other": refers() }));
    assert_eq!(undeclared.rows(), [""; 0]);
    assert_eq!(only(&undeclared).undeclared_changes, ["it"]);
    assert_eq!(
        with(json!({ "it": is(Value::Null) })).rows(),
        [""; 0],
        "null declares nothing"
    );
    assert_eq!(
        with(json!({ "it": {} })).rows(),
        ["net_thing.a: it"],
        "a call of constants"
    );
    let mut without = with(json!({}));
    without
        .at("/configuration/root_module/resources/0")
        .as_object_mut()
        .unwrap()
        .remove("expressions");
    assert_eq!(without.rows(), [""; 0]);
}

#[test]
fn values_are_compared_loosely() {
    for (before, now) in [
        (Value::Null, json!({})),
        (Value::Null, json!([])),
        (json!(""), Value::Null),
        (json!(["a", "b"]), json!(["b", "a"])),
        (json!(25), json!("25")),
        (json!("{\"a\": [1, 2], \"b\": 3}"), json!("{\"b\":3,\"a\":[2,1]}")),
        (json!([{ "policy": "[1]" }]), json!([{ "policy": " [ 1 ] " }])),
    ] {
        assert!(!is_row(refers(), before.clone(), now.clone()), "{before} {now}");
    }
    for (before, now) in [
        (Value::Null, json!(0)),
        (json!(false), Value::Null),
        (json!("{\"a\":1}"), json!("{\"a\":2}")),
        (json!("{a}"), json!("{ a }")),
        (json!("Name"), json!("name")),
    ] {
        assert!(is_row(refers(), before.clone(), now.clone()), "{before} {now}");
    }
}

#[test]
fn of_blocks_only_the_declared_attributes_are_compared() {
    let check = json!([{ "path": refers() }]);
    let block = |path: &str, timeout: Value| json!([{ "path": path, "timeout": timeout }]);
    assert!(!is_row(
        check.clone(),
        block("/a", Value::Null),
        block("/a", json!(5))
    ));
    assert!(is_row(
        check.clone(),
        block("/a", Value::Null),
        block("/b", Value::Null)
    ));
    assert!(
        is_row(check, block("/a", Value::Null), json!([])),
        "the block is gone"
    );
    let single = json!({ "create": is(json!("1m")) });
    assert!(is_row(
        single,
        json!({ "create": "1m" }),
        json!({ "create": "2m" })
    ));
}

#[test]
fn blocks_are_a_multiset_and_their_attributes_are_united() {
    let rules = json!([{ "port": is(json!(1)) }, { "note": is(json!("x")), "never": is(Value::Null) }]);
    let a = json!({ "port": 1, "note": null, "never": 1 });
    let b = json!({ "port": 2, "note": "x", "never": 2 });
    assert!(!is_row(rules.clone(), json!([a, b]), json!([b, a])));
    assert!(!is_row(
        rules.clone(),
        json!([a, b]),
        json!([b, { "port": 1, "never": 5 }])
    ));
    assert!(is_row(rules.clone(), json!([a, b]), json!([a, b, b])), "one more");
    assert!(is_row(rules.clone(), json!([a, a, b]), json!([a, b, b])));
    assert!(is_row(
        rules,
        json!([a, b]),
        json!([a, { "port": 2, "note": "y" }])
    ));
}

#[test]
fn blocks_inside_blocks_are_reduced_too() {
    let expression = json!([{ "inner": [{ "a": refers() }] }]);
    let value = |a: u32, b: u32| json!([{ "inner": [{ "a": a, "b": b }], "c": b }]);
    assert!(!is_row(expression.clone(), value(1, 1), value(1, 2)));
    assert!(is_row(expression, value(1, 1), value(2, 1)));
}

#[test]
fn code_that_caught_up_and_pending_changes_are_no_rows() {
    assert!(!is_row(is(json!(2)), json!(1), json!(2)), "caught up");
    assert!(!is_row(is(json!(3)), json!(1), json!(1)), "pending");
    assert!(is_row(is(json!(1)), json!(1), json!(2)));
    assert!(is_row(is(json!(3)), json!(1), json!(2)));
    let block = |path: &str| json!([{ "path": path, "other": 1 }]);
    let constant = json!([{ "path": is(json!("/b")) }]);
    assert!(
        !is_row(constant, block("/a"), block("/b")),
        "blocks that caught up"
    );
    let constant = only(&changed(is(json!(3)), json!(1), json!(1))).fields[0]
        .constant
        .unwrap();
    assert!(!constant.equals_applied && !constant.equals_live);
}

#[test]
fn undeclared_blocks_with_values_are_named() {
    let values = json!({
        "id": "a", "rules": [{ "port": 1 }], "logs": [{ "on": false, "name": "", "n": 0 }], "list": ["x"], "none": [],
    });
    let plan = plan().has("a", json!({}), values.clone());
    assert_eq!(only(&plan).not_compared, ["rules"]);
    let mut before = values;
    before["rules"] = json!([]);
    let instance = only(&plan.was("net_thing.a", before));
    assert_eq!(
        (instance.not_compared, instance.undeclared_changes),
        (vec!["rules".to_owned()], vec!["rules".to_owned()])
    );
}

#[test]
fn tags_of_the_provider_are_named_only_if_the_change_is_not_in_tags() {
    let values = |tags: Value, all: Value| json!({ "tags": tags, "tags_all": all });
    let now = values(json!({ "a": "2" }), json!({ "a": "2", "by": "me" }));
    let plan = plan().has("a", json!({ "tags": refers() }), now);
    let both = values(json!({ "a": "1" }), json!({ "a": "1", "by": "me" }));
    let instance = only(&plan.clone().was("net_thing.a", both));
    assert_eq!(instance.undeclared_changes, [""; 0]);
    let default = values(json!({ "a": "2" }), json!({ "a": "2", "by": "you" }));
    assert_eq!(
        only(&plan.was("net_thing.a", default)).undeclared_changes,
        ["tags_all"]
    );
}

#[test]
fn what_is_deleted_is_gone() {
    let plan = plan()
        .declares("a", json!({ "it": refers() }))
        .lost("net_thing.a", json!({ "id": "a", "it": 1 }))
        .lost("net_thing.unknown", json!({ "id": "b" }));
    let instance = only(&plan);
    assert!(instance.gone && instance.fields.len() == 1);
    assert_eq!(
        (instance.name.as_str(), instance.cloud_id.as_deref()),
        ("a", Some("a"))
    );
    assert_eq!(plan.read().unwrap().outline().skipped.without_configuration, 1);
}

#[test]
fn a_moved_instance_knows_where_it_was() {
    let mut plan = changed(refers(), json!(1), json!(1));
    let change = plan.at("/resource_drift/0");
    change["previous_address"] = json!("net_thing.old");
    change["change"]["actions"] = json!(["no-op"]);
    let read = plan.read().unwrap();
    let asked = std::cell::RefCell::new(Vec::new());
    let previous = |address: &str| {
        asked.borrow_mut().push(address.to_owned());
        None
    };
    let instance = read.instances(&previous).next().unwrap().unwrap();
    assert_eq!(instance.previous_address.as_deref(), Some("net_thing.old"));
    // The move is in each plan until an apply, but the first import has already given the instance its new address.
    assert_eq!(*asked.borrow(), ["net_thing.old", "net_thing.a"]);
}

#[test]
fn names_and_regions_are_found() {
    let named = |values: Value| {
        let instance = only(&plan().has("a", json!({}), values));
        (instance.name, instance.region.unwrap_or_default())
    };
    let is_named = |values: Value, name: &str, region: &str| {
        assert_eq!(named(values), (name.to_owned(), region.to_owned()));
    };
    is_named(
        json!({ "tags": { "Name": "web" }, "name": "n", "id": "i" }),
        "web",
        "north-1",
    );
    is_named(
        json!({ "name": "n", "id": "i", "region": "south-2" }),
        "n",
        "south-2",
    );
    is_named(json!({ "id": "i", "location": "West" }), "i", "West");
    is_named(json!({}), "net_thing.a", "north-1");
    let mut tainted = plan().has("a", json!({}), json!({}));
    tainted.at("/prior_state/values/root_module/resources/0")["tainted"] = json!(true);
    assert!(only(&tainted).tainted);
}

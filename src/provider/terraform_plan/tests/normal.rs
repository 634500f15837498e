use serde_json::{Value, json};

use super::builder::{Builder, differs, is, plan, refers, rows};
use crate::provider::terraform_plan::{NormalPlan, Refusal, Sides};

fn values(it: u32, other: u32, rules: Value) -> Value {
    json!({ "it": it, "other": other, "rules": rules })
}

fn drifted() -> Builder {
    let now = values(2, 2, json!([{ "port": 2 }]));
    let plan = plan().has("a", json!({ "it": refers() }), now);
    plan.was("net_thing.a", values(1, 1, json!([{ "port": 1 }])))
}

/// Returns the normal plan that makes these values of the live ones.
fn undoing(actions: &[&str], after: Value) -> Builder {
    let now = values(2, 2, json!([{ "port": 2 }]));
    drifted().changes(&[("net_thing.a", actions, now, after)])
}

fn decided(normal: &Builder) -> (Vec<String>, bool) {
    let instances = drifted().instances_with(normal);
    (rows(&instances), instances[0].decided)
}

#[test]
fn what_the_next_apply_undoes_is_a_row() {
    let all = undoing(&["update"], values(1, 1, json!([{ "port": 1 }])));
    let (rows, decided) = decided(&all);
    assert!(decided);
    assert_eq!(
        rows,
        ["net_thing.a: it", "net_thing.a: other", "net_thing.a: rules"]
    );
    let instances = drifted().instances_with(&all);
    assert!(instances[0].not_compared.is_empty() && instances[0].undeclared_changes.is_empty());
}

#[test]
fn what_the_next_apply_ignores_is_no_row() {
    let other = undoing(&["update"], values(2, 1, json!([{ "port": 2 }])));
    assert_eq!(decided(&other), (vec!["net_thing.a: other".to_owned()], true));
    let none = undoing(&["no-op"], values(2, 2, json!([{ "port": 2 }])));
    assert_eq!(decided(&none), (vec![], true));
    let mut unknown = undoing(
        &["delete", "create"],
        json!({ "rules": [{ "port": 2 }], "other": 2 }),
    );
    unknown.at("/resource_changes/0/change")["after_unknown"] = json!({ "it": true, "rules": [{}] });
    assert_eq!(decided(&unknown), (vec!["net_thing.a: it".to_owned()], true));
}

#[test]
fn a_plan_that_saw_other_values_or_deletes_decides_nothing() {
    let undecided = (vec!["net_thing.a: it".to_owned()], false);
    let destroy = undoing(&["delete"], Value::Null);
    assert_eq!(decided(&destroy), undecided);
    let mut stale = undoing(&["no-op"], values(2, 2, json!([{ "port": 2 }])));
    stale.at("/prior_state/values/root_module/resources/0/values")["it"] = json!(1);
    assert_eq!(decided(&stale), undecided);
    let silent = drifted().changes(&[]);
    assert_eq!(decided(&silent), undecided);
}

#[test]
fn other_plans_are_refused() {
    let refusal = |plan: &Builder| NormalPlan::read(plan.spool()).err();
    assert_eq!(refusal(&drifted()), Some(Refusal::NotANormalPlan));
    let normal = drifted().changes(&[]);
    assert_eq!(refusal(&normal), None);
    assert_eq!(
        refusal(&normal.clone().set("", "complete", json!(false))),
        Some(Refusal::Incomplete)
    );
    assert_eq!(
        refusal(&normal.set("", "errored", json!(true))),
        Some(Refusal::Errored)
    );
}

/// Returns the differing values of the field `it` of a declared resource that a normal plan puts back.
fn restored(expression: Value, before: Value, now: Value, after: Value) -> Vec<(Value, Value)> {
    let plan = plan().has("a", json!({ "it": expression }), json!({ "it": now }));
    let plan = plan.was("net_thing.a", json!({ "it": before }));
    let normal = plan.clone().changes(&[(
        "net_thing.a",
        &["update"],
        json!({ "it": now }),
        json!({ "it": after }),
    )]);
    let instances = plan.instances_with(&normal);
    let sides = instances[0].fields.iter().filter(|field| differs(&field.sides));
    let shown = sides.map(|field| match field.sides.clone() {
        Sides::Shown { desired, live } => (desired, live),
        Sides::Redacted { .. } => panic!("it is redacted"),
    });
    shown.collect()
}

#[test]
fn undeclared_parts_of_blocks_are_rows_if_they_are_put_back() {
    let block = json!([{ "path": refers() }]);
    let (before, now) = (
        json!([{ "path": "/", "on": false }]),
        json!([{ "path": "/", "on": true }]),
    );
    let back = json!([{ "path": "/", "on": null }]);
    let rows = restored(block.clone(), before.clone(), now.clone(), back);
    assert_eq!(rows, [(before.clone(), now.clone())]);
    let pending = json!([{ "path": "/new", "on": true }]);
    assert_eq!(
        restored(block.clone(), before, now.clone(), pending),
        [],
        "the code changes another part"
    );
    let filled = json!([{ "path": "/", "on": false }]);
    let empty = json!([{ "path": "/", "on": null }]);
    assert_eq!(
        restored(block, empty, filled, json!([{ "path": "/new" }])),
        [],
        "filled in"
    );
}

#[test]
fn order_and_spacing_are_rows_if_they_are_put_back() {
    let (first, second) = (json!(["a", "b"]), json!(["b", "a"]));
    let texts = (json!("[\"a\",\"b\"]"), json!("[\"b\",\"a\"]"));
    assert_eq!(
        restored(is(first.clone()), first.clone(), second.clone(), first.clone()),
        [texts]
    );
    let longer = json!(["a", "b", "c"]);
    assert_eq!(
        restored(refers(), first, second, longer),
        [],
        "the code changes it otherwise"
    );
    let (tight, wide) = (json!("{\"a\":1}"), json!("{ \"a\": 1 }"));
    let rows = restored(refers(), tight.clone(), wide.clone(), tight.clone());
    assert_eq!(rows, [(tight, wide)]);
    assert_eq!(
        restored(refers(), Value::Null, json!({}), Value::Null),
        [],
        "both are unset"
    );
}

#[test]
fn what_the_provider_computes_after_the_apply_is_no_row() {
    let mut normal = undoing(&["update"], json!({ "it": 1, "rules": [{ "port": 2 }] }));
    normal.at("/resource_changes/0/change")["after_unknown"] = json!({ "other": true });
    assert_eq!(decided(&normal), (vec!["net_thing.a: it".to_owned()], true));
}

#[test]
fn what_the_code_no_longer_has_is_skipped() {
    let mut normal = undoing(&["delete"], Value::Null);
    normal.at("/resource_changes/0")["action_reason"] = json!("delete_because_each_key");
    let read = NormalPlan::read(normal.spool()).unwrap();
    let plan = drifted().read().unwrap().with_normal_plan(read).unwrap();
    let outline = plan.outline();
    assert_eq!((outline.instances, outline.skipped.without_configuration), (0, 1));
    assert_eq!(plan.instances(&|_| None).count(), 0);
    normal.at("/prior_state/values/root_module/resources/0/values")["it"] = json!(1);
    assert_eq!(
        decided(&normal),
        (vec!["net_thing.a: it".to_owned()], false),
        "it saw other values"
    );
}

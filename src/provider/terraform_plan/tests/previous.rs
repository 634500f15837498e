use serde_json::{Value, json};

use super::builder::{Builder, is, plan, refers, rows};
use crate::provider::terraform_plan::{
    Digest, Field, Instance, Known, NormalPlan, Previous, PreviousField, Sides,
};

fn with(expression: Value, now: Value) -> Builder {
    plan().has("a", json!({ "it": expression }), json!({ "it": now }))
}

fn drifted(expression: Value, before: Value, now: Value) -> Builder {
    with(expression, now).was("net_thing.a", json!({ "it": before }))
}

/// Returns the digest of a constant, as an import reports it.
fn constant(value: Value) -> Digest {
    let mut instances = with(is(value.clone()), value).instances();
    instances.remove(0).fields.remove(0).constant.unwrap().digest
}

fn knew(desired: Value, constant: Option<Digest>, accepted: bool) -> Previous {
    let field = PreviousField {
        desired: Known::Value(desired),
        constant,
        open: None,
        accepted,
        replaced: None,
        verdict: None,
        hidden: false,
    };
    Previous {
        fields: [("it".to_owned(), field)].into(),
        removed: None,
    }
}

fn field(plan: &Builder, previous: &Previous) -> Field {
    plan.instances_after(previous).remove(0).fields.remove(0)
}

fn shown(desired: Value, live: Value) -> Sides {
    Sides::Shown { desired, live }
}

#[test]
fn swallowed_drift_stays_open() {
    let previous = knew(json!(1), Some(constant(json!(1))), false);
    let swallowed = field(&with(is(json!(1)), json!(2)), &previous);
    assert!(swallowed.swallowed && swallowed.sides == shown(json!(1), json!(2)));
    let healed = field(&with(is(json!(1)), json!(1)), &previous);
    assert!(!healed.swallowed && healed.sides == shown(json!(1), json!(1)));
    let more = field(&drifted(is(json!(1)), json!(2), json!(3)), &previous);
    assert!(
        more.swallowed && more.sides == shown(json!(1), json!(3)),
        "changed once more"
    );
}

#[test]
fn a_changed_constant_and_one_that_was_never_applied_tell_nothing() {
    let seen = knew(json!(1), Some(constant(json!(1))), false);
    let pending = field(&with(is(json!(5)), json!(2)), &seen);
    assert!(!pending.swallowed && pending.sides == shown(json!(2), json!(2)));
    let never = knew(json!(1), None, false);
    let hashed = field(&with(is(json!(1)), json!(2)), &never);
    assert!(!hashed.swallowed && hashed.sides == shown(json!(2), json!(2)));
}

#[test]
fn an_accepted_value_stays_in_force() {
    let accepted = knew(json!(2), None, true);
    let open = field(&drifted(refers(), json!(1), json!(2)), &accepted);
    assert!(
        !open.swallowed && open.sides == shown(json!(2), json!(2)),
        "accepted"
    );
    let moved = field(&drifted(refers(), json!(1), json!(3)), &accepted);
    assert!(
        !moved.swallowed && moved.sides == shown(json!(2), json!(3)),
        "changed again"
    );
    let swallowed = field(&with(refers(), json!(3)), &accepted);
    assert!(swallowed.swallowed && swallowed.sides == shown(json!(2), json!(3)));
    let followed = field(&with(is(json!(3)), json!(3)), &accepted);
    assert!(
        !followed.swallowed && followed.sides == shown(json!(3), json!(3)),
        "the code decides"
    );
}

#[test]
fn secrets_are_compared_with_earlier_ones_by_their_digest() {
    let marks = json!({ "it": true });
    let now = |text: &str| with(refers(), json!(text)).marks("net_thing.a", &marks);
    let Sides::Redacted {
        live, equal: true, ..
    } = now("first-secret").instances()[0].fields[0].sides
    else {
        panic!("it is shown");
    };
    let mut previous = knew(Value::Null, None, true);
    previous.fields.get_mut("it").unwrap().desired = Known::Digest(live);
    let same = now("first-secret").instances_after(&previous);
    assert_eq!(rows(&same), [""; 0]);
    let other = now("other-secret").instances_after(&previous);
    assert_eq!(rows(&other), ["net_thing.a: it"]);
    assert!(other[0].fields[0].redacted() && other[0].fields[0].swallowed);
    // The value in force is known by its digest only, so neither side can be shown.
    let unmarked = with(refers(), json!("plain")).instances_after(&previous);
    assert!(unmarked[0].fields[0].redacted());
}

#[test]
fn an_open_value_that_the_state_took_over_stays_open() {
    let mut previous = knew(json!(1), None, false);
    previous.fields.get_mut("it").unwrap().open = Some(Known::Value(json!(2)));
    let taken_over = field(&with(refers(), json!(2)), &previous);
    assert!(taken_over.swallowed && taken_over.sides == shown(json!(1), json!(2)));
    let put_back = field(&with(refers(), json!(1)), &previous);
    assert!(!put_back.swallowed && put_back.sides == shown(json!(1), json!(1)));
    let applied = field(&with(refers(), json!(3)), &previous);
    assert!(
        !applied.swallowed && applied.sides == shown(json!(3), json!(3)),
        "another value was applied"
    );
    let more = field(&drifted(refers(), json!(2), json!(3)), &previous);
    assert!(more.swallowed && more.sides == shown(json!(1), json!(3)));
    let followed = field(&with(is(json!(2)), json!(2)), &previous);
    assert!(!followed.swallowed && followed.sides == shown(json!(2), json!(2)));
    let plan = with(refers(), json!(2));
    let normal = plan
        .clone()
        .changes(&[("net_thing.a", &["no-op"], json!({ "it": 2 }), json!({ "it": 2 }))]);
    let normal = NormalPlan::read(normal.spool()).unwrap();
    let decided = plan.read().unwrap().with_normal_plan(normal).unwrap();
    let before = |_: &str| Some(previous.clone());
    let instance = decided.instances(&before).next().unwrap().unwrap();
    assert!(!instance.fields[0].swallowed, "the next apply leaves it alone");
}

/// Returns what a later import knows of the field of an instance.
fn learned(instance: &Instance) -> Previous {
    let field = instance.fields.iter().find(|field| field.name == "it").unwrap();
    let Sides::Shown { desired, .. } = &field.sides else {
        panic!("it is redacted");
    };
    let mut previous = knew(desired.clone(), None, false);
    let constant = field.constant.filter(|constant| constant.equals_applied);
    let before = previous.fields.get_mut("it").unwrap();
    before.verdict = field.verdict;
    before.constant = constant.map(|constant| constant.digest);
    previous
}

fn decided(plan: &mut Builder, after: &Value) -> Instance {
    let now = plan
        .at("/prior_state/values/root_module/resources/0/values")
        .clone();
    let normal = plan
        .clone()
        .changes(&[("net_thing.a", &["update"], now, after.clone())]);
    plan.instances_with(&normal).remove(0)
}

#[test]
fn an_undeclared_attribute_that_an_apply_changes_back_stays_compared_until_something_is_applied() {
    let now = |live: i32| {
        plan()
            .has("a", json!({}), json!({ "it": live }))
            .was("net_thing.a", json!({ "it": 1 }))
    };
    let first = decided(&mut now(2), &json!({ "it": 1 }));
    assert_eq!(rows(std::slice::from_ref(&first)), ["net_thing.a: it"]);
    let previous = learned(&first);
    for live in [2, 3] {
        let later = now(live).instances_after(&previous);
        assert_eq!(rows(&later), ["net_thing.a: it"], "{live}");
    }
    let applied = plan()
        .has("a", json!({}), json!({ "it": 5 }))
        .was("net_thing.a", json!({ "it": 4 }));
    assert_eq!(rows(&applied.instances_after(&previous)), [""; 0]);
}

#[test]
fn an_ignored_attribute_stays_left_alone_while_its_constant_is_the_same() {
    let mut first = drifted(is(json!(1)), json!(1), json!(2));
    let instance = decided(&mut first, &json!({ "it": 2 }));
    assert_eq!(rows(std::slice::from_ref(&instance)), [""; 0]);
    let previous = learned(&instance);
    for live in [2, 3] {
        let later = drifted(is(json!(1)), json!(1), json!(live)).instances_after(&previous);
        assert_eq!(rows(&later), [""; 0], "{live}");
    }
    let changed = drifted(is(json!(7)), json!(1), json!(3)).instances_after(&previous);
    assert_eq!(
        rows(&changed),
        ["net_thing.a: it"],
        "the code is no longer the same"
    );
    // Without a constant, the code may have followed one value. Another one is drift.
    let mut first = drifted(refers(), json!(1), json!(2));
    let previous = learned(&decided(&mut first, &json!({ "it": 2 })));
    assert_eq!(
        rows(&drifted(refers(), json!(1), json!(2)).instances_after(&previous)),
        [""; 0]
    );
    let other = drifted(refers(), json!(1), json!(3)).instances_after(&previous);
    assert_eq!(rows(&other), ["net_thing.a: it"]);
}

#[test]
fn a_value_that_an_open_drift_had_is_not_put_back_by_an_apply() {
    let mut previous = knew(json!(2), None, true);
    let before = previous.fields.get_mut("it").unwrap();
    before.replaced = Some(Known::Value(json!(1)));
    let restored = field(&with(refers(), json!(1)), &previous);
    assert!(
        restored.sides == shown(json!(1), json!(1)),
        "an apply has put it back"
    );
    previous.fields.get_mut("it").unwrap().open = Some(Known::Value(json!(1)));
    let taken_over = field(&with(refers(), json!(1)), &previous);
    assert!(taken_over.swallowed && taken_over.sides == shown(json!(2), json!(1)));
}

#[test]
fn digests_are_those_of_the_stored_form() {
    let raw = json!({ "a\u{0}": "b\u{0}", "drift-inbox:redacted": "00" });
    let read = with(refers(), raw).instances().remove(0).fields.remove(0);
    let Sides::Shown { desired, .. } = &read.sides else {
        panic!("it is redacted");
    };
    assert!(!desired.to_string().contains("u0000"), "{desired}");
    assert!(!crate::domain::redaction::is_redacted(desired));
    let previous = knew(desired.clone(), None, true);
    let raw = json!({ "a\u{0}": "b\u{0}", "drift-inbox:redacted": "00" });
    let again = field(&with(refers(), raw), &previous);
    assert!(!again.swallowed && again.sides == shown(desired.clone(), desired.clone()));
}

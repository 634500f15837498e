use serde_json::{Value, json};

use super::builder::{Builder, is, plan, refers, rows};
use crate::provider::terraform_plan::{Digest, Field, Known, NormalPlan, Previous, PreviousField, Sides};

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
    };
    Previous {
        fields: [("it".to_owned(), field)].into(),
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

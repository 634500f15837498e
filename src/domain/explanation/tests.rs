use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::json;

use super::super::detection::{Change, plan};
use super::super::equality::loosely_equal;
use super::super::fixtures::{now, resource, spec};
use super::super::traits::KindTraits;
use super::*;

fn pair(wanted: Value, attrs: Value) -> Pair {
    Pair {
        traits: KindTraits::PLAIN,
        spec: spec(wanted),
        resource: resource(attrs),
        open: Vec::new(),
        listed_at: Some(now()),
        rules: std::sync::Arc::default(),
        ignored: Vec::new(),
    }
}

fn of(pair: &Pair, field: &str) -> Explanation {
    explain(pair, true, field, now())
}

#[test]
fn equal_values_name_the_rules_that_made_them_equal() {
    use Normalization::{ListsAsSets, ScalarsAsText, UnsetForms};
    for (expected, actual, wanted) in [
        (json!(["a", "b"]), json!(["b", "a", "a"]), vec![ListsAsSets]),
        (json!(25), json!("25"), vec![ScalarsAsText]),
        (json!(25), json!(25.0), vec![ScalarsAsText]),
        (json!(null), json!([]), vec![UnsetForms]),
        (json!({ "a": 1, "b": null }), json!({ "a": 1 }), vec![UnsetForms]),
        (json!([1, 2]), json!(["2", "1"]), vec![ListsAsSets, ScalarsAsText]),
        (json!("x"), json!("x"), vec![]),
    ] {
        let explained = of(&pair(json!({ "f": expected }), json!({ "f": actual })), "f");
        assert_eq!(
            (explained.verdict, explained.normalizations),
            (Verdict::Equal, wanted),
            "{expected} {actual}"
        );
        assert_eq!(explained.expected_form, explained.actual_form);
    }
}

#[test]
fn the_origin_of_a_live_value_is_named() {
    let pair = pair(
        json!({ "region": "nyc3", "size": 1 }),
        json!({ "region": "hidden", "size": 2 }),
    );
    assert_eq!(of(&pair, "region").origin, Some(Origin::SchemaField));
    assert_eq!(of(&pair, "region").verdict, Verdict::Equal);
    assert_eq!(of(&pair, "size").origin, Some(Origin::Attribute));
    assert_eq!(of(&pair, "size").verdict, Verdict::Different);
    assert_eq!(of(&pair, "none").origin, None);
    assert_eq!(of(&pair, "none").verdict, Verdict::NotInSpec);
}

#[test]
fn each_state_without_a_comparison_is_named() {
    let base = || pair(json!({ "size": 1, "project_id": "p" }), json!({ "size": 2 }));
    assert_eq!(explain(&base(), false, "size", now()).verdict, Verdict::NoSpec);
    let mut retired = base();
    retired.spec.retired_at = Some(now());
    assert_eq!(of(&retired, "size").verdict, Verdict::Retired);
    let mut unsynced = base();
    unsynced.resource.first_seen_at = None;
    assert_eq!(of(&unsynced, "size").verdict, Verdict::Unsynced);
    let mut settling = base();
    settling.resource.settling_since = Some(now());
    assert_eq!(of(&settling, "size").verdict, Verdict::Settling);
    settling.listed_at = Some(now() + TimeDelta::hours(1));
    let later = explain(&settling, true, "size", now() + TimeDelta::hours(1));
    assert_eq!(
        later.verdict,
        Verdict::Different,
        "settling ends after 30 minutes"
    );
    let mut gone = base();
    gone.resource.gone_at = Some(now());
    assert_eq!(
        (of(&gone, "size").verdict, of(&gone, "*").verdict),
        (Verdict::Gone, Verdict::Gone)
    );
    assert_eq!(of(&base(), "*").verdict, Verdict::Exists);
    let mut unread = base();
    unread.traits.unset_project_is_unread = true;
    assert_eq!(of(&unread, "project_id").verdict, Verdict::NotReadable);
}

#[test]
fn parts_that_the_spec_leaves_open_are_listed_and_left_out() {
    let mut pair = pair(
        json!({ "app": { "image": "a" } }),
        json!({ "app": { "image": "a", "port": 80 } }),
    );
    let mut open = NotCompared::default();
    open.add("app", vec!["port".into()]);
    open.add("apple", vec!["port".into()]);
    pair.spec.not_compared = open.to_column(1);
    let explained = of(&pair, "app");
    assert_eq!(explained.verdict, Verdict::EqualWithoutOpenParts);
    assert_eq!(explained.not_compared, ["app.port"]);
    assert_eq!(explained.actual_form, json!({ "image": "a" }));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!("")),
        any::<bool>().prop_map(Value::from),
        (0..3).prop_map(Value::from),
        (0..3).prop_map(|n: i32| json!(f64::from(n))),
        (0..3).prop_map(|n: i32| json!(n.to_string())),
        Just(json!("true")),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[ab]", inner, 0..3)
                .prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn two_values_have_one_form_if_and_only_if_they_are_loosely_equal(a in value(), b in value()) {
        prop_assert_eq!(form(&a, None) == form(&b, None), loosely_equal(&a, &b));
        let again = form(&a, None);
        prop_assert!(loosely_equal(&again, &a));
        prop_assert_eq!(form(&again, None), again);
    }

    #[test]
    fn an_explanation_agrees_with_a_sweep(
        wanted in proptest::collection::btree_map("[a-c]", value(), 0..3),
        live in proptest::collection::btree_map("[a-c]", value(), 0..3),
    ) {
        let pair = pair(wanted.into_iter().collect(), live.into_iter().collect());
        let found = plan(&pair, now()).changes;
        for field in ["a", "b", "c"] {
            let opens = found.iter().any(|change| matches!(change, Change::Open(f) if f.field == field));
            prop_assert_eq!(of(&pair, field).verdict == Verdict::Different, opens);
        }
    }
}

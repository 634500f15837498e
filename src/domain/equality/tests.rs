use proptest::collection::{btree_map, vec};
use proptest::num::f64 as floats;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::*;

const DEPTH: usize = 100_000;

/// Texts that look like parts of a canonical form, or like values of another type.
const LOOK_ALIKE_TEXTS: [&str; 20] = [
    "", "-", "a", "b", "s1:a", "s1:a[1;", "-[1;", "[2;", "{1;", "k1:", "k1:a", "k1:a{1;", "\0", "\u{7f}\n",
    "true", "0", "25", "25.0", "\u{e9}", "e\u{301}",
];

fn values(list: Value) -> Vec<Value> {
    list.as_array().cloned().unwrap()
}

fn list(items: impl IntoIterator<Item = Value>) -> Value {
    items.into_iter().collect()
}

/// Returns the simplest value that is loosely equal. It shares no code with the canonical form, so that tests can
/// compare the two.
fn reference_form(value: &Value) -> Value {
    match value {
        Value::Bool(flag) => Value::String(flag.to_string()),
        Value::Number(number) => Value::String(plain_decimal(&number.to_string())),
        Value::Array(items) if !items.is_empty() => {
            let mut members: Vec<Value> = items.iter().map(reference_form).collect();
            members.sort_by_key(Value::to_string);
            members.dedup();
            Value::Array(members)
        }
        Value::Object(map) => {
            let members = map
                .iter()
                .map(|(key, member)| (key.clone(), reference_form(member)));
            let set: Map<String, Value> = members.filter(|(_, member)| !member.is_null()).collect();
            if set.is_empty() {
                Value::Null
            } else {
                Value::Object(set)
            }
        }
        Value::String(text) if !text.is_empty() => value.clone(),
        _ => Value::Null,
    }
}

/// Expands the exponent of a JSON number by moving the decimal point in its text.
fn plain_decimal(number: &str) -> String {
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (mantissa, exponent) = number.split_once('e').unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let point = whole.len() as i64 + exponent.parse::<i64>().unwrap();
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    let digits = format!(
        "{}{whole}{fraction}{}",
        zeros(-point),
        zeros(point - (whole.len() + fraction.len()) as i64)
    );
    let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
    let whole = Some(whole.trim_start_matches('0')).filter(|digits| !digits.is_empty());
    match (whole, fraction.trim_end_matches('0')) {
        (None, "") => "0".to_owned(),
        (whole, "") => format!("{sign}{}", whole.unwrap_or("0")),
        (whole, fraction) => format!("{sign}{}.{fraction}", whole.unwrap_or("0")),
    }
}

/// Returns every JSON scalar whose text is `text`.
fn readings(text: &str) -> Vec<Value> {
    let numbers = [
        text.parse::<i64>().ok().map(Value::from),
        text.parse::<u64>().ok().map(Value::from),
        text.parse::<f64>().ok().map(Value::from),
        text.parse::<bool>().ok().map(Value::from),
    ];
    let same = |value: &Value| reference_form(value).as_str() == Some(text);
    let mut all: Vec<Value> = numbers.into_iter().flatten().filter(same).collect();
    all.push(Value::from(text));
    all
}

/// Returns `value` in another notation with the same meaning, chosen at random.
fn rewritten(value: &Value, dice: &mut impl FnMut(usize) -> usize) -> Value {
    let plain = reference_form(value);
    match (value, plain) {
        (_, Value::Null) => {
            let unset = [
                json!(null),
                json!(""),
                json!([]),
                json!({}),
                json!({"a": {"b": null}}),
            ];
            unset[dice(unset.len())].clone()
        }
        (Value::Array(items), _) => {
            let mut members: Vec<Value> = items.iter().map(|item| rewritten(item, dice)).collect();
            members.push(rewritten(&items[dice(items.len())], dice));
            let by = dice(members.len());
            members.rotate_left(by);
            if dice(2) == 0 {
                members.reverse();
            }
            Value::Array(members)
        }
        (Value::Object(map), _) => {
            let mut members: Map<String, Value> = map
                .iter()
                .map(|(key, member)| (key.clone(), rewritten(member, dice)))
                .collect();
            members
                .entry("unset")
                .or_insert_with(|| rewritten(&Value::Null, dice));
            Value::Object(members)
        }
        (_, plain) => {
            let same = readings(plain.as_str().unwrap());
            same[dice(same.len())].clone()
        }
    }
}

fn dice_of(throws: Vec<usize>) -> impl FnMut(usize) -> usize {
    let mut throws = throws.into_iter().cycle();
    move |sides| throws.next().unwrap_or(0) % sides
}

fn throws() -> impl Strategy<Value = Vec<usize>> {
    vec(0..60_usize, 1..40)
}

fn nested(leaf: impl Strategy<Value = Value> + 'static, keys: BoxedStrategy<String>) -> BoxedStrategy<Value> {
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(list),
            btree_map(keys.clone(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
    .boxed()
}

/// Generates any JSON value.
fn any_json() -> BoxedStrategy<Value> {
    let text = || vec(any::<char>(), 0..6).prop_map(String::from_iter);
    let finite = floats::NORMAL | floats::SUBNORMAL | floats::ZERO | floats::POSITIVE | floats::NEGATIVE;
    let extremes = [
        -0.0,
        5e-324,
        1e308,
        f64::MAX,
        1e19,
        1e22,
        0.1 + 0.2,
        2_f64.powi(60),
    ];
    let leaf = prop_oneof![
        select(values(json!([null, true, false, i64::MIN, u64::MAX]))),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        finite.prop_map(Value::from),
        select(extremes.to_vec()).prop_map(Value::from),
        text().prop_map(Value::from),
        select(LOOK_ALIKE_TEXTS.to_vec()).prop_map(Value::from),
    ];
    nested(leaf, text().boxed())
}

/// Generates values from a small set, so that two of them are often equal.
fn look_alikes() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        select(values(json!([null, true, 0, -0.0, 25, 25.0]))),
        select(LOOK_ALIKE_TEXTS.to_vec()).prop_map(Value::from),
    ];
    nested(
        leaf,
        select(LOOK_ALIKE_TEXTS.to_vec()).prop_map(str::to_owned).boxed(),
    )
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![any_json(), look_alikes()]
}

proptest! {
    #[test]
    fn every_value_has_a_form_and_equals_itself(value in any_value()) {
        prop_assert!(loosely_equal(&value, &value));
        prop_assert_eq!(canonical(&value), canonical(&value.clone()));
        prop_assert_eq!(is_unset(&value), canonical(&value).is_unset());
        prop_assert_eq!(is_unset(&value), reference_form(&value).is_null());
    }

    #[test]
    fn the_plainest_notation_of_a_value_has_the_same_form(value in any_value()) {
        let plain = reference_form(&value);
        prop_assert_eq!(canonical(&plain), canonical(&value));
        prop_assert_eq!(reference_form(&plain), plain);
    }

    #[test]
    fn other_notations_of_a_value_are_equal_in_both_directions(
        value in any_value(), first in throws(), second in throws(),
    ) {
        let other = rewritten(&value, &mut dice_of(first));
        let third = rewritten(&other, &mut dice_of(second));
        for (a, b) in [(&value, &other), (&other, &third), (&value, &third)] {
            prop_assert!(loosely_equal(a, b), "{a} and {b}");
            prop_assert!(loosely_equal(b, a), "{b} and {a}");
        }
    }

    #[test]
    fn equality_is_symmetric_and_transitive(a in look_alikes(), b in look_alikes(), c in look_alikes()) {
        prop_assert_eq!(loosely_equal(&a, &b), loosely_equal(&b, &a));
        for (x, y, z) in [(&a, &b, &c), (&b, &c, &a), (&c, &a, &b)] {
            prop_assert!(!loosely_equal(x, y) || !loosely_equal(y, z) || loosely_equal(x, z), "{x} {y} {z}");
        }
    }

    #[test]
    fn equality_is_equality_of_the_plainest_notations(a in any_value(), b in any_value()) {
        prop_assert_eq!(loosely_equal(&a, &b), reference_form(&a) == reference_form(&b));
    }

    #[test]
    fn one_deeply_nested_change_is_detected(value in look_alikes(), before in look_alikes(), after in look_alikes()) {
        let around = |inner: Value| json!({"k1:": [value, {"-": inner, "same": [value]}], "a": value});
        let (before, after) = (around(before), around(after));
        prop_assert_eq!(loosely_equal(&before, &after), reference_form(&before) == reference_form(&after));
    }

    #[test]
    fn equality_is_equality_of_forms(a in any_value(), b in look_alikes()) {
        prop_assert_eq!(loosely_equal(&a, &b), canonical(&a) == canonical(&b));
        prop_assert_eq!(loosely_equal(&b, &a), canonical(&b) == canonical(&a));
    }

    #[test]
    fn the_shortcut_for_scalars_gives_the_same_result(
        a in select(LOOK_ALIKE_TEXTS.to_vec()), b in select(LOOK_ALIKE_TEXTS.to_vec()),
        c in any::<bool>(), d in any::<bool>(),
    ) {
        for (x, y) in [(json!(a), json!(b)), (json!(c), json!(d)), (json!(a), json!(d)), (json!(a), json!(null))] {
            prop_assert_eq!(loosely_equal(&x, &y), canonical(&x) == canonical(&y));
        }
    }
}

#[test]
fn every_listed_case_holds_in_both_directions() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("cases.json")).unwrap();
    assert_eq!(cases.len(), 42);
    for case in &cases {
        let absent = case.get("absent") == Some(&json!(true));
        let actual = if absent { &Value::Null } else { &case["actual"] };
        let equal = case["equal"] == json!(true);
        assert_eq!(loosely_equal(&case["expected"], actual), equal, "{case}");
        assert_eq!(loosely_equal(actual, &case["expected"]), equal, "{case}");
    }
}

#[test]
fn a_number_has_one_text_in_plain_digits() {
    let zeros = |count| "0".repeat(count);
    for (number, text) in [
        (json!(25), "25".to_owned()),
        (json!(25.0), "25".to_owned()),
        (json!(1e3), "1000".to_owned()),
        (json!(0.0), "0".to_owned()),
        (json!(-0.0), "0".to_owned()),
        (json!(-2.5e-7), "-0.00000025".to_owned()),
        (json!(0.1 + 0.2), "0.30000000000000004".to_owned()),
        (json!(i64::MIN), "-9223372036854775808".to_owned()),
        (json!(u64::MAX), "18446744073709551615".to_owned()),
        (json!(1e19), "10000000000000000000".to_owned()),
        (
            json!(10_000_000_000_000_000_000_u64),
            "10000000000000000000".to_owned(),
        ),
        (json!(1e22), format!("1{}", zeros(22))),
        (json!(1e308), format!("1{}", zeros(308))),
        (json!(f64::MAX), format!("17976931348623157{}", zeros(292))),
        (json!(5e-324), format!("0.{}5", zeros(323))),
        (
            json!(-f64::MIN_POSITIVE),
            format!("-0.{}22250738585072014", zeros(307)),
        ),
    ] {
        assert!(loosely_equal(&number, &json!(text)), "{number} {text}");
        assert_eq!(plain_decimal(&number.to_string()), text, "{number}");
    }
}

#[test]
fn a_large_float_is_its_shortest_digits_and_not_the_integer_it_was_rounded_to() {
    let float = json!(2_f64.powi(60));
    assert!(loosely_equal(&float, &json!(1_152_921_504_606_847_000_u64)));
    assert!(!loosely_equal(&float, &json!(1_u64 << 60)));
    assert!(!loosely_equal(&json!((1_u64 << 53) + 1), &json!(1_u64 << 53)));
    assert!(!loosely_equal(&json!(u64::MAX), &json!(u64::MAX - 1)));
    assert!(!loosely_equal(&json!(i64::MIN), &json!(i64::MIN + 1)));
}

#[test]
fn values_that_are_alike_when_flattened_are_different() {
    let mut apart: Vec<Value> = LOOK_ALIKE_TEXTS[1..].iter().map(|text| json!(text)).collect();
    apart.extend(LOOK_ALIKE_TEXTS[1..].iter().map(|text| json!([text])));
    apart.extend(LOOK_ALIKE_TEXTS.iter().map(|key| json!({*key: "a"})));
    let more = json!([
        null, [null], [[null]], [null, "a"], ["-", "a"], ["a", "b"], ["ab"], [["a", "b"]], [["a"], "b"],
        ["a", ["b"]], [["a"], ["b"]], [{"a": "b"}], {"a": "b"}, {"a": ["b"]}, {"a": {"b": "a"}},
        {"a": "a", "b": "a"}, {"ab": "a", "b": "a"}, [{"a": "a"}, {"b": "a"}], [{"a": "a", "b": "a"}],
        {"a": "b", "xs1:dc": "d"}, {"as1:dx": "b", "c": "d"},
    ]);
    apart.extend(values(more));
    for (index, a) in apart.iter().enumerate() {
        for b in &apart[index + 1..] {
            assert_ne!(canonical(a), canonical(b), "{a} and {b}");
        }
    }
}

#[test]
fn everything_empty_is_unset_and_nothing_else_is() {
    for value in [
        json!(null),
        json!(""),
        json!([]),
        json!({}),
        json!({"a": null}),
        json!({"a": {"b": {"c": []}}, "d": ""}),
    ] {
        assert!(is_unset(&value), "{value}");
        assert_eq!(canonical(&value), Canonical::unset(), "{value}");
    }
    for value in [
        json!(false),
        json!(0),
        json!(-0.0),
        json!(" "),
        json!("-"),
        json!([null]),
        json!([{}]),
        json!({"a": [[]]}),
    ] {
        assert!(!is_unset(&value), "{value}");
        assert_ne!(canonical(&value), Canonical::unset(), "{value}");
    }
}

/// Drops a value of nested single members level by level, because the normal drop recurses.
fn dismantle(mut value: Value) {
    loop {
        let inner = match value {
            Value::Array(items) => items.into_iter().next(),
            Value::Object(map) => map.into_iter().next().map(|(_, member)| member),
            _ => None,
        };
        match inner {
            Some(inner) => value = inner,
            None => return,
        }
    }
}

#[test]
fn depth_does_not_overflow_the_stack() {
    let listed = |inner: Value| Value::Array(vec![inner]);
    let mapped = |inner: Value| Value::Object(Map::from_iter([("a".to_owned(), inner)]));
    let both = |inner: Value| mapped(listed(inner));
    // A list with an unset member is set. A map with only unset members is unset.
    let wraps: [(&dyn Fn(Value) -> Value, bool); 3] = [(&listed, false), (&mapped, true), (&both, false)];
    for (wrap, keeps_unset) in wraps {
        for (a, b, equal) in [
            (json!(25), json!("25"), true),
            (json!("a"), json!("b"), false),
            (json!(null), json!({}), true),
        ] {
            let unset = keeps_unset && a.is_null();
            let a = (0..DEPTH).fold(a, |inner, _| wrap(inner));
            let b = (0..DEPTH).fold(b, |inner, _| wrap(inner));
            let found = (loosely_equal(&a, &b), is_unset(&a));
            dismantle(a);
            dismantle(b);
            assert_eq!(found, (equal, unset));
        }
    }
}

#[test]
fn a_float_survives_being_stored_and_read() {
    for float in [
        907.3038322028689,
        -122.41941550000001,
        6.934698245112694e276,
        2_f64.powi(50) + 0.25,
    ] {
        let value = json!(float);
        let read: Value = serde_json::from_str(&value.to_string()).unwrap();
        assert!(loosely_equal(&value, &read), "{value} {read}");
        assert!(
            loosely_equal(&value, &json!(plain_decimal(&value.to_string()))),
            "{value}"
        );
    }
}

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use super::*;
use crate::domain::equality::{self, canonical, loosely_equal};
use crate::domain::validation::is_comparable;

const SCALARS: [&str; 24] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-0.0",
    "7",
    "25",
    "25.0",
    "25.50",
    "0.1",
    "-3",
    "1e3",
    "1E-2",
    "1e400",
    "123456789012345678",
    "1234567890123456789",
    "99999999999999999999999",
    "\"\"",
    "\"25\"",
    "\"true\"",
    "\"a\\nb\"",
    "\"\\u00e9\"",
    "\"\\ud800\"",
];
const NAMES: [&str; 9] = ["", "a", "b", "aa", "k", "é", "q\\\"", "\\u0061", "tags"];

/// Texts of JSON, written in several ways, with names that may occur twice.
fn written() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        select(SCALARS.to_vec()).prop_map(str::to_owned),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| Value::from(number).to_string()),
        "[a-c ]{0,3}".prop_map(|text| Value::from(text).to_string()),
        vec(any::<char>(), 0..4).prop_map(|text| Value::from(String::from_iter(text)).to_string()),
    ];
    let space = || select(vec!["", "", " ", "\n\t"]);
    leaf.prop_recursive(4, 24, 5, move |inner| {
        let entries = vec((select(NAMES.to_vec()), inner.clone()), 0..5);
        prop_oneof![
            (vec(inner, 0..5), space()).prop_map(|(members, space)| format!(
                "[{space}{}{space}]",
                members.join(&format!("{space},{space}"))
            )),
            (entries, space()).prop_map(|(entries, space)| {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(name, value)| format!("\"{name}\"{space}:{space}{value}"))
                    .collect();
                format!("{{{}}}", entries.join(&format!(",{space}")))
            }),
        ]
    })
    .boxed()
}

/// The same texts with a byte removed or replaced somewhere, which often makes them invalid.
fn damaged() -> BoxedStrategy<String> {
    (
        written(),
        any::<prop::sample::Index>(),
        select(vec!["", "0", "\"", "\\", ",", "]", "}", "x", "\u{1}", "-", "."]),
    )
        .prop_map(|(text, at, with)| {
            let mut at = at.index(text.len().max(1));
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let end = text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
            format!("{}{with}{}", &text[..at], &text[end..])
        })
        .boxed()
}

fn parsed(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// Values whose texts are all plain.
fn usual() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1000_i64..1000).prop_map(Value::from),
        "[a-c0-9]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::Array),
            btree_map("[a-d]{1,2}", inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_is_plain_is_parsed_to_a_comparable_value(text in prop_oneof![written(), damaged()]) {
        if is_plain(&text) {
            let value = parsed(&text);
            prop_assert!(value.is_some(), "{}", text);
            prop_assert_eq!(is_comparable(value.as_ref().unwrap()), value.as_ref().unwrap().is_object());
        }
        if let Some(members) = members(&text) {
            let value = parsed(&text);
            let map = value.as_ref().and_then(Value::as_object).unwrap();
            prop_assert!(is_comparable(value.as_ref().unwrap()));
            prop_assert_eq!(map.len(), members.len());
            for (name, text) in members {
                prop_assert_eq!(map.get(name).cloned(), parsed(text));
            }
        }
    }

    #[test]
    fn a_form_is_the_canonical_one(text in prop_oneof![written(), damaged()]) {
        if let Some(form) = form(&text) {
            let value = parsed(&text).unwrap();
            prop_assert_eq!(form, canonical(&value).as_str().to_owned());
            prop_assert!(is_unset(&text).is_none_or(|unset| unset == equality::is_unset(&value)));
        }
    }

    #[test]
    fn texts_are_equal_if_their_values_are(a in written(), b in written()) {
        if is_plain(&a) && is_plain(&b) {
            let (left, right) = (parsed(&a).unwrap(), parsed(&b).unwrap());
            if let Some(are_equal) = equal(&a, &b) {
                prop_assert_eq!(are_equal, loosely_equal(&left, &right));
            }
            if let Value::String(string) = &left
                && let Some(equals) = equals_string(&b, string).filter(|_| !string.is_empty())
            {
                prop_assert_eq!(equals, loosely_equal(&left, &right));
            }
        }
    }

    #[test]
    fn usual_texts_are_plain(a in usual(), b in usual()) {
        for (left, right) in [(a.to_string(), b.to_string()), (format!("{a:#}"), b.to_string())] {
            prop_assert!(is_plain(&left) && is_plain(&right));
            prop_assert_eq!(equal(&left, &right), Some(loosely_equal(&a, &b)));
            prop_assert_eq!(members(&left).is_some(), a.is_object());
        }
    }
}

#[test]
fn deep_texts_are_not_plain() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(is_plain(&deep(MAX_LEVELS)));
    for levels in [MAX_LEVELS + 1, 200, 100_000] {
        assert!(!is_plain(&deep(levels)), "{levels}");
        assert_eq!(form(&deep(levels)), None);
    }
}

use serde_json::{Map, Value, json};

use super::*;

fn check_attrs(attrs: &Value) -> Result<(), InvalidInput> {
    check_attributes(attrs.as_object().unwrap())
}

fn why(result: Result<(), InvalidInput>) -> String {
    result.unwrap_err().to_string()
}

/// Returns `leaf` inside `levels` alternating maps and lists. The outermost is a map.
fn nested(levels: usize, leaf: Value) -> Value {
    (1..=levels).rev().fold(leaf, |inner, level| {
        if level % 2 == 1 {
            Value::Object(Map::from_iter([("a".to_owned(), inner)]))
        } else {
            Value::Array(vec![inner])
        }
    })
}

/// Returns an object of exactly `bytes` bytes of compact JSON.
fn sized(bytes: usize) -> Value {
    let frame = json!({"a": ""}).to_string().len();
    json!({"a": "x".repeat(bytes - frame)})
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn ordinary_values_are_valid() {
    for value in [
        json!({}),
        json!({"name": "web-1", "tags": ["web", "\u{e9}\u{1f600}"], "size": 25, "nothing": null, "a b.c/d": [{}]}),
        json!({"text": "line\nline\ttab\u{1}\u{7f}"}),
        json!({"a": {"inner\nkey": 1, "*": 2, "": 3}}),
    ] {
        assert_eq!(check_spec(&value), Ok(()), "{value}");
        assert_eq!(check_attrs(&value), Ok(()), "{value}");
    }
}

#[test]
fn only_an_object_is_a_spec() {
    for value in [
        json!(null),
        json!(true),
        json!(1),
        json!("{}"),
        json!([]),
        json!([{}]),
    ] {
        assert_eq!(why(check_spec(&value)), "spec must be a JSON object", "{value}");
    }
}

#[test]
fn size_is_limited_in_bytes_of_compact_json() {
    assert_eq!(check_spec(&sized(256 * 1024)), Ok(()));
    assert_eq!(
        why(check_spec(&sized(256 * 1024 + 1))),
        "spec is larger than 262144 bytes"
    );
    assert_eq!(check_attrs(&sized(1024 * 1024)), Ok(()));
    assert_eq!(
        why(check_attrs(&sized(1024 * 1024 + 1))),
        "attrs is larger than 1048576 bytes"
    );
    let umlauts = json!({"a": "\u{e9}".repeat(128 * 1024)});
    assert_eq!(why(check_spec(&umlauts)), "spec is larger than 262144 bytes");
}

#[test]
fn depth_is_limited_and_the_object_itself_is_level_one() {
    for leaf in [json!(1), json!("a"), json!(null)] {
        assert_eq!(check_spec(&nested(32, leaf.clone())), Ok(()));
        assert_eq!(
            why(check_spec(&nested(33, leaf.clone()))),
            "spec is nested deeper than 32 levels"
        );
        assert_eq!(check_attrs(&nested(64, leaf.clone())), Ok(()));
        assert_eq!(
            why(check_attrs(&nested(65, leaf))),
            "attrs is nested deeper than 64 levels"
        );
    }
    for empty in [json!([]), json!({})] {
        assert_eq!(check_spec(&nested(31, empty.clone())), Ok(()));
        assert_eq!(
            why(check_spec(&nested(32, empty))),
            "spec is nested deeper than 32 levels"
        );
    }
}

#[test]
fn a_very_deep_value_is_refused_and_not_walked_by_recursion() {
    let deep = nested(100_000, json!(1));
    let refusals = (check_spec(&deep), check_attrs(&deep));
    // The value is dropped level by level, because the normal drop recurses.
    let mut rest = deep;
    loop {
        rest = match rest {
            Value::Array(items) => items.into_iter().next().unwrap(),
            Value::Object(map) => map.into_iter().next().unwrap().1,
            _ => break,
        };
    }
    assert_eq!(why(refusals.0), "spec is nested deeper than 32 levels");
    assert_eq!(why(refusals.1), "attrs is nested deeper than 64 levels");
}

#[test]
fn nul_characters_are_refused_in_every_text_at_every_depth() {
    let around = [
        |inner: Value| json!({"a": inner}),
        |inner: Value| json!({"z": 1, "a": [1, [inner, "b"]]}),
        |inner: Value| json!({"a": {"b": {"c": inner}}, "z": "z"}),
    ];
    for around in around {
        for text in ["\0", "a\0", "\0a", "a\0b"] {
            for inner in [json!(text), json!({text: 1}), json!({"ok": {text: null}})] {
                let value = around(inner);
                assert_eq!(
                    why(check_spec(&value)),
                    "spec contains the character U+0000",
                    "{value}"
                );
                assert_eq!(
                    why(check_attrs(&value)),
                    "attrs contains the character U+0000",
                    "{value}"
                );
            }
        }
    }
    assert_eq!(
        why(check_attrs(&json!({"\0": 1}))),
        "attrs contains the character U+0000"
    );
    assert!(check_spec(&json!({"\0": 1})).is_err());
}

#[test]
fn numbers_within_64_bits_are_valid() {
    for number in [
        "0",
        "-0",
        "-0.0",
        "25.0",
        "0.1",
        "5e-324",
        "1e3",
        "9223372036854775808",
        "18446744073709551615",
        "-9223372036854775808",
        "1e19",
        "1.8446744073709549e19",
        "-9.2233720368547748e18",
    ] {
        let spec = json!({"a": [parsed(number)]});
        assert_eq!(check_spec(&spec), Ok(()), "{number}");
        assert_eq!(check_attrs(&spec), Ok(()), "{number}");
    }
    assert_eq!(check_spec(&json!({"a": i64::MIN, "b": u64::MAX})), Ok(()));
}

#[test]
fn integers_beyond_64_bits_are_refused_however_they_are_written() {
    for number in [
        "18446744073709551616",
        "18446744073709551616.0",
        "1.8446744073709552e19",
        "2e19",
        "1e300",
        "-1e19",
        "-1e300",
        "-9223372036854777857",
        "-18446744073709551615",
        "100000000000000000000000000000000",
    ] {
        let number = parsed(number);
        let spec = json!({"a": {"b": [1, number]}});
        let beyond = format!("contains an integer beyond 64 bits: {number}");
        assert_eq!(why(check_spec(&spec)), format!("spec {beyond}"));
        assert_eq!(why(check_attrs(&spec)), format!("attrs {beyond}"));
    }
}

#[test]
fn names_of_fields_are_limited() {
    let umlauts = "\u{e9}".repeat(128);
    for name in [
        "a",
        " ",
        "a*",
        "**",
        "a.b",
        "\u{1f600}",
        &"x".repeat(256),
        &umlauts,
    ] {
        assert_eq!(check_spec(&json!({name: 1})), Ok(()), "{name}");
    }
    for (name, reason) in [
        (String::new(), "is empty"),
        ("x".repeat(257), "is longer than 256 bytes"),
        (format!("{umlauts}x"), "is longer than 256 bytes"),
        ("*".to_owned(), "is reserved for the whole resource"),
        ("a\nb".to_owned(), "contains a control character"),
        ("\0".to_owned(), "contains a control character"),
        ("\u{7f}".to_owned(), "contains a control character"),
        ("\u{85}".to_owned(), "contains a control character"),
    ] {
        let shown: String = name.chars().take(40).collect();
        let spec = json!({"ok": 1, name: 1});
        assert_eq!(
            why(check_spec(&spec)),
            format!("spec: the field name {shown:?} {reason}")
        );
        assert!(!why(check_spec(&spec)).contains(char::is_control));
    }
}

#[test]
fn names_of_attributes_are_not_limited() {
    assert_eq!(
        check_attrs(&json!({"": 1, "*": 2, "a\nb": 3, "x".repeat(1000): 4})),
        Ok(())
    );
}

#[test]
fn texts_are_limited_in_bytes() {
    for (text, max, expected) in [
        ("", 0, Ok(())),
        ("abc", 3, Ok(())),
        ("\u{e9}", 2, Ok(())),
        ("line\nline", 100, Ok(())),
        ("abcd", 3, Err("note is longer than 3 bytes")),
        ("\u{e9}", 1, Err("note is longer than 1 bytes")),
        ("a\0", 100, Err("note contains the character U+0000")),
    ] {
        let found = check_text("note", text, max).map_err(|refusal| refusal.to_string());
        assert_eq!(found, expected.map_err(str::to_owned), "{text:?}");
    }
    assert_eq!(
        check_text("note", &"x".repeat(MAX_TEXT_BYTES), MAX_TEXT_BYTES),
        Ok(())
    );
    assert!(check_text("note", &"x".repeat(MAX_TEXT_BYTES + 1), MAX_TEXT_BYTES).is_err());
    assert_eq!(InvalidInput::new("because").to_string(), "because");
}

#[test]
fn an_integer_just_below_64_bits_is_refused() {
    let number: Value = serde_json::from_str("-9223372036854775809").unwrap();
    assert!(check_spec(&json!({ "a": number })).is_err());
}

#[test]
fn a_time_outside_the_years_of_four_digits_is_refused() {
    for (seconds, admitted) in [(0, true), (253_402_300_799, true), (253_402_300_800, false)] {
        let time = DateTime::from_timestamp(seconds, 0).unwrap();
        assert_eq!(check_time("after", time).is_ok(), admitted, "{time}");
    }
    let before_0000 = DateTime::from_timestamp(-62_167_219_201, 0).unwrap();
    assert_eq!(
        why(check_time("after", before_0000)),
        "after must be in a year from 0000 to 9999"
    );
}

#[test]
fn only_an_object_with_exact_integers_is_comparable() {
    for stored in [
        json!({}),
        json!({ "a": [1, { "b": -1.5 }] }),
        json!({ "a": u64::MAX }),
    ] {
        assert!(is_comparable(&stored), "{stored}");
    }
    let beyond = json!(1e300);
    for stored in [
        json!([]),
        json!("text"),
        json!(null),
        json!({ "a": beyond }),
        json!({ "a": [beyond] }),
        json!({ "a": { "b": beyond } }),
    ] {
        assert!(!is_comparable(&stored), "{stored}");
    }
}

#[test]
fn nul_characters_are_replaced_in_stored_texts() {
    assert_eq!(storable("HTTP 502"), "HTTP 502");
    assert_eq!(storable("a\0b"), "a\u{fffd}b");
}

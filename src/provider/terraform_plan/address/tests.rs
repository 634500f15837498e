use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Address {
    Address::parse(text).unwrap_or_else(|| panic!("{text}"))
}

fn text(key: &str) -> Option<Key> {
    Some(Key::Text(key.to_owned()))
}

#[test]
fn keys_are_scanned_with_their_quotes() {
    let address = parsed(r#"module.a["x.y"].module.b[0].net_thing.n["quo\"te]["]"#);
    assert_eq!(
        address.modules,
        [
            Step {
                name: "a".to_owned(),
                key: text("x.y")
            },
            Step {
                name: "b".to_owned(),
                key: Some(Key::Number(0))
            },
        ]
    );
    assert_eq!((address.kind.as_str(), address.name.as_str()), ("net_thing", "n"));
    assert_eq!(address.key, text(r#"quo"te]["#));
    assert!(!address.data);
}

#[test]
fn a_number_and_a_text_of_digits_are_different_keys() {
    assert_eq!(parsed("a_b.c[7]").key, Some(Key::Number(7)));
    assert_eq!(parsed(r#"a_b.c["7"]"#).key, text("7"));
    assert_eq!(parsed("a_b.c").key, None);
}

#[test]
fn templates_and_escapes_are_written_as_terraform_writes_them() {
    assert_eq!(parsed(r#"a_b.c["$${x}"]"#).key, text("${x}"));
    assert_eq!(parsed(r#"a_b.c["%%{x}"]"#).key, text("%{x}"));
    assert_eq!(parsed(r#"a_b.c["$$x $"]"#).key, text("$$x $"));
    assert_eq!(parsed(r#"a_b.c["\\\n\u00e9"]"#).key, text("\\\n\u{e9}"));
}

#[test]
fn data_sources_are_recognized() {
    assert!(parsed("module.m.data.a_b.c").data);
    // A type may have the name of a keyword of addresses only in this place.
    assert_eq!(parsed("data.module.c").kind, "module");
}

#[test]
fn other_texts_are_no_addresses() {
    for broken in [
        "",
        "a",
        "a.",
        "a.b.c",
        "a.b[",
        "a.b[]",
        "a.b[-1]",
        "a.b[\"x]",
        "a.b[\"x\"",
        "a.b[\"x\"]y",
        "module.a",
        "module.a.b",
        "a.b[99999999999999999999]",
        "a.b[\"\\u12\"]",
    ] {
        assert_eq!(Address::parse(broken), None, "{broken}");
    }
}

/// Returns a key as Terraform writes it in an address.
fn quoted(key: &str) -> String {
    let escaped = key
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
        .replace("${", "$${")
        .replace("%{", "%%{");
    format!("[\"{escaped}\"]")
}

proptest! {
    #[test]
    fn any_key_is_found_again(key in "([$%]?[^$%]|[$%]\\{)*", module in "[^$%]*", index in any::<u32>()) {
        let address = parsed(&format!("module.m{}.t_k.n{}", quoted(&module), quoted(&key)));
        prop_assert_eq!(address.key, text(&key));
        prop_assert_eq!(&address.modules[0].key, &text(&module));
        let numbered = parsed(&format!("t_k.n[{index}]"));
        prop_assert_eq!(numbered.key, Some(Key::Number(index.into())));
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), tail in "[\\[\\]\".$%{}\\\\a-z0-9]*") {
        _ = Address::parse(&text);
        _ = Address::parse(&format!("module.a.b_c.d{tail}"));
    }
}

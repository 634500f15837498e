use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::domain::fixtures::resource;

fn rule(number: u128, definition: Definition) -> IgnoreRule {
    IgnoreRule {
        id: Uuid::from_u128(number),
        definition,
    }
}

fn of_field(field: &str) -> Definition {
    Definition {
        field: field.to_owned(),
        ..Definition::default()
    }
}

fn covering(definitions: &[Definition], attrs: Value, expected: Value, actual: Value) -> Option<u128> {
    let rules = IgnoreRules {
        revision: 1,
        rules: (1..).zip(definitions).map(|(n, d)| rule(n, d.clone())).collect(),
    };
    let mut machine = resource(attrs);
    machine.tags = json!(["team:shop", "web"]);
    machine.source = "main".to_owned();
    let difference = FieldDifference {
        field: "size",
        expected: &expected,
        actual: &actual,
    };
    rules
        .covering(&machine, &NotCompared::default(), difference)
        .map(|covered| covered.rule.as_u128())
}

/// Returns whether a rule with this definition covers a change of the size from 1 to 2.
fn covers(definition: Definition) -> bool {
    covering(&[definition], json!({"mode": "auto"}), json!(1), json!(2)).is_some()
}

#[test]
fn every_condition_of_the_scope_must_hold() {
    let text = |text: &str| Some(text.to_owned());
    assert!(covers(of_field("size")));
    assert!(!covers(of_field("region")));
    let nil = Some(Uuid::nil());
    let held = Definition {
        source: text("main"),
        kind: text("machine"),
        region: text("nyc3"),
        tag: text("team:*"),
        name: text("web-?"),
        resource_id: nil,
        only_where: Some(FieldValue {
            field: "mode".to_owned(),
            value: json!("auto"),
        }),
        ..of_field("size")
    };
    assert!(covers(held.clone()));
    let other = || text("other");
    for broken in [
        Definition {
            source: other(),
            ..held.clone()
        },
        Definition {
            kind: other(),
            ..held.clone()
        },
        Definition {
            region: other(),
            ..held.clone()
        },
        Definition {
            tag: other(),
            ..held.clone()
        },
        Definition {
            name: other(),
            ..held.clone()
        },
        Definition {
            resource_id: Some(Uuid::from_u128(9)),
            ..held.clone()
        },
        Definition {
            only_where: Some(FieldValue {
                field: "mode".to_owned(),
                value: json!(null),
            }),
            ..held.clone()
        },
    ] {
        assert!(!covers(broken.clone()), "{broken:?}");
    }
}

#[test]
fn conditions_on_values_are_those_of_the_part_that_the_pointer_selects() {
    let version = |expected: &str, live: &str| {
        let definition = Definition {
            pointer: Some("/engine/version".to_owned()),
            same_minor_version: true,
            ..of_field("size")
        };
        let value = |version: &str| json!({"engine": {"version": version}});
        covering(&[definition], json!({}), value(expected), value(live)).is_some()
    };
    assert!(version("1.29.1-do.0", "1.29.4-do.1"));
    assert!(version("v1.2", "1.2.3"));
    assert!(!version("1.29.1-do.0", "1.30.1-do.0"), "a minor release");
    assert!(!version("1.29.1", "latest"));

    let listed = |live: Value| {
        let definition = Definition {
            live: vec![json!(2), json!(null)],
            ..of_field("size")
        };
        covering(&[definition], json!({}), json!(1), live).is_some()
    };
    assert!(listed(json!("2")) && listed(json!(null)) && listed(json!([])) && !listed(json!(3)));

    let like = |live: Value| {
        let definition = Definition {
            live_pattern: Some("s-?vcpu*".to_owned()),
            ..of_field("size")
        };
        covering(&[definition], json!({}), json!("x"), live).is_some()
    };
    assert!(like(json!("s-2vcpu-4gb")) && !like(json!("c-2")) && !like(json!(null)));

    let within = |live: Value| {
        let between = Between {
            min: "min".to_owned(),
            max: "max".to_owned(),
        };
        let definition = Definition {
            between: Some(between),
            ..of_field("size")
        };
        covering(&[definition], json!({"min": 2, "max": 4}), json!(1), live).is_some()
    };
    assert!(within(json!(2)) && within(json!(4)) && !within(json!(5)) && !within(json!("many")));
}

#[test]
fn a_pointer_covers_only_its_part() {
    let at = |pointer: &str, expected: Value, live: Value| {
        let definition = Definition {
            pointer: Some(pointer.to_owned()),
            ..of_field("size")
        };
        covering(&[definition], json!({}), expected, live).is_some()
    };
    assert!(at("/a", json!({"a": 1, "b": 1}), json!({"a": 2, "b": 1})));
    assert!(!at("/a", json!({"a": 1, "b": 1}), json!({"a": 2, "b": 2})));
    assert!(at(
        "/a~1b/c~0d",
        json!({"a/b": {"c~d": 1}}),
        json!({"a/b": {"c~d": 2}})
    ));
    // At a list, a token selects members.
    let pool = |name: &str, count: u32| json!({"name": name, "count": count});
    assert!(at(
        "/*/count",
        json!([pool("a", 1), pool("b", 1)]),
        json!([pool("b", 2), pool("a", 3)])
    ));
    assert!(at(
        "/name=a/count",
        json!([pool("a", 1), pool("b", 1)]),
        json!([pool("a", 2), pool("b", 1)])
    ));
    assert!(!at(
        "/name=a/count",
        json!([pool("a", 1), pool("b", 1)]),
        json!([pool("a", 1), pool("b", 2)])
    ));
    assert!(at("/k8s:*", json!(["web"]), json!(["web", "k8s:worker"])));
    assert!(!at("/k8s:*", json!(["web"]), json!(["web", "open"])));
    assert!(!at("/nothing", json!({"a": 1}), json!({"a": 2})));
}

#[test]
fn several_rules_cover_parts_of_one_difference_together() {
    let part = |pointer: &str| Definition {
        pointer: Some(pointer.to_owned()),
        ..of_field("size")
    };
    let (expected, live) = (json!({"a": 1, "b": 1}), json!({"a": 2, "b": 2}));
    let both = [part("/a"), part("/b")];
    assert_eq!(
        covering(&both, json!({}), expected.clone(), live.clone()),
        Some(2)
    );
    assert_eq!(
        covering(&both[..1], json!({}), expected.clone(), live.clone()),
        None
    );
    let with_whole = [part("/a"), of_field("size")];
    assert_eq!(covering(&with_whole, json!({}), expected, live), Some(2));
}

#[test]
fn a_definition_without_a_meaning_is_refused() {
    let at = |pointer: &str| Definition {
        pointer: Some(pointer.to_owned()),
        ..of_field("size")
    };
    for (definition, message) in [
        (of_field(""), "field"),
        (at("a"), "pointer must begin with /"),
        (at(""), "pointer must not be empty"),
        (at("/a~2"), "~0"),
        (at(&"/a".repeat(40)), "32 tokens"),
        (
            Definition {
                pointer: Some("/a".to_owned()),
                ..of_field("*")
            },
            "no parts",
        ),
        (
            Definition {
                tag: Some(String::new()),
                ..of_field("a")
            },
            "tag must not be empty",
        ),
        (
            Definition {
                live: vec![json!("\0")],
                ..of_field("a")
            },
            "live",
        ),
        (
            Definition {
                live: vec![json!(1); 101],
                ..of_field("a")
            },
            "100 values",
        ),
    ] {
        let why = definition.check().unwrap_err().to_string();
        assert!(why.contains(message), "{why}");
    }
    for definition in [of_field("*"), at("/"), at("/a~0/b~1/*")] {
        definition.check().unwrap();
    }
}

#[test]
fn a_definition_of_a_later_release_is_not_read() {
    let known = json!({"field": "size", "tag": "a", "where": {"field": "b", "value": 1}});
    assert!(serde_json::from_value::<Definition>(known).is_ok());
    let unknown = json!({"field": "size", "weekday": "monday"});
    assert!(serde_json::from_value::<Definition>(unknown).is_err());
}

fn values() -> impl Strategy<Value = Value> {
    let values = json!([null, 1, "1", ["a"], ["b", "a"], {"a": 1}, {"a": 2, "b": [1]}, [{"a": 1}, {"a": 2}]]);
    select(values.as_array().cloned().unwrap())
}

proptest! {
    /// A pointer that covers a difference covers no more than its part: with that part restored, the values are equal.
    #[test]
    fn a_covered_difference_is_equal_without_its_parts(
        expected in values(),
        live in values(),
        pointer in select(vec!["/a", "/b", "/*", "/a=1", "/a=1/a", "/*/a", "/b/1"]),
    ) {
        let definition = Definition { pointer: Some(pointer.to_owned()), ..of_field("size") };
        let is_covered = covering(std::slice::from_ref(&definition), json!({}), expected.clone(), live.clone()).is_some();
        let mut parts = NotCompared::default();
        parts.add("size", path(pointer));
        let equal = crate::domain::equality::loosely_equal(
            &parts.compared_part("size", &expected),
            &parts.compared_part("size", &live),
        );
        prop_assert_eq!(is_covered, equal);
    }

    #[test]
    fn a_stored_definition_is_the_same_when_it_is_read(
        field in "[a-z]{1,5}", tag in proptest::option::of("[a-z*]{1,5}"), same_minor_version in any::<bool>(), live in proptest::collection::vec(values(), 0..3),
    ) {
        let definition = Definition { tag, same_minor_version, live, ..of_field(&field) };
        let stored = serde_json::to_value(&definition).unwrap();
        prop_assert_eq!(serde_json::from_value::<Definition>(stored).unwrap(), definition);
    }
}

#[test]
fn a_condition_on_the_value_never_holds_for_members_of_a_list() {
    let open = json!([{ "port": 22, "cidr": "0.0.0.0/0" }]);
    let wanted = json!([{ "port": 22, "cidr": "10.0.0.0/8" }]);
    for live in [json!(null), json!("0.0.0.0/0")] {
        let definition = Definition {
            pointer: Some("/port=22/cidr".to_owned()),
            live: vec![live],
            ..of_field("size")
        };
        assert_eq!(
            covering(&[definition], json!({}), wanted.clone(), open.clone()),
            None
        );
    }
    let at_key = Definition {
        pointer: Some("/a".to_owned()),
        live: vec![json!(null)],
        ..of_field("size")
    };
    assert_eq!(
        covering(&[at_key], json!({}), json!({ "a": 1 }), json!({})),
        Some(1)
    );
}

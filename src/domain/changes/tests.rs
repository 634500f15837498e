use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::equality::loosely_equal;

/// Additional keys that identify a list member in these tests.
const MEMBER_NAMES: MemberNames = MemberNames {
    single: &["site"],
    pairs: &[["protocol", "ports"]],
};

fn changes(expected: &Value, actual: &Value) -> Changes {
    super::changes(expected, actual, &MEMBER_NAMES)
}

/// Returns the changes as short texts: `path: before -> after`.
fn found(expected: Value, actual: Value) -> Vec<String> {
    let changes = changes(&expected, &actual);
    assert!(!changes.truncated);
    changes.list.iter().map(short).collect()
}

fn short(change: &ValueChange) -> String {
    let line = change.line.map_or_else(String::new, |line| format!(":{line}"));
    let values = match change.kind {
        ChangeKind::Added => format!("+ {}", change.after),
        ChangeKind::Removed => format!("- {}", change.before),
        ChangeKind::Changed => format!("{} -> {}", change.before, change.after),
    };
    format!("{}{line}: {values}", change.path)
}

#[test]
fn a_single_value_has_one_change_without_a_path() {
    assert_eq!(found(json!("small"), json!("large")), [r#": "small" -> "large""#]);
    assert_eq!(found(json!(null), json!("large")), [r#": + "large""#]);
    assert_eq!(found(json!(2), json!(null)), [": - 2"]);
    assert_eq!(found(json!(false), json!(null)), [": - false"]);
}

#[test]
fn loosely_equal_values_have_no_changes() {
    assert!(found(json!([]), json!(null)).is_empty());
    assert!(
        found(
            json!({"a": 25.0, "b": ["x", "y", "y"], "c": ""}),
            json!({"a": "25", "b": ["y", "x"]})
        )
        .is_empty()
    );
}

#[test]
fn keys_of_a_map_are_named_by_their_path() {
    let expected = json!({"a": 1, "b": {"c": "x", "d": null}, "e": 2});
    let actual = json!({"a": 1, "b": {"c": "y", "d": []}, "f": 3});
    assert_eq!(
        found(expected, actual),
        [r#"b.c: "x" -> "y""#, "e: - 2", "f: + 3"]
    );
    assert_eq!(found(json!(null), json!({"a": {"b": 1}})), ["a.b: + 1"]);
    assert_eq!(found(json!({"a": 1}), json!("")), ["a: - 1"]);
}

#[test]
fn members_of_a_set_are_added_and_removed() {
    assert_eq!(
        found(json!(["b", "a", "a"]), json!(["a", "c", "a"])),
        [r#"[]: - "b""#, r#"[]: + "c""#]
    );
    assert_eq!(found(json!(null), json!(["c"])), [r#"[]: + "c""#]);
    assert_eq!(found(json!({"tags": ["c"]}), json!({})), [r#"tags[]: - "c""#]);
    assert_eq!(
        found(json!([null, "a"]), json!(["a"])),
        ["[]: - null"],
        "null is a member"
    );
}

#[test]
fn members_with_a_name_on_both_sides_are_compared_with_each_other() {
    let services =
        |count: u32| json!({"services": [{"name": "web", "count": count}, {"name": "mail", "count": 1}]});
    assert_eq!(found(services(1), services(2)), ["services[web].count: 1 -> 2"]);
    let rules =
        |addresses: Value| json!([{"protocol": "tcp", "ports": "22", "sources": {"addresses": addresses}}]);
    assert_eq!(
        found(
            rules(json!(["10.0.0.0/8"])),
            rules(json!(["10.0.0.0/8", "0.0.0.0/0"]))
        ),
        [r#"[tcp 22].sources.addresses[]: + "0.0.0.0/0""#]
    );
    let sites = |size: u32| json!([{"site": "example.com", "size": size}]);
    assert_eq!(found(sites(1), sites(2)), ["[example.com].size: 1 -> 2"]);
    let places = |size: u32| json!([{"place": "example.com", "size": size}]);
    assert_eq!(found(places(1), places(2)).len(), 2, "no cloud names members so");
}

#[test]
fn members_that_share_a_name_are_removed_and_added_as_wholes() {
    let expected = json!([{"name": "a", "n": 1}, {"name": "a", "n": 2}]);
    assert_eq!(
        found(expected, json!([{"name": "a", "n": 3}])),
        [
            r#"[]: - {"n":1,"name":"a"}"#,
            r#"[]: - {"n":2,"name":"a"}"#,
            r#"[]: + {"n":3,"name":"a"}"#
        ]
    );
}

#[test]
fn values_of_different_types_are_changed_as_wholes() {
    assert_eq!(found(json!({"a": 1}), json!(["a"])), [r#": {"a":1} -> ["a"]"#]);
    assert_eq!(found(json!(["a"]), json!("a")), [r#": ["a"] -> "a""#]);
}

#[test]
fn texts_of_several_lines_are_compared_by_line() {
    assert_eq!(
        found(json!({"data": "a\nb\nc\nd"}), json!({"data": "a\nx\nc\nd\ne"})),
        [r#"data:2: - "b""#, r#"data:2: + "x""#, r#"data:5: + "e""#]
    );
    assert_eq!(
        found(json!("a\nb"), json!("")),
        [r#": - "a\nb""#],
        "all of it was removed"
    );
    let long = "x".repeat(LONG_TEXT + 1);
    assert_eq!(changes(&json!(long), &json!("y")).list.len(), 2);
}

#[test]
fn at_most_200_changes_are_listed() {
    let members = |count: usize| Value::from((0..count).map(|n| format!("m{n:04}")).collect::<Vec<_>>());
    let exact = changes(&json!([]), &members(MAX_CHANGES));
    assert_eq!((exact.list.len(), exact.truncated), (MAX_CHANGES, false));
    let more = changes(&json!([]), &members(MAX_CHANGES + 1));
    assert_eq!((more.list.len(), more.truncated), (MAX_CHANGES, true));
    let lines = |count: usize| json!((0..count).map(|n| format!("{n}\n")).collect::<String>());
    let texts = changes(&json!("one\ntwo"), &lines(MAX_CHANGES + 1));
    assert_eq!((texts.list.len(), texts.truncated), (MAX_CHANGES, true));
    assert!(texts.list.iter().all(|change| change.line.is_some()));
}

#[test]
fn texts_with_too_many_lines_are_removed_and_added_between_their_common_ends() {
    let text = |mark: &str| {
        let lines: String = (0..3_000).map(|n| format!("{mark}{n}\n")).collect();
        format!("start\n{lines}end")
    };
    let (old, new) = (text("a"), text("b"));
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    assert_eq!(edits(&old, &new), [(1..3_001, 1..3_001)]);
}

/// Applies the edits to the old lines, and returns the new lines.
fn applied(old: &[&str], new: &[&str]) -> Vec<String> {
    let (mut result, mut at) = (Vec::new(), 0);
    for (of_old, of_new) in edits(old, new) {
        result.extend(old[at..of_old.start].iter().map(ToString::to_string));
        result.extend(new[of_new].iter().map(ToString::to_string));
        at = of_old.end;
    }
    result.extend(old[at..].iter().map(ToString::to_string));
    result
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..4).prop_map(Value::from),
        "[ab\n]{0,3}".prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]|name|id", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn there_are_changes_if_and_only_if_the_values_differ(expected in value(), actual in value()) {
        let changes = changes(&expected, &actual);
        prop_assert_eq!(changes.list.is_empty(), loosely_equal(&expected, &actual));
    }

    #[test]
    fn swapped_values_have_the_reversed_changes(expected in value(), actual in value()) {
        let reversed = |change: &ValueChange| ValueChange {
            kind: match change.kind {
                ChangeKind::Added => ChangeKind::Removed,
                ChangeKind::Removed => ChangeKind::Added,
                ChangeKind::Changed => ChangeKind::Changed,
            },
            before: change.after.clone(),
            after: change.before.clone(),
            ..change.clone()
        };
        let is_without_line = |change: &ValueChange| change.line.is_none();
        let forward = changes(&expected, &actual).list;
        let mut forward: Vec<String> = forward.iter().filter(|c| is_without_line(c)).map(short).collect();
        let backward = changes(&actual, &expected).list;
        let backward = backward.iter().filter(|c| is_without_line(c)).map(reversed);
        let mut backward: Vec<String> = backward.map(|c| short(&c)).collect();
        forward.sort();
        backward.sort();
        prop_assert_eq!(forward, backward);
    }

    #[test]
    fn line_edits_turn_the_old_text_into_the_new_text(
        old in prop::collection::vec("[abc]", 0..12),
        new in prop::collection::vec("[abc]", 0..12),
    ) {
        let (old, new): (Vec<&str>, Vec<&str>) =
            (old.iter().map(String::as_str).collect(), new.iter().map(String::as_str).collect());
        prop_assert_eq!(applied(&old, &new), new);
    }
}

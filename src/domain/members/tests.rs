use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::equality::loosely_equal;

fn accept(expected: Value, live: Value, accepted: &[Value]) -> Result<AcceptedMembers, MembersRefusal> {
    accept_members("tags", [&expected, &live], &NotCompared::default(), accepted)
}

#[test]
fn an_accepted_member_moves_and_the_others_stay_in_their_order() {
    let accepted = accept(
        json!(["c", "a", "b"]),
        json!(["x", "b", "y", "c"]),
        &[json!("y"), json!("a")],
    );
    let expected = AcceptedMembers {
        expected: json!(["c", "b", "y"]),
        is_all: false,
    };
    assert_eq!(accepted, Ok(expected));
}

#[test]
fn all_members_of_an_unset_list_can_be_accepted() {
    let rules = json!([{ "port": 22 }, { "port": 80 }, { "port": "22" }]);
    let accepted = accept(
        Value::Null,
        rules,
        &[json!({ "port": 80 }), json!({ "port": 22 })],
    )
    .unwrap();
    assert_eq!(accepted.expected, json!([{ "port": 22 }, { "port": 80 }]));
    assert!(accepted.is_all);
}

#[test]
fn a_member_of_both_lists_or_of_none_is_refused() {
    let refused = |member: Value| accept(json!(["a", "b"]), json!(["b", "c"]), &[json!("a"), member]);
    assert_eq!(refused(json!("b")), Err(MembersRefusal::NotDifferent(1)));
    assert_eq!(refused(json!("d")), Err(MembersRefusal::NotDifferent(1)));
    assert_eq!(
        accept(json!("a"), json!(["a"]), &[]),
        Err(MembersRefusal::NotLists)
    );
    assert_eq!(accept(json!(null), json!(""), &[]), Err(MembersRefusal::NotLists));
    assert_eq!(
        accept(json!(["a"]), json!({ "a": 1 }), &[]),
        Err(MembersRefusal::NotLists)
    );
}

#[test]
fn a_member_that_differs_in_an_uncompared_part_only_does_not_differ() {
    let mut not_compared = NotCompared::default();
    not_compared.add("services", vec![json!({ "name": "web" }), json!("port")]);
    let expected = json!([{ "name": "web" }, { "name": "db", "port": 1 }]);
    let live = json!([{ "name": "web", "port": 80 }, { "name": "db", "port": 2 }]);
    let accepted = accept_members("services", [&expected, &live], &not_compared, &[live[1].clone()]).unwrap();
    assert_eq!(
        accepted.expected,
        json!([{ "name": "web" }, { "name": "db", "port": 1 }, { "name": "db", "port": 2 }])
    );
    let both = [expected[1].clone(), live[1].clone()];
    let accepted = accept_members("services", [&expected, &live], &not_compared, &both).unwrap();
    assert!(accepted.is_all);
    let refused = accept_members("services", [&expected, &live], &not_compared, &[live[0].clone()]);
    assert_eq!(refused, Err(MembersRefusal::NotDifferent(0)));
}

fn member() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..6u8).prop_map(|n| json!(n)),
        (0..6u8).prop_map(|n| json!(n.to_string())),
        (0..3u8, 0..3u8).prop_map(|(name, port)| json!({ "name": name, "port": port })),
        Just(Value::Null),
    ]
}

fn list() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(member(), 0..8)
}

proptest! {
    /// Whatever is accepted, exactly the other members still differ, and all together are the live list.
    #[test]
    fn what_was_not_accepted_still_differs(expected in list(), live in list(), chosen in any::<u32>()) {
        let lists = [Value::Array(expected), Value::Array(live)];
        let values = [&lists[0], &lists[1]];
        let none = NotCompared::default();
        let differing = |values: [&Value; 2]| -> Vec<Value> {
            let lists = Lists::of("f", values, &none).unwrap();
            lists.only_expected().chain(lists.only_live()).cloned().collect()
        };
        let all = differing(values);
        let (accepted, left): (Vec<_>, Vec<_>) =
            all.iter().cloned().enumerate().partition(|(place, _)| chosen & (1 << place) != 0);
        let accepted: Vec<Value> = accepted.into_iter().map(|(_, value)| value).collect();
        let left: Vec<Value> = left.into_iter().map(|(_, value)| value).collect();
        let made = accept_members("f", values, &none, &accepted).unwrap();
        prop_assert_eq!(differing([&made.expected, values[1]]), left.clone());
        prop_assert_eq!(made.is_all, left.is_empty());
        prop_assert_eq!(made.is_all, loosely_equal(&made.expected, values[1]));
    }
}

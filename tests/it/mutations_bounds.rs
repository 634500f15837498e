//! Invalid input of mutations is refused and changes nothing, on both databases.

use serde_json::{Map, Value, json};

use crate::http_client::codes;
use crate::support::TestApp;
use crate::support::cloud::droplet;

const RECORD: &str =
    "mutation($input: RecordSpecInput!) { recordSpec(input: $input) { provisioned { spec specVersion } } }";
const ACCEPT: &str =
    "mutation($input: AcceptDriftInput!) { acceptDrift(input: $input) { drift { resolutionNote } } }";

async fn one_drift() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "region": "fra1" })).await;
    t.sweep().await;
    t
}

/// Returns the rows that a refused mutation must not change.
async fn state(t: &TestApp) -> impl PartialEq + std::fmt::Debug + use<> {
    let id = t.resource("web-1").await.id;
    (t.spec("web-1").await, t.drifts().await, t.event_rows(id).await)
}

/// Returns an object with this many levels, including itself.
fn levels(levels: usize) -> Value {
    let innermost = json!({ "x": 1 });
    (1..levels).fold(innermost, |inner, level| {
        if level % 2 == 0 {
            json!([inner])
        } else {
            json!({ "a": inner })
        }
    })
}

/// Returns an object whose compact JSON has this many bytes.
fn bytes(bytes: usize) -> Value {
    let around = json!({ "a": "" }).to_string().len();
    json!({ "a": "x".repeat(bytes - around) })
}

/// Returns an object with this key.
fn key(key: &str) -> Value {
    Value::Object(Map::from_iter([(key.to_owned(), json!(1))]))
}

async fn record(t: &TestApp, spec: &Value) -> Value {
    let id = t.resource("web-1").await.id;
    t.ask(RECORD, json!({ "input": { "resourceId": id, "spec": spec } }))
        .await
}

#[tokio::test]
async fn a_spec_beyond_the_limits_is_refused_and_changes_nothing() {
    let t = one_drift().await;
    let before = state(&t).await;
    let long = "x".repeat(257);
    let bad = [
        ("too large", bytes(256 * 1024 + 1)),
        ("too deep", json!({ "a": levels(32) })),
        ("too deep in lists", json!({ "a": [[[levels(29)]]] })),
        ("NUL in a string", json!({ "a": "b\0" })),
        ("NUL in a nested string", json!({ "a": [{ "b": ["\0"] }] })),
        ("NUL in a nested key", json!({ "a": [key("b\0")] })),
        ("NUL in a key", key("\0")),
        ("control character in a key", key("a\nb")),
        ("another control character", key("a\u{85}")),
        ("the whole resource", key("*")),
        ("no key", key("")),
        ("a long key", key(&long)),
        ("a list", json!([])),
        ("a string", json!("{}")),
        ("a number", json!(1)),
        ("a boolean", json!(true)),
        ("null", json!(null)),
    ];
    for (why, spec) in bad {
        let answer = record(&t, &spec).await;
        assert_eq!(codes(&answer), ["BAD_USER_INPUT"], "{why}");
    }
    assert_eq!(state(&t).await, before);
}

#[tokio::test]
async fn a_spec_at_the_limits_is_accepted_and_returned_unchanged() {
    let t = one_drift().await;
    let long = "é".repeat(128);
    let good = [
        bytes(256 * 1024),
        levels(32),
        key(&long),
        key("a b"),
        key("**"),
        json!({}),
        json!({ "a": { "*": 1, "": 2, "\u{1}": "\u{1}" } }),
        json!({ "least": i64::MIN, "most": u64::MAX, "small": 1e-300, "text": "\u{1F600}\u{FFFF}" }),
    ];
    for spec in good {
        let answer = record(&t, &spec).await;
        let shown: String = spec.to_string().chars().take(60).collect();
        assert_eq!(
            answer["data"]["recordSpec"]["provisioned"]["spec"], spec,
            "{shown} {answer}"
        );
    }
}

#[tokio::test]
async fn an_integer_beyond_64_bits_is_refused_as_variable_and_as_literal() {
    let t = one_drift().await;
    let before = state(&t).await;
    let id = t.resource("web-1").await.id;
    for number in [
        "18446744073709551616",
        "-9223372036854775809",
        "100000000000000000000000000000000000000000",
        "1e20",
        "-1e300",
    ] {
        let variable = format!(r#"{{ "input": {{ "resourceId": "{id}", "spec": {{ "a": [{number}] }} }} }}"#);
        let variable = serde_json::from_str(&variable).unwrap();
        assert_eq!(t.refusal(RECORD, variable).await, "BAD_USER_INPUT", "{number}");
        let literal = format!(
            r#"mutation {{ recordSpec(input: {{ resourceId: "{id}", spec: {{ a: [{number}] }} }}) {{
                provisioned {{ specVersion }} }} }}"#
        );
        assert_eq!(t.refusal(&literal, json!({})).await, "BAD_USER_INPUT", "{number}");
    }
    assert_eq!(state(&t).await, before);
}

#[tokio::test]
async fn a_number_beyond_double_range_is_an_error_of_the_document() {
    let t = one_drift().await;
    let id = t.resource("web-1").await.id;
    let literal = format!(
        r#"mutation {{ recordSpec(input: {{ resourceId: "{id}", spec: {{ a: 1e999 }} }}) {{
            provisioned {{ specVersion }} }} }}"#
    );
    let code = t.refusal(&literal, json!({})).await;
    assert!(
        ["GRAPHQL_PARSE_FAILED", "BAD_USER_INPUT"].contains(&code.as_str()),
        "{code}"
    );
}

#[tokio::test]
async fn a_spec_literal_equals_the_same_spec_in_a_variable() {
    let t = one_drift().await;
    let id = t.resource("web-1").await.id;
    let literal = format!(
        r#"mutation($n: JSON, $list: [JSON!]) {{ recordSpec(input: {{ resourceId: "{id}", spec: {{
            whole: 18446744073709551615, part: 1.5, no: null, yes: true, text: "é\u00e9", list: [1, [2], $n],
            more: $list, inner: {{ variable: $n }} }} }}) {{ provisioned {{ spec }} }} }}"#
    );
    let variables = json!({ "n": { "deep": [9_007_199_254_740_993_i64] }, "list": [1, "two"] });
    let data = t.data(&literal, variables).await;
    let inner = json!({ "deep": [9_007_199_254_740_993_i64] });
    let wanted = json!({ "whole": u64::MAX, "part": 1.5, "no": null, "yes": true, "text": "éé",
        "list": [1, [2], inner], "more": [1, "two"], "inner": { "variable": inner } });
    assert_eq!(data["recordSpec"]["provisioned"]["spec"], wanted);
}

#[tokio::test]
async fn a_note_beyond_the_limits_is_refused_and_changes_nothing() {
    let t = one_drift().await;
    let drift = t.open_drift("web-1", "region").await;
    let input = |note: &str| json!({ "input": { "driftId": drift.id, "revision": 1, "note": note } });
    let before = state(&t).await;
    for note in ["a\0b", &"x".repeat(4097), &"é".repeat(2049)] {
        assert_eq!(t.refusal(ACCEPT, input(note)).await, "BAD_USER_INPUT");
    }
    assert_eq!(state(&t).await, before);
    let longest = "é".repeat(2048);
    let data = t.data(ACCEPT, input(&longest)).await;
    assert_eq!(data["acceptDrift"]["drift"]["resolutionNote"], longest);
}

#[tokio::test]
async fn variables_of_the_wrong_type_are_refused_and_change_nothing() {
    let t = one_drift().await;
    let before = state(&t).await;
    let drift = t.open_drift("web-1", "region").await.id;
    for input in [
        json!({}),
        json!(null),
        json!({ "driftId": null }),
        json!({ "driftId": [drift, drift] }),
        json!({ "driftId": drift, "revision": "1" }),
        json!({ "driftId": drift, "revision": 1.5 }),
        json!({ "driftId": drift, "revision": 4_294_967_297_i64 }),
        json!({ "driftId": drift, "note": 7 }),
        json!({ "driftId": drift, "force": true }),
    ] {
        let code = t.refusal(ACCEPT, json!({ "input": input })).await;
        assert_eq!(code, "BAD_USER_INPUT", "{input}");
    }
    assert_eq!(state(&t).await, before);
}

//! Loose equality: loosely equal values are not drift, other differences are.

use drift_inbox::services::detection::SweepCounts;
use serde_json::{Map, Value, json};

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};

/// Loosely equal values. They are JSON texts, because the macro `json!` would rewrite the numbers.
const SAME: [(&str, &str); 24] = [
    ("25", "\"25\""),
    ("25.0", "25"),
    ("25.0", "\"25\""),
    ("1e3", "1000"),
    ("1000", "1e3"),
    ("1.50", "1.5"),
    ("-0.0", "0"),
    ("0", "-0.0"),
    ("1e19", "10000000000000000000"),
    ("1152921504606846976.0", "1.152921504606846976e18"),
    ("5e-324", "5e-324"),
    ("0.1", "1e-1"),
    ("18446744073709551615", "\"18446744073709551615\""),
    ("-9223372036854775808", "-9223372036854775808"),
    ("9007199254740993", "9007199254740993"),
    ("true", "\"true\""),
    ("[\"b\",\"a\"]", "[\"a\",\"b\",\"a\"]"),
    ("[{\"p\":[2,1]},3]", "[3.0,{\"p\":[\"1\",2],\"q\":null}]"),
    ("null", "\"\""),
    ("[]", "{}"),
    ("{\"a\":{\"b\":null}}", "null"),
    ("{\"a\":1,\"b\":[]}", "{\"a\":\"1\"}"),
    ("\"\\ud83d\\ude00\"", "\"\u{1f600}\""),
    ("{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}"),
];

/// Values that are not loosely equal.
const DIFFERENT: [(&str, &str); 14] = [
    ("25", "\"25.0\""),
    ("\"1.10\"", "\"1.1\""),
    ("\"1e3\"", "1000"),
    ("9007199254740993", "9007199254740992"),
    ("18446744073709551615", "18446744073709551614"),
    ("0.1", "0.10000000000000002"),
    ("false", "null"),
    ("0", "null"),
    ("0", "false"),
    ("\"NYC3\"", "\"nyc3\""),
    ("\" a\"", "\"a\""),
    ("[1,2]", "[1,2,3]"),
    ("{\"a\":1}", "{\"a\":1,\"b\":false}"),
    ("\"\u{e9}\"", "\"e\u{301}\""),
];

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Returns the values of one side as the fields `f00`, `f01`, ...
fn fields<'t>(texts: impl Iterator<Item = &'t str>) -> Map<String, Value> {
    let named = texts.enumerate();
    named
        .map(|(n, text)| (format!("f{n:02}"), json_of(text)))
        .collect()
}

fn live(attrs: Map<String, Value>) -> Listed {
    let mut listed = droplet("web-1");
    listed.resource.attrs = attrs;
    listed
}

#[tokio::test]
async fn loosely_equal_values_are_no_drift_in_either_direction() {
    let t = TestApp::new().await;
    for swapped in [false, true] {
        let side = |left: bool| fields(SAME.iter().map(|(a, b)| if left == swapped { *b } else { *a }));
        t.cloud_has([live(side(false))]).await;
        t.record_spec("web-1", Value::Object(side(true))).await;
        let counts = t.sweep().await;
        assert_eq!(counts.opened, 0, "{:?}", t.inbox().await);
        assert_eq!(counts.fields_compared, SAME.len() as u64);
    }
}

#[tokio::test]
async fn a_live_field_that_is_absent_is_unset() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    let unset = json!({ "a": null, "b": "", "c": [], "d": {}, "e": { "f": [] }, "ip": null, "vpc_uuid": "" });
    t.record_spec("web-1", unset).await;
    assert_eq!(t.sweep().await.opened, 0);
    t.record_spec("web-1", json!({ "a": false, "b": 0, "c": [0] }))
        .await;
    assert_eq!(t.sweep().await.opened, 3);
}

#[tokio::test]
async fn values_that_differ_are_drift_and_are_stored_unchanged() {
    let t = TestApp::new().await;
    t.cloud_has([live(fields(DIFFERENT.iter().map(|(_, live)| *live)))])
        .await;
    let spec = fields(DIFFERENT.iter().map(|(desired, _)| *desired));
    t.record_spec("web-1", Value::Object(spec)).await;
    assert_eq!(t.sweep().await.opened, DIFFERENT.len() as u64);
    for (drift, (desired, live)) in t.inbox().await.iter().zip(DIFFERENT) {
        assert_eq!(drift.expected.clone().unwrap_or_default(), json_of(desired));
        assert_eq!(drift.actual.clone().unwrap_or_default(), json_of(live));
    }
}

#[tokio::test]
async fn numbers_that_the_database_rewrites_do_not_change_a_drift() {
    let t = TestApp::new().await;
    let numbers = [
        "1e3",
        "25.0",
        "1.50",
        "-0.0",
        "1e19",
        "1152921504606846976.0",
        "5e-324",
        "1.7976931348623157e18",
        "0.30000000000000004",
        "[1e3,{\"a\":-0.0}]",
    ];
    let listed = || live(fields(numbers.into_iter()));
    t.cloud_has([listed()]).await;
    let mut desired = numbers;
    desired.rotate_left(1);
    let spec = Value::Object(fields(desired.into_iter()));
    t.record_spec("web-1", spec.clone()).await;
    assert_eq!(t.sweep().await.opened, numbers.len() as u64);
    let before = t.tables().await;
    assert_eq!(t.sweep().await.changed, 0);
    t.cloud_has([listed()]).await;
    assert_eq!(t.sweep().await.changed, 0);
    let after = t.tables().await;
    assert_eq!(
        (&after.resources, &after.drifts),
        (&before.resources, &before.drifts)
    );
    for drift in t.inbox().await {
        t.accept(&drift).await.unwrap();
    }
    let counts = t.sweep().await;
    let quiet = SweepCounts {
        resources: 1,
        fields_compared: numbers.len() as u64,
        ..SweepCounts::default()
    };
    assert_eq!(counts, quiet, "the accepted values equal the live values");
}

use chrono::Utc;
use entity::cloud_drift::{self, DriftKind, DriftStatus, Severity};
use serde_json::{Value, json};
use uuid::Uuid;

use super::columns;
use crate::domain::changes::changes;
use crate::provider::traits::MEMBER_NAMES;

fn columns_of(kind: DriftKind, expected: Value, actual: Value) -> (String, String) {
    let changes = changes(&expected, &actual, &MEMBER_NAMES);
    let drift = cloud_drift::Model {
        id: Uuid::nil(),
        resource_id: Uuid::nil(),
        kind,
        field: "field".to_owned(),
        expected: Some(expected),
        actual: Some(actual),
        revision: 1,
        status: DriftStatus::Open,
        detected_at: chrono::DateTime::<Utc>::UNIX_EPOCH,
        resolved_at: None,
        resolved_by: None,
        resolution_note: None,
        close_reason: None,
        closed_by_rule: None,
        severity: Severity::Normal,
        severity_rule: None,
        spec_version: None,
        undone_at: None,
        undone_by: None,
        undone_version: None,
        reverting_at: None,
        reverting_by: None,
        reverting_note: None,
        snoozed: false,
        snoozed_at: None,
        snoozed_by: None,
        snoozed_until: None,
        snoozed_until_change: false,
        snooze_reason: None,
        snooze_bulk_id: None,
        assignee: None,
        last_seen_equal_at: None,
        first_seen_different_at: None,
        window_basis: None,
        flapping: false,
    };
    columns(&drift, &changes)
}

fn changed(expected: Value, actual: Value) -> (String, String) {
    columns_of(DriftKind::Changed, expected, actual)
}

fn pair(expected: &str, actual: &str) -> (String, String) {
    (expected.to_owned(), actual.to_owned())
}

#[test]
fn single_values_are_shown_without_a_path() {
    assert_eq!(changed(json!("s-1"), json!("s-2")), pair("s-1", "s-2"));
    assert_eq!(changed(json!(250), json!(500.5)), pair("250", "500.5"));
    assert_eq!(changed(json!(true), Value::Null), pair("true", "(unset)"));
    assert_eq!(changed(Value::Null, json!("fra1")), pair("(unset)", "fra1"));
}

#[test]
fn members_of_a_list_are_added_and_removed() {
    assert_eq!(
        changed(json!(["env:prod", "web"]), json!(["web"])),
        pair("env:prod", "- env:prod")
    );
    assert_eq!(
        changed(json!(["a", "web", "z"]), json!(["new", "a", "web"])),
        pair("z", "- z, + new")
    );
    assert_eq!(
        changed(json!(["a", "web"]), json!(["new", "a", "web"])),
        pair("a, web", "+ new"),
        "the expected value is still there"
    );
}

#[test]
fn a_firewall_rule_shows_the_address_that_was_added() {
    let rule = |sources: Value| json!([{ "protocol": "tcp", "ports": "22", "sources": sources }]);
    assert_eq!(
        changed(
            rule(json!({ "addresses": ["198.51.100.7"] })),
            rule(json!({ "addresses": ["198.51.100.7", "0.0.0.0/0"] }))
        ),
        pair(
            "ports=22 protocol=tcp sources.addresses=198.51.100.7",
            "[tcp 22].sources.addresses + 0.0.0.0/0"
        )
    );
}

#[test]
fn keys_of_a_map_are_shown_with_their_paths() {
    assert_eq!(
        changed(
            json!({ "path": "/healthz", "port": 80, "tls": { "on": true } }),
            json!({ "path": "/", "port": 80, "proxy": 1 })
        ),
        pair(
            "path=/healthz, proxy=(unset), tls.on=true",
            "path=/, proxy=1, tls.on=(unset)"
        )
    );
    let services =
        |count: u8| json!({ "services": [{ "name": "web", "count": count }, { "name": "job", "count": 1 }] });
    assert_eq!(
        changed(services(2), services(4)),
        pair("services[web].count=2", "services[web].count=4")
    );
}

#[test]
fn lines_of_a_text_are_shown_with_their_numbers() {
    assert_eq!(changed(json!("a\nb\nc"), json!("a\nc")), pair(":2 b", ":2 - b"));
}

#[test]
fn truncated_changes_end_with_dots() {
    let members: Vec<String> = (0..201).map(|n| n.to_string()).collect();
    let (_, actual) = changed(json!([]), json!(members));
    assert!(actual.ends_with(", ..."), "{actual}");
}

#[test]
fn a_missing_resource_shows_its_schema_fields_first() {
    let spec = json!({ "backups": true, "size_slug": "c-8", "name": "web-1", "tags": ["a", "b"] });
    assert_eq!(
        columns_of(DriftKind::Missing, spec, Value::Null),
        pair("name=web-1 size_slug=c-8 tags=a, b backups=true", "missing")
    );
}

//! How urgent drifts are.

use entity::cloud_drift::Severity;
use serde_json::json;

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};

fn port(ports: &str, address: &str) -> serde_json::Value {
    json!({ "protocol": "tcp", "ports": ports, "sources": { "addresses": [address] } })
}

#[tokio::test]
async fn each_drift_has_a_severity_and_the_rule_that_decided_it() {
    let t = TestApp::new().await;
    let firewall = |rules: Vec<serde_json::Value>| Listed::new("firewall", "fw").attr("inbound_rules", rules);
    t.cloud_has([
        firewall(vec![port("22", "0.0.0.0/0")]),
        droplet("web-1").attr("description", "new"),
        droplet("web-2"),
    ])
    .await;
    t.record_spec("fw", json!({ "inbound_rules": [port("22", "10.0.0.0/8")] }))
        .await;
    t.record_spec("web-1", json!({ "size_slug": "small", "description": "old" }))
        .await;
    t.record_spec("web-2", json!({ "region": "nyc3" })).await;
    t.sweep().await;
    let seen = |name: &'static str, field: &'static str| {
        let t = &t;
        async move {
            let drift = t.open_drift(name, field).await;
            (drift.severity, drift.severity_rule)
        }
    };
    let rule = |name: &str| Some(name.to_owned());
    assert_eq!(
        seen("fw", "inbound_rules").await,
        (Severity::Critical, rule("open to every address"))
    );
    assert_eq!(
        seen("web-1", "description").await,
        (Severity::Low, rule("description only"))
    );
    assert_eq!(seen("web-1", "size_slug").await, (Severity::Normal, None));
    // The severity follows the values.
    t.cloud_has([
        firewall(vec![port("443", "::/0")]),
        droplet("web-1").attr("description", "new"),
    ])
    .await;
    t.sweep().await;
    assert_eq!(
        seen("fw", "inbound_rules").await,
        (Severity::High, rule("web port open to every address"))
    );
    assert_eq!(
        seen("web-2", "*").await,
        (Severity::Critical, rule("vital resource missing"))
    );
    let answer = t
        .data("{ drifts { nodes { field severity severityRule } } }", json!({}))
        .await;
    let missing = json!({ "field": "*", "severity": "CRITICAL", "severityRule": "vital resource missing" });
    assert!(
        answer["drifts"]["nodes"].as_array().unwrap().contains(&missing),
        "{answer}"
    );
}

#[tokio::test]
async fn drifts_that_an_earlier_release_opened_are_rated_by_the_next_full_sweep_without_an_event() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").attr("backups", false)]).await;
    t.record_spec("web-1", json!({ "backups": true })).await;
    t.sweep().await;
    let before = t.open_drift("web-1", "backups").await;
    assert_eq!(before.severity, Severity::High);
    for sql in [
        "UPDATE cloud_drift SET severity = 'normal', severity_rule = NULL",
        "UPDATE upkeep SET started_at = NULL, finished_at = NULL",
    ] {
        t.database.execute(sql).await.unwrap();
    }
    let events = t.event_rows(before.resource_id).await;
    let counts = t.sweep().await;
    assert_eq!(t.open_drift("web-1", "backups").await, before, "{counts:?}");
    assert_eq!(t.event_rows(before.resource_id).await, events);
}

#[tokio::test]
async fn each_rule_that_decides_a_severity_is_listed() {
    let t = TestApp::new().await;
    let answer = t
        .data("{ severityRules { name description severity } }", json!({}))
        .await;
    let rules = answer["severityRules"].as_array().unwrap();
    let named = |name: &str| {
        rules
            .iter()
            .find(|rule| rule["name"] == name)
            .map(|rule| rule["severity"].clone())
    };
    assert_eq!(named("vital resource missing"), Some(json!("CRITICAL")));
    assert_eq!(named("backups switched off"), Some(json!("HIGH")));
    assert_eq!(rules[0]["severity"], "CRITICAL");
    assert_eq!(rules.last().unwrap()["severity"], "LOW");
}

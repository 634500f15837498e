use entity::cloud_drift::DriftKind;
use serde_json::{Value, json};

use super::shown;

fn changed(expected: Value, actual: Value) -> (String, String) {
    shown(DriftKind::Changed, &expected, &actual)
}

fn pair(expected: &str, actual: &str) -> (String, String) {
    (expected.to_owned(), actual.to_owned())
}

#[test]
fn scalars_are_their_text_and_nothing_says_so() {
    assert_eq!(changed(json!("s-1"), json!("s-2")), pair("s-1", "s-2"));
    assert_eq!(changed(json!(250), json!(500.5)), pair("250", "500.5"));
    assert_eq!(changed(json!(true), Value::Null), pair("true", "(unset)"));
    assert_eq!(changed(json!({}), json!([])), pair("(unset)", "(unset)"));
    assert_eq!(changed(json!(["web"]), json!([])), pair("web", "(unset)"));
}

#[test]
fn a_set_says_what_came_and_went() {
    assert_eq!(
        changed(json!(["env:prod", "web"]), json!(["web"])),
        pair("env:prod, web", "- env:prod")
    );
    assert_eq!(
        changed(json!(["a", "web", "z"]), json!(["new", "a", "web"])),
        pair("z, a, web", "+ new, - z"),
        "what went stands first"
    );
}

#[test]
fn a_firewall_says_who_may_come_in_now() {
    let rule = |sources: Value| json!([{ "protocol": "tcp", "ports": "22", "sources": sources }]);
    assert_eq!(
        changed(
            rule(json!({ "addresses": ["198.51.100.7"] })),
            rule(json!({ "addresses": ["198.51.100.7", "0.0.0.0/0"], "tags": ["ops"] }))
        ),
        pair("198.51.100.7 tcp 22", "+ 0.0.0.0/0 tcp 22, + tag ops tcp 22")
    );
}

#[test]
fn other_rules_are_short_until_that_hides_the_difference() {
    let rule = |target: u16, passthrough: bool| {
        json!([{ "entry_protocol": "https", "entry_port": 443, "target_protocol": "http",
                 "target_port": target, "tls_passthrough": passthrough }])
    };
    assert_eq!(
        changed(rule(80, false), rule(8080, false)),
        pair(
            "https 443 > http 80",
            "+ https 443 > http 8080, - https 443 > http 80"
        )
    );
    let (expected, actual) = changed(rule(80, false), rule(80, true));
    assert!(expected.contains("tls_passthrough=false"), "{expected}");
    assert!(actual.contains("tls_passthrough=true"), "{actual}");
    assert_eq!(
        changed(
            json!([{ "type": "tag", "value": "api" }]),
            json!([{ "type": "tag", "value": "api" }, { "type": "ip_addr", "value": "198.51.100.7" }])
        ),
        pair("tag api", "+ ip_addr 198.51.100.7")
    );
}

#[test]
fn a_map_says_which_keys_changed() {
    assert_eq!(
        changed(
            json!({ "path": "/healthz", "port": 80, "tls": { "on": true } }),
            json!({ "path": "/", "port": 80, "proxy": 1 })
        ),
        pair(
            "path=/healthz proxy=(unset) tls.on=true",
            "path=/ proxy=1 tls.on=(unset)"
        )
    );
}

#[test]
fn members_with_names_are_compared_by_name() {
    let services =
        |count: u8| json!({ "services": [{ "name": "web", "count": count }, { "name": "job", "count": 1 }] });
    assert_eq!(
        changed(services(2), services(4)),
        pair("services.web.count=2", "services.web.count=4")
    );
    let twice = json!([{ "name": "a", "n": 1 }, { "name": "a", "n": 2 }]);
    assert_eq!(
        changed(twice.clone(), json!([{ "name": "a", "n": 1 }])),
        pair("n=2 name=a, n=1 name=a", "- n=2 name=a")
    );
}

#[test]
fn a_missing_resource_is_told_by_its_columns_first() {
    let spec = json!({ "backups": true, "size_slug": "c-8", "name": "web-1", "tags": ["a", "b"] });
    assert_eq!(
        shown(DriftKind::Missing, &spec, &Value::Null),
        pair("name=web-1 size_slug=c-8 tags=a, b backups=true", "missing")
    );
}

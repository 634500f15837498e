use serde_json::json;

use super::*;

fn of(field: &str, expected: Value, actual: Value) -> Rating {
    rate(
        &KindTraits::PLAIN,
        &Rated {
            kind: DriftKind::Changed,
            field,
            expected: &expected,
            actual: &actual,
            live: &|_| None,
        },
    )
}

fn port(ports: &str, addresses: &[&str]) -> Value {
    json!({ "protocol": "tcp", "ports": ports, "sources": { "addresses": addresses } })
}

#[test]
fn a_port_that_everybody_can_reach_is_critical_and_a_web_port_high() {
    let office = || port("22", &["203.0.113.7/32"]);
    for (expected, live, severity) in [
        (
            json!([office()]),
            json!([office(), port("3306", &["0.0.0.0/0"])]),
            Severity::Critical,
        ),
        (
            json!([office()]),
            json!([port("22", &["203.0.113.7/32", "::/0"])]),
            Severity::Critical,
        ),
        (
            json!([]),
            json!([port("8000-9000", &["::/0"])]),
            Severity::Critical,
        ),
        (json!([]), json!([port("all", &["::/0"])]), Severity::Critical),
        (
            json!(null),
            json!([{ "protocol": "icmp", "sources": { "addresses": ["0.0.0.0/0"] } }]),
            Severity::Critical,
        ),
        (
            json!([office()]),
            json!([office(), port("443", &["0.0.0.0/0", "::/0"])]),
            Severity::High,
        ),
        // All addresses were expected already, or none is admitted.
        (
            json!([port("22", &["0.0.0.0/0"])]),
            json!([port("22", &["0.0.0.0/0", "10.0.0.0/8"])]),
            Severity::Normal,
        ),
        (
            json!([port("22", &["0.0.0.0/0"])]),
            json!([office()]),
            Severity::Normal,
        ),
        (
            json!([office()]),
            json!([port("22", &["203.0.113.8/32"])]),
            Severity::Normal,
        ),
    ] {
        assert_eq!(
            of("inbound_rules", expected, live.clone()).severity,
            severity,
            "{live}"
        );
    }
    let rule = of("inbound_rules", json!([]), json!([port("22", &["::/0"])])).rule;
    assert_eq!(rule, Some("open to every address"));
}

#[test]
fn rules_of_other_clouds_are_rated_by_their_addresses_too() {
    let ingress = |from: u32, to: u32| json!({ "from_port": from, "to_port": to, "cidr_blocks": ["0.0.0.0/0"], "self": false });
    assert_eq!(
        of("ingress", json!([]), json!([ingress(22, 22)])).severity,
        Severity::Critical
    );
    assert_eq!(
        of("ingress", json!([]), json!([ingress(443, 443)])).severity,
        Severity::High
    );
    assert_eq!(
        of("ingress", json!([]), json!([ingress(0, 443)])).severity,
        Severity::Critical
    );
    assert_eq!(
        of("egress", json!([]), json!([ingress(0, 0)])).severity,
        Severity::Normal
    );
    assert_eq!(
        of("outbound_rules", json!([]), json!([ingress(0, 0)])).severity,
        Severity::Normal
    );
    assert_eq!(
        of("cidr_blocks", json!([]), json!(["0.0.0.0/0"])).severity,
        Severity::Critical
    );
    let trusted = json!([{ "type": "ip_addr", "value": "0.0.0.0/0" }]);
    assert_eq!(of("rules", json!([]), trusted).severity, Severity::Critical);
    let both_directions = json!({ "in": [ingress(22, 22)], "out": [] });
    assert_eq!(
        of("rules", json!({}), both_directions).severity,
        Severity::Critical
    );
}

#[test]
fn what_no_rule_names_is_normal_and_a_description_is_low() {
    assert_eq!(of("size_slug", json!("a"), json!("b")), Rating::default());
    assert_eq!(of("description", json!("a"), json!("b")).severity, Severity::Low);
    let texts = json!("see 0.0.0.0/0");
    assert_eq!(of("note", json!(""), texts).severity, Severity::Normal);
}

#[test]
fn a_widened_list_has_a_member_more_or_other_members() {
    let widened = |expected: Value, actual: Value| {
        is_widened(&Rated {
            kind: DriftKind::Changed,
            field: "rules",
            expected: &expected,
            actual: &actual,
            live: &|_| None,
        })
    };
    assert!(widened(json!([1]), json!([1, 2])));
    assert!(widened(json!([1]), json!([2])));
    assert!(widened(json!(null), json!([2])));
    assert!(!widened(json!([1, 2]), json!(["2"])));
    assert!(!widened(json!([1, 2]), json!(null)));
}

use serde_json::json;

use super::*;
use crate::domain::redaction::redacted;

fn happened(n: usize, field: &str) -> Happened {
    Happened {
        transition: Transition::DriftDetected,
        resource_id: Some(Uuid::from_u128(n as u128)),
        resource: Some(KnownResource {
            kind: "droplet".to_owned(),
            provider_id: n.to_string(),
            name: Some(format!("web-{n}")),
            region: Some("nyc3".to_owned()),
            source: "team".to_owned(),
            address: None,
        }),
        drift_id: Some(Uuid::from_u128(n as u128)),
        kind: Some(DriftKind::Changed),
        revision: Some(1),
        severity: Some(Severity::High),
        field: field.to_owned(),
        expected: Some(json!("a")),
        actual: Some(json!("b")),
        actor: "system".to_owned(),
    }
}

#[test]
fn transitions_with_the_same_cause_are_one_group() {
    let mut summary = Summary::new(Some("https://drift.example.com/"));
    for n in 0..40 {
        summary.add(&happened(n, if n % 4 == 0 { "region" } else { "size_slug" }));
    }
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["total"], 40);
    assert_eq!(json["transitions"], json!({ "DRIFT_DETECTED": 40 }));
    let counts: Vec<_> = json["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| &g["count"])
        .collect();
    assert_eq!(counts, [10, 30]);
    assert_eq!(json["groups"][1]["drifts"].as_array().unwrap().len(), 10);
    assert_eq!(
        json["groups"][0]["drifts"][0]["link"],
        "https://drift.example.com/?drift=00000000-0000-0000-0000-000000000000&revision=1"
    );
}

#[test]
fn the_size_of_a_message_does_not_grow_with_the_number_of_transitions() {
    let size = |count: usize| {
        let mut summary = Summary::new(None);
        for n in 0..count {
            let mut one = happened(n, &format!("field-{n}"));
            one.expected = Some(json!("x".repeat(2_000)));
            summary.add(&one);
        }
        let json = serde_json::to_value(&summary).unwrap();
        let listed: u64 = json["groups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|group| group["count"].as_u64().unwrap())
            .sum();
        assert_eq!(listed + json["notListed"].as_u64().unwrap(), count as u64);
        json.to_string().len()
    };
    assert!(size(20_000) < size(50) + 100);
    assert!(size(50) < 50_000);
}

#[test]
fn a_redacted_value_is_in_no_message_and_hides_the_other_side() {
    let mut summary = Summary::new(None);
    let mut secret = happened(1, "password");
    secret.expected = Some(redacted("00ff00ff"));
    secret.actual = Some(json!("hunter2"));
    summary.add(&secret);
    let mut inside = happened(2, "env");
    inside.actual = Some(json!([{ "token": redacted("00ff00ff") }]));
    summary.add(&inside);
    let body = json!({ "type": "drift.transitions", "data": serde_json::to_value(&summary).unwrap() });
    let slack = slack::message(&body);
    assert_eq!(body["data"]["groups"][0]["redacted"], true);
    for text in [body.to_string(), slack.to_string()] {
        assert!(!text.contains("hunter2") && !text.contains("00ff"), "{text}");
    }
}

#[test]
fn a_filter_selects_by_each_dimension_and_an_unknown_resource_always_matches() {
    let one = happened(1, "size_slug");
    let list = |value: &str| vec![value.to_owned()];
    let filters = |value: [&str; 4]| {
        [
            Filter {
                resource_kinds: list(value[0]),
                ..Filter::default()
            },
            Filter {
                fields: list(value[1]),
                ..Filter::default()
            },
            Filter {
                regions: list(value[2]),
                ..Filter::default()
            },
            Filter {
                sources: list(value[3]),
                ..Filter::default()
            },
        ]
    };
    assert!(Filter::default().matches(&one));
    for filter in filters(["droplet", "size_slug", "nyc3", "team"]) {
        assert!(filter.matches(&one), "{filter:?}");
    }
    for filter in filters(["volume", "region", "ams3", "other"]) {
        assert!(!filter.matches(&one), "{filter:?}");
    }
    let only_closed = Filter {
        transitions: vec![Transition::DriftStale],
        ..Filter::default()
    };
    assert!(!only_closed.matches(&one));
    let forgotten = Happened {
        resource: None,
        ..one
    };
    assert!(
        filters(["volume", "size_slug", "ams3", "other"])
            .iter()
            .all(|filter| filter.matches(&forgotten))
    );
}

#[test]
fn a_filter_of_a_newer_server_is_read() {
    let filter: Filter = serde_json::from_value(json!({ "fields": ["a"], "minSeverity": "HIGH" })).unwrap();
    assert_eq!(filter.fields, ["a"]);
}

#[test]
fn retries_begin_after_seconds_and_end_after_three_days() {
    assert_eq!(retry_delay(1, 0), chrono::TimeDelta::seconds(5));
    assert_eq!(retry_delay(4, 0), chrono::TimeDelta::seconds(40));
    assert_eq!(retry_delay(4, u32::MAX), chrono::TimeDelta::seconds(20));
    assert_eq!(retry_delay(i32::MAX, 0), chrono::TimeDelta::hours(4));
    let mut waited = chrono::TimeDelta::zero();
    let attempts = (1..).take_while(|attempt| {
        waited += retry_delay(*attempt, 0);
        waited < GIVE_UP_AFTER
    });
    assert!((20..40).contains(&attempts.count()));
}

#[test]
fn a_source_is_told_once_for_each_change_of_its_state() {
    use SourceState::{Failed, Never, Ok, Overdue, Partial, Refused};
    for (noted, now, expected) in [
        (None, Never, None),
        (None, Ok, Some(("ok", None))),
        (None, Failed, Some(("failed", Some(Transition::SourceFailed)))),
        (Some("ok"), Partial, None),
        (
            Some("ok"),
            Refused,
            Some(("failed", Some(Transition::SourceFailed))),
        ),
        (Some("failed"), Failed, None),
        (
            Some("failed"),
            Overdue,
            Some(("overdue", Some(Transition::SourceOverdue))),
        ),
        (
            Some("overdue"),
            Ok,
            Some(("ok", Some(Transition::SourceRecovered))),
        ),
    ] {
        assert_eq!(source_transition(noted, now), expected, "{noted:?} {now:?}");
    }
}

#[test]
fn a_digest_is_due_at_its_minute_of_the_next_day_or_of_this_one() {
    let at = |text: &str| -> chrono::DateTime<chrono::Utc> { text.parse().unwrap() };
    let now = at("2026-11-27T08:00:00Z");
    assert_eq!(next_digest(8 * 60, now), at("2026-11-28T08:00:00Z"));
    assert_eq!(next_digest(8 * 60 + 1, now), at("2026-11-27T08:01:00Z"));
    assert_eq!(
        (minute_of_day("00:00"), minute_of_day("23:59")),
        (Some(0), Some(1_439))
    );
    assert_eq!(time_of_day(485), "08:05");
    for bad in ["", "8:00", "24:00", "08:60", "+8:00", "08:00:00", "noon"] {
        assert_eq!(minute_of_day(bad), None, "{bad}");
    }
}

#[test]
fn texts_for_slack_cannot_contain_links_or_mentions_of_others() {
    let mut summary = Summary::new(Some("https://drift.example.com"));
    let mut one = happened(1, "<!channel>");
    one.resource.as_mut().unwrap().name = Some("<https://evil.example|click> & `x`".to_owned());
    summary.add(&one);
    let body = json!({ "type": "drift.transitions", "data": serde_json::to_value(&summary).unwrap() });
    let text = slack::message(&body).to_string();
    assert!(
        !text.contains("<!channel>") && !text.contains("<https://evil"),
        "{text}"
    );
    assert!(text.contains("1 drift detected"), "{text}");
}

#[test]
fn a_filter_has_a_least_severity_which_sources_and_deleted_drifts_pass() {
    use entity::cloud_drift::Severity::{Critical, High, Low, Normal};
    let least = |min_severity| Filter {
        min_severity,
        ..Filter::default()
    };
    for (severity, passes) in [
        (None, true),
        (Some(Low), true),
        (Some(High), true),
        (Some(Critical), false),
    ] {
        assert_eq!(
            least(severity).matches(&happened(1, "size_slug")),
            passes,
            "{severity:?}"
        );
    }
    let deleted = Happened {
        severity: None,
        ..happened(1, "size_slug")
    };
    assert!(least(Some(Critical)).matches(&deleted));
    assert!(least(Some(Critical)).matches_source(Transition::SourceFailed, "team"));
    // The stored form, with and without a severity, and one of a later release.
    let stored = serde_json::to_value(least(Some(Normal))).unwrap();
    assert_eq!(stored, json!({ "minSeverity": "normal" }));
    assert_eq!(
        serde_json::from_value::<Filter>(stored).unwrap(),
        least(Some(Normal))
    );
    assert_eq!(serde_json::to_value(Filter::default()).unwrap(), json!({}));
    for other in [
        json!({}),
        json!({ "minSeverity": "urgent" }),
        json!({ "minSeverity": null }),
    ] {
        assert_eq!(
            serde_json::from_value::<Filter>(other).unwrap(),
            Filter::default()
        );
    }
}

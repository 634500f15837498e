use entity::cloud_drift::{CloseReason, Severity};
use proptest::collection::btree_map;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, json};
use std::sync::Arc;
use uuid::Uuid;

use super::super::detection::{Finding, Plan};
use super::super::fixtures::{now, resource, spec};
use super::super::traits::KindTraits;
use super::*;
use crate::domain::severity::Rating;

fn plan(pair: &Pair) -> Plan {
    crate::domain::detection::plan(pair, now())
}

#[expect(clippy::result_large_err, reason = "the same as for `decide_accept`")]
fn decide_accept(
    drift: &cloud_drift::Model,
    pair: &Pair,
    seen: Option<i32>,
) -> Result<Acceptance, AcceptRefusal> {
    super::decide_accept(drift, pair, seen, now())
}

/// Returns a pair of a spec and a resource with these attributes, without open drifts.
fn pair(wanted: Value, attrs: Value) -> Pair {
    Pair {
        traits: KindTraits::PLAIN,
        spec: spec(wanted),
        resource: resource(attrs),
        open: Vec::new(),
        listed_at: Some(now()),
        rules: Arc::default(),
        ignored: Vec::new(),
    }
}

/// Opens a drift of revision 3 for each finding of a sweep.
fn swept(mut pair: Pair) -> Pair {
    let opened = (1..).zip(plan(&pair).changes);
    pair.open = opened
        .map(|(id, change)| match change {
            Change::Open(finding) => row(id, finding),
            other => panic!("{other:?} without an open row"),
        })
        .collect();
    pair
}

fn row(id: u128, finding: Finding) -> cloud_drift::Model {
    cloud_drift::Model {
        id: Uuid::from_u128(id),
        resource_id: Uuid::nil(),
        kind: finding.kind,
        field: finding.field,
        expected: Some(finding.expected),
        actual: Some(finding.actual),
        revision: 3,
        status: DriftStatus::Open,
        detected_at: now(),
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
    }
}

/// Returns a pair with one open drift: the expected size is 25, and the live size is 30.
fn drifted() -> Pair {
    swept(pair(
        json!({"size": 25, "ipv6": true}),
        json!({"size": 30, "ipv6": true}),
    ))
}

/// Returns a pair whose resource is gone, with one open drift of the kind missing.
fn vanished() -> Pair {
    let mut pair = pair(json!({"size": 25, "ipv6": true}), json!({"size": 30, "*": 1}));
    pair.resource.gone_at = Some(now());
    swept(pair)
}

type Decision = Result<Acceptance, Box<AcceptRefusal>>;

fn accept(pair: &Pair, seen_revision: Option<i32>) -> Decision {
    assert_eq!(pair.open.len(), 1);
    decide(&pair.open[0], pair, seen_revision)
}

fn decide(drift: &cloud_drift::Model, pair: &Pair, seen_revision: Option<i32>) -> Decision {
    decide_accept(drift, pair, seen_revision).map_err(Box::new)
}

fn refused(why: AcceptRefusal) -> Decision {
    Err(Box::new(why))
}

fn moved(actual: Value, refresh: Option<Change>) -> Decision {
    refused(AcceptRefusal::LiveValueMoved { actual, refresh })
}

fn updated(kind: DriftKind, field: &str, expected: Value, actual: Value) -> Option<Change> {
    Some(Change::Update {
        drift: Uuid::from_u128(1),
        revision: 4,
        finding: Finding {
            kind,
            field: field.to_owned(),
            expected,
            actual,
            rating: match kind {
                DriftKind::Changed => Rating::default(),
                DriftKind::Missing => Rating {
                    severity: Severity::High,
                    rule: Some("resource missing"),
                },
            },
        },
    })
}

fn closed(field: &str, reason: CloseReason) -> Option<Change> {
    Some(Change::Close {
        drift: Uuid::from_u128(1),
        field: field.to_owned(),
        reason,
        rule: None,
    })
}

#[test]
fn accepting_puts_the_live_value_into_the_spec_and_changes_nothing_else() {
    let adopted = Ok(Acceptance::Adopt(json!({"size": 30, "ipv6": true})));
    assert_eq!(accept(&drifted(), Some(3)), adopted);
    assert_eq!(accept(&drifted(), None), adopted);
}

#[test]
fn a_schema_field_is_accepted_like_an_attribute() {
    let pair = swept(pair(json!({"region": "ams3"}), json!({"region": "hidden"})));
    assert_eq!(
        accept(&pair, Some(3)),
        Ok(Acceptance::Adopt(json!({"region": "nyc3"})))
    );
}

#[test]
fn an_absent_field_is_accepted_as_null_and_stays_compared() {
    let mut pair = swept(pair(json!({"size": 25, "tags": ["web"]}), json!({"size": 25})));
    let adopted = json!({"size": 25, "tags": null});
    assert_eq!(accept(&pair, Some(3)), Ok(Acceptance::Adopt(adopted.clone())));
    pair.spec.spec = adopted;
    pair.open.clear();
    assert_eq!(plan(&pair).changes, []);
    pair.resource.tags = json!(["web"]);
    assert_eq!(swept(pair).open.len(), 1);
}

#[test]
fn the_value_is_accepted_in_its_current_notation() {
    let mut pair = swept(pair(json!({"ports": [1]}), json!({"ports": [22, 80]})));
    let rewritten = json!(["80", "22", 22.0]);
    pair.resource.attrs = json!({"ports": rewritten});
    assert_eq!(
        accept(&pair, Some(3)),
        Ok(Acceptance::Adopt(json!({"ports": rewritten})))
    );
}

#[test]
fn a_change_to_a_loosely_equal_value_does_not_refuse_the_accept() {
    let mut pair = drifted();
    pair.open[0].expected = Some(json!("25"));
    pair.open[0].actual = Some(json!(30.0));
    assert!(accept(&pair, Some(3)).is_ok());
    let mut unset = swept(self::pair(json!({"size": null}), json!({"size": 30})));
    unset.open[0].expected = None;
    unset.spec.spec = json!({"size": ""});
    assert_eq!(
        accept(&unset, Some(3)),
        Ok(Acceptance::Adopt(json!({"size": 30})))
    );
}

#[test]
fn changes_of_other_fields_do_not_refuse_the_accept() {
    let mut pair = drifted();
    pair.spec.spec = json!({"size": 25, "backups": true});
    pair.spec.spec_version = 9;
    pair.resource.attrs = json!({"size": 30, "ipv6": false});
    pair.resource.revision = 9;
    assert_eq!(
        accept(&pair, Some(3)),
        Ok(Acceptance::Adopt(json!({"size": 30, "backups": true})))
    );
}

#[test]
fn a_closed_drift_is_refused_before_any_other_reason() {
    for status in [DriftStatus::Accepted, DriftStatus::Reverted, DriftStatus::Stale] {
        for mut pair in [drifted(), vanished()] {
            pair.open[0].status = status;
            let refused = refused(AcceptRefusal::AlreadyResolved(status));
            assert_eq!(accept(&pair, Some(3)), refused);
            pair.spec.spec = json!({"size": 26});
            pair.spec.retired_at = Some(now());
            pair.resource.attrs = json!({"size": 31});
            assert_eq!(accept(&pair, Some(2)), refused);
        }
    }
}

#[test]
fn a_changed_live_value_is_refused_and_updates_the_drift() {
    for seen in [None, Some(3), Some(2)] {
        let mut pair = drifted();
        pair.resource.attrs = json!({"size": 31, "ipv6": true});
        let refresh = updated(DriftKind::Changed, "size", json!(25), json!(31));
        assert_eq!(accept(&pair, seen), moved(json!(31), refresh));
        pair.resource.attrs = json!({"ipv6": true});
        let refresh = updated(DriftKind::Changed, "size", json!(25), json!(null));
        assert_eq!(accept(&pair, seen), moved(json!(null), refresh));
        pair.resource.attrs = json!({"size": "25", "ipv6": false});
        assert_eq!(
            accept(&pair, seen),
            moved(json!("25"), closed("size", CloseReason::Healed))
        );
    }
}

#[test]
fn another_revision_is_refused_even_if_the_drift_needs_no_update() {
    for seen in [0, 2, 4, i32::MIN] {
        assert_eq!(accept(&drifted(), Some(seen)), moved(json!(30), None));
        assert_eq!(accept(&vanished(), Some(seen)), moved(json!(null), None));
    }
}

#[test]
fn an_update_changes_only_the_drift_of_the_accept() {
    let mut pair = swept(pair(json!({"a": 1, "b": 1}), json!({"a": 2, "b": 2})));
    pair.resource.attrs = json!({"a": 2, "b": 3});
    let [a, b] = &pair.open[..] else {
        panic!("two rows")
    };
    assert_eq!(decide(a, &pair, Some(1)), moved(json!(2), None));
    let Err(AcceptRefusal::LiveValueMoved { refresh, .. }) = decide_accept(b, &pair, None) else {
        panic!("b has moved");
    };
    assert!(matches!(refresh, Some(Change::Update { drift, .. }) if drift == b.id));
}

#[test]
fn a_field_of_a_gone_resource_is_refused_as_changed_even_if_it_was_absent() {
    for live in [json!({"size": 30}), json!({})] {
        let mut pair = swept(pair(json!({"size": 25}), live));
        pair.resource.gone_at = Some(now());
        for seen in [None, Some(3), Some(2)] {
            assert_eq!(
                accept(&pair, seen),
                moved(json!(null), closed("size", CloseReason::ResourceGone))
            );
        }
    }
}

#[test]
fn a_changed_expected_value_is_refused() {
    for wanted in [
        json!({"size": 26, "ipv6": true}),
        json!({"size": null}),
        json!({"ipv6": true}),
        json!({}),
        json!("no object"),
    ] {
        let mut pair = drifted();
        pair.spec.spec = wanted.clone();
        assert_eq!(
            accept(&pair, Some(3)),
            refused(AcceptRefusal::SpecMoved),
            "{wanted}"
        );
    }
    let mut pair = drifted();
    pair.spec.retired_at = Some(now());
    assert_eq!(accept(&pair, Some(3)), refused(AcceptRefusal::SpecMoved));
}

#[test]
fn a_field_expected_to_be_unset_is_still_in_the_spec() {
    let mut pair = swept(pair(
        json!({"size": null, "ipv6": true}),
        json!({"size": 30, "ipv6": true}),
    ));
    assert_eq!(
        accept(&pair, Some(3)),
        Ok(Acceptance::Adopt(json!({"size": 30, "ipv6": true})))
    );
    pair.spec.spec = json!({"ipv6": true});
    assert_eq!(accept(&pair, Some(3)), refused(AcceptRefusal::SpecMoved));
}

#[test]
fn a_changed_live_value_is_reported_before_a_changed_spec() {
    let mut pair = drifted();
    pair.spec.spec = json!({"size": 26});
    let refresh = updated(DriftKind::Changed, "size", json!(26), json!(30));
    assert_eq!(accept(&pair, Some(2)), moved(json!(30), refresh));
    pair.resource.attrs = json!({"size": 31});
    let refresh = updated(DriftKind::Changed, "size", json!(26), json!(31));
    assert_eq!(accept(&pair, Some(3)), moved(json!(31), refresh));
    pair.spec.spec = json!({});
    assert_eq!(
        accept(&pair, Some(3)),
        moved(json!(31), closed("size", CloseReason::FieldRemoved))
    );
}

#[test]
fn accepting_a_missing_resource_retires_its_spec() {
    assert_eq!(accept(&vanished(), Some(3)), Ok(Acceptance::Retire));
    assert_eq!(accept(&vanished(), None), Ok(Acceptance::Retire));
    let mut imported = vanished();
    imported.resource.first_seen_at = None;
    imported.open[0].expected = Some(json!({"ipv6": "true", "size": "25", "note": null}));
    assert_eq!(accept(&imported, Some(3)), Ok(Acceptance::Retire));
}

#[test]
fn a_missing_resource_that_returned_is_refused_as_changed() {
    for seen in [None, Some(3), Some(2)] {
        let mut pair = vanished();
        pair.resource.gone_at = None;
        assert_eq!(
            accept(&pair, seen),
            moved(json!(null), closed("*", CloseReason::ResourceReturned))
        );
        pair.spec.spec = json!({"size": 26});
        assert_eq!(
            accept(&pair, seen),
            moved(json!(null), closed("*", CloseReason::ResourceReturned))
        );
    }
}

#[test]
fn a_missing_resource_whose_spec_changed_or_retired_is_refused() {
    let mut pair = vanished();
    pair.spec.spec = json!({"size": 25});
    assert_eq!(accept(&pair, Some(3)), refused(AcceptRefusal::SpecMoved));
    let refresh = updated(DriftKind::Missing, "*", json!({"size": 25}), json!(null));
    assert_eq!(accept(&pair, Some(2)), moved(json!(null), refresh));
    let mut retired = vanished();
    retired.spec.retired_at = Some(now());
    assert_eq!(accept(&retired, Some(3)), refused(AcceptRefusal::SpecMoved));
    assert_eq!(
        accept(&retired, Some(2)),
        moved(json!(null), closed("*", CloseReason::SpecRetired))
    );
}

fn fields() -> impl Strategy<Value = Map<String, Value>> {
    let values = json!([null, [], 1, "1", "2", false, ["a", "b"], {"k": 1}]);
    let values = values.as_array().cloned().unwrap();
    let names = select(vec!["a", "b", "c", "region", "tags", "ip"]).prop_map(str::to_owned);
    btree_map(names, select(values), 0..6).prop_map(Map::from_iter)
}

proptest! {
    #[test]
    fn a_sweep_right_after_accepting_everything_finds_nothing(
        wanted in fields(), live in fields(), gone in prop::bool::weighted(0.2), last_first in any::<bool>(),
    ) {
        let mut pair = pair(Value::Object(wanted), Value::Object(live));
        pair.resource.gone_at = gone.then(now);
        let mut pair = swept(pair);
        while !pair.open.is_empty() {
            let next = if last_first { pair.open.len() - 1 } else { 0 };
            match decide_accept(&pair.open[next], &pair, Some(3)) {
                Ok(Acceptance::Adopt(spec)) => pair.spec.spec = spec,
                Ok(Acceptance::Retire) => pair.spec.retired_at = Some(now()),
                Err(refusal) => panic!("{refusal:?}"),
            }
            pair.open.remove(next);
            prop_assert_eq!(plan(&pair).changes, vec![]);
        }
    }

    #[test]
    fn after_an_update_the_new_values_of_the_drift_can_be_accepted(
        wanted in fields(), before in fields(), after in fields(),
    ) {
        let mut pair = swept(pair(Value::Object(wanted), Value::Object(before)));
        pair.resource.attrs = Value::Object(after);
        for mut row in std::mem::take(&mut pair.open) {
            pair.open = vec![row.clone()];
            match decide_accept(&row, &pair, Some(3)) {
                Err(AcceptRefusal::LiveValueMoved { actual, refresh: Some(Change::Update { finding, .. }) }) => {
                    prop_assert!(!loosely_equal(value_or_null(&row.actual), &actual));
                    row.actual = Some(finding.actual);
                }
                Err(AcceptRefusal::LiveValueMoved { actual, refresh: Some(Change::Close { .. }) }) => {
                    prop_assert!(loosely_equal(&pair.spec.spec[&row.field], &actual));
                    continue;
                }
                decision => prop_assert!(matches!(decision, Ok(Acceptance::Adopt(_))), "{decision:?}"),
            }
            prop_assert!(matches!(decide_accept(&row, &pair, Some(3)), Ok(Acceptance::Adopt(_))));
        }
    }
}

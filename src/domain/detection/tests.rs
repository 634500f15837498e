use std::collections::BTreeSet;

use entity::cloud_drift::{DriftStatus, Severity};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, json};

use super::super::fixtures::{now, resource, spec};
use super::*;

fn plan(pair: &Pair) -> Plan {
    super::plan(pair, now())
}

fn row(id: u128, finding: Finding) -> cloud_drift::Model {
    cloud_drift::Model {
        id: Uuid::from_u128(id),
        resource_id: Uuid::nil(),
        kind: finding.kind,
        field: finding.field,
        expected: Some(finding.expected),
        actual: Some(finding.actual),
        revision: 1,
        status: DriftStatus::Open,
        detected_at: now(),
        resolved_at: None,
        resolved_by: None,
        resolution_note: None,
        close_reason: None,
        closed_by_rule: None,
        severity: finding.rating.severity,
        severity_rule: finding.rating.rule.map(str::to_owned),
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

fn changed(field: &str, expected: Value, actual: Value) -> Finding {
    Finding {
        kind: DriftKind::Changed,
        field: field.to_owned(),
        expected,
        actual,
        rating: Rating::default(),
    }
}

/// Returns a finding: the expected size is 25, and the live size is 30.
fn too_large() -> Finding {
    changed("size", json!(25), json!(30))
}

fn missing(expected: Value) -> Finding {
    Finding {
        kind: DriftKind::Missing,
        field: "*".to_owned(),
        expected,
        actual: Value::Null,
        rating: Rating {
            severity: Severity::High,
            rule: Some("resource missing"),
        },
    }
}

fn close(id: u128, field: &str, reason: CloseReason) -> Change {
    Change::Close {
        drift: Uuid::from_u128(id),
        field: field.to_owned(),
        reason,
        rule: None,
    }
}

fn update(id: u128, revision: i32, finding: Finding) -> Change {
    Change::Update {
        drift: Uuid::from_u128(id),
        revision,
        finding,
    }
}

/// Returns a pair whose open drifts have the ids 1, 2, 3, ...
fn pair(wanted: Value, attrs: Value, open: &[Finding]) -> Pair {
    let rows = (1..).zip(open);
    Pair {
        spec: spec(wanted),
        resource: resource(attrs),
        open: rows.map(|(id, finding)| row(id, finding.clone())).collect(),
        listed_at: Some(now()),
        traits: KindTraits::PLAIN,
        rules: Arc::default(),
        ignored: Vec::new(),
    }
}

#[test]
fn differing_fields_open_drifts_and_equal_fields_do_not() {
    let wanted = json!({"size": 25, "region": "ams3", "ipv6": true, "tags": ["web"]});
    let plan = plan(&pair(
        wanted,
        json!({"size": "25", "ipv6": false, "other": 1}),
        &[],
    ));
    let opened = [
        changed("ipv6", json!(true), json!(false)),
        changed("region", json!("ams3"), json!("nyc3")),
        changed("tags", json!(["web"]), json!(null)),
    ];
    assert_eq!(plan.changes, opened.map(Change::Open));
    assert_eq!((plan.fields_compared, plan.unsynced), (4, false));
}

#[test]
fn a_drift_with_loosely_equal_values_is_not_changed() {
    let wanted = json!({"size": 25, "tags": ["a", "b"], "note": null});
    let live = json!({"size": 30, "tags": [], "note": {"k": [1, 2]}});
    for open in [
        [
            too_large(),
            changed("tags", json!(["a", "b"]), json!([])),
            changed("note", json!(null), json!({"k": [1, 2]})),
        ],
        [
            changed("size", json!("25"), json!(30.0)),
            changed("tags", json!(["b", "a", "a"]), json!(null)),
            changed("note", json!(""), json!({"k": ["2", 1], "l": null})),
        ],
    ] {
        assert_eq!(plan(&pair(wanted.clone(), live.clone(), &open)).changes, []);
    }
    let open = [changed("note", json!(null), json!({"k": [1, 2]}))];
    let mut without = pair(json!({"note": null}), live, &open);
    without.open[0].expected = None;
    assert_eq!(plan(&without).changes, [], "a null column is null");
}

#[test]
fn a_drift_with_other_values_is_updated_to_its_next_revision() {
    let finding = too_large();
    for outdated in [
        changed("size", json!(25), json!(31)),
        changed("size", json!(26), json!(30)),
        changed("size", json!(null), json!(null)),
        changed("size", json!(30), json!(25)),
    ] {
        let mut pair = pair(json!({"size": 25}), json!({"size": 30}), &[outdated]);
        assert_eq!(plan(&pair).changes, [update(1, 2, finding.clone())]);
        pair.open[0].revision = 41;
        assert_eq!(plan(&pair).changes, [update(1, 42, finding.clone())]);
        pair.open[0].revision = i32::MAX;
        assert_eq!(plan(&pair).changes, [update(1, i32::MAX, finding.clone())]);
    }
}

#[test]
fn a_drift_closes_when_values_agree_or_its_field_left_the_spec() {
    let open = [too_large()];
    for (wanted, live, reason) in [
        (json!({"size": 25}), json!({"size": "25"}), CloseReason::Healed),
        (json!({"size": 30}), json!({"size": 30}), CloseReason::SpecChanged),
        (
            json!({"ipv6": true}),
            json!({"size": 30, "ipv6": true}),
            CloseReason::FieldRemoved,
        ),
        (json!({}), json!({"size": 30}), CloseReason::FieldRemoved),
        (json!({"size": null}), json!({}), CloseReason::SpecChanged),
        (json!("no object"), json!({"size": 30}), CloseReason::FieldRemoved),
    ] {
        let plan = plan(&pair(wanted.clone(), live, &open));
        assert_eq!(plan.changes, [close(1, "size", reason)], "{wanted}");
    }
}

#[test]
fn drifts_close_before_others_change_each_in_order_of_fields() {
    let open = ["z", "d", "b", "a"].map(|field| changed(field, json!(1), json!(2)));
    let wanted = json!({"a": 1, "b": 1, "c": 1, "e": 1, "z": 1});
    let plan = plan(&pair(
        wanted,
        json!({"a": 1, "b": 2, "c": 2, "d": 2, "e": 2, "z": 3}),
        &open,
    ));
    assert_eq!(
        plan.changes,
        [
            close(4, "a", CloseReason::Healed),
            close(2, "d", CloseReason::FieldRemoved),
            Change::Open(changed("c", json!(1), json!(2))),
            Change::Open(changed("e", json!(1), json!(2))),
            update(1, 2, changed("z", json!(1), json!(3))),
        ]
    );
}

#[test]
fn a_gone_resource_has_one_missing_drift_instead_of_field_drifts() {
    let wanted = json!({"size": 25, "ipv6": true});
    let open = [too_large(), changed("ipv6", json!(true), json!(false))];
    let mut gone = pair(wanted.clone(), json!({"size": 30, "ipv6": false}), &open);
    gone.resource.gone_at = Some(now());
    let plan = plan(&gone);
    assert_eq!(
        plan.changes,
        [
            close(2, "ipv6", CloseReason::ResourceGone),
            close(1, "size", CloseReason::ResourceGone),
            Change::Open(missing(wanted))
        ]
    );
    assert_eq!((plan.fields_compared, plan.unsynced), (0, false));
}

#[test]
fn a_missing_drift_stays_open_until_the_resource_returns() {
    let wanted = json!({"size": 25});
    let mut pair = pair(
        wanted.clone(),
        json!({"size": 30}),
        &[missing(json!({"size": "25", "note": ""}))],
    );
    pair.resource.gone_at = Some(now());
    assert_eq!(plan(&pair).changes, []);
    pair.resource.gone_at = None;
    let differs = too_large();
    assert_eq!(
        plan(&pair).changes,
        [
            close(1, "*", CloseReason::ResourceReturned),
            Change::Open(differs)
        ]
    );
    pair.resource.attrs = wanted;
    assert_eq!(
        plan(&pair).changes,
        [close(1, "*", CloseReason::ResourceReturned)]
    );
}

#[test]
fn a_new_spec_of_a_missing_resource_updates_its_missing_drift() {
    let wanted = json!({"size": 50});
    let mut pair = pair(wanted.clone(), json!({}), &[missing(json!({"size": 25}))]);
    pair.resource.gone_at = Some(now());
    assert_eq!(plan(&pair).changes, [update(1, 2, missing(wanted))]);
}

#[test]
fn an_unsynced_resource_is_not_compared() {
    let mut imported = pair(json!({"size": 25}), json!({}), &[too_large()]);
    imported.resource.first_seen_at = None;
    let plan = plan(&imported);
    assert_eq!((plan.fields_compared, plan.unsynced), (0, true));
    assert_eq!(plan.changes, []);
}

#[test]
fn an_imported_resource_that_a_complete_listing_lacks_is_missing() {
    let mut imported = pair(json!({"size": 25}), json!({}), &[]);
    imported.resource.first_seen_at = None;
    imported.resource.gone_at = Some(now());
    let plan = plan(&imported);
    assert!(!plan.unsynced);
    assert_eq!(plan.changes, [Change::Open(missing(json!({"size": 25})))]);
}

#[test]
fn a_retired_spec_opens_no_drift_and_closes_its_drifts() {
    for (seen, gone) in [(true, false), (true, true), (false, false), (false, true)] {
        let open = [too_large(), missing(json!({"size": 25}))];
        let mut pair = pair(json!({"size": 25, "ipv6": true}), json!({"size": 30}), &open);
        pair.spec.retired_at = Some(now());
        pair.resource.first_seen_at = seen.then(now);
        pair.resource.gone_at = gone.then(now);
        let plan = plan(&pair);
        assert_eq!(
            plan.changes,
            [
                close(2, "*", CloseReason::SpecRetired),
                close(1, "size", CloseReason::SpecRetired)
            ]
        );
        assert_eq!((plan.fields_compared, plan.unsynced), (0, false));
    }
}

#[test]
fn a_drift_that_neither_value_explains_closes_as_no_longer_compared() {
    let open = [changed("project_id", json!("a"), json!("b"))];
    let mut unread = pair(json!({"project_id": "a"}), json!({}), &open);
    unread.traits.unset_project_is_unread = true;
    assert_eq!(
        plan(&unread).changes,
        [close(1, "project_id", CloseReason::NotCompared)]
    );
    let wanted = json!({"size": {"a": 1, "b": 2}});
    let live = json!({"size": {"a": 1, "b": 3}});
    let open = [changed("size", wanted["size"].clone(), live["size"].clone())];
    let mut left_open = pair(wanted, live, &open);
    let mut parts = NotCompared::default();
    parts.add("size", vec![json!("b")]);
    left_open.spec.not_compared = parts.to_column(1);
    assert_eq!(
        plan(&left_open).changes,
        [close(1, "size", CloseReason::NotCompared)]
    );
}

/// The state of a spec and its resource at one moment.
#[derive(Clone, Debug)]
struct World {
    wanted: Map<String, Value>,
    live: Map<String, Value>,
    seen: bool,
    gone: bool,
    retired: bool,
}

impl World {
    /// Returns the expected and live values of the drifts that must be open, by field. Returns None if the resource is
    /// unsynced.
    fn truth(&self) -> Option<BTreeMap<String, (Value, Value)>> {
        if self.retired {
            return Some(BTreeMap::new());
        }
        if self.gone {
            let whole = (Value::Object(self.wanted.clone()), Value::Null);
            return Some(BTreeMap::from([("*".to_owned(), whole)]));
        }
        let live = |field: &String| self.live.get(field).cloned().unwrap_or_default();
        let fields = self.wanted.iter();
        let differing = fields.filter(|(field, expected)| !loosely_equal(expected, &live(field)));
        let rows = differing.map(|(field, expected)| (field.clone(), (expected.clone(), live(field))));
        self.seen.then(|| rows.collect())
    }
}

/// Applies changes to the open drifts, as a sweep does. Panics if a change is not possible.
fn apply(open: &mut Vec<cloud_drift::Model>, changes: Vec<Change>, next_id: &mut u128) {
    let find = |open: &[cloud_drift::Model], id| open.iter().position(|row| row.id == id).unwrap();
    for change in changes {
        match change {
            Change::Open(finding) => {
                assert!(open.iter().all(|row| row.field != finding.field));
                *next_id += 1;
                open.push(row(*next_id, finding));
            }
            Change::Update {
                drift,
                revision,
                finding,
            } => {
                let position = find(open, drift);
                let before = &mut open[position];
                assert_eq!((&before.field, before.revision + 1), (&finding.field, revision));
                before.kind = finding.kind;
                before.revision = revision;
                before.expected = Some(finding.expected);
                before.actual = Some(finding.actual);
            }
            Change::Rate { .. } | Change::Ignore(_) | Change::Count { .. } | Change::Unignore { .. } => {
                unreachable!("there are no rules")
            }
            Change::Close { drift, field, .. } => {
                let closed = open.remove(find(open, drift));
                assert_eq!(closed.field, field);
            }
        }
    }
}

fn fields() -> impl Strategy<Value = Map<String, Value>> {
    let values = json!([null, "", 1, "1", 2, false, ["a", "b"], ["b", "a", "a"], {"k": null}, {"k": 1}]);
    let values = values.as_array().cloned().unwrap();
    let names = select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned);
    btree_map(names, select(values), 0..5).prop_map(Map::from_iter)
}

fn worlds() -> impl Strategy<Value = World> {
    let rarely = || prop::bool::weighted(0.2);
    (fields(), fields(), prop::bool::weighted(0.8), rarely(), rarely()).prop_map(
        |(wanted, live, seen, gone, retired)| World {
            wanted,
            live,
            seen,
            gone,
            retired,
        },
    )
}

proptest! {
    #[test]
    fn a_sweep_opens_exactly_the_differences_and_a_second_one_changes_nothing(
        stale in (fields(), fields()), history in vec(worlds(), 1..8),
    ) {
        let mut next_id = 0;
        let mut pair = pair(json!({}), json!({}), &[]);
        // The history begins with arbitrary open drifts, at most one for each field.
        for (field, expected) in stale.0 {
            let actual = stale.1.get(&field).cloned().unwrap_or_default();
            apply(&mut pair.open, vec![Change::Open(changed(&field, expected, actual))], &mut next_id);
        }
        for world in history {
            pair.spec.spec = Value::Object(world.wanted.clone());
            pair.spec.retired_at = world.retired.then(now);
            pair.resource.attrs = Value::Object(world.live.clone());
            pair.resource.first_seen_at = world.seen.then(now);
            pair.resource.gone_at = world.gone.then(now);
            let first = plan(&pair);
            let Some(truth) = world.truth() else {
                prop_assert!(first.unsynced && first.changes.is_empty());
                continue;
            };
            apply(&mut pair.open, first.changes, &mut next_id);
            prop_assert_eq!(plan(&pair).changes, vec![]);
            let open: BTreeSet<&String> = pair.open.iter().map(|row| &row.field).collect();
            prop_assert_eq!(open.len(), pair.open.len());
            prop_assert_eq!(open, truth.keys().collect());
            for row in &pair.open {
                let (expected, actual) = &truth[&row.field];
                prop_assert!(loosely_equal(value_or_null(&row.expected), expected));
                prop_assert!(loosely_equal(value_or_null(&row.actual), actual));
                prop_assert_eq!(row.kind == DriftKind::Missing, row.field == "*");
            }
        }
    }
}

#[test]
fn settling_delays_all_drifts_for_30_minutes() {
    let settling = |since| {
        let mut pair = pair(json!({"size": 25}), json!({"size": 50}), &[]);
        pair.resource.settling_since = Some(since);
        pair
    };
    let lately = now() - TimeDelta::minutes(29);
    let held = plan(&settling(lately));
    assert_eq!(
        (held.settling, held.fields_compared, held.changes),
        (true, 0, vec![])
    );
    assert!(
        !plan(&settling(now() - SETTLING_LIMIT)).changes.is_empty(),
        "too long"
    );
    let mut gone = settling(lately);
    gone.resource.gone_at = Some(now());
    assert!(!plan(&gone).changes.is_empty(), "a gone resource does not settle");
    let mut never = settling(lately);
    never.traits.settles = false;
    assert!(!plan(&never).changes.is_empty(), "a kind that never settles");
}

#[test]
fn settling_lasts_only_as_long_as_listings_report_it() {
    let settling = |listed_at| Pair {
        resource: cloud_resources::Model {
            settling_since: Some(now() - TimeDelta::hours(5)),
            ..resource(json!({"size": 50}))
        },
        listed_at,
        ..pair(json!({"size": 25}), json!({}), &[])
    };
    let hours_ago = |hours| Some(now() - TimeDelta::hours(hours));
    for held in [hours_ago(5), None, hours_ago(6)] {
        assert!(plan(&settling(held)).settling, "{held:?}");
    }
    // A listing time in the future counts as now.
    for seen_again in [hours_ago(4), hours_ago(0), hours_ago(-9)] {
        assert!(!plan(&settling(seen_again)).settling, "{seen_again:?}");
    }
    let mut soon = settling(hours_ago(-9));
    soon.resource.settling_since = Some(now() - TimeDelta::minutes(29));
    assert!(plan(&soon).settling);
}

use serde_json::json;

use super::*;

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
}

fn changed(before: Option<Value>, listed_before: i64, seen: i64) -> Change {
    Change {
        change_type: ChangeType::Changed,
        before,
        last_listed_at: Some(at(listed_before)),
        seen_at: at(seen),
    }
}

fn facts(changes: Vec<Change>, expected_since: i64) -> Facts {
    Facts {
        changes,
        expected_since: ExpectedSince::Known(at(expected_since)),
        first_seen_at: Some(at(1)),
        recorded_since: Some(at(0)),
    }
}

/// The window of a field whose expected value is 1, as minutes.
fn found(facts: &Facts) -> (Option<i64>, Option<i64>, WindowBasis) {
    let minutes = |time: Option<DateTime<Utc>>| time.map(|time| (time - at(0)).num_minutes());
    let window = window(|value| *value == json!(1), facts);
    (
        minutes(window.last_seen_equal_at),
        minutes(window.first_seen_different_at),
        window.basis,
    )
}

#[test]
fn a_change_away_from_the_expected_value_is_the_window() {
    let one = facts(vec![changed(Some(json!(1)), 20, 30)], 5);
    assert_eq!(found(&one), (Some(20), Some(30), WindowBasis::LiveChanged));
    // The value moved on since, and had another value before.
    let several = [
        changed(Some(json!(3)), 60, 70),
        changed(Some(json!(1)), 20, 30),
        changed(Some(json!(9)), 10, 20),
    ];
    assert_eq!(
        found(&facts(several.to_vec(), 5)),
        (Some(20), Some(30), WindowBasis::LiveChanged)
    );
}

#[test]
fn a_spec_that_was_recorded_later_is_the_cause() {
    assert_eq!(
        found(&facts(vec![], 50)),
        (None, Some(50), WindowBasis::SpecRecorded)
    );
    let old = facts(vec![changed(Some(json!(1)), 20, 30)], 50);
    assert_eq!(found(&old), (None, Some(50), WindowBasis::SpecRecorded));
}

#[test]
fn a_resource_that_was_listed_after_its_spec_differed_from_the_start() {
    let mut late = facts(vec![], 5);
    late.first_seen_at = Some(at(9));
    assert_eq!(found(&late), (None, Some(9), WindowBasis::FirstListing));
}

#[test]
fn what_is_not_recorded_is_not_known() {
    let none = (None, None, WindowBasis::NotRecorded);
    // A change without values.
    assert_eq!(found(&facts(vec![changed(None, 20, 30)], 5)), none);
    // The record begins after the spec.
    let mut late = facts(vec![], 5);
    late.recorded_since = Some(at(6));
    assert_eq!(found(&late), none);
    late.recorded_since = None;
    assert_eq!(found(&late), none);
    // The spec may be older than its newest version.
    let mut unsure = facts(vec![], 50);
    unsure.expected_since = ExpectedSince::AtMost(at(50));
    assert_eq!(found(&unsure), none);
    // More changes than are searched.
    let many = (0..MAX_CHANGES).map(|n| changed(Some(json!(7)), 200 - n as i64, 201 - n as i64));
    assert_eq!(found(&facts(many.collect(), 5)), none);
}

#[test]
fn a_change_after_the_newest_version_is_certain_whatever_was_before() {
    let mut unsure = facts(vec![changed(Some(json!(1)), 20, 30)], 10);
    unsure.expected_since = ExpectedSince::AtMost(at(10));
    assert_eq!(found(&unsure), (Some(20), Some(30), WindowBasis::LiveChanged));
}

#[test]
fn a_missing_resource_has_the_window_of_its_end() {
    let gone = Change {
        change_type: ChangeType::Gone,
        ..changed(Some(Value::Null), 20, 30)
    };
    let window = window_of_missing(&facts(vec![gone.clone()], 5));
    assert_eq!(window.last_seen_equal_at, Some(at(20)));
    assert_eq!(window.first_seen_different_at, Some(at(30)));
    // The spec of a resource that was already gone.
    let window = window_of_missing(&facts(vec![gone], 40));
    assert_eq!(window.basis, WindowBasis::SpecRecorded);
    assert_eq!(window.first_seen_different_at, Some(at(40)));
}

#[test]
fn a_value_is_expected_since_the_first_version_of_a_row_that_has_it() {
    let version = |version, value: Option<i64>| EarlierVersion {
        version,
        recorded_at: at(version.into()),
        value: value.map(Value::from),
    };
    let since = |current: i32, earlier: &[EarlierVersion]| {
        expected_since(at(current.into()), current, earlier, |value| *value == json!(1))
    };
    assert_eq!(since(1, &[]), ExpectedSince::Known(at(1)));
    assert_eq!(
        since(3, &[version(2, Some(2)), version(1, Some(1))]),
        ExpectedSince::Known(at(3))
    );
    assert_eq!(
        since(3, &[version(1, None), version(2, Some(1))]),
        ExpectedSince::Known(at(2))
    );
    assert_eq!(
        since(3, &[version(2, Some(1)), version(1, Some(1))]),
        ExpectedSince::Known(at(1))
    );
    assert_eq!(
        since(9, &[version(8, Some(1)), version(7, Some(1))]),
        ExpectedSince::AtMost(at(7))
    );
    assert_eq!(since(9, &[]), ExpectedSince::AtMost(at(9)));
    assert_eq!(since(9, &[version(7, Some(2))]), ExpectedSince::AtMost(at(9)));
}

#[test]
fn the_third_drift_within_the_time_flaps() {
    assert_eq!([0, 1, 2, 3].map(is_flapping), [false, false, true, true]);
}

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().into()
}

fn twice(cron: &str) -> MaxAge {
    MaxAge::twice_the_interval(Schedule::parse(cron, at("2027-01-01T00:00:00Z")).unwrap())
}

#[test]
fn a_kind_is_overdue_after_twice_the_interval_of_syncs() {
    let (hourly, now) = (twice("0 15 * * * *"), at("2027-01-01T12:20:00Z"));
    assert!(!hourly.is_exceeded(at("2027-01-01T10:20:00Z"), now));
    assert!(hourly.is_exceeded(at("2027-01-01T10:19:59Z"), now));
    let daily = twice("0 0 3 * * *");
    assert!(!daily.is_exceeded(at("2026-12-31T03:01:00Z"), at("2027-01-02T03:00:30Z")));
    assert!(daily.is_exceeded(at("2026-12-31T03:01:00Z"), at("2027-01-02T03:01:01Z")));
    assert!(MaxAge::default().is_exceeded(now - TimeDelta::minutes(121), now));
    assert!(!MaxAge::default().is_exceeded(now - TimeDelta::minutes(120), now));
}

#[test]
fn a_schedule_with_a_weekend_break_is_overdue_after_two_due_syncs() {
    let office = twice("0 15 9-17 * * MON-FRI");
    let friday = at("2027-01-01T17:16:00Z");
    assert!(
        !office.is_exceeded(friday, at("2027-01-04T10:15:00Z")),
        "the second is due"
    );
    assert!(office.is_exceeded(friday, at("2027-01-04T10:15:01Z")));
}

#[test]
fn each_reason_for_a_stale_kind_is_returned() {
    let now = at("2027-01-01T12:00:00Z");
    let (fresh, old) = (Some(now - TimeDelta::minutes(5)), Some(now - TimeDelta::days(21)));
    let reason = |completed_at, newest| stale_reason(completed_at, newest, &MaxAge::default(), now);
    assert_eq!(reason(fresh, Some(ListingOutcome::Complete)), None);
    assert_eq!(reason(fresh, None), None, "a row of before the column was there");
    assert_eq!(reason(None, None), Some(StaleReason::NeverListed));
    assert_eq!(
        reason(old, Some(ListingOutcome::Complete)),
        Some(StaleReason::Overdue)
    );
    assert_eq!(
        reason(fresh, Some(ListingOutcome::Incomplete)),
        Some(StaleReason::Incomplete)
    );
    assert_eq!(
        reason(old, Some(ListingOutcome::NotReadable)),
        Some(StaleReason::NotReadable)
    );
    let ahead = |seconds| reason(Some(now + TimeDelta::seconds(seconds)), None);
    assert_eq!(ahead(30), None, "clocks differ a little");
    assert_eq!(ahead(31), Some(StaleReason::InTheFuture));
}

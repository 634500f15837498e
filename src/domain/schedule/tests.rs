use super::*;

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().into()
}

fn noon() -> DateTime<Utc> {
    at("2027-01-01T12:00:00Z")
}

fn cron(text: &str) -> Schedule {
    Schedule::parse(text, noon()).unwrap()
}

fn why(text: &str) -> String {
    Schedule::parse(text, noon()).unwrap_err()
}

#[test]
fn a_cron_of_five_fields_ticks_at_second_zero() {
    let schedule = cron("20 * * * *");
    assert_eq!(schedule.text(), "0 20 * * * *");
    assert_eq!(schedule.newest_tick(noon()), Some(at("2027-01-01T11:20:00Z")));
    assert_eq!(schedule.next_tick(noon()), Some(at("2027-01-01T12:20:00Z")));
    let schedule = cron("30 20 * * * *");
    assert_eq!(schedule.text(), "30 20 * * * *");
    assert_eq!(schedule.newest_tick(noon()), Some(at("2027-01-01T11:20:30Z")));
}

#[test]
fn an_invalid_or_never_due_cron_is_refused_with_its_text() {
    for text in ["", "hourly", "* * * *", "0 0 0 0 0 0 0 0", "61 * * * * *"] {
        let why = why(text);
        assert!(
            why.starts_with(&format!("{text:?} is not a cron expression: ")),
            "{why}"
        );
    }
    assert_eq!(why("0 0 0 31 2 *"), "\"0 0 0 31 2 *\" never matches a time");
}

#[test]
fn a_tick_at_the_current_second_is_due() {
    let hourly = cron("0 0 * * * *");
    for now in [noon(), at("2027-01-01T12:00:00.750Z")] {
        assert_eq!(hourly.newest_tick(now), Some(noon()));
        assert_eq!(hourly.next_tick(now), Some(at("2027-01-01T13:00:00Z")));
    }
    let before = at("2027-01-01T11:59:59.999Z");
    assert_eq!(hourly.newest_tick(before), Some(at("2027-01-01T11:00:00Z")));
    assert_eq!(hourly.next_tick(before), Some(noon()));
}

#[test]
fn a_job_is_overdue_once_its_last_run_is_older_than_the_interval() {
    let hourly = cron("0 0 * * * *");
    let now = at("2027-01-01T12:30:00Z");
    assert!(hourly.is_overdue(None, now), "it never ran");
    assert!(hourly.is_overdue(Some(at("2027-01-01T11:29:59Z")), now));
    assert!(!hourly.is_overdue(Some(at("2027-01-01T11:30:00Z")), now));
    assert!(!hourly.is_overdue(Some(now), now));
}

#[test]
fn a_day_and_a_weekday_must_both_match() {
    let friday_the_13th = cron("0 0 0 13 * FRI").newest_tick(noon());
    assert_eq!(friday_the_13th, Some(at("2026-11-13T00:00:00Z")));
    let monday_to_friday = cron("0 0 6 * * MON-FRI").newest_tick(noon());
    assert_eq!(monday_to_friday, Some(at("2027-01-01T06:00:00Z")));
}

#[test]
fn a_field_out_of_range_is_refused() {
    for text in [
        "60 * * * * *",
        "0 60 * * * *",
        "0 0 24 * * *",
        "0 0 0 32 * *",
        "0 0 0 * 13 *",
        "0 0 0 * * 8",
        "*/0 * * * * *",
        "5-1 * * * * *",
    ] {
        assert!(why(text).contains(text));
    }
    assert!(why("0 0 30 2 *").contains("never matches a time"));
}

use chrono::TimeDelta;
use clap::Parser;
use clap::error::ErrorKind;

use super::parsers::shown;
use super::*;
use crate::domain::freshness::MaxAge;
use crate::domain::retention::Retention;
use crate::graphql::api_limits::ApiLimits;

#[derive(Debug, Parser)]
struct Settings {
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    inventory: InventoryArgs,
    #[command(flatten)]
    http: HttpArgs,
    #[command(flatten)]
    token: TokenArgs,
    #[command(flatten)]
    schedule: ScheduleArgs,
    #[command(flatten)]
    max_age: MaxAgeArgs,
    #[command(flatten)]
    retention: RetentionArgs,
}

fn parsed(flags: &[&str]) -> Result<Settings, clap::Error> {
    Settings::try_parse_from(["drift-inbox"].iter().chain(flags))
}

fn settings(flags: &[&str]) -> Settings {
    parsed(flags).unwrap()
}

fn refused(flag: &str, value: &str) -> String {
    let error = parsed(&[&format!("{flag}={value}")]).expect_err(value);
    let kinds = [ErrorKind::ValueValidation, ErrorKind::InvalidValue];
    assert!(kinds.contains(&error.kind()), "{value:?}: {error}");
    let text = error.to_string();
    assert!(text.contains(flag), "{text}");
    text
}

#[test]
fn an_unset_setting_has_its_default() {
    let defaults = settings(&[]);
    assert_eq!(defaults.http.limits(), ApiLimits::default());
    assert_eq!(defaults.retention.retention(), Retention::default());
    let schedules = defaults.schedule.schedules(Retention::default());
    assert!(schedules.sync.is_some() && schedules.detect.is_some());
    let max_age = defaults.max_age.max_age(&defaults.schedule.sync);
    assert!(matches!(max_age, MaxAge::TwiceTheInterval(_)));
    assert_eq!(defaults.http.listen().to_string(), "127.0.0.1:8080");
    assert!(defaults.database.migrate && defaults.http.introspection);
    assert_eq!(
        WaitLimits {
            lock: defaults.database.lock_timeout,
            statement: defaults.database.statement_timeout,
            connection: defaults.database.connection_timeout,
        },
        WaitLimits::REQUEST
    );
}

#[test]
fn a_bad_value_is_refused_with_its_flag() {
    for text in ["60 * * * * *", "@every 5m", "hourly", "* *", "0 0 3 31 2 *"] {
        refused("--sync-cron", text);
    }
    for text in ["0", "-1", "many", "1001", "1e3"] {
        refused("--max-page", text);
    }
    for text in ["0s", "23h", "soon", "OFF", "-1d", "300000000y", "600000000000y"] {
        refused("--keep-events", text);
    }
    for text in ["0s", "500us", "1", "off"] {
        refused("--lock-timeout", text);
    }
    for (flag, text) in [
        ("--listen", "8080"),
        ("--introspection", "yes"),
        ("--max-depth", "0"),
        ("--source", "a\nb"),
        ("--digitalocean-api-url", "http://api.digitalocean.com"),
    ] {
        refused(flag, text);
    }
    assert!(refused("--source", &"x".repeat(201)).contains("at most 200 bytes"));
}

#[test]
fn off_disables_a_schedule_and_keeps_rows_for_ever() {
    let off = settings(&["--sync-cron=off", "--keep-events=off", "--migrate=off"]);
    assert!(off.schedule.schedules(Retention::default()).sync.is_none());
    assert_eq!(off.retention.retention().events, None);
    assert!(!off.database.migrate);
    let kept = settings(&["--keep-events=30d", "--keep-decisions=1d"])
        .retention
        .retention();
    assert_eq!(
        (kept.events, kept.decisions),
        (Some(TimeDelta::days(30)), Some(TimeDelta::days(1)))
    );
}

#[test]
fn a_cron_may_omit_the_seconds() {
    let args = settings(&["--sync-cron", "*/5 * * * *"]);
    let schedule = args.schedule.sync.sync_cron.unwrap();
    assert_eq!(schedule.text(), "0 */5 * * * *");
}

#[test]
fn a_duration_is_shown_as_it_is_parsed() {
    for text in ["1ms", "1500ms", "5s", "90s", "30m", "36h", "1d", "400d"] {
        let time = time_of_at_least(Duration::ZERO)(text).unwrap();
        assert_eq!(shown(time), text);
    }
}

#[test]
fn errors_and_debug_output_do_not_show_the_secret() {
    let short = TokenConfig::with_secret("hunter2".into());
    let error = short.verifier().unwrap_err().to_string();
    assert!(
        error.starts_with("DRIFT_JWT_SECRET: ") && !error.contains("hunter2"),
        "{error}"
    );
    let config = TokenConfig::with_secret("hunter2-hunter2-hunter2-hunter2-hunter2".into());
    assert!(config.verifier().is_ok() && !format!("{config:?}").contains("hunter2"));
}

#[test]
fn the_inventory_comes_from_a_file_or_from_an_account() {
    let token = || Some(SecretString::from("dop_v1_hunter2"));
    let (neither, file) = (settings(&[]), settings(&["--inventory-file=inventory.json"]));
    assert!(neither.inventory.with_token(None).unwrap().is_none());
    let from_file = file.inventory.with_token(None).unwrap();
    assert!(matches!(from_file, Some(InventoryConfig::File(_))));
    let account = neither.inventory.with_token(token()).unwrap();
    assert!(matches!(account, Some(InventoryConfig::DigitalOcean(..))));
    assert!(!format!("{account:?}").contains("hunter2"));

    let both = file.inventory.with_token(token()).unwrap_err().to_string();
    assert_eq!(
        both,
        "DIGITALOCEAN_TOKEN: cannot be combined with DRIFT_INVENTORY_FILE: unset one of them"
    );
    let malformed = neither.inventory.with_token(Some("hunter2 hunter2".into()));
    let malformed = malformed.unwrap_err().to_string();
    assert!(
        malformed.starts_with("DIGITALOCEAN_TOKEN: ") && !malformed.contains("hunter2"),
        "{malformed}"
    );
}

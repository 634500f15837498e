use super::*;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

#[test]
fn an_empty_setting_counts_as_unset() {
    let args = ScheduleArgs {
        sync_cron: Some(String::new()),
        detect_cron: Some("off".to_owned()),
    };
    let schedules = args.resolve(now()).unwrap();
    assert!(schedules.sync.is_some(), "the default");
    assert!(schedules.detect.is_none());
}

#[test]
fn bad_settings_are_refused_by_name() {
    let cron = |text: &str| {
        ScheduleArgs {
            sync_cron: Some(text.to_owned()),
            detect_cron: None,
        }
        .resolve(now())
    };
    for text in ["60 * * * * *", "@every 5m", "hourly", "* *", "0 0 3 31 2 *"] {
        let error = cron(text).unwrap_err().to_string();
        assert!(error.starts_with("DRIFT_SYNC_CRON: "), "{error}");
    }
    let listen = HttpArgs {
        listen: Some("8080".to_owned()),
        introspection: Some("yes".to_owned()),
        ..HttpArgs::default()
    };
    assert!(
        listen
            .listen()
            .unwrap_err()
            .to_string()
            .starts_with("DRIFT_LISTEN: ")
    );
    assert!(
        listen
            .introspection()
            .unwrap_err()
            .to_string()
            .starts_with("DRIFT_INTROSPECTION: ")
    );
    let log = LogFormat::parse(Some("xml")).unwrap_err().to_string();
    assert_eq!(log, "DRIFT_LOG_FORMAT: \"xml\" is not text or json");
}

#[test]
fn a_cron_may_omit_the_seconds() {
    let args = ScheduleArgs {
        sync_cron: Some("*/5 * * * *".to_owned()),
        detect_cron: None,
    };
    let tick = args
        .resolve(now())
        .unwrap()
        .sync
        .unwrap()
        .newest_tick(now())
        .unwrap();
    assert_eq!(tick.timestamp() % 300, 0);
}

#[test]
fn no_error_shows_a_secret() {
    let args = TokenArgs::default();
    let error = args.with_secret("hunter2".into()).unwrap_err().to_string();
    assert!(
        error.starts_with("DRIFT_JWT_SECRET: ") && !error.contains("hunter2"),
        "{error}"
    );
    let config = args
        .with_secret("hunter2-hunter2-hunter2-hunter2-hunter2".into())
        .unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn every_bound_is_a_setting() {
    let number = |text: &str| Some(text.to_owned());
    let args = BoundsArgs {
        max_page: number("50"),
        request_timeout: number("5s"),
        ..BoundsArgs::default()
    };
    let bounds = args.resolve().unwrap();
    assert_eq!(
        (bounds.max_page, bounds.request.request_timeout),
        (50, Duration::from_secs(5))
    );
    assert_eq!(
        bounds.request.max_depth,
        graphql_server::limits::RequestLimits::default().max_depth
    );
    for text in ["0", "-1", "many", "1001", "1e3"] {
        let args = BoundsArgs {
            max_page: number(text),
            ..BoundsArgs::default()
        };
        assert!(
            args.resolve()
                .unwrap_err()
                .to_string()
                .starts_with("DRIFT_MAX_PAGE: "),
            "{text}"
        );
    }
}

#[test]
fn the_inventory_comes_from_a_file_or_from_an_account() {
    let token = || Some(SecretString::from("dop_v1_hunter2"));
    let args = |file: &str, url: &str| InventoryArgs {
        inventory_file: Some(file.to_owned()),
        digitalocean_api_url: Some(url.to_owned()),
        source: None,
    };
    assert!(args("", "").with_token(None).unwrap().is_none());
    let file = args("inventory.json", "").with_token(None).unwrap();
    assert!(matches!(file, Some(InventoryConfig::File(_))));
    let account = args("", "").with_token(token()).unwrap();
    assert!(matches!(account, Some(InventoryConfig::DigitalOcean(..))));
    assert!(!format!("{account:?}").contains("hunter2"));

    let refused = |args: InventoryArgs, token| args.with_token(token).unwrap_err().to_string();
    let both = refused(args("inventory.json", ""), token());
    assert_eq!(
        both,
        "DIGITALOCEAN_TOKEN: cannot be combined with DRIFT_INVENTORY_FILE: unset one of them"
    );
    let plain = refused(args("", "http://api.digitalocean.com"), token());
    assert!(plain.starts_with("DIGITALOCEAN_API_URL: "), "{plain}");
    let odd = refused(args("", ""), Some("hunter2 hunter2".into()));
    assert!(
        odd.starts_with("DIGITALOCEAN_TOKEN: ") && !odd.contains("hunter2"),
        "{odd}"
    );
}

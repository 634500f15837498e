//! Invalid settings: the error contains the name of the setting, nothing starts, and no secret is shown.

use crate::support::db::TestDb;
use crate::support::process::{Ended, Program};

const SECRET: &str = "planted-0123456789-0123456789-0123456789";

/// Returns the program with valid settings for `serve`.
fn serve() -> Program {
    Program::new()
        .with("DRIFT_JWT_SECRET", SECRET)
        .with("DRIFT_LISTEN", "127.0.0.1:0")
}

fn refused(ended: &Ended, name: &str) {
    assert_eq!(ended.code, Some(2), "{name}: {}", ended.output());
    assert!(ended.err.contains(name), "{name}: {}", ended.err);
    assert!(!ended.out.contains("listening"), "{name}");
    assert!(!ended.output().contains("planted"), "{name}: {}", ended.output());
    assert!(!ended.output().contains("panicked"), "{name}: {}", ended.output());
}

#[test]
fn the_error_of_serve_names_each_invalid_setting() {
    let bad = [
        ("DRIFT_LISTEN", "8080"),
        ("DRIFT_LISTEN", "127.0.0.1"),
        ("DRIFT_LISTEN", "localhost:http"),
        ("DRIFT_LISTEN", "127.0.0.1:65536"),
        ("DRIFT_SYNC_CRON", "hourly"),
        ("DRIFT_SYNC_CRON", "0 0 0 31 2 *"),
        ("DRIFT_DETECT_CRON", "60 * * * * *"),
        ("DRIFT_DETECT_CRON", "OFF"),
        ("DATABASE_URL", "mysql://root:planted@127.0.0.1/drift"),
        ("DATABASE_URL", "drift-inbox.db"),
        ("DATABASE_URL", "sqlite::memory:"),
        ("DATABASE_URL", "sqlite://planted.db?mode=memory"),
        ("DATABASE_URL", "sqlite://planted.db?mode=planted"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "postgres://u:planted@host:port/drift"),
        ("DATABASE_URL", "postgres://u:plan ted#planted@/drift"),
        ("DATABASE_URL", "postgres://u:planted@host/drift?sslmode=planted"),
        ("DATABASE_URL", "postgres://u:planted@host/drift?sslmod=planted"),
        ("DATABASE_URL", "sqlite://nowhere/drift.db?mode=rwc"),
        ("DRIFT_KEEP_GONE_RESOURCES", "0s"),
        ("DRIFT_KEEP_EVENTS", "soon"),
        ("DRIFT_KEEP_JOB_RUNS", "OFF"),
        ("DRIFT_KEEP_DECISIONS", "1h"),
        ("DRIFT_MIGRATE", "yes"),
        ("DRIFT_INTROSPECTION", "true"),
        ("DRIFT_LOCK_TIMEOUT", "0s"),
        ("DRIFT_MAX_PAGE", "1001"),
        ("DRIFT_MAX_AGE", "soon"),
        ("DRIFT_SOURCE", "two\nlines"),
        ("DIGITALOCEAN_API_URL", "https://u:planted@api.example.com"),
        ("DRIFT_ALLOWED_ORIGINS", "ops.example.com"),
        ("DRIFT_ALLOWED_ORIGINS", "https://ops.example.com,*"),
        ("DRIFT_ROLES_CLAIM", "a..b"),
        ("DRIFT_ROLE_ALIASES", "ops"),
        ("DRIFT_ROLE_ALIASES", "ops=root"),
        ("DRIFT_LOG_FORMAT", "xml"),
        ("RUST_LOG", "drift_inbox=loud"),
        ("DRIFT_JWT_SECRET", "planted"),
        ("DRIFT_JWT_SECRET_FILE", "planted-by-both"),
        ("DATABASE_URL_FILE", "missing"),
    ];
    for (name, value) in bad {
        refused(&serve().with(name, value).run(&["serve"]), name);
    }
    let without = Program::new().with("DRIFT_LISTEN", "127.0.0.1:0");
    let ended = without.run(&["serve"]);
    refused(&ended, "DRIFT_JWT_SECRET");
    assert!(
        ended.err.contains("32 bytes"),
        "the required length is missing: {}",
        ended.err
    );
}

#[test]
fn the_error_names_each_invalid_flag() {
    for (flag, value, name) in [
        ("--listen", "here", "DRIFT_LISTEN"),
        ("--sync-cron", "hourly", "DRIFT_SYNC_CRON"),
        ("--log-format", "xml", "DRIFT_LOG_FORMAT"),
    ] {
        let ended = serve().run(&["serve", flag, value]);
        refused(&ended, name);
        refused(&ended, flag);
    }
    for flag in ["--jwt-secret", "--database-url"] {
        let ended = serve().run(&["serve", flag, "x"]);
        assert_eq!(ended.code, Some(2), "secrets must not be flags");
    }
}

#[test]
fn a_secret_can_be_read_from_a_variable_or_a_file_but_not_from_both() {
    let program = || {
        Program::new()
            .with_file("secret", format!("{SECRET}\r\n"))
            .with_file("empty", "\n")
    };
    let ended = program()
        .with("DRIFT_JWT_SECRET_FILE", "secret")
        .run(&["token", "--role", "platform_admin"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.out.trim().split('.').count(), 3);
    let both = program()
        .with("DRIFT_JWT_SECRET_FILE", "secret")
        .with("DRIFT_JWT_SECRET", SECRET);
    refused(
        &both.run(&["token", "--role", "platform_admin"]),
        "DRIFT_JWT_SECRET_FILE",
    );
    for file in ["empty", "missing", "."] {
        let ended = program()
            .with("DRIFT_JWT_SECRET_FILE", file)
            .run(&["token", "--role", "platform_admin"]);
        refused(&ended, "DRIFT_JWT_SECRET_FILE");
        assert!(ended.err.contains(file), "{}", ended.err);
    }
    let database = program().with_file("url", "sqlite://from-file.db?mode=rwc\n");
    let database = database.with("DATABASE_URL_FILE", "url");
    assert_eq!(database.run(&["migrate"]).code, Some(0));
    assert!(database.folder().join("from-file.db").exists());
    let both = database.with("DATABASE_URL", "sqlite://planted.db");
    refused(&both.run(&["migrate"]), "DATABASE_URL_FILE");
}

#[test]
fn an_invalid_database_address_is_refused_with_a_reason() {
    for (url, wrong) in [
        ("postgres://u:planted@127.0.0.1:1/drift?sslmod=require", "sslmod"),
        ("sqlite://nowhere/at-all/drift.db?mode=rwc", "nowhere/at-all"),
    ] {
        for command in ["migrate", "detect", "serve"] {
            let ended = serve().with("DATABASE_URL", url).run(&[command]);
            refused(&ended, "DATABASE_URL");
            assert!(ended.err.contains(wrong), "{}", ended.err);
        }
    }
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let names = "DATABASE_URL DATABASE_URL_FILE DRIFT_JWT_SECRET_FILE DRIFT_JWT_ISSUER DRIFT_JWT_AUDIENCE \
        DRIFT_ROLES_CLAIM DRIFT_ROLE_ALIASES DRIFT_SYNC_CRON DRIFT_DETECT_CRON DRIFT_INVENTORY_FILE DRIFT_MIGRATE \
        DIGITALOCEAN_TOKEN DIGITALOCEAN_TOKEN_FILE DIGITALOCEAN_API_URL DRIFT_SOURCE DRIFT_MAX_AGE \
        DRIFT_LOCK_TIMEOUT DRIFT_KEEP_EVENTS DRIFT_MAX_PAGE DRIFT_REQUEST_TIMEOUT \
        DRIFT_ALLOWED_ORIGINS DRIFT_INTROSPECTION DRIFT_LOG_FORMAT RUST_LOG";
    let empty = names
        .split_whitespace()
        .fold(serve(), |program, name| program.with(name, ""));
    let mut running = empty.start(&["serve"]);
    running.address();
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
    let ended = Program::new().with("DRIFT_INVENTORY_FILE", "").run(&["sync"]);
    refused(&ended, "DIGITALOCEAN_TOKEN");
}

#[test]
fn help_shows_the_names_of_secrets_but_no_values() {
    let settings = [
        ("DRIFT_JWT_SECRET", SECRET),
        ("DATABASE_URL", "postgres://u:planted@127.0.0.1:1/drift"),
        ("DRIFT_JWT_ISSUER", "planted"),
        ("DRIFT_ROLE_ALIASES", "planted=platform_admin"),
        ("DRIFT_INVENTORY_FILE", "planted"),
    ];
    let program = settings
        .into_iter()
        .fold(Program::new(), |program, (name, value)| program.with(name, value));
    for command in ["demo", "serve", "migrate", "sync", "detect", "token", "schema"] {
        let ended = program.run(&[command, "--help"]);
        assert_eq!(ended.code, Some(0));
        assert!(
            !ended.output().contains("planted"),
            "{command}: {}",
            ended.output()
        );
        assert_eq!(
            ended.out.contains("DATABASE_URL"),
            !["demo", "schema"].contains(&command),
            "{command}"
        );
    }
    let empty = Program::new().with("DRIFT_LISTEN", "").run(&["serve", "--help"]);
    assert!(empty.out.contains("DRIFT_LISTEN"), "{}", empty.out);
    let ended = program.run(&["--help"]);
    assert!(ended.out.contains("DRIFT_JWT_SECRET") && !ended.output().contains("planted"));
}

/// Sets the most detailed log level.
fn loud(program: Program) -> Program {
    program.with("RUST_LOG", "trace")
}

#[test]
fn the_password_of_a_database_that_cannot_be_reached_is_not_shown() {
    // No server listens on port 1.
    let url = "postgres://operator:planted@127.0.0.1:1/drift?password=planted";
    let program = loud(Program::new().with("DATABASE_URL", url));
    let ended = program.run(&["detect"]);
    assert_eq!(ended.code, Some(1), "{}", ended.output());
    assert!(ended.err.contains("refused"), "it says why: {}", ended.err);
    assert!(!ended.output().contains("planted"), "{}", ended.output());
}

#[tokio::test]
async fn no_log_shows_a_secret() {
    let database = TestDb::create().await;
    let url = match database.url.split_once('@') {
        Some((before, after)) if database.is_postgres() && before.matches(':').count() == 1 => {
            format!("{before}:planted@{after}")
        }
        _ => database.url.clone(),
    };
    for format in ["text", "json"] {
        let program = loud(serve())
            .with("DATABASE_URL", &url)
            .with("DRIFT_LOG_FORMAT", format);
        assert_eq!(program.run(&["migrate"]).code, Some(0));
        let ended = program.run(&["detect"]);
        assert!(ended.out.contains("no sync has completed"), "{}", ended.output());
        assert!(ended.err.contains("job.started"), "the log is on");
        assert!(!ended.output().contains("planted"));
        let mut running = program.start(&["serve"]);
        let address = running.address();
        let bad = reqwest::Client::new()
            .get(format!("http://{address}/graphql?query=%7B__typename%7D"))
            .bearer_auth("bearer-of-nothing");
        assert_eq!(bad.send().await.unwrap().status(), 401);
        running.signal("TERM");
        let ended = running.end();
        assert_eq!(ended.code, Some(0), "{}", ended.output());
        assert!(!ended.output().contains("planted") && !ended.output().contains("bearer-of-nothing"));
    }
}

#[test]
fn a_json_log_has_one_object_per_line() {
    let program = Program::new()
        .with("DRIFT_LOG_FORMAT", "json")
        .with("RUST_LOG", "info");
    assert_eq!(program.run(&["migrate"]).code, Some(0));
    let ended = program.run(&["detect"]);
    assert!(ended.out.contains("no sync has completed"), "{}", ended.output());
    assert!(!ended.err.is_empty());
    for line in ended.err.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).expect(line);
        assert!(
            entry["level"].is_string() && entry["timestamp"].is_string(),
            "{line}"
        );
    }
}

//! The settings in force, and a wrong value for each of them. The list of settings is that of the program.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::support::process::Program;

const SECRET: &str = "planted-0123456789-0123456789-0123456789";

/// Returns the settings in force of this program, as JSON.
fn in_force(program: &Program, arguments: &[&str]) -> Vec<Value> {
    let arguments: Vec<&str> = ["config", "--json"].iter().chain(arguments).copied().collect();
    let ended = program.run(&arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    assert!(!ended.output().contains("planted"), "{}", ended.output());
    serde_json::from_str::<Value>(&ended.out)
        .unwrap()
        .as_array()
        .unwrap()
        .clone()
}

fn names(settings: &[Value]) -> BTreeSet<String> {
    let names = settings
        .iter()
        .map(|setting| setting["name"].as_str().unwrap().to_owned());
    names.collect()
}

#[test]
fn config_prints_each_setting_with_its_value_and_where_it_is_set() {
    let program = Program::new()
        .with_file("secret", SECRET)
        .with("DRIFT_JWT_SECRET_FILE", "secret")
        .with(
            "DATABASE_URL",
            "postgres://u:planted@db.example:5433/drift?password=planted&sslmode=require",
        )
        .with("DIGITALOCEAN_TOKEN", "planted")
        .with("DRIFT_MAX_PAGE", "77")
        .with("DRIFT_SYNC_CRON", "off");
    let settings = in_force(
        &program,
        &["--max-depth", "20", "--oidc-algorithms", "ES256,EdDSA"],
    );
    let setting = |name: &str| {
        let found: Vec<&Value> = settings
            .iter()
            .filter(|setting| setting["name"] == name)
            .collect();
        assert_eq!(found.len(), 1, "{name}");
        let text = |key: &str| found[0][key].as_str().unwrap_or_default().to_owned();
        (text("value"), text("origin"), text("file"))
    };
    let of = |value: &str, origin: &str, file: &str| (value.to_owned(), origin.to_owned(), file.to_owned());
    assert_eq!(
        setting("DATABASE_URL"),
        of(
            "postgres://u@db.example:5433/drift?sslmode=require",
            "environment",
            ""
        )
    );
    assert_eq!(setting("DRIFT_JWT_SECRET"), of("", "file", "secret"));
    assert_eq!(setting("DIGITALOCEAN_TOKEN"), of("", "environment", ""));
    assert_eq!(setting("DRIFT_PROXY_SECRET"), of("", "unset", ""));
    assert_eq!(setting("DRIFT_MAX_PAGE"), of("77", "environment", ""));
    assert_eq!(setting("DRIFT_SYNC_CRON"), of("off", "environment", ""));
    assert_eq!(setting("DRIFT_MAX_DEPTH"), of("20", "flag", ""));
    assert_eq!(setting("DRIFT_OIDC_ALGORITHMS"), of("ES256,EdDSA", "flag", ""));
    assert_eq!(setting("DRIFT_LISTEN"), of("127.0.0.1:8080", "default", ""));
    assert_eq!(setting("DRIFT_MAX_AGE"), of("", "unset", ""));
    let text = program.run(&["config", "--max-depth", "20"]).out;
    for line in [
        "DRIFT_MAX_DEPTH=20  (flag --max-depth)",
        "DRIFT_JWT_SECRET=(hidden)  (file secret)",
        "DRIFT_LISTEN=127.0.0.1:8080  (default)",
        "DRIFT_MAX_AGE is not set",
    ] {
        assert!(text.lines().any(|printed| printed == line), "{line}: {text}");
    }
    assert!(!text.contains("planted"), "{text}");
}

#[test]
fn config_has_every_setting_of_every_command() {
    let settings = in_force(&Program::new(), &[]);
    let known = names(&settings);
    let help = Program::new().run(&["--help"]).out;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| {
            line.strip_prefix("  ")?
                .split(' ')
                .next()
                .filter(|word| !word.is_empty())
        });
    let mut checked = 0;
    for command in commands {
        let help = Program::new().run(&[command, "--help"]).out;
        for part in help.split("[env: ").skip(1) {
            let name = part.split(['=', ']']).next().unwrap();
            assert!(known.contains(name), "{command}: {name}");
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

/// A wrong value for each setting. `None` if no text is wrong.
const WRONG: &[(&str, &str)] = &[
    ("DATABASE_URL", "mysql://u:planted@127.0.0.1/drift"),
    ("DIGITALOCEAN_API_URL", "https://u:planted@api.example.com"),
    ("DIGITALOCEAN_TOKEN", "planted planted"),
    ("DRIFT_ADDRESS_REQUESTS_PER_MINUTE", "0"),
    ("DRIFT_ALLOWED_ORIGINS", "https://u:planted@ops.example.com"),
    ("DRIFT_BACKUP_FOLDER", "a-file"),
    ("DRIFT_CALLER_REQUESTS", "0"),
    ("DRIFT_CALLER_STREAMS", "many"),
    ("DRIFT_CONNECTION_TIMEOUT", "0s"),
    ("DRIFT_DETECT_CRON", "hourly"),
    ("DRIFT_INTROSPECTION", "yes"),
    ("DRIFT_INVENTORY_FILE", "."),
    ("DRIFT_JWT_AUDIENCE", " "),
    ("DRIFT_JWT_ISSUER", "a\u{202e}b"),
    ("DRIFT_JWT_SECRET", "planted"),
    ("DRIFT_KEEP_BACKUPS", "0"),
    ("DRIFT_KEEP_DECISIONS", "1h"),
    ("DRIFT_KEEP_EVENTS", "soon"),
    ("DRIFT_KEEP_GONE_RESOURCES", "0s"),
    ("DRIFT_KEEP_JOB_RUNS", "OFF"),
    ("DRIFT_LISTEN", "8080"),
    ("DRIFT_LOCK_TIMEOUT", "0s"),
    ("DRIFT_LOG_FORMAT", "xml"),
    ("DRIFT_MAX_AGE", "soon"),
    ("DRIFT_METRICS_LISTEN", "9464"),
    ("DRIFT_MIGRATE", "yes"),
    ("DRIFT_NOTIFY_PRIVATE", "https://planted"),
    ("DRIFT_OIDC_ALGORITHMS", "HS256"),
    ("DRIFT_OIDC_AUDIENCE", " "),
    ("DRIFT_OIDC_CLIENT_ID", "page"),
    ("DRIFT_OIDC_ISSUER", "https://u:planted@id.example.com"),
    ("DRIFT_OIDC_PARAMETERS", "state=1"),
    ("DRIFT_OIDC_SCOPES", "profile"),
    ("DRIFT_OIDC_TOKEN", "refresh"),
    ("DRIFT_OTLP_ENDPOINT", "https://u:planted@otlp.example.com"),
    ("DRIFT_OTLP_HEADERS", "planted"),
    ("DRIFT_OTLP_SHARE", "2"),
    ("DRIFT_PROXY_EMAIL_HEADER", "no header"),
    ("DRIFT_PROXY_NETWORKS", "10.0.0.0/99"),
    ("DRIFT_PROXY_ROLES_HEADER", "no header"),
    ("DRIFT_PROXY_SECRET", "planted"),
    ("DRIFT_PROXY_SECRET_HEADER", "no header"),
    ("DRIFT_PROXY_SIGN_IN", "yes"),
    ("DRIFT_PROXY_USER_HEADER", "no header"),
    ("DRIFT_PUBLIC_URL", "https://u:planted@drift.example.com"),
    ("DRIFT_REQUEST_TIMEOUT", "0s"),
    ("DRIFT_ROLES_CLAIM", "a..b"),
    ("DRIFT_ROLE_ALIASES", "ops=root"),
    ("DRIFT_SOURCE", "two\nlines"),
    ("DRIFT_SOURCES", "missing.toml"),
    ("DRIFT_STATEMENT_TIMEOUT", "0s"),
    ("DRIFT_SYNC_CRON", "60 * * * * *"),
    ("DRIFT_UPLOAD_TIMEOUT", "0s"),
    ("DRIFT_USER_REQUESTS_PER_MINUTE", "0"),
    ("RUST_LOG", "drift_inbox=loud"),
];

#[test]
fn a_wrong_value_of_any_setting_is_refused_with_its_name() {
    let numbers_from_one = |name: &str| name.starts_with("DRIFT_MAX_") && name != "DRIFT_MAX_AGE";
    for name in names(&in_force(&Program::new(), &[])) {
        let wrong = WRONG
            .iter()
            .find(|(wrong, _)| *wrong == name)
            .map(|(_, value)| *value);
        let value = wrong.or_else(|| numbers_from_one(&name).then_some("0"));
        let value = value.unwrap_or_else(|| panic!("no wrong value of {name} is tried"));
        let mut program = Program::new().with_file("a-file", "").with(&name, value);
        for (other, value) in [("DRIFT_JWT_SECRET", SECRET), ("DRIFT_LISTEN", "127.0.0.1:0")] {
            if name != other {
                program = program.with(other, value);
            }
        }
        let ended = program.run(&["serve"]);
        assert_eq!(ended.code, Some(2), "{name}: {}", ended.output());
        assert!(ended.err.contains(&name), "{name}: {}", ended.err);
        assert!(!ended.out.contains("listening"), "{name}");
        let output = ended.output();
        assert!(
            !output.contains("planted") && !output.contains("panicked"),
            "{name}: {output}"
        );
    }
    for name in WRONG.iter().map(|(name, _)| name) {
        assert!(
            names(&in_force(&Program::new(), &[])).contains(*name),
            "{name} is no setting"
        );
    }
}

#[test]
fn files_of_the_program_are_private_and_an_open_address_is_warned_about() {
    let program = Program::new()
        .with("DRIFT_JWT_SECRET", SECRET)
        .with("DRIFT_LISTEN", "0.0.0.0:0")
        .with("DRIFT_SYNC_CRON", "off")
        .with("TMPDIR", "tmp");
    fs::create_dir(program.folder().join("tmp")).unwrap();
    let warning = "DRIFT_LISTEN is not a loopback address";
    for (more, is_warned) in [
        ([("DRIFT_PUBLIC_URL", ""), ("DRIFT_LISTEN", "0.0.0.0:0")], true),
        (
            [
                ("DRIFT_PUBLIC_URL", "http://a.example"),
                ("DRIFT_LISTEN", "[::]:0"),
            ],
            true,
        ),
        (
            [
                ("DRIFT_PUBLIC_URL", "https://a.example"),
                ("DRIFT_LISTEN", "0.0.0.0:0"),
            ],
            false,
        ),
        ([("DRIFT_PUBLIC_URL", ""), ("DRIFT_LISTEN", "127.0.0.1:0")], false),
    ] {
        let arguments = more.map(|(name, value)| {
            format!(
                "--{}={value}",
                name.trim_start_matches("DRIFT_").to_lowercase().replace('_', "-")
            )
        });
        let arguments: Vec<&str> = arguments
            .iter()
            .map(String::as_str)
            .filter(|argument| !argument.ends_with('='))
            .collect();
        let arguments: Vec<&str> = ["serve"].into_iter().chain(arguments).collect();
        let mut running = program.start(&arguments);
        running.address();
        running.signal("TERM");
        let ended = running.end();
        assert_eq!(
            ended.err.contains(warning),
            is_warned,
            "{arguments:?}: {}",
            ended.err
        );
    }
    let mut demo = program.start(&["demo", "--listen", "127.0.0.1:0"]);
    demo.wait_for_line("listening on http://");
    let mut created = vec![program.folder().join("drift-inbox.db")];
    for entry in fs::read_dir(program.folder().join("tmp")).unwrap() {
        let folder = entry.unwrap().path();
        created.extend(fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()));
        created.push(folder);
    }
    assert!(created.len() >= 4, "{created:?}");
    for path in created {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has {mode:o}", path.display());
    }
}

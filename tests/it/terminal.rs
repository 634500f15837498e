//! The output of the program.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::cloud::droplet;
use crate::support::state::droplets;

/// Returns the program in a clean environment, with its standard output and error in pipes.
fn drift_inbox(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drift-inbox"));
    command.args(arguments).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn text_of(output: &Output) -> (&str, &str) {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// A demo with its own folder for temporary files.
struct Demo {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    temporary: tempfile::TempDir,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut command = drift_inbox(&[&["demo"], arguments].concat());
        command
            .env("TMPDIR", temporary.path())
            .env("DRIFT_LISTEN", "127.0.0.1:0");
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            out,
            temporary,
        }
    }

    /// Returns the output up to and including the line that begins with this text.
    fn read_to(&mut self, beginning: &str) -> String {
        let mut text = String::new();
        loop {
            let start = text.len();
            assert_ne!(
                self.out.read_line(&mut text).unwrap(),
                0,
                "the output ends after {text}"
            );
            if text[start..].starts_with(beginning) {
                return text;
            }
        }
    }

    fn read_all_of_the_introduction(&mut self) -> String {
        self.read_to("Press Ctrl-C to end the demo")
    }

    fn left(&self) -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(self.temporary.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn interrupt(&mut self) -> std::process::ExitStatus {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &id])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn rows_of(table: &str) -> Vec<&str> {
    let rows = table.lines().skip_while(|line| !line.starts_with("RESOURCE"));
    rows.skip(1).take_while(|line| !line.is_empty()).collect()
}

#[test]
fn the_demo_shows_drift_of_many_kinds_in_a_table_without_escape_sequences() {
    let mut demo = Demo::start(&[]);
    let text = demo.read_all_of_the_introduction();
    let rows = rows_of(&text);
    assert!(rows.len() >= 15, "{text}");
    let kinds: BTreeSet<&str> = rows.iter().filter_map(|row| row.split(' ').next()).collect();
    assert!(kinds.len() >= 6, "{kinds:?}");
    let missing: Vec<_> = rows.iter().filter(|row| row.contains("  missing  ")).collect();
    assert_eq!(missing.len(), 1, "{text}");
    let ages: BTreeSet<char> = rows.iter().filter_map(|row| row.chars().last()).collect();
    assert_eq!(
        ages,
        BTreeSet::from(['d', 'h', 'm']),
        "days, hours and minutes ago"
    );
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn the_curl_command_that_the_demo_prints_accepts_a_drift() {
    let mut demo = Demo::start(&[]);
    let text = demo.read_all_of_the_introduction();
    let command = &text[text.find("\ncurl").unwrap()..text.find("\n\nPress Ctrl-C").unwrap()];
    let curl = |command: &str| {
        let output = Command::new("sh").args(["-c", command]).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let answer = curl(command);
    let accepted = &answer["data"]["acceptDrift"];
    assert_eq!(accepted["drift"]["status"], "ACCEPTED", "{answer}");
    assert_eq!(accepted["provisioned"]["specVersion"], 2);
    assert!(text.contains(&format!("  {}: ", accepted["drift"]["field"].as_str().unwrap())));
    assert_eq!(
        curl(command)["errors"][0]["extensions"]["code"],
        "ALREADY_RESOLVED"
    );

    // The history of the account is stored as well.
    let start = command.find("{\"query\"").unwrap();
    let history =
        r#"{"query":"{ drifts(filter: {status: [STALE, ACCEPTED]}) { totalCount nodes { status } } }"}'"#;
    let answer = curl(&format!("{}{history}", &command[..start]));
    assert_eq!(answer["data"]["drifts"]["totalCount"], 3, "{answer}");
}

#[test]
fn an_interrupted_demo_leaves_no_files_behind() {
    let mut demo = Demo::start(&[]);
    demo.read_all_of_the_introduction();
    assert!(!demo.left().is_empty());
    assert!(demo.interrupt().success());
    assert!(demo.left().is_empty(), "{:?}", demo.left());
}

#[test]
fn a_demo_interrupted_during_its_start_leaves_no_files_behind() {
    let mut demo = Demo::start(&[]);
    while demo.left().is_empty() {
        std::thread::yield_now();
    }
    assert!(demo.interrupt().success());
    assert!(demo.left().is_empty(), "{:?}", demo.left());
}

#[test]
fn a_demo_on_a_port_in_use_fails_and_leaves_no_files_behind() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let temporary = tempfile::tempdir().unwrap();
    let mut demo = drift_inbox(&["demo", "--listen", &address]);
    let output = demo.env("TMPDIR", temporary.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let (out, err) = text_of(&output);
    assert!(err.contains("DRIFT_LISTEN") && err.contains(&address), "{err}");
    assert_eq!(out, "");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn a_live_demo_prints_the_changes_in_the_account() {
    let mut demo = Demo::start(&["--live=1s"]);
    demo.read_all_of_the_introduction();
    let mut line = String::new();
    demo.out.read_line(&mut line).unwrap();
    assert!(
        line.contains("web-sgp1-2 was resized") && line.ends_with("new drift, 18 open\n"),
        "{line:?}"
    );
}

/// Creates a database in which a droplet lacks a tag of its spec, and runs `detect`.
async fn detect(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let t = TestApp::today().await;
    t.cloud_has([droplet("web-1").tags(["web"])]).await;
    t.record_spec("web-1", json!({ "tags": ["env:prod", "web"], "name": "web-1" }))
        .await;
    let mut command = drift_inbox(&[&["detect"], arguments].concat());
    command
        .env("DATABASE_URL", &t.database.url)
        .envs(variables.iter().copied());
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn detect_prints_a_table_and_its_progress_to_standard_error() {
    let output = detect(&["--exit-code"], &[("RUST_LOG", "info")]).await;
    assert_eq!(output.status.code(), Some(3));
    let (out, err) = text_of(&output);
    let expected = "\
detect: succeeded: 1 resource up to date, 2 fields compared, 1 drift opened, 0 changed, 0 closed
RESOURCE       FIELD  EXPECTED  LIVE        AGE
droplet web-1  tags   env:prod  - env:prod  now
";
    assert_eq!(out, expected);
    assert!(err.contains("comparing with 1 spec"), "{err}");
    assert!(!err.contains('\u{1b}') && !err.contains('\r'), "{err:?}");
}

#[tokio::test]
async fn detect_prints_addresses_in_the_last_column() {
    let t = TestApp::today().await;
    t.cloud_has([droplet("web-1").size("s-2"), droplet("web-2").size("s-2")])
        .await;
    t.import(&droplets("prod", 1, &[("web-1", "s-1")])).await;
    t.record_spec("web-2", json!({ "size_slug": "s-1" })).await;
    let run = async |arguments: &[&str]| {
        let mut command = drift_inbox(&[&["detect"], arguments].concat());
        command.env("DATABASE_URL", &t.database.url);
        let run = tokio::task::spawn_blocking(move || command.output().unwrap());
        text_of(&run.await.unwrap()).0.to_owned()
    };
    let table = run(&[]).await;
    let lines: Vec<&str> = table.lines().skip(1).collect();
    assert_eq!(lines[0], "RESOURCE       FIELD      EXPECTED  LIVE  AGE  ADDRESS");
    let of_state = "droplet web-1  size_slug  s-1       s-2   now  digitalocean_droplet.web-1";
    assert!(lines.contains(&of_state), "{table}");
    assert!(
        lines.contains(&"droplet web-2  size_slug  s-1       s-2   now"),
        "{table}"
    );
    let document: Value = serde_json::from_str(&run(&["--format", "json"]).await).unwrap();
    let addresses: Vec<&Value> = document["drifts"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|drift| &drift["address"])
        .collect();
    assert!(addresses.contains(&&json!("digitalocean_droplet.web-1")) && addresses.contains(&&Value::Null));
}

#[tokio::test]
async fn detect_prints_json_with_the_field_names_of_the_graphql_schema() {
    let output = detect(&["--format", "json"], &[]).await;
    assert!(output.status.success());
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["run"]["job"], "DETECT_DRIFT");
    assert_eq!(document["run"]["outcome"], "SUCCEEDED");
    assert_eq!(document["counts"]["opened"], 1);
    assert_eq!(document["drifts"]["totalCount"], 1);
    let drift = &document["drifts"]["nodes"][0];
    assert_eq!(drift["expected"], json!(["env:prod", "web"]));
    assert_eq!(drift["resource"]["kind"], "droplet");
    let sdl = drift_inbox::graphql::sdl();
    for (what, kind) in [
        (drift, "Drift"),
        (&drift["resource"], "Resource"),
        (&document["run"], "JobRun"),
    ] {
        let lines = sdl
            .lines()
            .skip_while(|line| !line.starts_with(&format!("type {kind} ")));
        let lines: Vec<&str> = lines.take_while(|line| *line != "}").map(str::trim).collect();
        for name in what.as_object().unwrap().keys() {
            let field = format!("{name}: ");
            assert!(
                lines.iter().any(|line| line.starts_with(&field)),
                "{kind} has no {name}"
            );
        }
    }
}

#[tokio::test]
async fn clicolor_force_enables_colours_and_no_color_disables_them() {
    let insists = ("CLICOLOR_FORCE", "1");
    let output = detect(&[], &[insists]).await;
    assert!(output.stdout.contains(&0x1b));
    let output = detect(&[], &[insists, ("NO_COLOR", "1")]).await;
    assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b));
}

#[test]
fn completions_and_man_pages_cover_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = drift_inbox(&["completions", shell]).output().unwrap();
        let (script, _) = text_of(&output);
        for word in ["drift-inbox", "detect", "exit-code"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let man = |about: &[&str]| {
        let output = drift_inbox(&[&["man"], about].concat()).output().unwrap();
        assert!(output.status.success());
        text_of(&output).0.replace('\\', "")
    };
    assert!(man(&[]).contains("drift-inbox-detect(1)"));
    let page = man(&["serve"]);
    assert!(
        page.contains(".TH drift-inbox-serve 1") && page.contains("DRIFT_LISTEN"),
        "{page}"
    );
    let output = drift_inbox(&["man", "nothing"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

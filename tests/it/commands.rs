//! The commands of the program, run as processes.

use drift_inbox::domain::actor::{RoleAliases, RolesClaim};
use drift_inbox::{auth::TokenVerifier, clock::Clock};
use entity::job_runs::JobOutcome;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::cloud::droplet;
use crate::support::db::TestDb;
use crate::support::process::{Ended, Program};

const SECRET: &str = "the secret of a test that runs programs";

/// Returns the program with this database.
fn on(database: &TestDb) -> Program {
    Program::new().with("DATABASE_URL", &database.url)
}

/// Returns an inventory file with droplets of these names and sizes.
fn inventory(droplets: &[(&str, &str)]) -> String {
    let resources: Vec<_> = droplets
        .iter()
        .map(|(name, size)| json!({ "kind": "droplet", "providerId": name, "name": name, "sizeSlug": size }))
        .collect();
    json!({ "provider": "digitalocean", "resources": resources }).to_string()
}

/// Creates a database in which the size of web-1 differs from its spec. No sweep has run.
async fn with_a_resized_droplet() -> TestApp {
    let t = TestApp::today().await;
    t.cloud_has([droplet("web-1").size("s-2vcpu-4gb"), droplet("web-2")])
        .await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    t
}

fn fine(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}", ended.output());
}

#[test]
fn the_printed_schema_equals_the_file_in_the_repository() {
    let ended = Program::new().run(&["schema"]);
    fine(&ended);
    assert_eq!(ended.out, include_str!("../../schema.graphql"));
}

#[test]
fn an_issued_token_has_the_given_subject_and_roles() {
    let program = Program::new().with("DRIFT_JWT_SECRET", SECRET);
    let verifier = |issuer: &str| {
        let (claim, aliases) = (RolesClaim::default(), RoleAliases::default());
        TokenVerifier::hs256(&SecretString::from(SECRET), issuer, "drift-inbox", claim, aliases).unwrap()
    };
    let ended = program.run(&["token", "--email", "ada@example.com", "--role", "platform-viewer"]);
    fine(&ended);
    let now = Clock::System.now();
    let actor = verifier("drift-inbox").verify(ended.out.trim(), now).unwrap();
    assert_eq!(actor.email(), Some("ada@example.com"));
    assert!(verifier("another").verify(ended.out.trim(), now).is_err());
    let ended = program.run(&["token", "--role", "platform_admin", "--ttl", "30m"]);
    let token = ended.out.trim();
    assert_eq!(
        verifier("drift-inbox").verify(token, now).unwrap().subject(),
        "operator"
    );
    let late = now + chrono::TimeDelta::hours(1);
    assert!(verifier("drift-inbox").verify(token, late).is_err());
    let ended = program.run(&["token", "--role", "platform_admin", "--jwt-issuer", "another"]);
    assert!(verifier("another").verify(ended.out.trim(), now).is_ok());
}

#[test]
fn a_token_needs_a_secret_that_is_long_enough() {
    let short = "planted and too short";
    for (program, why) in [
        (Program::new(), "is not set"),
        (Program::new().with("DRIFT_JWT_SECRET", ""), "is not set"),
        (Program::new().with("DRIFT_JWT_SECRET", short), "32 bytes"),
    ] {
        let ended = program.run(&["token", "--role", "platform_admin"]);
        assert_eq!(ended.code, Some(2));
        assert!(
            ended.err.contains("DRIFT_JWT_SECRET") && ended.err.contains(why),
            "{}",
            ended.err
        );
        assert!(!ended.output().contains("planted"));
    }
    let ended = Program::new().with("DRIFT_JWT_SECRET", SECRET).run(&[
        "token",
        "--role",
        "platform_admin",
        "--ttl",
        "soon",
    ]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("--ttl"), "{}", ended.err);
}

#[test]
fn a_token_needs_a_role_and_an_unknown_one_is_warned_about() {
    let program = Program::new().with("DRIFT_JWT_SECRET", SECRET);
    let ended = program.run(&["token", "--email", "ada@example.com"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    assert!(ended.err.contains("--role"), "{}", ended.err);
    let ended = program.run(&["token", "--role", "platfrom_admin"]);
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    assert!(ended.err.contains("\"platfrom_admin\""), "{}", ended.err);
    let ended = program.run(&["token", "--role", "ops", "--role-aliases", "ops=platform_admin"]);
    fine(&ended);
    assert_eq!(ended.err, "");
}

#[test]
fn wrong_usage_exits_with_code_2() {
    for arguments in [
        &[][..],
        &["sevre"],
        &["serve", "--port", "1"],
        &["detect", "extra"],
        &["sync"],
    ] {
        let ended = Program::new().run(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.output());
        assert!(!ended.err.is_empty());
    }
    fine(&Program::new().run(&["--version"]));
}

#[tokio::test]
async fn a_database_is_migrated_before_a_command_or_by_migrate() {
    let database = TestDb::create().await;
    // On SQLite this creates the file.
    database.execute("SELECT 1").await.unwrap();
    let program = on(&database)
        .with("DRIFT_MIGRATE", "off")
        .with("DRIFT_JWT_SECRET", SECRET);
    for command in ["detect", "serve"] {
        let ended = program.run(&[command]);
        assert_eq!(ended.code, Some(1), "{}", ended.output());
        assert!(ended.err.contains("drift-inbox migrate"), "{}", ended.err);
        assert!(ended.err.contains("DRIFT_MIGRATE"), "{}", ended.err);
        assert!(!ended.out.contains("listening"));
    }
    let ended = on(&database).run(&["migrate"]);
    fine(&ended);
    assert!(!ended.out.is_empty());
    fine(&on(&database).run(&["migrate"]));
    let ended = program.run(&["detect"]);
    assert!(ended.out.contains("no sync has completed"), "{}", ended.output());
    let fresh = TestDb::create().await;
    fresh.execute("SELECT 1").await.unwrap();
    let ended = on(&fresh).run(&["detect"]);
    assert!(ended.out.contains("no sync has completed"), "{}", ended.output());
}

#[test]
fn the_default_database_is_a_file_in_the_working_directory() {
    let program = Program::new().with("DATABASE_URL", "").with("DRIFT_MIGRATE", "");
    fine(&program.run(&["migrate"]));
    assert!(program.folder().join("drift-inbox.db").exists());
}

#[tokio::test]
async fn a_sync_stores_the_resources_of_an_inventory_file() {
    let database = TestDb::create().await;
    let good = inventory(&[("web-1", "small"), ("web-2", "small")]);
    let program = on(&database).with_file("good.json", &good);
    let program = program.with_file("half.json", &good[..good.len() / 2]);
    let ended = program.run(&["sync"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("DRIFT_INVENTORY_FILE"), "{}", ended.err);
    let ended = program.run(&["sync", "--inventory-file", "good.json"]);
    fine(&ended);
    assert!(
        ended.out.contains("succeeded: 2 resources, 2 new"),
        "{}",
        ended.out
    );
    let ended = program.run(&["sync", "--inventory-file", "half.json"]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.output().contains("half.json") && ended.output().contains("line 1"),
        "{}",
        ended.output()
    );
    let ended = program.run(&[
        "sync",
        "--inventory-file",
        "good.json",
        "--kinds",
        "droplet,vlume",
    ]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.output().contains("vlume"), "{}", ended.output());
    let program = program.with("DRIFT_INVENTORY_FILE", "good.json");
    fine(&program.run(&["sync", "--kinds", "droplet"]));
}

#[tokio::test]
async fn a_refused_sync_that_lacks_most_of_a_kind_mentions_allow_mass_gone() {
    let database = TestDb::create().await;
    let names: Vec<String> = (0..12).map(|n| format!("web-{n}")).collect();
    let all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "small")).collect();
    let program = on(&database).with("DRIFT_INVENTORY_FILE", "inventory.json");
    let program = program.with_file("inventory.json", inventory(&all));
    fine(&program.run(&["sync"]));
    let program = program.with_file("inventory.json", inventory(&[]));
    let ended = program.run(&["sync"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.output().contains("--allow-mass-gone"), "{}", ended.output());
    let ended = program.run(&["sync", "--allow-mass-gone"]);
    fine(&ended);
    assert!(ended.out.contains("12 gone"), "{}", ended.out);
}

#[tokio::test]
async fn detect_prints_drifts_and_exits_with_3_if_exit_code_is_set() {
    let t = with_a_resized_droplet().await;
    let program = on(&t.database);
    let ended = program.run(&["detect"]);
    fine(&ended);
    for word in [
        "RESOURCE",
        "droplet web-1",
        "size_slug",
        "s-1vcpu-1gb",
        "s-2vcpu-4gb",
    ] {
        assert!(ended.out.contains(word), "{word}: {}", ended.out);
    }
    assert!(!ended.out.contains("web-2"), "{}", ended.out);
    assert_eq!(program.run(&["detect", "--exit-code"]).code, Some(3));
    let drift = t.open_drift("web-1", "size_slug").await;
    t.accept(&drift).await.unwrap();
    fine(&program.run(&["detect", "--exit-code"]));
}

#[tokio::test]
async fn two_processes_can_detect_at_the_same_time() {
    let t = with_a_resized_droplet().await;
    let program = on(&t.database);
    let both = [program.start(&["detect"]), program.start(&["detect"])];
    for running in both {
        let ended = running.end();
        fine(&ended);
        assert!(ended.out.contains("web-1"), "{}", ended.out);
    }
    assert_eq!(t.inbox().await.len(), 1);
    let sweeps = t.runs().await.into_iter().skip(1);
    let outcomes: Vec<_> = sweeps.map(|run| run.outcome).collect();
    assert_eq!(outcomes, [Some(JobOutcome::Succeeded); 2]);
}

#[tokio::test]
async fn control_characters_in_the_drift_table_are_not_printed() {
    let t = TestApp::today().await;
    t.cloud_has([droplet("web-1\u{1b}[2J\r\n").attr("note", "a\u{7}b")])
        .await;
    t.record_spec("web-1\u{1b}[2J\r\n", json!({ "note": "x".repeat(500) }))
        .await;
    let ended = on(&t.database).run(&["detect"]);
    fine(&ended);
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!ended.out.contains(control), "{:?}", ended.out);
    assert!(ended.out.lines().all(|line| line.chars().count() < 250));
}

#[tokio::test]
async fn a_closed_pipe_is_no_failure_but_a_full_disk_is() {
    let t = with_a_resized_droplet().await;
    let program = on(&t.database).with("DRIFT_JWT_SECRET", SECRET);
    for arguments in [
        &["detect"][..],
        &["schema"],
        &["token", "--role", "platform_admin"],
        &["migrate"],
    ] {
        let (reader, unread) = std::io::pipe().unwrap();
        drop(reader);
        let ended = program.start_into(unread, arguments).end();
        assert_eq!(
            (ended.code, ended.err.contains("panic")),
            (Some(0), false),
            "{}",
            ended.err
        );
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let ended = program.start_into(full, arguments).end();
        assert_eq!(
            (ended.code, ended.err.contains("panic")),
            (Some(1), false),
            "{}",
            ended.err
        );
        assert!(ended.err.contains("No space left"), "{}", ended.err);
    }
}

#[tokio::test]
async fn detect_names_the_sources_if_drifts_are_of_several() {
    let t = TestApp::today().await;
    let lab = json!({ "provider": "digitalocean", "resources": [
        { "kind": "droplet", "providerId": "lab-1", "name": "lab-1", "sizeSlug": "small" }] });
    let lines = |size: &str| {
        format!(
            "{{\"provider\": \"hetzner\"}}\n{{\"kind\": \"server\", \"providerId\": \"1\", \"name\": \"db-1\", \
             \"sizeSlug\": \"{size}\"}}\n{{\"complete\": \"server\"}}\n"
        )
    };
    let program = on(&t.database).with_file("lab.json", lab.to_string());
    let program = program
        .with("DRIFT_INVENTORY_FILE", "lab.json")
        .with("DRIFT_SOURCE", "lab");
    let sent = on(&t.database).with_file("lines", lines("cx22"));
    fine(&program.run(&["sync"]));
    fine(&sent.run(&["sync", "--source", "hetzner", "--from", "lines"]));
    t.record_spec("lab-1", json!({ "size_slug": "small" })).await;
    t.record_spec("db-1", json!({ "size_slug": "cx22" })).await;
    let sent = sent.with_file("lines", lines("cx42"));
    fine(&sent.run(&["sync", "--source", "hetzner", "--from", "lines"]));
    let one = program.run(&["detect"]);
    fine(&one);
    assert!(
        one.out.contains("db-1") && !one.out.contains("[hetzner]"),
        "{}",
        one.out
    );

    let program = program.with_file("lab.json", lab.to_string().replace("small", "large"));
    fine(&program.run(&["sync"]));
    let several = program.run(&["detect"]);
    fine(&several);
    let row = |name: &str| several.out.lines().find(|line| line.contains(name)).unwrap();
    assert!(row("lab-1").contains("[lab]"), "{}", several.out);
    assert!(row("db-1").contains("[hetzner]"), "{}", several.out);
    let document: Value = serde_json::from_str(&program.run(&["detect", "--format", "json"]).out).unwrap();
    let nodes = document["drifts"]["nodes"].as_array().unwrap();
    let mut sources: Vec<&str> = nodes
        .iter()
        .map(|node| node["resource"]["source"].as_str().unwrap())
        .collect();
    sources.sort_unstable();
    assert_eq!(sources, ["hetzner", "lab"]);
}

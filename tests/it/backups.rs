//! Backups: copies of an SQLite database in use, copies before migrations, restores, and the commands for PostgreSQL.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use drift_inbox::db::Db;
use serde_json::json;

use crate::support::TestApp;
use crate::support::cloud::droplet;
use crate::support::db::TestDb;
use crate::support::disk::{ENOSPC, faulty_disk, kill_at_change};
use crate::support::process::{Ended, Program};

const SECRET: &str = "the secret of a test that runs servers";
const NEWER: &str = "m20991231_000001_of_a_newer_release";

/// Returns the inventory with one droplet.
fn inventory(id: &str, name: &str) -> String {
    let droplet = json!({ "kind": "droplet", "providerId": id, "name": name, "sizeSlug": "small" });
    json!({ "provider": "any", "resources": [droplet] }).to_string()
}

/// Returns the program with an SQLite database in its folder, into which one droplet was synced.
fn synced() -> Program {
    synced_with("1", "web-1")
}

fn synced_with(id: &str, name: &str) -> Program {
    let program = Program::new()
        .with("DATABASE_URL", "sqlite://drift.sqlite?mode=rwc")
        .with("DRIFT_JWT_SECRET", SECRET)
        .with("DRIFT_LISTEN", "127.0.0.1:0")
        .with("DRIFT_SYNC_CRON", "off")
        .with("DRIFT_DETECT_CRON", "off")
        .with_file("inventory.json", inventory(id, name));
    fine(&program.run(&["sync", "--inventory-file", "inventory.json"]));
    program
}

fn fine(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}", ended.output());
}

fn refused(ended: &Ended, why: &str) {
    assert_ne!(ended.code, Some(0), "{}", ended.output());
    assert!(ended.err.contains(why), "{why}: {}", ended.output());
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn open(path: &Path) -> Db {
    Db::connect(&format!("sqlite://{}", path.display()), 2)
        .await
        .unwrap()
}

/// Runs SQL on a database file that no process has open.
async fn change(path: &Path, sql: &str) {
    let db = sea_orm::Database::connect(format!("sqlite://{}", path.display()))
        .await
        .unwrap();
    sea_orm::ConnectionTrait::execute_unprepared(&db, sql)
        .await
        .unwrap();
    db.close().await.unwrap();
}

/// Makes the last migration that runs again without an error a missing one.
async fn outdate(path: &Path) {
    change(
        path,
        "DELETE FROM seaql_migrations WHERE version LIKE '%_create_write_probe'; DROP TABLE write_probe",
    )
    .await;
}

/// Returns the names of the resources in a database.
async fn resources(path: &Path) -> Vec<String> {
    use sea_orm::EntityTrait as _;
    let db = open(path).await;
    let rows = entity::cloud_resources::Entity::find()
        .all(db.reader())
        .await
        .unwrap();
    db.close().await.unwrap();
    rows.into_iter().map(|row| row.name).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_backup_of_a_database_in_use_is_complete_private_and_replaces_no_file() {
    let t = TestApp::today().await;
    t.cloud_has([droplet("web-1").size("s-2vcpu-4gb")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    t.sweep().await;
    let program = Program::new().with("DATABASE_URL", &t.database.url);
    let ended = program.run(&["backup", "copy.db"]);
    let copy = program.folder().join("copy.db");
    if t.database.is_postgres() {
        refused(&ended, "pg_dump --format=custom");
        assert_eq!(ended.code, Some(2));
        refused(&program.run(&["restore", "copy.db"]), "pg_restore");
        assert!(!copy.exists());
        return;
    }
    fine(&ended);
    assert!(ended.out.contains("schema m2026"), "{}", ended.out);
    assert_eq!(mode(&copy), 0o600);
    let before = fs::read(&copy).unwrap();
    refused(&program.run(&["backup", "copy.db"]), "the file exists");
    assert_eq!(fs::read(&copy).unwrap(), before);
    assert_eq!(files(program.folder()).len(), 1, "no partial file is left");
    // The copy works like the database: the drift can be accepted.
    let program = program.with_file("inventory.json", "{}");
    let restored = Program::new().with("DATABASE_URL", format!("sqlite://{}", copy.display()));
    let ended = restored.run(&["detect", "--exit-code"]);
    assert_eq!(ended.code, Some(3), "{}", ended.output());
    assert!(ended.out.contains("s-2vcpu-4gb"), "{}", ended.out);
    refused(
        &program.run(&["backup", "no/such/folder/copy.db"]),
        "no/such/folder",
    );
}

#[tokio::test]
async fn a_backup_is_made_before_migrations_and_the_newest_are_kept() {
    let program = synced().with("DRIFT_KEEP_BACKUPS", "2");
    let (file, folder) = (
        program.folder().join("drift.sqlite"),
        program.folder().join("backups"),
    );
    fine(&program.run(&["migrate"]));
    assert!(!folder.exists(), "nothing was missing");
    for _ in 0..3 {
        outdate(&file).await;
        fine(&program.run(&["detect"]));
    }
    let kept = files(&folder);
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert_eq!(mode(&folder), 0o700);
    for backup in &kept {
        let name = backup.file_name().unwrap().to_str().unwrap();
        assert!(
            name.starts_with("drift-") && name.contains("-m2026") && name.contains("-before-"),
            "{name}"
        );
        assert_eq!(mode(backup), 0o600);
        assert_eq!(resources(backup).await, ["web-1"]);
    }
    outdate(&file).await;
    fine(&program.run(&["migrate", "--backup-folder", "off"]));
    assert_eq!(files(&folder), kept);
    outdate(&file).await;
    fine(&program.run(&["migrate", "--backup-folder", "elsewhere/deep"]));
    assert_eq!(files(&program.folder().join("elsewhere/deep")).len(), 1);
}

#[tokio::test]
async fn databases_with_files_of_one_name_keep_their_backups_in_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let shared = || {
        synced()
            .with("DRIFT_BACKUP_FOLDER", folder.path().display().to_string())
            .with("DRIFT_KEEP_BACKUPS", "1")
    };
    let (one, other) = (shared(), shared());
    let migrate = async |program: &Program| {
        outdate(&program.folder().join("drift.sqlite")).await;
        fine(&program.run(&["migrate"]));
        files(folder.path())
    };
    let first = migrate(&one).await;
    migrate(&other).await;
    let kept = migrate(&other).await;
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(kept.contains(&first[0]), "{kept:?} without {first:?}");
    let kept = migrate(&one).await;
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(!kept.contains(&first[0]), "{kept:?}");
    // Another file at the same path, like that of another container.
    let file = one.folder().join("drift.sqlite");
    fs::copy(&file, file.with_extension("copy")).unwrap();
    fs::rename(file.with_extension("copy"), &file).unwrap();
    assert_eq!(migrate(&one).await.len(), 3);
}

#[tokio::test]
async fn without_a_backup_no_migration_runs_and_the_sentence_says_what_to_do() {
    let program = synced().with_file("faults", [0; 16]);
    let file = program.folder().join("drift.sqlite");
    outdate(&file).await;
    let missing = |file: PathBuf| async move {
        let db = open(&file).await;
        let missing = db.migrations().await.unwrap().missing;
        db.close().await.unwrap();
        missing
    };
    fs::write(program.folder().join("occupied"), "").unwrap();
    refused(
        &program.run(&["migrate", "--backup-folder", "occupied/below"]),
        "no migration was run",
    );
    assert_eq!(missing(file.clone()).await, 1);
    // The disk of the backups is full. The library makes writes to paths with .db fail.
    let mut faults = (-1_i32).to_ne_bytes().to_vec();
    faults.extend(0_i32.to_ne_bytes());
    faults.extend(ENOSPC.to_ne_bytes());
    faults.extend(0_i32.to_ne_bytes());
    let faulty = program.folder().join("faults").display().to_string();
    let program = program
        .with_file("faults", faults)
        .with("LD_PRELOAD", faulty_disk().display().to_string())
        .with("FAULTS", faulty);
    let ended = program.run(&["migrate", "--backup-folder", "full.db"]);
    refused(&ended, "no migration was run");
    assert!(
        ended.err.contains("full") && ended.err.contains("DRIFT_BACKUP_FOLDER"),
        "{}",
        ended.err
    );
    assert_eq!(files(&program.folder().join("full.db")), [] as [PathBuf; 0]);
    assert_eq!(missing(file.clone()).await, 1);
    assert_eq!(resources(&file).await, ["web-1"]);
}

/// Starts a server, syncs a second droplet, does something, and kills the server. The newest commits are in the log only.
fn killed_after_a_sync(program: Program, meanwhile: impl FnOnce(&Program)) -> Program {
    let program = program.with_file("second.json", inventory("2", "web-2"));
    let mut running = program.start(&["serve"]);
    running.address();
    fine(&program.run(&["sync", "--inventory-file", "second.json"]));
    meanwhile(&program);
    running.signal("KILL");
    running.end();
    let log = fs::metadata(program.folder().join("drift.sqlite-wal"));
    assert!(log.unwrap().len() > 0, "the log is left");
    program
}

#[tokio::test]
async fn a_restore_waits_for_no_server_and_keeps_what_it_replaces() {
    let program = synced();
    let file = program.folder().join("drift.sqlite");
    fine(&program.run(&["backup", "first.db"]));
    let program = killed_after_a_sync(program, |program| {
        refused(&program.run(&["restore", "first.db"]), "stop it first");
    });
    let ended = program.run(&["restore", "first.db"]);
    fine(&ended);
    assert_eq!(resources(&file).await, ["web-1"]);
    assert_eq!(mode(&file), 0o600);
    let replaced = files(program.folder())
        .into_iter()
        .find(|path| path.to_string_lossy().contains("replaced-") && !path.to_string_lossy().contains("-wal"))
        .unwrap();
    assert!(
        ended
            .out
            .contains(replaced.file_name().unwrap().to_str().unwrap())
    );
    let name = replaced.file_name().unwrap().to_str().unwrap();
    fine(&program.run(&["restore", name]));
    let mut both = resources(&file).await;
    both.sort();
    assert_eq!(both, ["web-1", "web-2"], "the log of the killed server counts");
    assert!(
        !files(program.folder())
            .iter()
            .any(|path| path.to_string_lossy().contains("drift-inbox-restore"))
    );
}

/// Returns the contents of the files in a folder.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = files(folder).into_iter();
    files
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[tokio::test]
async fn a_restore_that_is_killed_leaves_the_old_database_or_the_restored_one() {
    let other = synced_with("9", "web-9");
    fine(&other.run(&["backup", "other.db"]));
    let backup = fs::read(other.folder().join("other.db")).unwrap();
    let program = killed_after_a_sync(synced(), |_| {}).with_file("other.db", backup);
    let (folder, file) = (program.folder().to_owned(), program.folder().join("drift.sqlite"));
    let before = contents(&folder);
    let program = program
        .with("LD_PRELOAD", kill_at_change().display().to_string())
        .with("KILL_FILES", "drift.sqlite");
    let mut left = [0, 0];
    for change in 1.. {
        let ended = program.run_with(("KILL_AT", &change.to_string()), &["restore", "other.db"]);
        let is_killed = ended.code.is_none();
        // The next start.
        let mut found = resources(&file).await;
        found.sort();
        match found.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["web-1", "web-2"] if is_killed => left[0] += 1,
            ["web-9"] => left[1] += 1,
            _ => panic!("change {change}: {found:?}\n{}", ended.output()),
        }
        if !is_killed {
            fine(&ended);
            break;
        }
        for path in files(&folder) {
            match path.is_dir() {
                true => fs::remove_dir_all(path).unwrap(),
                false => fs::remove_file(path).unwrap(),
            }
        }
        before
            .iter()
            .for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    }
    // Among the changes are the pages of the log, the other name of the file, and the new file in its place.
    assert!(left[0] > 3 && left[1] > 0, "{left:?}");
}

#[tokio::test]
async fn a_damaged_database_is_kept_with_its_log() {
    let program = synced();
    fine(&program.run(&["backup", "good.db"]));
    let program = killed_after_a_sync(program, |_| {});
    let at = |name: &str| program.folder().join(name);
    let log = fs::read(at("drift.sqlite-wal")).unwrap();
    for damage in ["", "damaged, and long enough to be a database"] {
        fs::write(at("drift.sqlite"), damage.repeat(100)).unwrap();
        fs::write(at("drift.sqlite-wal"), &log).unwrap();
        fine(&program.run(&["restore", "good.db"]));
        assert_eq!(resources(&at("drift.sqlite")).await, ["web-1"]);
        let kept = files(program.folder());
        let kept: Vec<&PathBuf> = kept
            .iter()
            .filter(|path| path.to_string_lossy().contains("replaced-"))
            .collect();
        assert_eq!(kept.len(), 2, "{kept:?}");
        assert_eq!(fs::read(kept[0]).unwrap(), damage.repeat(100).as_bytes());
        assert!(fs::read(kept[1]).unwrap() == log, "the log has changed");
        kept.iter().for_each(|path| fs::remove_file(path).unwrap());
    }
}

#[tokio::test]
async fn a_file_that_is_no_good_backup_is_refused_and_nothing_changes() {
    let program = synced();
    let file = program.folder().join("drift.sqlite");
    fine(&program.run(&["backup", "good.db"]));
    let good = fs::read(program.folder().join("good.db")).unwrap();
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 8192].fill(0x5a);
    let program = program
        .with_file("text.db", "not a database, and long enough to be one".repeat(100))
        .with_file("empty.db", "")
        .with_file("cut.db", &good[..good.len() / 2])
        .with_file("damaged.db", damaged)
        .with_file("newer.db", &good);
    change(
        &program.folder().join("newer.db"),
        &format!("INSERT INTO seaql_migrations (version, applied_at) VALUES ('{NEWER}', 1)"),
    )
    .await;
    let before = fs::read(&file).unwrap();
    for (backup, why) in [
        ("text.db", "not a readable SQLite database"),
        ("empty.db", "not a database of drift-inbox"),
        ("cut.db", "cannot be used"),
        ("damaged.db", "cannot be used"),
        ("newer.db", "newer release"),
        ("missing.db", "No such file"),
        ("drift.sqlite", "the database itself"),
    ] {
        refused(&program.run(&["restore", backup]), why);
        assert_eq!(fs::read(&file).unwrap(), before, "{backup}");
    }
    assert_eq!(resources(&file).await, ["web-1"]);
    // A damaged database is replaced, and kept.
    fs::write(&file, "damaged").unwrap();
    fine(&program.run(&["restore", "good.db"]));
    assert_eq!(resources(&file).await, ["web-1"]);
}

/// Returns the commands of the documentation that begin with this word.
fn documented(word: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let text = fs::read_to_string(page).unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with(word));
    lines.next().expect(word).to_owned()
}

#[tokio::test]
async fn the_documented_commands_copy_a_postgres_database() {
    let t = TestApp::today().await;
    if !t.database.is_postgres() {
        return;
    }
    t.cloud_has([droplet("web-1").size("s-2vcpu-4gb")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-1vcpu-1gb" }))
        .await;
    t.sweep().await;
    let (copy, folder) = (TestDb::create().await, tempfile::tempdir().unwrap());
    for word in ["pg_dump ", "pg_restore "] {
        let path = std::env::var("PATH").unwrap();
        // The folders of Debian's packages, for machines on which only PG_BIN is set or nothing.
        let script = format!(
            "PATH=\"${{PG_BIN:-/nowhere}}:$(ls -d /usr/lib/postgresql/*/bin | sort -rV | tr '\\n' ':')$PATH\"; {}",
            documented(word)
        );
        let run = Command::new("bash")
            .args(["-euc", &script])
            .current_dir(folder.path())
            .env("PATH", path)
            .env("DATABASE_URL", &t.database.url)
            .env("NEW_DATABASE_URL", &copy.url)
            .output()
            .unwrap();
        assert!(
            run.status.success(),
            "{word}: {}",
            String::from_utf8_lossy(&run.stderr)
        );
    }
    let db = copy.connect().await;
    assert!(db.is_ready().await.unwrap(), "nothing is missing");
    let t = TestApp::over(db, copy);
    t.later(drift_inbox::clock::Clock::System.now() - t.now());
    let drift = t.open_drift("web-1", "size_slug").await;
    t.accept(&drift).await.unwrap();
    assert_eq!(t.spec("web-1").await.spec["size_slug"], "s-2vcpu-4gb");
    assert!(t.inbox().await.is_empty());
}

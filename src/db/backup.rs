//! Backups of an SQLite database, also while servers use it.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use sha2::{Digest as _, Sha256};

use super::Db;
use crate::error::{Error, Result};

/// The statement reads one version of the database, and blocks no writer.
const COPY: &str = "VACUUM INTO ?";
/// What follows the schema in the name of an automatic backup.
const BEFORE: &str = "-before-";
/// Format of the time in the name of an automatic backup, so that names sort by time.
const TIME_FORMAT: &str = "%Y%m%dT%H%M%S%3fZ";
/// Bytes of the digest that tells databases apart in the names of their automatic backups.
const DIGEST_BYTES: usize = 6;
/// Length of such a time.
const TIME_LENGTH: usize = "20261127T101500123Z".len();

/// Automatic backups: one before migrations run on an SQLite file that has data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupPolicy {
    /// The folder; `None` stands for the folder `backups` beside the database.
    pub folder: Option<PathBuf>,
    /// Number of backups to keep.
    pub keep: usize,
}

/// A backup that was written and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// What the check found.
    pub contents: Contents,
}

/// What the check of a database file found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Names of the migrations that were applied to it.
    pub migrations: BTreeSet<String>,
    /// Number of rows that refer to a missing row. Only other programs can leave such rows.
    pub dangling: usize,
}

impl Contents {
    /// Returns the number of the newest migration, such as `m20261127_001020`.
    pub fn schema(&self) -> String {
        schema_of(&self.migrations)
    }

    /// Returns the migrations that this release does not know.
    pub fn newer(&self) -> Vec<&str> {
        let own = migration::known();
        let newer = self.migrations.iter().filter(|name| !own.contains(*name));
        newer.map(String::as_str).collect()
    }

    /// Returns how many migrations of this release are missing.
    pub fn missing(&self) -> usize {
        migration::known().difference(&self.migrations).count()
    }
}

/// Returns the number of the newest migration: the first two parts of its name.
pub(super) fn schema_of(migrations: &BTreeSet<String>) -> String {
    let newest = migrations.last().map_or("empty", String::as_str);
    let parts: Vec<&str> = newest.splitn(3, '_').take(2).collect();
    // The name becomes part of the name of a file.
    let part = parts.join("_");
    part.chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
        .take(40)
        .collect()
}

impl Db {
    /// Writes a copy of an SQLite database to a new file, and checks the copy. Other processes may read and write
    /// meanwhile. Only the user of this process can read the file.
    ///
    /// # Errors
    ///
    /// The file exists, cannot be written, or fails the check; then no file is left. BAD_USER_INPUT for PostgreSQL.
    pub async fn back_up(&self, target: &Path) -> Result<Backup> {
        if self.file.is_none() {
            return Err(Error::BadUserInput(
                "only an SQLite database is backed up by this program".to_owned(),
            ));
        }
        let failed = |why: &dyn std::fmt::Display| {
            Error::BadUserInput(format!(
                "the backup {} cannot be written: {why}",
                target.display()
            ))
        };
        if target.symlink_metadata().is_ok() {
            return Err(failed(&"the file exists, and a backup never replaces a file"));
        }
        let folder = folder_of(target);
        // The name appears only when the copy is complete and checked.
        let partial = tempfile::Builder::new()
            .prefix(".drift-inbox-")
            .suffix(".partial")
            .tempfile_in(&folder)
            .map_err(|why| failed(&why))?;
        let path = partial
            .path()
            .to_str()
            .ok_or_else(|| failed(&"its path is not UTF-8"))?;
        let copy = Statement::from_sql_and_values(DbBackend::Sqlite, COPY, [path.into()]);
        self.reader()
            .execute_raw(copy)
            .await
            .map_err(|why| failed(&why))?;
        let contents = check(partial.path()).await.map_err(|why| failed(&why))?;
        let stored = || -> io::Result<u64> {
            partial.as_file().sync_all()?;
            let bytes = partial.as_file().metadata()?.len();
            partial.persist_noclobber(target).map_err(|error| error.error)?;
            File::open(&folder)?.sync_all()?;
            Ok(bytes)
        };
        Ok(Backup {
            bytes: stored().map_err(|why| failed(&why))?,
            path: target.to_owned(),
            contents,
        })
    }

    /// Backs an SQLite database up if it has data and migrations are missing. Returns the backup, if one was needed.
    ///
    /// # Errors
    ///
    /// The backup failed, so the migrations must not run.
    pub async fn back_up_before_migration(&self, policy: &BackupPolicy) -> Result<Option<Backup>> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let applied = migration::applied(self.reader()).await?;
        if applied.is_empty() || migration::known().is_subset(&applied) {
            return Ok(None);
        }
        let folder = match &policy.folder {
            Some(folder) => folder.clone(),
            None => folder_of(file.path()).join("backups"),
        };
        let database = name_of(file.path());
        let name = automatic_name(&database, self.time.now(), &schema_of(&applied));
        let backup = match create_folder(&folder) {
            Ok(()) => self.back_up(&folder.join(name)).await,
            Err(why) => Err(Error::BadUserInput(format!(
                "the folder {} cannot be created: {why}",
                folder.display()
            ))),
        };
        let backup = backup.map_err(|why| {
            Error::BadUserInput(format!(
                "no migration was run, because the backup before it failed: {why}. Free space in the folder {} or let \
                 this user write to it, or set DRIFT_BACKUP_FOLDER to another folder, or to off if you have a backup",
                folder.display()
            ))
        })?;
        tracing::info!(path = %backup.path.display(), bytes = backup.bytes, "backed up before the migrations");
        if let Err(why) = prune(&folder, &database, policy.keep, &backup.path) {
            tracing::warn!(folder = %folder.display(), %why, "old backups cannot be deleted");
        }
        Ok(Some(backup))
    }
}

/// Checks a database file: its pages and indexes, the rows that others refer to, and its migrations.
///
/// # Errors
///
/// The reason why the file cannot be used.
pub(super) async fn check(path: &Path) -> Result<Contents, String> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let unreadable = |why: sqlx::Error| format!("it is not a readable SQLite database: {why}");
    let mut connection = options
        .disable_statement_logging()
        .connect()
        .await
        .map_err(unreadable)?;
    let checked = check_open(&mut connection).await;
    connection.close().await.map_err(unreadable)?;
    checked
}

/// Checks the database of an open connection.
pub(super) async fn check_open(connection: &mut SqliteConnection) -> Result<Contents, String> {
    let unreadable = |why: sqlx::Error| format!("it is not a readable SQLite database: {why}");
    let problems: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(1)")
        .fetch_all(&mut *connection)
        .await
        .map_err(unreadable)?;
    if problems != ["ok"] {
        return Err(format!("it is damaged: {}", problems.join("; ")));
    }
    let has_migrations: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'seaql_migrations'")
            .fetch_one(&mut *connection)
            .await
            .map_err(unreadable)?;
    if has_migrations == 0 {
        return Err("it is not a database of drift-inbox".to_owned());
    }
    let migrations: Vec<String> = sqlx::query_scalar("SELECT version FROM seaql_migrations")
        .fetch_all(&mut *connection)
        .await
        .map_err(unreadable)?;
    let dangling: i64 = sqlx::query_scalar("SELECT count(*) FROM pragma_foreign_key_check")
        .fetch_one(&mut *connection)
        .await
        .map_err(unreadable)?;
    Ok(Contents {
        migrations: migrations.into_iter().collect(),
        dangling: usize::try_from(dangling).unwrap_or_default(),
    })
}

/// Returns the folder of a file, which is `.` for a bare name.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn create_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Returns the name of a database in the names of its automatic backups. Several databases may have files of one name and
/// share a folder of backups, also from containers in which their paths are equal. So the name has a digest of the path and
/// of the time at which the file was created. A file that was copied, moved or restored gets another name.
fn name_of(database: &Path) -> String {
    let path = database.canonicalize().unwrap_or_else(|_| database.to_owned());
    // Some file systems do not keep the time.
    let created = fs::metadata(&path).and_then(|file| file.created()).ok();
    named(&path, created.map(DateTime::from))
}

fn named(path: &Path, created: Option<DateTime<Utc>>) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let created = created
        .and_then(|time| time.timestamp_nanos_opt())
        .unwrap_or_default();
    let digest = Sha256::new_with_prefix(created.to_be_bytes()).chain_update(path.as_os_str().as_bytes());
    let digest: String = digest
        .finalize()
        .iter()
        .take(DIGEST_BYTES)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{stem}-{digest}")
}

/// Returns the name of an automatic backup. It has the name of the database, the time, the schema, and the release that
/// migrates.
fn automatic_name(database: &str, now: DateTime<Utc>, schema: &str) -> String {
    let (time, release) = (now.format(TIME_FORMAT), env!("CARGO_PKG_VERSION"));
    format!("{database}-{time}-{schema}{BEFORE}{release}.db")
}

/// Returns whether this is the name of an automatic backup of this database.
fn is_automatic(database: &str, name: &str) -> bool {
    let rest = name
        .strip_prefix(database)
        .and_then(|rest| rest.strip_prefix('-'));
    let rest = rest.and_then(|rest| rest.strip_suffix(".db"));
    let Some((time, rest)) = rest.and_then(|rest| rest.split_at_checked(TIME_LENGTH)) else {
        return false;
    };
    let is_time = time.char_indices().all(|(at, letter)| match at {
        8 => letter == 'T',
        18 => letter == 'Z',
        _ => letter.is_ascii_digit(),
    });
    is_time && rest.starts_with("-m") && rest.contains(BEFORE)
}

/// Deletes the oldest automatic backups of this database until `keep` are left, but never the one at `newest`: its time
/// may be earlier than others if the clock was set. Other files stay.
fn prune(folder: &Path, database: &str, keep: usize, newest: &Path) -> io::Result<()> {
    let mut names: Vec<String> = fs::read_dir(folder)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_automatic(database, name))
        .collect();
    names.sort_by_key(|name| (folder.join(name) == newest, name.clone()));
    let old = names.len().saturating_sub(keep);
    names
        .iter()
        .take(old)
        .try_for_each(|name| fs::remove_file(folder.join(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_automatic_backups_of_the_same_database_are_deleted_and_the_oldest_first() {
        let folder = tempfile::tempdir().unwrap();
        let at = |second: u32| DateTime::from_timestamp(1_800_000_000 + i64::from(second), 0).unwrap();
        let name_at = |path: &str, created: u32| named(Path::new(path), Some(at(created)));
        let database = name_at("/data/drift-inbox.db", 1);
        let of = |database: &str| automatic_name(database, at(0), "m20261127_001020");
        let own: Vec<String> = (0..5)
            .map(|n| automatic_name(&database, at(n), "m20261127_001020"))
            .collect();
        let others = [
            of(&name_at("/data/drift-inbox-2.db", 1)),
            of(&name_at("/data/drift.db", 1)),
            of(&name_at("/data/drift-inbox.sqlite", 1)),
            of(&name_at("/other/drift-inbox.db", 1)),
            of(&name_at("/data/drift-inbox.db", 2)),
            of(&named(Path::new("/data/drift-inbox.db"), None)),
            of("drift-inbox"),
            format!("{database}-before-holidays.db"),
            "drift-inbox.db".to_owned(),
            "drift-inbox-before-holidays.db".to_owned(),
            "drift-inbox-\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}.db".to_owned(),
        ];
        for name in own.iter().chain(&others) {
            File::create(folder.path().join(name)).unwrap();
        }
        prune(folder.path(), &database, 2, Path::new("none")).unwrap();
        for name in own[3..].iter().chain(&others) {
            assert!(folder.path().join(name).exists(), "{name}");
        }
        for name in &own[..3] {
            assert!(!folder.path().join(name).exists(), "{name}");
        }
    }

    #[test]
    fn the_name_of_a_backup_has_the_number_of_the_schema() {
        let applied = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let names: BTreeSet<String> =
            applied(&["m20261127_001020_forget_with_own_rights", "m20261123_000001_a"]);
        assert_eq!(schema_of(&names), "m20261127_001020");
        assert_eq!(schema_of(&applied(&["m1_../../etc/x"])), "m1_etcx");
        assert_eq!(schema_of(&BTreeSet::new()), "empty");
    }
}

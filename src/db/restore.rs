//! Puts a backup in the place of an SQLite database that no process has open.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rustix::fs::{FlockOperation, fcntl_lock};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sea_orm::sqlx::{ConnectOptions as _, Connection as _};

use super::address::sqlite_file;
use super::backup::{Contents, check_open, folder_of};
use crate::error::{Error, Result};

/// Format of the time in the name of the file that was replaced.
const TIME_FORMAT: &str = "%Y%m%dT%H%M%S%3fZ";

/// The result of a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The database file.
    pub database: PathBuf,
    /// Where the file is now that was replaced, if there was one.
    pub replaced: Option<PathBuf>,
    /// What the check of the backup found.
    pub contents: Contents,
}

/// Checks a backup and puts it in the place of the database at `url`. The backup is read only. Until the last step, the
/// database stays as it is.
///
/// # Errors
///
/// BAD_USER_INPUT if `url` is not an SQLite address, if a process has the database open, or if the backup is damaged, of
/// a newer release, or not of this program.
pub async fn restore(url: &str, backup: &Path, now: DateTime<Utc>) -> Result<Restored> {
    let database = sqlite_file(url).ok_or_else(|| {
        Error::BadUserInput("only an SQLite database is restored by this program".to_owned())
    })?;
    // A link to the database stays a link.
    let database = database.canonicalize().unwrap_or(database);
    let source = fs::metadata(backup).map_err(|why| unusable(backup, &why))?;
    let old = fs::metadata(&database).ok();
    if old
        .as_ref()
        .is_some_and(|old| (old.dev(), old.ino()) == (source.dev(), source.ino()))
    {
        return Err(unusable(backup, &"it is the database itself"));
    }
    let _lock = Lock::of(&database)?;
    let folder = tempfile::Builder::new()
        .prefix(".drift-inbox-restore-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(folder_of(&database))
        .map_err(|why| unwritten(&database, &why))?;
    let copy = folder.path().join("restored.db");
    copy_with_log(backup, &copy).map_err(|why| unusable(backup, &why))?;
    let contents = settle(&copy).await.map_err(|why| unusable(backup, &why))?;
    if let Some(newer) = contents.newer().first() {
        let why =
            format!("a newer release of drift-inbox made it (it has {newer}): restore it with that release");
        return Err(unusable(backup, &why));
    }
    let placed = || -> io::Result<Option<PathBuf>> {
        let file = OpenOptions::new().write(true).open(&copy)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        // An administrator restores; the server runs as its own user, who owns the file, or at least its folder.
        let owner = match &old {
            Some(old) => old.clone(),
            None => fs::metadata(folder_of(&database))?,
        };
        chown(&copy, Some(owner.uid()), Some(owner.gid()))?;
        file.sync_all()?;
        let replaced = set_aside(&database, old.is_some(), now)?;
        if let Err(why) = fs::rename(&copy, &database) {
            // The database keeps its name, so it needs its log.
            if let Some(kept) = &replaced {
                move_logs(kept, &database)?;
            }
            return Err(why);
        }
        File::open(folder_of(&database))?.sync_all()?;
        Ok(replaced)
    };
    Ok(Restored {
        replaced: placed().map_err(|why| unwritten(&database, &why))?,
        database,
        contents,
    })
}

fn unusable(backup: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::BadUserInput(format!(
        "nothing was restored: the backup {} cannot be used: {why}",
        backup.display()
    ))
}

fn unwritten(database: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::BadUserInput(format!(
        "nothing was restored: {} cannot be replaced: {why}",
        database.display()
    ))
}

/// Locks that no SQLite connection can share: each connection of a running server holds a lock of the database file and
/// one of the index of its log.
struct Lock {
    _files: Vec<File>,
}

impl Lock {
    /// Locks a database. A file that does not exist needs no lock. The database may be damaged.
    fn of(database: &Path) -> Result<Self> {
        let mut files = Vec::new();
        for path in [database.to_owned(), beside(database, "-shm")] {
            let opened = OpenOptions::new().read(true).write(true).open(&path);
            let file = match opened {
                Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.map_err(|why| unwritten(database, &why))?,
            };
            fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|why| {
                let why = io::Error::from(why);
                match why.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::PermissionDenied => unwritten(
                        database,
                        &"a server or another program has it open: stop it first",
                    ),
                    _ => unwritten(database, &why),
                }
            })?;
            files.push(file);
        }
        Ok(Self { _files: files })
    }
}

/// Returns the path of a file that SQLite keeps beside a database.
fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Copies a database with its write-ahead log, if it has one, such as a copy of the files of a server that was killed.
fn copy_with_log(from: &Path, to: &Path) -> io::Result<()> {
    for suffix in ["", "-wal"] {
        match fs::copy(beside(from, suffix), beside(to, suffix)) {
            Err(why) if !suffix.is_empty() && why.kind() == io::ErrorKind::NotFound => {}
            copied => {
                copied?;
                fs::set_permissions(beside(to, suffix), Permissions::from_mode(0o600))?;
            }
        }
    }
    Ok(())
}

/// Moves the contents of the log into the file, and checks the file.
async fn settle(copy: &Path) -> Result<Contents, String> {
    let unreadable = |why: sea_orm::sqlx::Error| format!("it is not a readable SQLite database: {why}");
    let options = SqliteConnectOptions::new()
        .filename(copy)
        .journal_mode(SqliteJournalMode::Delete)
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(unreadable)?;
    let contents = check_open(&mut connection).await;
    connection.close().await.map_err(unreadable)?;
    contents
}

/// Gives the database, if it `exists`, another name, together with its log, and returns the name. The name of the
/// database itself stays until the new file takes it.
fn set_aside(database: &Path, exists: bool, now: DateTime<Utc>) -> io::Result<Option<PathBuf>> {
    let kept = beside(database, &format!(".replaced-{}", now.format(TIME_FORMAT)));
    if exists {
        fs::hard_link(database, &kept)?;
    }
    // The log of a database that was moved away would be read as that of the new file.
    move_logs(database, &kept)?;
    // The index of the log is made again from the log. That of the old log must not be used for the new file.
    match fs::remove_file(beside(database, "-shm")) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
        _ => Ok(exists.then_some(kept)),
    }
}

/// Moves the logs of a database to another name of it.
fn move_logs(from: &Path, to: &Path) -> io::Result<()> {
    for suffix in ["-wal", "-journal"] {
        match fs::rename(beside(from, suffix), beside(to, suffix)) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            moved => moved?,
        }
    }
    Ok(())
}

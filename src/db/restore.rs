//! Puts a backup in the place of an SQLite database that no process has open.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rustix::fs::{FlockOperation, fcntl_lock};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _};

use super::address::sqlite_file;
use super::backup::{Contents, check_open, folder_of};
use crate::error::{Error, Result};

/// Format of the time in the name of the file that was replaced.
const TIME_FORMAT: &str = "%Y%m%dT%H%M%S%3fZ";

/// The first bytes of a database.
const MAGIC: [u8; 16] = *b"SQLite format 3\0";

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
/// database keeps its contents: if this process is killed at any point, the path leads to the old database or to the
/// restored one, each whole and without a log of the other.
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
    let lock = Lock::of(&database)?;
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
    prepare(&copy, &database, old.as_ref()).map_err(|why| unwritten(&database, &why))?;
    let _lock = empty_log(&database, lock).await?;
    let replaced = place(&copy, &database, old.is_some(), now).map_err(|why| unwritten(&database, &why))?;
    Ok(Restored {
        replaced,
        database,
        contents,
    })
}

/// Gives the copy the permissions and the owner of a database file, and stores it on disk.
fn prepare(copy: &Path, database: &Path, old: Option<&Metadata>) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(copy)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    // An administrator restores; the server runs as its own user, who owns the file, or at least its folder.
    let owner = match old {
        Some(old) => old.clone(),
        None => fs::metadata(folder_of(database))?,
    };
    chown(copy, Some(owner.uid()), Some(owner.gid()))?;
    file.sync_all()
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
    /// The database file, if it exists. It must not be opened and closed elsewhere, because that would end the lock.
    database: Option<File>,
    _index: Option<File>,
}

impl Lock {
    /// Locks a database. A file that does not exist needs no lock. The database may be damaged.
    fn of(database: &Path) -> Result<Self> {
        let lock = |path: &Path| locked(path).map_err(|why| unwritten(database, &why));
        Ok(Self {
            database: lock(database)?,
            _index: lock(&beside(database, "-shm"))?,
        })
    }

    /// Returns whether the file exists and begins like an SQLite database.
    fn is_of_database(&self) -> io::Result<bool> {
        let mut begin = [0; MAGIC.len()];
        let Some(file) = &self.database else {
            return Ok(false);
        };
        let length = file.read_at(&mut begin, 0)?;
        Ok(length == MAGIC.len() && begin == MAGIC)
    }
}

/// Opens and locks a file, if it exists.
fn locked(path: &Path) -> Result<Option<File>, String> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|why| why.to_string())?,
    };
    fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|why| {
        let why = io::Error::from(why);
        match why.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::PermissionDenied => {
                "a server or another program has it open: stop it first".to_owned()
            }
            _ => why.to_string(),
        }
    })?;
    Ok(Some(file))
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
    let unreadable = |why: sqlx::Error| format!("it is not a readable SQLite database: {why}");
    let options = SqliteConnectOptions::new()
        .filename(copy)
        .journal_mode(SqliteJournalMode::Delete)
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(unreadable)?;
    let contents = check_open(&mut connection).await;
    connection.close().await.map_err(unreadable)?;
    contents
}

/// Writes what the log of the database has into its file, as SQLite does when the last connection closes, so that the file
/// is whole without its log. SQLite would apply a log that is left to the restored file, and the old file would lack its
/// newest commits if its log were moved away first. A database that SQLite cannot read keeps its log.
///
/// # Errors
///
/// BAD_USER_INPUT if the log cannot be written into the file, or another program opens the database meanwhile.
async fn empty_log(database: &Path, lock: Lock) -> Result<Lock> {
    let log = beside(database, "-wal");
    let has_log = log.exists() || beside(database, "-journal").exists();
    // SQLite would delete the log of an empty file, and write the log into a file of anything else.
    if !has_log || !lock.is_of_database().map_err(|why| unwritten(database, &why))? {
        return Ok(lock);
    }
    let written = checkpoint(database).await;
    // SQLite has ended the lock: a process loses its locks of a file when it closes the file anywhere.
    drop(lock);
    let lock = Lock::of(database)?;
    let is_written = match written {
        Err(why) if is_damaged(&why) => return Ok(lock),
        Err(why) => {
            return Err(unwritten(
                database,
                &format!("its log cannot be written into it: {why}"),
            ));
        }
        Ok(is_written) => is_written && fs::metadata(&log).map_or(0, |log| log.len()) == 0,
    };
    if !is_written {
        let why = "another program has used it meanwhile: stop that program, and try again";
        return Err(unwritten(database, &why));
    }
    Ok(lock)
}

/// Writes what the log of a database has into its file. Returns whether all was written and the log is empty.
async fn checkpoint(database: &Path) -> Result<bool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let written = async {
        // The first read takes back what a transaction has left unfinished in a rollback journal.
        sqlx::raw_sql("SELECT count(*) FROM sqlite_schema")
            .execute(&mut connection)
            .await?;
        let is_busy: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&mut connection)
            .await?;
        Ok(is_busy == 0)
    }
    .await;
    connection.close().await?;
    written
}

/// Returns whether SQLite cannot read a file because of what is in it.
fn is_damaged(error: &sqlx::Error) -> bool {
    const CORRUPT: u32 = 11;
    const NOT_A_DATABASE: u32 = 26;
    let code = error.as_database_error().and_then(|error| error.code());
    // The lowest byte of an extended code is the primary code.
    let code = code.and_then(|code| Some(code.parse::<u32>().ok()? & 0xff));
    matches!(code, Some(CORRUPT | NOT_A_DATABASE))
}

/// Puts the copy in the place of the database. Returns the other name of the old file, if it `exists`.
fn place(copy: &Path, database: &Path, exists: bool, now: DateTime<Utc>) -> io::Result<Option<PathBuf>> {
    let kept = beside(database, &format!(".replaced-{}", now.format(TIME_FORMAT)));
    if exists {
        // The path leads to the old file until the new one takes it, so it never leads nowhere.
        fs::hard_link(database, &kept)?;
    }
    let placed = set_logs_aside(database, &kept).and_then(|()| fs::rename(copy, database));
    if let Err(why) = placed {
        // A database that SQLite cannot read has its log still.
        move_logs(&kept, database)?;
        if exists {
            fs::remove_file(&kept)?;
        }
        return Err(why);
    }
    File::open(folder_of(database))?.sync_all()?;
    Ok(exists.then_some(kept))
}

/// Gives what is left of the logs of a database the name of the old file, so that SQLite cannot use them for the new one.
fn set_logs_aside(database: &Path, kept: &Path) -> io::Result<()> {
    move_logs(database, kept)?;
    // The index of the log is made again from the log.
    match fs::remove_file(beside(database, "-shm")) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    // The new file must not be on disk before the logs have gone.
    File::open(folder_of(database))?.sync_all()
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

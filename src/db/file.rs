//! The file of an SQLite database, which must stay the same while the server runs.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _};
use sea_orm::{DbErr, RuntimeErr};

/// Device and inode, which identify a file regardless of its path.
type Identity = (u64, u64);

/// An open database file.
///
/// A file that is removed or replaced stays open in existing connections, so writes to it succeed and are lost when
/// the process ends. Therefore each write first checks that the path still leads to the file that was opened.
#[derive(Debug)]
pub(super) struct SqliteFile {
    path: PathBuf,
    /// Paths of the file and its write-ahead log, each with its identity when it was opened.
    opened: Vec<(PathBuf, Identity)>,
    /// Connection that keeps the log in place: SQLite deletes the log when the last connection closes.
    anchor: Mutex<Option<SqliteConnection>>,
    /// Whether the last write failed because its connection is read-only.
    read_only: AtomicBool,
}

impl SqliteFile {
    /// Opens the file. Creates it if `options` allow that.
    ///
    /// # Errors
    ///
    /// The file cannot be opened. The error contains its path.
    pub(super) async fn open(options: &SqliteConnectOptions) -> Result<Self, DbErr> {
        let path = options.get_filename().to_owned();
        let before = identity(&path);
        let mut anchor = options.connect().await.map_err(|error| unopened(&path, error))?;
        // SQLite opens its log with the first statement that reads.
        sqlx::raw_sql("SELECT count(*) FROM sqlite_schema")
            .execute(&mut anchor)
            .await
            .map_err(|error| unopened(&path, error))?;
        let real = path
            .canonicalize()
            .map_err(|error| unopened(&path, error.into()))?;
        if before.is_some() && before != identity(&path) {
            // The connection may have opened the old file.
            return Err(DbErr::Custom(format!(
                "the database file {} was replaced while it was opened: try again",
                path.display()
            )));
        }
        let mut log = real.into_os_string();
        log.push("-wal");
        let opened = [path.clone(), log.into()]
            .into_iter()
            .filter_map(|path| identity(&path).map(|identity| (path, identity)))
            .collect();
        Ok(Self {
            path,
            opened,
            anchor: Mutex::new(Some(anchor)),
            read_only: AtomicBool::new(false),
        })
    }

    /// Returns the path of the database file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that the paths still lead to the files that were opened.
    ///
    /// # Errors
    ///
    /// A file was removed, replaced or emptied. The error contains its path.
    pub(super) fn check(&self) -> Result<(), String> {
        for (path, opened) in &self.opened {
            let now = fs::metadata(path)
                .map_err(|error| format!("the database file {} was removed: {error}", path.display()))?;
            if (now.dev(), now.ino()) != *opened {
                return Err(format!(
                    "the database file {} was replaced: restart the server",
                    path.display()
                ));
            }
        }
        // The database file is never empty: its first page is written when it is created.
        match fs::metadata(&self.path) {
            Ok(file) if file.len() == 0 => Err(format!(
                "the database file {} was emptied: restart the server",
                self.path.display()
            )),
            _ => Ok(()),
        }
    }

    /// Records whether a write failed because its connection is read-only.
    ///
    /// SQLite opens a file read-only if it cannot open it for writing, and such a connection stays read-only. Therefore
    /// existing connections are replaced after such a failure.
    pub(super) fn set_read_only(&self, read_only: bool) {
        self.read_only.store(read_only, Ordering::Relaxed);
    }

    /// Returns whether an open connection may be used for writes.
    pub(super) fn may_be_written_to(&self) -> bool {
        self.check().is_ok() && !self.read_only.load(Ordering::Relaxed)
    }

    /// Closes the connection that keeps the log in place.
    pub(super) async fn close(&self) -> Result<(), DbErr> {
        let anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner).take();
        match anchor {
            Some(anchor) => anchor
                .close()
                .await
                .map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(error.into()))),
            None => Ok(()),
        }
    }
}

fn identity(path: &Path) -> Option<Identity> {
    let file = fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

/// Builds the error of a file that cannot be opened. SQLite reports only "unable to open database file" (code 14).
fn unopened(path: &Path, error: sqlx::Error) -> DbErr {
    let code = error
        .as_database_error()
        .and_then(|error| error.code())
        .unwrap_or_default();
    // The lowest byte of an extended code is the primary code.
    let code = code.parse::<u32>().map_or(0, |code| code & 0xff);
    if code != 14 {
        return DbErr::Conn(RuntimeErr::SqlxError(error.into()));
    }
    DbErr::Custom(format!(
        "cannot open the database file {}: {error}. The file and its folder must be writable: SQLite keeps a log \
         beside the file",
        path.display()
    ))
}

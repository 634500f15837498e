//! What an operator wants to know of a database before it is used.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use chrono::TimeDelta;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _};
use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, RuntimeErr, Statement};

use super::Db;
use super::address::{check_address, is_sqlite, postgres_options};
use super::backup::folder_of;
use crate::error::{Error, Result};

/// The migrations of a database, compared with those of this release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrations {
    /// Number of the newest one.
    pub schema: String,
    /// Number of those that are missing.
    pub missing: usize,
    /// Number of those that a newer release has run.
    pub newer: usize,
}

/// The file of an SQLite database and the space around it, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    /// Size of the file.
    pub used: u64,
    /// Space that this user can still use on its file system.
    pub free: u64,
}

/// Connects once, without waiting for a server that is starting, and creates nothing.
///
/// # Errors
///
/// The address is invalid, the file does not exist, or the database refuses the connection.
pub async fn reach(url: &str) -> Result<()> {
    check_address(url).map_err(|why| Error::BadUserInput(format!("DATABASE_URL: {why}")))?;
    let failed = |error: sqlx::Error| Error::Database(DbErr::Conn(RuntimeErr::SqlxError(error.into())));
    if is_sqlite(url) {
        let options = SqliteConnectOptions::from_str(url).map_err(failed)?;
        if !options.get_filename().exists() {
            let path = options.get_filename().display();
            return Err(Error::BadUserInput(format!("the file {path} does not exist")));
        }
        return Ok(());
    }
    let options = postgres_options(url).map_err(failed)?;
    options
        .connect()
        .await
        .map_err(failed)?
        .close()
        .await
        .map_err(failed)
}

impl Db {
    /// Returns the name and version of the database, and whether a pooler is in front of it.
    ///
    /// # Errors
    ///
    /// The database is unavailable.
    pub async fn version(&self) -> Result<String> {
        let (name, sql) = match self.backend() {
            DbBackend::Postgres => (
                "PostgreSQL",
                "SELECT current_setting('server_version') AS version",
            ),
            _ => ("SQLite", "SELECT sqlite_version() AS version"),
        };
        let row = self
            .reader()
            .query_one_raw(Statement::from_string(self.backend(), sql))
            .await?;
        let row = row.ok_or_else(|| Error::Internal("the database returned no version".to_owned()))?;
        let version: String = row.try_get("", "version")?;
        let pooler = if self.pooled { ", behind a pooler" } else { "" };
        Ok(format!("{name} {version}{pooler}"))
    }

    /// Compares the migrations of the database with those of this release.
    ///
    /// # Errors
    ///
    /// The database is unavailable.
    pub async fn migrations(&self) -> Result<Migrations> {
        let (own, applied) = (migration::known(), migration::applied(self.reader()).await?);
        Ok(Migrations {
            schema: super::backup::schema_of(&applied),
            missing: own.difference(&applied).count(),
            newer: applied.difference(&own).count(),
        })
    }

    /// Returns by how much the clock of the database is ahead of that of this process, apart from the time of the
    /// answer. `None` for SQLite, which has no clock of its own.
    ///
    /// # Errors
    ///
    /// The database is unavailable.
    pub async fn clock_difference(&self) -> Result<Option<TimeDelta>> {
        if self.backend() != DbBackend::Postgres {
            return Ok(None);
        }
        let before = self.time.now();
        let there = self.time(self.reader()).await?;
        let after = self.time.now();
        // The database answered between the two times.
        Ok(Some(if there < before {
            there - before
        } else {
            (there - after).max(TimeDelta::zero())
        }))
    }

    /// Returns the space of an SQLite file; `None` for PostgreSQL.
    ///
    /// # Errors
    ///
    /// The file system does not say.
    pub fn space(&self) -> std::io::Result<Option<Space>> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let stats = rustix::fs::statvfs(folder_of(file.path()))?;
        Ok(Some(Space {
            used: std::fs::metadata(file.path())?.len(),
            free: stats.f_bavail.saturating_mul(stats.f_frsize),
        }))
    }
}

/// Returns the files of an SQLite database: the file itself and those that SQLite keeps beside it.
pub fn files_of(database: &Path) -> Vec<PathBuf> {
    let beside = |suffix: &str| {
        let mut path = database.as_os_str().to_owned();
        path.push(suffix);
        PathBuf::from(path)
    };
    ["", "-wal", "-shm"].map(beside).to_vec()
}

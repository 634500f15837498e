//! Settings: flags and environment variables, parsed and bounded by clap before the program starts.
//!
//! A secret `NAME` is read from the variable of that name, or from the file whose path is in the variable `NAME_FILE`,
//! and never from a flag. Errors never contain its value.

mod http;
mod inventory;
mod limits;
mod notifications;
mod page_sign_in;
mod parsers;
mod retention;
mod schedules;
mod secrets;
mod sign_in;
mod sources;
mod telemetry;
mod tokens;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use secrecy::{ExposeSecret as _, SecretString};

pub(crate) use self::http::{HttpArgs, ListenArgs};
pub(crate) use self::inventory::{InventoryArgs, InventoryConfig, SourceConfig};
pub(crate) use self::notifications::NotifyArgs;
pub(crate) use self::parsers::time_of_at_least;
use self::parsers::{OFF, shown, switch};
pub(crate) use self::retention::RetentionArgs;
pub(crate) use self::schedules::{MaxAgeArgs, ScheduleArgs, SyncCronArgs};
pub(crate) use self::secrets::{SECRETS, Secret, SecretOrigin, secret_values, secrets_help};
use self::secrets::{secret_in_file, variable};
pub(crate) use self::sign_in::SignInArgs;
pub(crate) use self::telemetry::{TelemetryArgs, TraceSettings};
pub(crate) use self::tokens::{TokenArgs, TokenConfig};
use crate::db::{BackupPolicy, WaitLimits, check_address};

const DEFAULT_DATABASE: &str = "sqlite://drift-inbox.db?mode=rwc";
/// Minimum of a wait limit: PostgreSQL counts in milliseconds and treats zero as no limit.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// An invalid setting, with its name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {why}")]
pub(crate) struct BadSetting {
    name: &'static str,
    why: String,
}

impl BadSetting {
    /// Creates an error about the setting `name`.
    pub(crate) fn new(name: &'static str, why: impl ToString) -> Self {
        Self {
            name,
            why: why.to_string(),
        }
    }
}

type Result<T, E = BadSetting> = std::result::Result<T, E>;

/// Settings of the backups before migrations.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Database")]
pub(crate) struct BackupArgs {
    /// Folder of the backups of an SQLite file that are made before migrations run on it, or off [default: the folder
    /// backups beside the file]
    #[arg(long, env = "DRIFT_BACKUP_FOLDER", value_name = "FOLDER|off", value_parser = backup_folder)]
    backup_folder: Option<BackupFolder>,
    /// Number of such backups to keep
    #[arg(long, env = "DRIFT_KEEP_BACKUPS", value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1000))]
    keep_backups: usize,
}

/// Where backups go.
#[derive(Clone, Debug, PartialEq, Eq)]
enum BackupFolder {
    /// Nowhere: there are none.
    Off,
    /// To this folder.
    At(PathBuf),
}

fn backup_folder(text: &str) -> Result<BackupFolder, String> {
    match text.trim() {
        OFF => Ok(BackupFolder::Off),
        "" => Err("is empty: set it to a folder, or to off".to_owned()),
        _ if std::path::Path::new(text).is_file() => Err("is a file and not a folder".to_owned()),
        _ => Ok(BackupFolder::At(text.into())),
    }
}

impl BackupArgs {
    /// Returns when to back up; `None` for never.
    pub(crate) fn policy(&self) -> Option<BackupPolicy> {
        let folder = match &self.backup_folder {
            Some(BackupFolder::Off) => return None,
            Some(BackupFolder::At(folder)) => Some(folder.clone()),
            None => None,
        };
        let keep = self.keep_backups;
        Some(BackupPolicy { folder, keep })
    }
}

/// Database settings. The address itself is a secret: DATABASE_URL or DATABASE_URL_FILE.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Database")]
pub(crate) struct DatabaseArgs {
    /// Run missing migrations at start; off makes them an error
    #[arg(long, env = "DRIFT_MIGRATE", value_name = "on|off", default_value = "on")]
    #[arg(value_parser = switch(), action = ArgAction::Set, hide_possible_values = true)]
    migrate: bool,
    /// Longest wait of a request for a database lock
    #[arg(long, env = "DRIFT_LOCK_TIMEOUT", value_name = "TIME", default_value = shown(WaitLimits::REQUEST.lock))]
    #[arg(value_parser = time_of_at_least(SHORTEST_WAIT))]
    lock_timeout: Duration,
    /// Longest wait of a request for a connection to PostgreSQL
    #[arg(long, env = "DRIFT_CONNECTION_TIMEOUT", value_name = "TIME")]
    #[arg(default_value = shown(WaitLimits::REQUEST.connection), value_parser = time_of_at_least(SHORTEST_WAIT))]
    connection_timeout: Duration,
    /// Longest statement of a request, on PostgreSQL
    #[arg(long, env = "DRIFT_STATEMENT_TIMEOUT", value_name = "TIME")]
    #[arg(default_value = shown(WaitLimits::REQUEST.statement), value_parser = time_of_at_least(SHORTEST_WAIT))]
    statement_timeout: Duration,
    #[command(flatten)]
    backups: BackupArgs,
}

/// The validated settings of the database.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseConfig {
    /// `sqlite://...` or `postgres://...`.
    pub(crate) url: SecretString,
    /// Whether to run missing migrations first.
    pub(crate) migrate: bool,
    /// Wait limits of the transactions of requests.
    pub(crate) wait_limits: WaitLimits,
    /// Backups before migrations; `None` for none.
    pub(crate) backups: Option<BackupPolicy>,
}

impl DatabaseConfig {
    /// Returns the settings of a database that is migrated first, without a backup.
    pub(crate) fn migrated(url: SecretString) -> Self {
        Self {
            url,
            migrate: true,
            wait_limits: WaitLimits::REQUEST,
            backups: None,
        }
    }
}

impl DatabaseArgs {
    /// Reads the address of the database and returns all database settings.
    ///
    /// # Errors
    /// The address is invalid.
    pub(crate) fn resolve(&self) -> Result<DatabaseConfig> {
        Ok(DatabaseConfig {
            url: database_url()?,
            migrate: self.migrate,
            wait_limits: WaitLimits {
                lock: self.lock_timeout,
                statement: self.statement_timeout,
                connection: self.connection_timeout,
            },
            backups: self.backups.policy(),
        })
    }
}

/// Returns the address of the database.
///
/// # Errors
/// The address is invalid.
pub(crate) fn database_url() -> Result<SecretString> {
    let url = secrets::DATABASE_URL
        .read()?
        .unwrap_or_else(|| DEFAULT_DATABASE.into());
    check_address(url.expose_secret()).map_err(|why| BadSetting::new("DATABASE_URL", why))?;
    Ok(url)
}

/// Format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

#[cfg(test)]
mod tests;

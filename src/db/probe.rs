//! Whether the database can be written to: proved by a write that is committed.

use std::time::Duration;

use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _};
use sea_orm::{ConnectionTrait, DbErr, RuntimeErr, Statement};
use tokio::time::Instant;

use super::file::SqliteFile;
use super::{Db, WaitLimits};
use crate::error::{Error, Result};

/// For how long a commit proves that the next one is possible. Spares the database a write for every question.
const PROVES_FOR: Duration = Duration::from_secs(3);
/// A probe gives up sooner than any write: its caller waits two seconds.
const PATIENCE: WaitLimits = WaitLimits {
    lock: Duration::from_millis(1_500),
    statement: Duration::from_millis(1_500),
};
/// One row for all servers, so that the table does not grow.
const COUNT_UP: &str = "INSERT INTO write_probe (id, writes) VALUES (1, 1) \
    ON CONFLICT (id) DO UPDATE SET writes = write_probe.writes + 1 RETURNING writes";
const COUNT: &str = "SELECT writes FROM write_probe WHERE id = 1";

/// Why a server cannot work with its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotReady {
    /// In a few words, for everyone.
    pub said: &'static str,
    /// The whole reason, for the log.
    pub why: String,
}

impl NotReady {
    fn new(said: &'static str, why: impl ToString) -> Self {
        let why = why.to_string();
        Self { said, why }
    }
}

impl Db {
    /// Proves that the database has every table and that a write to it is committed: by a commit of this process
    /// in the last seconds, or by one that is made now.
    ///
    /// # Errors
    /// Why it is not so.
    pub async fn check_ready(&self) -> Result<(), NotReady> {
        self.check_file()
            .map_err(|error| NotReady::new("the file was removed or replaced", error))?;
        match self.is_ready().await {
            Ok(true) => {}
            Ok(false) => return Err(NotReady::new("migrations are missing", "migrations are missing")),
            Err(error) => return Err(NotReady::new("does not respond", error)),
        }
        // One probe at a time; who waited for it profits from it.
        let _turn = self.probing.lock().await;
        if self.last_commit().is_some_and(|at| at.elapsed() < PROVES_FOR) {
            return Ok(());
        }
        self.probe_write().await
    }

    async fn probe_write(&self) -> Result<(), NotReady> {
        let db = Self {
            write: self.probe.clone(),
            patience: PATIENCE,
            ..self.clone()
        };
        let counted = db.write_txn(|txn| async move { count(&*txn, COUNT_UP).await });
        let counted = counted.await.map_err(|error| refused(&error))?;
        let Some(file) = &self.file else {
            return Ok(());
        };
        // What a new connection reads is in the file, and the file is a database still.
        let seen = read_back(file).await;
        let seen = seen.map_err(|error| NotReady::new("cannot be read", error))?;
        if seen < counted {
            return Err(NotReady::new(
                "loses writes",
                format!("wrote {counted} and read {seen}"),
            ));
        }
        Ok(())
    }

    fn last_commit(&self) -> Option<Instant> {
        *self.last_commit.borrow()
    }
}

async fn count(db: &impl ConnectionTrait, sql: &str) -> Result<i64> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await?;
    let row = row.ok_or_else(|| Error::Internal("the probe wrote no row".to_owned()))?;
    Ok(row.try_get("", "writes")?)
}

async fn read_back(file: &SqliteFile) -> Result<i64, DbErr> {
    let failed = |error: sqlx::Error| DbErr::Conn(RuntimeErr::SqlxError(error.into()));
    let options = SqliteConnectOptions::new().filename(file.path()).read_only(true);
    let mut connection = options
        .disable_statement_logging()
        .connect()
        .await
        .map_err(failed)?;
    let read = sqlx::query_scalar(COUNT).fetch_one(&mut connection).await;
    connection.close().await.map_err(failed)?;
    read.map_err(failed)
}

/// What a probe that failed says about the database.
fn refused(error: &Error) -> NotReady {
    let said = match error {
        Error::Busy(_) => "is busy",
        Error::ReadOnly(_) => "is read-only",
        _ => "cannot be written to",
    };
    NotReady::new(said, error)
}

//! The readiness check of the database: it must commit a write.

use std::time::Duration;

use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _};
use sea_orm::{ConnectionTrait, DbErr, RuntimeErr, Statement};
use tokio::time::Instant;

use super::file::SqliteFile;
use super::{Db, WaitLimits};
use crate::error::{Error, Result};

/// How long a commit counts as proof that the database accepts writes. Avoids a write for each check.
const PROOF_LIFETIME: Duration = Duration::from_secs(3);
/// Wait limits of a probe. They are shorter than those of other writes, because the readiness check waits only two
/// seconds.
const WAIT_LIMITS: WaitLimits = WaitLimits {
    lock: Duration::from_millis(1_500),
    statement: Duration::from_millis(1_500),
    connection: Duration::from_millis(1_500),
};
/// Statement that writes one row, which all servers share, so that the table does not grow.
const INCREMENT: &str = "INSERT INTO write_probe (id, writes) VALUES (1, 1) \
    ON CONFLICT (id) DO UPDATE SET writes = write_probe.writes + 1 RETURNING writes";
const READ_COUNT: &str = "SELECT writes FROM write_probe WHERE id = 1";

/// Why the database is not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotReady {
    /// A short, public description.
    pub summary: &'static str,
    /// The full reason, for the log.
    pub detail: String,
}

impl NotReady {
    fn new(summary: &'static str, detail: impl ToString) -> Self {
        let detail = detail.to_string();
        Self { summary, detail }
    }
}

/// A check that has ended.
#[derive(Debug)]
pub(super) struct Checked {
    ended: Instant,
    outcome: Result<(), NotReady>,
}

impl Db {
    /// Checks that the database has every table and commits writes. A commit of this process in the last seconds
    /// counts as proof; otherwise a write is committed now.
    ///
    /// # Errors
    ///
    /// The reason why the database is not ready.
    pub async fn check_ready(&self) -> Result<(), NotReady> {
        self.check_file()
            .map_err(|error| NotReady::new("the file was removed or replaced", error))?;
        // One check at a time. Callers that waited for one reuse its result, so that many cost no more than one.
        let asked = Instant::now();
        let mut last = self.probing.lock().await;
        if let Some(checked) = &*last
            && checked.ended > asked
        {
            return checked.outcome.clone();
        }
        let outcome = self.check_now().await;
        *last = Some(Checked {
            ended: Instant::now(),
            outcome: outcome.clone(),
        });
        outcome
    }

    async fn check_now(&self) -> Result<(), NotReady> {
        match self.has_all_tables(&WAIT_LIMITS).await {
            Ok(true) => {}
            Ok(false) => return Err(NotReady::new("migrations are missing", "migrations are missing")),
            Err(error) => return Err(NotReady::new("does not respond", error)),
        }
        if self.last_commit().is_some_and(|at| at.elapsed() < PROOF_LIFETIME) {
            return Ok(());
        }
        self.probe_write().await
    }

    async fn probe_write(&self) -> Result<(), NotReady> {
        let db = Self {
            write: self.probe.clone(),
            wait_limits: WAIT_LIMITS,
            ..self.clone()
        };
        let counted = db.write_txn(|txn| async move { count(&*txn, INCREMENT).await });
        let counted = counted.await.map_err(|error| refused(&error))?;
        let Some(file) = &self.file else {
            return Ok(());
        };
        // A new connection reads the file itself. This fails if the file is no longer a database.
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
    let read = sqlx::query_scalar(READ_COUNT).fetch_one(&mut connection).await;
    connection.close().await.map_err(failed)?;
    read.map_err(failed)
}

/// Builds the reason from a failed probe.
fn refused(error: &Error) -> NotReady {
    let summary = match error {
        Error::Busy(_) => "is busy",
        Error::ReadOnly(_) => "is read-only",
        _ => "cannot be written to",
    };
    NotReady::new(summary, error)
}

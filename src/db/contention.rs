//! Retries and wait limits for concurrent transactions.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sea_orm::sqlx::sqlite::SqliteError;
use sea_orm::{DbErr, RuntimeErr};
use tokio::time::Instant;

use crate::error::{Error, Result};

/// Maximum number of attempts of a transaction that conflicts with others.
const MAX_ATTEMPTS: u32 = 12;
/// Interval at which a long wait is logged.
const LOGGED_EVERY: Duration = Duration::from_secs(10);

/// How much longer than the database itself a client waits for the end of a statement. After that, the connection is
/// taken to be dead.
const ANSWER: Duration = Duration::from_secs(2);
/// The limit of the database for one query.
const QUERY: Duration = Duration::from_secs(60);

/// Maximum time that a query or transaction waits before it fails with DATABASE_BUSY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitLimits {
    /// Limit for a lock that another transaction holds.
    pub lock: Duration,
    /// Limit for one statement; PostgreSQL only.
    pub statement: Duration,
    /// Limit for a connection to become free, or to be made; PostgreSQL only. Writing transactions wait for earlier ones,
    /// which wait for locks, so `lock` is added to it.
    pub connection: Duration,
}

impl WaitLimits {
    /// Limits of requests, which are shorter than the request timeout.
    pub const REQUEST: Self = Self {
        lock: Duration::from_secs(5),
        statement: Duration::from_secs(15),
        connection: Duration::from_secs(4),
    };
    /// Limits of jobs, commands and migrations.
    pub(crate) const JOB: Self = Self {
        lock: Duration::from_secs(30),
        statement: Duration::from_secs(600),
        connection: Duration::from_secs(20),
    };

    /// Returns the maximum time to wait for a connection, which is also the time after which no new attempt begins.
    pub(super) fn total(&self) -> Duration {
        self.lock * 2
    }

    /// Returns the maximum time to wait for a connection of PostgreSQL on which to write.
    pub(super) fn writer(&self) -> Duration {
        self.total().min(self.lock + self.connection)
    }

    /// Returns the maximum time to wait for the answer to a query.
    pub(super) fn query(&self) -> Duration {
        self.statement.min(QUERY) + ANSWER
    }

    /// Returns the maximum time to wait for the answer to a statement of a writing transaction.
    pub(super) fn write(&self) -> Duration {
        self.statement + ANSWER
    }

    /// Returns the SQL that sets the limits of a PostgreSQL transaction.
    pub(super) fn as_sql(&self) -> String {
        let (lock, statement) = (self.lock.as_millis(), self.statement.as_millis());
        // JIT compilation takes longer than each of our statements. PostgreSQL would compile many of them, because a
        // disabled plan type (`enable_seqscan = off`) adds 10^10 to the estimated cost.
        format!(
            "SET LOCAL lock_timeout = {lock}; SET LOCAL statement_timeout = {statement}; SET LOCAL jit = off"
        )
    }
}

impl Default for WaitLimits {
    fn default() -> Self {
        Self::REQUEST
    }
}

/// The error code of a failed statement. The two databases use different codes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Code {
    /// An SQLSTATE.
    Postgres(String),
    /// An extended result code.
    Sqlite(i32),
}

impl Code {
    fn of(error: &DbErr) -> Option<Self> {
        let (DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error))
        | DbErr::Conn(RuntimeErr::SqlxError(error))) = error
        else {
            return None;
        };
        let error = error.as_database_error()?;
        let code = error.code()?;
        if error.try_downcast_ref::<SqliteError>().is_some() {
            return code.parse().ok().map(Self::Sqlite);
        }
        Some(Self::Postgres(code.into_owned()))
    }

    /// Returns whether the code means that the database is read-only: on PostgreSQL read_only_sql_transaction, as on a
    /// standby; on SQLite READONLY with its extended codes.
    fn is_read_only(&self) -> bool {
        match self {
            Self::Postgres(code) => code == "25006",
            Self::Sqlite(code) => code & 0xff == 8,
        }
    }
}

/// Why a statement failed because of another transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contention {
    /// The database aborted this transaction in favour of another one. A retry may succeed at once.
    Collision,
    /// Another process holds SQLite's write lock.
    WriteLock,
}

impl Contention {
    fn of(code: &Code) -> Option<Self> {
        match code {
            Code::Postgres(code) => match code.as_str() {
                // serialization_failure, deadlock_detected. Also foreign_key_violation: a resource that was read
                // without a lock has been deleted since.
                "40001" | "40P01" | "23503" => Some(Self::Collision),
                _ => None,
            },
            // BUSY_SNAPSHOT, LOCKED_SHAREDCACHE, BUSY_RECOVERY, LOCKED, BUSY_TIMEOUT.
            Code::Sqlite(517 | 262 | 261 | 6 | 773) => Some(Self::Collision),
            // BUSY.
            Code::Sqlite(5) => Some(Self::WriteLock),
            Code::Sqlite(_) => None,
        }
    }

    /// Returns whether to retry.
    fn allows(self, tried: u32, waited: Duration, limits: &WaitLimits) -> bool {
        match self {
            Self::Collision => tried < MAX_ATTEMPTS && waited < limits.total(),
            Self::WriteLock => waited < limits.lock,
        }
    }
}

/// Retries `attempt` after conflicts with other transactions, within `limits`. The log contains the name `database`.
///
/// # Errors
///
/// DATABASE_BUSY if the limits are exceeded; the error of `attempt`.
pub(super) async fn retry<T, F, Fut>(limits: &WaitLimits, database: &str, attempt: F) -> Result<T>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let began = Instant::now();
    let (mut tried, mut logged) = (1, None::<Instant>);
    loop {
        let error = match attempt().await {
            Err(Error::Database(error)) => error,
            Err(Error::Busy(why)) => {
                gave_up(&why, database, began.elapsed(), tried);
                return Err(Error::Busy(why));
            }
            outcome => return outcome,
        };
        let code = Code::of(&error);
        let Some(contention) = code.as_ref().and_then(Contention::of) else {
            return Err(if code.is_some_and(|code| code.is_read_only()) {
                match READ_ONLY.due() {
                    Some(left_out) => tracing::warn!(%error, database, left_out, "the database is read-only"),
                    None => tracing::debug!(%error, database, "the database is read-only"),
                }
                Error::ReadOnly(error.to_string())
            } else {
                Error::Database(error)
            });
        };
        let waited = began.elapsed();
        if !contention.allows(tried, waited, limits) {
            let why = error.to_string();
            gave_up(&why, database, waited, tried);
            return Err(Error::Busy(why));
        }
        if contention == Contention::WriteLock && logged.is_none_or(|at| at.elapsed() >= LOGGED_EVERY) {
            logged = Some(Instant::now());
            let at_most = limits.lock;
            tracing::warn!(
                database,
                ?at_most,
                "waiting for the write lock of the database, which another process holds"
            );
        }
        tracing::debug!(%error, tried, "retrying a transaction");
        tokio::time::sleep(pause(tried)).await;
        tried += 1;
    }
}

fn gave_up(why: &str, database: &str, waited: Duration, tried: u32) {
    let message = "gave up a transaction because the database is busy";
    match GAVE_UP.due() {
        Some(left_out) => tracing::warn!(why, database, ?waited, tried, left_out, message),
        None => tracing::debug!(why, database, ?waited, tried, message),
    }
}

/// A line of the log that each request may cause, and that is written at most every [`LOGGED_EVERY`].
pub(super) struct Seldom(Mutex<Option<(Instant, u64)>>);

static GAVE_UP: Seldom = Seldom::new();
static READ_ONLY: Seldom = Seldom::new();

impl Seldom {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Returns how many lines were left out since the last one, if another may be written.
    pub(super) fn due(&self) -> Option<u64> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, left_out)) = last.as_mut()
            && at.elapsed() < LOGGED_EVERY
        {
            *left_out += 1;
            return None;
        }
        let left_out = last.map_or(0, |(_, left_out)| left_out);
        *last = Some((Instant::now(), 0));
        Some(left_out)
    }
}

/// Returns the delay before the next attempt. It grows with each attempt and is randomized, so that two colliding
/// transactions do not retry together.
pub(super) fn pause(tried: u32) -> Duration {
    let spread = u64::from(uuid::Uuid::new_v4().as_bytes()[0]) + 64;
    Duration::from_micros((1_u64 << tried.min(8)) * spread * 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_attempt_begins_after_the_wait_limits() {
        let (limits, soon) = (WaitLimits::REQUEST, Duration::from_millis(1));
        for contention in [Contention::Collision, Contention::WriteLock] {
            assert!(contention.allows(1, soon, &limits));
            assert!(!contention.allows(1, limits.total(), &limits));
        }
        assert!(!Contention::Collision.allows(MAX_ATTEMPTS, soon, &limits));
    }

    #[test]
    fn a_line_that_each_request_may_cause_is_seldom() {
        let line = Seldom::new();
        assert_eq!(line.due(), Some(0));
        assert_eq!([line.due(), line.due()], [None, None]);
        let past = Instant::now().checked_sub(LOGGED_EVERY).unwrap();
        *line.0.lock().unwrap() = Some((past, 2));
        assert_eq!([line.due(), line.due()], [Some(2), None]);
    }

    #[test]
    fn the_wait_limits_are_shorter_than_the_request_timeout() {
        let limits = WaitLimits::REQUEST;
        assert!(limits.total() + limits.write() < Duration::from_secs(30));
        assert!(limits.writer() < Duration::from_secs(10) && limits.connection < Duration::from_secs(10));
    }

    #[test]
    fn error_codes_of_sqlite_and_postgres_are_not_confused() {
        let postgres = |code: &str| Code::Postgres(code.to_owned());
        assert!(postgres("25006").is_read_only());
        for other in ["53000", "22024", "00008", "40001"] {
            assert!(!postgres(other).is_read_only(), "{other}");
        }
        for read_only in [8, 264, 520, 776, 1032] {
            assert!(Code::Sqlite(read_only).is_read_only(), "{read_only}");
        }
        assert!(!Code::Sqlite(25006).is_read_only() && !Code::Sqlite(5).is_read_only());
        assert_eq!(Contention::of(&Code::Sqlite(40001)), None);
        assert_eq!(Contention::of(&postgres("5")), None);
        assert_eq!(Contention::of(&Code::Sqlite(5)), Some(Contention::WriteLock));
    }
}

//! The connections of queries.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use sea_orm::metric::Info;
use sea_orm::prelude::async_trait::async_trait;
use sea_orm::sqlx;
use sea_orm::sqlx::postgres::{PgPool, PgRow};
use sea_orm::sqlx::sqlite::SqliteRow;
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult,
    Statement, StreamTrait as _,
};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::contention::{WaitLimits, pause};
use super::held::{Answer, Ask, Held};
use super::lane::{self, Place};
use super::{interruptible, pooler, usage};

/// Maximum number of queries that wait for a connection. Further ones fail at once, so that an outage of the database
/// does not fill the memory.
const MAX_WAITING: usize = 1_000;
/// The exponent of the shortest and of the longest pause of a query that waits for a lock.
const PAUSES: std::ops::RangeInclusive<u32> = 5..=8;

/// Is called for each statement.
pub(super) type Observe = Arc<dyn Fn(&Info<'_>) + Send + Sync>;

/// The connections of queries. Clones share them.
#[derive(Clone, Debug)]
pub struct Reader(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

#[derive(Clone)]
struct Sqlite {
    connection: DatabaseConnection,
    observe: Option<Observe>,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sqlite")
    }
}

#[derive(Clone)]
struct Postgres {
    pool: PgPool,
    /// SQL that begins a transaction, if each read is one.
    begin: Option<Arc<str>>,
    limits: WaitLimits,
    waiting: Arc<Semaphore>,
    observe: Option<Observe>,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Reader {
    pub(super) fn of_sqlite(connection: DatabaseConnection) -> Self {
        Self(Kind::Sqlite(Sqlite {
            connection,
            observe: None,
        }))
    }

    pub(super) fn of_postgres(pool: PgPool) -> Self {
        Self::new(pool, None)
    }

    /// Creates the reader of a pooler. Each read is a transaction, which begins with this SQL.
    pub(super) fn of_pooler(pool: PgPool, begin: &str) -> Self {
        Self::new(pool, Some(begin.into()))
    }

    fn new(pool: PgPool, begin: Option<Arc<str>>) -> Self {
        Self(Kind::Postgres(Postgres {
            pool,
            begin,
            limits: WaitLimits::default(),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            observe: None,
        }))
    }

    /// Sets the limits of each query.
    pub(super) fn limit(&mut self, limits: WaitLimits) {
        if let Kind::Postgres(postgres) = &mut self.0 {
            postgres.limits = limits;
        }
    }

    /// Calls `observe` for each statement of this reader and its clones.
    pub(super) fn observe(&mut self, observe: &Observe) {
        match &mut self.0 {
            Kind::Sqlite(sqlite) => {
                sqlite.observe = Some(Arc::clone(observe));
                let observe = Arc::clone(observe);
                sqlite.connection.set_metric_callback(move |info| observe(info));
            }
            Kind::Postgres(postgres) => postgres.observe = Some(Arc::clone(observe)),
        }
    }

    /// Returns the number of open connections, and how many of them are not in use.
    pub(super) fn pool_size(&self) -> (u32, usize) {
        match &self.0 {
            Kind::Sqlite(sqlite) => usage::of_sqlite(&sqlite.connection),
            Kind::Postgres(postgres) => (postgres.pool.size(), postgres.pool.num_idle()),
        }
    }

    /// Closes the connections.
    ///
    /// # Errors
    ///
    /// A connection cannot be closed.
    pub(super) async fn close(&self) -> Result<(), DbErr> {
        match &self.0 {
            Kind::Sqlite(sqlite) => sqlite.connection.close_by_ref().await,
            Kind::Postgres(postgres) => {
                postgres.pool.close().await;
                Ok(())
            }
        }
    }

    /// Passes the rows of a statement to `is_enough` as they arrive, until it returns true.
    ///
    /// # Errors
    ///
    /// The database is unavailable.
    pub(crate) async fn read_until(
        &self,
        statement: Statement,
        mut is_enough: impl FnMut(QueryResult) -> bool + Send,
    ) -> Result<(), DbErr> {
        match &self.0 {
            Kind::Sqlite(sqlite) => {
                let mut rows = sqlite.connection.stream_raw(statement).await?;
                while let Some(row) = rows.try_next().await? {
                    if is_enough(row) {
                        break;
                    }
                }
                Ok(())
            }
            Kind::Postgres(postgres) => {
                postgres
                    .read_until(&statement, &mut |row| is_enough(row.into()))
                    .await
            }
        }
    }
}

impl Sqlite {
    async fn one(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match lane::place() {
            None => self.connection.query_one_raw(statement).await,
            Some(place) => {
                let rows = self.interruptible(&statement, place).await?;
                Ok(rows.into_iter().next().map(Into::into))
            }
        }
    }

    async fn all(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match lane::place() {
            None => self.connection.query_all_raw(statement).await,
            Some(place) => {
                let rows = self.interruptible(&statement, place).await?;
                Ok(rows.into_iter().map(Into::into).collect())
            }
        }
    }

    async fn interruptible(&self, statement: &Statement, place: Place) -> Result<Vec<SqliteRow>, DbErr> {
        let began = Instant::now();
        let pool = self.connection.get_sqlite_connection_pool();
        let rows = interruptible::rows(pool, statement, place).await;
        note(self.observe.as_ref(), statement, began.elapsed(), rows.is_err());
        rows
    }
}

impl Postgres {
    async fn take(&self) -> Result<Held, DbErr> {
        let Ok(_place) = self.waiting.try_acquire() else {
            return Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout));
        };
        match &self.begin {
            None => Held::take(&self.pool, self.limits.connection).await,
            Some(begin) => pooler::begin(&self.pool, begin, self.limits.connection).await,
        }
    }

    /// Asks the database. While another transaction holds a lock, the connection is given back from time to time, so that
    /// other queries get it: one locked table must not keep all connections.
    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, DbErr> {
        let (began, mut pauses) = (Instant::now(), PAUSES);
        loop {
            let asked = self.take().await?.ask(&ask, self.limits.query()).await;
            match asked {
                Err(error) if waits_for_lock(&error) && began.elapsed() < self.limits.lock => {
                    tokio::time::sleep(pause(pauses.next().unwrap_or(*PAUSES.end()))).await;
                }
                outcome => return outcome.map_err(|error| ask.failed(error)),
            }
        }
    }

    async fn observed(&self, statement: &Statement, ask: Ask<'_>) -> Result<Answer, DbErr> {
        let began = Instant::now();
        let answer = self.ask(ask).await;
        note(self.observe.as_ref(), statement, began.elapsed(), answer.is_err());
        answer
    }

    async fn read_until(
        &self,
        statement: &Statement,
        is_enough: &mut (dyn FnMut(PgRow) -> bool + Send),
    ) -> Result<(), DbErr> {
        let began = Instant::now();
        let (mut pauses, mut rows) = (PAUSES, 0_u64);
        let read = loop {
            let mut counted = |row| {
                rows += 1;
                is_enough(row)
            };
            let mut held = self.take().await?;
            match held
                .read_until(statement, self.limits.query(), &mut counted)
                .await
            {
                Err(error) if rows == 0 && waits_for_lock(&error) && began.elapsed() < self.limits.lock => {
                    drop(held);
                    tokio::time::sleep(pause(pauses.next().unwrap_or(*PAUSES.end()))).await;
                }
                outcome => break outcome.map_err(|error| Ask::Rows(statement).failed(error)),
            }
        };
        note(self.observe.as_ref(), statement, began.elapsed(), read.is_err());
        read
    }
}

fn note(observe: Option<&Observe>, statement: &Statement, elapsed: Duration, failed: bool) {
    if let Some(observe) = observe {
        observe(&Info {
            elapsed,
            statement,
            failed,
        });
    }
}

/// Returns whether a query failed because another transaction held a lock.
fn waits_for_lock(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    // lock_not_available
    error.is_some_and(|error| error.code().as_deref() == Some("55P03"))
}

#[async_trait]
impl ConnectionTrait for Reader {
    fn get_database_backend(&self) -> DbBackend {
        match &self.0 {
            Kind::Sqlite(_) => DbBackend::Sqlite,
            Kind::Postgres(_) => DbBackend::Postgres,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Kind::Sqlite(sqlite) => sqlite.connection.execute_raw(statement).await,
            Kind::Postgres(postgres) => {
                let answer = postgres.observed(&statement, Ask::Execute(&statement)).await?;
                Ok(answer.done().into())
            }
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Kind::Sqlite(sqlite) => sqlite.connection.execute_unprepared(sql).await,
            Kind::Postgres(postgres) => Ok(postgres.ask(Ask::Script(sql)).await?.done().into()),
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match &self.0 {
            Kind::Sqlite(sqlite) => sqlite.one(statement).await,
            Kind::Postgres(postgres) => {
                let answer = postgres.observed(&statement, Ask::Rows(&statement)).await?;
                Ok(answer.rows().into_iter().next().map(Into::into))
            }
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match &self.0 {
            Kind::Sqlite(sqlite) => sqlite.all(statement).await,
            Kind::Postgres(postgres) => {
                let answer = postgres.observed(&statement, Ask::Rows(&statement)).await?;
                Ok(answer.rows().into_iter().map(Into::into).collect())
            }
        }
    }
}

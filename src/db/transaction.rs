//! Write transactions.

use std::fmt;
use std::time::Duration;

use sea_orm::metric::Info;
use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};
use tokio::sync::Mutex;

use super::held::{Answer, Ask, Held};
use super::reader::Observe;

/// Statement that fails if no transaction is open, or if PostgreSQL has aborted it. It runs before each COMMIT, because
/// PostgreSQL rolls back an aborted transaction at COMMIT without an error.
const CHECK_TRANSACTION_OPEN: &str = "SAVEPOINT before_commit";

/// A write transaction of the database. It is rolled back if it is dropped.
#[derive(Debug)]
pub struct DatabaseTransaction(Kind);

#[derive(Debug)]
enum Kind {
    Sqlite(sea_orm::DatabaseTransaction),
    Postgres(Postgres),
}

struct Postgres {
    held: Mutex<Held>,
    /// Maximum time of one statement.
    limit: Duration,
    observe: Option<Observe>,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl DatabaseTransaction {
    pub(super) fn of_sqlite(txn: sea_orm::DatabaseTransaction) -> Self {
        Self(Kind::Sqlite(txn))
    }

    /// Begins a transaction on this connection with `begin`, which is SQL that begins one and makes its settings.
    ///
    /// # Errors
    ///
    /// The connection does not work.
    pub(super) async fn begin(
        mut held: Held,
        begin: &str,
        limit: Duration,
        observe: Option<Observe>,
    ) -> Result<Self, DbErr> {
        let begin = Ask::Script(begin);
        held.note_transaction(true);
        held.ask(&begin, limit)
            .await
            .map_err(|error| begin.failed(error))?;
        Ok(Self(Kind::Postgres(Postgres {
            held: Mutex::new(held),
            limit,
            observe,
        })))
    }

    /// Returns the transaction of SeaORM, if the database is SQLite.
    pub(super) fn as_sqlite(&self) -> Option<&sea_orm::DatabaseTransaction> {
        match &self.0 {
            Kind::Sqlite(txn) => Some(txn),
            Kind::Postgres(_) => None,
        }
    }

    /// Sets the maximum time of one statement. The database has limits of its own.
    pub(super) fn limit(&mut self, limit: Duration) {
        if let Kind::Postgres(postgres) = &mut self.0 {
            postgres.limit = limit;
        }
    }

    /// Checks that the transaction can be committed.
    ///
    /// # Errors
    ///
    /// It cannot: it was aborted, or the connection does not work.
    pub(super) async fn check_open(&self) -> Result<(), DbErr> {
        match &self.0 {
            Kind::Sqlite(_) => Ok(()),
            Kind::Postgres(postgres) => postgres.ask(Ask::Script(CHECK_TRANSACTION_OPEN)).await.map(drop),
        }
    }

    /// Commits. After an error, it is unknown whether the database has committed.
    ///
    /// # Errors
    ///
    /// The database has not confirmed the commit.
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        match self.0 {
            Kind::Sqlite(txn) => txn.commit().await,
            Kind::Postgres(postgres) => {
                postgres.ask(Ask::Script("COMMIT")).await?;
                postgres.held.lock().await.note_transaction(false);
                Ok(())
            }
        }
    }
}

impl Postgres {
    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, DbErr> {
        let asked = self.held.lock().await.ask(&ask, self.limit).await;
        asked.map_err(|error| ask.failed(error))
    }

    async fn observed(&self, statement: &Statement, ask: Ask<'_>) -> Result<Answer, DbErr> {
        let began = std::time::Instant::now();
        let answer = self.ask(ask).await;
        if let Some(observe) = &self.observe {
            observe(&Info {
                elapsed: began.elapsed(),
                statement,
                failed: answer.is_err(),
            });
        }
        answer
    }
}

#[async_trait]
impl ConnectionTrait for DatabaseTransaction {
    fn get_database_backend(&self) -> DbBackend {
        match &self.0 {
            Kind::Sqlite(_) => DbBackend::Sqlite,
            Kind::Postgres(_) => DbBackend::Postgres,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Kind::Sqlite(txn) => txn.execute_raw(statement).await,
            Kind::Postgres(postgres) => {
                let answer = postgres.observed(&statement, Ask::Execute(&statement)).await?;
                Ok(answer.done().into())
            }
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Kind::Sqlite(txn) => txn.execute_unprepared(sql).await,
            Kind::Postgres(postgres) => Ok(postgres.ask(Ask::Script(sql)).await?.done().into()),
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match &self.0 {
            Kind::Sqlite(txn) => txn.query_one_raw(statement).await,
            Kind::Postgres(postgres) => {
                let answer = postgres.observed(&statement, Ask::Rows(&statement)).await?;
                Ok(answer.rows().into_iter().next().map(Into::into))
            }
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match &self.0 {
            Kind::Sqlite(txn) => txn.query_all_raw(statement).await,
            Kind::Postgres(postgres) => {
                let answer = postgres.observed(&statement, Ask::Rows(&statement)).await?;
                Ok(answer.rows().into_iter().map(Into::into).collect())
            }
        }
    }
}

//! The clock of the database, which orders the writes of all processes that share the database.

use chrono::{DateTime, SubsecRound as _, Utc};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement};

use super::Db;
use crate::clock::{Clock, ManualClock};
use crate::error::{Error, Result};

#[derive(FromQueryResult)]
struct Now {
    now: DateTime<Utc>,
}

impl Db {
    /// Uses a manual clock as the clock of the database, for tests and for the history of the demo.
    pub fn with_time(mut self, clock: ManualClock) -> Self {
        self.time = Clock::Manual(clock);
        self
    }

    /// Returns the time of the database's clock, so that servers with different clocks agree.
    ///
    /// # Errors
    ///
    /// The database is unavailable.
    pub async fn time<C: ConnectionTrait>(&self, connection: &C) -> Result<DateTime<Utc>> {
        // SQLite has no clock of its own, and all its processes run on one machine.
        if matches!(self.time, Clock::Manual(_)) || self.backend() != DbBackend::Postgres {
            return Ok(self.time.now());
        }
        // Not now(), which is the start of the transaction: the transaction may have waited for a lock since.
        let select = Statement::from_string(DbBackend::Postgres, "SELECT clock_timestamp() AS now");
        let row = Now::find_by_statement(select).one(connection).await?;
        let now = row.ok_or_else(|| Error::Internal("the database returned no time".to_owned()))?;
        Ok(now.now.trunc_subsecs(6))
    }
}

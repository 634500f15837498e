//! The time by which processes that share a database order what they write.

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
    /// The same database, with a manual clock as its clock: for tests and for the history of the demo.
    pub fn with_time(mut self, clock: ManualClock) -> Self {
        self.time = Clock::Manual(clock);
        self
    }

    /// The time by the database's clock. Two servers whose own clocks differ still agree on it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn time<C: ConnectionTrait>(&self, connection: &C) -> Result<DateTime<Utc>> {
        // SQLite has no clock but that of the machine, and all its processes run on one machine.
        if matches!(self.time, Clock::Manual(_)) || self.backend() != DbBackend::Postgres {
            return Ok(self.time.now());
        }
        // Not now(), which is the time at which the transaction began: it may have waited for a lock since.
        let select = Statement::from_string(DbBackend::Postgres, "SELECT clock_timestamp() AS now");
        let row = Now::find_by_statement(select).one(connection).await?;
        let now = row.ok_or_else(|| Error::Internal("the database returned no time".to_owned()))?;
        Ok(now.now.trunc_subsecs(6))
    }
}

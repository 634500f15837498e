//! The version of the contents of a database.

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use super::{Db, untested_first};
use crate::error::Result;

/// Each commit to the tables of a page of drifts replaces one of the stamps.
const STAMPS: &str =
    "SELECT string_agg(CAST(stamp AS text), ',' ORDER BY id) AS version FROM content_changes";

/// The number differs from the last one of the same connection if any other connection, of any process, has committed
/// since. The table-valued function reads it, so that one statement returns both the connection and the number.
const COMMITS: &str = "SELECT opened.id || ' ' || data_version AS version FROM opened, pragma_data_version";

/// Makes a connection of SQLite distinguishable: the numbers of two connections must not be compared.
pub(super) fn name_connection() -> String {
    format!(
        "CREATE TEMP VIEW opened AS SELECT '{}' AS id",
        uuid::Uuid::now_v7()
    )
}

impl Db {
    /// Returns a text that is not returned again after a transaction has committed a change to a row that a page of
    /// drifts shows, whichever program committed it. Returns None if there is no such text.
    ///
    /// # Errors
    ///
    /// The database is unavailable.
    pub async fn content_version(&self) -> Result<Option<String>> {
        self.check_file()?;
        let (connection, sql) = match self.backend() {
            DbBackend::Postgres => (&self.read, STAMPS),
            _ => (&self.version, COMMITS),
        };
        let statement = Statement::from_string(self.backend(), sql);
        let row = untested_first(|| async { Ok(connection.query_one_raw(statement.clone()).await?) }).await?;
        Ok(row.map(|row| row.try_get("", "version")).transpose()?.flatten())
    }
}

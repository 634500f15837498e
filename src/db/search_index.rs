//! The indexes of searches in PostgreSQL. They need the extension pg_trgm, which a server may not offer or not permit.
//! Therefore they are no migration: without them, everything works, only searches read all resources.

use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use super::{Db, MIGRATION_LOCK};
use crate::error::Result;

/// Maximum time of the creation of an index.
const CREATION: Duration = Duration::from_secs(6 * 60 * 60);

const IS_MISSING: &str = "SELECT 1 WHERE to_regclass('ix_cloud_resources_search') IS NULL \
    OR to_regclass('ix_cloud_provisioned_search') IS NULL";

/// The extension may be in a schema that is not searched. The collation makes `lower()` change ASCII letters only.
const CREATE: &str = r#"DO $$
DECLARE
    home text;
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    SELECT quote_ident(n.nspname) INTO home
    FROM pg_opclass AS c JOIN pg_namespace AS n ON n.oid = c.opcnamespace WHERE c.opcname = 'gin_trgm_ops';
    EXECUTE format('CREATE INDEX IF NOT EXISTS ix_cloud_resources_search ON cloud_resources USING gin '
        '(lower(name COLLATE "C") %1$s.gin_trgm_ops, lower(provider_id COLLATE "C") %1$s.gin_trgm_ops)', home);
    EXECUTE format('CREATE INDEX IF NOT EXISTS ix_cloud_provisioned_search ON cloud_provisioned USING gin '
        '(lower(address COLLATE "C") %1$s.gin_trgm_ops) WHERE address IS NOT NULL', home);
END $$"#;

impl Db {
    /// Creates the indexes of searches that are missing. If that fails, logs why and goes on; the next start tries again.
    pub(super) async fn index_searches(&self) {
        if self.backend() != DbBackend::Postgres {
            return;
        }
        if let Err(error) = self.create_search_index().await {
            tracing::warn!(
                %error,
                "searches have no index: CREATE EXTENSION pg_trgm as a superuser, and start the server again"
            );
        }
    }

    async fn create_search_index(&self) -> Result<()> {
        let is_missing = || Statement::from_string(DbBackend::Postgres, IS_MISSING);
        if self.reader().query_one_raw(is_missing()).await?.is_none() {
            return Ok(());
        }
        let mut txn = self.begin().await?;
        // The index of a large table takes its time.
        txn.limit(CREATION);
        txn.execute_unprepared(&format!(
            "SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"
        ))
        .await?;
        // Another server may have created them meanwhile.
        if txn.query_one_raw(is_missing()).await?.is_some() {
            txn.execute_unprepared(CREATE).await?;
        }
        Ok(txn.commit().await?)
    }
}

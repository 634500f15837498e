//! The cause of each drift: digests of its expected and its live value, so that drifts with the same difference are
//! grouped in SQL, where JSON is never compared.
//!
//! The cause is that of the revision in `cause_revision`. An older server raises the revision without the cause; the next
//! sweep of a newer one finds such rows by the partial index.

use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const UP: [&str; 3] = [
    "ALTER TABLE cloud_drift ADD COLUMN cause varchar",
    "ALTER TABLE cloud_drift ADD COLUMN cause_revision integer NOT NULL DEFAULT 0",
    "CREATE INDEX ix_cloud_drift_without_cause ON cloud_drift (id) \
     WHERE status = 'open' AND cause_revision <> revision",
];

const DOWN: [&str; 3] = [
    "DROP INDEX ix_cloud_drift_without_cause",
    "ALTER TABLE cloud_drift DROP COLUMN cause_revision",
    "ALTER TABLE cloud_drift DROP COLUMN cause",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for statement in UP {
            m.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for statement in DOWN {
            m.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

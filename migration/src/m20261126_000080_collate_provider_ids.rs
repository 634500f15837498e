//! Provider ids are ordered by their bytes, which is the order of a listing. On PostgreSQL, the column had the collation of
//! the database, so no index had this order, and each sync sorted all rows of a kind.
//!
//! Only the indexes of the column are built again, not the table. A server of the previous release names the collation in
//! its statement and gets the same order.

use sea_orm_migration::{prelude::*, sea_orm::DatabaseBackend};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        collate(m, "\"C\"").await
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        collate(m, "\"default\"").await
    }
}

/// SQLite compares texts by their bytes unless a column has another collation.
async fn collate(m: &SchemaManager<'_>, collation: &str) -> Result<(), DbErr> {
    if m.get_database_backend() == DatabaseBackend::Postgres {
        let alter = format!(
            "ALTER TABLE cloud_resources ALTER COLUMN provider_id TYPE varchar COLLATE pg_catalog.{collation}"
        );
        m.get_connection().execute_unprepared(&alter).await?;
    }
    Ok(())
}

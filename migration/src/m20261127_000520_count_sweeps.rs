//! How many sweeps in a row have seen a difference that waits before it opens a drift.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let add = Table::alter()
            .table("ignored_differences")
            .add_column(integer_null("sweeps"))
            .to_owned();
        m.alter_table(add).await?;
        m.get_connection()
            .execute_unprepared(
                "CREATE INDEX ix_ignored_differences_waiting ON ignored_differences (ignored_at, id) \
                 WHERE sweeps IS NOT NULL",
            )
            .await?;
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.get_connection()
            .execute_unprepared("DROP INDEX ix_ignored_differences_waiting")
            .await?;
        let drop = Table::alter()
            .table("ignored_differences")
            .drop_column("sweeps")
            .to_owned();
        m.alter_table(drop).await
    }
}

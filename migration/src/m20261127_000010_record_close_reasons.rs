//! Why a drift was closed, and how urgent it is. Drifts that an earlier release closed have no reason; those that it opens
//! are of normal severity until a sweep rates them.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

fn columns() -> [ColumnDef; 4] {
    [
        string_len_null("close_reason", 32),
        uuid_null("closed_by_rule"),
        string_len("severity", 16).default("normal").take(),
        string_null("severity_rule"),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for column in columns() {
            let add = Table::alter().table("cloud_drift").add_column(column).to_owned();
            m.alter_table(add).await?;
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for column in ["close_reason", "closed_by_rule", "severity", "severity_rule"] {
            let drop = Table::alter().table("cloud_drift").drop_column(column).to_owned();
            m.alter_table(drop).await?;
        }
        Ok(())
    }
}

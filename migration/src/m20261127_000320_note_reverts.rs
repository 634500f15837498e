//! The intent to put back the live value of an open drift: who noted it, when and why.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            timestamp_with_time_zone_null("reverting_at"),
            string_null("reverting_by"),
            text_null("reverting_note"),
        ];
        for column in columns {
            let add = Table::alter().table("cloud_drift").add_column(column).to_owned();
            m.alter_table(add).await?;
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for column in ["reverting_at", "reverting_by", "reverting_note"] {
            let drop = Table::alter().table("cloud_drift").drop_column(column).to_owned();
            m.alter_table(drop).await?;
        }
        Ok(())
    }
}

//! The drift of which a closed drift records the accept of some members.

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
            .table("cloud_drift")
            .add_column(uuid_null("split_from"))
            .to_owned();
        m.alter_table(add).await
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let drop = Table::alter()
            .table("cloud_drift")
            .drop_column("split_from")
            .to_owned();
        m.alter_table(drop).await
    }
}

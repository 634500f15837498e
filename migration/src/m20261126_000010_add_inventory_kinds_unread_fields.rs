//! Fields of a kind that its newest complete listing could not read. A server of the previous release does
//! not change the column.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.alter_table(
            Table::alter()
                .table("inventory_kinds")
                .add_column(json_binary_null("unread_fields"))
                .to_owned(),
        )
        .await
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.alter_table(
            Table::alter()
                .table("inventory_kinds")
                .drop_column("unread_fields")
                .to_owned(),
        )
        .await
    }
}

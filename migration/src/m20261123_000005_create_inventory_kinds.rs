//! The last listing of each kind.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.create_table(
            Table::create()
                .table("inventory_kinds")
                .col(string("provider"))
                .col(string("kind"))
                .col(string_null("account"))
                .col(timestamp_with_time_zone_null("listing_started_at"))
                .col(timestamp_with_time_zone_null("completed_at"))
                .col(string_len_null("outcome", 16))
                .primary_key(Index::create().col("provider").col("kind"))
                .to_owned(),
        )
        .await
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.drop_table(Table::drop().table("inventory_kinds").to_owned())
            .await
    }
}

//! The log of each resource.

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
                .table("cloud_resource_events")
                .col(uuid("id").primary_key())
                .col(uuid("resource_id"))
                .col(string_len("type", 32))
                .col(string("actor"))
                .col(json_binary("data"))
                .col(timestamp_with_time_zone("occurred_at"))
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_cloud_resource_events_resource_id")
                        .from("cloud_resource_events", "resource_id")
                        .to("cloud_resources", "id"),
                )
                .to_owned(),
        )
        .await?;
        m.create_index(
            Index::create()
                .name("ix_cloud_resource_events_resource_id_occurred_at_id")
                .table("cloud_resource_events")
                .col("resource_id")
                .col("occurred_at")
                .col("id")
                .to_owned(),
        )
        .await
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.drop_table(Table::drop().table("cloud_resource_events").to_owned())
            .await
    }
}

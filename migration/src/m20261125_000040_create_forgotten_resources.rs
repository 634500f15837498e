//! Records of forgotten resources, the time when old rows were last deleted, and the indexes for finding old rows.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const GONE: &str = "ix_cloud_resources_gone_at_id";
const NEVER_SEEN: &str = "ix_cloud_resources_never_seen_id";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.create_table(
            Table::create()
                .table("forgotten_resources")
                .col(uuid("id").primary_key())
                .col(uuid("resource_id"))
                .col(string("provider"))
                .col(string("kind"))
                .col(string("provider_id"))
                .col(string("name").default(""))
                .col(big_integer("decisions").default(0))
                .col(timestamp_with_time_zone("forgotten_at"))
                .col(string("forgotten_by"))
                .col(text_null("note"))
                .to_owned(),
        )
        .await?;
        m.create_table(
            Table::create()
                .table("upkeep")
                .col(string("task").primary_key())
                .col(timestamp_with_time_zone_null("started_at"))
                .col(timestamp_with_time_zone_null("finished_at"))
                .to_owned(),
        )
        .await?;
        m.create_index(
            Index::create()
                .name("ix_forgotten_resources_forgotten_at_id")
                .table("forgotten_resources")
                .col("forgotten_at")
                .col("id")
                .to_owned(),
        )
        .await?;
        // Partial indexes of the few resources that a purge may delete. Most resources are in neither index.
        m.create_index(
            Index::create()
                .name(GONE)
                .table("cloud_resources")
                .col("gone_at")
                .col("id")
                .and_where(Expr::col("gone_at").is_not_null())
                .to_owned(),
        )
        .await?;
        m.create_index(
            Index::create()
                .name(NEVER_SEEN)
                .table("cloud_resources")
                .col("id")
                .and_where(Expr::col("first_seen_at").is_null())
                .to_owned(),
        )
        .await
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for index in [GONE, NEVER_SEEN] {
            let index = Index::drop().name(index).table("cloud_resources").to_owned();
            m.drop_index(index).await?;
        }
        m.drop_table(Table::drop().table("upkeep").to_owned()).await?;
        m.drop_table(Table::drop().table("forgotten_resources").to_owned())
            .await
    }
}

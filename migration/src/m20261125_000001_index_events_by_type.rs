//! An index for finding recent events of drifts across all resources. Servers poll these events for live
//! subscriptions.

use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

/// Name of the index. The type is its first column, so that a poll does not read the many events of a first sync.
const INDEX: &str = "ix_cloud_resource_events_type_occurred_at_id";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.create_index(
            Index::create()
                .name(INDEX)
                .table("cloud_resource_events")
                .col("type")
                .col("occurred_at")
                .col("id")
                .to_owned(),
        )
        .await
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop()
            .name(INDEX)
            .table("cloud_resource_events")
            .to_owned();
        m.drop_index(index).await
    }
}

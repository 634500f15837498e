//! The last imported version of each Terraform state, and a column for owned resources.

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
                .table("terraform_states")
                .col(string("lineage").primary_key())
                .col(big_integer_null("serial"))
                .col(timestamp_with_time_zone("imported_at"))
                .col(string("imported_by"))
                .to_owned(),
        )
        .await?;
        m.alter_table(
            Table::alter()
                .table("cloud_resources")
                .add_column(boolean("owned").default(false))
                .to_owned(),
        )
        .await?;
        // An import finds the specs of its state by source, to retire those that the state no longer contains.
        m.create_index(
            Index::create()
                .name("ix_cloud_provisioned_source")
                .table("cloud_provisioned")
                .col("source")
                .to_owned(),
        )
        .await
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop()
            .name("ix_cloud_provisioned_source")
            .table("cloud_provisioned")
            .to_owned();
        m.drop_index(index).await?;
        m.alter_table(
            Table::alter()
                .table("cloud_resources")
                .drop_column("owned")
                .to_owned(),
        )
        .await?;
        m.drop_table(Table::drop().table("terraform_states").to_owned())
            .await
    }
}

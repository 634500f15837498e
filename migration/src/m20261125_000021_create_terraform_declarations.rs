//! Declarations of Terraform states about resources that may be in another state: projects and attachments.

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
                .table("terraform_declarations")
                .col(uuid("id").primary_key())
                .col(string("lineage"))
                .col(string("kind"))
                .col(text("provider_id"))
                .col(string("field"))
                .col(json_binary("value"))
                .col(integer("strength"))
                .col(text("address"))
                .to_owned(),
        )
        .await?;
        m.create_index(
            Index::create()
                .name("ix_terraform_declarations_subject")
                .table("terraform_declarations")
                .col("kind")
                .col("provider_id")
                .to_owned(),
        )
        .await?;
        m.create_index(
            Index::create()
                .name("ix_terraform_declarations_lineage")
                .table("terraform_declarations")
                .col("lineage")
                .to_owned(),
        )
        .await
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.drop_table(Table::drop().table("terraform_declarations").to_owned())
            .await
    }
}

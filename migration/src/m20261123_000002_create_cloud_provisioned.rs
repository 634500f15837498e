//! The desired state.

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
                .table("cloud_provisioned")
                .col(uuid("id").primary_key())
                .col(uuid("resource_id").unique_key())
                .col(json_binary("spec"))
                .col(integer("spec_version").check(Expr::col("spec_version").gte(1)))
                .col(string("source").default("api"))
                .col(string("recorded_by"))
                .col(timestamp_with_time_zone("recorded_at"))
                .col(timestamp_with_time_zone_null("retired_at"))
                .col(timestamp_with_time_zone("created_at"))
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_cloud_provisioned_resource_id")
                        .from("cloud_provisioned", "resource_id")
                        .to("cloud_resources", "id"),
                )
                .to_owned(),
        )
        .await
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.drop_table(Table::drop().table("cloud_provisioned").to_owned())
            .await
    }
}

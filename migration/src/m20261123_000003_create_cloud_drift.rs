//! The inbox. A unique index allows at most one open row for each field.

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
                .table("cloud_drift")
                .col(uuid("id").primary_key())
                .col(uuid("resource_id"))
                .col(string_len("kind", 16).check(Expr::col("kind").is_in(["changed", "missing"])))
                .col(string("field"))
                .col(json_binary_null("expected"))
                .col(json_binary_null("actual"))
                .col(integer("revision").default(1).check(Expr::col("revision").gte(1)))
                .col(
                    string_len("status", 16)
                        .default("open")
                        .check(Expr::col("status").is_in(["open", "accepted", "reverted", "stale"])),
                )
                .col(timestamp_with_time_zone("detected_at"))
                .col(timestamp_with_time_zone_null("resolved_at"))
                .col(string_null("resolved_by"))
                .col(text_null("resolution_note"))
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_cloud_drift_resource_id")
                        .from("cloud_drift", "resource_id")
                        .to("cloud_resources", "id"),
                )
                .to_owned(),
        )
        .await?;
        m.create_index(
            Index::create()
                .name("uq_cloud_drift_open")
                .table("cloud_drift")
                .col("resource_id")
                .col("field")
                .unique()
                .and_where(Expr::col("status").eq("open"))
                .to_owned(),
        )
        .await?;
        let pages: [&[&str]; 4] = [
            &["status", "detected_at", "id"],
            &["status", "resolved_at", "id"],
            &["field", "status", "detected_at", "id"],
            &["resource_id", "detected_at", "id"],
        ];
        for columns in pages {
            let mut index = Index::create();
            index
                .name(format!("ix_cloud_drift_{}", columns.join("_")))
                .table("cloud_drift");
            for &column in columns {
                index.col(column);
            }
            m.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.drop_table(Table::drop().table("cloud_drift").to_owned()).await
    }
}

//! The inventory.

use sea_orm_migration::{prelude::*, schema::*, sea_orm::DatabaseBackend};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

/// Returns the database's current time in SeaORM's timestamp format. It is the default of `first_seen_at`, for
/// programs that insert resources without this column.
fn now(backend: DatabaseBackend) -> Expr {
    match backend {
        DatabaseBackend::Sqlite => Expr::cust("(strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'))"),
        _ => Expr::cust("CURRENT_TIMESTAMP"),
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let now = now(m.get_database_backend());
        m.create_table(
            Table::create()
                .table("cloud_resources")
                .col(uuid("id").primary_key())
                .col(string("provider"))
                .col(string("kind"))
                .col(string("provider_id"))
                .col(string("urn"))
                .col(string("name").default(""))
                .col(string_null("region"))
                .col(string_null("size_slug"))
                .col(string_null("status"))
                .col(json_binary("tags").default("[]"))
                .col(string_null("ip"))
                .col(string_null("vpc_uuid"))
                .col(string_null("project_id"))
                .col(json_binary("attrs").default("{}"))
                .col(integer("revision").default(1).check(Expr::col("revision").gte(1)))
                .col(timestamp_with_time_zone_null("first_seen_at").default(now))
                .col(timestamp_with_time_zone_null("gone_at"))
                .col(timestamp_with_time_zone_null("settling_since"))
                .to_owned(),
        )
        .await?;
        m.create_index(
            Index::create()
                .name("uq_cloud_resources_provider_kind_provider_id")
                .table("cloud_resources")
                .col("provider")
                .col("kind")
                .col("provider_id")
                .unique()
                .to_owned(),
        )
        .await?;
        // Pages of resources are filtered by these columns and sorted by id.
        for column in ["kind", "region"] {
            let index = Index::create()
                .name(format!("ix_cloud_resources_{column}_id"))
                .table("cloud_resources")
                .col(column)
                .col("id")
                .to_owned();
            m.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.drop_table(Table::drop().table("cloud_resources").to_owned())
            .await
    }
}

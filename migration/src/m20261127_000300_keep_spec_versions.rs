//! `spec_versions`: the superseded versions of the specs, and `spec_reasons`: why versions were recorded.
//!
//! A trigger stores the old row with each update of a spec, whichever program makes it, servers of the previous release
//! included. The version in force is in `cloud_provisioned` only, so the first version of a spec is not stored twice.

use sea_orm_migration::sea_orm::DbBackend;
use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        create_spec_versions(m).await?;
        create_spec_reasons(m).await?;
        let triggers = match m.get_database_backend() {
            DbBackend::Sqlite => include_str!("keep_spec_versions/sqlite.sql"),
            _ => include_str!("keep_spec_versions/postgres.sql"),
        };
        m.get_connection().execute_unprepared(triggers).await?;
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let drop = match m.get_database_backend() {
            DbBackend::Sqlite => "DROP TRIGGER keep_spec_versions; DROP TRIGGER forget_spec_versions;",
            _ => "DROP FUNCTION keep_spec_versions() CASCADE; DROP FUNCTION forget_spec_versions() CASCADE;",
        };
        m.get_connection().execute_unprepared(drop).await?;
        for table in ["spec_reasons", "spec_versions"] {
            m.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

/// No foreign key: its check would lock the resource after the spec, which is against the order of locks.
async fn create_spec_versions(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    m.create_table(
        Table::create()
            .table("spec_versions")
            .col(big_integer("id").primary_key().auto_increment())
            .col(uuid("resource_id"))
            .col(integer("spec_version"))
            .col(json_binary("spec"))
            .col(json_binary_null("not_compared"))
            .col(string("source"))
            .col(string_null("address"))
            .col(string("recorded_by"))
            .col(timestamp_with_time_zone("recorded_at"))
            .col(timestamp_with_time_zone_null("retired_at"))
            .col(timestamp_with_time_zone("superseded_at"))
            .to_owned(),
    )
    .await?;
    // Not unique: a program may change a spec and keep its version.
    m.create_index(
        Index::create()
            .name("ix_spec_versions_resource_id_spec_version_id")
            .table("spec_versions")
            .col("resource_id")
            .col("spec_version")
            .col("id")
            .to_owned(),
    )
    .await?;
    m.create_index(
        Index::create()
            .name("ix_spec_versions_superseded_at")
            .table("spec_versions")
            .col("superseded_at")
            .to_owned(),
    )
    .await
}

async fn create_spec_reasons(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    m.create_table(
        Table::create()
            .table("spec_reasons")
            .col(uuid("resource_id"))
            .col(integer("spec_version"))
            .col(text("reason"))
            .col(timestamp_with_time_zone("recorded_at"))
            .primary_key(Index::create().col("resource_id").col("spec_version"))
            .to_owned(),
    )
    .await?;
    m.create_index(
        Index::create()
            .name("ix_spec_reasons_recorded_at")
            .table("spec_reasons")
            .col("recorded_at")
            .to_owned(),
    )
    .await
}

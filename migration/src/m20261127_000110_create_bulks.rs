//! Decisions about many drifts: what a user saw in the preview, and what became of each row.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

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
                .table("bulks")
                .col(uuid("id").primary_key())
                .col(string("action"))
                .col(string("actor"))
                .col(string("subject"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone("expires_at"))
                .col(text_null("note"))
                .col(timestamp_with_time_zone_null("started_at"))
                .col(timestamp_with_time_zone_null("finished_at"))
                .to_owned(),
        )
        .await?;
        m.create_table(
            Table::create()
                .table("bulk_items")
                .col(uuid("bulk_id"))
                .col(uuid("drift_id"))
                .col(uuid("resource_id"))
                .col(string("field"))
                .col(integer("revision"))
                .col(string_null("outcome"))
                .col(string_null("code"))
                .col(text_null("message"))
                .col(integer_null("spec_version"))
                .primary_key(Index::create().col("bulk_id").col("drift_id"))
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_bulk_items_bulk_id")
                        .from("bulk_items", "bulk_id")
                        .to("bulks", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await?;
        let db = m.get_connection();
        for statement in [
            "CREATE INDEX ix_bulk_items_resource ON bulk_items (bulk_id, resource_id, field)",
            "CREATE INDEX ix_bulks_not_started ON bulks (expires_at) WHERE started_at IS NULL",
        ] {
            db.execute_unprepared(statement).await?;
        }
        let uuid = match m.get_database_backend() {
            sea_orm_migration::sea_orm::DbBackend::Postgres => "uuid",
            _ => "uuid_text",
        };
        db.execute_unprepared(&format!("ALTER TABLE cloud_drift ADD COLUMN bulk_id {uuid}"))
            .await?;
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for table in ["bulk_items", "bulks"] {
            m.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        m.get_connection()
            .execute_unprepared("ALTER TABLE cloud_drift DROP COLUMN bulk_id")
            .await?;
        Ok(())
    }
}

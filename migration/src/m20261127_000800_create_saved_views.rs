//! The views of the inbox that users save, and the one with which the inbox of a user opens.

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
                .table("saved_views")
                .col(uuid("id").primary_key())
                .col(string("subject"))
                .col(string("author"))
                .col(string("name"))
                .col(text("link"))
                .col(boolean("shared").default(false))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone("updated_at"))
                .to_owned(),
        )
        .await?;
        m.create_table(
            Table::create()
                .table("default_views")
                .col(string("subject").primary_key())
                .col(uuid("view_id"))
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_default_views_view_id")
                        .from("default_views", "view_id")
                        .to("saved_views", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await?;
        for statement in [
            "CREATE UNIQUE INDEX uq_saved_views_subject_name ON saved_views (subject, name)",
            "CREATE INDEX ix_saved_views_shared ON saved_views (name) WHERE shared",
            "CREATE INDEX ix_default_views_view_id ON default_views (view_id)",
        ] {
            m.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for table in ["default_views", "saved_views"] {
            m.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

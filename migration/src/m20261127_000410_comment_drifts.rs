//! `drift_comments`: what users write about a drift. A comment goes with its drift, whichever program deletes it.

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
                .table("drift_comments")
                .col(uuid("id").primary_key())
                .col(uuid("drift_id"))
                .col(string("author"))
                .col(text("body"))
                .col(timestamp_with_time_zone("created_at"))
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_drift_comments_drift_id")
                        .from("drift_comments", "drift_id")
                        .to("cloud_drift", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await?;
        m.get_connection()
            .execute_unprepared(
                "CREATE INDEX ix_drift_comments_drift_id ON drift_comments (drift_id, created_at, id)",
            )
            .await?;
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.drop_table(Table::drop().table("drift_comments").to_owned())
            .await
    }
}

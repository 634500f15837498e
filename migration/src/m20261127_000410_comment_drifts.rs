//! `drift_comments`: what users write about a drift. A comment goes with its drift, whichever program deletes it.

use sea_orm_migration::sea_orm::DbBackend;
use sea_orm_migration::{prelude::*, schema::*};

/// A trigger instead of a foreign key, because a table that a foreign key refers to cannot be emptied at once.
const SQLITE: &str = "CREATE TRIGGER forget_drift_comments AFTER DELETE ON cloud_drift BEGIN \
     DELETE FROM drift_comments WHERE drift_id = OLD.id; END";

const POSTGRES: &str = "CREATE FUNCTION forget_drift_comments() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     DELETE FROM drift_comments WHERE drift_id IN (SELECT id FROM forgotten); RETURN NULL; END $$; \
     CREATE TRIGGER forget_drift_comments AFTER DELETE ON cloud_drift REFERENCING OLD TABLE AS forgotten \
     FOR EACH STATEMENT EXECUTE FUNCTION forget_drift_comments()";

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
                .to_owned(),
        )
        .await?;
        let trigger = match m.get_database_backend() {
            DbBackend::Sqlite => SQLITE,
            _ => POSTGRES,
        };
        for statement in [
            "CREATE INDEX ix_drift_comments_drift_id ON drift_comments (drift_id, created_at, id)",
            trigger,
        ] {
            m.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let drop = match m.get_database_backend() {
            DbBackend::Sqlite => "DROP TRIGGER forget_drift_comments",
            _ => "DROP FUNCTION forget_drift_comments() CASCADE",
        };
        m.get_connection().execute_unprepared(drop).await?;
        m.drop_table(Table::drop().table("drift_comments").to_owned())
            .await
    }
}

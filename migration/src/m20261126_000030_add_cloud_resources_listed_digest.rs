//! A digest of what a listing last stored in a row, so that a sync neither reads nor writes a row that did not change.
//!
//! An update that does not change the digest clears it: a server of the previous release and other programs do not set
//! the column, and after their changes the row has to be compared in full.

use sea_orm_migration::{prelude::*, schema::*, sea_orm::DatabaseBackend};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

/// SQLite changes a row only after the update. The inner update changes the digest, so the trigger ends there.
const CLEAR_ON_SQLITE: &str = "CREATE TRIGGER tr_cloud_resources_clear_listed_digest AFTER UPDATE ON cloud_resources \
     WHEN NEW.listed_digest IS NOT NULL AND NEW.listed_digest IS OLD.listed_digest \
     BEGIN UPDATE cloud_resources SET listed_digest = NULL WHERE rowid = NEW.rowid; END";

const CLEAR_ON_POSTGRES: [&str; 2] = [
    "CREATE FUNCTION cloud_resources_clear_listed_digest() RETURNS trigger LANGUAGE plpgsql AS \
     $$ BEGIN NEW.listed_digest := NULL; RETURN NEW; END $$",
    "CREATE TRIGGER tr_cloud_resources_clear_listed_digest BEFORE UPDATE ON cloud_resources FOR EACH ROW \
     WHEN (NEW.listed_digest IS NOT NULL AND NEW.listed_digest IS NOT DISTINCT FROM OLD.listed_digest) \
     EXECUTE FUNCTION cloud_resources_clear_listed_digest()",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let column = string_len_null("listed_digest", 32);
        m.alter_table(
            Table::alter()
                .table("cloud_resources")
                .add_column(column)
                .to_owned(),
        )
        .await?;
        let triggers: &[&str] = match m.get_database_backend() {
            DatabaseBackend::Sqlite => &[CLEAR_ON_SQLITE],
            _ => &CLEAR_ON_POSTGRES,
        };
        for trigger in triggers {
            m.get_connection().execute_unprepared(trigger).await?;
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let drops: &[&str] = match m.get_database_backend() {
            DatabaseBackend::Sqlite => &["DROP TRIGGER tr_cloud_resources_clear_listed_digest"],
            _ => &[
                "DROP TRIGGER tr_cloud_resources_clear_listed_digest ON cloud_resources",
                "DROP FUNCTION cloud_resources_clear_listed_digest()",
            ],
        };
        for drop in drops {
            m.get_connection().execute_unprepared(drop).await?;
        }
        m.alter_table(
            Table::alter()
                .table("cloud_resources")
                .drop_column("listed_digest")
                .to_owned(),
        )
        .await
    }
}

//! Ignored differences are found by time and by field, and are deleted with their resource.
//!
//! A trigger deletes them, because servers of the release before, which forget resources too, do not know the table.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const INDEXES: [&str; 2] = [
    "CREATE INDEX ix_ignored_differences_ignored_at_id ON ignored_differences (ignored_at, id)",
    "CREATE INDEX ix_ignored_differences_field ON ignored_differences (field, resource_id)",
];

const SQLITE: [&str; 1] = [
    "CREATE TRIGGER forget_ignored_differences AFTER DELETE ON cloud_resources BEGIN \
     DELETE FROM ignored_differences WHERE resource_id = OLD.id; END",
];

const POSTGRES: [&str; 2] = [
    "CREATE FUNCTION forget_ignored_differences() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     DELETE FROM ignored_differences WHERE resource_id IN (SELECT id FROM forgotten); RETURN NULL; END $$",
    "CREATE TRIGGER forget_ignored_differences AFTER DELETE ON cloud_resources REFERENCING OLD TABLE AS forgotten \
     FOR EACH STATEMENT EXECUTE FUNCTION forget_ignored_differences()",
];

const CLEAN: &str = "DELETE FROM ignored_differences \
     WHERE NOT EXISTS (SELECT 1 FROM cloud_resources r WHERE r.id = ignored_differences.resource_id)";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let trigger: &[&str] = match m.get_database_backend() {
            DbBackend::Postgres => &POSTGRES,
            _ => &SQLITE,
        };
        for statement in INDEXES.iter().chain(trigger).chain([&CLEAN]) {
            m.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let trigger: &[&str] = match m.get_database_backend() {
            DbBackend::Postgres => &[
                "DROP TRIGGER forget_ignored_differences ON cloud_resources",
                "DROP FUNCTION forget_ignored_differences()",
            ],
            _ => &["DROP TRIGGER forget_ignored_differences"],
        };
        let indexes = [
            "DROP INDEX ix_ignored_differences_ignored_at_id",
            "DROP INDEX ix_ignored_differences_field",
        ];
        for statement in trigger.iter().chain(&indexes) {
            m.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

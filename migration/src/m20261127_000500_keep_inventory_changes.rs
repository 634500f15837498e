//! `inventory_changes`: what syncs saw change, with the values before and after.
//!
//! A sync writes the rows before its events. A trigger adds rows without values for the events of a server of the
//! previous release, which writes no such rows. The table begins empty, because earlier events have no values.

use sea_orm_migration::sea_orm::DbBackend;
use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

/// Each property by which changes are filtered has an index in the order of pages.
const INDEXED: [&[&str]; 8] = [
    &["seen_at", "id"],
    &["resource_id", "seen_at", "id"],
    &["resource_id", "field", "seen_at", "id"],
    &["kind", "seen_at", "id"],
    &["region", "seen_at", "id"],
    &["source", "seen_at", "id"],
    &["type", "seen_at", "id"],
    &["field", "seen_at", "id"],
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        // No foreign key: its check would lock the resource, and a server of the previous release must be able to delete
        // the resource. A trigger deletes the changes of a deleted resource.
        let table = Table::create()
            .table("inventory_changes")
            .col(uuid("id").primary_key())
            .col(uuid("resource_id"))
            .col(string("provider"))
            .col(string("kind"))
            .col(string_null("region"))
            .col(string("source"))
            .col(string_len("type", 16))
            .col(string("field"))
            .col(json_binary_null("before"))
            .col(json_binary_null("after"))
            .col(boolean("has_values"))
            .col(timestamp_with_time_zone_null("last_listed_at"))
            .col(timestamp_with_time_zone("seen_at"))
            .to_owned();
        m.create_table(table).await?;
        let db = m.get_connection();
        for columns in INDEXED {
            let name = columns.join("_");
            let columns = columns.join(", ");
            db.execute_unprepared(&format!(
                "CREATE INDEX ix_inventory_changes_{name} ON inventory_changes ({columns})"
            ))
            .await?;
        }
        let triggers = match m.get_database_backend() {
            DbBackend::Sqlite => include_str!("keep_inventory_changes/sqlite.sql"),
            _ => include_str!("keep_inventory_changes/postgres.sql"),
        };
        db.execute_unprepared(triggers).await?;
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let drop = match m.get_database_backend() {
            DbBackend::Sqlite => {
                "DROP TRIGGER keep_changes_of_events; DROP TRIGGER forget_inventory_changes; \
                 DELETE FROM upkeep WHERE task = 'changes since'"
            }
            _ => {
                "DROP FUNCTION keep_changes_of_events() CASCADE; DROP FUNCTION forget_inventory_changes() CASCADE; \
                 DELETE FROM upkeep WHERE task = 'changes since'"
            }
        };
        m.get_connection().execute_unprepared(drop).await?;
        m.drop_table(Table::drop().table("inventory_changes").to_owned())
            .await
    }
}

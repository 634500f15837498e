//! Bulks that snooze, assign and ignore: what a bulk does (`parameters`), what its undo restores (`before`), and the
//! bulk that made an ignore rule. Old bulks are found by the time at which they began. A trigger deletes the rows of a
//! forgotten resource, whichever program forgets it.

use sea_orm_migration::sea_orm::DbBackend;
use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const INDEXES: [(&str, &str); 3] = [
    (
        "ix_bulks_started_at",
        "bulks (started_at) WHERE started_at IS NOT NULL",
    ),
    ("ix_bulk_items_resource_id", "bulk_items (resource_id)"),
    (
        "ix_ignore_rules_bulk_id",
        "ignore_rules (bulk_id) WHERE bulk_id IS NOT NULL",
    ),
];

const SQLITE: &str = "CREATE TRIGGER forget_bulk_items AFTER DELETE ON cloud_resources BEGIN \
     DELETE FROM bulk_items WHERE resource_id = OLD.id; END";

const POSTGRES: &str = "CREATE FUNCTION forget_bulk_items() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     DELETE FROM bulk_items WHERE resource_id IN (SELECT id FROM forgotten); RETURN NULL; END $$; \
     CREATE TRIGGER forget_bulk_items AFTER DELETE ON cloud_resources REFERENCING OLD TABLE AS forgotten \
     FOR EACH STATEMENT EXECUTE FUNCTION forget_bulk_items()";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            ("bulks", json_binary_null("parameters")),
            ("bulk_items", json_binary_null("before")),
            ("ignore_rules", uuid_null("bulk_id")),
        ];
        for (table, column) in columns {
            let add = Table::alter().table(table).add_column(column).to_owned();
            m.alter_table(add).await?;
        }
        for (name, on) in INDEXES {
            m.get_connection()
                .execute_unprepared(&format!("CREATE INDEX {name} ON {on}"))
                .await?;
        }
        let trigger = match m.get_database_backend() {
            DbBackend::Sqlite => SQLITE,
            _ => POSTGRES,
        };
        m.get_connection().execute_unprepared(trigger).await?;
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let drop = match m.get_database_backend() {
            DbBackend::Sqlite => "DROP TRIGGER forget_bulk_items",
            _ => "DROP FUNCTION forget_bulk_items() CASCADE",
        };
        m.get_connection().execute_unprepared(drop).await?;
        for (name, _) in INDEXES {
            m.get_connection()
                .execute_unprepared(&format!("DROP INDEX {name}"))
                .await?;
        }
        for (table, column) in [
            ("bulks", "parameters"),
            ("bulk_items", "before"),
            ("ignore_rules", "bulk_id"),
        ] {
            let drop = Table::alter().table(table).drop_column(column).to_owned();
            m.alter_table(drop).await?;
        }
        Ok(())
    }
}

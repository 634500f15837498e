//! Bulks that snooze, assign and ignore: what a bulk does (`parameters`), what its undo restores (`before`), and the
//! bulk that made an ignore rule. Old bulks are found by the time at which they began, and the rows of a forgotten
//! resource by its id.

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
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
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

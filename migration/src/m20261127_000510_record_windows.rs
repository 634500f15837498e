//! The window of each drift, and whether its field flaps. Drifts of an earlier release have neither.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

fn columns() -> [ColumnDef; 4] {
    [
        timestamp_with_time_zone_null("last_seen_equal_at"),
        timestamp_with_time_zone_null("first_seen_different_at"),
        string_len_null("window_basis", 16),
        boolean("flapping").default(false).take(),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for column in columns() {
            let add = Table::alter().table("cloud_drift").add_column(column).to_owned();
            m.alter_table(add).await?;
        }
        // Flapping drifts are few, and no other index finds them.
        m.get_connection()
            .execute_unprepared("CREATE INDEX ix_cloud_drift_flapping ON cloud_drift (status, detected_at, id) WHERE flapping")
            .await?;
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.get_connection()
            .execute_unprepared("DROP INDEX ix_cloud_drift_flapping")
            .await?;
        for column in [
            "last_seen_equal_at",
            "first_seen_different_at",
            "window_basis",
            "flapping",
        ] {
            let drop = Table::alter().table("cloud_drift").drop_column(column).to_owned();
            m.alter_table(drop).await?;
        }
        Ok(())
    }
}

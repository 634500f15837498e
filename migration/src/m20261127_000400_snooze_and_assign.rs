//! Snoozes and assignees of drifts.
//!
//! A trigger ends the snooze of a drift that is closed, or whose values move if it waits for that, whichever program
//! writes, servers of the previous release included. The trigger writes no event: rows with `snoozed_at` that are no
//! longer snoozed are found by a partial index, and the next server of this release logs the end.

use sea_orm_migration::sea_orm::DbBackend;
use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const INDEXES: [(&str, &str); 6] = [
    // Both halves of the open drifts in the order of a page.
    (
        "ix_cloud_drift_awake",
        "(detected_at, id) WHERE status = 'open' AND NOT snoozed",
    ),
    ("ix_cloud_drift_snoozed", "(detected_at, id) WHERE snoozed"),
    ("ix_cloud_drift_snoozed_until", "(snoozed_until) WHERE snoozed"),
    (
        "ix_cloud_drift_snooze_ended",
        "(id) WHERE snoozed_at IS NOT NULL AND NOT snoozed",
    ),
    (
        "ix_cloud_drift_assignee",
        "(assignee, status, detected_at, id) WHERE assignee IS NOT NULL",
    ),
    (
        "ix_cloud_drift_severity",
        "(severity, detected_at, id) WHERE status = 'open'",
    ),
];

fn columns() -> [ColumnDef; 8] {
    [
        boolean("snoozed").default(false).take(),
        timestamp_with_time_zone_null("snoozed_at"),
        string_null("snoozed_by"),
        timestamp_with_time_zone_null("snoozed_until"),
        boolean("snoozed_until_change").default(false).take(),
        text_null("snooze_reason"),
        uuid_null("snooze_bulk_id"),
        string_null("assignee"),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for column in columns() {
            let add = Table::alter().table("cloud_drift").add_column(column).to_owned();
            m.alter_table(add).await?;
        }
        let db = m.get_connection();
        for (name, on) in INDEXES {
            db.execute_unprepared(&format!("CREATE INDEX {name} ON cloud_drift {on}"))
                .await?;
        }
        let trigger = match m.get_database_backend() {
            DbBackend::Sqlite => include_str!("snooze_and_assign/sqlite.sql"),
            _ => include_str!("snooze_and_assign/postgres.sql"),
        };
        db.execute_unprepared(trigger).await?;
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let db = m.get_connection();
        let drop = match m.get_database_backend() {
            DbBackend::Sqlite => "DROP TRIGGER end_snooze",
            _ => "DROP FUNCTION end_snooze() CASCADE",
        };
        db.execute_unprepared(drop).await?;
        for (name, _) in INDEXES {
            db.execute_unprepared(&format!("DROP INDEX {name}")).await?;
        }
        for column in columns() {
            let name = column.get_column_name().to_string();
            let drop = Table::alter()
                .table("cloud_drift")
                .drop_column(Alias::new(name))
                .to_owned();
            m.alter_table(drop).await?;
        }
        Ok(())
    }
}

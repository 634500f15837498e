//! Copies of the resource's kind and region in each drift, so that one index gives both a filter by them and the order
//! of a page.
//!
//! Triggers keep the copies equal to the row of the resource, whichever program writes, servers of the previous release
//! included. The copies of a drift without a resource are null.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

/// The times that pages are ordered by, with the condition on the rows of their index. An open drift has no time of
/// resolution, so a sweep, which opens drifts, writes only one of the indexes.
const INDEXES: [(&str, &str); 2] = [("detected_at", ""), ("resolved_at", " WHERE status <> 'open'")];

fn index_name(time: &str) -> String {
    format!("ix_cloud_drift_resource_kind_region_{time}")
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let copies = match m.get_database_backend() {
            DbBackend::Sqlite => include_str!("copy_kind_and_region/sqlite.sql"),
            _ => include_str!("copy_kind_and_region/postgres.sql"),
        };
        let db = m.get_connection();
        db.execute_unprepared(copies).await?;
        for (time, condition) in INDEXES {
            let name = index_name(time);
            db.execute_unprepared(&format!(
                "CREATE INDEX {name} ON cloud_drift (status, resource_kind, resource_region, {time}, id){condition}"
            ))
            .await?;
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let db = m.get_connection();
        for (time, _) in INDEXES {
            db.execute_unprepared(&format!("DROP INDEX {}", index_name(time)))
                .await?;
        }
        let drop = match m.get_database_backend() {
            DbBackend::Sqlite => include_str!("copy_kind_and_region/sqlite_down.sql"),
            _ => include_str!("copy_kind_and_region/postgres_down.sql"),
        };
        db.execute_unprepared(drop).await?;
        Ok(())
    }
}

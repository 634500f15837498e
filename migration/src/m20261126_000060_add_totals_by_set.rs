//! On PostgreSQL, the triggers add to all totals of a statement at once.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::m20261126_000040_keep_totals::{POSTGRES_ON_CHANGE, on_each_event};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

/// Rows of states leave room in their pages, so that an update of their counts changes no index.
const ROOM: &str = "ALTER TABLE resource_states SET (fillfactor = 80);";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        if m.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        let by_set = on_each_event(include_str!("keep_totals/postgres_by_set.sql"));
        m.get_connection()
            .execute_unprepared(&[ROOM, by_set.as_str()].concat())
            .await?;
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        if m.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        // The functions come before the triggers, which stay.
        let functions = POSTGRES_ON_CHANGE
            .split("CREATE TRIGGER")
            .next()
            .unwrap_or_default();
        let before = on_each_event(&functions.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"));
        let room = "ALTER TABLE resource_states RESET (fillfactor);";
        m.get_connection()
            .execute_unprepared(&[room, before.as_str()].concat())
            .await?;
        Ok(())
    }
}

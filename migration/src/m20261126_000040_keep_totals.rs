//! Totals that the database itself keeps: `drift_totals`, `resource_states` and `resource_totals`.
//!
//! Triggers keep them, so that they are exact whichever program writes the tables, servers of the previous release
//! included. A total is the sum over its rows, so that concurrent writers need not wait for each other.

use sea_orm_migration::sea_orm::DbBackend;
use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const POSTGRES: &str = include_str!("keep_totals/postgres.sql");
pub(crate) const POSTGRES_ON_CHANGE: &str = include_str!("keep_totals/postgres_on_change.sql");
const POSTGRES_FILL: &str = include_str!("keep_totals/postgres_fill.sql");
const POSTGRES_DOWN: &str = include_str!("keep_totals/postgres_down.sql");
const SQLITE: &str = include_str!("keep_totals/sqlite.sql");
const SQLITE_DRIFT: &str = include_str!("keep_totals/sqlite_drift.sql");
const SQLITE_FILL: &str = include_str!("keep_totals/sqlite_fill.sql");
const SQLITE_DOWN: &str = include_str!("keep_totals/sqlite_down.sql");

/// An event of PostgreSQL, its transition tables, and its rows with their signs.
const EVENTS: [(&str, &str, &str); 3] = [
    (
        "insert",
        "NEW TABLE AS new_rows",
        "SELECT *, 1 AS sign FROM new_rows",
    ),
    (
        "delete",
        "OLD TABLE AS old_rows",
        "SELECT *, -1 AS sign FROM old_rows",
    ),
    (
        "update",
        "OLD TABLE AS old_rows NEW TABLE AS new_rows",
        "SELECT *, 1 AS sign FROM new_rows UNION ALL SELECT *, -1 FROM old_rows",
    ),
];

/// Head of a trigger of SQLite on `cloud_drift`, and the rows that it counts with their signs.
const SQLITE_EVENTS: [(&str, &[(&str, &str)]); 3] = [
    (
        "CREATE TRIGGER count_drifts_insert AFTER INSERT ON cloud_drift",
        &[("NEW", "1")],
    ),
    (
        "CREATE TRIGGER count_drifts_delete AFTER DELETE ON cloud_drift",
        &[("OLD", "-1")],
    ),
    (
        "CREATE TRIGGER count_drifts_update AFTER UPDATE OF resource_id, status, kind, field ON cloud_drift \
         WHEN OLD.resource_id <> NEW.resource_id OR OLD.status <> NEW.status OR OLD.kind <> NEW.kind \
         OR OLD.field <> NEW.field",
        &[("OLD", "-1"), ("NEW", "1")],
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        // Concurrent writers of PostgreSQL add rows of the same key.
        let unique = m.get_database_backend() == DbBackend::Sqlite;
        create_drift_totals(m, unique).await?;
        create_resource_states(m).await?;
        create_resource_totals(m, unique).await?;
        let db = m.get_connection();
        if m.get_database_backend() == DbBackend::Sqlite {
            db.execute_unprepared(&sqlite()).await?;
        } else {
            db.execute_unprepared(&postgres()).await?;
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let drop = match m.get_database_backend() {
            DbBackend::Sqlite => SQLITE_DOWN,
            _ => POSTGRES_DOWN,
        };
        m.get_connection().execute_unprepared(drop).await?;
        for table in ["drift_totals", "resource_totals", "resource_states"] {
            m.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

/// Returns the statements of PostgreSQL. The triggers come before the rows that are counted first: creating a trigger
/// locks the table, so that no row is missed.
fn postgres() -> String {
    [POSTGRES, &on_each_event(POSTGRES_ON_CHANGE), POSTGRES_FILL].concat()
}

/// Returns the statements of PostgreSQL for each event.
pub(crate) fn on_each_event(statements: &str) -> String {
    let on_change = EVENTS.map(|(event, transition, rows)| {
        statements
            .replace("{event}", event)
            .replace("{transition}", transition)
            .replace("{rows}", rows)
    });
    on_change.concat()
}

fn sqlite() -> String {
    let on_drift = SQLITE_EVENTS.map(|(head, rows)| {
        let body: String = rows
            .iter()
            .map(|(row, sign)| SQLITE_DRIFT.replace("{row}", row).replace("{sign}", sign))
            .collect();
        format!("{head} BEGIN\n{body}END;\n")
    });
    [SQLITE, &on_drift.concat(), SQLITE_FILL].concat()
}

async fn create_drift_totals(m: &SchemaManager<'_>, unique: bool) -> Result<(), DbErr> {
    let columns = [
        "level",
        "status",
        "drift_kind",
        "field",
        "provider",
        "kind",
        "region",
    ];
    m.create_table(
        Table::create()
            .table("drift_totals")
            .col(big_pk_auto("id"))
            .col(integer("level"))
            .col(string("status"))
            .col(string("drift_kind"))
            .col(string("field"))
            .col(string("provider"))
            .col(string("kind"))
            .col(string("region"))
            .col(big_integer("n"))
            .to_owned(),
    )
    .await?;
    m.create_index(key("drift_totals", &columns, unique)).await
}

async fn create_resource_states(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    m.create_table(
        Table::create()
            .table("resource_states")
            .col(uuid("resource_id").primary_key())
            .col(string("provider"))
            .col(string("kind"))
            .col(string("region"))
            .col(boolean("present"))
            .col(boolean("gone"))
            .col(boolean("owned"))
            .col(integer("specs"))
            .col(string_len("class", 16))
            .col(integer("open_changed"))
            .col(integer("open_missing"))
            .to_owned(),
    )
    .await?;
    // Pages of unmanaged resources are read in the order of ids.
    m.create_index(key("resource_states", &["class", "resource_id"], false))
        .await
}

async fn create_resource_totals(m: &SchemaManager<'_>, unique: bool) -> Result<(), DbErr> {
    let columns = [
        "provider", "kind", "region", "class", "gone", "changed", "missing",
    ];
    m.create_table(
        Table::create()
            .table("resource_totals")
            .col(big_pk_auto("id"))
            .col(string("provider"))
            .col(string("kind"))
            .col(string("region"))
            .col(string_len("class", 16))
            .col(boolean("gone"))
            .col(boolean("changed"))
            .col(boolean("missing"))
            .col(big_integer("n"))
            .to_owned(),
    )
    .await?;
    m.create_index(key("resource_totals", &columns, unique)).await
}

fn key(table: &'static str, columns: &[&'static str], unique: bool) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(format!("ix_{table}_key")).table(table);
    for &column in columns {
        index.col(column);
    }
    if unique {
        index.unique();
    }
    index.to_owned()
}

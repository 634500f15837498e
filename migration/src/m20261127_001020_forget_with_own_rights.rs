//! The triggers that delete what belongs to deleted drifts and resources work for every program, as those of the totals do.
//!
//! On PostgreSQL they ran with the rights and the search path of the program that deletes: one with rights on the main
//! tables only, or with another search path, could not delete any more. They did not run on a replica of the rows either, and
//! TRUNCATE left all rows. SQLite has neither rights nor TRUNCATE.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

/// A function whose trigger deletes rows.
struct Forgets {
    name: &'static str,
    /// The table whose rows are deleted.
    on: &'static str,
    /// The table with the rows that belong to them, and its column with their id.
    rows: (&'static str, &'static str),
}

const FORGETS: [Forgets; 3] = [
    Forgets {
        name: "forget_drift_comments",
        on: "cloud_drift",
        rows: ("drift_comments", "drift_id"),
    },
    Forgets {
        name: "forget_bulk_items",
        on: "cloud_resources",
        rows: ("bulk_items", "resource_id"),
    },
    Forgets {
        name: "forget_ignored_differences",
        on: "cloud_resources",
        rows: ("ignored_differences", "resource_id"),
    },
];

/// A trigger on TRUNCATE, which passes no rows to it.
struct Truncates {
    name: &'static str,
    on: &'static str,
    run: &'static str,
}

const TRUNCATES: [Truncates; 2] = [
    Truncates {
        name: "forget_parts_of_drifts",
        on: "cloud_drift",
        run: "DELETE FROM drift_comments;",
    },
    Truncates {
        name: "forget_parts_of_resources",
        on: "cloud_resources",
        run: "DELETE FROM bulk_items; DELETE FROM ignored_differences; DELETE FROM spec_versions; \
              DELETE FROM spec_reasons; DELETE FROM inventory_changes; INSERT INTO leftover_marks DEFAULT VALUES;",
    },
];

const MARKS: [&str; 3] = [
    "mark_leftovers_insert",
    "mark_leftovers_update",
    "mark_leftovers_delete",
];

impl Forgets {
    /// A session keeps the plan of the join, which it may have made for many rows: without these settings, the deletion of one
    /// row could read the whole table.
    fn for_every_program(&self) -> [String; 2] {
        let Self {
            name,
            on,
            rows: (table, id),
        } = self;
        [
            format!(
                "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER \
                 SET search_path FROM CURRENT SET enable_seqscan = off SET enable_hashjoin = off \
                 SET enable_mergejoin = off AS $$ BEGIN \
                 DELETE FROM {table} AS t USING forgotten AS f WHERE t.{id} = f.id; RETURN NULL; END $$"
            ),
            format!("ALTER TABLE {on} ENABLE ALWAYS TRIGGER {name}"),
        ]
    }

    fn as_before(&self) -> [String; 2] {
        let Self {
            name,
            on,
            rows: (table, id),
        } = self;
        [
            format!(
                "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 DELETE FROM {table} WHERE {id} IN (SELECT id FROM forgotten); RETURN NULL; END $$"
            ),
            format!("ALTER TABLE {on} ENABLE TRIGGER {name}"),
        ]
    }
}

impl Truncates {
    fn create(&self) -> [String; 3] {
        let Self { name, on, run } = self;
        [
            format!(
                "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER \
                 SET search_path FROM CURRENT AS $$ BEGIN {run} RETURN NULL; END $$"
            ),
            format!(
                "CREATE TRIGGER {name} AFTER TRUNCATE ON {on} FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
            ),
            format!("ALTER TABLE {on} ENABLE ALWAYS TRIGGER {name}"),
        ]
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        if m.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        let forgets = FORGETS.iter().flat_map(Forgets::for_every_program);
        let truncates = TRUNCATES.iter().flat_map(Truncates::create);
        let marks = MARKS.map(|name| format!("ALTER TABLE cloud_resources ENABLE ALWAYS TRIGGER {name}"));
        for statement in forgets.chain(truncates).chain(marks) {
            m.get_connection().execute_unprepared(&statement).await?;
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        if m.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        let marks = MARKS.map(|name| format!("ALTER TABLE cloud_resources ENABLE TRIGGER {name}"));
        let truncates = TRUNCATES.map(|truncates| format!("DROP FUNCTION {}() CASCADE", truncates.name));
        let forgets = FORGETS.iter().flat_map(Forgets::as_before);
        for statement in marks.into_iter().chain(truncates).chain(forgets) {
            m.get_connection().execute_unprepared(&statement).await?;
        }
        Ok(())
    }
}

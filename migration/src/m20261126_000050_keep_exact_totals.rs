//! Totals that stay exact whatever writes the tables: in PostgreSQL also sessions that apply a replica or a backup, in
//! SQLite also INSERT OR REPLACE. Adds `row_totals`, the numbers of rows of further lists.

use sea_orm_migration::sea_orm::DbBackend;
use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const POSTGRES: &str = include_str!("exact_totals/postgres.sql");
const POSTGRES_DOWN: &str = include_str!("exact_totals/postgres_down.sql");
const SQLITE: &str = include_str!("exact_totals/sqlite.sql");
const SQLITE_DOWN: &str = include_str!("exact_totals/sqlite_down.sql");
const FILL: &str = include_str!("exact_totals/fill.sql");

const OF_KIND_AND_REGION: &str = "ix_cloud_resources_kind_region_id";
const OF_CLASS_AND_KIND: &str = "ix_resource_states_class_kind_resource_id";

/// The indexes of drifts of missing resources, which are few among all drifts, with the times that they order by.
const MISSING: [(&str, &str); 2] = [
    ("ix_cloud_drift_missing_status_detected_at_id", "detected_at"),
    ("ix_cloud_drift_missing_status_resolved_at_id", "resolved_at"),
];

/// The triggers that earlier migrations created, by table.
const TRIGGERS: [(&str, &[&str]); 4] = [
    (
        "cloud_resources",
        &[
            "insert_states",
            "delete_states",
            "update_states",
            "rename_state",
            "forget_states",
            "mark_cloud_resources_insert",
            "mark_cloud_resources_update",
            "mark_cloud_resources_delete",
            "mark_cloud_resources_truncate",
            "tr_cloud_resources_clear_listed_digest",
        ],
    ),
    (
        "cloud_provisioned",
        &[
            "forget_specs",
            "count_specs_insert",
            "count_specs_update",
            "count_specs_delete",
            "mark_cloud_provisioned_insert",
            "mark_cloud_provisioned_update",
            "mark_cloud_provisioned_delete",
            "mark_cloud_provisioned_truncate",
        ],
    ),
    (
        "cloud_drift",
        &[
            "forget_drifts",
            "count_drifts_insert",
            "count_drifts_update",
            "count_drifts_delete",
            "mark_cloud_drift_insert",
            "mark_cloud_drift_update",
            "mark_cloud_drift_delete",
            "mark_cloud_drift_truncate",
        ],
    ),
    (
        "resource_states",
        &[
            "count_states_insert",
            "count_states_update",
            "count_states_delete",
        ],
    ),
];

/// The triggers that this migration creates.
const NEW_TRIGGERS: [(&str, &[&str]); 2] = [
    (
        "forgotten_resources",
        &[
            "count_forgotten_insert",
            "count_forgotten_delete",
            "forget_forgotten",
        ],
    ),
    (
        "job_runs",
        &[
            "count_job_runs_insert",
            "count_job_runs_delete",
            "count_job_runs_update",
            "forget_job_runs",
        ],
    ),
];

/// Returns the statements that make triggers fire in every session (`ALWAYS`) or only in those that are no replica.
fn enable(triggers: &[(&str, &[&str])], when: &str) -> String {
    let of_table = triggers.iter().map(|(table, names)| {
        let enabled: Vec<String> = names
            .iter()
            .map(|name| format!("ENABLE {when} TRIGGER {name}"))
            .collect();
        format!("ALTER TABLE {table} {};\n", enabled.join(", "))
    });
    of_table.collect()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let is_sqlite = m.get_database_backend() == DbBackend::Sqlite;
        m.create_table(
            Table::create()
                .table("row_totals")
                .col(big_pk_auto("id"))
                .col(string("of_rows"))
                .col(string("key"))
                .col(big_integer("n"))
                .to_owned(),
        )
        .await?;
        let mut key = Index::create();
        key.name("ix_row_totals_key")
            .table("row_totals")
            .col("of_rows")
            .col("key");
        if is_sqlite {
            // Concurrent writers of PostgreSQL add rows of the same key.
            key.unique();
        }
        m.create_index(key.to_owned()).await?;
        m.create_index(
            Index::create()
                .name(OF_CLASS_AND_KIND)
                .table("resource_states")
                .col("class")
                .col("kind")
                .col("resource_id")
                .to_owned(),
        )
        .await?;
        m.create_index(
            Index::create()
                .name(OF_KIND_AND_REGION)
                .table("cloud_resources")
                .col("kind")
                .col("region")
                .col("id")
                .to_owned(),
        )
        .await?;
        for (name, time) in MISSING {
            let mut missing = Index::create();
            missing
                .name(name)
                .table("cloud_drift")
                .col("status")
                .col(time)
                .col("id")
                .and_where(Expr::col("kind").eq("missing"));
            m.create_index(missing.to_owned()).await?;
        }
        let statements = if is_sqlite {
            // Searches read only this index. PostgreSQL would refuse long names in it.
            let names = "CREATE INDEX ix_cloud_resources_names ON cloud_resources (name, provider_id, id);";
            format!("{SQLITE}{names}{FILL}")
        } else {
            let always = [enable(&TRIGGERS, "ALWAYS"), enable(&NEW_TRIGGERS, "ALWAYS")];
            format!("{POSTGRES}{}{FILL}", always.concat())
        };
        m.get_connection().execute_unprepared(&statements).await?;
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for (name, _) in MISSING {
            m.drop_index(Index::drop().name(name).table("cloud_drift").to_owned())
                .await?;
        }
        let statements = match m.get_database_backend() {
            DbBackend::Sqlite => format!("{SQLITE_DOWN}DROP INDEX ix_cloud_resources_names;"),
            _ => format!("{POSTGRES_DOWN}{}", enable(&TRIGGERS, "")),
        };
        m.get_connection().execute_unprepared(&statements).await?;
        for (name, table) in [
            (OF_KIND_AND_REGION, "cloud_resources"),
            (OF_CLASS_AND_KIND, "resource_states"),
        ] {
            m.drop_index(Index::drop().name(name).table(table).to_owned())
                .await?;
        }
        m.drop_table(Table::drop().table("row_totals").to_owned()).await
    }
}

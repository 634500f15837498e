//! Runs are unique by source, so that syncs of two sources on one database do not block each other. Rows of older
//! servers have no source and no trigger; older servers still work with the new indexes.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

/// SQL, because the schema builder does not support expressions in an index.
const NEW_INDEXES: [&str; 2] = [
    "CREATE UNIQUE INDEX uq_job_runs_job_source_scheduled_for ON job_runs \
     (job, (COALESCE(source, '')), scheduled_for)",
    "CREATE UNIQUE INDEX uq_job_runs_running_sync_of_source ON job_runs \
     (job, (COALESCE(source, ''))) WHERE job = 'sync_inventory' AND finished_at IS NULL",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for column in [text_null("source"), string_len_null("trigger", 16)] {
            m.alter_table(Table::alter().table("job_runs").add_column(column).to_owned())
                .await?;
        }
        for index in ["uq_job_runs_job_scheduled_for", "uq_job_runs_running_sync"] {
            m.drop_index(Index::drop().table("job_runs").name(index).to_owned())
                .await?;
        }
        for index in NEW_INDEXES {
            m.get_connection().execute_unprepared(index).await?;
        }
        Ok(())
    }

    /// Of the runs that violate the old unique indexes, only the newest is kept.
    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for index in [
            "uq_job_runs_job_source_scheduled_for",
            "uq_job_runs_running_sync_of_source",
        ] {
            m.drop_index(Index::drop().table("job_runs").name(index).to_owned())
                .await?;
        }
        let connection = m.get_connection();
        for surplus in [
            "DELETE FROM job_runs WHERE scheduled_for IS NOT NULL AND EXISTS (SELECT 1 FROM job_runs AS other \
             WHERE other.job = job_runs.job AND other.scheduled_for = job_runs.scheduled_for \
             AND other.id > job_runs.id)",
            "DELETE FROM job_runs WHERE job = 'sync_inventory' AND finished_at IS NULL AND EXISTS \
             (SELECT 1 FROM job_runs AS other WHERE other.job = job_runs.job AND other.finished_at IS NULL \
             AND other.id > job_runs.id)",
        ] {
            connection.execute_unprepared(surplus).await?;
        }
        let mut tick = Index::create();
        tick.name("uq_job_runs_job_scheduled_for").table("job_runs");
        m.create_index(tick.col("job").col("scheduled_for").unique().to_owned())
            .await?;
        let mut running = Index::create();
        running
            .name("uq_job_runs_running_sync")
            .table("job_runs")
            .col("job");
        m.create_index(
            running
                .unique()
                .and_where(Expr::col("job").eq("sync_inventory"))
                .and_where(Expr::col("finished_at").is_null())
                .to_owned(),
        )
        .await?;
        for column in ["source", "trigger"] {
            m.alter_table(Table::alter().table("job_runs").drop_column(column).to_owned())
                .await?;
        }
        Ok(())
    }
}

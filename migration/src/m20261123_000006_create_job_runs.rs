//! Runs of the jobs. Unique indexes allow each tick to run once, and one sync at a time.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.create_table(
            Table::create()
                .table("job_runs")
                .col(uuid("id").primary_key())
                .col(string_len("job", 32))
                .col(timestamp_with_time_zone_null("scheduled_for"))
                .col(timestamp_with_time_zone("started_at"))
                .col(timestamp_with_time_zone("heartbeat_at"))
                .col(timestamp_with_time_zone_null("finished_at"))
                .col(string_len_null("outcome", 16))
                .col(json_binary("counts").default("{}"))
                .col(text_null("error"))
                .to_owned(),
        )
        .await?;
        m.create_index(
            Index::create()
                .name("uq_job_runs_job_scheduled_for")
                .table("job_runs")
                .col("job")
                .col("scheduled_for")
                .unique()
                .to_owned(),
        )
        .await?;
        m.create_index(
            Index::create()
                .name("uq_job_runs_running_sync")
                .table("job_runs")
                .col("job")
                .unique()
                .and_where(Expr::col("job").eq("sync_inventory"))
                .and_where(Expr::col("finished_at").is_null())
                .to_owned(),
        )
        .await?;
        for columns in [&["job", "started_at", "id"][..], &["started_at", "id"][..]] {
            let mut index = Index::create();
            index
                .name(format!("ix_job_runs_{}", columns.join("_")))
                .table("job_runs");
            for &column in columns {
                index.col(column);
            }
            m.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.drop_table(Table::drop().table("job_runs").to_owned()).await
    }
}

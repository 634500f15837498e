//! Indexes for finding runs by source, and for finding active runs without reading the ended ones.

use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const BY_SOURCE: &str = "ix_job_runs_job_source_started_at";
const UNFINISHED: &str = "ix_job_runs_unfinished_job_started_at";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let mut by_source = Index::create();
        by_source
            .name(BY_SOURCE)
            .table("job_runs")
            .col("job")
            .col("source")
            .col("started_at");
        m.create_index(by_source.to_owned()).await?;
        let mut unfinished = Index::create();
        unfinished
            .name(UNFINISHED)
            .table("job_runs")
            .col("job")
            .col("started_at")
            .and_where(Expr::col("finished_at").is_null());
        m.create_index(unfinished.to_owned()).await
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for index in [BY_SOURCE, UNFINISHED] {
            m.drop_index(Index::drop().table("job_runs").name(index).to_owned())
                .await?;
        }
        Ok(())
    }
}

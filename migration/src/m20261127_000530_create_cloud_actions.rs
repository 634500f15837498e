//! `cloud_actions`: the log of actions that a provider keeps, and how the last reading of it ended.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let actions = Table::create()
            .table("cloud_actions")
            .col(uuid("id").primary_key())
            .col(string("source"))
            .col(string("provider"))
            .col(big_integer("number"))
            .col(string("type"))
            .col(string("status"))
            .col(boolean("ended"))
            .col(string("kind"))
            .col(string("provider_id"))
            .col(string_null("region"))
            .col(timestamp_with_time_zone("started_at"))
            .col(timestamp_with_time_zone_null("completed_at"))
            .to_owned();
        m.create_table(actions).await?;
        for statement in [
            "CREATE UNIQUE INDEX uq_cloud_actions ON cloud_actions (source, provider, number)",
            "CREATE INDEX ix_cloud_actions_of_resource ON cloud_actions (provider, kind, provider_id, started_at, id)",
            "CREATE INDEX ix_cloud_actions_started_at ON cloud_actions (started_at, id)",
            "CREATE INDEX ix_cloud_actions_running ON cloud_actions (source, provider, number) WHERE NOT ended",
        ] {
            m.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.drop_table(Table::drop().table("cloud_actions").to_owned())
            .await
    }
}

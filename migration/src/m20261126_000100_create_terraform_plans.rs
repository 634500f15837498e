//! The states whose refresh-only plans are imported, what each import knew of their instances, the key of the digests
//! of secrets, and how often a kind is expected to be listed.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const BY_STATE: &str = "ix_plan_instances_state_address";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.create_table(
            Table::create()
                .table("terraform_plans")
                .col(string("state").primary_key())
                .col(timestamp_with_time_zone_null("made_at"))
                .col(timestamp_with_time_zone_null("imported_at"))
                .col(string_null("imported_by"))
                .col(timestamp_with_time_zone("attempted_at"))
                .col(string_null("refusal"))
                .col(big_integer_null("expected_interval"))
                .to_owned(),
        )
        .await?;
        m.create_table(
            Table::create()
                .table("plan_instances")
                .col(uuid("resource_id").primary_key())
                .col(string("state"))
                .col(string("address"))
                .col(json_binary("fields"))
                .col(json_binary("not_compared"))
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_plan_instances_resource_id")
                        .from("plan_instances", "resource_id")
                        .to("cloud_resources", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await?;
        m.create_index(
            Index::create()
                .name(BY_STATE)
                .table("plan_instances")
                .col("state")
                .col("address")
                .unique()
                .to_owned(),
        )
        .await?;
        m.create_table(
            Table::create()
                .table("installation_keys")
                .col(string("name").primary_key())
                .col(string("secret"))
                .to_owned(),
        )
        .await?;
        m.alter_table(
            Table::alter()
                .table("inventory_kinds")
                .add_column(big_integer_null("expected_interval"))
                .to_owned(),
        )
        .await
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let interval = Table::alter()
            .table("inventory_kinds")
            .drop_column("expected_interval")
            .to_owned();
        m.alter_table(interval).await?;
        for table in ["installation_keys", "plan_instances", "terraform_plans"] {
            m.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

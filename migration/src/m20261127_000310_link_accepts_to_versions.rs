//! The version of the spec that each accept made, and whether the accept was undone.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

/// The columns with the version that an accept made and the one that its undo made.
const VERSIONS: [&str; 2] = ["spec_version", "undone_version"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            integer_null("spec_version"),
            timestamp_with_time_zone_null("undone_at"),
            string_null("undone_by"),
            integer_null("undone_version"),
        ];
        for column in columns {
            let add = Table::alter().table("cloud_drift").add_column(column).to_owned();
            m.alter_table(add).await?;
        }
        for version in VERSIONS {
            let mut index = Index::create();
            index
                .name(index_name(version))
                .table("cloud_drift")
                .col("resource_id")
                .col(version)
                .and_where(Expr::col(version).is_not_null());
            m.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for version in VERSIONS {
            let index = Index::drop()
                .table("cloud_drift")
                .name(index_name(version))
                .to_owned();
            m.drop_index(index).await?;
        }
        for column in ["spec_version", "undone_at", "undone_by", "undone_version"] {
            let drop = Table::alter().table("cloud_drift").drop_column(column).to_owned();
            m.alter_table(drop).await?;
        }
        Ok(())
    }
}

fn index_name(version: &str) -> String {
    format!("ix_cloud_drift_resource_id_{version}")
}

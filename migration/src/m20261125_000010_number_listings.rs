//! Numbers for listings, assigned by the database, so that the order of listings does not depend on a server's clock.
//! A server of the previous release does not write the new columns and still compares times.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const COLUMNS: [&str; 3] = ["listing_number", "numbered_at", "unconfirmed"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.create_table(
            Table::create()
                .table("inventory_listings")
                .col(integer("id").primary_key())
                .col(big_integer("last_number"))
                .to_owned(),
        )
        .await?;
        // SQLite can add only one column with a statement.
        for column in [
            big_integer_null(COLUMNS[0]),
            timestamp_with_time_zone_null(COLUMNS[1]),
            big_integer_null(COLUMNS[2]),
        ] {
            let kinds = Table::alter()
                .table("inventory_kinds")
                .add_column(column)
                .to_owned();
            m.alter_table(kinds).await?;
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for column in COLUMNS {
            let kinds = Table::alter()
                .table("inventory_kinds")
                .drop_column(column)
                .to_owned();
            m.alter_table(kinds).await?;
        }
        m.drop_table(Table::drop().table("inventory_listings").to_owned())
            .await
    }
}

//! `inventory_listings`: one row, the counter that numbers listings.

use sea_orm::entity::prelude::*;

/// The counter of listings.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "inventory_listings")]
pub struct Model {
    /// Always 1, because the table has one row.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    /// The last assigned number.
    pub last_number: i64,
}

impl ActiveModelBehavior for ActiveModel {}

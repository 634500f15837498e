//! `inventory_listings`: one row, the counter that listings draw their numbers from.

use sea_orm::entity::prelude::*;

/// The counter.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "inventory_listings")]
pub struct Model {
    /// Always 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    /// The number that was drawn last.
    pub last_number: i64,
}

impl ActiveModelBehavior for ActiveModel {}

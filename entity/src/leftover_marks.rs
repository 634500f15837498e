//! `leftover_marks`: a row means that a resource has changed since the last check of leftovers. Triggers write it.

use sea_orm::entity::prelude::*;

/// One mark.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "leftover_marks")]
pub struct Model {
    /// Number of the mark.
    #[sea_orm(primary_key)]
    pub id: i64,
}

impl ActiveModelBehavior for ActiveModel {}

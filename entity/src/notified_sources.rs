//! `notified_sources`: the state of each source that was notified last.

use sea_orm::entity::prelude::*;

/// One source.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "notified_sources")]
pub struct Model {
    /// Name of the source.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// `ok`, `failed` or `overdue`.
    pub state: String,
    /// When that was noted.
    pub noted_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

//! `upkeep`: when each task that deletes old rows last ran, so that one server at a time runs it.

use sea_orm::entity::prelude::*;

/// One task.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "upkeep")]
pub struct Model {
    /// Name of the task.
    #[sea_orm(primary_key, auto_increment = false)]
    pub task: String,
    /// When it last began.
    pub started_at: Option<DateTimeUtc>,
    /// When it last ended without an error.
    pub finished_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

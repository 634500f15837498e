//! `drift_comments`: what users write about a drift.

use sea_orm::entity::prelude::*;

/// A comment on a drift. It never changes.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "drift_comments")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The drift.
    pub drift_id: Uuid,
    /// The user who wrote it.
    pub author: String,
    /// Plain text.
    pub body: String,
    /// When it was written.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

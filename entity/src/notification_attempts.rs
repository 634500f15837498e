//! `notification_attempts`: one row for each attempt to deliver a message.

use sea_orm::entity::prelude::*;

/// One attempt.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "notification_attempts")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The message.
    pub delivery_id: Uuid,
    /// Number of the attempt, from 1.
    pub number: i32,
    /// When it began.
    pub started_at: DateTimeUtc,
    /// When it ended; null while it is active, and if its server stopped before the end.
    pub ended_at: Option<DateTimeUtc>,
    /// Status code of the response.
    pub status_code: Option<i32>,
    /// Why it failed.
    #[sea_orm(column_type = "Text", nullable)]
    pub error: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

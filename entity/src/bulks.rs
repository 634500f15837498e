//! `bulks`: one row per preview of a decision about many drifts, and of its execution.

use sea_orm::entity::prelude::*;

/// A previewed decision about many drifts. The rows of `bulk_items` are what the user saw.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "bulks")]
pub struct Model {
    /// UUIDv7, which is also the token of the preview.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What is done to the drifts: `accept`, `snooze`, `assign` or `ignore`.
    pub action: String,
    /// The person who made the preview, and decides.
    pub actor: String,
    /// Subject of that person's token.
    pub subject: String,
    /// When the preview was made.
    pub created_at: DateTimeUtc,
    /// When the execution must have begun.
    pub expires_at: DateTimeUtc,
    /// The reason for the decision.
    pub note: Option<String>,
    /// When the execution began; null for a preview.
    pub started_at: Option<DateTimeUtc>,
    /// When each item had an outcome.
    pub finished_at: Option<DateTimeUtc>,
    /// How it is done: a JSON object, such as the end of a snooze.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub parameters: Option<Json>,
}

impl ActiveModelBehavior for ActiveModel {}

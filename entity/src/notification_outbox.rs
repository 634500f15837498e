//! `notification_outbox`: what happened and is in no message yet. Triggers write it in the transaction of the transition.

use sea_orm::entity::prelude::*;

/// One transition.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "notification_outbox")]
pub struct Model {
    /// Number. Numbers are not in the order of commits.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// What happened; the column is `type`, a keyword in Rust.
    #[sea_orm(column_name = "type")]
    pub happened: String,
    /// Resource, for a transition of a drift.
    pub resource_id: Option<Uuid>,
    /// Actor of the transition.
    pub actor: Option<String>,
    /// Details: a JSON object.
    #[sea_orm(column_type = "JsonBinary")]
    pub data: Json,
    /// When it happened.
    pub occurred_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

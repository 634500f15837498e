//! `notification_deliveries`: one row for each message to a target.

use sea_orm::entity::prelude::*;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum DeliveryKind {
    /// Transitions of drifts.
    Drifts,
    /// Transitions of sources.
    Sources,
    /// The daily digest.
    Digest,
    /// A good sweep.
    Heartbeat,
    /// A test that a person asked for.
    Test,
}

/// State of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum DeliveryState {
    /// It will be attempted, for the first time or again.
    Pending,
    /// The receiver has confirmed it.
    Delivered,
    /// It was given up.
    Failed,
}

/// One message.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "notification_deliveries")]
pub struct Model {
    /// UUIDv7, also the id that the receiver sees.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Target of the message.
    pub target_id: Uuid,
    /// What it is about.
    pub kind: DeliveryKind,
    /// JSON text.
    #[sea_orm(column_type = "Text")]
    pub body: String,
    /// State.
    pub state: DeliveryState,
    /// Number of attempts that have begun.
    pub attempts: i32,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// When it is attempted next, while an attempt is active: when that attempt counts as lost. Null after the end.
    pub next_attempt_at: Option<DateTimeUtc>,
    /// After which time it is given up.
    pub give_up_at: DateTimeUtc,
    /// When it was confirmed or given up.
    pub ended_at: Option<DateTimeUtc>,
    /// Status code of the last response.
    pub status_code: Option<i32>,
    /// Why the last attempt failed.
    #[sea_orm(column_type = "Text", nullable)]
    pub error: Option<String>,
    /// Relation to the target.
    #[sea_orm(belongs_to, from = "target_id", to = "id")]
    pub target: BelongsTo<super::notification_targets::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

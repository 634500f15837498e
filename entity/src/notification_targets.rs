//! `notification_targets`: one row for each receiver of notifications.

use std::fmt;

use sea_orm::entity::prelude::*;

/// A text that is never printed: an address with a token in it, or the secret of signatures.
#[derive(Clone, PartialEq, Eq, DeriveValueType)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum TargetKind {
    /// Receives signed JSON, as Standard Webhooks defines it.
    Webhook,
    /// An incoming webhook of Slack, or of a program with the same format.
    Slack,
    /// An address that is called after each good sweep.
    Heartbeat,
}

/// The method of the requests to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(8))",
    rename_all = "snake_case"
)]
pub enum TargetMethod {
    /// GET, for heartbeats only.
    Get,
    /// POST.
    Post,
}

/// One target.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "notification_targets")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Name, unique.
    #[sea_orm(unique)]
    pub name: String,
    /// What it is.
    pub kind: TargetKind,
    /// Address. A secret, because it may contain a token.
    pub url: Hidden,
    /// Method of the requests.
    pub method: TargetMethod,
    /// Secret of the signatures of a webhook: `whsec_` and base64.
    pub secret: Option<Hidden>,
    /// The secret before the last rotation.
    pub previous_secret: Option<Hidden>,
    /// Until when the previous secret signs too.
    pub previous_until: Option<DateTimeUtc>,
    /// Filter of the transitions, as a JSON object.
    #[sea_orm(column_type = "JsonBinary")]
    pub filter: Json,
    /// Minute of the day in UTC at which the daily digest is sent; null for no digest.
    pub digest_minute: Option<i32>,
    /// When the next digest is due.
    pub digest_due_at: Option<DateTimeUtc>,
    /// Whether it receives anything.
    pub enabled: bool,
    /// When it was created.
    pub created_at: DateTimeUtc,
    /// Actor who created it.
    pub created_by: String,
    /// When it was changed last.
    pub updated_at: DateTimeUtc,
    /// Actor who changed it last.
    pub updated_by: String,
}

impl ActiveModelBehavior for ActiveModel {}

//! `cloud_actions`: the log of actions that a provider keeps, such as resizes and restarts.

use sea_orm::entity::prelude::*;

/// One action on one resource.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "cloud_actions")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Name of the source whose sync read it.
    pub source: String,
    /// Provider.
    pub provider: String,
    /// The provider's number of the action. A later action has a higher number.
    pub number: i64,
    /// What was done, in the provider's terms.
    #[sea_orm(column_name = "type")]
    pub action_type: String,
    /// Status in the provider's terms.
    pub status: String,
    /// Whether the action has ended. Others are read again.
    pub ended: bool,
    /// Kind of the resource.
    pub kind: String,
    /// The provider's id of the resource.
    pub provider_id: String,
    /// Region slug.
    pub region: Option<String>,
    /// When it began.
    pub started_at: DateTimeUtc,
    /// When it ended.
    pub completed_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

//! `forgotten_resources`: one row for each resource that an operator has forgotten.

use sea_orm::entity::prelude::*;

/// One forgotten resource.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "forgotten_resources")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Id that the resource had in `cloud_resources`.
    pub resource_id: Uuid,
    /// Provider.
    pub provider: String,
    /// Kind within the provider.
    pub kind: String,
    /// The provider's own id.
    pub provider_id: String,
    /// Display name; empty if it had none.
    pub name: String,
    /// Number of decisions that were deleted with it.
    pub decisions: i64,
    /// When it was deleted.
    pub forgotten_at: DateTimeUtc,
    /// Actor who deleted it.
    pub forgotten_by: String,
    /// Reason that the operator gave.
    pub note: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

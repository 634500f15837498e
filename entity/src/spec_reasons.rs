//! `spec_reasons`: why versions of specs were recorded. A version without a reason has no row.

use sea_orm::entity::prelude::*;

/// The reason for one version of a spec.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "spec_reasons")]
pub struct Model {
    /// Resource that the spec describes.
    #[sea_orm(primary_key, auto_increment = false)]
    pub resource_id: Uuid,
    /// Version of the spec.
    #[sea_orm(primary_key, auto_increment = false)]
    pub spec_version: i32,
    /// The reason that its actor gave.
    pub reason: String,
    /// When it was given.
    pub recorded_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

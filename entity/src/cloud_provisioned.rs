//! `cloud_provisioned`: the desired state, at most one spec per resource.

use sea_orm::entity::prelude::*;

/// The desired state of one resource: its spec.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "cloud_provisioned")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Resource that the spec describes.
    #[sea_orm(unique)]
    pub resource_id: Uuid,
    /// JSON object that maps the compared fields to their expected values.
    #[sea_orm(column_type = "JsonBinary")]
    pub spec: Json,
    /// Version of the spec: 1, 2, 3 and so on, without gaps.
    pub spec_version: i32,
    /// Source of the spec: `api`, `baseline`, `terraform:<lineage>`.
    pub source: String,
    /// Actor of the newest version.
    pub recorded_by: String,
    /// Time of the newest version.
    pub recorded_at: DateTimeUtc,
    /// When the spec was retired; the row is kept, so that later versions continue without gaps.
    pub retired_at: Option<DateTimeUtc>,
    /// Time of version 1.
    pub created_at: DateTimeUtc,
    /// Parts of fields that this version leaves open; they are not compared.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub not_compared: Option<Json>,
    /// Terraform address of the instance, if an import of its state recorded the spec.
    pub address: Option<String>,
    /// Relation to the resource.
    #[sea_orm(belongs_to, from = "resource_id", to = "id")]
    pub resource: BelongsTo<super::cloud_resources::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

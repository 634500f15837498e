//! `spec_versions`: the superseded versions of the specs. A trigger on `cloud_provisioned` adds a row with each update.

use sea_orm::entity::prelude::*;

/// One superseded version of a spec, as its row was before the next one was written.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "spec_versions")]
pub struct Model {
    /// Id of the row; of two rows of one spec, the later one has the higher id.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Resource that the spec describes.
    pub resource_id: Uuid,
    /// Version of the spec. Two rows have the same one if another program changed the spec and kept its version.
    pub spec_version: i32,
    /// JSON object that maps the compared fields to their expected values.
    #[sea_orm(column_type = "JsonBinary")]
    pub spec: Json,
    /// Parts of fields that this version leaves open.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub not_compared: Option<Json>,
    /// Source of the spec: `api`, `baseline`, `terraform:<lineage>`.
    pub source: String,
    /// Terraform address of the instance, if an import of its state recorded the spec.
    pub address: Option<String>,
    /// Actor of this version.
    pub recorded_by: String,
    /// Time of this version.
    pub recorded_at: DateTimeUtc,
    /// When the spec was retired, if this version is a retired one.
    pub retired_at: Option<DateTimeUtc>,
    /// When the next version was recorded.
    pub superseded_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

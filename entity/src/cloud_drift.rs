//! `cloud_drift`: the inbox, one row per field of a resource that differs or once differed.

use sea_orm::entity::prelude::*;

/// Status of a drift. Closed rows are kept as history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum DriftStatus {
    /// The values differ, and no decision has been recorded.
    Open,
    /// The live value was made the expected one.
    Accepted,
    /// The live value was put back on purpose.
    Reverted,
    /// Closed without a decision: the values no longer differ, or the field is no longer compared.
    Stale,
}

/// Kind of a drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum DriftKind {
    /// The live value of one field differs from the expected value.
    Changed,
    /// The whole resource is gone.
    Missing,
}

/// One field of one resource whose live value differs from the expected value.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "cloud_drift")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Resource that drifted.
    pub resource_id: Uuid,
    /// A changed field or a missing resource.
    pub kind: DriftKind,
    /// Name of the field, `*` for a missing resource.
    pub field: String,
    /// Expected value; null means that the field must be unset.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub expected: Option<Json>,
    /// Live value; null if the field is unset.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub actual: Option<Json>,
    /// Revision, from 1; it rises with each change of the expected or live value.
    pub revision: i32,
    /// Open, or how the drift was closed.
    pub status: DriftStatus,
    /// When a sweep opened it.
    pub detected_at: DateTimeUtc,
    /// When it was closed.
    pub resolved_at: Option<DateTimeUtc>,
    /// Actor who closed it.
    pub resolved_by: Option<String>,
    /// Note of that actor.
    pub resolution_note: Option<String>,
    /// Relation to the resource.
    #[sea_orm(belongs_to, from = "resource_id", to = "id")]
    pub resource: BelongsTo<super::cloud_resources::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

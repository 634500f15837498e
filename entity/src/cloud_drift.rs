//! `cloud_drift`: the inbox, one row per field of a resource that differs or once differed.

use sea_orm::entity::prelude::*;

/// Where a drift stands. Resolved rows are kept as history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum DriftStatus {
    /// It differs and nobody has decided.
    Open,
    /// The live value became the desired one.
    Accepted,
    /// The live value was put back on purpose.
    Reverted,
    /// It no longer differs, or is no longer watched.
    Stale,
}

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum DriftKind {
    /// One field has another value.
    Changed,
    /// The whole resource is gone.
    Missing,
}

/// One field of one resource whose live value is not what its spec says.
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
    /// What the spec says; null means that the field must be unset.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub expected: Option<Json>,
    /// What the cloud has; null where the field is unset.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub actual: Option<Json>,
    /// Rises with every change of expected or actual. First is 1.
    pub revision: i32,
    /// Where it stands.
    pub status: DriftStatus,
    /// When a sweep first saw it; never changes.
    pub detected_at: DateTimeUtc,
    /// When it left the inbox.
    pub resolved_at: Option<DateTimeUtc>,
    /// Who resolved it.
    pub resolved_by: Option<String>,
    /// What that person had to say.
    pub resolution_note: Option<String>,
    /// The resource.
    #[sea_orm(belongs_to, from = "resource_id", to = "id")]
    pub resource: BelongsTo<super::cloud_resources::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

//! `inventory_changes`: what syncs saw change in the account, one row for each changed field of a resource.

use sea_orm::entity::prelude::*;

/// What a sync saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum ChangeType {
    /// The resource was listed for the first time.
    Appeared,
    /// A field has another value.
    Changed,
    /// The resource is gone.
    Gone,
    /// The resource was gone and is listed again.
    Returned,
}

/// One change of one resource.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "inventory_changes")]
pub struct Model {
    /// UUIDv7; random if a server of an earlier release wrote the change.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Resource that changed.
    pub resource_id: Uuid,
    /// Its provider.
    pub provider: String,
    /// Its kind.
    pub kind: String,
    /// Its region at that time.
    pub region: Option<String>,
    /// Name of the source that listed it.
    pub source: String,
    /// What happened; the column is `type`, a keyword in Rust.
    #[sea_orm(column_name = "type")]
    pub change_type: ChangeType,
    /// Name of the field; `*` if the whole resource appeared, is gone or returned.
    pub field: String,
    /// Value before; null if it was unset or is not recorded.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub before: Option<Json>,
    /// Value after; null if it is unset or is not recorded.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub after: Option<Json>,
    /// Whether the values are recorded. A server of an earlier release records the names of the fields only.
    pub has_values: bool,
    /// Start of the listing before the one that saw the change; null if that one was not complete, or is not known.
    pub last_listed_at: Option<DateTimeUtc>,
    /// When the sync that saw the change wrote it.
    pub seen_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

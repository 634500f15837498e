//! `resource_states`: one row for each row of `cloud_resources`, which triggers of the database keep: what coverage
//! and the filters of resources need, in a narrow row.

use sea_orm::entity::prelude::*;

/// Class of a resource, as coverage counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum Class {
    /// A spec is in force.
    Managed,
    /// It exists, has no spec in force and is not owned.
    Unmanaged,
    /// It exists, has no spec in force and is owned.
    Owned,
    /// It has no spec in force and is gone or unsynced.
    Other,
}

/// The state of one resource.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "resource_states")]
pub struct Model {
    /// Id of the resource.
    #[sea_orm(primary_key, auto_increment = false)]
    pub resource_id: Uuid,
    /// Provider.
    pub provider: String,
    /// Kind within the provider.
    pub kind: String,
    /// Region slug; empty if it has none.
    pub region: String,
    /// Whether a listing contained it and it is not gone.
    pub present: bool,
    /// Whether it is gone.
    pub gone: bool,
    /// Whether another part of the cloud created and maintains it.
    pub owned: bool,
    /// Number of its specs in force: 0 or 1.
    pub specs: i32,
    /// Class that follows from the columns before.
    pub class: Class,
    /// Number of its open drifts of the kind `changed`.
    pub open_changed: i32,
    /// Number of its open drifts of the kind `missing`.
    pub open_missing: i32,
}

impl ActiveModelBehavior for ActiveModel {}

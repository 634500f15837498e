//! `bulk_items`: the drifts of a decision about many, with the revisions that the user saw.

use sea_orm::entity::prelude::*;

/// What became of a drift of a bulk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum ItemOutcome {
    /// The action was done.
    Done,
    /// The drift was left as it is.
    Refused,
}

/// One drift of a bulk.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "bulk_items")]
pub struct Model {
    /// The bulk.
    #[sea_orm(primary_key, auto_increment = false)]
    pub bulk_id: Uuid,
    /// The drift.
    #[sea_orm(primary_key, auto_increment = false)]
    pub drift_id: Uuid,
    /// Its resource.
    pub resource_id: Uuid,
    /// Its field.
    pub field: String,
    /// The revision that the user saw.
    pub revision: i32,
    /// What became of it; null as long as it waits.
    pub outcome: Option<ItemOutcome>,
    /// The code of the error, if it was refused.
    pub code: Option<String>,
    /// The message of the error, if it was refused.
    pub message: Option<String>,
    /// The version of the spec that the action made; null if the spec was retired.
    pub spec_version: Option<i32>,
    /// What the undo of the bulk restores: a JSON object, such as the assignee before.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub before: Option<Json>,
}

impl ActiveModelBehavior for ActiveModel {}

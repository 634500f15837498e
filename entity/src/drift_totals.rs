//! `drift_totals`: numbers of drifts, which triggers of the database keep.
//!
//! The rows of level 1 count by all columns, those of level 0 by status only; a column that a level does not count by is
//! empty. A total is the sum of `n` over its rows: concurrent writers of PostgreSQL add rows of the same key.

use sea_orm::entity::prelude::*;

/// One row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "drift_totals")]
pub struct Model {
    /// Number of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// 0 or 1.
    pub level: i32,
    /// Status of the drifts.
    pub status: String,
    /// Kind of the drifts.
    pub drift_kind: String,
    /// Field of the drifts.
    pub field: String,
    /// Provider of the resources.
    pub provider: String,
    /// Kind of the resources.
    pub kind: String,
    /// Region of the resources; empty if they have none.
    pub region: String,
    /// Number of drifts; negative in a row that a concurrent writer added.
    pub n: i64,
}

impl ActiveModelBehavior for ActiveModel {}

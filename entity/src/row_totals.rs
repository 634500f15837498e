//! `row_totals`: numbers of rows of tables, which triggers of the database keep.
//!
//! A total is the sum of `n` over its rows: concurrent writers of PostgreSQL add rows of the same key.

use sea_orm::entity::prelude::*;

/// One row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "row_totals")]
pub struct Model {
    /// Number of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The table whose rows are counted.
    pub of_rows: String,
    /// What the rows have in common: the job of runs, otherwise empty.
    pub key: String,
    /// Number of rows; negative in a row that a concurrent writer added.
    pub n: i64,
}

impl ActiveModelBehavior for ActiveModel {}

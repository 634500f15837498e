//! `resource_totals`: numbers of resources, which triggers of the database keep.
//!
//! A total is the sum of `n` over its rows: concurrent writers of PostgreSQL add rows of the same key.

use sea_orm::entity::prelude::*;

use super::resource_states::Class;

/// One row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "resource_totals")]
pub struct Model {
    /// Number of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Provider of the resources.
    pub provider: String,
    /// Kind of the resources.
    pub kind: String,
    /// Region of the resources; empty if they have none.
    pub region: String,
    /// Class of the resources.
    pub class: Class,
    /// Whether the resources are gone.
    pub gone: bool,
    /// Whether the resources have an open drift of the kind `changed`.
    pub changed: bool,
    /// Whether the resources have an open drift of the kind `missing`.
    pub missing: bool,
    /// Number of resources; negative in a row that a concurrent writer added.
    pub n: i64,
}

impl ActiveModelBehavior for ActiveModel {}

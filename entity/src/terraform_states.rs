//! `terraform_states`: which version of each Terraform state was imported last.

use sea_orm::entity::prelude::*;

/// One state.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "terraform_states")]
pub struct Model {
    /// Which state it is, for as long as it lives.
    #[sea_orm(primary_key, auto_increment = false)]
    pub lineage: String,
    /// Version that was imported last; null where the imports did not say.
    pub serial: Option<i64>,
    /// When a version was imported for the first time, the newest.
    pub imported_at: DateTimeUtc,
    /// By whom.
    pub imported_by: String,
}

impl ActiveModelBehavior for ActiveModel {}

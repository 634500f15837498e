//! `terraform_states`: the last imported version of each Terraform state.

use sea_orm::entity::prelude::*;

/// One Terraform state.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "terraform_states")]
pub struct Model {
    /// Name of the state in this database: the lineage in the file, or the name that was given.
    #[sea_orm(primary_key, auto_increment = false)]
    pub lineage: String,
    /// Serial of the last imported version; null if the imports had none.
    pub serial: Option<i64>,
    /// When the newest version was first imported.
    pub imported_at: DateTimeUtc,
    /// Actor of that import.
    pub imported_by: String,
    /// Lineage in the file of the newest import; null if it had none, or for imports older than this column.
    pub file_lineage: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

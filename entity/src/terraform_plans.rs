//! `terraform_plans`: the last import of a refresh-only plan for each Terraform state.

use sea_orm::entity::prelude::*;

/// One Terraform state.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "terraform_plans")]
pub struct Model {
    /// Name of the state in this database.
    #[sea_orm(primary_key, auto_increment = false)]
    pub state: String,
    /// When the last imported plan was made; null if none was imported.
    pub made_at: Option<DateTimeUtc>,
    /// When it was imported.
    pub imported_at: Option<DateTimeUtc>,
    /// Actor of that import.
    pub imported_by: Option<String>,
    /// When an import was last attempted.
    pub attempted_at: DateTimeUtc,
    /// Why the last attempt was refused; null if it was not.
    pub refusal: Option<String>,
    /// The sentence of the refusal, which names the command to run.
    pub refusal_reason: Option<String>,
    /// Expected time between two imports, in seconds; null if no plan was imported.
    pub expected_interval: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}

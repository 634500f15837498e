//! `terraform_declarations`: the declarations of each Terraform state about resources that may be in another state.

use sea_orm::entity::prelude::*;

/// One declaration: the value of a field of a resource, or one member of it if the field is a list.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "terraform_declarations")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Lineage of the declaring state.
    pub lineage: String,
    /// Kind of the described resource.
    pub kind: String,
    /// The provider's id of that resource.
    pub provider_id: String,
    /// Name of the field.
    pub field: String,
    /// Its value, or one member if the field is a list.
    #[sea_orm(column_type = "JsonBinary")]
    pub value: Json,
    /// Rank among other declarations of the field: those with the highest rank decide.
    pub strength: i32,
    /// Address of the declaring resource in the state.
    pub address: String,
}

impl ActiveModelBehavior for ActiveModel {}

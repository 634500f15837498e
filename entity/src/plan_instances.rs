//! `plan_instances`: the instances of Terraform states whose plans are imported, and what the last import knew of them.

use sea_orm::entity::prelude::*;

/// One instance.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "plan_instances")]
pub struct Model {
    /// Its row in the inventory.
    #[sea_orm(primary_key, auto_increment = false)]
    pub resource_id: Uuid,
    /// Name of the state.
    pub state: String,
    /// Address in the state.
    pub address: String,
    /// JSON object that maps each field to the digests of the recorded value (`desired`) and of the constant that was
    /// equal to the state (`constant`).
    #[sea_orm(column_type = "JsonBinary")]
    pub fields: Json,
    /// JSON list of the attributes that the plan could not decide.
    #[sea_orm(column_type = "JsonBinary")]
    pub not_compared: Json,
}

impl ActiveModelBehavior for ActiveModel {}

//! `installation_keys`: secret keys that the servers of one database share.

use sea_orm::entity::prelude::*;

/// One key.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "installation_keys")]
pub struct Model {
    /// What the key is for.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The key, in hexadecimal digits.
    pub secret: String,
}

impl ActiveModelBehavior for ActiveModel {}

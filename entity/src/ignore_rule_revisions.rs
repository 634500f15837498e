//! `ignore_rule_revisions`: one row, the revision of the set of ignore rules.

use sea_orm::entity::prelude::*;

/// The revision of the set of rules. A transaction that writes what the rules decided locks it.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ignore_rule_revisions")]
pub struct Model {
    /// Always 1, because the table has one row.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    /// It rises whenever a rule begins or ends; 0 if there never was one.
    pub revision: i64,
}

impl ActiveModelBehavior for ActiveModel {}

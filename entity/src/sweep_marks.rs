//! `sweep_marks`: the resources whose comparison is due. Triggers add a row with each change of a spec, a resource or
//! an open drift; the sweep that compares the resource deletes it.

use sea_orm::entity::prelude::*;

/// One mark. A resource may have several.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sweep_marks")]
pub struct Model {
    /// Id of the mark. Ids do not follow the order of commits.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Resource whose comparison is due. It may have been deleted since.
    pub resource_id: Uuid,
}

impl ActiveModelBehavior for ActiveModel {}

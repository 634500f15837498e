//! `default_views`: one row for each user whose inbox opens with a saved view.

use sea_orm::entity::prelude::*;

/// The saved view with which the inbox of a user opens.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "default_views")]
pub struct Model {
    /// Subject of the user's token.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    /// The view, which is the user's own or shared.
    pub view_id: Uuid,
}

impl ActiveModelBehavior for ActiveModel {}

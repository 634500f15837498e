//! `saved_views`: one row for each view of the inbox that a user has saved.

use sea_orm::entity::prelude::*;

/// A saved view: filters of the page under a name.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "saved_views")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Subject of the token of the user who saved it.
    pub subject: String,
    /// That user's name.
    pub author: String,
    /// Name, unique among the views of this user.
    pub name: String,
    /// The query part of the page's address, without the question mark.
    pub link: String,
    /// Whether all users see it.
    pub shared: bool,
    /// When it was saved first.
    pub created_at: DateTimeUtc,
    /// When it was saved last.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

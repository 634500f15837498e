//! `leftover_checks`: the last check of the leftovers of each provider.

use sea_orm::entity::prelude::*;

/// The last check of one provider.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "leftover_checks")]
pub struct Model {
    /// Provider.
    #[sea_orm(primary_key, auto_increment = false)]
    pub provider: String,
    /// Number of the check that began last; it rises by one.
    pub number: i64,
    /// Whether that check has ended.
    pub finished: bool,
    /// When a check last ended.
    pub checked_at: Option<DateTimeUtc>,
    /// What was known about the listings, as a text. A check is due when it changes.
    pub listings: String,
}

impl ActiveModelBehavior for ActiveModel {}

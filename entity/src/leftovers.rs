//! `leftovers`: the resources that serve nothing, as of the last check of their provider.

use sea_orm::entity::prelude::*;

/// Whether a resource is known to be a leftover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum LeftoverState {
    /// It serves nothing.
    Leftover,
    /// It serves nothing that is listed, but something that could use it was not listed completely.
    Unknown,
}

/// One leftover.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "leftovers")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The resource.
    #[sea_orm(unique)]
    pub resource_id: Uuid,
    /// Name of the rule that found it.
    pub rule: String,
    /// Whether it is known to be a leftover.
    pub state: LeftoverState,
    /// Why it is not known, as a sentence.
    pub unknown_because: Option<String>,
    /// Since when it serves nothing.
    pub since: DateTimeUtc,
    /// List price per month in millionths of the currency of the provider's price list; null if it is not known.
    pub monthly_micros: Option<i64>,
    /// Number of the check that wrote it.
    pub checked_by: i64,
}

impl ActiveModelBehavior for ActiveModel {}

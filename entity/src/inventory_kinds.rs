//! `inventory_kinds`: how fresh each kind of the inventory is, and the lock under which it is replaced.

use sea_orm::entity::prelude::*;

/// How the newest listing of a kind ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum ListingOutcome {
    /// Everything was listed and applied.
    Complete,
    /// The listing could not be trusted to be whole; the last inventory was kept.
    Incomplete,
    /// The provider does not let us read the kind; the last inventory was kept.
    NotReadable,
}

/// One kind of one provider.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "inventory_kinds")]
pub struct Model {
    /// Cloud that answers for it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub provider: String,
    /// Kind within the provider.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: String,
    /// Account that was listed, where the provider has accounts.
    pub account: Option<String>,
    /// When the listing that was applied began; an older one is never applied over it.
    pub listing_started_at: Option<DateTimeUtc>,
    /// When a complete listing was last applied.
    pub completed_at: Option<DateTimeUtc>,
    /// How the newest listing ended. No rule reads it: it is for whoever looks into the database, where a kind
    /// that has not been readable for days stands out without a search through the runs.
    pub outcome: Option<ListingOutcome>,
}

impl ActiveModelBehavior for ActiveModel {}

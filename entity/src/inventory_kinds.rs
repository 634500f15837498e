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
    /// When the listing that was applied last began, by the database's clock. A server of the release before
    /// compares it; this one compares the number.
    pub listing_started_at: Option<DateTimeUtc>,
    /// When everything that a complete listing had was last applied.
    pub completed_at: Option<DateTimeUtc>,
    /// How the newest listing ended; `incomplete` as well while it is being applied.
    pub outcome: Option<ListingOutcome>,
    /// The number of the listing that was applied last, or is being applied; a lower one is never applied.
    pub listing_number: Option<i64>,
    /// `listing_started_at` as it was written together with the number. The two differ if a server of the
    /// release before, which knows no numbers, has applied a listing since.
    pub numbered_at: Option<DateTimeUtc>,
    /// Resources that the newest complete listing lacked although an earlier one had them, and of which the
    /// provider did not say that they are gone. Their rows may be out of date.
    pub unconfirmed: Option<i64>,
    /// Fields that the newest complete listing could not read: they are stored as they were last known. Null if it
    /// read all of them.
    pub unread_fields: Option<Json>,
}

impl ActiveModelBehavior for ActiveModel {}

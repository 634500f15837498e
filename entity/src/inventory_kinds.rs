//! `inventory_kinds`: the last listing of each kind by each source. A sync locks the row while it writes the kind.

use sea_orm::entity::prelude::*;

/// How the newest listing of a kind ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum ListingOutcome {
    /// All resources were listed and written.
    Complete,
    /// The list could not be read to its end; the last inventory was kept.
    Incomplete,
    /// The token may not read the kind; the last inventory was kept.
    NotReadable,
}

/// One kind that one source lists.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "inventory_kinds")]
pub struct Model {
    /// Name of the source. Empty for the listings of releases without sources, until a sync claims them.
    #[sea_orm(primary_key, auto_increment = false)]
    pub source: String,
    /// Provider.
    #[sea_orm(primary_key, auto_increment = false)]
    pub provider: String,
    /// Kind within the provider.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: String,
    /// Account that was listed, if the provider has accounts.
    pub account: Option<String>,
    /// Start of the listing that was applied last, by the database's clock. Servers of the previous release compare
    /// this time; newer servers compare `listing_number`.
    pub listing_started_at: Option<DateTimeUtc>,
    /// When a complete listing was last written in full.
    pub completed_at: Option<DateTimeUtc>,
    /// How the newest listing ended; also `incomplete` while it is being applied.
    pub outcome: Option<ListingOutcome>,
    /// Number of the listing that was applied last or is being applied. A listing with a lower number is never applied.
    pub listing_number: Option<i64>,
    /// Value of `listing_started_at` when the number was written. The two times differ if a server of the previous
    /// release, which does not support numbers, has applied a listing since.
    pub numbered_at: Option<DateTimeUtc>,
    /// Number of unconfirmed resources: the newest complete listing lacked them, an earlier one contained them, and
    /// the provider did not confirm that they are gone. Their rows may be out of date.
    pub unconfirmed: Option<i64>,
    /// Unread fields of the newest complete listing: they keep their last values. Null if the listing read all
    /// fields.
    pub unread_fields: Option<Json>,
    /// Expected time between two imports of plans, in seconds. Only servers of the previous release read it.
    pub expected_interval: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}

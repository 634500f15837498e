//! `inventory_kinds`: the last listing of each kind. A sync locks the row while it writes the kind.

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

/// One kind of one provider.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "inventory_kinds")]
pub struct Model {
    /// Provider.
    #[sea_orm(primary_key, auto_increment = false)]
    pub provider: String,
    /// Kind within the provider.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: String,
    /// Account that was listed, if the provider has accounts.
    pub account: Option<String>,
    /// When the listing that was applied last began, by the database's clock. A server of the release before
    /// compares it; this one compares the number.
    pub listing_started_at: Option<DateTimeUtc>,
    /// When a complete listing was last written in full.
    pub completed_at: Option<DateTimeUtc>,
    /// How the newest listing ended; `incomplete` as well while it is being applied.
    pub outcome: Option<ListingOutcome>,
    /// Number of the listing that was applied last, or is being applied; a lower one is never applied.
    pub listing_number: Option<i64>,
    /// `listing_started_at` as it was written together with the number. The two differ if a server of the
    /// release before, which knows no numbers, has applied a listing since.
    pub numbered_at: Option<DateTimeUtc>,
    /// Unconfirmed resources: the newest complete listing lacked them although an earlier one had them, and the
    /// provider did not confirm that they are gone. Their rows may be out of date.
    pub unconfirmed: Option<i64>,
    /// Unread fields of the newest complete listing: they keep their last values. Null if the listing read all
    /// fields.
    pub unread_fields: Option<Json>,
}

impl ActiveModelBehavior for ActiveModel {}

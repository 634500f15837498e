//! `cloud_drift`: the inbox, one row per field of a resource that differs or once differed.

use sea_orm::entity::prelude::*;

/// Status of a drift. Closed rows are kept as history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum DriftStatus {
    /// The values differ, and no decision has been recorded.
    Open,
    /// The live value was made the expected one.
    Accepted,
    /// The live value was put back on purpose.
    Reverted,
    /// Closed without a decision: the values no longer differ, or the field is no longer compared.
    Stale,
}

/// Kind of a drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum DriftKind {
    /// The live value of one field differs from the expected value.
    Changed,
    /// The whole resource is gone.
    Missing,
}

/// Why a drift was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(32))",
    rename_all = "snake_case"
)]
pub enum CloseReason {
    /// The live value was made the expected one, or the spec of a missing resource was retired.
    Accepted,
    /// The live value was put back on purpose.
    Reverted,
    /// The live value changed and now equals the expected value.
    Healed,
    /// The expected value changed and now equals the live value.
    SpecChanged,
    /// The spec no longer names the field.
    FieldRemoved,
    /// The spec was retired.
    SpecRetired,
    /// The resource is gone: a drift of the whole resource replaces those of its fields.
    ResourceGone,
    /// The missing resource is listed again.
    ResourceReturned,
    /// An ignore rule covers the difference.
    Ignored,
    /// The difference is no longer compared: the spec leaves it open, or the live value cannot be read.
    NotCompared,
}

/// What the window of a drift is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum WindowBasis {
    /// A listing showed that the live value had changed.
    LiveChanged,
    /// The first listing that had the resource showed the different value.
    FirstListing,
    /// The expected value was recorded when the live value was already different.
    SpecRecorded,
    /// Neither is recorded.
    NotRecorded,
}

/// How urgent a drift is, from the least to the most urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum Severity {
    /// Has no effect on the service, such as a description.
    Low,
    /// Every difference to which no rule applies.
    Normal,
    /// May cost data, money or availability.
    High,
    /// Opens the resource to every address, or takes it away.
    Critical,
}

impl DriftKind {
    /// Returns the word that the database has.
    pub fn word(self) -> String {
        self.to_value()
    }
}

impl CloseReason {
    /// Returns the word that the database has.
    pub fn word(self) -> String {
        self.to_value()
    }
}

impl Severity {
    /// All severities, from the least to the most urgent.
    pub const ALL: [Self; 4] = [Self::Low, Self::Normal, Self::High, Self::Critical];

    /// Returns the word that the database has.
    pub fn word(self) -> String {
        self.to_value()
    }

    /// Returns the severity with this word; None for a word of another release.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::try_from_value(&word.to_owned()).ok()
    }
}

/// One field of one resource whose live value differs from the expected value.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "cloud_drift")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Resource that drifted.
    pub resource_id: Uuid,
    /// A changed field or a missing resource.
    pub kind: DriftKind,
    /// Name of the field, `*` for a missing resource.
    pub field: String,
    /// Expected value; null means that the field must be unset.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub expected: Option<Json>,
    /// Live value; null if the field is unset.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub actual: Option<Json>,
    /// Revision, from 1; it rises with each change of the expected or live value.
    pub revision: i32,
    /// Open, or how the drift was closed.
    pub status: DriftStatus,
    /// When a sweep opened it.
    pub detected_at: DateTimeUtc,
    /// When it was closed.
    pub resolved_at: Option<DateTimeUtc>,
    /// Actor who closed it.
    pub resolved_by: Option<String>,
    /// Note of that actor.
    pub resolution_note: Option<String>,
    /// Why it was closed; null if it is open, or was closed by a release that did not record it.
    pub close_reason: Option<CloseReason>,
    /// The ignore rule that closed it.
    pub closed_by_rule: Option<Uuid>,
    /// How urgent it is.
    pub severity: Severity,
    /// Name of the rule that decided the severity; null if no rule applies.
    pub severity_rule: Option<String>,
    /// The version of the spec that its accept made; null if it was not accepted, or by a release that did not record it.
    pub spec_version: Option<i32>,
    /// When its accept was undone.
    pub undone_at: Option<DateTimeUtc>,
    /// Actor who undid the accept.
    pub undone_by: Option<String>,
    /// The version of the spec that the undo made.
    pub undone_version: Option<i32>,
    /// When a user noted the intent to put the live value back.
    pub reverting_at: Option<DateTimeUtc>,
    /// Actor who noted it.
    pub reverting_by: Option<String>,
    /// Note of that actor.
    pub reverting_note: Option<String>,
    /// Whether it is left out of the inbox for now. Only an open drift is.
    pub snoozed: bool,
    /// When it was snoozed; null if it is not, and the end of the last snooze is in the log.
    pub snoozed_at: Option<DateTimeUtc>,
    /// Actor who snoozed it.
    pub snoozed_by: Option<String>,
    /// When the snooze ends at the latest; null if only a change ends it.
    pub snoozed_until: Option<DateTimeUtc>,
    /// Whether a change of the expected or live value ends the snooze.
    pub snoozed_until_change: bool,
    /// The reason of that actor.
    pub snooze_reason: Option<String>,
    /// The bulk that snoozed it.
    pub snooze_bulk_id: Option<Uuid>,
    /// The user who takes care of it.
    pub assignee: Option<String>,
    /// Start of the last listing that showed the expected value; null if none is known.
    pub last_seen_equal_at: Option<DateTimeUtc>,
    /// Since when the difference is known to exist; null if it is not known.
    pub first_seen_different_at: Option<DateTimeUtc>,
    /// What the window is known from; null if a release that records none opened the drift.
    pub window_basis: Option<WindowBasis>,
    /// Whether the field drifted and healed repeatedly shortly before the drift opened.
    pub flapping: bool,
    /// Relation to the resource.
    #[sea_orm(belongs_to, from = "resource_id", to = "id")]
    pub resource: BelongsTo<super::cloud_resources::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

//! `cloud_resource_events`: an append-only log for each resource.

use sea_orm::entity::prelude::*;

/// Type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(32))",
    rename_all = "snake_case"
)]
pub enum EventType {
    /// A sweep opened a drift.
    DriftDetected,
    /// The expected or live value of an open drift changed.
    DriftChanged,
    /// A drift was accepted.
    DriftAccepted,
    /// An accept was undone.
    AcceptUndone,
    /// A user noted the intent to put the live value of a drift back.
    RevertMarked,
    /// The intent was withdrawn.
    RevertUnmarked,
    /// The live value of a drift was put back on purpose.
    DriftReverted,
    /// A drift was closed without a decision.
    DriftStale,
    /// An ignore rule covers a difference, or new values of one.
    DifferenceIgnored,
    /// A spec was recorded.
    SpecRecorded,
    /// A spec was retired.
    SpecRetired,
    /// A listing contained the resource for the first time, or again.
    ResourceDiscovered,
    /// A listing contained changed values of the resource.
    ResourceChanged,
    /// A complete listing lacked the resource, and the provider confirmed its absence.
    ResourceGone,
}

/// One event of one resource.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "cloud_resource_events")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Resource of the event.
    pub resource_id: Uuid,
    /// Type of the event; the column is `type`, a keyword in Rust.
    #[sea_orm(column_name = "type")]
    pub event_type: EventType,
    /// Name of the actor: a person, or `system` for the server.
    pub actor: String,
    /// JSON object with driftId, field, expected, actual and specVersion, each only if it applies.
    #[sea_orm(column_type = "JsonBinary")]
    pub data: Json,
    /// When it happened.
    pub occurred_at: DateTimeUtc,
    /// Relation to the resource.
    #[sea_orm(belongs_to, from = "resource_id", to = "id")]
    pub resource: BelongsTo<super::cloud_resources::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

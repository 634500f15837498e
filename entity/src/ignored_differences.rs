//! `ignored_differences`: the differences that ignore rules keep out of the inbox now.

use sea_orm::entity::prelude::*;

/// One ignored difference. A resource has at most one for each field.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ignored_differences")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Resource that differs.
    pub resource_id: Uuid,
    /// Name of the field, `*` for a missing resource.
    pub field: String,
    /// Rule that covers the difference.
    pub rule_id: Uuid,
    /// Expected value.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub expected: Option<Json>,
    /// Live value; null if the field is unset.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub actual: Option<Json>,
    /// Since when it is ignored.
    pub ignored_at: DateTimeUtc,
    /// When a value last changed.
    pub changed_at: DateTimeUtc,
    /// How many sweeps in a row have seen the difference, if the rule only makes it wait; null if it is ignored.
    pub sweeps: Option<i32>,
}

impl ActiveModelBehavior for ActiveModel {}

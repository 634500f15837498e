//! `ignore_rules`: rules that keep expected differences out of the inbox. Ended rules are kept.

use sea_orm::entity::prelude::*;

/// One rule.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ignore_rules")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Unique name among the rules in force; null for a rule that was made from a drift.
    pub name: Option<String>,
    /// What it covers: a JSON object.
    #[sea_orm(column_type = "JsonBinary")]
    pub definition: Json,
    /// Name of the field that it covers, a copy from the definition.
    pub field: String,
    /// Why the difference is expected.
    pub reason: String,
    /// Person or team that answers for it.
    pub owner: Option<String>,
    /// What made it: `api`, `file` or `preset`.
    pub origin: String,
    /// Actor who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// When it ends by itself.
    pub expires_at: Option<DateTimeUtc>,
    /// When it ended.
    pub ended_at: Option<DateTimeUtc>,
    /// Actor who ended it; `system` if it expired.
    pub ended_by: Option<String>,
    /// Why it was ended.
    pub end_reason: Option<String>,
    /// How often it ignored a new difference or a new value of one.
    pub hits: i64,
    /// When it last did.
    pub last_hit_at: Option<DateTimeUtc>,
    /// The bulk that made it.
    pub bulk_id: Option<Uuid>,
}

impl ActiveModelBehavior for ActiveModel {}

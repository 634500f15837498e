//! `sources`: the sources whose listings are expected.

use sea_orm::entity::prelude::*;

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(32))",
    rename_all = "snake_case"
)]
pub enum SourceKind {
    /// An account of a cloud, which a server lists through the API of the cloud.
    Account,
    /// An inventory file, which a server reads.
    File,
    /// JSON lines, which are sent to the server.
    Lines,
    /// Refresh-only plans of a Terraform state, which are sent to the server.
    TerraformPlan,
}

/// One source.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sources")]
pub struct Model {
    /// Name, unique among all kinds of sources.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// What it is.
    pub kind: SourceKind,
    /// Provider of its resources; null until a listing names it, and for Terraform plans.
    pub provider: Option<String>,
    /// Account that was listed last, if the provider has accounts.
    pub account: Option<String>,
    /// Cron expression of its own schedule; null if it has none.
    pub schedule: Option<String>,
    /// Expected time between two listings, in seconds; null if a schedule decides it.
    pub expected_interval: Option<i64>,
    /// When it was registered for the first time.
    pub registered_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

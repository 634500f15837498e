//! `cloud_resources`: the inventory, one row per thing that the cloud has or had.

use sea_orm::entity::prelude::*;

/// One resource of a cloud account.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "cloud_resources")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Cloud that answers for it, such as `digitalocean`.
    pub provider: String,
    /// Kind within the provider, such as `droplet`.
    pub kind: String,
    /// The provider's own id, unique within provider and kind.
    pub provider_id: String,
    /// Uniform name, `provider:kind:providerId` unless the provider has its own.
    pub urn: String,
    /// Name that operators gave it, empty if it has none.
    pub name: String,
    /// Region slug.
    pub region: Option<String>,
    /// Size slug.
    pub size_slug: Option<String>,
    /// Status as the provider words it.
    pub status: Option<String>,
    /// JSON list of strings.
    #[sea_orm(column_type = "JsonBinary")]
    pub tags: Json,
    /// Primary address.
    pub ip: Option<String>,
    /// Network that it belongs to.
    pub vpc_uuid: Option<String>,
    /// Project that it belongs to.
    pub project_id: Option<String>,
    /// JSON object of everything else that is compared.
    #[sea_orm(column_type = "JsonBinary")]
    pub attrs: Json,
    /// Rises with every change of content, of going and of coming back. First is 1.
    pub revision: i32,
    /// First listing that had it; null while only an import knows of it.
    pub first_seen_at: Option<DateTimeUtc>,
    /// Complete listing that lacked it; null while it is there.
    pub gone_at: Option<DateTimeUtc>,
    /// Since when the provider reports a passing state (creating, resizing, ...).
    pub settling_since: Option<DateTimeUtc>,
    /// What was asked for.
    #[sea_orm(has_one)]
    pub provisioned: HasOne<super::cloud_provisioned::Entity>,
    /// Where it differs from what was asked for, now and in the past.
    #[sea_orm(has_many)]
    pub drifts: HasMany<super::cloud_drift::Entity>,
    /// What happened to it.
    #[sea_orm(has_many)]
    pub events: HasMany<super::cloud_resource_events::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

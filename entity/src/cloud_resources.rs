//! `cloud_resources`: the inventory, one row for each resource that the cloud has or had.

use sea_orm::entity::prelude::*;

/// One resource of a cloud account.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "cloud_resources")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Provider, such as `digitalocean`.
    pub provider: String,
    /// Kind within the provider, such as `droplet`.
    pub kind: String,
    /// The provider's own id, unique within provider and kind.
    pub provider_id: String,
    /// Uniform resource name (URN): the name that the provider defines, otherwise `provider:kind:providerId`.
    pub urn: String,
    /// Display name; empty if it has none.
    pub name: String,
    /// Region slug.
    pub region: Option<String>,
    /// Size slug.
    pub size_slug: Option<String>,
    /// Status in the provider's terms.
    pub status: Option<String>,
    /// Tags: a JSON list of strings.
    #[sea_orm(column_type = "JsonBinary")]
    pub tags: Json,
    /// Primary IP address.
    pub ip: Option<String>,
    /// VPC that it belongs to.
    pub vpc_uuid: Option<String>,
    /// Project that it belongs to.
    pub project_id: Option<String>,
    /// JSON object of its attributes: all compared fields without a column.
    #[sea_orm(column_type = "JsonBinary")]
    pub attrs: Json,
    /// Revision, from 1; it rises with each change of the values, and when the resource is gone or returns.
    pub revision: i32,
    /// Time of the first listing that contained it; null while it is known from an import only.
    pub first_seen_at: Option<DateTimeUtc>,
    /// Time of the complete listing that lacked it; null while it is not gone.
    pub gone_at: Option<DateTimeUtc>,
    /// Time since which the provider reports a temporary status (creating, resizing, ...).
    pub settling_since: Option<DateTimeUtc>,
    /// Whether another part of the cloud created and maintains it, so that it needs no spec.
    pub owned: bool,
    /// Name of the source that lists it. Empty until a listing contains it.
    pub source: String,
    /// Relation to its spec.
    #[sea_orm(has_one)]
    pub provisioned: HasOne<super::cloud_provisioned::Entity>,
    /// Relation to its open and closed drifts.
    #[sea_orm(has_many)]
    pub drifts: HasMany<super::cloud_drift::Entity>,
    /// Relation to its events.
    #[sea_orm(has_many)]
    pub events: HasMany<super::cloud_resource_events::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

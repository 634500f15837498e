//! Changes of the account that syncs saw.

use async_graphql::{Context, Enum, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use entity::inventory_changes;

use super::{Json, Resource};
use crate::domain::redaction;
use crate::error::Result;
use crate::graphql::arguments::{not_empty, parse_id};
use crate::graphql::error::ApiResult;
use crate::graphql::loader::ResourceById;
use crate::services::inbox::up_to_micros;
use crate::services::inventory_changes::ChangeFilter;

/// What a sync saw.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "inventory_changes::ChangeType")]
pub(in crate::graphql) enum InventoryChangeType {
    /// The resource was listed for the first time. The resources of the first listing of a kind did not appear.
    Appeared,
    /// A field has another value.
    Changed,
    /// The resource is gone.
    Gone,
    /// The resource was gone and is listed again.
    Returned,
}

/// Selects changes that match every condition. Absent fields do not restrict the selection.
#[derive(Default, InputObject)]
#[graphql(name = "InventoryChangeFilter")]
pub(in crate::graphql) struct InventoryChangeFilterInput {
    /// What happened: one of these.
    #[graphql(name = "type")]
    types: Option<Vec<InventoryChangeType>>,
    /// The id of the resource.
    resource_id: Option<ID>,
    /// The kind of the resource, such as `droplet`.
    kind: Option<String>,
    /// The region slug of the resource after the change.
    region: Option<String>,
    /// The name of the source that listed the resource.
    source: Option<String>,
    /// The name of the field.
    field: Option<String>,
    /// Seen at or after this time.
    seen_after: Option<DateTime<Utc>>,
    /// Seen before this time.
    seen_before: Option<DateTime<Utc>>,
}

impl InventoryChangeFilterInput {
    /// Converts the filter.
    ///
    /// # Errors
    ///
    /// BAD_USER_INPUT if a condition is not valid.
    pub(in crate::graphql) fn parse(self) -> Result<ChangeFilter> {
        let mut types: Vec<inventory_changes::ChangeType> = Vec::new();
        for listed in not_empty("filter.type", self.types)?.unwrap_or_default() {
            let listed = listed.into();
            if !types.contains(&listed) {
                types.push(listed);
            }
        }
        let filter = ChangeFilter {
            types,
            resource_id: self.resource_id.map(|id| parse_id(&id)).transpose()?,
            kind: self.kind,
            region: self.region,
            source: self.source,
            field: self.field,
            seen_after: self.seen_after.map(up_to_micros),
            seen_before: self.seen_before.map(up_to_micros),
        };
        filter.check()?;
        Ok(filter)
    }
}

/// A change of the account that a sync saw, of a managed or an unmanaged resource.
pub(in crate::graphql) struct InventoryChange(pub(in crate::graphql) inventory_changes::Model);

impl InventoryChange {
    fn is_redacted(&self) -> bool {
        redaction::hides(self.0.before.as_ref(), self.0.after.as_ref())
    }

    fn shown(&self, value: Option<&serde_json::Value>) -> Option<Json> {
        let value = value.filter(|value| !self.is_redacted() && !value.is_null())?;
        Some(Json(redaction::shown(value).into_owned()))
    }
}

/// A change of the account that a sync saw, of a managed or an unmanaged resource.
#[Object]
impl InventoryChange {
    /// The unique id of the change.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// What happened.
    #[graphql(name = "type")]
    async fn change_type(&self) -> InventoryChangeType {
        self.0.change_type.into()
    }

    /// The resource; null if it was deleted.
    async fn resource(&self, ctx: &Context<'_>) -> ApiResult<Option<Resource>> {
        let loaders = crate::graphql::loaders(ctx)?;
        Ok(loaders
            .load_one(ResourceById(self.0.resource_id))
            .await?
            .map(Resource))
    }

    /// The provider of the resource, such as `digitalocean`.
    async fn provider(&self) -> &str {
        &self.0.provider
    }

    /// The kind of the resource, such as `droplet`.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// The region slug of the resource after the change; null if it has none.
    async fn region(&self) -> Option<&str> {
        self.0.region.as_deref()
    }

    /// The name of the source that listed the resource; null if none did.
    async fn source(&self) -> Option<&str> {
        Some(self.0.source.as_str()).filter(|name| !name.is_empty())
    }

    /// The name of the field; `*` if the whole resource appeared, is gone or returned.
    async fn field(&self) -> &str {
        &self.0.field
    }

    /// The value before the change; null if it was unset, is secret or is not recorded.
    async fn before(&self) -> Option<Json> {
        self.shown(self.0.before.as_ref())
    }

    /// The value after the change; null if it is unset, is secret or is not recorded.
    async fn after(&self) -> Option<Json> {
        self.shown(self.0.after.as_ref())
    }

    /// Whether the values are recorded. Servers of releases before this log record the names of the fields only.
    async fn has_values(&self) -> bool {
        self.0.has_values
    }

    /// Whether the values are secret, so that they are not shown.
    async fn redacted(&self) -> bool {
        self.is_redacted()
    }

    /// The start of the listing before: the change is later. Null if that listing was not complete or is not known.
    async fn last_listed_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_listed_at
    }

    /// When the sync that saw the change wrote it: the change is earlier.
    async fn seen_at(&self) -> DateTime<Utc> {
        self.0.seen_at
    }
}

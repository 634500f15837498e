//! Records of forgotten resources.

use async_graphql::{ID, Object};
use chrono::{DateTime, Utc};
use entity::forgotten_resources;

/// The record of a resource that was deleted with `forgetResource`.
pub(in crate::graphql) struct ForgottenResource(pub(in crate::graphql) forgotten_resources::Model);

/// The record of a resource that was deleted with `forgetResource`.
#[Object]
impl ForgottenResource {
    /// The unique id of this record.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The id that the resource had. If a later listing contains the resource again, it gets a new id.
    async fn resource_id(&self) -> ID {
        self.0.resource_id.into()
    }

    /// The cloud provider, such as `digitalocean`.
    async fn provider(&self) -> &str {
        &self.0.provider
    }

    /// The kind within the provider, such as `droplet`.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// The provider's id, unique within the kind.
    async fn provider_id(&self) -> &str {
        &self.0.provider_id
    }

    /// The name of the resource; null if it had none.
    async fn name(&self) -> Option<&str> {
        Some(self.0.name.as_str()).filter(|name| !name.is_empty())
    }

    /// Number of decisions that were deleted with the resource.
    async fn decisions(&self) -> i32 {
        i32::try_from(self.0.decisions).unwrap_or(i32::MAX)
    }

    /// When the resource was deleted.
    async fn forgotten_at(&self) -> DateTime<Utc> {
        self.0.forgotten_at
    }

    /// The user who deleted the resource.
    async fn forgotten_by(&self) -> &str {
        &self.0.forgotten_by
    }

    /// The note given with `forgetResource`; null if there is none.
    async fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }
}

//! What remains of a forgotten resource.

use async_graphql::{ID, Object};
use chrono::{DateTime, Utc};
use entity::forgotten_resources;

/// What remains of a resource that an operator had deleted from the inventory.
pub(in crate::graphql) struct ForgottenResource(pub(in crate::graphql) forgotten_resources::Model);

/// What remains of a resource that an operator had deleted from the inventory.
#[Object]
impl ForgottenResource {
    /// The id of this record.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The id that the resource had. If the cloud has the resource again, the inventory gives it another id.
    async fn resource_id(&self) -> ID {
        self.0.resource_id.into()
    }

    /// The cloud that answered for it.
    async fn provider(&self) -> &str {
        &self.0.provider
    }

    /// The kind within the provider.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// The provider's own id.
    async fn provider_id(&self) -> &str {
        &self.0.provider_id
    }

    /// The name that operators gave it; null if it had none.
    async fn name(&self) -> Option<&str> {
        Some(self.0.name.as_str()).filter(|name| !name.is_empty())
    }

    /// How many decisions about it were deleted with it.
    async fn decisions(&self) -> i32 {
        i32::try_from(self.0.decisions).unwrap_or(i32::MAX)
    }

    /// When it was deleted.
    async fn forgotten_at(&self) -> DateTime<Utc> {
        self.0.forgotten_at
    }

    /// Who deleted it.
    async fn forgotten_by(&self) -> &str {
        &self.0.forgotten_by
    }

    /// The reason that the operator gave.
    async fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }
}

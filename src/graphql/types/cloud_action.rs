//! Actions from the log that a provider keeps.

use async_graphql::{ID, Object};
use chrono::{DateTime, Utc};
use entity::cloud_actions;

/// An action on a resource, from the log that the provider keeps. The log names no user, so this does neither.
pub(in crate::graphql) struct CloudAction(pub(in crate::graphql) cloud_actions::Model);

/// An action on a resource, from the log that the provider keeps. The log names no user, so this does neither.
#[Object]
impl CloudAction {
    /// The unique id of the action.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The provider's id of the action.
    async fn action_id(&self) -> String {
        self.0.number.to_string()
    }

    /// What was done, in the provider's terms, such as `resize`.
    #[graphql(name = "type")]
    async fn action_type(&self) -> &str {
        &self.0.action_type
    }

    /// The status in the provider's terms, such as `completed`.
    async fn status(&self) -> &str {
        &self.0.status
    }

    /// The region slug; null if there is none.
    async fn region(&self) -> Option<&str> {
        self.0.region.as_deref()
    }

    /// When the action began.
    async fn started_at(&self) -> DateTime<Utc> {
        self.0.started_at
    }

    /// When the action ended; null if it has not, or the log does not say it.
    async fn completed_at(&self) -> Option<DateTime<Utc>> {
        self.0.completed_at
    }
}

//! The mutations of the intent to put live values back.

use async_graphql::{Context, ID, InputObject, Object};
use uuid::Uuid;

use super::arguments::parse_id;
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::mutation::app_with_fresh_loaders;
use super::refusal::{Outcome, Refusal, current_drift};
use super::types::Drift;
use crate::domain::actor::Role;
use crate::services::reverting::{Noted, note_revert};
/// Input of `markReverting`.
#[derive(InputObject)]
struct MarkRevertingInput {
    /// The id of an open drift.
    drift_id: ID,
    /// How or why the live value is put back, at most 4096 bytes.
    #[graphql(secret)]
    note: Option<String>,
}

/// Result of `markReverting`.
struct MarkRevertingPayload {
    drift_id: Uuid,
    outcome: Outcome<Noted>,
}

/// Result of `markReverting`.
#[Object]
impl MarkRevertingPayload {
    /// The drift, which is still open; if the mutation was refused, the drift as it is now.
    async fn drift(&self, ctx: &Context<'_>) -> ApiResult<Drift> {
        match self.outcome.done() {
            Some(noted) => Ok(Drift(noted.drift.clone())),
            None => current_drift(ctx, self.drift_id).await,
        }
    }

    /// Whether the intent was noted before in the same way, and nothing has changed now.
    async fn replayed(&self) -> bool {
        self.outcome.done().is_some_and(|noted| noted.replayed)
    }

    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    async fn refusal(&self) -> Option<&Refusal> {
        self.outcome.refusal()
    }
}

/// Input of `unmarkReverting`.
#[derive(InputObject)]
struct UnmarkRevertingInput {
    /// The id of an open drift.
    drift_id: ID,
    /// The reason, at most 4096 bytes.
    #[graphql(secret)]
    note: Option<String>,
}

/// Result of `unmarkReverting`.
struct UnmarkRevertingPayload {
    drift_id: Uuid,
    outcome: Outcome<Noted>,
}

/// Result of `unmarkReverting`.
#[Object]
impl UnmarkRevertingPayload {
    /// The drift, which is still open; if the mutation was refused, the drift as it is now.
    async fn drift(&self, ctx: &Context<'_>) -> ApiResult<Drift> {
        match self.outcome.done() {
            Some(noted) => Ok(Drift(noted.drift.clone())),
            None => current_drift(ctx, self.drift_id).await,
        }
    }

    /// Whether the intent was withdrawn before in the same way, and nothing has changed now.
    async fn replayed(&self) -> bool {
        self.outcome.done().is_some_and(|noted| noted.replayed)
    }

    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    async fn refusal(&self) -> Option<&Refusal> {
        self.outcome.refusal()
    }
}

/// The mutations of the intent to put live values back.
#[derive(Default)]
pub(super) struct RevertingMutation;

/// The mutations of the intent to put live values back.
#[Object]
impl RevertingMutation {
    /// Notes that you put the live value of an open drift back. Nothing is sent to the cloud. If a later sweep finds the values
    /// equal, the drift becomes REVERTED instead of STALE, closed by you. Fails with ALREADY_RESOLVED if the drift is not
    /// open.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn mark_reverting(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The drift and a note.")] input: MarkRevertingInput,
    ) -> ApiResult<Option<MarkRevertingPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let by = (caller(ctx)?.name(), input.note.as_deref());
        let (drift_id, now) = (parse_id(&input.drift_id)?, app.clock().now());
        let noted = note_revert(app.db(), by, drift_id, true, now).await;
        Ok(Some(MarkRevertingPayload {
            drift_id,
            outcome: Outcome::of(ctx, noted, Some(drift_id))?,
        }))
    }

    /// Withdraws the intent that `markReverting` noted. Fails with ALREADY_RESOLVED if the drift is not open.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn unmark_reverting(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The drift and the reason.")] input: UnmarkRevertingInput,
    ) -> ApiResult<Option<UnmarkRevertingPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let by = (caller(ctx)?.name(), input.note.as_deref());
        let (drift_id, now) = (parse_id(&input.drift_id)?, app.clock().now());
        let noted = note_revert(app.db(), by, drift_id, false, now).await;
        Ok(Some(UnmarkRevertingPayload {
            drift_id,
            outcome: Outcome::of(ctx, noted, Some(drift_id))?,
        }))
    }
}

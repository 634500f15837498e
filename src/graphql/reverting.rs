//! The mutations of the intent to put live values back.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::arguments::parse_id;
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::mutation::app_with_fresh_loaders;
use super::types::Drift;
use crate::domain::actor::Role;
use crate::services::reverting::note_revert;
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
#[derive(SimpleObject)]
struct MarkRevertingPayload {
    /// The drift, which is still open.
    drift: Drift,
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
#[derive(SimpleObject)]
struct UnmarkRevertingPayload {
    /// The drift, which is still open.
    drift: Drift,
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
        let (id, now) = (parse_id(&input.drift_id)?, app.clock().now());
        let drift = note_revert(app.db(), by, id, true, now).await?;
        Ok(Some(MarkRevertingPayload { drift: Drift(drift) }))
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
        let (id, now) = (parse_id(&input.drift_id)?, app.clock().now());
        let drift = note_revert(app.db(), by, id, false, now).await?;
        Ok(Some(UnmarkRevertingPayload { drift: Drift(drift) }))
    }
}

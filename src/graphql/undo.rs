//! The mutations that undo decisions.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use uuid::Uuid;

use super::arguments::parse_id;
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::mutation::{app_with_fresh_loaders, to_int};
use super::refusal::{Outcome, Refusal, current_drift};
use super::types::{Drift, ProvisionedSpec};
use crate::domain::actor::Role;
use crate::services::undo::{self, UndoAccept, Undone};

/// Input of `undoAccept`.
#[derive(InputObject)]
struct UndoAcceptInput {
    /// The id of an accepted drift.
    drift_id: ID,
    /// The reason for the decision, at most 4096 bytes.
    #[graphql(secret)]
    reason: Option<String>,
}

/// Result of `undoAccept`.
struct UndoAcceptPayload {
    drift_id: Uuid,
    outcome: Outcome<Undone>,
}

/// Result of `undoAccept`.
#[Object]
impl UndoAcceptPayload {
    /// The drift. Its status is still `ACCEPTED`, and `undoneAt` is set. If the undo was refused, the drift as it is now.
    async fn drift(&self, ctx: &Context<'_>) -> ApiResult<Drift> {
        let undone = self.outcome.done();
        match undone.and_then(|undone| undone.drifts.first()) {
            Some(drift) => Ok(Drift(drift.clone())),
            None => current_drift(ctx, self.drift_id).await,
        }
    }

    /// The spec in force; null if it was retired since an earlier undo, or if the undo was refused.
    async fn provisioned(&self) -> Option<ProvisionedSpec> {
        self.outcome.done()?.provisioned.clone().map(ProvisionedSpec)
    }

    /// The open drift of the same field; null if the restored value does not differ from the live one, or cannot be
    /// compared now. Then the next sweeps compare it.
    async fn open_drift(&self) -> Option<Drift> {
        let undone = self.outcome.done()?;
        let field = &undone.drifts.first()?.field;
        let open = undone.open.iter().find(|open| open.field == *field);
        open.cloned().map(Drift)
    }

    /// Whether the accept was undone before, and nothing has changed now.
    async fn replayed(&self) -> bool {
        self.outcome.done().is_some_and(|undone| undone.replayed)
    }

    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    async fn refusal(&self) -> Option<&Refusal> {
        self.outcome.refusal()
    }
}

/// Input of `undoBulk`.
#[derive(InputObject)]
struct UndoBulkInput {
    /// The id of the bulk: the token of its preview.
    bulk_id: ID,
    /// Why it is undone, at most 4096 bytes.
    reason: Option<String>,
}

/// Result of `undoBulk`.
#[derive(SimpleObject)]
struct UndoBulkPayload {
    /// The number of drifts for which the action is undone, those undone before included.
    undone: i32,
    /// The drifts for which it stands, at most 1000.
    refused: Vec<UndoRefused>,
}

/// A drift for which the action of a bulk stands.
#[derive(SimpleObject)]
struct UndoRefused {
    /// The id of the drift.
    drift_id: ID,
    /// The code of the error, such as `SPEC_MOVED`.
    code: String,
    /// The error as a sentence.
    message: String,
    /// The error with what has moved; null if the server failed.
    refusal: Option<Refusal>,
}

/// The mutations that undo decisions.
#[derive(Default)]
pub(super) struct UndoMutation;

/// The mutations that undo decisions.
#[Object]
impl UndoMutation {
    /// Undoes the accept of a drift: the spec gets a new version in which only the accepted field has the value that it had
    /// before the accept. A spec that the accept retired is in force again. If the values differ, the difference is open
    /// again as a new drift. Fails with SPEC_MOVED and a `reason` if a later change stands in the way: VALUE_CHANGED (with
    /// `field` and the current `expected` value), TAKEN_OVER, RETIRED,
    /// RECORDED_AGAIN or SUPERSEDED (the `specVersion` since that had another value); with NOT_UNDOABLE if the drift was
    /// not accepted (NOT_ACCEPTED) or the earlier version of the spec is not kept (VERSION_NOT_KEPT). An accept that is
    /// undone already stays as it is.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn undo_accept(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The accept to undo.")] input: UndoAcceptInput,
    ) -> ApiResult<Option<UndoAcceptPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let drift_id = parse_id(&input.drift_id)?;
        let undo = UndoAccept {
            drift_id,
            reason: input.reason,
        };
        let undone = undo::undo_accept(app.db(), caller(ctx)?.name(), &undo, app.clock().now()).await;
        Ok(Some(UndoAcceptPayload {
            drift_id,
            outcome: Outcome::of(ctx, undone, Some(drift_id))?,
        }))
    }

    /// Undoes a bulk. Accepts of one resource are undone together, with one new version of its spec: if a later change
    /// stands in the way of one of them, those of its resource stand and are listed in `refused`. A snooze or an assignee
    /// gives way to the one before, unless another decision was made since. Ignore rules end, and their differences come
    /// back. What of the bulk has not been done yet is not done any more (BULK_UNDONE in its `items`). It can be repeated.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn undo_bulk(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The bulk to undo.")] input: UndoBulkInput,
    ) -> ApiResult<Option<UndoBulkPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let bulk = parse_id(&input.bulk_id)?;
        let actor = caller(ctx)?.name();
        let done = undo::undo_bulk(app.db(), actor, bulk, input.reason.as_deref(), app.clock()).await?;
        Ok(Some(UndoBulkPayload {
            undone: to_int(done.undone),
            refused: done
                .refused
                .into_iter()
                .map(|(drift, error)| UndoRefused {
                    drift_id: drift.into(),
                    code: error.code().to_owned(),
                    message: error.public_message(),
                    refusal: Refusal::of_item(&error, drift),
                })
                .collect(),
        }))
    }
}

//! The mutations that undo decisions.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::arguments::parse_id;
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::mutation::{app_with_fresh_loaders, to_int};
use super::types::{Drift, ProvisionedSpec};
use crate::domain::actor::Role;
use crate::error::Error;
use crate::services::undo::{self, UndoAccept};

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
#[derive(SimpleObject)]
struct UndoAcceptPayload {
    /// The drift. Its status is still `ACCEPTED`, and `undoneAt` is set.
    drift: Drift,
    /// The spec in force; null if it was retired since an earlier undo.
    provisioned: Option<ProvisionedSpec>,
    /// The open drift of the same field; null if the restored value does not differ from the live one, or cannot be
    /// compared now. Then the next sweeps compare it.
    open_drift: Option<Drift>,
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
    /// The number of drifts whose accepts are undone, those undone before included.
    undone: i32,
    /// The drifts whose accepts stand, at most 1000.
    refused: Vec<UndoRefused>,
}

/// A drift whose accept stands.
#[derive(SimpleObject)]
struct UndoRefused {
    /// The id of the drift.
    drift_id: ID,
    /// The code of the error, such as `SPEC_MOVED`.
    code: String,
    /// The error as a sentence.
    message: String,
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
    /// `field` and the current `expected` value), TAKEN_OVER, RETIRED or RECORDED_AGAIN; with NOT_UNDOABLE if the drift was
    /// not accepted (NOT_ACCEPTED) or the earlier version of the spec is not kept (VERSION_NOT_KEPT). An accept that is
    /// undone already stays as it is.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn undo_accept(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The accept to undo.")] input: UndoAcceptInput,
    ) -> ApiResult<Option<UndoAcceptPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let undo = UndoAccept {
            drift_id: parse_id(&input.drift_id)?,
            reason: input.reason,
        };
        let undone = undo::undo_accept(app.db(), caller(ctx)?.name(), &undo, app.clock().now()).await?;
        let drift = undone.drifts.into_iter().next();
        let drift = drift.ok_or_else(|| Error::Internal("an undone drift was not found".to_owned()))?;
        Ok(Some(UndoAcceptPayload {
            open_drift: undone
                .open
                .into_iter()
                .find(|open| open.field == drift.field)
                .map(Drift),
            drift: Drift(drift),
            provisioned: undone.provisioned.map(ProvisionedSpec),
        }))
    }

    /// Undoes the accepts of a bulk, those of one resource together with one new version of its spec. If a later change
    /// stands in the way of one of them, those of its resource stand and are listed in `refused`. What of the bulk has not
    /// been accepted yet is not accepted any more (BULK_UNDONE in its `items`). It can be repeated.
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
                    message: error.public_message().to_string(),
                })
                .collect(),
        }))
    }
}

//! The mutation that undoes a bulk.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::arguments::parse_id;
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::mutation::{app_with_fresh_loaders, to_int};
use crate::domain::actor::Role;
use crate::services::undo;

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
}

/// The mutation that undoes a bulk.
#[derive(Default)]
pub(super) struct UndoMutation;

/// The mutation that undoes a bulk.
#[Object]
impl UndoMutation {
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
                    message: error.public_message().to_string(),
                })
                .collect(),
        }))
    }
}

//! The queries and mutations of bulks.

use async_graphql::{Context, ID, Object};
use uuid::Uuid;

use super::app;
use super::arguments::parse_id;
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::mutation::{WAIT_FOR_JOB, app_with_fresh_loaders};
use super::refusal::{Outcome, Refusal};
use super::types::{
    AcceptDriftsInput, AcceptDriftsPayload, BulkRun, ExecuteBulkInput, ExecuteBulkPayload,
    PreviewAcceptDriftsInput, PreviewAcceptDriftsPayload, PreviewBulkInput, PreviewBulkPayload,
};
use crate::domain::actor::Role;
use crate::error::{Error, Result};
use crate::services::bulks::{self, Decider};

/// The queries of bulks.
#[derive(Default)]
pub(super) struct BulkQuery;

/// The queries of bulks.
#[Object]
impl BulkQuery {
    /// Returns the bulk with this id, which is the token of its preview; null if there is none, or its execution has not
    /// begun.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn bulk_run(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of a bulk.")] id: ID,
    ) -> ApiResult<Option<BulkRun>> {
        let run = bulks::find(app(ctx)?.db().reader(), parse_id(&id)?).await?;
        Ok(run.map(BulkRun))
    }
}

/// The mutations of bulks.
#[derive(Default)]
pub(super) struct BulkMutation;

/// The mutations of bulks.
#[Object]
impl BulkMutation {
    /// Previews the accept of many drifts, and changes nothing: returns the drifts, what would change per resource, and a
    /// token for `acceptDrifts`. The token stands for these drifts with these revisions. It is valid for an hour, for the
    /// same user only.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn preview_accept_drifts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The drifts to accept.")] input: PreviewAcceptDriftsInput,
    ) -> ApiResult<Option<PreviewAcceptDriftsPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let selected = input.parse()?;
        let preview = bulks::preview_accept(app.db(), decider(ctx)?, &selected, app.clock().now()).await?;
        Ok(Some(preview.into()))
    }

    /// Accepts the drifts of a preview, with one new version of each spec. A drift that has another revision or value by
    /// now, or is closed, is left as it is, with the code of the error in `items`. Waits at most 25 seconds; after that, the
    /// bulk continues in the background: query `bulkRun`. The same token again returns the same bulk, and continues it if
    /// its server was stopped. Fails with NOT_FOUND if the caller has no such preview, and with PREVIEW_EXPIRED.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn accept_drifts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The preview to execute.")] input: AcceptDriftsInput,
    ) -> ApiResult<Option<AcceptDriftsPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let (token, note) = (parse_id(&input.token)?, input.note.as_deref());
        let begun = bulks::begin_accept(app.db(), decider(ctx)?, token, note, app.clock().now()).await;
        let (run, refusal) = execute(ctx, begun, token).await?;
        Ok(Some(AcceptDriftsPayload { run, refusal }))
    }

    /// Previews a decision about many drifts, and changes nothing: returns the drifts and a token for `executeBulk`. The
    /// token stands for this decision about these drifts with these revisions. It is valid for an hour, for the same user
    /// only.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn preview_bulk(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision and the drifts.")] input: PreviewBulkInput,
    ) -> ApiResult<Option<PreviewBulkPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let (selected, action) = input.parse()?;
        let decider = decider(ctx)?;
        let preview = bulks::preview(app.db(), decider, &selected, &action, app.clock().now()).await?;
        Ok(Some(preview.into()))
    }

    /// Executes a preview of `previewBulk` or `previewAcceptDrifts`. A drift that has another revision by now, or is
    /// closed, is left as it is, with the code of the error in `items`. Waits at most 25 seconds; after that, the bulk
    /// continues in the background: query `bulkRun`. The same token again returns the same bulk, and continues it if its
    /// server was stopped. `undoBulk` undoes it. Fails with NOT_FOUND if the caller has no such preview, and with
    /// PREVIEW_EXPIRED.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn execute_bulk(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The preview to execute.")] input: ExecuteBulkInput,
    ) -> ApiResult<Option<ExecuteBulkPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let (token, note) = (parse_id(&input.token)?, input.note.as_deref());
        let begun = bulks::begin(app.db(), decider(ctx)?, token, note, app.clock().now()).await;
        let (run, refusal) = execute(ctx, begun, token).await?;
        Ok(Some(ExecuteBulkPayload { run, refusal }))
    }
}

/// Executes a bulk that has begun, and waits for it, at most 25 seconds. Returns its state, or the refusal to begin it.
///
/// # Errors
///
/// The error of the begin, if it is no refusal or the document does not select `refusal`; an error of the database.
pub(super) async fn execute(
    ctx: &Context<'_>,
    begun: Result<entity::bulks::Model>,
    token: Uuid,
) -> ApiResult<(Option<BulkRun>, Option<Refusal>)> {
    let app = super::app(ctx)?;
    let bulk = match Outcome::of(ctx, begun, None)? {
        Outcome::Done(bulk) => bulk,
        Outcome::Refused(refusal, _) => return Ok((None, Some(*refusal))),
    };
    let work = app.jobs().execute_bulk(bulk);
    if let Ok(done) = tokio::time::timeout(WAIT_FOR_JOB, work).await {
        done.map_err(|error| Error::Internal(format!("a bulk ended: {error}")))??;
    }
    let run = bulks::find(app.db().reader(), token).await?;
    let run = run.ok_or(Error::NotFound("preview"))?;
    Ok((Some(BulkRun(run)), None))
}

/// Returns the caller as the one who decides about a bulk.
fn decider<'c>(ctx: &Context<'c>) -> Result<Decider<'c>> {
    let caller = caller(ctx)?;
    Ok(Decider {
        name: caller.name(),
        subject: caller.subject(),
    })
}

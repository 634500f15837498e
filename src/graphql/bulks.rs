//! The queries and mutations of bulks.

use async_graphql::{Context, ID, Object};

use super::app;
use super::arguments::parse_id;
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::mutation::{WAIT_FOR_JOB, app_with_fresh_loaders};
use super::refusal::Outcome;
use super::types::{
    AcceptDriftsInput, AcceptDriftsPayload, BulkRun, PreviewAcceptDriftsInput, PreviewAcceptDriftsPayload,
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
        let bulk = match Outcome::of(ctx, begun, None)? {
            Outcome::Done(bulk) => bulk,
            Outcome::Refused(refusal, _) => {
                return Ok(Some(AcceptDriftsPayload {
                    run: None,
                    refusal: Some(*refusal),
                }));
            }
        };
        let work = app.jobs().execute_bulk(bulk);
        if let Ok(done) = tokio::time::timeout(WAIT_FOR_JOB, work).await {
            done.map_err(|error| Error::Internal(format!("a bulk ended: {error}")))??;
        }
        let run = bulks::find(app.db().reader(), token).await?;
        let run = run.ok_or(Error::NotFound("preview"))?;
        Ok(Some(AcceptDriftsPayload {
            run: Some(BulkRun(run)),
            refusal: None,
        }))
    }
}

/// Returns the caller as the one who decides about a bulk.
pub(super) fn decider<'c>(ctx: &Context<'c>) -> Result<Decider<'c>> {
    let caller = caller(ctx)?;
    Ok(Decider {
        name: caller.name(),
        subject: caller.subject(),
    })
}

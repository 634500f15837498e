//! The mutations about open drifts other than accepts: snoozes, assignees and comments.

use async_graphql::{Context, Object};

use super::arguments::parse_id;
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::mutation::app_with_fresh_loaders;
use super::refusal::{Refusal, decided};
use super::types::{
    AddCommentInput, AddCommentPayload, AssignDriftInput, AssignDriftPayload, Drift, DriftComment,
    SnoozeDriftInput, SnoozeDriftPayload, TakeDriftInput, TakeDriftPayload, UnassignDriftInput,
    UnassignDriftPayload, UnsnoozeDriftInput, UnsnoozeDriftPayload,
};
use crate::domain::actor::Role;
use crate::domain::snooze::Snooze;
use crate::services::{assignments, comments, snoozes};

/// The mutations about open drifts other than accepts.
#[derive(Default)]
pub(super) struct DecisionMutation;

/// The mutations about open drifts other than accepts.
#[Object]
impl DecisionMutation {
    /// Snoozes an open drift until a time, until its expected or live value changes, or until whichever comes first. The
    /// drift stays OPEN: the values still differ. The snooze replaces an earlier one. Fails with
    /// ALREADY_RESOLVED if the drift is not open, and with LIVE_VALUE_MOVED if it has another revision.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn snooze_drift(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The drift, the end of the snooze, and the reason.")] input: SnoozeDriftInput,
    ) -> ApiResult<Option<SnoozeDriftPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let by = (caller(ctx)?.name(), input.reason.as_deref());
        let seen = (parse_id(&input.drift_id)?, input.revision);
        let snooze = Snooze {
            until: input.until,
            until_change: input.until_change,
        };
        let drift = snoozes::snooze_drift(app.db(), by, seen, snooze, app.clock().now()).await;
        let (drift, refusal) = decided(ctx, drift, seen.0).await?;
        Ok(Some(SnoozeDriftPayload { drift, refusal }))
    }

    /// Ends the snooze of a drift, which undoes `snoozeDrift`. A drift that is not snoozed stays as it is.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn unsnooze_drift(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The drift and the reason.")] input: UnsnoozeDriftInput,
    ) -> ApiResult<Option<UnsnoozeDriftPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let by = (caller(ctx)?.name(), input.reason.as_deref());
        let (id, now) = (parse_id(&input.drift_id)?, app.clock().now());
        let drift = snoozes::unsnooze_drift(app.db(), by, id, now).await?;
        Ok(Some(UnsnoozeDriftPayload { drift: Drift(drift) }))
    }

    /// Assigns an open drift to a user. Fails with ALREADY_RESOLVED if the drift is not open.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn assign_drift(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The drift and the user.")] input: AssignDriftInput,
    ) -> ApiResult<Option<AssignDriftPayload>> {
        let (drift, refusal) = assign(ctx, &input.drift_id, Some(&input.assignee)).await?;
        Ok(Some(AssignDriftPayload { drift, refusal }))
    }

    /// Assigns an open drift to you. Fails with ALREADY_RESOLVED if the drift is not open.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn take_drift(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The drift.")] input: TakeDriftInput,
    ) -> ApiResult<Option<TakeDriftPayload>> {
        let (drift, refusal) = assign(ctx, &input.drift_id, Some(caller(ctx)?.name())).await?;
        Ok(Some(TakeDriftPayload { drift, refusal }))
    }

    /// Removes the assignee of an open drift. Fails with ALREADY_RESOLVED if the drift is not open.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn unassign_drift(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The drift.")] input: UnassignDriftInput,
    ) -> ApiResult<Option<UnassignDriftPayload>> {
        let (drift, refusal) = assign(ctx, &input.drift_id, None).await?;
        Ok(Some(UnassignDriftPayload { drift, refusal }))
    }

    /// Adds a comment to a drift, open or closed. It is also an event of the resource.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn add_comment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The drift and the text.")] input: AddCommentInput,
    ) -> ApiResult<Option<AddCommentPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let (id, author) = (parse_id(&input.drift_id)?, caller(ctx)?.name());
        let comment = comments::add(app.db(), author, id, &input.body, app.clock().now()).await?;
        Ok(Some(AddCommentPayload {
            comment: DriftComment(comment),
        }))
    }
}

async fn assign(
    ctx: &Context<'_>,
    id: &async_graphql::ID,
    assignee: Option<&str>,
) -> ApiResult<(Drift, Option<Refusal>)> {
    let app = app_with_fresh_loaders(ctx)?;
    let (id, actor) = (parse_id(id)?, caller(ctx)?.name());
    let drift = assignments::assign_drift(app.db(), actor, id, assignee, app.clock().now()).await;
    decided(ctx, drift, id).await
}

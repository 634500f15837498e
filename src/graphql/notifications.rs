//! The queries and mutations of notifications.

use async_graphql::{Context, ID, Object};

use super::app;
use super::arguments::parse_id;
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::refusal::Outcome;
use super::types::{
    Connection, CreateNotificationTargetInput, CreateNotificationTargetPayload,
    DeleteNotificationTargetInput, DeleteNotificationTargetPayload, NotificationDelivery, NotificationState,
    NotificationTarget, PageArgs, ResendNotificationInput, ResendNotificationPayload,
    SendTestNotificationInput, SendTestNotificationPayload, Total, UpdateNotificationTargetInput,
    UpdateNotificationTargetPayload, page_cost, with_all_details, with_details,
};
use crate::domain::actor::Role;
use crate::services::notifications;
/// The queries of notifications.
#[derive(Default)]
pub(super) struct NotificationQuery;

/// The queries of notifications.
#[Object]
impl NotificationQuery {
    /// Lists the targets of notifications, in the order in which they were created. Their addresses and secrets are not
    /// shown.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "page_cost(first, last, child_complexity)"
    )]
    async fn notification_targets(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<NotificationTarget>> {
        let request = PageArgs::new(first, after, last, before).request(ctx, "nt")?;
        let page = notifications::page_of_targets(app(ctx)?.db().reader(), &request).await?;
        Ok(Connection::new(
            page,
            "nt",
            Total::NotificationTargets,
            NotificationTarget,
        ))
    }

    /// Lists the messages to targets of notifications with their attempts, newest first: the delivery log.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "page_cost(first, last, child_complexity)"
    )]
    #[expect(
        clippy::too_many_arguments,
        reason = "these are the arguments of the GraphQL field"
    )]
    async fn notification_deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns only messages to this target.")] target_id: Option<ID>,
        #[graphql(desc = "Returns only messages in this state.")] state: Option<NotificationState>,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<NotificationDelivery>> {
        let target = target_id.as_ref().map(parse_id).transpose()?;
        let state = state.map(Into::into);
        let request = PageArgs::new(first, after, last, before).request(ctx, "nd")?;
        let db = app(ctx)?.db().reader();
        let page = notifications::list_deliveries(db, target, state, &request).await?;
        let page = with_all_details(db, page).await?;
        let total = Total::NotificationDeliveries(target, state);
        Ok(Connection::new(page, "nd", total, |delivery| delivery))
    }
}

/// The mutations of notifications.
#[derive(Default)]
pub(super) struct NotificationMutation;

/// The mutations of notifications.
#[Object]
impl NotificationMutation {
    /// Creates a target of notifications: a webhook, an incoming webhook of Slack, or a heartbeat. The address must begin
    /// with `https` and its host must be public, unless the setting DRIFT_NOTIFY_PRIVATE permits the host.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn create_notification_target(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The target to create.")] input: CreateNotificationTargetInput,
    ) -> ApiResult<Option<CreateNotificationTargetPayload>> {
        let app = app(ctx)?;
        let new = input.parse()?;
        let saved = notifications::create(app.db(), app.outgoing(), caller(ctx)?.name(), &new).await;
        Ok(Some(Outcome::of(ctx, saved, None)?.into()))
    }

    /// Changes a target of notifications, or rotates its secret.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn update_notification_target(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The target and its changes.")] input: UpdateNotificationTargetInput,
    ) -> ApiResult<Option<UpdateNotificationTargetPayload>> {
        let app = app(ctx)?;
        let (id, actor) = (parse_id(&input.target_id)?, caller(ctx)?.name());
        let change = input.parse()?;
        let saved = notifications::update(app.db(), app.outgoing(), actor, id, &change).await;
        Ok(Some(Outcome::of(ctx, saved, None)?.into()))
    }

    /// Deletes a target of notifications with all its messages. Messages that were not delivered yet are lost.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn delete_notification_target(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The target to delete.")] input: DeleteNotificationTargetInput,
    ) -> ApiResult<Option<DeleteNotificationTargetPayload>> {
        let id = parse_id(&input.target_id)?;
        notifications::delete(app(ctx)?.db(), id).await?;
        Ok(Some(DeleteNotificationTargetPayload { target_id: id.into() }))
    }

    /// Sends a test message to a target and waits for the answer, at most 10 seconds. The message is attempted once. For
    /// the program behind a heartbeat, a test is a good sweep.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn send_test_notification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The target.")] input: SendTestNotificationInput,
    ) -> ApiResult<Option<SendTestNotificationPayload>> {
        let app = app(ctx)?;
        let (id, actor) = (parse_id(&input.target_id)?, caller(ctx)?.name());
        let row = notifications::send_test(app.db(), app.outgoing(), actor, id).await?;
        let delivery = with_details(app.db().reader(), vec![row]).await?.pop();
        Ok(delivery.map(|delivery| SendTestNotificationPayload { delivery }))
    }

    /// Sends a message again, whatever became of it. It keeps its id, so that a receiver that knows it can ignore it.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn resend_notification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message to send again.")] input: ResendNotificationInput,
    ) -> ApiResult<Option<ResendNotificationPayload>> {
        let app = app(ctx)?;
        let row = notifications::resend(app.db(), parse_id(&input.delivery_id)?).await;
        let (row, refusal) = Outcome::of(ctx, row, None)?.into_parts();
        let rows = row.into_iter().collect();
        let delivery = with_details(app.db().reader(), rows).await?.pop();
        let known = delivery.is_some() || refusal.is_some();
        Ok(known.then_some(ResendNotificationPayload { delivery, refusal }))
    }
}

//! The queries that belong to no noun.

use async_graphql::{Context, ID, Object};

use super::arguments::parse_id;
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::loader::{ResourceById, RuleById};
use super::types::{
    BulkRun, CloudAction, Drift, DriftComment, ForgottenResource, IgnoreRule, IgnoredDifference,
    InventoryChange, JobRun, Leftover, Node, NotificationTarget, ProvisionedSpec, Resource, ResourceEvent,
    Viewer, with_details,
};
use super::{app, loaders};
use crate::domain::actor::Role;
use crate::services::{
    bulks, cloud_actions, comments, events, forgetting, ignored, inbox, inventory_changes, job_runs,
    leftovers, notifications, provisioning,
};

/// The queries that have no file of their own.
#[derive(Default)]
pub(super) struct CoreQuery;

/// Read operations. They require the role `platform_viewer` or `platform_admin`.
#[Object]
impl CoreQuery {
    /// Returns the object with this id, of any type; null if there is none.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of an object of any type.")] id: ID,
    ) -> ApiResult<Option<Node>> {
        let id = parse_id(&id)?;
        let (app, loaders) = (app(ctx)?, loaders(ctx)?);
        let db = app.db().reader();
        if let Some(drift) = inbox::find(db, id).await? {
            return Ok(Some(Node::Drift(Drift(drift))));
        }
        if let Some(resource) = loaders.load_one(ResourceById(id)).await? {
            return Ok(Some(Node::Resource(Resource(resource))));
        }
        if let Some(spec) = provisioning::find_active(db, id).await? {
            return Ok(Some(Node::ProvisionedSpec(ProvisionedSpec(spec))));
        }
        if let Some(event) = events::find(db, id).await? {
            return Ok(Some(Node::ResourceEvent(ResourceEvent(event))));
        }
        if let Some(forgotten) = forgetting::find(db, id).await? {
            return Ok(Some(Node::ForgottenResource(ForgottenResource(forgotten))));
        }
        if let Some(rule) = loaders.load_one(RuleById(id)).await? {
            return Ok(Some(Node::IgnoreRule(IgnoreRule::new(rule))));
        }
        if let Some(difference) = ignored::find(db, id).await? {
            return Ok(Some(Node::IgnoredDifference(IgnoredDifference(difference))));
        }
        if let Some(target) = notifications::find(db, id).await? {
            return Ok(Some(Node::NotificationTarget(NotificationTarget(target))));
        }
        if let Some(row) = notifications::find_delivery(db, id).await? {
            let delivery = with_details(db, vec![row]).await?.pop();
            return Ok(delivery.map(Node::NotificationDelivery));
        }
        if let Some(bulk) = bulks::find(db, id).await? {
            return Ok(Some(Node::BulkRun(BulkRun(bulk))));
        }
        if let Some(comment) = comments::find(db, id).await? {
            return Ok(Some(Node::DriftComment(DriftComment(comment))));
        }
        if let Some(action) = cloud_actions::find(db, id).await? {
            return Ok(Some(Node::CloudAction(CloudAction(action))));
        }
        if let Some(change) = inventory_changes::find(db, id).await? {
            return Ok(Some(Node::InventoryChange(InventoryChange(change))));
        }
        if let Some(leftover) = leftovers::find(app.db(), id, app.max_age()).await? {
            return Ok(Some(Node::Leftover(Leftover(leftover))));
        }
        let run = job_runs::shown(app.db(), id).await?;
        Ok(run.map(|run| Node::JobRun(JobRun(run))))
    }

    /// Returns the authenticated user.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn viewer<'c>(&self, ctx: &Context<'c>) -> ApiResult<Viewer<'c>> {
        Ok(Viewer(caller(ctx)?))
    }
}

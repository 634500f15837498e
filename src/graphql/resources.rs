//! The queries and mutations of resources.

use async_graphql::{Context, ID, InputObject, Object};
use entity::forgotten_resources;

use super::arguments::parse_id;
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::loader::ResourceById;
use super::mutation::app_with_fresh_loaders;
use super::refusal::{Outcome, Refusal};
use super::types::{
    COVERED_KINDS, Connection, Explanation, ForgottenResource, KindCoverage, MANY_ROWS, PageArgs, Resource,
    ResourceFilterInput, Total, page_cost,
};
use super::{app, loaders};
use crate::domain::actor::Role;
use crate::services::forgetting::{Forget, forget_resource};
use crate::services::{coverage, explanation, forgetting, resources};

/// Number of fields used to compute the complexity of `explain`.
const COMPARED_FIELDS: usize = 25;
/// Input of `forgetResource`.
#[derive(InputObject)]
struct ForgetResourceInput {
    /// The id of a resource that is gone or unsynced and has no spec in force.
    resource_id: ID,
    /// The reason for the deletion, at most 4096 bytes.
    #[graphql(secret)]
    note: Option<String>,
    /// Whether to delete a resource that has decisions, together with these decisions.
    #[graphql(default)]
    include_history: bool,
}

/// Result of `forgetResource`.
struct ForgetResourcePayload {
    outcome: Outcome<forgotten_resources::Model>,
}

/// Result of `forgetResource`.
#[Object]
impl ForgetResourcePayload {
    /// The record of the deleted resource; null if the mutation was refused.
    async fn forgotten(&self) -> Option<ForgottenResource> {
        self.outcome.done().cloned().map(ForgottenResource)
    }

    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    async fn refusal(&self) -> Option<&Refusal> {
        self.outcome.refusal()
    }
}

/// The queries of resources.
#[derive(Default)]
pub(super) struct ResourceQuery;

/// The queries of resources.
#[Object]
impl ResourceQuery {
    /// Lists the resources of the inventory, in the order in which they were added.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "page_cost(first, last, child_complexity)"
    )]
    async fn resources(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Selects the resources.")] filter: Option<ResourceFilterInput>,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<Resource>> {
        let filter = filter.unwrap_or_default().parse()?;
        let request = PageArgs::new(first, after, last, before).request(ctx, "i")?;
        let page = resources::list(app(ctx)?.db().reader(), &filter, &request).await?;
        Ok(Connection::new(page, "i", Total::Resources(filter), Resource))
    }

    /// Returns the resource with this id; null if there is none.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn resource(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of a resource.")] id: ID,
    ) -> ApiResult<Option<Resource>> {
        Ok(loaders(ctx)?
            .load_one(ResourceById(parse_id(&id)?))
            .await?
            .map(Resource))
    }

    /// Explains the comparison of a field of a resource, also if there is no drift: what was compared, both canonical forms,
    /// and what decided. It compares the stored values now; null if there is no such resource.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "COMPARED_FIELDS + child_complexity"
    )]
    async fn explain(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of a resource.")] resource_id: ID,
        #[graphql(desc = "The name of the field; `*` for the whole resource.")] field: String,
    ) -> ApiResult<Option<Explanation>> {
        let (app, resource) = (app(ctx)?, parse_id(&resource_id)?);
        let explained = explanation::of(app.db(), resource, &field, app.max_age()).await?;
        Ok(explained.map(|explained| Explanation::new(field, explained)))
    }

    /// Lists the records of resources that were deleted with `forgetResource`, newest first.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "page_cost(first, last, child_complexity)"
    )]
    async fn forgotten_resources(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<ForgottenResource>> {
        let request = PageArgs::new(first, after, last, before).request(ctx, "f")?;
        let page = forgetting::list(app(ctx)?.db().reader(), &request).await?;
        Ok(Connection::new(page, "f", Total::Forgotten, ForgottenResource))
    }

    /// Returns how many resources of each kind are managed: one entry for each kind that has resources.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "MANY_ROWS + COVERED_KINDS * child_complexity"
    )]
    async fn coverage(&self, ctx: &Context<'_>) -> ApiResult<Vec<KindCoverage>> {
        let db = app(ctx)?.db();
        let kinds = db.in_lane(coverage::by_kind(db.reader())).await?;
        Ok(kinds.into_iter().map(KindCoverage).collect())
    }
}

/// The mutations of resources.
#[derive(Default)]
pub(super) struct ResourceMutation;

/// The mutations of resources.
#[Object]
impl ResourceMutation {
    /// Deletes a resource from the inventory, with its retired spec, its drifts and its events. Fails with
    /// NOT_FORGETTABLE and a `reason`: STILL_THERE if the resource exists, SPEC_IN_FORCE if it has a spec in
    /// force, or HAS_DECISIONS if it has decisions and `includeHistory` is false. If a later listing contains the
    /// resource, it is stored as a new resource.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn forget_resource(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The resource to delete.")] input: ForgetResourceInput,
    ) -> ApiResult<Option<ForgetResourcePayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let forget = Forget {
            resource_id: parse_id(&input.resource_id)?,
            note: input.note,
            include_history: input.include_history,
        };
        let forgotten = forget_resource(app.db(), caller(ctx)?.name(), &forget, app.clock().now()).await;
        Ok(Some(ForgetResourcePayload {
            outcome: Outcome::of(ctx, forgotten, None)?,
        }))
    }
}

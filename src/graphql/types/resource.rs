//! Resources and their filters.

use async_graphql::{Context, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use entity::cloud_resources;
use uuid::Uuid;

use super::WHOLE_OBJECT;
use super::condition::{Condition, texts};
use super::{
    CloudAction, Connection, Drift, DriftFilterInput, Json, PageArgs, ProvisionedSpec, ResourceEvent,
    SpecVersion, Total, page_cost,
};
use crate::error::{Error, Result};
use crate::graphql::error::ApiResult;
use crate::graphql::loader::{CloudActionsOf, DriftsOf, EventsOf, SpecOf, SpecVersionsOf, SyncedAt};
use crate::services::cloud_actions::ActionsOf;
use crate::services::inventory;
use crate::services::resources::{ResourceChoices, ResourceFilter, source_of};
use crate::services::spec_history;

/// Returns the actions on a resource; those that may have made a change between two times, if these are given.
pub(in crate::graphql) fn actions_of(
    resource: &cloud_resources::Model,
    between: Option<(DateTime<Utc>, DateTime<Utc>)>,
) -> ActionsOf {
    ActionsOf {
        provider: resource.provider.clone(),
        kind: resource.kind.clone(),
        provider_id: resource.provider_id.clone(),
        between,
    }
}

/// Returns a page of actions.
pub(in crate::graphql) async fn actions_page(
    ctx: &Context<'_>,
    of: ActionsOf,
    page: &PageArgs,
) -> ApiResult<Connection<CloudAction>> {
    let request = page.request(ctx, "k")?;
    let loaders = crate::graphql::loaders(ctx)?;
    let page = loaders.load_one(CloudActionsOf(of.clone(), request)).await?;
    let page = page.ok_or_else(no_page)?;
    Ok(Connection::new(page, "k", Total::CloudActions(of), CloudAction))
}

/// Selects resources that match every condition. Absent fields do not restrict the selection.
#[derive(Default, InputObject)]
#[graphql(name = "ResourceFilter")]
pub(in crate::graphql) struct ResourceFilterInput {
    /// The cloud provider, such as `digitalocean`.
    provider: Option<String>,
    /// The kind within the provider, such as `droplet`.
    kind: Option<String>,
    /// The region slug, such as `nyc3`.
    region: Option<String>,
    /// The name of the source that lists the resource.
    source: Option<String>,
    /// `true`: only managed resources, which have a spec in force. `false`: only unmanaged resources, which
    /// exist, have no spec in force and are not owned. Resources without a spec in force that are gone, unsynced
    /// or owned match neither value.
    managed: Option<bool>,
    /// `true`: only resources with an open drift. `false`: only resources without one.
    drifted: Option<bool>,
    /// `true`: only gone resources. `false`: only resources that are not gone.
    gone: Option<bool>,
    /// A substring of the name or the provider id. ASCII letters match in either case.
    search: Option<String>,
    /// Conditions with several values, and exclusions, for each property.
    #[graphql(name = "where")]
    conditions: Option<ResourceConditions>,
}

/// Conditions with several values, and exclusions. A resource must meet all of them, and the other fields of the
/// filter.
#[derive(Default, InputObject)]
pub(in crate::graphql) struct ResourceConditions {
    /// The cloud provider.
    provider: Option<Condition<String>>,
    /// The kind within the provider.
    kind: Option<Condition<String>>,
    /// The region slug. A resource without a region meets every `notIn`.
    region: Option<Condition<String>>,
    /// The name of the source that lists the resource.
    source: Option<Condition<String>>,
}

impl ResourceFilterInput {
    /// Converts the filter for the service.
    ///
    /// # Errors
    ///
    /// BAD_USER_INPUT if a list of values is not valid.
    pub(in crate::graphql) fn parse(self) -> Result<ResourceFilter> {
        let ResourceFilterInput {
            provider,
            kind,
            region,
            source,
            managed,
            drifted,
            gone,
            search,
            conditions,
        } = self;
        let conditions = conditions.unwrap_or_default();
        Ok(ResourceFilter {
            provider,
            kind,
            region,
            source,
            managed,
            drifted,
            gone,
            search,
            choices: ResourceChoices {
                provider: texts("provider", conditions.provider)?,
                kind: texts("kind", conditions.kind)?,
                region: texts("region", conditions.region)?,
                source: texts("source", conditions.source)?,
            },
        })
    }
}

/// An object in a cloud account, as the last listing returned it.
pub(in crate::graphql) struct Resource(pub(in crate::graphql) cloud_resources::Model);

/// An object in a cloud account, as the last listing returned it.
#[Object]
impl Resource {
    /// The unique id of the resource.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The cloud provider, such as `digitalocean`.
    async fn provider(&self) -> &str {
        &self.0.provider
    }

    /// The kind within the provider, such as `droplet`.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// The provider's id, unique within the kind.
    async fn provider_id(&self) -> &str {
        &self.0.provider_id
    }

    /// The provider's uniform resource name, such as `do:droplet:3164444`, or `provider:kind:providerId` if the
    /// provider has none.
    async fn urn(&self) -> &str {
        &self.0.urn
    }

    /// The name of the resource; null if it has none.
    async fn name(&self) -> Option<&str> {
        Some(self.0.name.as_str()).filter(|name| !name.is_empty())
    }

    /// The region slug, such as `nyc3`.
    async fn region(&self) -> Option<&str> {
        self.0.region.as_deref()
    }

    /// The size slug, such as `s-1vcpu-1gb`; null if the resource has none.
    async fn size_slug(&self) -> Option<&str> {
        self.0.size_slug.as_deref()
    }

    /// The status that the provider reports; null if it reports none.
    async fn status(&self) -> Option<&str> {
        self.0.status.as_deref()
    }

    /// The primary IP address; null if the resource has none.
    async fn ip(&self) -> Option<&str> {
        self.0.ip.as_deref()
    }

    /// The id of the VPC that the resource is in; null if it is in none.
    async fn vpc_uuid(&self) -> Option<&str> {
        self.0.vpc_uuid.as_deref()
    }

    /// The id of the project that the resource is in; null if it is in none or the project is not known.
    async fn project_id(&self) -> Option<&str> {
        self.0.project_id.as_deref()
    }

    /// The tags of the resource.
    async fn tags(&self) -> Vec<&str> {
        self.0
            .tags
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|tag| tag.as_str())
            .collect()
    }

    /// All attributes of the resource: a JSON object with the fields that have no field of their own here.
    #[graphql(complexity = "WHOLE_OBJECT")]
    async fn attrs(&self) -> Json {
        Json(self.0.attrs.clone())
    }

    /// The name of the source that lists the resource; null until a listing contains it.
    async fn source(&self) -> Option<&str> {
        source_of(&self.0)
    }

    /// When a listing first contained the resource; null if it is known from an import only.
    async fn first_seen_at(&self) -> Option<DateTime<Utc>> {
        self.0.first_seen_at
    }

    /// When the last complete listing of the resource's kind was applied; null if there was none.
    async fn synced_at(&self, ctx: &Context<'_>) -> ApiResult<Option<DateTime<Utc>>> {
        let kind = SyncedAt(inventory::kind_of(&self.0));
        Ok(crate::graphql::loaders(ctx)?.load_one(kind).await?.flatten())
    }

    /// The time of the complete listing that lacked the resource; null if the resource is not gone.
    async fn gone_at(&self) -> Option<DateTime<Utc>> {
        self.0.gone_at
    }

    /// Whether another part of the cloud created and maintains the resource, such as a worker of a Kubernetes
    /// cluster, a default network or the name servers of a domain. An owned resource needs no spec.
    async fn owned(&self) -> bool {
        self.0.owned
    }

    /// The spec in force; null if there is none.
    async fn provisioned(&self, ctx: &Context<'_>) -> ApiResult<Option<ProvisionedSpec>> {
        let spec = crate::graphql::loaders(ctx)?.load_one(SpecOf(self.0.id)).await?;
        Ok(spec.flatten().map(ProvisionedSpec))
    }

    /// Drifts of the resource, newest first. Without a status filter, open drifts only.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn drifts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Selects the drifts.")] filter: Option<DriftFilterInput>,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<Drift>> {
        let filter = filter.unwrap_or_default().parse()?;
        let request = PageArgs::new(first, after, last, before).request(ctx, "d-")?;
        let page = DriftsOf(self.0.id, filter.clone(), request);
        let page = crate::graphql::loaders(ctx)?
            .load_one(page)
            .await?
            .ok_or_else(no_page)?;
        Ok(Connection::new(
            page,
            "d-",
            Total::DriftsOf(self.0.id, filter),
            Drift,
        ))
    }

    /// All versions of the spec that are kept, newest first.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn spec_versions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<SpecVersion>> {
        let args = PageArgs::new(first, after, last, before);
        spec_history_of(ctx, self.0.id, &args).await
    }

    /// A version of the spec; null if it is not kept. If another program changed a spec and kept its version, the last one.
    async fn spec_at(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The version: 1, 2, 3 and so on.")] version: i32,
    ) -> ApiResult<Option<SpecVersion>> {
        let page = SpecVersionsOf(self.0.id, spec_history::up_to(version));
        let page = crate::graphql::loaders(ctx)?
            .load_one(page)
            .await?
            .ok_or_else(no_page)?;
        Ok(spec_history::only(page, version).map(SpecVersion))
    }

    /// Actions on the resource from the log that the provider keeps, newest first; none if it keeps none, or the token may
    /// not read it. The log names no user.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn cloud_actions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<CloudAction>> {
        let page = PageArgs::new(first, after, last, before);
        actions_page(ctx, actions_of(&self.0, None), &page).await
    }

    /// Events of the resource, newest first.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<ResourceEvent>> {
        let request = PageArgs::new(first, after, last, before).request(ctx, "e")?;
        let page = crate::graphql::loaders(ctx)?
            .load_one(EventsOf(self.0.id, request))
            .await?;
        Ok(Connection::new(
            page.ok_or_else(no_page)?,
            "e",
            Total::EventsOf(self.0.id),
            ResourceEvent,
        ))
    }
}

/// Returns a page of the history of a resource's spec.
pub(super) async fn spec_history_of(
    ctx: &Context<'_>,
    resource: Uuid,
    args: &PageArgs,
) -> ApiResult<Connection<SpecVersion>> {
    let request = args.request(ctx, "v")?;
    let page = crate::graphql::loaders(ctx)?
        .load_one(SpecVersionsOf(resource, request))
        .await?
        .ok_or_else(no_page)?;
    Ok(Connection::new(
        page,
        "v",
        Total::SpecVersionsOf(resource),
        SpecVersion,
    ))
}

fn no_page() -> Error {
    Error::Internal("a loader returned no page".to_owned())
}

//! A resource, and how to ask for resources.

use async_graphql::{Context, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use entity::cloud_resources;

use super::{
    Connection, Drift, DriftFilterInput, Json, PageArgs, ProvisionedSpec, ResourceEvent, Total, page_cost,
};
use crate::error::Error;
use crate::graphql::error::ApiResult;
use crate::graphql::loader::{DriftsOf, EventsOf, SpecOf, SyncedAt};
use crate::services::resources::ResourceFilter;

/// Which resources are wanted. Parts that are absent narrow nothing.
#[derive(Default, InputObject)]
#[graphql(name = "ResourceFilter")]
pub(in crate::graphql) struct ResourceFilterInput {
    /// Cloud that answers for it, such as `digitalocean`.
    provider: Option<String>,
    /// Kind within the provider, such as `droplet`.
    kind: Option<String>,
    /// Region slug.
    region: Option<String>,
    /// `true`: a spec is in force for it. `false`: it is there, and nobody asked for it. Neither of them is what is
    /// gone without a spec, so that nothing is both `managed: false` and `gone: true`; what no listing has had yet;
    /// and what something else of the cloud made and looks after, such as the workers of a Kubernetes cluster, the
    /// default network of a region, or backups.
    managed: Option<bool>,
    /// Whether it has an open drift.
    drifted: Option<bool>,
    /// Whether the last complete listing lacked it.
    gone: Option<bool>,
    /// Part of the name or the provider id; ASCII letters match in either case.
    search: Option<String>,
}

impl From<ResourceFilterInput> for ResourceFilter {
    fn from(input: ResourceFilterInput) -> Self {
        let ResourceFilterInput {
            provider,
            kind,
            region,
            managed,
            drifted,
            gone,
            search,
        } = input;
        Self {
            provider,
            kind,
            region,
            managed,
            drifted,
            gone,
            search,
        }
    }
}

/// One thing in the cloud's inventory, as the last listing had it.
pub(in crate::graphql) struct Resource(pub(in crate::graphql) cloud_resources::Model);

/// One thing in the cloud's inventory, as the last listing had it.
#[Object]
impl Resource {
    /// The id.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Cloud that answers for it, such as `digitalocean`.
    async fn provider(&self) -> &str {
        &self.0.provider
    }

    /// Kind within the provider, such as `droplet`.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// The provider's own id.
    async fn provider_id(&self) -> &str {
        &self.0.provider_id
    }

    /// Uniform resource name: the provider's own, such as `do:droplet:3164444`, or
    /// `provider:kind:providerId` where it has none.
    async fn urn(&self) -> &str {
        &self.0.urn
    }

    /// Name that operators gave it; null if it has none.
    async fn name(&self) -> Option<&str> {
        Some(self.0.name.as_str()).filter(|name| !name.is_empty())
    }

    /// Region slug.
    async fn region(&self) -> Option<&str> {
        self.0.region.as_deref()
    }

    /// Size slug.
    async fn size_slug(&self) -> Option<&str> {
        self.0.size_slug.as_deref()
    }

    /// Status as the provider words it.
    async fn status(&self) -> Option<&str> {
        self.0.status.as_deref()
    }

    /// Primary address.
    async fn ip(&self) -> Option<&str> {
        self.0.ip.as_deref()
    }

    /// Network that it belongs to.
    async fn vpc_uuid(&self) -> Option<&str> {
        self.0.vpc_uuid.as_deref()
    }

    /// Project that it belongs to.
    async fn project_id(&self) -> Option<&str> {
        self.0.project_id.as_deref()
    }

    /// Tags.
    async fn tags(&self) -> Vec<&str> {
        self.0
            .tags
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|tag| tag.as_str())
            .collect()
    }

    /// Everything else that a spec can name.
    async fn attrs(&self) -> Json {
        Json(self.0.attrs.clone())
    }

    /// First listing that had it; null while only an import knows of it.
    async fn first_seen_at(&self) -> Option<DateTime<Utc>> {
        self.0.first_seen_at
    }

    /// When its kind was last listed as a whole.
    async fn synced_at(&self, ctx: &Context<'_>) -> ApiResult<Option<DateTime<Utc>>> {
        let kind = SyncedAt(self.0.provider.clone(), self.0.kind.clone());
        Ok(crate::graphql::loaders(ctx)?.load_one(kind).await?.flatten())
    }

    /// The complete listing that lacked it; null while it is there.
    async fn gone_at(&self) -> Option<DateTime<Utc>> {
        self.0.gone_at
    }

    /// Whether something else of the cloud made it and looks after it, so that nobody has to ask for it: workers,
    /// disks and balancers of Kubernetes, default networks, the name servers of a domain.
    async fn owned(&self) -> bool {
        self.0.owned
    }

    /// What was asked for; null if nothing is.
    async fn provisioned(&self, ctx: &Context<'_>) -> ApiResult<Option<ProvisionedSpec>> {
        let spec = crate::graphql::loaders(ctx)?.load_one(SpecOf(self.0.id)).await?;
        Ok(spec.flatten().map(ProvisionedSpec))
    }

    /// Its drifts, newest first; those that are open unless the filter says otherwise.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn drifts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which drifts.")] filter: Option<DriftFilterInput>,
        #[graphql(desc = "At most this many from the beginning.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the end.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<Drift>> {
        let filter = filter.unwrap_or_default().parse()?;
        let request = PageArgs {
            first,
            after,
            last,
            before,
        }
        .request(ctx, "d-")?;
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

    /// What happened to it, newest first.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most this many from the beginning.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the end.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<ResourceEvent>> {
        let request = PageArgs {
            first,
            after,
            last,
            before,
        }
        .request(ctx, "e")?;
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

fn no_page() -> Error {
    Error::Internal("a loader left out a page".to_owned())
}

//! What can be read.

use async_graphql::{Context, ID, Object};
use entity::job_runs::Job as JobKind;

use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::input::parse_id;
use super::loader::ResourceById;
use super::types::{
    Connection, Drift, DriftFacets, DriftFilterInput, DriftOrder, ForgottenResource, Freshness, Job, JobRun,
    JobSchedule, KindCoverage, Node, PageArgs, ProvisionedSpec, Resource, ResourceEvent, ResourceFilterInput,
    Total, Viewer, page_cost,
};
use super::{app, loaders};
use crate::domain::actor::Role;
use crate::services::{coverage, events, facets, forgetting, inbox, job_runs, provisioning, resources};

/// Kinds that a coverage is taken to cost: a cloud has about this many.
const COVERED_KINDS: usize = 25;

/// Values that facets are taken to have in all.
const FACET_VALUES: usize = 100;

/// What can be read.
pub struct Query;

/// What can be read. Needs the role platform_viewer or platform_admin.
#[Object]
impl Query {
    /// The object of this id, whatever its type; null if there is none.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of any object.")] id: ID,
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
        let run = job_runs::shown(app.db(), id).await?;
        Ok(run.map(|run| Node::JobRun(JobRun(run))))
    }

    /// Who asks.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn viewer<'c>(&self, ctx: &Context<'c>) -> ApiResult<Viewer<'c>> {
        Ok(Viewer(caller(ctx)?))
    }

    /// The inbox: drifts that are open, newest first, unless the arguments say otherwise.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "page_cost(first, last, child_complexity)"
    )]
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn drifts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which drifts.")] filter: Option<DriftFilterInput>,
        #[graphql(desc = "In which order; newest detected first when absent.")] order_by: Option<DriftOrder>,
        #[graphql(desc = "At most this many from the beginning.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the end.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<Drift>> {
        let filter = filter.unwrap_or_default().parse()?;
        let order = order_by.unwrap_or_default();
        let request = PageArgs {
            first,
            after,
            last,
            before,
        }
        .request(ctx, order.name())?;
        let (time, descending) = order.parse();
        let rows = inbox::order_by(time, descending);
        let mut page = inbox::list(app(ctx)?.db().reader(), &filter, rows, &request).await?;
        if shows_resources(ctx) {
            // One whose resource does not decode would take the whole page with it.
            let ids = page.rows.iter().map(|(_, drift)| ResourceById(drift.resource_id));
            let decoded = loaders(ctx)?.load_many(ids).await?;
            page.rows
                .retain(|(_, drift)| decoded.contains_key(&ResourceById(drift.resource_id)));
        }
        Ok(Connection::new(page, order.name(), Total::Drifts(filter), Drift))
    }

    /// The drift of this id; null if there is none.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn drift(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of a drift.")] id: ID,
    ) -> ApiResult<Option<Drift>> {
        Ok(inbox::find(app(ctx)?.db().reader(), parse_id(&id)?)
            .await?
            .map(Drift))
    }

    /// By what the inbox can be narrowed: each value that drifts of the filter have, with how many have it. Each
    /// list leaves out the part of the filter that it is about, so that it shows what else could be chosen.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "FACET_VALUES * child_complexity"
    )]
    async fn drift_facets(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which drifts.")] filter: Option<DriftFilterInput>,
    ) -> ApiResult<DriftFacets> {
        let filter = filter.unwrap_or_default().parse()?;
        let facets = facets::of(app(ctx)?.db().reader(), &filter).await?;
        Ok(DriftFacets(facets))
    }

    /// The inventory, in the order in which resources were first heard of.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "page_cost(first, last, child_complexity)"
    )]
    async fn resources(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which resources.")] filter: Option<ResourceFilterInput>,
        #[graphql(desc = "At most this many from the beginning.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the end.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<Resource>> {
        let filter = filter.unwrap_or_default().into();
        let request = PageArgs {
            first,
            after,
            last,
            before,
        }
        .request(ctx, "i")?;
        let page = resources::list(app(ctx)?.db().reader(), &filter, &request).await?;
        Ok(Connection::new(page, "i", Total::Resources(filter), Resource))
    }

    /// The resource of this id; null if there is none.
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

    /// What remains of resources that operators had deleted from the inventory, newest first.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "page_cost(first, last, child_complexity)"
    )]
    async fn forgotten_resources(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most this many from the beginning.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the end.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<ForgottenResource>> {
        let request = PageArgs {
            first,
            after,
            last,
            before,
        }
        .request(ctx, "f")?;
        let page = forgetting::list(app(ctx)?.db().reader(), &request).await?;
        Ok(Connection::new(page, "f", Total::Forgotten, ForgottenResource))
    }

    /// How much of the inventory is asked for: one entry for each kind of which there is something.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "COVERED_KINDS * child_complexity"
    )]
    async fn coverage(&self, ctx: &Context<'_>) -> ApiResult<Vec<KindCoverage>> {
        let kinds = coverage::by_kind(app(ctx)?.db().reader()).await?;
        Ok(kinds.into_iter().map(KindCoverage).collect())
    }

    /// Whether the newest sweep vouches for the inbox: that the inventory is complete and recent for every spec, and
    /// that the sweep compared all of it. An empty inbox means that nothing differs only if it does.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "COVERED_KINDS * child_complexity"
    )]
    async fn freshness(&self, ctx: &Context<'_>) -> ApiResult<Freshness> {
        let app = app(ctx)?;
        let db = app.db();
        Ok(Freshness {
            inventory: app.freshness().await?,
            sweep: job_runs::last_sweep(db).await?,
            never_listed: resources::never_listed(db.reader()).await?,
            max_age: app.max_age().clone(),
            now: db.time(db.reader()).await?,
        })
    }

    /// When the jobs run by themselves: one entry for each.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn job_schedules(&self, ctx: &Context<'_>) -> ApiResult<Vec<JobSchedule>> {
        let app = app(ctx)?;
        let of = |job| JobSchedule {
            job,
            schedule: app.schedules().of(job).cloned(),
            now: app.clock().now(),
        };
        Ok(vec![of(JobKind::SyncInventory), of(JobKind::DetectDrift)])
    }

    /// Runs of the jobs, newest first.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "page_cost(first, last, child_complexity)"
    )]
    async fn job_runs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only runs of this job.")] job: Option<Job>,
        #[graphql(desc = "At most this many from the beginning.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the end.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<JobRun>> {
        let job = job.map(Into::into);
        let request = PageArgs {
            first,
            after,
            last,
            before,
        }
        .request(ctx, "j")?;
        let app = app(ctx)?;
        let page = job_runs::list(app.db(), job, &request).await?;
        Ok(Connection::new(page, "j", Total::JobRuns(job), JobRun))
    }
}

/// Whether a page of drifts is asked for with their resources.
fn shows_resources(ctx: &Context<'_>) -> bool {
    let page = ctx.look_ahead();
    [page.field("nodes"), page.field("edges").field("node")]
        .iter()
        .any(|drift| drift.field("resource").exists())
}

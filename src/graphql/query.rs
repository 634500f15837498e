//! The queries.

use async_graphql::{Context, ID, Object};
use entity::job_runs::Job as JobKind;

use super::arguments::parse_id;
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::loader::{ResourceById, RuleById};
use super::types::{
    BulkRun, CloudAction, Connection, Drift, DriftFacets, DriftFilterInput, DriftGroup, DriftGroupBy,
    DriftOrder, Explanation, ForgottenResource, Freshness, IgnoreRule, IgnoredDifference, InventoryChange,
    Job, JobRun, JobSchedule, KindCoverage, Node, NotificationDelivery, NotificationState,
    NotificationTarget, PageArgs, ProvisionedSpec, Resource, ResourceEvent, ResourceFilterInput, Source,
    SpecDifference, Total, Viewer, by_or_cause, page_cost, with_all_details, with_details,
};
use super::written::{self, DriftList, Wanted};
use super::{app, loaders};
use crate::domain::actor::Role;
use crate::domain::schedule::Schedule;
use crate::provider::traits::MEMBER_NAMES;
use crate::services::{
    bulks, cloud_actions, coverage, events, explanation, facets, forgetting, groups, ignored, inbox,
    inventory_changes, job_runs, notifications, provisioning, resources, spec_history,
};

/// Number of kinds used to compute the complexity of `coverage`: about the number of kinds of one provider.
const COVERED_KINDS: usize = 25;

/// Number of values used to compute the complexity of `driftFacets`.
const FACET_VALUES: usize = 100;

/// Number of fields used to compute the complexity of `specDifference`.
const COMPARED_FIELDS: usize = 25;

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
        if let Some(action) = cloud_actions::find(db, id).await? {
            return Ok(Some(Node::CloudAction(CloudAction(action))));
        }
        if let Some(change) = inventory_changes::find(db, id).await? {
            return Ok(Some(Node::InventoryChange(InventoryChange(change))));
        }
        let run = job_runs::shown(app.db(), id).await?;
        Ok(run.map(|run| Node::JobRun(JobRun(run))))
    }

    /// Returns the authenticated user.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn viewer<'c>(&self, ctx: &Context<'c>) -> ApiResult<Viewer<'c>> {
        Ok(Viewer(caller(ctx)?))
    }

    /// Lists drifts. By default the open ones, newest first.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "page_cost(first, last, child_complexity)"
    )]
    #[expect(
        clippy::too_many_arguments,
        reason = "these are the arguments of the GraphQL field"
    )]
    async fn drifts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Selects the drifts.")] filter: Option<DriftFilterInput>,
        #[graphql(desc = "The order of the list. Default: `DETECTED_AT`, newest first.")] order_by: Option<
            DriftOrder,
        >,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<DriftList> {
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
        let wanted = Wanted {
            filter: &filter,
            order: rows,
            order_name: order.name(),
            request: &request,
        };
        if let Some(list) = written::drifts(ctx, &wanted).await? {
            return Ok(list);
        }
        let mut page = inbox::list(app(ctx)?.db().reader(), &filter, rows, &request).await?;
        if shows_resources(ctx) {
            // A drift whose resource cannot be decoded would fail the whole page.
            let ids = page.rows.iter().map(|(_, drift)| ResourceById(drift.resource_id));
            let decoded = loaders(ctx)?.load_many(ids).await?;
            page.rows
                .retain(|(_, drift)| decoded.contains_key(&ResourceById(drift.resource_id)));
        }
        let rows = Connection::new(page, order.name(), Total::Drifts(filter), Drift);
        Ok(DriftList::Rows(Box::new(rows)))
    }

    /// Returns the drift with this id; null if there is none.
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

    /// Lists the kinds, regions and fields of the selected drifts, with counts. The list of kinds ignores the
    /// `resourceKind` of the filter, the list of regions its `region` and the list of fields its `field`.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "FACET_VALUES * child_complexity"
    )]
    async fn drift_facets(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Selects the drifts.")] filter: Option<DriftFilterInput>,
    ) -> ApiResult<DriftFacets> {
        let filter = filter.unwrap_or_default().parse()?;
        let facets = facets::of(app(ctx)?.db().reader(), &filter).await?;
        Ok(DriftFacets(facets))
    }

    /// Groups the selected drifts, those with the newest drifts first: many drifts with one cause are one row. Drifts of
    /// missing resources are grouped by the kind of the resource. Values are equal as they are for comparisons, and
    /// redacted values count as equal. A drift that a server of an earlier release wrote is a group of its own until the
    /// next sweep.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "page_cost(first, last, child_complexity)"
    )]
    #[expect(
        clippy::too_many_arguments,
        reason = "these are the arguments of the GraphQL field"
    )]
    async fn drift_groups(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "What the drifts of a group have in common. Default: `[FIELD, EXPECTED, ACTUAL, KIND]`."
        )]
        by: Option<Vec<DriftGroupBy>>,
        #[graphql(desc = "Selects the drifts.")] filter: Option<DriftFilterInput>,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<DriftGroup>> {
        let by = by_or_cause(by)?;
        let filter = filter.unwrap_or_default().parse()?;
        let request = PageArgs {
            first,
            after,
            last,
            before,
        }
        .request(ctx, "g-")?;
        let page = groups::list(app(ctx)?.db().reader(), &filter, &by, &request).await?;
        let view = |group| DriftGroup {
            group,
            filter: filter.clone(),
        };
        Ok(Connection::new(
            page,
            "g-",
            Total::Groups(filter.clone(), by),
            view,
        ))
    }

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

    /// Returns the difference between two versions of the spec of a resource; null if one of them is not kept.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "COMPARED_FIELDS * child_complexity"
    )]
    async fn spec_difference(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of a resource.")] resource_id: ID,
        #[graphql(desc = "The first version, usually the earlier one.")] from: i32,
        #[graphql(desc = "The second version.")] to: i32,
    ) -> ApiResult<Option<SpecDifference>> {
        let (db, resource) = (app(ctx)?.db().reader(), parse_id(&resource_id)?);
        let found = spec_history::difference(db, resource, [from, to], &MEMBER_NAMES).await?;
        Ok(found.map(Into::into))
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

    /// Returns how many resources of each kind are managed: one entry for each kind that has resources.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "COVERED_KINDS * child_complexity"
    )]
    async fn coverage(&self, ctx: &Context<'_>) -> ApiResult<Vec<KindCoverage>> {
        let kinds = coverage::by_kind(app(ctx)?.db().reader()).await?;
        Ok(kinds.into_iter().map(KindCoverage).collect())
    }

    /// Returns whether the inbox is up to date. Only then does an empty inbox mean that nothing differs.
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

    /// Lists the registered sources of the inventory with their states, by name; at most 1,000.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "COVERED_KINDS * child_complexity"
    )]
    async fn sources(&self, ctx: &Context<'_>) -> ApiResult<Vec<Source>> {
        let sources = app(ctx)?.sources().await?;
        Ok(sources.into_iter().take(MAX_LISTED_SOURCES).map(Source).collect())
    }

    /// Returns the schedules of the jobs, at most 1,000: one entry for the sync of each source that has a schedule, and one
    /// for the sweep. A job without a schedule has one entry.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn job_schedules(&self, ctx: &Context<'_>) -> ApiResult<Vec<JobSchedule>> {
        let app = app(ctx)?;
        let of = |job, source: Option<&str>, schedule: Option<Schedule>| JobSchedule {
            job,
            source: source.map(str::to_owned),
            schedule,
            now: app.clock().now(),
        };
        let mut timetable = app.timetable();
        timetable.truncate(MAX_LISTED_SOURCES);
        let mut schedules: Vec<JobSchedule> = Vec::with_capacity(timetable.len() + 2);
        for job in [JobKind::SyncInventory, JobKind::DetectDrift] {
            let listed = timetable.iter().filter(|(request, _)| request.job() == job);
            let before = schedules.len();
            schedules
                .extend(listed.map(|(request, schedule)| of(job, request.source(), Some(schedule.clone()))));
            if schedules.len() == before {
                schedules.push(of(job, None, None));
            }
        }
        Ok(schedules)
    }

    /// Lists runs of the jobs, newest first.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "page_cost(first, last, child_complexity)"
    )]
    async fn job_runs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns only runs of this job.")] job: Option<Job>,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
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
        let request = PageArgs {
            first,
            after,
            last,
            before,
        }
        .request(ctx, "nt")?;
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
        let request = PageArgs {
            first,
            after,
            last,
            before,
        }
        .request(ctx, "nd")?;
        let db = app(ctx)?.db().reader();
        let page = notifications::list_deliveries(db, target, state, &request).await?;
        let page = with_all_details(db, page).await?;
        let total = Total::NotificationDeliveries(target, state);
        Ok(Connection::new(page, "nd", total, |delivery| delivery))
    }
}

/// Maximum number of sources in one answer.
const MAX_LISTED_SOURCES: usize = 1_000;

/// Returns whether the query selects the resources of a page of drifts.
fn shows_resources(ctx: &Context<'_>) -> bool {
    let page = ctx.look_ahead();
    [page.field("nodes"), page.field("edges").field("node")]
        .iter()
        .any(|drift| drift.field("resource").exists())
}

//! The queries and mutations of drifts.

use async_graphql::{Context, ID, InputObject, Object};
use uuid::Uuid;

use super::arguments::parse_id;
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::loader::ResourceById;
use super::mutation::app_with_fresh_loaders;
use super::refusal::{Outcome, Refusal, current_drift, selects};
use super::types::{
    Connection, Drift, DriftFacets, DriftFilterInput, DriftGroup, DriftGroupBy, DriftOrder, MANY_ROWS,
    PageArgs, ProvisionedSpec, SpecSource, Total, by_or_cause, page_cost,
};
use super::written::{self, DriftList, Wanted};
use super::{app, loaders};
use crate::domain::actor::Role;
use crate::services::acceptance::{self, AcceptDrift, Accepted};
use crate::services::{facets, groups, inbox};

/// Number of values used to compute the complexity of `driftFacets`.
const FACET_VALUES: usize = 100;

/// Input of `acceptDrift`.
#[derive(InputObject)]
struct AcceptDriftInput {
    /// The id of the drift.
    drift_id: ID,
    /// The revision that you have seen. If the drift has another revision, the accept fails with
    /// LIVE_VALUE_MOVED.
    revision: Option<i32>,
    /// The reason for the decision, at most 4096 bytes.
    #[graphql(secret)]
    note: Option<String>,
}

/// Result of `acceptDrift`.
struct AcceptDriftPayload {
    drift_id: Uuid,
    outcome: Outcome<Accepted>,
}

/// Result of `acceptDrift`.
#[Object]
impl AcceptDriftPayload {
    /// The accepted drift; if the accept was refused, the drift as it is now.
    async fn drift(&self, ctx: &Context<'_>) -> ApiResult<Drift> {
        match self.outcome.done() {
            Some(accepted) => Ok(Drift(accepted.drift.clone())),
            None => current_drift(ctx, self.drift_id).await,
        }
    }

    /// The new version of the spec; null if the resource was missing and its spec was retired, or if the accept was refused.
    async fn provisioned(&self) -> Option<ProvisionedSpec> {
        self.outcome.done()?.provisioned.clone().map(ProvisionedSpec)
    }

    /// The source of the spec if a Terraform state owns it. Otherwise null.
    async fn owned_by(&self) -> Option<SpecSource> {
        self.outcome.done()?.owned_by.clone().map(SpecSource)
    }

    /// A warning that the next apply of Terraform will undo this accept unless the configuration follows, and what the
    /// next import of the state does; null if no state owns the spec.
    async fn warning(&self) -> Option<&str> {
        self.outcome.done()?.warning.as_deref()
    }

    /// Whether this is the answer to an earlier accept of the same user with the same revision, whose result still stands.
    /// Then nothing has changed now, and the note of the earlier accept stays. Select this field to repeat an accept
    /// whose answer was lost; without it, a repeated accept fails with ALREADY_RESOLVED.
    async fn replayed(&self) -> bool {
        self.outcome.done().is_some_and(|accepted| accepted.replayed)
    }

    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    async fn refusal(&self) -> Option<&Refusal> {
        self.outcome.refusal()
    }
}

/// The queries of drifts.
#[derive(Default)]
pub(super) struct DriftQuery;

/// The queries of drifts.
#[Object]
impl DriftQuery {
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
        let request = PageArgs::new(first, after, last, before).request(ctx, order.name())?;
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
        complexity = "MANY_ROWS / 2 + FACET_VALUES * child_complexity"
    )]
    async fn drift_facets(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Selects the drifts.")] filter: Option<DriftFilterInput>,
    ) -> ApiResult<DriftFacets> {
        let filter = filter.unwrap_or_default().parse()?;
        let db = app(ctx)?.db();
        let facets = db.in_lane(facets::of(db.reader(), &filter)).await?;
        Ok(DriftFacets(facets, filter))
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
        let request = PageArgs::new(first, after, last, before).request(ctx, "g-")?;
        let db = app(ctx)?.db();
        let page = db
            .in_lane(groups::list(db.reader(), &filter, &by, &request))
            .await?;
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
}

/// The mutations of drifts.
#[derive(Default)]
pub(super) struct DriftMutation;

/// The mutations of drifts.
#[Object]
impl DriftMutation {
    /// Accepts a drift: makes the live value the expected one. For a missing resource, retires the spec. Fails
    /// with ALREADY_RESOLVED if the drift is not open, with LIVE_VALUE_MOVED if the live value or the revision
    /// has changed, and with SPEC_MOVED if the spec has changed.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn accept_drift(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The drift to accept.")] input: AcceptDriftInput,
    ) -> ApiResult<Option<AcceptDriftPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let accept = AcceptDrift {
            drift_id: parse_id(&input.drift_id)?,
            revision: input.revision,
            note: input.note,
        };
        let (actor, now) = (caller(ctx)?.name(), app.clock().now());
        let accepted = match selects(ctx, "replayed") {
            true => acceptance::accept_drift_once(app.db(), actor, &accept, now).await,
            false => acceptance::accept_drift(app.db(), actor, &accept, now).await,
        };
        Ok(Some(AcceptDriftPayload {
            drift_id: accept.drift_id,
            outcome: Outcome::of(ctx, accepted, Some(accept.drift_id))?,
        }))
    }
}

/// Returns whether the query selects the resources of a page of drifts.
fn shows_resources(ctx: &Context<'_>) -> bool {
    let page = ctx.look_ahead();
    [page.field("nodes"), page.field("edges").field("node")]
        .iter()
        .any(|drift| drift.field("resource").exists())
}

//! The queries of leftovers.

use async_graphql::{Context, Object};

use super::app;
use super::error::ApiResult;
use super::guard::AtLeast;
use super::types::{
    Connection, Leftover, LeftoverFilterInput, LeftoverSummary, ListPrice, PageArgs, Total, list_prices,
    page_cost,
};
use crate::domain::actor::Role;
use crate::services::leftovers;

/// Number of days if the argument is absent.
const DAYS: i32 = 7;

/// Number of columns that are summed, used to compute the complexity of a summary.
const SUMMED: usize = 50;

/// The queries of leftovers.
#[derive(Default)]
pub(super) struct LeftoverQuery;

/// The queries of leftovers.
#[Object]
impl LeftoverQuery {
    /// Lists unmanaged resources that serve nothing, such as volumes without a droplet; those that have served nothing for
    /// the longest time first. A resource that something could use which was not listed completely has the state UNKNOWN.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "page_cost(first, last, child_complexity)"
    )]
    #[expect(
        clippy::too_many_arguments,
        reason = "these are the arguments of the GraphQL field"
    )]
    async fn leftovers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Selects the leftovers.")] filter: Option<LeftoverFilterInput>,
        #[graphql(
            desc = "Returns only those that have served nothing for at least this many days. Default: 7."
        )]
        older_than_days: Option<i32>,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<Leftover>> {
        let request = PageArgs::new(first, after, last, before).request(ctx, "l")?;
        let app = app(ctx)?;
        let filter = filter.unwrap_or_default().parse();
        let days = older_than_days.unwrap_or(DAYS).into();
        let page = leftovers::list(app.db(), &filter, days, &request, app.max_age()).await?;
        Ok(Connection::new(
            page,
            "l",
            Total::Leftovers(filter, days),
            Leftover,
        ))
    }

    /// Counts the leftovers that `leftovers` lists, and sums their list prices.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "SUMMED + child_complexity"
    )]
    async fn leftover_summary(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Selects the leftovers.")] filter: Option<LeftoverFilterInput>,
        #[graphql(
            desc = "Counts only those that have served nothing for at least this many days. Default: 7."
        )]
        older_than_days: Option<i32>,
    ) -> ApiResult<LeftoverSummary> {
        let app = app(ctx)?;
        let filter = filter.unwrap_or_default().parse();
        let days = older_than_days.unwrap_or(DAYS).into();
        let summary = leftovers::summary(app.db(), &filter, days, app.max_age());
        let summary = app.db().in_lane(summary).await?;
        Ok(LeftoverSummary(summary))
    }

    /// Lists the list prices that leftovers are priced with, at most 100.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn list_prices(&self) -> ApiResult<Vec<ListPrice>> {
        Ok(list_prices())
    }
}

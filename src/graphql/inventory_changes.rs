//! The query of the changes that syncs saw.

use async_graphql::{Context, Object};

use super::app;
use super::error::ApiResult;
use super::guard::AtLeast;
use super::types::{Connection, InventoryChange, InventoryChangeFilterInput, PageArgs, Total, page_cost};
use crate::domain::actor::Role;
use crate::services::inventory_changes;

/// The query of the changes that syncs saw.
#[derive(Default)]
pub(super) struct InventoryChangeQuery;

/// The query of the changes that syncs saw.
#[Object]
impl InventoryChangeQuery {
    /// Lists what syncs saw change in the account, newest first: resources that appeared, are gone or returned, and fields
    /// with their values before and after. It includes unmanaged resources and DNS records. It names no user: a listing
    /// does not show who changed what.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "page_cost(first, last, child_complexity)"
    )]
    async fn changes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns only changes that match; all if absent.")] filter: Option<
            InventoryChangeFilterInput,
        >,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<InventoryChange>> {
        let request = PageArgs::new(first, after, last, before).request(ctx, "c")?;
        let filter = filter.unwrap_or_default().parse()?;
        let page = inventory_changes::list(app(ctx)?.db().reader(), &filter, &request).await?;
        Ok(Connection::new(
            page,
            "c",
            Total::Changes(filter),
            InventoryChange,
        ))
    }
}

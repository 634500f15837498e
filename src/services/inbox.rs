//! Queries of the inbox.

mod branches;
mod filter;
mod pages;
mod ranges;
mod recurrences;

use entity::{cloud_drift as drift, cloud_provisioned as provisioned, cloud_resources as resources};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, Iterable as _, QueryFilter};
use uuid::Uuid;

pub(super) use self::branches::to_count;
pub(crate) use self::filter::up_to_micros;
pub use self::filter::{DriftChoices, DriftFilter, FilteredResource};
pub(super) use self::filter::{resource_kind, resource_region};
pub(crate) use self::pages::{DriftPages, DriftWithResource};
pub(crate) use self::recurrences::{Recurrence, recurrences_of};
use super::cells::{Cells, Reader, is_known};
use super::drift_rows::is_open;
use super::page::{self, KeyColumns, Order, Page, PageRequest};
use super::totals;
use crate::db::{decodable, untested_first};
use crate::error::Result;

/// Returns whether open drifts are of resources of two or more sources.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn has_several_sources<C: ConnectionTrait>(connection: &C) -> Result<bool> {
    let select = Query::select()
        .distinct()
        .column((resources::Entity, resources::Column::Source))
        .from(drift::Entity)
        .inner_join(
            resources::Entity,
            Expr::col((resources::Entity, resources::Column::Id))
                .equals((drift::Entity, drift::Column::ResourceId)),
        )
        .and_where(is_open())
        .and_where(Expr::col((resources::Entity, resources::Column::Source)).ne(""))
        .limit(2)
        .to_owned();
    Ok(connection.query_all(&select).await?.len() > 1)
}

/// Returns the drifts with these ids, with one statement.
pub(crate) async fn by_ids<C: ConnectionTrait>(
    connection: &C,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<drift::Model>> {
    let select = drift::Entity::find().filter(drift::Column::Id.is_in(ids));
    Ok(decodable(select, connection).await?.0)
}

/// The time that the inbox is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DriftTime {
    /// The time at which a sweep first detected the drift.
    #[default]
    DetectedAt,
    /// The time at which the drift was closed; open drifts come after all others.
    ResolvedAt,
}

/// Returns the order of drifts by this time.
pub fn order_by(time: DriftTime, descending: bool) -> Order<drift::Column> {
    let time = match time {
        DriftTime::DetectedAt => drift::Column::DetectedAt,
        DriftTime::ResolvedAt => drift::Column::ResolvedAt,
    };
    Order {
        time: Some(time),
        id: drift::Column::Id,
        descending,
    }
}

/// Returns the time of an order.
fn time_of(order: Order<drift::Column>) -> DriftTime {
    match order.time {
        Some(drift::Column::ResolvedAt) => DriftTime::ResolvedAt,
        _ => DriftTime::DetectedAt,
    }
}

/// Returns one page of the drifts that match the filter.
///
/// # Errors
///
/// BAD_USER_INPUT if the filter is not valid.
pub async fn list<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
    order: Order<drift::Column>,
    request: &PageRequest,
) -> Result<Page<drift::Model>> {
    filter.check()?;
    page::fetch_any(
        connection,
        &branches::of(connection, filter, time_of(order)).await?,
        order,
        request,
    )
    .await
}

/// Number of the columns of a drift, with which each row of [`list_cells`] begins.
pub(crate) const DRIFT_CELLS: usize = drift::Column::Flapping as usize + 1;

/// Returns one page of the drifts that match the filter, as cells: all columns of the drift in the order of the
/// entity, then those of its resource that are given, the first of which must be its id, and then the address if it is
/// wanted. A drift whose resource does not decode is left out.
///
/// # Errors
///
/// BAD_USER_INPUT if the filter is not valid.
pub(crate) async fn list_cells<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
    order: Order<drift::Column>,
    request: &PageRequest,
    (resource, has_address): (&[resources::Column], bool),
) -> Result<Page<Cells>> {
    filter.check()?;
    let reader = Reader::of::<drift::Entity>(drift::Column::Id, drift::Column::Id as usize)
        .with(drift::Column::iter(), |column| match column {
            drift::Column::Kind => Some(is_known::<drift::DriftKind>),
            drift::Column::Status => Some(is_known::<drift::DriftStatus>),
            drift::Column::CloseReason => Some(is_known::<drift::CloseReason>),
            drift::Column::Severity => Some(is_known::<drift::Severity>),
            drift::Column::WindowBasis => Some(is_known::<drift::WindowBasis>),
            _ => None,
        })
        .with(resource.iter().copied(), |_| None)
        .with(has_address.then_some(provisioned::Column::Address), |_| None);
    let key = KeyColumns {
        time: order.time.unwrap_or(drift::Column::DetectedAt) as usize,
        id: drift::Column::Id as usize,
    };
    let with_others = |mut select: SelectStatement| {
        if !resource.is_empty() {
            let id = Expr::col((resources::Entity, resources::Column::Id));
            let same = id.equals((drift::Entity, drift::Column::ResourceId));
            select.left_join(resources::Entity, same);
            select.columns(resource.iter().map(|column| (resources::Entity, *column)));
        }
        if has_address {
            let id = Expr::col((provisioned::Entity, provisioned::Column::ResourceId));
            let same = id.equals((drift::Entity, drift::Column::ResourceId));
            select.left_join(provisioned::Entity, same);
            select.column((provisioned::Entity, provisioned::Column::Address));
        }
        select
    };
    let selects = branches::of(connection, filter, time_of(order)).await?;
    let constant = filter.is_of_statuses_only() && request.after.is_none() && request.before.is_none();
    let reading = (&reader, constant);
    let page = || page::fetch_cells(connection, &selects, (order, key), request, with_others, reading);
    untested_first(page).await
}

/// Returns the number of drifts that match the filter.
///
/// # Errors
///
/// BAD_USER_INPUT if the filter is not valid.
pub async fn count<C: ConnectionTrait>(connection: &C, filter: &DriftFilter) -> Result<i64> {
    filter.check()?;
    if let Some(total) = totals::count_drifts(connection, filter).await? {
        return Ok(total);
    }
    if let Some([all, snoozed]) = filter.as_difference() {
        // Two reads may differ by what was written in between.
        let all = Box::pin(count(connection, &all)).await?;
        return Ok(Ord::max(all - Box::pin(count(connection, &snoozed)).await?, 0));
    }
    let (select, filters) = to_count(connection, filter).await?;
    let mut total = page::count(connection, select, drift::Column::Id).await?;
    for filter in filters {
        total += match totals::count_drifts(connection, &filter).await? {
            Some(total) => total,
            None => {
                let select = filter.select(connection.get_database_backend());
                page::count(connection, select, drift::Column::Id).await?
            }
        };
    }
    Ok(total)
}

/// Returns one page of drifts for each resource, newest first. One statement reads up to 200 pages.
pub(crate) async fn pages_of<C: ConnectionTrait>(
    connection: &C,
    requests: &[(Uuid, DriftFilter, PageRequest)],
) -> Result<Vec<Page<drift::Model>>> {
    let mut selects = Vec::with_capacity(requests.len());
    for (resource, filter, request) in requests {
        filter.check()?;
        let select = filter
            .select(connection.get_database_backend())
            .filter(drift::Column::ResourceId.eq(*resource));
        selects.push((select, request.clone()));
    }
    page::fetch_many(connection, selects, order_by(DriftTime::DetectedAt, true)).await
}

/// Returns one page of drifts for each filter, newest first. One statement reads up to 200 pages.
pub(crate) async fn pages<C: ConnectionTrait>(
    connection: &C,
    requests: &[(DriftFilter, PageRequest)],
) -> Result<Vec<Page<drift::Model>>> {
    let mut selects = Vec::with_capacity(requests.len());
    for (filter, request) in requests {
        filter.check()?;
        selects.push((filter.select(connection.get_database_backend()), request.clone()));
    }
    page::fetch_many(connection, selects, order_by(DriftTime::DetectedAt, true)).await
}

/// Returns the number of drifts that match the filter, for each resource. Resources without such drifts are left out.
pub(crate) async fn counts_of<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
    of: &[Uuid],
) -> Result<Vec<(Uuid, i64)>> {
    filter.check()?;
    let select = filter
        .select(connection.get_database_backend())
        .filter(drift::Column::ResourceId.is_in(of.iter().copied()));
    page::count_by_parent(connection, select, drift::Column::ResourceId).await
}

/// Returns the drift with this id.
pub(crate) async fn find<C: ConnectionTrait>(connection: &C, id: Uuid) -> Result<Option<drift::Model>> {
    page::find_one(connection, drift::Entity::find_by_id(id)).await
}

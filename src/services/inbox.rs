//! Queries of the inbox.

mod filter;
mod pages;

use entity::cloud_drift as drift;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

pub(crate) use self::filter::up_to_micros;
pub use self::filter::{DriftFilter, FilteredResource};
pub(crate) use self::pages::{DriftPages, DriftWithResource};
use super::page::{self, Order, Page, PageRequest};
use super::totals;
use crate::db::decodable;
use crate::error::Result;

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
    page::fetch(
        connection,
        filter.select(connection.get_database_backend()),
        order,
        request,
    )
    .await
}

/// Returns the number of drifts that match the filter.
pub(crate) async fn count<C: ConnectionTrait>(connection: &C, filter: &DriftFilter) -> Result<i64> {
    filter.check()?;
    if let Some(total) = totals::count_drifts(connection, filter).await? {
        return Ok(total);
    }
    page::count(
        connection,
        filter.select(connection.get_database_backend()),
        drift::Column::Id,
    )
    .await
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

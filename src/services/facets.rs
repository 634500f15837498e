//! Facets: the values by which the inbox can be filtered.

use entity::{cloud_drift as drift, drift_totals as totals};
use sea_orm::sea_query::{Alias, Asterisk, Expr, ExprTrait as _};
use sea_orm::{
    ConnectionTrait, FromQueryResult, Order, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};

use super::choices::Choice;
use super::inbox::{self, DriftFilter};
use crate::error::Result;

/// Maximum number of values per facet. Longer lists are not useful to scroll through.
const MAX_VALUES: u64 = 100;

/// A value and the number of drifts that have it.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct FacetCount {
    /// The value to set in a [`DriftFilter`].
    pub value: String,
    /// The number of drifts with this value.
    pub count: i64,
}

/// The facets of the drifts that match a filter: at most 100 values per facet, most frequent first.
#[derive(Clone, Debug)]
pub(crate) struct DriftFacets {
    /// Kinds of the resources. The kinds in the filter are ignored.
    pub resource_kinds: Vec<FacetCount>,
    /// Regions of the resources. The regions in the filter are ignored.
    pub regions: Vec<FacetCount>,
    /// Fields of the drifts. The fields in the filter are ignored.
    pub fields: Vec<FacetCount>,
}

/// Counts the values of each facet among the drifts that match `filter`. Runs three statements.
///
/// # Errors
///
/// BAD_USER_INPUT if the filter is not valid.
pub(crate) async fn of<C: ConnectionTrait>(connection: &C, filter: &DriftFilter) -> Result<DriftFacets> {
    filter.check()?;
    let mut any_kind = DriftFilter {
        resource_kind: None,
        ..filter.clone()
    };
    any_kind.choices.resource_kind = Choice::default();
    let mut any_region = DriftFilter {
        region: None,
        ..filter.clone()
    };
    any_region.choices.region = Choice::default();
    let mut any_field = DriftFilter {
        field: None,
        ..filter.clone()
    };
    any_field.choices.field = Choice::default();
    Ok(DriftFacets {
        resource_kinds: count_values(connection, &any_kind, totals::Column::Kind).await?,
        regions: count_values(connection, &any_region, totals::Column::Region).await?,
        fields: count_values(connection, &any_field, totals::Column::Field).await?,
    })
}

/// Counts the values of a column: from the totals if they are kept for this filter, otherwise from the drifts.
async fn count_values<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
    column: totals::Column,
) -> Result<Vec<FacetCount>> {
    if let Some(counts) = super::totals::count_values(connection, filter, column, MAX_VALUES).await? {
        return Ok(counts);
    }
    let drifts = match inbox::to_count(connection, filter).await? {
        (select, further) if further.is_empty() => select,
        _ => filter.select(connection.get_database_backend()),
    };
    let column = match column {
        totals::Column::Field => Expr::col((drift::Entity, drift::Column::Field)),
        totals::Column::Region => inbox::resource_region(),
        _ => inbox::resource_kind(),
    };
    count_rows(connection, drifts, column).await
}

/// Counts the values of a column among the selected drifts. Drifts for which it is empty are left out.
async fn count_rows<C: ConnectionTrait>(
    connection: &C,
    select: Select<drift::Entity>,
    column: Expr,
) -> Result<Vec<FacetCount>> {
    let counts = select
        .select_only()
        .column_as(column.clone(), "value")
        .column_as(Expr::col(Asterisk).count(), "count")
        .filter(column.clone().ne(""))
        .group_by(column.clone())
        .order_by(Expr::col(Alias::new("count")), Order::Desc)
        .order_by(column, Order::Asc)
        .limit(MAX_VALUES)
        .into_model::<FacetCount>()
        .all(connection)
        .await?;
    Ok(counts)
}

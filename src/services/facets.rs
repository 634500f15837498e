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

/// Maximum number of values that snoozed drifts have. There are no more drifts that a facet counts among them.
const LONGEST_LIST: u64 = 100_000;

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
    if let Some([all, snoozed]) = filter.as_difference() {
        let snoozed = rows_by(connection, &snoozed, column, LONGEST_LIST).await?;
        // A value may lose its place only if it is one of the snoozed drifts.
        let most = MAX_VALUES.saturating_add(snoozed.len() as u64);
        if let Some(all) = super::totals::count_values(connection, &all, column, most).await? {
            return Ok(without(all, &snoozed));
        }
    }
    rows_by(connection, filter, column, MAX_VALUES).await
}

/// Subtracts counts, and returns the most frequent values of the rest.
fn without(mut all: Vec<FacetCount>, less: &[FacetCount]) -> Vec<FacetCount> {
    for FacetCount { value, count } in less {
        if let Some(of_value) = all.iter_mut().find(|of_value| of_value.value == *value) {
            of_value.count -= count;
        }
    }
    all.retain(|of_value| of_value.count > 0);
    all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    all.truncate(usize::try_from(MAX_VALUES).unwrap_or(usize::MAX));
    all
}

/// Counts the values of a column among the drifts that match a filter.
async fn rows_by<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
    column: totals::Column,
    most: u64,
) -> Result<Vec<FacetCount>> {
    let column = match column {
        totals::Column::Field => Expr::col((drift::Entity, drift::Column::Field)),
        totals::Column::Region => inbox::resource_region(),
        _ => inbox::resource_kind(),
    };
    rows_of(connection, filter, column, most).await
}

/// Counts the severities of the drifts that match a filter, apart from the severities in it. It counts the rows: an index
/// has the severities of open drifts.
///
/// # Errors
///
/// BAD_USER_INPUT if the filter is not valid.
pub(crate) async fn severities<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
) -> Result<Vec<FacetCount>> {
    let mut filter = filter.clone();
    filter.choices.severity = None;
    let column = Expr::col((drift::Entity, drift::Column::Severity));
    let mut counts = rows_of(connection, &filter, column, MAX_VALUES).await?;
    for count in &mut counts {
        count.value.make_ascii_uppercase();
    }
    Ok(counts)
}

/// Counts the assignees of the drifts that match a filter, apart from the assignees in it. It counts the rows: an index has
/// those with an assignee.
///
/// # Errors
///
/// BAD_USER_INPUT if the filter is not valid.
pub(crate) async fn assignees<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
) -> Result<Vec<FacetCount>> {
    let mut filter = filter.clone();
    filter.choices.assignee = Choice::default();
    filter.choices.assigned = Some(true);
    let column = Expr::col((drift::Entity, drift::Column::Assignee));
    rows_of(connection, &filter, column, MAX_VALUES).await
}

/// Counts the snoozed drifts among those that match a filter, whatever it says about snoozes.
///
/// # Errors
///
/// BAD_USER_INPUT if the filter is not valid.
pub(crate) async fn snoozed<C: ConnectionTrait>(connection: &C, filter: &DriftFilter) -> Result<i64> {
    let snoozed = DriftFilter {
        snoozed: Some(true),
        ..filter.clone()
    };
    inbox::count(connection, &snoozed).await
}

async fn rows_of<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
    column: Expr,
    most: u64,
) -> Result<Vec<FacetCount>> {
    filter.check()?;
    let drifts = match inbox::to_count(connection, filter).await? {
        (select, further) if further.is_empty() => select,
        _ => filter.select(connection.get_database_backend()),
    };
    count_rows(connection, drifts, column, most).await
}

/// Counts the values of a column among the selected drifts. Drifts for which it is empty are left out.
async fn count_rows<C: ConnectionTrait>(
    connection: &C,
    select: Select<drift::Entity>,
    column: Expr,
    most: u64,
) -> Result<Vec<FacetCount>> {
    let counts = select
        .select_only()
        .column_as(column.clone(), "value")
        .column_as(Expr::col(Asterisk).count(), "count")
        .filter(column.clone().ne(""))
        .group_by(column.clone())
        .order_by(Expr::col(Alias::new("count")), Order::Desc)
        .order_by(column, Order::Asc)
        .limit(most)
        .into_model::<FacetCount>()
        .all(connection)
        .await?;
    Ok(counts)
}

//! Totals that the database keeps, so that a count does not read the rows that it counts.

use entity::cloud_drift::DriftStatus;
use entity::job_runs::Job;
use entity::resource_states::Class;
use entity::{drift_totals as drifts, resource_totals as resources, row_totals as rows};
use sea_orm::sea_query::{Alias, CaseStatement, Expr, ExprTrait as _, IntoCondition};
use sea_orm::{
    ActiveEnum as _, ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, Order,
    QueryFilter, QueryOrder, QuerySelect, Select,
};

use super::choices::Choice;
use super::coverage::KindCoverage;
use super::facets::FacetCount;
use super::inbox::{DriftChoices, DriftFilter};
use super::resources::ResourceFilter;
use crate::error::Result;

/// Level of the rows of `drift_totals` that count by status only.
const BY_STATUS: i32 = 0;
/// Level of the rows of `drift_totals` that count by all columns.
const BY_ALL_COLUMNS: i32 = 1;

/// Returns the number of drifts that match the filter, or None if no totals are kept for such a filter.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn count_drifts<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
) -> Result<Option<i64>> {
    match of_drifts(filter, None) {
        Some(select) => Ok(Some(sum(connection, select, drifts::Column::N).await?)),
        None => Ok(None),
    }
}

/// Counts the values of a column among the drifts that match the filter, most frequent first. Drifts for which the
/// column is empty are left out. Returns None if no totals are kept for such a filter.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn count_values<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
    column: drifts::Column,
    limit: u64,
) -> Result<Option<Vec<FacetCount>>> {
    let Some(select) = of_drifts(filter, Some(BY_ALL_COLUMNS)) else {
        return Ok(None);
    };
    let total = || big_integer(drifts::Column::N.sum());
    let counts = select
        .select_only()
        .column_as(column, "value")
        .column_as(total(), "count")
        .filter(column.ne(""))
        .group_by(column)
        .having(total().gt(0))
        .order_by(Expr::col(Alias::new("count")), Order::Desc)
        .order_by_asc(column)
        .limit(limit)
        .into_model::<FacetCount>()
        .all(connection)
        .await?;
    Ok(Some(counts))
}

/// Returns the number of resources that match the filter, or None if no totals are kept for such a filter.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn count_resources<C: ConnectionTrait>(
    connection: &C,
    filter: &ResourceFilter,
) -> Result<Option<i64>> {
    match of_resources(filter) {
        Some(select) => Ok(Some(sum(connection, select, resources::Column::N).await?)),
        None => Ok(None),
    }
}

/// Returns the number of records of forgotten resources.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn count_forgotten<C: ConnectionTrait>(connection: &C) -> Result<i64> {
    let select = rows::Entity::find().filter(rows::Column::OfRows.eq("forgotten_resources"));
    sum(connection, select, rows::Column::N).await
}

/// Returns the number of runs, of one job or all.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn count_job_runs<C: ConnectionTrait>(connection: &C, job: Option<Job>) -> Result<i64> {
    let select = rows::Entity::find()
        .filter(rows::Column::OfRows.eq("job_runs"))
        .filter(Condition::all().add_option(job.map(|job| rows::Column::Key.eq(job.to_value()))));
    sum(connection, select, rows::Column::N).await
}

/// Returns the coverage of every kind that has resources.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn coverage<C: ConnectionTrait>(connection: &C) -> Result<Vec<KindCoverage>> {
    let managed = || resources::Column::Class.eq(Class::Managed);
    let rows = resources::Entity::find()
        .select_only()
        .columns([resources::Column::Provider, resources::Column::Kind])
        .column_as(sum_where(managed()), "managed")
        .column_as(
            sum_where(resources::Column::Class.eq(Class::Unmanaged)),
            "unmanaged",
        )
        .column_as(sum_where(resources::Column::Class.eq(Class::Owned)), "owned")
        .column_as(
            sum_where(managed().and(resources::Column::Changed.eq(true))),
            "drifted",
        )
        .column_as(
            sum_where(managed().and(resources::Column::Missing.eq(true))),
            "missing",
        )
        .group_by(resources::Column::Provider)
        .group_by(resources::Column::Kind)
        .order_by_asc(resources::Column::Provider)
        .order_by_asc(resources::Column::Kind)
        .into_model::<KindCoverage>()
        .all(connection)
        .await?;
    Ok(rows)
}

/// Returns the provider and the name of each kind that has a resource with a spec in force, in order.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn kinds_with_specs<C: ConnectionTrait>(connection: &C) -> Result<Vec<(String, String)>> {
    let kinds = resources::Entity::find()
        .select_only()
        .columns([resources::Column::Provider, resources::Column::Kind])
        .filter(resources::Column::Class.eq(Class::Managed))
        .group_by(resources::Column::Provider)
        .group_by(resources::Column::Kind)
        .having(resources::Column::N.sum().gt(0))
        .order_by_asc(resources::Column::Provider)
        .order_by_asc(resources::Column::Kind)
        .into_tuple()
        .all(connection)
        .await?;
    Ok(kinds)
}

/// Selects the rows whose sum is the number of drifts that match. A term without a column in `drift_totals` has no
/// such rows, nor has an empty region, under which resources without a region are counted. Without a `level`, the one
/// with the fewest rows is read.
fn of_drifts(filter: &DriftFilter, level: Option<i32>) -> Option<Select<drifts::Entity>> {
    let DriftFilter {
        status,
        kind,
        field,
        resource_id: None,
        resource_kind,
        region,
        source: None,
        address: None,
        search,
        detected_after: None,
        detected_before: None,
        snoozed: None,
        flapping: None,
        choices,
    } = filter
    else {
        return None;
    };
    if search.as_deref().is_some_and(|text| !text.is_empty()) || region.as_deref() == Some("") {
        return None;
    }
    let conditions = of_choices(choices)?
        .add_option(kind.as_ref().map(|kind| drifts::Column::DriftKind.eq(*kind)))
        .add_option(field.as_ref().map(|field| drifts::Column::Field.eq(field)))
        .add_option(resource_kind.as_ref().map(|kind| drifts::Column::Kind.eq(kind)))
        .add_option(region.as_ref().map(|region| drifts::Column::Region.eq(region)));
    let least = if conditions.is_empty() {
        BY_STATUS
    } else {
        BY_ALL_COLUMNS
    };
    let select = drifts::Entity::find()
        .filter(drifts::Column::Level.eq(level.unwrap_or(least)))
        .filter(drifts::Column::Status.is_in(status.iter().copied()))
        .filter(conditions);
    Some(select)
}

/// Returns the conditions with several values, or None if `drift_totals` has no column for one of them.
fn of_choices(choices: &DriftChoices) -> Option<Condition> {
    let DriftChoices {
        field,
        resource_id,
        resource_kind,
        region,
        source,
        address,
        provider,
        groups,
        severity: None,
        assignee,
        assigned: None,
    } = choices
    else {
        return None;
    };
    if !groups.is_empty()
        || !assignee.is_any()
        || !resource_id.is_any()
        || !source.is_any()
        || !address.is_any()
        || region.has_empty()
    {
        return None;
    }
    let mut all = Condition::all();
    for (column, choice) in [
        (drifts::Column::Field, field),
        (drifts::Column::Kind, resource_kind),
        (drifts::Column::Region, region),
        (drifts::Column::Provider, provider),
    ] {
        all = with_choice(all, column, choice);
    }
    Some(all)
}

/// Adds a condition with several values on a column that is never null.
pub(super) fn with_choice(all: Condition, column: impl ColumnTrait, choice: &Choice<String>) -> Condition {
    let any_of = choice.any_of.as_ref().map(|any_of| column.is_in(any_of));
    let none_of = Some(&choice.none_of).filter(|none_of| !none_of.is_empty());
    all.add_option(any_of)
        .add_option(none_of.map(|none_of| column.is_not_in(none_of)))
}

/// Returns the fields of drifts that a filter permits, with its statuses. Returns None if there are more than `most`.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn fields<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
    most: usize,
) -> Result<Option<Vec<String>>> {
    let conditions = with_choice(Condition::all(), drifts::Column::Field, &filter.choices.field);
    let found: Vec<String> = of_all_columns(filter)
        .column(drifts::Column::Field)
        .filter(conditions)
        .group_by(drifts::Column::Field)
        .limit(most as u64 + 1)
        .into_tuple()
        .all(connection)
        .await?;
    Ok(Some(found).filter(|found| found.len() <= most))
}

/// Returns the statuses, kinds and regions that drifts of a filter have together. Returns None if there are more than
/// `most`, or the filter asks for an empty region.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn places<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
    most: usize,
) -> Result<Option<Vec<(DriftStatus, String, String)>>> {
    let choices = DriftChoices {
        resource_kind: filter.choices.resource_kind.clone(),
        region: filter.choices.region.clone(),
        ..DriftChoices::default()
    };
    let Some(conditions) = of_choices(&choices) else {
        return Ok(None);
    };
    if filter.region.as_deref() == Some("") {
        return Ok(None);
    }
    let (kind, region) = (&filter.resource_kind, &filter.region);
    let conditions = conditions
        .add_option(kind.as_ref().map(|kind| drifts::Column::Kind.eq(kind)))
        .add_option(region.as_ref().map(|region| drifts::Column::Region.eq(region)));
    let place = [
        drifts::Column::Status,
        drifts::Column::Kind,
        drifts::Column::Region,
    ];
    let found = of_all_columns(filter)
        .columns(place)
        .filter(conditions)
        .group_by(drifts::Column::Status)
        .group_by(drifts::Column::Kind)
        .group_by(drifts::Column::Region)
        .limit(most as u64 + 1)
        .into_tuple()
        .all(connection)
        .await?;
    Ok(Some(found).filter(|found| found.len() <= most))
}

/// Selects no column of the rows that count by all columns, with the statuses of a filter. Groups without drifts are
/// left out.
fn of_all_columns(filter: &DriftFilter) -> Select<drifts::Entity> {
    drifts::Entity::find()
        .select_only()
        .filter(drifts::Column::Level.eq(BY_ALL_COLUMNS))
        .filter(drifts::Column::Status.is_in(filter.status.iter().copied()))
        .having(big_integer(drifts::Column::N.sum()).gt(0))
}

/// Selects the rows whose sum is the number of resources that match.
fn of_resources(filter: &ResourceFilter) -> Option<Select<resources::Entity>> {
    let ResourceFilter {
        provider,
        kind,
        region,
        source: None,
        managed,
        drifted,
        gone,
        search,
        choices,
    } = filter
    else {
        return None;
    };
    if search.as_deref().is_some_and(|text| !text.is_empty()) || region.as_deref() == Some("") {
        return None;
    }
    let columns = [
        resources::Column::Provider,
        resources::Column::Kind,
        resources::Column::Region,
    ];
    let choices = choices.of_columns(columns)?;
    let class = |managed| if managed { Class::Managed } else { Class::Unmanaged };
    let has_drift = resources::Column::Changed
        .eq(true)
        .or(resources::Column::Missing.eq(true));
    let drifted = drifted.map(|wanted| if wanted { has_drift } else { has_drift.not() });
    let conditions = choices
        .add_option(
            provider
                .as_ref()
                .map(|provider| resources::Column::Provider.eq(provider)),
        )
        .add_option(kind.as_ref().map(|kind| resources::Column::Kind.eq(kind)))
        .add_option(region.as_ref().map(|region| resources::Column::Region.eq(region)))
        .add_option(managed.map(|managed| resources::Column::Class.eq(class(managed))))
        .add_option(drifted)
        .add_option(gone.map(|gone| resources::Column::Gone.eq(gone)));
    Some(resources::Entity::find().filter(conditions))
}

#[derive(FromQueryResult)]
struct Sum {
    total: i64,
}

async fn sum<C: ConnectionTrait, E: EntityTrait>(
    connection: &C,
    select: Select<E>,
    n: impl ColumnTrait,
) -> Result<i64> {
    let sum = select
        .select_only()
        .column_as(big_integer(n.sum().if_null(0)), "total")
        .into_model::<Sum>()
        .one(connection)
        .await?;
    Ok(sum.map_or(0, |sum| sum.total))
}

fn sum_where(condition: impl IntoCondition) -> Expr {
    let n: Expr = CaseStatement::new()
        .case(condition, Expr::col(resources::Column::N))
        .finally(0)
        .into();
    big_integer(n.sum())
}

/// Converts a sum to the type of the counts: a sum of big integers is a decimal number in PostgreSQL.
fn big_integer(sum: Expr) -> Expr {
    sum.cast_as("bigint")
}

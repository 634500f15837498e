//! The selects whose rows together are the drifts that match a filter. An index gives the order of each select, so that
//! a page reads little more than its rows, however many statuses the filter has and however rare a searched text is.

use entity::cloud_drift::{self as drift, DriftStatus};
use entity::{cloud_provisioned as provisioned, cloud_resources as resources};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, DbBackend, QueryFilter, Select};
use uuid::Uuid;

use super::{DriftChoices, DriftFilter, DriftTime, ranges};
use crate::db::lists;
use crate::error::Result;
use crate::services::search::{self, Found};
use crate::services::totals;

/// Maximum number of selects for the fields that contain a searched text.
const MAX_OF_FIELDS: usize = 24;

/// What contains a searched text.
struct Hits {
    /// Resources by name, provider id or address.
    resources: Found,
    text: Text,
    /// Fields, of the field of the filter if it has one.
    fields: Vec<String>,
}

/// A searched text.
#[derive(Clone)]
struct Text {
    text: String,
    /// Whether an address contains it.
    is_in_addresses: bool,
}

async fn hits<C: ConnectionTrait>(connection: &C, filter: &DriftFilter, text: &str) -> Result<Hits> {
    let mut fields = search::fields_with(connection, text).await?;
    fields.retain(|field| filter.permits_field(field));
    let by_address = search::resources_with_address(connection, text).await?;
    let text_found = Text {
        text: text.to_owned(),
        is_in_addresses: !by_address.is_none(),
    };
    let resources = search::resources_with(connection, text).await?.or(by_address);
    Ok(Hits {
        resources,
        text: text_found,
        fields,
    })
}

/// Returns the selects of a page. They have no row in common. Without selects, no drift matches.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn of<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
    time: DriftTime,
) -> Result<Vec<Select<drift::Entity>>> {
    let backend = connection.get_database_backend();
    let Some(text) = filter.searched() else {
        return without_search(connection, filter, time).await;
    };
    let Hits {
        resources,
        text,
        fields,
    } = hits(connection, filter, text).await?;
    let any = filter.without_search();
    let ids = match resources {
        Found::Few(ids) => ids,
        Found::Several(ids) => return walks(connection, &any, &text, &fields, Some(ids)).await,
        Found::Many => return walks(connection, &any, &text, &fields, None).await,
    };
    let mut selects = Vec::new();
    if !ids.is_empty() {
        let select = any.select(backend);
        selects.push(of_resources(backend, select, &text, ids).filter(is_none_of(&fields)));
    }
    if fields.len() * filter.status.len() <= MAX_OF_FIELDS {
        for field in fields {
            let of_field = any.with_field(field);
            selects.extend(by_status(&of_field).map(|of_status| of_status.select(backend)));
        }
    } else {
        selects.extend(by_status(&any).map(|of_status| {
            let select = of_status.select(backend);
            select.filter(drift::Column::Field.is_in(fields.iter().cloned()))
        }));
    }
    Ok(selects)
}

/// Returns the selects of a page of drifts whose field is listed or whose resource contains the text. Each walks the
/// order of the page. `among` has the ids of all such resources: a test of an id costs less than reading the resource.
async fn walks<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
    text: &Text,
    fields: &[String],
    among: Option<Vec<Uuid>>,
) -> Result<Vec<Select<drift::Entity>>> {
    let backend = connection.get_database_backend();
    let in_its_resource = is_in_its_resource(backend, text);
    let of_resource = match among {
        // PostgreSQL would sort all drifts of these resources if the list were a condition of its own.
        Some(ids) => Expr::cust_with_exprs(
            if backend == DbBackend::Postgres {
                "(($1) IS TRUE AND $2)"
            } else {
                "((?) IS TRUE AND ?)"
            },
            [self::among(backend, ids), in_its_resource],
        ),
        None => in_its_resource,
    };
    let contains = Condition::any()
        .add(drift::Column::Field.is_in(fields.iter().cloned()))
        .add(of_resource);
    // Each select has the fields and the ids as parameters, whose number is limited, so there are no ranges.
    let selects = by_look_up(connection, filter, false).await?;
    Ok(selects
        .into_iter()
        .map(|select| select.filter(contains.clone()))
        .collect())
}

/// Returns the selects of a page without a search. Drifts of a kind or region are found by their ranges of an index.
/// Where another index gives the order, the drifts of few resources are found by these, and those of many resources by
/// walking the drifts in order, except for a status of which the resources have no drift.
async fn without_search<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
    time: DriftTime,
) -> Result<Vec<Select<drift::Entity>>> {
    // No index of ranges has the time of resolution of open drifts. SQLite would read all open drifts for each range.
    let is_sqlite = connection.get_database_backend() == DbBackend::Sqlite;
    let is_walked =
        is_sqlite && time == DriftTime::ResolvedAt && filter.statuses().contains(&DriftStatus::Open);
    match ranges::of(connection, filter).await? {
        Some(selects) if !is_walked => Ok(selects),
        _ => by_look_up(connection, filter, true).await,
    }
}

/// Returns the selects without ranges. With `by_field`, there may be one for each field that the filter permits.
async fn by_look_up<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
    by_field: bool,
) -> Result<Vec<Select<drift::Entity>>> {
    let backend = connection.get_database_backend();
    if let Some((addresses, of_drift)) = filter.split_addresses() {
        return Ok(match search::resources_at(connection, &addresses).await? {
            Found::Few(ids) => vec![of_drift.select(backend).filter(among(backend, ids))],
            _ => by_status(&of_drift)
                .map(|of_status| {
                    of_status
                        .select(backend)
                        .filter(of_its_spec(search::is_at(&addresses)))
                })
                .collect(),
        });
    }
    let found = search::resources_of(connection, filter).await?;
    if let Some(Found::Few(ids)) = found {
        return Ok(vec![filter.select(backend).filter(among(backend, ids))]);
    }
    let is_restricted = found.is_some() || filter.choices != DriftChoices::default();
    let mut selects = Vec::new();
    for of_status in by_status(filter) {
        if is_restricted && totals::count_drifts(connection, &of_status).await? == Some(0) {
            continue;
        }
        match fields_of(connection, &of_status).await? {
            Some(fields) if by_field => {
                let each = fields.into_iter().map(|field| of_status.with_field(field));
                selects.extend(each.map(|of_field| of_field.select(backend)));
            }
            _ => {
                let by_severity = of_status.by_severity().into_iter();
                selects.extend(by_severity.map(|filter| filter.select(backend)));
            }
        }
    }
    Ok(selects)
}

/// Returns the fields of the drifts with the status of the filter that it permits, if it has a condition with several
/// fields and these are few. An index has the drifts of each field in the order of a page.
async fn fields_of<C: ConnectionTrait>(connection: &C, filter: &DriftFilter) -> Result<Option<Vec<String>>> {
    if filter.field.is_some() || filter.choices.field.is_any() {
        return Ok(None);
    }
    let statuses = filter.statuses().len().max(1);
    totals::fields(connection, filter, MAX_OF_FIELDS / statuses).await
}

/// Returns a select and filters. The numbers of their rows add up to the number of drifts that match.
///
/// # Errors
///
/// The database is unavailable.
pub(in crate::services) async fn to_count<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
) -> Result<(Select<drift::Entity>, Vec<DriftFilter>)> {
    let backend = connection.get_database_backend();
    let Some(text) = filter.searched() else {
        return Ok((filter.select(backend), Vec::new()));
    };
    let Hits {
        resources,
        text,
        fields,
    } = hits(connection, filter, text).await?;
    let (Found::Few(ids) | Found::Several(ids)) = resources else {
        return Ok((filter.select(backend), Vec::new()));
    };
    let select = filter.without_search().select(backend);
    let of_resources = of_resources(backend, select, &text, ids).filter(is_none_of(&fields));
    let of_fields = fields
        .into_iter()
        .map(|field| filter.without_search().with_field(field));
    Ok((of_resources, of_fields.collect()))
}

/// Restricts a select to the drifts of those of the listed resources that still contain the text.
fn of_resources(
    backend: DbBackend,
    select: Select<drift::Entity>,
    text: &Text,
    ids: Vec<Uuid>,
) -> Select<drift::Entity> {
    select
        .filter(among(backend, ids))
        .filter(is_in_its_resource(backend, text))
}

fn among(backend: DbBackend, ids: Vec<Uuid>) -> Expr {
    lists::among(backend, r#""cloud_drift"."resource_id""#, ids)
}

fn is_none_of(fields: &[String]) -> Expr {
    drift::Column::Field.is_not_in(fields.iter().cloned())
}

/// Returns one filter for each status.
fn by_status(filter: &DriftFilter) -> impl Iterator<Item = DriftFilter> {
    let statuses = filter.statuses();
    let lists = if statuses.is_empty() {
        vec![Vec::new()]
    } else {
        statuses.into_iter().map(|status| vec![status]).collect()
    };
    lists.into_iter().map(|status| DriftFilter {
        status,
        ..filter.clone()
    })
}

/// Returns the condition that the name, the provider id or the address of the drift's resource contains the text. It
/// consists of scalar subqueries, because PostgreSQL would otherwise look up all such resources first.
fn is_in_its_resource(backend: DbBackend, text: &Text) -> Expr {
    let contains = Query::select()
        .expr(Expr::from(search::in_resource(backend, &text.text)))
        .from(resources::Entity)
        .and_where(
            Expr::col((resources::Entity, resources::Column::Id))
                .equals((drift::Entity, drift::Column::ResourceId)),
        )
        .take();
    let in_resource = Expr::from(contains);
    if text.is_in_addresses {
        in_resource.or(of_its_spec(search::in_address(backend, &text.text)))
    } else {
        in_resource
    }
}

/// Returns the condition that the spec of the drift's resource meets a condition.
fn of_its_spec(condition: Expr) -> Expr {
    let spec = Query::select()
        .expr(condition)
        .from(provisioned::Entity)
        .and_where(
            Expr::col((provisioned::Entity, provisioned::Column::ResourceId))
                .equals((drift::Entity, drift::Column::ResourceId)),
        )
        .take();
    Expr::from(spec)
}
